//! A node that joins a running network with a system channel: it is given one of the system channel's
//! config blocks and replicates, before anything is served, that channel and all others that it is a
//! consenter of.
//!
//! The block stays in the join-block repository until all is here, so that a node which is stopped on
//! the way goes on at the next start. Source: Fabric's `orderer/common/onboarding`.

use std::{sync::Arc, time::Duration};

use channel::{
    block::{self, EncodedBlock},
    bundle::{Bundle, ConfigBlockError},
};
use consensus::{
    channel_state::{ChannelError, ChannelState, created_channel},
    onboarding::{self, Apart, Patience, PullError},
    source::SourceError,
};
use prost::Message;
use protos::common::Block;
use storage::ledger::StoreError;
use tokio_util::sync::CancellationToken;

use super::{Registrar, SERVER_LOG, open::OpenError, system::write_genesis};

const LOG: &str = "orderer.common.cluster";

/// How channels are replicated before they are served: settings of `General.Cluster`.
#[derive(Clone, Copy, Debug)]
pub struct Replication {
    /// Attempts to pull, and the pause in between.
    pub patience: Patience,
    /// Longest interval between looks at channels that are not served
    /// (`ReplicationBackgroundRefreshInterval`).
    pub refresh_interval: Duration,
}

/// Why the channels of a running network could not be replicated.
#[derive(Debug, thiserror::Error)]
pub enum OnboardingError {
    /// The block that the node was given cannot be used.
    #[error("the block that system channel {channel} is joined with cannot be used: {source}")]
    BootBlock {
        /// The system channel.
        channel: String,
        /// What is wrong with it.
        source: Box<ConfigBlockError>,
    },
    /// The system channel did not come.
    #[error(
        "Failed pulling system channel {channel}: {source}; the node goes on where it was at its next start"
    )]
    SystemChannel {
        /// The system channel.
        channel: String,
        /// Why not.
        source: Box<PullError>,
    },
    /// Nobody could be asked whether this node belongs to a channel.
    #[error(
        "Failed classifying whether I belong to channel {channel}: {source}; the node goes on where it was at its next start"
    )]
    Unclassified {
        /// The channel.
        channel: String,
        /// Why not.
        source: Box<Apart>,
    },
    /// A ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A channel's blocks or configuration cannot be used.
    #[error("{0}")]
    Channel(Box<ChannelError>),
    /// A channel cannot be opened.
    #[error("{0}")]
    Open(String),
}

impl From<ChannelError> for OnboardingError {
    fn from(error: ChannelError) -> Self {
        Self::Channel(Box::new(error))
    }
}

impl From<OpenError> for OnboardingError {
    fn from(error: OpenError) -> Self {
        Self::Open(error.to_string())
    }
}

/// Where this node is with a channel that others order.
enum Place {
    /// It is a consenter.
    Consenter,
    /// It has no business there, or nobody serves it.
    Apart,
}

impl Registrar {
    /// Replicates the network that this node was given a block of the system channel for, if it was
    /// and has not done so yet.
    ///
    /// # Errors
    ///
    /// When the system channel cannot be had, or when nobody can be asked about another one.
    pub async fn onboard(&self) -> Result<(), OnboardingError> {
        let Some((name, boot)) = self.boot_block()? else { return Ok(()) };
        if boot.number() == 0 {
            write_genesis(&self.parts.store, &name, &boot)?;
        } else {
            tracing::info!(target: LOG, "Will now replicate chains");
            let bundle = Bundle::from_config_block(boot.block()).map_err(|error| {
                OnboardingError::BootBlock { channel: name.clone(), source: Box::new(error) }
            })?;
            if !self.replicate_network(&name, &boot, &bundle).await? {
                return Ok(());
            }
        }
        self.parts.store.join_blocks().remove(&name)?;
        Ok(())
    }

    /// The join block of a system channel.
    fn boot_block(&self) -> Result<Option<(String, EncodedBlock)>, OnboardingError> {
        let joined = self.parts.store.join_blocks();
        for name in joined.list()? {
            // What does not decode is reported when its channel is opened.
            let block = joined.load(&name)?.and_then(|bytes| Block::decode(bytes).ok());
            let Some(block) = block else { continue };
            if Bundle::from_config_block(&block).is_ok_and(|bundle| bundle.consortiums().is_some()) {
                let boot = EncodedBlock::from_block(block);
                tracing::info!(target: SERVER_LOG,
                    "Join-block was found for the system channel: {name}, number: {}", boot.number());
                return Ok(Some((name, boot)));
            }
        }
        Ok(None)
    }

    /// Whether all is here; a channel that could not be pulled is tried again later.
    async fn replicate_network(
        &self,
        system: &str,
        boot: &EncodedBlock,
        config: &Bundle,
    ) -> Result<bool, OnboardingError> {
        let failed =
            |error| OnboardingError::SystemChannel { channel: system.to_owned(), source: Box::new(error) };
        let source = self.parts.sources.for_channel(system, config);
        let patience = self.parts.replication.patience;
        if self.parts.store.open_channel(system)?.height() == 0 {
            let genesis = onboarding::pull_genesis(system, &*source, patience).await.map_err(failed)?;
            write_genesis(&self.parts.store, system, &genesis)?;
        }
        let state = self.open_state(system)?;
        let known = Some((boot.number(), boot.header_hash()));
        let stopping = CancellationToken::new();
        let pulled = onboarding::pull(&state, &*source, boot.number(), known, patience, &stopping).await;
        pulled.map_err(failed)?;

        let created = created_channels(&state)?;
        let names: Vec<_> = created.iter().map(|(name, _)| name.as_str()).collect();
        tracing::info!(target: LOG, "Discovered {} channels: {}", names.len(), list(&names));
        tracing::info!(target: LOG, "Evaluating channels to pull: {}", list(&names));
        let mut own = Vec::new();
        for name in &names {
            match self.place_in(name, config).await {
                Ok(Place::Consenter) => own.push(*name),
                Ok(Place::Apart) => {}
                Err(apart) => {
                    let (channel, source) = ((*name).to_owned(), Box::new(apart));
                    return Err(OnboardingError::Unclassified { channel, source });
                }
            }
        }
        tracing::info!(target: LOG,
            "Found myself in {} channels out of {} : {}", own.len(), names.len(), list(&own));
        for (name, genesis) in &created {
            write_genesis(&self.parts.store, name, genesis)?;
        }
        let mut is_complete = true;
        for name in own {
            let state = self.open_state(name)?;
            if let Err(error) = self.pull_channel(&state, config, &stopping).await {
                tracing::warn!(target: LOG, "Failed pulling channel {name}: {error}");
                self.track(name);
                is_complete = false;
            }
        }
        Ok(is_complete)
    }

    /// Asks the orderers of the system channel about a channel of theirs.
    async fn place_in(&self, channel_id: &str, system_config: &Bundle) -> Result<Place, Apart> {
        tracing::info!(target: LOG, "Probing whether I should pull channel {channel_id}");
        let source = self.parts.sources.for_channel(channel_id, system_config);
        let apart = match onboarding::find_self(&*source, &self.parts.raft.own_server_cert_der).await {
            Ok(()) => {
                tracing::info!(target: LOG, "I need to pull channel {channel_id}");
                return Ok(Place::Consenter);
            }
            Err(apart) => apart,
        };
        match &apart {
            Apart::NotInChannel | Apart::Source(SourceError::Forbidden) => tracing::info!(target: LOG,
                "I do not belong to channel {channel_id} or am forbidden pulling it ({apart}), skipping chain retrieval"),
            Apart::Source(SourceError::ServiceUnavailable) => tracing::info!(target: LOG,
                "All orderers in the system channel are either down,or do not service channel {channel_id} ({apart}), skipping chain retrieval"),
            Apart::Source(SourceError::Unreachable { .. }) => tracing::warn!(target: LOG,
                "Could not obtain blocks needed for classifying whether I am in the channel,skipping the retrieval of the chan {channel_id}: {apart}"),
            Apart::Source(_) | Apart::Config(_) => return Err(apart),
        }
        Ok(Place::Apart)
    }

    /// Brings a channel's ledger to where the other orderers are.
    async fn pull_channel(
        &self,
        state: &Arc<ChannelState>,
        system_config: &Bundle,
        stopping: &CancellationToken,
    ) -> Result<(), PullError> {
        let name = state.channel_id();
        tracing::info!(target: LOG, "Pulling channel {name}");
        let source = self.parts.sources.for_channel(name, system_config);
        let heights = source.heights().await;
        let height = heights.into_iter().map(|(_, height)| height).max().unwrap_or(0);
        tracing::info!(target: LOG, "Latest block height for channel {name} is {height}");
        let Some(last) = height.checked_sub(1).filter(|last| *last >= state.height()) else {
            return Ok(());
        };
        let patience = self.parts.replication.patience;
        onboarding::pull(state, &*source, last, None, patience, stopping).await?;
        tracing::info!(target: LOG, "Committed block [{last}] for channel {name}");
        Ok(())
    }

    /// Replicates those of these channels that this node is a consenter of by now, with the help of the
    /// system channel's orderers; gives their names.
    pub(super) async fn replicate_channels(
        &self,
        channels: &[String],
        system_config: &Bundle,
        stopping: &CancellationToken,
    ) -> Vec<String> {
        tracing::info!(target: LOG, "Will now replicate chains {}", list(channels));
        let mut replicated = Vec::new();
        for name in channels {
            let Some(handle) = self.channels.get(name) else { continue };
            let pulled = tokio::select! {
                place = self.place_in(name, system_config) => match place {
                    Ok(Place::Consenter) => self.pull_channel(handle.state(), system_config, stopping).await,
                    Ok(Place::Apart) => continue,
                    Err(apart) => {
                        tracing::warn!(target: LOG, "Cannot tell whether I belong to channel {name}: {apart}");
                        continue;
                    }
                },
                () = stopping.cancelled() => break,
            };
            match pulled {
                Ok(()) => replicated.push(name.clone()),
                Err(error) => tracing::warn!(target: LOG, "Failed pulling channel {name}: {error}"),
            }
        }
        replicated
    }
}

/// The channels that the system channel has created, with their genesis blocks.
pub(super) fn created_channels(
    system: &ChannelState,
) -> Result<Vec<(String, EncodedBlock)>, OnboardingError> {
    let mut created: Vec<(String, EncodedBlock)> = Vec::new();
    for number in 1..system.height() {
        let Some(block) = system.ledger().block(number)? else { continue };
        if !block::is_config_block(block.block()) || block::is_plain_config_block(block.block()) {
            continue;
        }
        let genesis = created_channel(&block).map_err(|source| ChannelError::Creation { number, source })?;
        let name =
            block::channel_id(genesis.block()).map_err(|error| OpenError::Genesis(error.to_string()))?;
        if created.iter().any(|(other, _)| *other == name) {
            tracing::warn!(target: LOG,
                "Block {number} attempts to create an existing channel [{name}], ignore");
            continue;
        }
        created.push((name, genesis));
    }
    Ok(created)
}

/// Names as Fabric prints a list.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    format!("[{}]", names.join(" "))
}

//! The channels of this node: which exist, what serves them, and how they come and go.
//!
//! - [`channels`] is what Broadcast, Deliver and Step look at; [`participation`] what operators ask.
//! - `open` brings a channel up from its ledger, `join` and `removal` change which there are,
//!   `onboarding` and `tracking` replicate channels where there is a system channel, `events` reacts
//!   to what chains report, `trust` follows the channels' TLS roots.
//!
//! Rules and texts: Fabric's `orderer/common/multichannel/registrar.go`.

pub mod channels;
mod events;
mod join;
mod onboarding;
mod open;
pub mod participation;
mod removal;
mod system;
mod tracking;
mod trust;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use consensus::{
    chain::{Chain, ConsensusRelation, Status},
    raft::RaftOptions,
    source::BlockSources,
    transport::Transport,
};
use identity::signing::SigningIdentity;
use parking_lot::Mutex;
use protos::common::Block;
use storage::ledger::{LedgerStore, StoreError};
use tokio::runtime::Handle;

use crate::metrics::Metrics;
pub use channels::{ChannelHandle, Channels};
pub use onboarding::{OnboardingError, Replication};
pub use participation::{ChannelInfo, ChannelList, Participation, ParticipationError};
pub use system::{BootstrapError, bootstrap};
pub use trust::TrustPools;

/// Fabric's name for the registrar's log, triple m included.
const LOG: &str = "orderer.commmon.multichannel";
/// The log of what happens when the node starts.
const SERVER_LOG: &str = "orderer.common.server";
/// How long a chain may take to end when the node stops.
const HALT_LIMIT: Duration = Duration::from_secs(10);

/// What the registrar works with.
pub struct RegistrarParts {
    /// The ledgers.
    pub store: Arc<LedgerStore>,
    /// The node's identity; signs blocks and config transactions.
    pub signer: Arc<SigningIdentity>,
    /// Options of the Raft consenter, the node's own TLS server certificate among them.
    pub raft: RaftOptions,
    /// Reaches the other consenters.
    pub transport: Arc<dyn Transport>,
    /// Pulls blocks from them.
    pub sources: Arc<dyn BlockSources>,
    /// The roots that change with the channels.
    pub trust: TrustPools,
    /// Whether messages of expired identities are refused.
    pub checks_expiration: bool,
    /// How channels are replicated before they are served.
    pub replication: Replication,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Keeps the channels.
pub struct Registrar {
    parts: RegistrarParts,
    channels: Arc<Channels>,
    trust: trust::Trust,
    /// Channels that are here, but have no consenter to serve clients.
    others: Mutex<BTreeMap<String, Other>>,
    /// Channels that are not served until this node is a consenter of them.
    tracked: Arc<tracking::Tracked>,
    /// Held while the set of channels changes: one join, removal or switch at a time.
    changing: tokio::sync::Mutex<()>,
    /// Chains report from threads of their own.
    runtime: Handle,
    me: Weak<Registrar>,
}

/// A channel without consenter.
enum Other {
    /// It is replicated from other orderers.
    Followed(Arc<dyn Chain>),
    /// It could not be opened, for this reason.
    Broken(String),
    /// Its files are being removed; shown like this until they are gone.
    Removing(ConsensusRelation, Status),
    /// Its files could not be removed.
    RemovalFailed,
    /// It is the system channel, and is replicated and served after the next start.
    Joined,
}

impl Registrar {
    /// A registrar without channels; [`Self::start`] brings them up.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(parts: RegistrarParts) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            trust: trust::Trust::new(parts.trust.clone()),
            parts,
            channels: Arc::default(),
            others: Mutex::default(),
            tracked: Arc::default(),
            changing: tokio::sync::Mutex::default(),
            runtime: Handle::current(),
            me: me.clone(),
        })
    }

    /// The channels that are served.
    pub fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    /// Brings up every channel that has a ledger or a join block. A channel that cannot be opened
    /// is reported and does not stop the others. Blocks.
    ///
    /// # Errors
    ///
    /// When the ledger directory cannot be read at all.
    pub fn start(&self) -> Result<(), StoreError> {
        let joined = self.parts.store.join_blocks().list()?;
        let mut names: BTreeSet<_> = self.parts.store.channels()?.into_iter().collect();
        names.extend(joined.iter().cloned());
        // The system channel comes first: with one, other channels are treated differently.
        let (mut ordered, mut applications) = (Vec::new(), Vec::new());
        for name in names {
            let is_joined = joined.contains(&name);
            match self.look_at(&name, is_joined) {
                Ok(Some(true)) => ordered.push(name),
                Ok(Some(false)) => applications.push(name),
                Ok(None) => {
                    tracing::info!(target: LOG, "Removing empty ledger of channel {name}");
                    self.parts.store.remove_channel(&name)?;
                }
                Err(reason) => self.report_broken(&name, &reason),
            }
        }
        ordered.append(&mut applications);
        for name in &ordered {
            if let Err(reason) = self.open_existing(name) {
                self.report_broken(name, &reason.to_string());
            }
        }
        self.log_start();
        Ok(())
    }

    fn log_start(&self) {
        match self.channels.system() {
            Some(system) => {
                let bundle = system.state().bundle();
                let kind = bundle.orderer().map_or("", |orderer| orderer.consensus_type.as_str());
                let name = system.state().channel_id();
                tracing::info!(target: SERVER_LOG,
                    "Starting with system channel: {name}, consensus type: {kind}");
                tracing::info!(target: LOG, "Starting system channel '{name}' with orderer type {kind}");
            }
            None => {
                tracing::info!(target: SERVER_LOG, "Starting without a system channel");
                let consenters = self.channels.all().len();
                let followers =
                    self.others.lock().values().filter(|other| matches!(other, Other::Followed(_))).count();
                tracing::info!(target: LOG,
                    "Registrar initializing without a system channel, number of application channels: {}, with {consenters} consensus.Chain(s) and {followers} follower.Chain(s)",
                    consenters + followers);
            }
        }
    }

    fn report_broken(&self, channel_id: &str, reason: &str) {
        tracing::error!(target: LOG, channel = channel_id,
            "Channel {channel_id} cannot be served: {reason}; the other channels are not affected");
        self.others.lock().insert(channel_id.to_owned(), Other::Broken(reason.to_owned()));
        self.show(channel_id);
    }

    /// The channels that are in trouble, each with its reason: for the health check.
    pub fn failures(&self) -> Vec<(String, String)> {
        let mut failures = Vec::new();
        for (name, other) in self.others.lock().iter() {
            match other {
                Other::Broken(reason) => failures.push((name.clone(), reason.clone())),
                Other::RemovalFailed => failures.push((name.clone(), "removing its files failed".to_owned())),
                Other::Followed(_) | Other::Removing(..) | Other::Joined => {}
            }
        }
        for (name, handle) in self.channels.all() {
            let of_chain = || handle.current_chain().and_then(|chain| chain.failure());
            if let Some(reason) = handle.state().ledger().poisoned().or_else(of_chain) {
                failures.push((name, reason));
            }
        }
        failures
    }

    /// Ends all chains in good order; leaders hand over first.
    pub async fn halt(&self) {
        self.tracked.stop().await;
        let _changing = self.changing.lock().await;
        let mut chains: Vec<_> =
            self.channels.all().iter().filter_map(|(_, handle)| handle.current_chain()).collect();
        chains.extend(self.others.lock().values().filter_map(|other| match other {
            Other::Followed(chain) => Some(chain.clone()),
            _ => None,
        }));
        let halted = futures::future::join_all(chains.iter().map(|chain| chain.halt()));
        if tokio::time::timeout(HALT_LIMIT, halted).await.is_err() {
            tracing::warn!(target: LOG, "Not all chains have ended within {HALT_LIMIT:?}");
        }
        for (name, handle) in self.channels.all() {
            let ledger = handle.state().ledger().clone();
            let flushed = tokio::task::spawn_blocking(move || ledger.flush()).await;
            if let Ok(Err(reason)) = flushed {
                tracing::error!(target: LOG, channel = name, "Flushing the ledger failed: {reason}");
            }
        }
    }

    /// Shows a channel's relation, status and height in the metrics: a ledger that was opened
    /// with blocks in it has a height before the next one comes.
    fn show(&self, channel_id: &str) {
        if let Ok(info) = self.info(channel_id) {
            self.parts.metrics.set_participation(channel_id, info.relation, info.status);
            self.parts.metrics.ledger_blockchain_height.with([channel_id]).set(info.height as f64);
        }
    }

    /// Shows every channel's relation and status in the metrics; followers change theirs by themselves.
    pub fn show_all(&self) {
        let list = self.list();
        list.system_channel.iter().chain(&list.channels).for_each(|name| self.show(name));
    }

    /// Whether this node speaks to other orderers: always, unless its system channel is ordered by
    /// something that needs no cluster.
    pub fn needs_cluster(&self) -> bool {
        let system = self.channels.system().map(|system| system.state().bundle());
        let kind = system.as_ref().and_then(|bundle| bundle.orderer()).map(|o| o.consensus_type.as_str());
        kind.is_none_or(|kind| kind == "etcdraft")
    }

    fn has_system_channel(&self) -> bool {
        self.system_channel().is_some()
    }

    /// The system channel, served or still to be replicated.
    fn system_channel(&self) -> Option<String> {
        let joined = || {
            let others = self.others.lock();
            others.iter().find(|(_, other)| matches!(other, Other::Joined)).map(|(name, _)| name.clone())
        };
        self.channels.system().map(|system| system.state().channel_id().to_owned()).or_else(joined)
    }

    fn height_of(&self, channel_id: &str) -> u64 {
        let is_here = self.parts.store.exists(channel_id);
        let ledger = is_here.then(|| self.parts.store.open_channel(channel_id).ok()).flatten();
        ledger.map_or(0, |ledger| ledger.height())
    }
}

#[async_trait]
impl Participation for Registrar {
    fn list(&self) -> ChannelList {
        let system_channel = self.system_channel();
        let mut names: BTreeSet<_> = self.channels.all().into_iter().map(|(name, _)| name).collect();
        names.extend(self.others.lock().keys().cloned());
        let is_other = |name: &String| Some(name) != system_channel.as_ref();
        let channels = names.into_iter().filter(is_other).collect();
        ChannelList { system_channel, channels }
    }

    fn info(&self, channel_id: &str) -> Result<ChannelInfo, ParticipationError> {
        let name = channel_id.to_owned();
        if let Some(handle) = self.channels.get(channel_id) {
            let suspended = (ConsensusRelation::Consenter, Status::Onboarding);
            let (relation, status) = handle.current_chain().map_or(suspended, |c| c.relation_and_status());
            return Ok(ChannelInfo { name, relation, status, height: handle.state().height() });
        }
        let (relation, status, is_removed) = match self.others.lock().get(channel_id) {
            None => return Err(ParticipationError::ChannelDoesNotExist),
            Some(Other::Followed(chain)) => {
                let (relation, status) = chain.relation_and_status();
                (relation, status, false)
            }
            Some(Other::Broken(_)) => (ConsensusRelation::Other, Status::Failed, true),
            Some(Other::Removing(relation, status)) => (*relation, *status, true),
            Some(Other::RemovalFailed) => (ConsensusRelation::Other, Status::Failed, true),
            Some(Other::Joined) => (ConsensusRelation::Consenter, Status::Inactive, false),
        };
        let height = if is_removed { 0 } else { self.height_of(channel_id) };
        Ok(ChannelInfo { name, relation, status, height })
    }

    async fn join(&self, block: Block) -> Result<ChannelInfo, ParticipationError> {
        self.join_channel(block).await
    }

    async fn remove(&self, channel_id: &str) -> Result<(), ParticipationError> {
        self.remove_channel(channel_id).await
    }
}

//! Bringing a channel up: from its ledger and the last config in it to the consenter that the
//! config names. A restart, a join and a switch between following and ordering all come through
//! here.

use std::sync::Arc;

use channel::{
    block::{self, BlockError, EncodedBlock},
    bundle::{Bundle, ConfigBlockError},
};
use consensus::{
    chain::Chain,
    channel_state::{ChannelError, ChannelOptions, ChannelState},
    follower::{self, FollowerError, FollowerParts},
    inactive::InactiveChain,
    raft,
    segment::{Consenter, Segment, SegmentError},
    solo,
};
use prost::Message;
use protos::common::Block;
use storage::ledger::StoreError;

use super::{ChannelHandle, LOG, Other, Registrar, events::Events};

/// Why a channel cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// Its ledger cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its blocks or its configuration cannot be used.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Its join block cannot be used.
    #[error("its join block cannot be used: {0}; remove the channel and join it again")]
    JoinBlock(String),
    /// The genesis block names no channel.
    #[error("the genesis block names no channel: {0}")]
    Genesis(String),
    /// Its last block tells nothing about its consenter.
    #[error("its last block cannot be read: {0}")]
    Block(#[from] BlockError),
    /// Its configuration names no consenter that there is.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// This program is too old for the channel.
    #[error(transparent)]
    Capability(#[from] channel::capabilities::UnsupportedCapability),
    /// The Raft consenter does not start.
    #[error(transparent)]
    Raft(#[from] raft::StartError),
    /// It cannot be followed.
    #[error(transparent)]
    Follower(#[from] FollowerError),
    /// The channel is ordered by Kafka.
    #[error(
        "it is ordered by Kafka, which this program does not serve: move it to etcdraft with Fabric's orderers first"
    )]
    Kafka,
}

impl From<ConfigBlockError> for OpenError {
    fn from(error: ConfigBlockError) -> Self {
        Self::JoinBlock(error.to_string())
    }
}

impl Registrar {
    /// Whether the channel is the system channel; `None` when there is nothing to open.
    pub(super) fn look_at(&self, channel_id: &str, is_joined: bool) -> Result<Option<bool>, String> {
        let ledger = self.parts.store.open_channel(channel_id).map_err(|error| error.to_string())?;
        if ledger.height() == 0 {
            return Ok(is_joined.then_some(false));
        }
        let genesis = ledger.block(0).map_err(|error| error.to_string())?;
        let bundle = genesis.map(|block| Bundle::from_config_block(block.block()));
        // What does not parse is reported when the channel is opened.
        Ok(Some(matches!(bundle, Some(Ok(bundle)) if bundle.consortiums().is_some())))
    }

    /// Opens a channel that has a ledger or a join block. Blocks; must be called on a runtime.
    pub(super) fn open_existing(&self, channel_id: &str) -> Result<(), OpenError> {
        let store = &self.parts.store;
        let join_block = store.join_blocks().load(channel_id)?;
        let join_block = join_block
            .map(|bytes| Block::decode(bytes).map_err(|error| OpenError::JoinBlock(error.to_string())))
            .transpose()?;
        let ledger = store.open_channel(channel_id)?;
        if let Some(repaired) = ledger.repaired() {
            tracing::warn!(target: LOG, channel = channel_id, "The end of the ledger was repaired: {repaired}");
        }
        if let Some(join_block) = join_block {
            let join_block = EncodedBlock::from_block(join_block);
            let bundle = Bundle::from_config_block(join_block.block())?;
            // A system channel has been replicated by now; its block is kept for channels that have not.
            if bundle.consortiums().is_none() {
                if join_block.number() > 0 || !self.is_member(&bundle)? {
                    return self.follow(channel_id, Some(join_block), None);
                }
                super::system::write_genesis(store, channel_id, &join_block)?;
                store.join_blocks().remove(channel_id)?;
            }
        }
        let state = self.open_state(channel_id)?;
        let last = state.last_block()?;
        let metadata = match last.number() {
            0 => bytes::Bytes::new(),
            _ => block::consenter_metadata(last.block())?,
        };
        let own = &self.parts.raft.own_server_cert_der;
        let segment = Segment::open(&state.bundle(), state.height(), metadata, own)?;
        let chain: Arc<dyn Chain> = match &segment.consenter {
            Consenter::Raft { .. } if !segment.is_member() || self.tracked.contains(channel_id) => {
                let is_system = state.bundle().consortiums().is_some();
                if !is_system && !self.has_system_channel() {
                    return self.follow(channel_id, None, None);
                }
                self.track(channel_id);
                Arc::new(InactiveChain::not_serviced(channel_id))
            }
            Consenter::Raft { .. } => {
                let after_eviction = match self.channels.system() {
                    Some(_) => {
                        "With system channel: after eviction InactiveChainRegistry.TrackChain will be called"
                    }
                    None => {
                        "Without system channel: after eviction Registrar.SwitchToFollower will be called"
                    }
                };
                tracing::info!(target: "orderer.consensus.etcdraft", channel = channel_id, "{after_eviction}");
                raft::start(
                    state.clone(),
                    &self.parts.raft,
                    self.parts.transport.clone(),
                    self.parts.sources.clone(),
                    self.parts.metrics.clone(),
                )?
            }
            Consenter::Solo => solo::start(state.clone()),
            Consenter::Kafka { .. } => return Err(OpenError::Kafka),
        };
        self.serve(state, chain);
        tracing::info!(target: LOG, "Created and started channel {channel_id}");
        Ok(())
    }

    /// Reads the channel's configuration from its ledger.
    pub(super) fn open_state(&self, channel_id: &str) -> Result<Arc<ChannelState>, OpenError> {
        let ledger = self.parts.store.open_channel(channel_id)?;
        let options = ChannelOptions { check_expiration: self.parts.checks_expiration };
        let events = Arc::new(Events(self.me.clone()));
        let state = ChannelState::open(channel_id, ledger, self.parts.signer.clone(), options, events)?;
        if let Some(unsupported) = state.bundle().unsupported_capability() {
            return Err(unsupported.into());
        }
        self.trust.update(channel_id, &state.bundle());
        Ok(state)
    }

    /// Puts a channel in front of clients.
    pub(super) fn serve(&self, state: Arc<ChannelState>, chain: Arc<dyn Chain>) {
        let channel_id = state.channel_id().to_owned();
        match self.channels.get(&channel_id) {
            Some(handle) if Arc::ptr_eq(handle.state(), &state) => handle.resume(chain),
            _ => self.channels.insert(Arc::new(ChannelHandle::new(state, chain))),
        }
        self.others.lock().remove(&channel_id);
        self.show(&channel_id);
    }

    /// Replicates a channel instead of ordering it.
    pub(super) fn follow(
        &self,
        channel_id: &str,
        join_block: Option<EncodedBlock>,
        known_as: Option<u64>,
    ) -> Result<(), OpenError> {
        let chain = follower::start(FollowerParts {
            channel_id: channel_id.to_owned(),
            ledger: self.parts.store.open_channel(channel_id)?,
            join_block: join_block.map(Arc::new),
            known_as,
            own_server_cert_der: self.parts.raft.own_server_cert_der.clone(),
            signer: self.parts.signer.clone(),
            options: ChannelOptions { check_expiration: self.parts.checks_expiration },
            events: Arc::new(Events(self.me.clone())),
            sources: self.parts.sources.clone(),
            replication: self.parts.raft.replication,
        })?;
        tracing::info!(target: LOG, "Created and started a follower.Chain for channel {channel_id}");
        self.others.lock().insert(channel_id.to_owned(), Other::Followed(chain));
        self.show(channel_id);
        Ok(())
    }

    /// Whether this node takes part in ordering under a configuration.
    pub(super) fn is_member(&self, bundle: &Bundle) -> Result<bool, SegmentError> {
        let own = &self.parts.raft.own_server_cert_der;
        Ok(Segment::open(bundle, 0, bytes::Bytes::new(), own)?.is_member())
    }
}

//! Bringing a channel up: from its ledger and the last config in it to the consenter that the
//! config names. A restart, a join and a switch between following and ordering all come through
//! here.

use std::sync::Arc;

use channel::{
    bundle::{Bundle, ConfigBlockError},
    consenters::{self, RaftConfig},
};
use consensus::{
    chain::Chain,
    channel_state::{ChannelError, ChannelOptions, ChannelState},
    inactive::InactiveChain,
    raft,
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
    /// The configuration has no orderer group.
    #[error("its configuration has no orderer section")]
    NoOrderer,
    /// This program is too old for the channel.
    #[error(transparent)]
    Capability(#[from] channel::capabilities::UnsupportedCapability),
    /// The Raft consenter does not start.
    #[error(transparent)]
    Raft(#[from] raft::StartError),
    /// The channel is ordered by something that is not in this program.
    #[error("no consenter of type {0:?} is in this program; known are etcdraft and solo")]
    UnknownConsenter(String),
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
            let number = join_block.header.as_ref().map_or(0, |header| header.number);
            let is_member = self.is_member(&Bundle::from_config_block(&join_block)?);
            if number > 0 || !is_member {
                return self.follow(channel_id, Some(join_block));
            }
            if ledger.height() == 0 {
                let genesis = channel::block::EncodedBlock::from_block(join_block);
                super::system::write_genesis(store, channel_id, &genesis)?;
            }
            store.join_blocks().remove(channel_id)?;
        }
        let state = self.open_state(channel_id)?;
        let bundle = state.bundle();
        let orderer = bundle.orderer().ok_or(OpenError::NoOrderer)?;
        let chain: Arc<dyn Chain> = match orderer.consensus_type.as_str() {
            "etcdraft" if self.is_member(&bundle) => raft::start(
                state.clone(),
                &self.parts.raft,
                self.parts.transport.clone(),
                self.parts.sources.clone(),
                self.parts.metrics.clone(),
            )?,
            "etcdraft" if self.has_system_channel() => Arc::new(InactiveChain::not_serviced(channel_id)),
            "etcdraft" => return self.follow(channel_id, None),
            other => return Err(OpenError::UnknownConsenter(other.to_owned())),
        };
        self.serve(state, chain);
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
    fn follow(&self, channel_id: &str, join_block: Option<Block>) -> Result<(), OpenError> {
        let _ = join_block;
        let chain: Arc<dyn Chain> = Arc::new(InactiveChain::not_serviced(channel_id));
        self.others.lock().insert(channel_id.to_owned(), Other::Followed(chain));
        self.show(channel_id);
        Ok(())
    }

    /// Whether this node is one of the consenters that a configuration lists.
    pub(super) fn is_member(&self, bundle: &Bundle) -> bool {
        let Some(orderer) = bundle.orderer() else { return false };
        match orderer.consensus_type.as_str() {
            "etcdraft" => RaftConfig::parse(&orderer.consensus_metadata).is_ok_and(|config| {
                consenters::find_self(&config.consenters, &self.parts.raft.own_server_cert_der).is_some()
            }),
            // The other kinds have no list: whoever has the channel orders it.
            _ => true,
        }
    }
}

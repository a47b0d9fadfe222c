//! Joining a channel with one of its config blocks.

use channel::{
    block::{self, EncodedBlock},
    bundle::{Bundle, ConfigBlockError},
};
use consensus::{
    chain::{ConsensusRelation, Status},
    inactive::InactiveChain,
};
use prost::Message;
use protos::common::Block;
use std::sync::Arc;

use super::{ChannelInfo, LOG, Other, Participation, ParticipationError, Registrar, open::OpenError};

/// A block that a channel can be joined with.
struct JoinBlock {
    channel_id: String,
    number: u64,
    is_system: bool,
    block: Block,
}

impl JoinBlock {
    /// Checks what Fabric's `ValidateJoinBlock` checks.
    fn check(block: Block) -> Result<Self, ParticipationError> {
        let invalid = ParticipationError::InvalidJoinBlock;
        if !block::is_config_block(&block) {
            return Err(invalid("block is not a config block".to_owned()));
        }
        let header = block.header.as_ref().ok_or_else(|| invalid("block has no header".to_owned()))?;
        let number = header.number;
        let bundle = Bundle::from_config_block(&block).map_err(|error| match error {
            ConfigBlockError::NotConfig(_) => invalid("block is not a config block".to_owned()),
            other => invalid(other.to_string()),
        })?;
        if bundle.consortiums().is_none() && bundle.application().is_none() {
            let reason = "invalid config: must have at least one of application or consortiums";
            return Err(invalid(reason.to_owned()));
        }
        let data = block.data.as_ref().map(|data| data.data.as_slice()).unwrap_or_default();
        if block::data_hash(data)[..] != header.data_hash[..] {
            return Err(invalid(
                "the data of the block does not match the data hash in its header".to_owned(),
            ));
        }
        let channel_id = block::channel_id(&block).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { channel_id, number, is_system: bundle.consortiums().is_some(), block })
    }
}

impl Registrar {
    pub(super) async fn join_channel(&self, block: Block) -> Result<ChannelInfo, ParticipationError> {
        let join = JoinBlock::check(block)?;
        let _changing = self.changing.lock().await;
        self.check_join(&join)?;
        let channel_id = join.channel_id.clone();
        let Some(registrar) = self.me.upgrade() else {
            return Err(ParticipationError::Other("the node is stopping".to_owned()));
        };
        let joined = tokio::task::spawn_blocking(move || {
            let joined = registrar.create_joined(&join);
            if joined.is_err() {
                registrar.undo_join(&join.channel_id);
            }
            joined
        });
        let joined = joined.await.map_err(|panic| ParticipationError::Other(panic.to_string()))?;
        let followed_as = joined.map_err(|error| ParticipationError::Other(error.to_string()))?;
        let info = match followed_as {
            // By now it may have come further; what is told is how the join leaves it.
            Some(relation) => {
                ChannelInfo { name: channel_id, relation, status: Status::Onboarding, height: 0 }
            }
            None => self.info(&channel_id)?,
        };
        tracing::info!(target: LOG, "Joining channel: {info:?}");
        Ok(info)
    }

    fn check_join(&self, join: &JoinBlock) -> Result<(), ParticipationError> {
        match self.others.lock().get(&join.channel_id) {
            Some(Other::Removing(..)) => return Err(ParticipationError::PendingRemoval),
            Some(Other::RemovalFailed) => return Err(ParticipationError::RemovalFailure),
            _ => {}
        }
        if self.has_system_channel() {
            return Err(ParticipationError::SystemChannelExists);
        }
        let is_known = self.channels.get(&join.channel_id).is_some()
            || self.others.lock().contains_key(&join.channel_id);
        if is_known {
            return Err(ParticipationError::ChannelAlreadyExists);
        }
        // Followed channels do not stand in the way of a system channel.
        if join.is_system && !self.channels.all().is_empty() {
            return Err(ParticipationError::ApplicationChannelsExist);
        }
        Ok(())
    }

    /// Makes the channel; what this node is to it if it is replicated from others first.
    fn create_joined(&self, join: &JoinBlock) -> Result<Option<ConsensusRelation>, OpenError> {
        if join.is_system {
            self.join_system_channel(join)?;
            return Ok(None);
        }
        self.parts.store.join_blocks().save(&join.channel_id, &join.block.encode_to_vec())?;
        self.open_existing(&join.channel_id)?;
        Ok(match self.is_member(&Bundle::from_config_block(&join.block)?)? {
            true if join.number == 0 => None,
            true => Some(ConsensusRelation::Consenter),
            false => Some(ConsensusRelation::Follower),
        })
    }

    /// A system channel takes effect with the next start; until then it refuses everything.
    fn join_system_channel(&self, join: &JoinBlock) -> Result<(), OpenError> {
        tracing::info!(target: LOG, "Joining system channel '{}', with config block number: {}",
            join.channel_id, join.number);
        if join.number > 0 {
            self.parts.store.join_blocks().save(&join.channel_id, &join.block.encode_to_vec())?;
            self.others.lock().insert(join.channel_id.clone(), Other::Joined);
        } else {
            let genesis = EncodedBlock::from_block(join.block.clone());
            super::system::write_genesis(&self.parts.store, &join.channel_id, &genesis)?;
            let state = self.open_state(&join.channel_id)?;
            self.serve(state, Arc::new(InactiveChain::restart_required()));
        }
        self.show(&join.channel_id);
        if let Ok(info) = self.info(&join.channel_id) {
            tracing::info!(target: LOG,
                "System channel creation pending: server requires restart! ChannelInfo: {info:?}");
        }
        Ok(())
    }

    /// Leaves nothing behind of a join that failed.
    fn undo_join(&self, channel_id: &str) {
        self.others.lock().remove(channel_id);
        let store = &self.parts.store;
        let undone = store.remove_channel(channel_id).and_then(|()| store.join_blocks().remove(channel_id));
        if let Err(reason) = undone {
            tracing::error!(target: LOG, channel = channel_id, "Undoing a failed join failed: {reason}");
            self.others.lock().insert(channel_id.to_owned(), Other::RemovalFailed);
        }
    }
}

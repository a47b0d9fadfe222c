//! The consenters as of the newest block of a ledger.
//!
//! They are recorded with every block but two kinds: one that changes the consensus type begins anew,
//! and one that a Fabric orderer took from a snapshot has nothing recorded with it. Fabric numbers the
//! consenters anew after the second kind, too, which is wrong as soon as one has ever been removed. Here
//! they are worked out from the newest block that tells.

use std::sync::Arc;

use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    bundle::Bundle,
    consenters::RaftConfig,
};

use crate::channel_state::{ChannelError, ChannelState, bundle_of};

use super::{
    membership::{Membership, MembershipFault},
    start::StartError,
};

/// The consenters, and how they are known.
pub(super) struct Recorded {
    pub(super) membership: Membership,
    /// Whether nothing was ordered under Raft yet.
    pub(super) is_new: bool,
}

impl Recorded {
    /// Reads what was recorded with the newest block, or works it out.
    pub(super) fn read(state: &ChannelState) -> Result<Self, StartError> {
        let mut later: Vec<Arc<EncodedBlock>> = Vec::new();
        let mut block = state.last_block()?;
        let mut recorded = of(&block)?;
        while recorded.is_empty() && block.number() > 0 && !changes_consensus_type(state, &block)? {
            let before = state.block(block.number() - 1)?;
            later.push(std::mem::replace(&mut block, before));
            recorded = of(&block)?;
        }
        let in_force = config_block(state, &block)?;
        let bundle = bundle_of(state.channel_id(), &in_force)?;
        let orderer = bundle.orderer().ok_or_else(|| StartError::NoOrderer(state.channel_id().to_owned()))?;
        let unfit = |error: MembershipFault| StartError::Membership(error.to_string());
        let first =
            Membership::new(RaftConfig::parse(&orderer.consensus_metadata)?, &recorded).map_err(unfit)?;
        let is_new = recorded.is_empty() && later.is_empty();
        let membership =
            later.iter().rev().try_fold(first, |membership, block| membership.after_pulled(block, &[]));
        Ok(Self { membership: membership.map_err(unfit)?, is_new })
    }
}

/// What was recorded with a block; the first one of a channel is not ordered by anybody.
fn of(block: &EncodedBlock) -> Result<Bytes, ChannelError> {
    match block.number() {
        0 => Ok(Bytes::new()),
        _ => Ok(block::consenter_metadata(block.block())?),
    }
}

fn changes_consensus_type(state: &ChannelState, block: &EncodedBlock) -> Result<bool, ChannelError> {
    if !block::is_plain_config_block(block.block()) {
        return Ok(false);
    }
    let before = config_block(state, &*state.block(block.number() - 1)?)?;
    let kind = |bundle: &Bundle| bundle.orderer().map(|orderer| orderer.consensus_type.clone());
    let channel = state.channel_id();
    Ok(kind(&bundle_of(channel, block)?) != kind(&bundle_of(channel, &before)?))
}

/// The block that brought the configuration in force at this one.
fn config_block(state: &ChannelState, block: &EncodedBlock) -> Result<Arc<EncodedBlock>, ChannelError> {
    match block.number() {
        0 => state.block(0),
        _ => state.block(block::last_config_index(block.block())?),
    }
}

//! Who the consenters of a channel are and which raft ids they have.

use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    consenters::{self, MembershipChange, MembershipError, RaftConfig, RaftConfigError},
};
use protos::{
    DecodeError, Message as _,
    common::{
        ChannelHeader, ConfigEnvelope, ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope, ConfigValue,
        Envelope, HeaderType, Payload,
    },
    etcdraft::{BlockMetadata, Consenter},
    orderer::ConsensusType,
};
use raft::eraftpb::ConfState;

use super::convert::MemberChange;

/// Why a configuration block's effect on the consenters can not be told.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum MembershipFault {
    #[error("a configuration in the log does not decode: {0}")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Config(#[from] RaftConfigError),
    #[error(transparent)]
    Set(#[from] MembershipError),
}

/// The consenters in force.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) config: RaftConfig,
    /// Raft ids in the order of the consenters, and the raft index of the last block.
    pub(crate) metadata: BlockMetadata,
}

impl Membership {
    /// The consenters of a configuration with the ids that the last block has for them; in a new
    /// cluster (no metadata) they are numbered from 1.
    pub(crate) fn new(config: RaftConfig, metadata: &[u8]) -> Result<Self, MembershipFault> {
        let size = config.consenters.len() as u64;
        let metadata = match metadata {
            [] => BlockMetadata {
                consenter_ids: (1..=size).collect(),
                next_consenter_id: size + 1,
                raft_index: 0,
            },
            bytes => BlockMetadata::decode(bytes)?,
        };
        if metadata.consenter_ids.len() != config.consenters.len() {
            let (ids, consenters) = (metadata.consenter_ids.len(), config.consenters.len());
            return Err(MembershipError::IdsMismatch { ids, consenters }.into());
        }
        Ok(Self { config, metadata })
    }

    /// The raft ids.
    pub(crate) fn ids(&self) -> &[u64] {
        &self.metadata.consenter_ids
    }

    /// The consenters with their raft ids.
    pub(crate) fn members(&self) -> impl Iterator<Item = (u64, &Consenter)> {
        self.ids().iter().copied().zip(&self.config.consenters)
    }

    /// The set that follows when `config` comes into force.
    fn with(&self, config: RaftConfig) -> Result<Self, MembershipFault> {
        let (old, new) = (&self.config.consenters, &config.consenters);
        let metadata = consenters::apply_to_block_metadata(&self.metadata, old, new)?;
        Ok(Self { config, metadata })
    }

    /// The set as of a block of the log at this raft index, and the consenter that the block hands
    /// the channel over to, if it does. A block that changes the consensus type keeps the raft index
    /// of the block before it, as it does in Fabric, whose metadata must be the same; replay then
    /// recognises the block by its number.
    pub(crate) fn after(
        &self,
        block: &EncodedBlock,
        index: u64,
    ) -> Result<(Self, Option<String>), MembershipFault> {
        let change = match block.data() {
            [envelope] if block::is_plain_config_block(block.block()) => consensus_change(envelope)?,
            _ => ConsensusChange::None,
        };
        match change {
            ConsensusChange::Raft(config) => Ok((self.with(config)?, None)),
            ConsensusChange::Seal(other) => Ok((self.clone(), Some(other))),
            ConsensusChange::None => {
                let mut after = self.clone();
                after.metadata.raft_index = index;
                Ok((after, None))
            }
        }
    }

    /// The set as of the next block, which came from somebody's ledger. The consenters follow from the
    /// block; what was recorded with it tells the raft index. Fabric's orderers record nothing with a
    /// block that they took from a snapshot; then the index stays what it was.
    pub(crate) fn after_pulled(
        &self,
        block: &EncodedBlock,
        recorded: &[u8],
    ) -> Result<Self, MembershipFault> {
        let index = match recorded {
            [] => self.metadata.raft_index,
            bytes => BlockMetadata::decode(bytes)?.raft_index,
        };
        Ok(self.after(block, index)?.0)
    }

    /// What `config` does to the node with this raft id, if it removes it or gives it another
    /// certificate.
    pub(crate) fn unseats(&self, config: &RaftConfig, id: u64) -> Option<MembershipChange> {
        let change = consenters::membership_change(&self.config, config).ok()?;
        let position = match change {
            MembershipChange::Remove { index } => index,
            MembershipChange::Rotate { old_index, .. } => old_index,
            MembershipChange::None | MembershipChange::Add { .. } => return None,
        };
        (self.ids().get(position) == Some(&id)).then_some(change)
    }

    /// The change that raft's own membership still lacks.
    pub(crate) fn lacking(&self, raft: &ConfState) -> Option<MemberChange> {
        let missing = self.ids().iter().find(|id| !raft.voters.contains(id));
        let surplus = || raft.voters.iter().find(|id| !self.ids().contains(id));
        missing.map(|id| MemberChange::Add(*id)).or_else(|| surplus().map(|id| MemberChange::Remove(*id)))
    }
}

/// What a configuration transaction does to the consensus type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConsensusChange {
    /// Nothing: its value is not part of the update.
    None,
    /// It gives the Raft consenters or options anew.
    Raft(RaftConfig),
    /// It names another consenter: this segment of the chain ends with it.
    Seal(String),
}

/// Reads the update in a CONFIG envelope. Only a value that is written at another version than it
/// was read at changes (Fabric: `MetadataFromConfigUpdate`).
pub(crate) fn consensus_change(envelope: &Bytes) -> Result<ConsensusChange, MembershipFault> {
    let Some(update) = update_of(envelope)? else { return Ok(ConsensusChange::None) };
    let read_version = consensus_type(update.read_set.as_ref()).map_or(0, |value| value.version);
    let Some(written) = consensus_type(update.write_set.as_ref()).filter(|v| v.version != read_version)
    else {
        return Ok(ConsensusChange::None);
    };
    let consensus = ConsensusType::decode(written.value.clone())?;
    if consensus.r#type != consenters::ETCDRAFT {
        return Ok(ConsensusChange::Seal(consensus.r#type));
    }
    Ok(ConsensusChange::Raft(RaftConfig::parse(&consensus.metadata)?))
}

pub(super) fn update_of(envelope: &Bytes) -> Result<Option<ConfigUpdate>, DecodeError> {
    let envelope = Envelope::decode(envelope.clone())?;
    let payload = Payload::decode(envelope.payload)?;
    let channel_header = payload.header.map(|header| header.channel_header).unwrap_or_default();
    if ChannelHeader::decode(channel_header)?.r#type == HeaderType::OrdererTransaction as i32 {
        // The configuration in it is that of the channel that it creates.
        return Ok(None);
    }
    let config = ConfigEnvelope::decode(payload.data)?;
    let Some(last_update) = config.last_update else { return Ok(None) };
    let update = ConfigUpdateEnvelope::decode(Payload::decode(last_update.payload)?.data)?;
    ConfigUpdate::decode(update.config_update).map(Some)
}

pub(super) fn consensus_type(channel: Option<&ConfigGroup>) -> Option<&ConfigValue> {
    channel?.groups.get("Orderer")?.values.get("ConsensusType")
}

//! Which consenter orders a channel from some block on.
//!
//! A channel is one log of blocks, ordered by a chain of consensus segments. A segment ends with the
//! configuration block that changes the consensus type; the next one opens right after it. So a
//! restart, a migration and a recovery are the same motion: read the last configuration block, open
//! the consenter that it names, from there on.

use bytes::Bytes;
use channel::{
    bundle::Bundle,
    consenters::{self, ETCDRAFT, RaftConfig, RaftConfigError},
};
use protos::{Message as _, etcdraft::BlockMetadata};

/// One consenter's part of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The block that the consenter makes next.
    pub next_block: u64,
    /// Who orders.
    pub consenter: Consenter,
}

/// A consenter with what it starts from.
#[derive(Clone, Debug, PartialEq)]
pub enum Consenter {
    /// A Raft group.
    Raft {
        /// Consenters and options.
        config: RaftConfig,
        /// What it recorded in the last block; empty when it has not ordered anything yet.
        metadata: Bytes,
        /// Which of the consenters this node is, if any.
        position: Option<usize>,
    },
    /// A partition of a Kafka topic.
    Kafka {
        /// Brokers, `host:port`.
        brokers: Vec<String>,
        /// What it recorded in the last block; empty when it has not ordered anything yet.
        metadata: Bytes,
    },
    /// One node on its own.
    Solo,
}

/// Why a channel's consenter can not be told.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SegmentError {
    /// The configuration has no ordering section.
    #[error("the configuration of channel {0} has no orderer section")]
    NoOrderer(String),
    /// The Raft configuration can not be used.
    #[error(transparent)]
    Raft(#[from] RaftConfigError),
    /// Nobody knows this consenter.
    #[error("error retrieving consenter of type: {0}")]
    UnknownType(String),
}

impl Segment {
    /// The segment that the configuration in force opens at the end of the ledger. `metadata` is what
    /// the last block recorded for its consenter; `own_server_cert_der` is the certificate of this
    /// node's cluster listener.
    ///
    /// # Errors
    ///
    /// When the configuration names no consenter that can be opened.
    pub fn open(
        bundle: &Bundle,
        height: u64,
        metadata: Bytes,
        own_server_cert_der: &[u8],
    ) -> Result<Self, SegmentError> {
        let orderer =
            bundle.orderer().ok_or_else(|| SegmentError::NoOrderer(bundle.channel_id().to_owned()))?;
        let consenter = match orderer.consensus_type.as_str() {
            ETCDRAFT => {
                let config = RaftConfig::parse(&orderer.consensus_metadata)?;
                let position = consenters::find_self(&config.consenters, own_server_cert_der);
                Consenter::Raft { config, metadata, position }
            }
            "kafka" => Consenter::Kafka { brokers: orderer.kafka_brokers.clone(), metadata },
            "solo" => Consenter::Solo,
            other => return Err(SegmentError::UnknownType(other.to_owned())),
        };
        Ok(Self { next_block: height, consenter })
    }

    /// This node's raft id, if it is a consenter of a Raft group.
    pub fn raft_id(&self) -> Option<u64> {
        let Consenter::Raft { metadata, position: Some(position), .. } = &self.consenter else { return None };
        if metadata.is_empty() {
            return Some(*position as u64 + 1);
        }
        BlockMetadata::decode(metadata.clone()).ok()?.consenter_ids.get(*position).copied()
    }

    /// Whether this node takes part in ordering.
    pub fn is_member(&self) -> bool {
        match &self.consenter {
            Consenter::Raft { position, .. } => position.is_some(),
            Consenter::Kafka { .. } | Consenter::Solo => true,
        }
    }
}

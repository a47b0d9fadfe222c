//! The consenter set of an etcdraft channel and its changes.
//!
//! A consenter is known by three things, each with its own use: the bytes of its client TLS
//! certificate identify it in changes of the set, its server certificate's public key tells a node
//! which consenter it is itself, and its raft id, which is never given twice, comes from the
//! metadata of the last block, where ids stand in the order of the configuration's consenters.

use std::time::Duration;

use bytes::Bytes;
use identity::certificate::{Certificate, pem_to_der};
use protos::etcdraft::{BlockMetadata, ConfigMetadata, Consenter, Options};

use crate::{
    duration::{self, DurationError},
    wire::{self, WireError},
};

mod membership;
mod validation;

pub use membership::{MembershipChange, MembershipError, apply_to_block_metadata, membership_change};
pub(crate) use validation::check_first_metadata;
pub use validation::{
    CertificateRole, ConsenterError, MetadataError, Place, validate_metadata, validate_new_channel,
};

/// The name of this consensus type.
pub const ETCDRAFT: &str = "etcdraft";

/// Size of entries after which a snapshot is taken when the channel does not say, in bytes.
pub const DEFAULT_SNAPSHOT_INTERVAL_BYTES: u32 = 16 * 1024 * 1024;

/// Why consensus metadata is not a usable Raft configuration. The texts are Fabric's, where it
/// refuses the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RaftConfigError {
    /// The metadata does not decode.
    #[error("failed to unmarshal consensus metadata: {0}")]
    Malformed(WireError),
    /// There is no metadata at all.
    #[error("nil Raft config metadata")]
    NoMetadata,
    /// There are no options.
    #[error("nil Raft config metadata options")]
    NoOptions,
    /// An option that may not be zero is zero.
    #[error(
        "none of HeartbeatTick ({heartbeat_tick}), ElectionTick ({election_tick}) and MaxInflightBlocks ({max_inflight_blocks}) can be zero"
    )]
    ZeroOption {
        /// Ticks between heartbeats.
        heartbeat_tick: u32,
        /// Ticks without a leader before an election.
        election_tick: u32,
        /// Blocks that may be on their way.
        max_inflight_blocks: u32,
    },
    /// Elections would be called between heartbeats.
    #[error("ElectionTick ({election_tick}) must be greater than HeartbeatTick ({heartbeat_tick})")]
    ElectionBeforeHeartbeat {
        /// Ticks without a leader before an election.
        election_tick: u32,
        /// Ticks between heartbeats.
        heartbeat_tick: u32,
    },
    /// The tick interval is no duration.
    #[error("failed to parse TickInterval ({text}) to time duration: {source}")]
    TickInterval {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        source: DurationError,
    },
    /// Time would stand still.
    #[error("TickInterval cannot be zero")]
    TickIntervalZero,
    /// Fabric accepts this and panics when the channel is opened next.
    #[error("TickInterval ({0}) cannot be negative")]
    TickIntervalNegative(String),
}

/// The Raft options of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftOptions {
    /// Length of a tick; above zero.
    pub tick_interval: Duration,
    /// Ticks without a leader before an election; more than `heartbeat_tick`.
    pub election_tick: u32,
    /// Ticks between heartbeats; above zero.
    pub heartbeat_tick: u32,
    /// Blocks that may be proposed and not yet committed; above zero.
    pub max_inflight_blocks: u32,
    /// Size of entries after which a snapshot is taken; above zero.
    pub snapshot_interval_size_bytes: u32,
}

impl RaftOptions {
    fn read(options: &Options) -> Result<Self, RaftConfigError> {
        let Options { heartbeat_tick, election_tick, max_inflight_blocks, .. } = *options;
        if heartbeat_tick == 0 || election_tick == 0 || max_inflight_blocks == 0 {
            return Err(RaftConfigError::ZeroOption { heartbeat_tick, election_tick, max_inflight_blocks });
        }
        if election_tick <= heartbeat_tick {
            return Err(RaftConfigError::ElectionBeforeHeartbeat { election_tick, heartbeat_tick });
        }
        let text = || options.tick_interval.clone();
        let nanoseconds = duration::parse(&options.tick_interval)
            .map_err(|source| RaftConfigError::TickInterval { text: text(), source })?;
        let tick_interval = match u64::try_from(nanoseconds) {
            Ok(0) => return Err(RaftConfigError::TickIntervalZero),
            Ok(positive) => Duration::from_nanos(positive),
            Err(_) => return Err(RaftConfigError::TickIntervalNegative(text())),
        };
        let snapshot_interval_size_bytes = match options.snapshot_interval_size {
            0 => DEFAULT_SNAPSHOT_INTERVAL_BYTES,
            set => set,
        };
        Ok(Self {
            tick_interval,
            election_tick,
            heartbeat_tick,
            max_inflight_blocks,
            snapshot_interval_size_bytes,
        })
    }
}

/// The consenters and options of an etcdraft channel.
#[derive(Debug, Clone, PartialEq)]
pub struct RaftConfig {
    /// The consenters; the last block's metadata has their raft ids in the same order.
    pub consenters: Vec<Consenter>,
    /// The options.
    pub options: RaftOptions,
}

impl RaftConfig {
    /// Reads the metadata of the consensus type, and checks the options. Consenters are taken as
    /// they are.
    pub fn parse(metadata: &[u8]) -> Result<RaftConfig, RaftConfigError> {
        if metadata.is_empty() {
            return Err(RaftConfigError::NoMetadata);
        }
        let metadata: ConfigMetadata =
            wire::decode(&Bytes::copy_from_slice(metadata)).map_err(RaftConfigError::Malformed)?;
        let options = metadata.options.as_ref().ok_or(RaftConfigError::NoOptions)?;
        Ok(RaftConfig { options: RaftOptions::read(options)?, consenters: metadata.consenters })
    }
}

/// What a node knows of the Raft group that orders a channel.
#[derive(Debug, Clone, Copy)]
pub struct RaftState<'a> {
    /// Raft ids of the consenters, from the last block.
    pub block_metadata: &'a BlockMetadata,
    /// Raft ids of the nodes that are known to be up, this one included.
    pub active_nodes: &'a [u64],
}

/// Which consenter a node with this TLS server certificate is: the one whose server certificate
/// has the same public key, so that a renewed certificate does not make it a stranger.
pub fn find_self(consenters: &[Consenter], server_cert_der: &[u8]) -> Option<usize> {
    let own = Certificate::from_der(server_cert_der).ok()?;
    consenters.iter().position(|consenter| {
        pem_to_der(&consenter.server_tls_cert)
            .and_then(|der| Certificate::from_der(&der).ok())
            .is_some_and(|certificate| certificate.public_key_der() == own.public_key_der())
    })
}

//! What a chain reports for the operations listener.

use std::time::Duration;

/// A gauge; names as Fabric's, label `channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gauge {
    /// `consensus_etcdraft_cluster_size`
    ClusterSize,
    /// `consensus_etcdraft_is_leader`
    IsLeader,
    /// `consensus_etcdraft_active_nodes`
    ActiveNodes,
    /// `consensus_etcdraft_committed_block_number`
    CommittedBlockNumber,
    /// `consensus_etcdraft_snapshot_block_number`
    SnapshotBlockNumber,
    /// `ledger_blockchain_height`
    BlockchainHeight,
}

/// A counter; names as Fabric's, label `channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// `consensus_etcdraft_leader_changes`
    LeaderChanges,
    /// `consensus_etcdraft_proposal_failures`
    ProposalFailures,
    /// `consensus_etcdraft_normal_proposals_received`
    NormalProposalsReceived,
    /// `consensus_etcdraft_config_proposals_received`
    ConfigProposalsReceived,
}

/// A histogram of durations, in seconds; names as Fabric's, label `channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// `consensus_etcdraft_data_persist_duration`
    DataPersistDuration,
    /// `blockcutter_block_fill_duration`
    BlockFillDuration,
    /// `ledger_blockstorage_commit_time`
    BlockstorageCommitTime,
}

/// Takes what chains report. Called on hot paths: implementations are cheap and never block.
pub trait Metrics: Send + Sync {
    /// Sets a gauge of a channel.
    fn set(&self, gauge: Gauge, channel: &str, value: u64);
    /// Adds to a counter of a channel.
    fn add(&self, counter: Counter, channel: &str, count: u64);
    /// Observes a duration of a channel.
    fn observe(&self, timer: Timer, channel: &str, took: Duration);
    /// Forgets a channel's values, when it is removed.
    fn forget(&self, channel: &str) {
        let _ = channel;
    }
}

/// Drops everything, for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl Metrics for NoMetrics {
    fn set(&self, _: Gauge, _: &str, _: u64) {}
    fn add(&self, _: Counter, _: &str, _: u64) {}
    fn observe(&self, _: Timer, _: &str, _: Duration) {}
}

//! The node's metrics, under Fabric's names, labels and types (`docs/source/metrics_reference`
//! of Fabric 2.5 lists them).
//!
//! Every metric is a field of [`Metrics`], named as in Prometheus. Dashboards made for Fabric's
//! orderer carry over, so nothing here may be renamed; the help is Fabric's, too, so that nodes of
//! both kinds are one family wherever metrics are gathered.

pub mod exposition;
mod instrument;
mod process;
mod statsd;

pub use instrument::{Counter, Description, Family, Gauge, Histogram, Instrument, Reading};
pub use statsd::push_forever;

use consensus::chain::{ConsensusRelation, Status};
use consensus::metrics as chain_metrics;
use instrument::{Collect, DEFAULT_BUCKETS};
use std::time::Duration;

/// Buckets of the ledger's histograms, in seconds.
const LEDGER_BUCKETS: &[f64] = &[0.005, 0.01, 0.015, 0.05, 0.1, 1.0, 10.0];

/// Declares each metric once: its doc comment is its help text, its name the field's.
macro_rules! catalogue {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ident [$($part:literal)+] ($($label:literal),*) $(in $buckets:ident)?;)+) => {
        /// Every metric of the node. One value is shared by everything that reports.
        #[derive(Debug)]
        pub struct Metrics {
            $($(#[doc = $help])+ pub $field: Family<$kind, { <[&str]>::len(&[$($label),*]) }>,)+
        }

        impl Metrics {
            /// All metrics, without children. `sampled`: single observations of histograms are
            /// kept for StatsD.
            pub fn new(sampled: bool) -> Self {
                Self {
                    $($field: Family::new(
                        Description {
                            name: &[$($part),+],
                            help: concat!($($help),+).trim_ascii(),
                            labels: &[$($label),*],
                            buckets: catalogue!(@buckets $($buckets)?),
                        },
                        sampled,
                    ),)+
                }
            }

            /// Calls `visit` with every family.
            fn visit(&self, mut visit: impl FnMut(&dyn Collect)) {
                $(visit(&self.$field);)+
            }
        }
    };
    (@buckets) => { DEFAULT_BUCKETS };
    (@buckets $buckets:ident) => { $buckets };
}

catalogue! {
    /// The time to validate a transaction in seconds.
    broadcast_validate_duration: Histogram ["broadcast" "validate_duration"] ("channel", "type", "status");
    /// The time to enqueue a transaction in seconds.
    broadcast_enqueue_duration: Histogram ["broadcast" "enqueue_duration"] ("channel", "type", "status");
    /// The number of transactions processed.
    broadcast_processed_count: Counter ["broadcast" "processed_count"] ("channel", "type", "status");

    /// The time from first transaction enqueing to the block being cut in seconds.
    blockcutter_block_fill_duration: Histogram ["blockcutter" "block_fill_duration"] ("channel");

    /// The number of GRPC streams that have been opened for the deliver service.
    deliver_streams_opened: Counter ["deliver" "streams_opened"] ();
    /// The number of GRPC streams that have been closed for the deliver service.
    deliver_streams_closed: Counter ["deliver" "streams_closed"] ();
    /// The number of deliver requests that have been received.
    deliver_requests_received: Counter ["deliver" "requests_received"] ("channel", "filtered", "data_type");
    /// The number of deliver requests that have been completed.
    deliver_requests_completed: Counter ["deliver" "requests_completed"] ("channel", "filtered", "data_type", "success");
    /// The number of blocks sent by the deliver service.
    deliver_blocks_sent: Counter ["deliver" "blocks_sent"] ("channel", "filtered", "data_type");

    /// gRPC connections opened. Open minus closed is the active number of connections.
    grpc_comm_conn_opened: Counter ["grpc" "comm" "conn_opened"] ();
    /// gRPC connections closed. Open minus closed is the active number of connections.
    grpc_comm_conn_closed: Counter ["grpc" "comm" "conn_closed"] ();
    /// The time to complete a unary request.
    grpc_server_unary_request_duration: Histogram ["grpc" "server" "unary_request_duration"] ("service", "method", "code");
    /// The number of unary requests received.
    grpc_server_unary_requests_received: Counter ["grpc" "server" "unary_requests_received"] ("service", "method");
    /// The number of unary requests completed.
    grpc_server_unary_requests_completed: Counter ["grpc" "server" "unary_requests_completed"] ("service", "method", "code");
    /// The time to complete a stream request.
    grpc_server_stream_request_duration: Histogram ["grpc" "server" "stream_request_duration"] ("service", "method", "code");
    /// The number of stream requests received.
    grpc_server_stream_requests_received: Counter ["grpc" "server" "stream_requests_received"] ("service", "method");
    /// The number of stream requests completed.
    grpc_server_stream_requests_completed: Counter ["grpc" "server" "stream_requests_completed"] ("service", "method", "code");
    /// The number of stream messages received.
    grpc_server_stream_messages_received: Counter ["grpc" "server" "stream_messages_received"] ("service", "method");
    /// The number of stream messages sent.
    grpc_server_stream_messages_sent: Counter ["grpc" "server" "stream_messages_sent"] ("service", "method");

    /// Height of the chain in blocks.
    ledger_blockchain_height: Gauge ["ledger" "blockchain_height"] ("channel");
    /// Time taken in seconds for committing the block to storage.
    ledger_blockstorage_commit_time: Histogram ["ledger" "blockstorage_commit_time"] ("channel") in LEDGER_BUCKETS;

    /// The channel participation status of the node: 0 if inactive, 1 if active, 2 if onboarding, 3 if failed.
    participation_status: Gauge ["participation" "status"] ("channel");
    /// The channel participation consensus relation of the node: 0 if other, 1 if consenter, 2 if follower, 3 if config-tracker.
    participation_consensus_relation: Gauge ["participation" "consensus_relation"] ("channel");

    /// Number of nodes in this channel.
    consensus_etcdraft_cluster_size: Gauge ["consensus" "etcdraft" "cluster_size"] ("channel");
    /// The leadership status of the current node: 1 if it is the leader else 0.
    consensus_etcdraft_is_leader: Gauge ["consensus" "etcdraft" "is_leader"] ("channel");
    /// Number of active nodes in this channel.
    consensus_etcdraft_active_nodes: Gauge ["consensus" "etcdraft" "active_nodes"] ("channel");
    /// The block number of the latest block committed.
    consensus_etcdraft_committed_block_number: Gauge ["consensus" "etcdraft" "committed_block_number"] ("channel");
    /// The block number of the latest snapshot.
    consensus_etcdraft_snapshot_block_number: Gauge ["consensus" "etcdraft" "snapshot_block_number"] ("channel");
    /// The number of leader changes since process start.
    consensus_etcdraft_leader_changes: Counter ["consensus" "etcdraft" "leader_changes"] ("channel");
    /// The number of proposal failures.
    consensus_etcdraft_proposal_failures: Counter ["consensus" "etcdraft" "proposal_failures"] ("channel");
    /// The time taken for etcd/raft data to be persisted in storage (in seconds).
    consensus_etcdraft_data_persist_duration: Histogram ["consensus" "etcdraft" "data_persist_duration"] ("channel");
    /// The total number of proposals received for normal type transactions.
    consensus_etcdraft_normal_proposals_received: Counter ["consensus" "etcdraft" "normal_proposals_received"] ("channel");
    /// The total number of proposals received for config type transactions.
    consensus_etcdraft_config_proposals_received: Counter ["consensus" "etcdraft" "config_proposals_received"] ("channel");

    /// Bytes/second read off brokers.
    consensus_kafka_incoming_byte_rate: Gauge ["consensus" "kafka" "incoming_byte_rate"] ("broker_id");
    /// Bytes/second written to brokers.
    consensus_kafka_outgoing_byte_rate: Gauge ["consensus" "kafka" "outgoing_byte_rate"] ("broker_id");
    /// Requests/second sent to brokers.
    consensus_kafka_request_rate: Gauge ["consensus" "kafka" "request_rate"] ("broker_id");
    /// The mean request size in bytes to brokers.
    consensus_kafka_request_size: Gauge ["consensus" "kafka" "request_size"] ("broker_id");
    /// The mean request latency in ms to brokers.
    consensus_kafka_request_latency: Gauge ["consensus" "kafka" "request_latency"] ("broker_id");
    /// Requests/second sent to brokers.
    consensus_kafka_response_rate: Gauge ["consensus" "kafka" "response_rate"] ("broker_id");
    /// The mean response size in bytes from brokers.
    consensus_kafka_response_size: Gauge ["consensus" "kafka" "response_size"] ("broker_id");
    /// The mean batch size in bytes sent to topics.
    consensus_kafka_batch_size: Gauge ["consensus" "kafka" "batch_size"] ("topic");
    /// The number of records per second sent to topics.
    consensus_kafka_record_send_rate: Gauge ["consensus" "kafka" "record_send_rate"] ("topic");
    /// The mean number of records sent per request to topics.
    consensus_kafka_records_per_request: Gauge ["consensus" "kafka" "records_per_request"] ("topic");
    /// The mean compression ratio (as percentage) for topics.
    consensus_kafka_compression_ratio: Gauge ["consensus" "kafka" "compression_ratio"] ("topic");
    /// The offset specified in the block metadata of the most recently committed block.
    consensus_kafka_last_offset_persisted: Gauge ["consensus" "kafka" "last_offset_persisted"] ("channel");

    /// Length of the egress queue.
    cluster_comm_egress_queue_length: Gauge ["cluster" "comm" "egress_queue_length"] ("host", "msg_type", "channel");
    /// Capacity of the egress queue.
    cluster_comm_egress_queue_capacity: Gauge ["cluster" "comm" "egress_queue_capacity"] ("host", "msg_type", "channel");
    /// Count of egress queue workers.
    cluster_comm_egress_queue_workers: Gauge ["cluster" "comm" "egress_queue_workers"] ("channel");
    /// Count of streams from other nodes.
    cluster_comm_ingress_stream_count: Gauge ["cluster" "comm" "ingress_stream_count"] ();
    /// Count of streams to other nodes.
    cluster_comm_egress_stream_count: Gauge ["cluster" "comm" "egress_stream_count"] ("channel");
    /// Count of TLS connections to other nodes.
    cluster_comm_egress_tls_connection_count: Gauge ["cluster" "comm" "egress_tls_connection_count"] ();
    /// The time it takes to send a message in seconds.
    cluster_comm_msg_send_time: Histogram ["cluster" "comm" "msg_send_time"] ("host", "channel");
    /// Count of messages dropped.
    cluster_comm_msg_dropped_count: Counter ["cluster" "comm" "msg_dropped_count"] ("host", "channel");

    /// Number of log entries checked against the active logging level
    logging_entries_checked: Counter ["logging" "entries_checked"] ("level");
    /// Number of log entries that are written
    logging_entries_written: Counter ["logging" "entries_written"] ("level");

    /// The active version of Fabric.
    fabric_version: Gauge ["fabric_version"] ("version");
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    pub fn expose(&self) -> String {
        let mut text = String::new();
        self.visit(|family| exposition::write(&mut text, family));
        text
    }

    /// What a scrape gets: [`Metrics::expose`] and the process' own figures.
    pub fn scrape(&self) -> String {
        let mut text = self.expose();
        process::write(&mut text);
        text
    }

    /// Sets the two gauges of a channel's participation.
    pub fn set_participation(&self, channel: &str, relation: ConsensusRelation, status: Status) {
        let relation = match relation {
            ConsensusRelation::Other => 0.0,
            ConsensusRelation::Consenter => 1.0,
            ConsensusRelation::Follower => 2.0,
            ConsensusRelation::ConfigTracker => 3.0,
        };
        let status = match status {
            Status::Inactive => 0.0,
            Status::Active => 1.0,
            Status::Onboarding => 2.0,
            Status::Failed => 3.0,
        };
        self.participation_consensus_relation.with([channel]).set(relation);
        self.participation_status.with([channel]).set(status);
    }
}

impl chain_metrics::Metrics for Metrics {
    fn set(&self, gauge: chain_metrics::Gauge, channel: &str, value: u64) {
        use chain_metrics::Gauge;
        let family = match gauge {
            Gauge::ClusterSize => &self.consensus_etcdraft_cluster_size,
            Gauge::IsLeader => &self.consensus_etcdraft_is_leader,
            Gauge::ActiveNodes => &self.consensus_etcdraft_active_nodes,
            Gauge::CommittedBlockNumber => &self.consensus_etcdraft_committed_block_number,
            Gauge::SnapshotBlockNumber => &self.consensus_etcdraft_snapshot_block_number,
            Gauge::BlockchainHeight => &self.ledger_blockchain_height,
        };
        // Exact up to 2^53, far beyond any height.
        family.with([channel]).set(value as f64);
    }

    fn add(&self, counter: chain_metrics::Counter, channel: &str, count: u64) {
        use chain_metrics::Counter;
        let family = match counter {
            Counter::LeaderChanges => &self.consensus_etcdraft_leader_changes,
            Counter::ProposalFailures => &self.consensus_etcdraft_proposal_failures,
            Counter::NormalProposalsReceived => &self.consensus_etcdraft_normal_proposals_received,
            Counter::ConfigProposalsReceived => &self.consensus_etcdraft_config_proposals_received,
        };
        family.with([channel]).add(count);
    }

    fn observe(&self, timer: chain_metrics::Timer, channel: &str, took: Duration) {
        use chain_metrics::Timer;
        let family = match timer {
            Timer::DataPersistDuration => &self.consensus_etcdraft_data_persist_duration,
            Timer::BlockFillDuration => &self.blockcutter_block_fill_duration,
            Timer::BlockstorageCommitTime => &self.ledger_blockstorage_commit_time,
        };
        family.with([channel]).observe(took);
    }

    fn forget(&self, channel: &str) {
        self.visit(|family| family.forget_channel(channel));
    }
}

#[cfg(test)]
mod tests;

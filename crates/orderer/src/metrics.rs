//! The node's metrics, under Fabric's names, labels and types (`docs/source/metrics_reference`
//! of Fabric 2.5 lists them).
//!
//! Every metric is a field of [`Metrics`], named as in Prometheus. Dashboards made for Fabric's
//! orderer carry over, so nothing here may be renamed.

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
    /// Seconds spent on checking a transaction.
    broadcast_validate_duration: Histogram ["broadcast" "validate_duration"] ("channel", "type", "status");
    /// Seconds until a checked transaction was taken in.
    broadcast_enqueue_duration: Histogram ["broadcast" "enqueue_duration"] ("channel", "type", "status");
    /// Transactions answered by Broadcast.
    broadcast_processed_count: Counter ["broadcast" "processed_count"] ("channel", "type", "status");

    /// Seconds from a block's first transaction until the block was cut.
    blockcutter_block_fill_duration: Histogram ["blockcutter" "block_fill_duration"] ("channel");

    /// Deliver streams opened.
    deliver_streams_opened: Counter ["deliver" "streams_opened"] ();
    /// Deliver streams closed.
    deliver_streams_closed: Counter ["deliver" "streams_closed"] ();
    /// Requests received by Deliver.
    deliver_requests_received: Counter ["deliver" "requests_received"] ("channel", "filtered", "data_type");
    /// Requests answered to the end by Deliver.
    deliver_requests_completed: Counter ["deliver" "requests_completed"] ("channel", "filtered", "data_type", "success");
    /// Blocks sent by Deliver.
    deliver_blocks_sent: Counter ["deliver" "blocks_sent"] ("channel", "filtered", "data_type");

    /// gRPC connections accepted; less those closed, the open ones.
    grpc_comm_conn_opened: Counter ["grpc" "comm" "conn_opened"] ();
    /// gRPC connections ended.
    grpc_comm_conn_closed: Counter ["grpc" "comm" "conn_closed"] ();
    /// Seconds that a unary call took.
    grpc_server_unary_request_duration: Histogram ["grpc" "server" "unary_request_duration"] ("service", "method", "code");
    /// Unary calls begun.
    grpc_server_unary_requests_received: Counter ["grpc" "server" "unary_requests_received"] ("service", "method");
    /// Unary calls ended.
    grpc_server_unary_requests_completed: Counter ["grpc" "server" "unary_requests_completed"] ("service", "method", "code");
    /// Seconds that a streaming call took.
    grpc_server_stream_request_duration: Histogram ["grpc" "server" "stream_request_duration"] ("service", "method", "code");
    /// Streaming calls begun.
    grpc_server_stream_requests_received: Counter ["grpc" "server" "stream_requests_received"] ("service", "method");
    /// Streaming calls ended.
    grpc_server_stream_requests_completed: Counter ["grpc" "server" "stream_requests_completed"] ("service", "method", "code");
    /// Messages received in streaming calls.
    grpc_server_stream_messages_received: Counter ["grpc" "server" "stream_messages_received"] ("service", "method");
    /// Messages sent in streaming calls.
    grpc_server_stream_messages_sent: Counter ["grpc" "server" "stream_messages_sent"] ("service", "method");

    /// Blocks in the ledger.
    ledger_blockchain_height: Gauge ["ledger" "blockchain_height"] ("channel");
    /// Seconds that writing a block to the ledger took.
    ledger_blockstorage_commit_time: Histogram ["ledger" "blockstorage_commit_time"] ("channel") in LEDGER_BUCKETS;

    /// State of the channel on this node: 0 inactive, 1 active, 2 onboarding, 3 failed.
    participation_status: Gauge ["participation" "status"] ("channel");
    /// This node's part in the channel: 0 other, 1 consenter, 2 follower, 3 config-tracker.
    participation_consensus_relation: Gauge ["participation" "consensus_relation"] ("channel");

    /// Consenters of the channel.
    consensus_etcdraft_cluster_size: Gauge ["consensus" "etcdraft" "cluster_size"] ("channel");
    /// 1 while this node leads the channel, else 0.
    consensus_etcdraft_is_leader: Gauge ["consensus" "etcdraft" "is_leader"] ("channel");
    /// Consenters that the leader hears from, itself among them.
    consensus_etcdraft_active_nodes: Gauge ["consensus" "etcdraft" "active_nodes"] ("channel");
    /// Number of the newest committed block.
    consensus_etcdraft_committed_block_number: Gauge ["consensus" "etcdraft" "committed_block_number"] ("channel");
    /// Number of the block in the newest snapshot.
    consensus_etcdraft_snapshot_block_number: Gauge ["consensus" "etcdraft" "snapshot_block_number"] ("channel");
    /// Changes of the leader since this process began.
    consensus_etcdraft_leader_changes: Counter ["consensus" "etcdraft" "leader_changes"] ("channel");
    /// Transactions that could not be proposed.
    consensus_etcdraft_proposal_failures: Counter ["consensus" "etcdraft" "proposal_failures"] ("channel");
    /// Seconds that writing entries to the Raft log took.
    consensus_etcdraft_data_persist_duration: Histogram ["consensus" "etcdraft" "data_persist_duration"] ("channel");
    /// Ordinary transactions taken in.
    consensus_etcdraft_normal_proposals_received: Counter ["consensus" "etcdraft" "normal_proposals_received"] ("channel");
    /// Config transactions taken in.
    consensus_etcdraft_config_proposals_received: Counter ["consensus" "etcdraft" "config_proposals_received"] ("channel");

    /// Bytes read from a broker, a second.
    consensus_kafka_incoming_byte_rate: Gauge ["consensus" "kafka" "incoming_byte_rate"] ("broker_id");
    /// Bytes written to a broker, a second.
    consensus_kafka_outgoing_byte_rate: Gauge ["consensus" "kafka" "outgoing_byte_rate"] ("broker_id");
    /// Requests to a broker, a second.
    consensus_kafka_request_rate: Gauge ["consensus" "kafka" "request_rate"] ("broker_id");
    /// Mean bytes of a request to a broker.
    consensus_kafka_request_size: Gauge ["consensus" "kafka" "request_size"] ("broker_id");
    /// Mean milliseconds until a broker answered.
    consensus_kafka_request_latency: Gauge ["consensus" "kafka" "request_latency"] ("broker_id");
    /// Answers of a broker, a second.
    consensus_kafka_response_rate: Gauge ["consensus" "kafka" "response_rate"] ("broker_id");
    /// Mean bytes of a broker's answer.
    consensus_kafka_response_size: Gauge ["consensus" "kafka" "response_size"] ("broker_id");
    /// Mean bytes of a batch to a topic.
    consensus_kafka_batch_size: Gauge ["consensus" "kafka" "batch_size"] ("topic");
    /// Records sent to a topic, a second.
    consensus_kafka_record_send_rate: Gauge ["consensus" "kafka" "record_send_rate"] ("topic");
    /// Mean records of a request to a topic.
    consensus_kafka_records_per_request: Gauge ["consensus" "kafka" "records_per_request"] ("topic");
    /// Mean compression of what a topic was sent, in percent.
    consensus_kafka_compression_ratio: Gauge ["consensus" "kafka" "compression_ratio"] ("topic");
    /// Kafka offset in the metadata of the newest committed block.
    consensus_kafka_last_offset_persisted: Gauge ["consensus" "kafka" "last_offset_persisted"] ("channel");

    /// Messages that wait for another orderer.
    cluster_comm_egress_queue_length: Gauge ["cluster" "comm" "egress_queue_length"] ("host", "msg_type", "channel");
    /// Messages that may wait for another orderer.
    cluster_comm_egress_queue_capacity: Gauge ["cluster" "comm" "egress_queue_capacity"] ("host", "msg_type", "channel");
    /// Tasks that empty the queues to other orderers.
    cluster_comm_egress_queue_workers: Gauge ["cluster" "comm" "egress_queue_workers"] ("channel");
    /// Open streams from other orderers.
    cluster_comm_ingress_stream_count: Gauge ["cluster" "comm" "ingress_stream_count"] ();
    /// Open streams to other orderers.
    cluster_comm_egress_stream_count: Gauge ["cluster" "comm" "egress_stream_count"] ("channel");
    /// Open TLS connections to other orderers.
    cluster_comm_egress_tls_connection_count: Gauge ["cluster" "comm" "egress_tls_connection_count"] ();
    /// Seconds that a message waited until it was on its way.
    cluster_comm_msg_send_time: Histogram ["cluster" "comm" "msg_send_time"] ("host", "channel");
    /// Messages dropped because a queue was full.
    cluster_comm_msg_dropped_count: Counter ["cluster" "comm" "msg_dropped_count"] ("host", "channel");

    /// Log records held against the active level.
    logging_entries_checked: Counter ["logging" "entries_checked"] ("level");
    /// Log records written.
    logging_entries_written: Counter ["logging" "entries_written"] ("level");

    /// 1, with the version of this node.
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

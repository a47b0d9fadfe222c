//! What an orderer with a Raft channel reports, as Fabric's orderer does.

use Kind::{Counter, Gauge, Histogram};

/// What a metric does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts how often which values came.
    Histogram,
}

/// A metric of Fabric's reference.
pub(super) struct Family {
    /// Its name for StatsD.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) kind: Kind,
    /// Its labels, in StatsD's order.
    pub(super) labels: &'static [&'static str],
}

impl Family {
    /// Its name for Prometheus.
    pub(super) fn scraped_name(&self) -> String {
        self.name.replace('.', "_")
    }
}

const fn family(name: &'static str, kind: Kind, labels: &'static [&'static str]) -> Family {
    Family { name, kind, labels }
}

/// What a node shows before it is used.
pub(super) const AT_ONCE: &[&str] = &[
    "cluster.comm.egress_tls_connection_count",
    "consensus.etcdraft.active_nodes",
    "consensus.etcdraft.cluster_size",
    "consensus.etcdraft.committed_block_number",
    "consensus.etcdraft.is_leader",
    "consensus.etcdraft.snapshot_block_number",
    "fabric_version",
    "ledger.blockchain_height",
    "logging.entries_checked",
    "logging.entries_written",
    "participation.consensus_relation",
    "participation.status",
];

/// What does not move in the story of one network: the version, and messages to somebody too slow, which
/// [`crate::listener`] shows.
pub(super) const ELSEWHERE: &[&str] = &["cluster.comm.msg_dropped_count", "fabric_version"];

/// What every Prometheus client shows of its process.
pub(super) const OF_THE_PROCESS: &[&str] = &[
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_network_receive_bytes_total",
    "process_network_transmit_bytes_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
];

/// All of them but those of unary requests, of which an orderer has none, and those of Kafka channels.
pub(super) const FAMILIES: &[Family] = &[
    family("blockcutter.block_fill_duration", Histogram, &["channel"]),
    family("broadcast.enqueue_duration", Histogram, &["channel", "type", "status"]),
    family("broadcast.processed_count", Counter, &["channel", "type", "status"]),
    family("broadcast.validate_duration", Histogram, &["channel", "type", "status"]),
    family("cluster.comm.egress_queue_capacity", Gauge, &["host", "msg_type", "channel"]),
    family("cluster.comm.egress_queue_length", Gauge, &["host", "msg_type", "channel"]),
    family("cluster.comm.egress_queue_workers", Gauge, &["channel"]),
    family("cluster.comm.egress_stream_count", Gauge, &["channel"]),
    family("cluster.comm.egress_tls_connection_count", Gauge, &[]),
    family("cluster.comm.ingress_stream_count", Gauge, &[]),
    family("cluster.comm.msg_dropped_count", Counter, &["host", "channel"]),
    family("cluster.comm.msg_send_time", Histogram, &["host", "channel"]),
    family("consensus.etcdraft.active_nodes", Gauge, &["channel"]),
    family("consensus.etcdraft.cluster_size", Gauge, &["channel"]),
    family("consensus.etcdraft.committed_block_number", Gauge, &["channel"]),
    family("consensus.etcdraft.config_proposals_received", Counter, &["channel"]),
    family("consensus.etcdraft.data_persist_duration", Histogram, &["channel"]),
    family("consensus.etcdraft.is_leader", Gauge, &["channel"]),
    family("consensus.etcdraft.leader_changes", Counter, &["channel"]),
    family("consensus.etcdraft.normal_proposals_received", Counter, &["channel"]),
    family("consensus.etcdraft.proposal_failures", Counter, &["channel"]),
    family("consensus.etcdraft.snapshot_block_number", Gauge, &["channel"]),
    family("deliver.blocks_sent", Counter, &["channel", "filtered", "data_type"]),
    family("deliver.requests_completed", Counter, &["channel", "filtered", "data_type", "success"]),
    family("deliver.requests_received", Counter, &["channel", "filtered", "data_type"]),
    family("deliver.streams_closed", Counter, &[]),
    family("deliver.streams_opened", Counter, &[]),
    family("fabric_version", Gauge, &["version"]),
    family("grpc.comm.conn_closed", Counter, &[]),
    family("grpc.comm.conn_opened", Counter, &[]),
    family("grpc.server.stream_messages_received", Counter, &["service", "method"]),
    family("grpc.server.stream_messages_sent", Counter, &["service", "method"]),
    family("grpc.server.stream_request_duration", Histogram, &["service", "method", "code"]),
    family("grpc.server.stream_requests_completed", Counter, &["service", "method", "code"]),
    family("grpc.server.stream_requests_received", Counter, &["service", "method"]),
    family("ledger.blockchain_height", Gauge, &["channel"]),
    family("ledger.blockstorage_commit_time", Histogram, &["channel"]),
    family("logging.entries_checked", Counter, &["level"]),
    family("logging.entries_written", Counter, &["level"]),
    family("participation.consensus_relation", Gauge, &["channel"]),
    family("participation.status", Gauge, &["channel"]),
];

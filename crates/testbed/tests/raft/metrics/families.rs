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
    /// What Prometheus is told of it.
    pub(super) help: &'static str,
}

impl Family {
    /// Its name for Prometheus.
    pub(super) fn scraped_name(&self) -> String {
        self.name.replace('.', "_")
    }
}

const fn family(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, labels, help }
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
    family(
        "blockcutter.block_fill_duration",
        Histogram,
        &["channel"],
        "The time from first transaction enqueing to the block being cut in seconds.",
    ),
    family(
        "broadcast.enqueue_duration",
        Histogram,
        &["channel", "type", "status"],
        "The time to enqueue a transaction in seconds.",
    ),
    family(
        "broadcast.processed_count",
        Counter,
        &["channel", "type", "status"],
        "The number of transactions processed.",
    ),
    family(
        "broadcast.validate_duration",
        Histogram,
        &["channel", "type", "status"],
        "The time to validate a transaction in seconds.",
    ),
    family(
        "cluster.comm.egress_queue_capacity",
        Gauge,
        &["host", "msg_type", "channel"],
        "Capacity of the egress queue.",
    ),
    family(
        "cluster.comm.egress_queue_length",
        Gauge,
        &["host", "msg_type", "channel"],
        "Length of the egress queue.",
    ),
    family("cluster.comm.egress_queue_workers", Gauge, &["channel"], "Count of egress queue workers."),
    family("cluster.comm.egress_stream_count", Gauge, &["channel"], "Count of streams to other nodes."),
    family(
        "cluster.comm.egress_tls_connection_count",
        Gauge,
        &[],
        "Count of TLS connections to other nodes.",
    ),
    family("cluster.comm.ingress_stream_count", Gauge, &[], "Count of streams from other nodes."),
    family("cluster.comm.msg_dropped_count", Counter, &["host", "channel"], "Count of messages dropped."),
    family(
        "cluster.comm.msg_send_time",
        Histogram,
        &["host", "channel"],
        "The time it takes to send a message in seconds.",
    ),
    family("consensus.etcdraft.active_nodes", Gauge, &["channel"], "Number of active nodes in this channel."),
    family("consensus.etcdraft.cluster_size", Gauge, &["channel"], "Number of nodes in this channel."),
    family(
        "consensus.etcdraft.committed_block_number",
        Gauge,
        &["channel"],
        "The block number of the latest block committed.",
    ),
    family(
        "consensus.etcdraft.config_proposals_received",
        Counter,
        &["channel"],
        "The total number of proposals received for config type transactions.",
    ),
    family(
        "consensus.etcdraft.data_persist_duration",
        Histogram,
        &["channel"],
        "The time taken for etcd/raft data to be persisted in storage (in seconds).",
    ),
    family(
        "consensus.etcdraft.is_leader",
        Gauge,
        &["channel"],
        "The leadership status of the current node: 1 if it is the leader else 0.",
    ),
    family(
        "consensus.etcdraft.leader_changes",
        Counter,
        &["channel"],
        "The number of leader changes since process start.",
    ),
    family(
        "consensus.etcdraft.normal_proposals_received",
        Counter,
        &["channel"],
        "The total number of proposals received for normal type transactions.",
    ),
    family("consensus.etcdraft.proposal_failures", Counter, &["channel"], "The number of proposal failures."),
    family(
        "consensus.etcdraft.snapshot_block_number",
        Gauge,
        &["channel"],
        "The block number of the latest snapshot.",
    ),
    family(
        "deliver.blocks_sent",
        Counter,
        &["channel", "filtered", "data_type"],
        "The number of blocks sent by the deliver service.",
    ),
    family(
        "deliver.requests_completed",
        Counter,
        &["channel", "filtered", "data_type", "success"],
        "The number of deliver requests that have been completed.",
    ),
    family(
        "deliver.requests_received",
        Counter,
        &["channel", "filtered", "data_type"],
        "The number of deliver requests that have been received.",
    ),
    family(
        "deliver.streams_closed",
        Counter,
        &[],
        "The number of GRPC streams that have been closed for the deliver service.",
    ),
    family(
        "deliver.streams_opened",
        Counter,
        &[],
        "The number of GRPC streams that have been opened for the deliver service.",
    ),
    family("fabric_version", Gauge, &["version"], "The active version of Fabric."),
    family(
        "grpc.comm.conn_closed",
        Counter,
        &[],
        "gRPC connections closed. Open minus closed is the active number of connections.",
    ),
    family(
        "grpc.comm.conn_opened",
        Counter,
        &[],
        "gRPC connections opened. Open minus closed is the active number of connections.",
    ),
    family(
        "grpc.server.stream_messages_received",
        Counter,
        &["service", "method"],
        "The number of stream messages received.",
    ),
    family(
        "grpc.server.stream_messages_sent",
        Counter,
        &["service", "method"],
        "The number of stream messages sent.",
    ),
    family(
        "grpc.server.stream_request_duration",
        Histogram,
        &["service", "method", "code"],
        "The time to complete a stream request.",
    ),
    family(
        "grpc.server.stream_requests_completed",
        Counter,
        &["service", "method", "code"],
        "The number of stream requests completed.",
    ),
    family(
        "grpc.server.stream_requests_received",
        Counter,
        &["service", "method"],
        "The number of stream requests received.",
    ),
    family("ledger.blockchain_height", Gauge, &["channel"], "Height of the chain in blocks."),
    family(
        "ledger.blockstorage_commit_time",
        Histogram,
        &["channel"],
        "Time taken in seconds for committing the block to storage.",
    ),
    family(
        "logging.entries_checked",
        Counter,
        &["level"],
        "Number of log entries checked against the active logging level",
    ),
    family("logging.entries_written", Counter, &["level"], "Number of log entries that are written"),
    family(
        "participation.consensus_relation",
        Gauge,
        &["channel"],
        "The channel participation consensus relation of the node: 0 if other, 1 if consenter, 2 if follower, 3 if config-tracker.",
    ),
    family(
        "participation.status",
        Gauge,
        &["channel"],
        "The channel participation status of the node: 0 if inactive, 1 if active, 2 if onboarding, 3 if failed.",
    ),
];

//! Metrics under Fabric's names with Fabric's labels, for Prometheus and for StatsD, that move when they
//! should; and the lines of the log that scripts look for.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use testbed::network::{Network, NetworkOptions};
use testbed::wait;

use crate::{restart_with, settings, wait_for_lines};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}
use Kind::{Counter, Gauge, Histogram};

/// Fabric's name for StatsD, kind and labels, of all that an orderer with a Raft channel reports.
const METRICS: &[(&str, Kind, &[&str])] = &[
    ("broadcast.enqueue_duration", Histogram, &["channel", "type", "status"]),
    ("broadcast.processed_count", Counter, &["channel", "type", "status"]),
    ("broadcast.validate_duration", Histogram, &["channel", "type", "status"]),
    ("cluster.comm.egress_queue_capacity", Gauge, &["host", "msg_type", "channel"]),
    ("cluster.comm.egress_queue_length", Gauge, &["host", "msg_type", "channel"]),
    ("cluster.comm.egress_queue_workers", Gauge, &["channel"]),
    ("cluster.comm.egress_stream_count", Gauge, &["channel"]),
    ("cluster.comm.egress_tls_connection_count", Gauge, &[]),
    ("cluster.comm.ingress_stream_count", Gauge, &[]),
    ("cluster.comm.msg_send_time", Histogram, &["host", "channel"]),
    ("consensus.etcdraft.active_nodes", Gauge, &["channel"]),
    ("consensus.etcdraft.cluster_size", Gauge, &["channel"]),
    ("consensus.etcdraft.committed_block_number", Gauge, &["channel"]),
    ("consensus.etcdraft.data_persist_duration", Histogram, &["channel"]),
    ("consensus.etcdraft.is_leader", Gauge, &["channel"]),
    ("consensus.etcdraft.leader_changes", Counter, &["channel"]),
    ("consensus.etcdraft.normal_proposals_received", Counter, &["channel"]),
    ("deliver.blocks_sent", Counter, &["channel", "filtered", "data_type"]),
    ("deliver.requests_completed", Counter, &["channel", "filtered", "data_type", "success"]),
    ("deliver.requests_received", Counter, &["channel", "filtered", "data_type"]),
    ("deliver.streams_closed", Counter, &[]),
    ("deliver.streams_opened", Counter, &[]),
    ("fabric_version", Gauge, &["version"]),
    ("grpc.comm.conn_closed", Counter, &[]),
    ("grpc.comm.conn_opened", Counter, &[]),
    ("grpc.server.stream_messages_received", Counter, &["service", "method"]),
    ("grpc.server.stream_messages_sent", Counter, &["service", "method"]),
    ("grpc.server.stream_request_duration", Histogram, &["service", "method", "code"]),
    ("grpc.server.stream_requests_completed", Counter, &["service", "method", "code"]),
    ("grpc.server.stream_requests_received", Counter, &["service", "method"]),
    ("ledger.blockchain_height", Gauge, &["channel"]),
    ("ledger.blockstorage_commit_time", Histogram, &["channel"]),
    ("logging.entries_checked", Counter, &["level"]),
    ("logging.entries_written", Counter, &["level"]),
    ("participation.consensus_relation", Gauge, &["channel"]),
    ("participation.status", Gauge, &["channel"]),
];

/// Whether the text has a sample of this metric with these labels, in this order.
fn is_exposed(text: &str, (name, kind, labels): (&str, Kind, &[&str])) -> bool {
    let name = name.replace('.', "_");
    let (type_name, suffix) = match kind {
        Counter => ("counter", ""),
        Gauge => ("gauge", ""),
        Histogram => ("histogram", "_count"),
    };
    let has_labels = |rest: &str| {
        let given =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(given, _)| given);
        let names = given.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        names.eq(labels.iter().copied())
    };
    let sample = format!("{name}{suffix}");
    text.contains(&format!("# TYPE {name} {type_name}\n"))
        && text.lines().any(|line| {
            line.strip_prefix(&sample).is_some_and(|rest| rest.starts_with(['{', ' ']) && has_labels(rest))
        })
}

#[test]
fn metrics_and_log_lines_follow_what_happens() {
    let mut network = Network::start(&NetworkOptions { nodes: 2, ..NetworkOptions::default() });
    network.wait_for_active(2);
    let leader = network.wait_for_leader();
    let follower = 1 - leader;
    network.order_through_all();
    assert!(is_exposed(
        &network.metrics(leader),
        ("blockcutter.block_fill_duration", Histogram, &["channel"])
    ));
    for node in [0, 1] {
        network.chain(node, 1);
        let missing = || -> Vec<_> {
            let text = network.metrics(node);
            METRICS.iter().filter(|metric| !is_exposed(&text, **metric)).map(|metric| metric.0).collect()
        };
        let mut last = Vec::new();
        wait::until_or(Duration::from_secs(20), || {
            last = missing();
            last.is_empty().then_some(())
        })
        .unwrap_or_else(|| panic!("node {node} does not show {last:?}"));
        let is = |name: &str, value: f64| {
            assert_eq!(network.channel_metric(node, name), Some(value), "node {node}, {name}");
        };
        is("ledger_blockchain_height", 3.0);
        is("consensus_etcdraft_committed_block_number", 2.0);
        is("consensus_etcdraft_cluster_size", 2.0);
        is("consensus_etcdraft_normal_proposals_received", 1.0);
        is("participation_status", 1.0);
        is("participation_consensus_relation", 1.0);
        is("consensus_etcdraft_is_leader", if node == leader { 1.0 } else { 0.0 });
        let streams = network.channel_metric(node, "cluster_comm_egress_stream_count");
        assert!(streams >= Some(1.0));
        assert_eq!(network.channel_metric(node, "cluster_comm_egress_queue_workers"), streams);
        assert_eq!(network.metric(node, "cluster_comm_egress_tls_connection_count"), Some(1.0));
        assert!(network.metric(node, "cluster_comm_ingress_stream_count") >= Some(1.0));
        let log = network.node(node).log();
        for text in [
            "Registrar initializing without a system channel, number of application channels: 0",
            "Beginning to serve requests",
            "Cluster listener is not configured, defaulting to use the general listener on port ",
            "No WAL data found, creating new WAL at path '",
            "Starting raft node as part of a new channel channel=ch1 node=",
            &format!("Raft leader changed: 0 -> {} channel=ch1 node={}", leader + 1, node + 1),
        ] {
            assert!(log.contains(text), "node {node}: {text}");
        }
    }
    let says = "Start accepting requests as Raft leader at block [0]";
    assert!(network.node(leader).log().contains(says));

    // One more loss is the one too many.
    let changes = network.channel_metric(leader, "consensus_etcdraft_leader_changes").unwrap();
    let mark = network.node(leader).log().len();
    network.node(follower).kill();
    let lines = [
        &format!("{} stepped down to follower since quorum is not active", leader + 1),
        &format!("Raft leader changed: {} -> 0", leader + 1),
        "No leader is present, cluster size is 2",
    ];
    wait_for_lines(&mut network, leader, mark, &lines.map(|line| line as &str));
    assert!(network.channel_metric(leader, "consensus_etcdraft_leader_changes").unwrap() > changes);
    assert_eq!(network.channel_metric(leader, "consensus_etcdraft_active_nodes"), Some(0.0));
    let transaction = network.signer().transaction(b"data".as_slice().into()).unwrap();
    let answer = network.send(leader, transaction.envelope);
    assert_eq!(answer, "SERVICE_UNAVAILABLE: no Raft leader");
    assert_eq!(network.channel_metric(leader, "consensus_etcdraft_proposal_failures"), Some(1.0));

    // The same under the names that StatsD has for them.
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let address = server.local_addr().unwrap().to_string();
    let statsd = settings(&[
        ("METRICS_PROVIDER", "statsd"),
        ("METRICS_STATSD_NETWORK", "udp"),
        ("METRICS_STATSD_ADDRESS", &address),
        ("METRICS_STATSD_WRITEINTERVAL", "100ms"),
        ("METRICS_STATSD_PREFIX", "orderers"),
    ]);
    restart_with(&mut network, &[0, 1], &statsd);
    let mut missing: BTreeSet<_> = METRICS.iter().map(|(name, ..)| *name).collect();
    network.order_through_all();
    let mut datagram = vec![0; 65_536];
    wait::until_or(Duration::from_secs(20), || {
        // Whoever pulls or connects makes the rest move.
        network.order_through(0);
        let _ = network.height(0);
        // Two nodes that push without end must not keep this from asking for more.
        let pause = Instant::now() + Duration::from_millis(300);
        while Instant::now() < pause
            && let Ok(length) = server.recv(&mut datagram)
        {
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            for line in text.lines() {
                missing.retain(|name| !is_pushed(line, name));
            }
        }
        missing.is_empty().then_some(())
    })
    .unwrap_or_else(|| panic!("never pushed: {missing:?}"));
}

/// Whether a line of StatsD's is a sample of this metric: a path with one element a label.
fn is_pushed(line: &str, name: &str) -> bool {
    let (_, kind, labels) = METRICS.iter().find(|metric| metric.0 == name).unwrap();
    let Some((path, value)) = line.split_once(':') else { return false };
    let Some(rest) = path.strip_prefix(&format!("orderers.{name}")) else { return false };
    let kind = match kind {
        Counter => "|c",
        Gauge => "|g",
        Histogram => "|ms",
    };
    value.ends_with(kind)
        && (rest.is_empty() || rest.starts_with('.'))
        && rest.matches('.').count() == labels.len()
}

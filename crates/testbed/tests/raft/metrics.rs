//! Metrics under Fabric's names with Fabric's labels, for Prometheus and for StatsD; each of them moves
//! when what it measures happens.

mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use protos::Message;
use testbed::channel_config::change_raft;
use testbed::network::{Network, NetworkOptions};
use testbed::wait;

use crate::settings;
use families::{FAMILIES, Family, Kind};

/// The samples of a family, with their values.
fn samples(text: &str, family: &Family) -> BTreeMap<String, f64> {
    let name = family.scraped_name();
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let own = lines.filter(|(sample, _)| {
        sample.strip_prefix(name.as_str()).is_some_and(|rest| {
            let rest =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
            rest.is_empty() || rest.starts_with('{')
        })
    });
    own.map(|(sample, value)| (sample.to_owned(), value.parse().unwrap())).collect()
}

/// The names of the labels in a sample, but for a bucket's bound.
fn labels(sample: &str) -> Vec<&str> {
    let given = sample.split_once('{').map_or("", |(_, given)| given);
    let names = given.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
    names.filter(|name| *name != "le").collect()
}

/// Checks type and labels of what a node shows, and gives the names of what is there.
fn check(text: &str) -> BTreeSet<&'static str> {
    let mut there = BTreeSet::new();
    for family in FAMILIES {
        let samples = samples(text, family);
        if samples.is_empty() {
            continue;
        }
        let name = family.scraped_name();
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = format!("# HELP {name} ");
        assert_eq!(text.lines().filter(|line| line.len() > help.len() && line.starts_with(&help)).count(), 1);
        let kind = format!("# TYPE {name} {kind}\n");
        assert!(text.contains(&kind), "{kind}");
        let mut expected = family.labels.to_vec();
        expected.sort_unstable();
        for sample in samples.keys() {
            assert_eq!(labels(sample), expected, "{sample}");
        }
        there.insert(family.name);
    }
    there
}

/// A network whose metrics are watched.
struct Watched {
    network: Network,
    moved: BTreeSet<&'static str>,
}

impl Watched {
    /// Does something, and waits until all of these have moved at a node; counters and histograms only
    /// grow.
    fn moves(&mut self, what: &str, node: usize, names: &[&str], act: impl FnOnce(&mut Network)) {
        self.move_at(what, &[(node, names)], act);
    }

    /// The same at several nodes.
    fn move_at(&mut self, what: &str, expected: &[(usize, &[&str])], act: impl FnOnce(&mut Network)) {
        let before: Vec<_> = expected.iter().map(|(node, _)| self.network.metrics(*node)).collect();
        act(&mut self.network);
        for ((node, names), before) in expected.iter().zip(&before) {
            let of_name = |name: &&str| FAMILIES.iter().find(|family| family.name == *name).unwrap();
            let mut missing: Vec<&Family> = names.iter().map(of_name).collect();
            self.moved.extend(missing.iter().map(|family| family.name));
            wait::until_or(Duration::from_secs(30), || {
                let after = self.network.metrics(*node);
                missing.retain(|family| {
                    let (before, after) = (samples(before, family), samples(&after, family));
                    if family.kind != Kind::Gauge {
                        let shrunk = before.iter().find(|(sample, value)| after.get(*sample) < Some(*value));
                        assert_eq!(shrunk, None, "{what}");
                    }
                    before == after
                });
                missing.is_empty().then_some(())
            })
            .unwrap_or_else(|| {
                let names: Vec<_> = missing.iter().map(|family| family.name).collect();
                panic!("{what}: {names:?} of node {node} do not move")
            });
        }
    }
}

/// Everything on the list, but what is always the same and what `listener::a_full_buffer` shows.
#[test]
fn every_metric_moves_when_what_it_measures_happens() {
    let network = Network::start(&NetworkOptions { nodes: 3, spare_nodes: 1, ..NetworkOptions::default() });
    network.wait_for_active(3);
    let leader = network.wait_for_leader();
    let (follower, other, joining) = ((leader + 1) % 3, (leader + 2) % 3, 3);
    for node in 0..3 {
        let there = check(&network.metrics(node));
        for name in families::AT_ONCE {
            assert!(there.contains(name), "node {node} does not show {name} before anybody uses it");
        }
    }
    let mut watched = Watched { network, moved: BTreeSet::new() };

    let ordering = [
        "broadcast.enqueue_duration",
        "broadcast.processed_count",
        "broadcast.validate_duration",
        "cluster.comm.msg_send_time",
        "consensus.etcdraft.committed_block_number",
        "consensus.etcdraft.data_persist_duration",
        "consensus.etcdraft.normal_proposals_received",
        "grpc.comm.conn_closed",
        "grpc.comm.conn_opened",
        "grpc.server.stream_messages_received",
        "grpc.server.stream_messages_sent",
        "grpc.server.stream_request_duration",
        "grpc.server.stream_requests_completed",
        "grpc.server.stream_requests_received",
        "ledger.blockchain_height",
        "ledger.blockstorage_commit_time",
        "logging.entries_checked",
    ];
    watched.moves("a transaction through a follower", follower, &ordering, |network| {
        network.order_through(follower);
    });
    watched.moves("a transaction", leader, &["blockcutter.block_fill_duration"], |network| {
        network.order_through(leader);
    });
    let delivering = [
        "deliver.blocks_sent",
        "deliver.requests_completed",
        "deliver.requests_received",
        "deliver.streams_closed",
        "deliver.streams_opened",
    ];
    watched.moves("blocks are read", follower, &delivering, |network| {
        network.chain(follower, 2);
    });
    let changing = ["consensus.etcdraft.config_proposals_received", "logging.entries_written"];
    watched.moves("a change of the config", leader, &changing, |network| {
        network.reconfigure(leader, |config| {
            change_raft(config, |raft| raft.options.as_mut().unwrap().snapshot_interval_size = 1024);
        });
    });
    watched.moves("many bytes", leader, &["consensus.etcdraft.snapshot_block_number"], |network| {
        let large = network.signer().transaction(vec![7; 2000].into()).unwrap().envelope;
        assert_eq!(network.send(leader, large), "SUCCESS");
    });
    let joining_it = ["participation.status", "participation.consensus_relation"];
    watched.moves("a node joins", joining, &joining_it, |network| {
        let genesis = network.chain(leader, 1).remove(0).encode_to_vec();
        network.join(joining, &genesis);
    });
    let growing = [
        "cluster.comm.egress_queue_capacity",
        "cluster.comm.egress_queue_workers",
        "cluster.comm.egress_stream_count",
        "cluster.comm.egress_tls_connection_count",
        "cluster.comm.ingress_stream_count",
        "consensus.etcdraft.active_nodes",
        "consensus.etcdraft.cluster_size",
    ];
    watched.move_at("a consenter more", &[(leader, &growing), (joining, &joining_it[1..])], |network| {
        network.add_consenter(leader, joining);
    });
    watched.network.wait_for_active(4);

    // What it was before is shown as long as it is so.
    assert_eq!(watched.network.channel_metric(joining, "participation_status"), Some(1.0));
    assert_eq!(watched.network.channel_metric(joining, "participation_consensus_relation"), Some(1.0));
    assert_eq!(watched.network.channel_metric(leader, "consensus_etcdraft_cluster_size"), Some(4.0));
    assert_eq!(watched.network.metric(leader, "cluster_comm_egress_tls_connection_count"), Some(3.0));

    watched.moves("a paused reader", leader, &["cluster.comm.egress_queue_length"], |network| {
        network.node(joining).pause();
        for _ in 0..12 {
            let large = network.signer().transaction(vec![7; 400_000].into()).unwrap().envelope;
            assert_eq!(network.send(leader, large), "SUCCESS");
        }
    });
    let stepping_down = ["consensus.etcdraft.is_leader", "consensus.etcdraft.leader_changes"];
    watched.moves("one loss too many", leader, &stepping_down, |network| network.node(other).kill());
    watched.moves("nobody leads", leader, &["consensus.etcdraft.proposal_failures"], |network| {
        let transaction = network.signer().transaction(b"data".as_slice().into()).unwrap();
        assert_eq!(network.send(leader, transaction.envelope), "SERVICE_UNAVAILABLE: no Raft leader");
    });
    watched.network.node(joining).resume();

    let there = check(&watched.network.metrics(leader));
    for family in FAMILIES {
        let expected = !families::ELSEWHERE.contains(&family.name);
        assert_eq!(watched.moved.contains(family.name), expected, "{}", family.name);
        assert!(there.contains(family.name), "{} is not shown", family.name);
    }
    let text = watched.network.metrics(leader);
    for name in families::OF_THE_PROCESS {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
}

/// The same under the names that StatsD has for them.
#[test]
fn statsd_is_told_of_every_metric() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let address = server.local_addr().unwrap().to_string();
    let environment = settings(&[
        ("METRICS_PROVIDER", "statsd"),
        ("METRICS_STATSD_NETWORK", "udp"),
        ("METRICS_STATSD_ADDRESS", &address),
        ("METRICS_STATSD_WRITEINTERVAL", "100ms"),
        ("METRICS_STATSD_PREFIX", "orderers"),
    ]);
    let genesis = |config: &mut _| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().snapshot_interval_size = 1024);
    };
    let mut network = Network::start(&NetworkOptions { nodes: 2, genesis, ..NetworkOptions::default() });
    crate::restart_with(&mut network, &[0, 1], &environment);
    network.order_through_all();
    network.reconfigure(0, |config| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().max_inflight_blocks = 7);
    });
    let mut missing: BTreeSet<_> = FAMILIES.iter().map(|family| family.name).collect();
    // Nobody is too slow here.
    missing.remove("cluster.comm.msg_dropped_count");
    let refused = missing.take("consensus.etcdraft.proposal_failures").unwrap();
    collect(&server, &mut missing, || {
        // Whoever orders, pulls or connects makes the rest move.
        network.order_through(0);
        let _ = network.height(0);
    });

    // With the other one gone, transactions are refused.
    network.node(1).kill();
    let mut missing = BTreeSet::from([refused]);
    collect(&server, &mut missing, || {
        let transaction = network.signer().transaction(b"data".as_slice().into()).unwrap();
        network.broadcast(0, transaction.envelope);
    });
}

/// Reads what is pushed until nothing is missing; `act` is done again and again.
fn collect(server: &UdpSocket, missing: &mut BTreeSet<&str>, mut act: impl FnMut()) {
    let mut datagram = vec![0; 65_536];
    wait::until_or(Duration::from_secs(40), || {
        act();
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
    let family = FAMILIES.iter().find(|family| family.name == name).unwrap();
    let Some((path, value)) = line.split_once(':') else { return false };
    let Some(rest) = path.strip_prefix(&format!("orderers.{name}")) else { return false };
    let kind = match family.kind {
        Kind::Counter => "|c",
        Kind::Gauge => "|g",
        Kind::Histogram => "|ms",
    };
    value.ends_with(kind)
        && (rest.is_empty() || rest.starts_with('.'))
        && rest.matches('.').count() == family.labels.len()
}

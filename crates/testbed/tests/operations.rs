//! What operators see of running nodes: metrics that follow what happens, health, and levels of
//! the log that change without a restart.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testbed::network::{Network, NetworkOptions, http_get};
use testbed::wait;

const PATIENCE: Duration = Duration::from_secs(30);

fn operations_port(network: &Network, node: usize) -> u16 {
    network.layout().nodes[node].operations_port
}

/// The value of a sample, given as it stands in the text.
fn sample(network: &Network, node: usize, sample: &str) -> Option<f64> {
    let text = http_get(operations_port(network, node), "/metrics")?;
    text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

fn wait_for_sample(network: &Network, node: usize, name: &str, value: f64) {
    wait::until(&format!("{name} to be {value} at node {node}"), PATIENCE, || {
        (sample(network, node, name) == Some(value)).then_some(())
    });
}

fn set_levels(port: u16, spec: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let body = format!("{{\"spec\":\"{spec}\"}}");
    let head = format!(
        "PUT /logspec HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn metrics_health_and_log_levels_of_a_running_network() {
    let mut network = Network::start(&NetworkOptions::default());
    let channel = network.signer().channel().to_owned();
    let labelled = |name: &str| format!("{name}{{channel=\"{channel}\"}}");
    network.order_through_all();
    let height = network.settled_height();
    for node in 0..network.len() {
        wait_for_sample(&network, node, &labelled("ledger_blockchain_height"), height as f64);
        wait_for_sample(
            &network,
            node,
            &labelled("consensus_etcdraft_committed_block_number"),
            (height - 1) as f64,
        );
        wait_for_sample(&network, node, &labelled("consensus_etcdraft_cluster_size"), 3.0);
        wait_for_sample(&network, node, &labelled("participation_status"), 1.0);
        wait_for_sample(&network, node, &labelled("participation_consensus_relation"), 1.0);
        let processed =
            format!("broadcast_processed_count{{channel=\"{channel}\",status=\"SUCCESS\",type=\"MESSAGE\"}}");
        assert!(sample(&network, node, &processed).is_some_and(|count| count >= 1.0), "node {node}");
        let committed = sample(&network, node, &labelled("ledger_blockstorage_commit_time_count"));
        assert!(committed.is_some_and(|count| count >= 1.0), "node {node}");
        let health = http_get(operations_port(&network, node), "/healthz").unwrap();
        assert!(health.starts_with("{\"status\":\"OK\""), "{health}");
    }
    let leaders = || {
        (0..3).filter(|node| sample(&network, *node, &labelled("consensus_etcdraft_is_leader")) == Some(1.0))
    };
    wait::until("one leader in the metrics", PATIENCE, || (leaders().count() == 1).then_some(()));

    // The log tells of active nodes at debug only, and says nothing of the kind until it is asked to.
    let leader = network.wait_for_leader();
    let follower = (leader + 1) % network.len();
    let before = network.node(leader).log();
    assert!(!before.contains(" DEBU"), "debug lines by default");
    let answer = set_levels(operations_port(&network, leader), "orderer.consensus.etcdraft=debug:info");
    assert_eq!(answer, "HTTP/1.1 204 No Content");
    let height = network.settled_height();
    network.node(follower).kill();
    network.node(leader).wait_for_log("Current active nodes in cluster are: [", before.len());

    // A node that comes back shows its height before the next block.
    network.start_all();
    wait_for_sample(&network, follower, &labelled("ledger_blockchain_height"), height as f64);
}

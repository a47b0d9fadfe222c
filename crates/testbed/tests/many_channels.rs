//! One node in many channels: all elect, order, and survive a restart, over one connection to each other
//! node, and a channel that a node does not serve disturbs no other.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::block::header_hash;
use cli::client::broadcast::Answers;
use cli::client::deliver::{Position, fetch};
use cli::client::operations;
use cli::client::participation;
use cli::client::transaction::Signer;
use cli::sandbox::layout::CLIENT_MSPID;
use cli::sandbox::material;
use std::collections::BTreeMap;
use std::time::Duration;
use testbed::network::{Network, NetworkOptions, http_get, signing_identity};
use testbed::wait;

const CHANNELS: usize = 30;
const LIMIT: Duration = Duration::from_secs(60);

/// A channel besides the one that every network has.
struct Channel {
    name: String,
    signer: Signer,
}

impl Channel {
    /// Joins the nodes to a new channel.
    fn join(network: &Network, name: &str, nodes: &[usize]) -> Self {
        let genesis = material::genesis_block(network.layout(), name).unwrap();
        for &node in nodes {
            let joined = network.runtime().block_on(participation::join(network.admin(node), &genesis));
            assert_eq!(joined.unwrap().status, "active", "{name} on node {node}");
        }
        let identity = signing_identity(&network.layout().client_msp(), CLIENT_MSPID);
        Self { name: name.to_owned(), signer: Signer::new(identity, name) }
    }

    /// Orders a transaction through a node, trying until it is acknowledged.
    fn order(&self, network: &Network, node: usize) {
        wait::until(&format!("{} to order through node {node}", self.name), LIMIT, || {
            let envelope = self.signer.transaction(Bytes::from_static(b"one")).unwrap().envelope;
            let ordered = async {
                let connection = network.endpoint(node).connect().await.ok()?;
                Answers::open(&connection, tokio_stream::once(envelope)).next().await.ok()
            };
            network.runtime().block_on(ordered)
        });
    }

    /// Number and header hash of a node's newest block.
    fn tip(&self, network: &Network, node: usize) -> (u64, [u8; 32]) {
        let newest = network.runtime().block_on(async {
            let connection = network.endpoint(node).connect().await.unwrap();
            fetch(&connection, &self.signer, Position::Newest).await.unwrap()
        });
        let header = newest.header.unwrap();
        (header.number, header_hash(&header))
    }

    /// Waits until all nodes have the same newest block, at this height at least.
    fn wait_for_agreement(&self, network: &Network, height: u64) {
        wait::until(&format!("all nodes to agree on {}", self.name), LIMIT, || {
            let tips: Vec<_> = (0..network.len()).map(|node| self.tip(network, node)).collect();
            (tips[0].0 + 1 >= height && tips.iter().all(|tip| *tip == tips[0])).then_some(())
        });
    }
}

fn metrics(network: &Network, node: usize) -> String {
    http_get(network.layout().nodes[node].operations_port, "/metrics").unwrap_or_default()
}

fn wait_for_leaders(network: &Network, channels: usize) {
    wait::until("a leader in every channel", LIMIT, || {
        let led = |node| operations::led_channels(&metrics(network, node)).count();
        ((0..network.len()).map(led).sum::<usize>() == channels).then_some(())
    });
}

/// The values of a metric on a node, by its labels.
fn values(network: &Network, node: usize, name: &str) -> BTreeMap<String, f64> {
    let metrics = metrics(network, node);
    let lines = metrics.lines().filter(|line| !line.starts_with('#') && line.starts_with(name));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(labels, value)| (labels.to_owned(), value.parse().unwrap()))
        .collect()
}

#[test]
fn many_channels_elect_order_and_survive_a_restart() {
    let mut network = Network::start(&NetworkOptions::default());
    let channels: Vec<_> =
        (0..CHANNELS).map(|number| Channel::join(&network, &format!("many{number}"), &[0, 1, 2])).collect();
    wait_for_leaders(&network, CHANNELS + 1);
    for (number, channel) in channels.iter().enumerate() {
        channel.order(&network, number % network.len());
    }
    channels.iter().for_each(|channel| channel.wait_for_agreement(&network, 2));

    for node in 0..network.len() {
        network.node(node).kill();
    }
    network.start_all();
    wait_for_leaders(&network, CHANNELS + 1);
    for (number, channel) in channels.iter().enumerate() {
        channel.order(&network, (number + 1) % network.len());
    }
    channels.iter().for_each(|channel| channel.wait_for_agreement(&network, 3));

    for node in 0..network.len() {
        let name = "cluster_comm_egress_tls_connection_count";
        let connections: Vec<f64> = values(&network, node, name).into_values().collect();
        assert_eq!(connections, [2.0], "node {node} needs one connection to each other node");
    }
}

#[test]
fn a_channel_that_a_node_does_not_serve_disturbs_no_other() {
    let network = Network::start(&NetworkOptions::default());
    let others: Vec<_> =
        (0..5).map(|number| Channel::join(&network, &format!("other{number}"), &[0, 1, 2])).collect();
    wait_for_leaders(&network, 6);
    others.iter().for_each(|channel| channel.order(&network, 0));
    others.iter().for_each(|channel| channel.wait_for_agreement(&network, 2));
    let changes = |node| {
        let mut changes = values(&network, node, "consensus_etcdraft_leader_changes");
        changes.retain(|labels, _| !labels.contains("partial"));
        changes
    };
    let before: Vec<_> = (0..3).map(changes).collect();

    // Node 2 refuses all that the others send it of this channel.
    let partial = Channel::join(&network, "partial", &[0, 1]);
    for number in 0..40 {
        partial.order(&network, number % 2);
    }
    let after: Vec<_> = (0..3).map(changes).collect();
    assert_eq!(before, after, "leaders of other channels changed");
    others.iter().for_each(|channel| channel.order(&network, 2));
    others.iter().for_each(|channel| channel.wait_for_agreement(&network, 3));
}

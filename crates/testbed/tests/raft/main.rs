//! What `docs/operations/raft.md` promises about operating Raft, shown on running nodes. The table at
//! the end of that guide says which test proves which paragraph.
#![allow(clippy::unwrap_used)]

mod catch_up;
mod eviction;
mod following;
mod listener;
mod log_lines;
mod metrics;
mod options;
mod reconfiguration;
mod replication;
mod system_channel;
mod tls;

use testbed::network::Network;

/// `ORDERER_...` variables, without that prefix.
fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (format!("ORDERER_{name}"), (*value).to_owned())).collect()
}

/// What a node answers to a client's transaction.
fn send_to(network: &Network, node: usize) -> String {
    let transaction = network.signer().transaction(b"data".as_slice().into()).unwrap();
    network.send(node, transaction.envelope)
}

/// How much every node has printed so far.
fn marks(network: &mut Network) -> Vec<usize> {
    (0..network.len()).map(|node| network.node(node).log().len()).collect()
}

/// Waits until a node has printed these texts, in this order, since a mark.
fn wait_for_lines(network: &mut Network, node: usize, mark: usize, texts: &[&str]) {
    let mut from = mark;
    for text in texts {
        network.node(node).wait_for_log(text, from);
        from += network.node(node).log()[from..].find(text).unwrap() + text.len();
    }
}

/// Restarts nodes with more variables.
fn restart_with(network: &mut Network, nodes: &[usize], environment: &[(String, String)]) {
    for node in nodes {
        network.node(*node).kill();
        network.node(*node).options_mut().environment.extend(environment.iter().cloned());
    }
    network.start_all();
}

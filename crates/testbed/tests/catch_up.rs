//! Nodes that come back after much was ordered without them, and what may happen meanwhile.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use cli::client::broadcast::Answers;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use testbed::network::{Network, NetworkOptions};
use testbed::{ledgers, wait};
use tokio_stream::wrappers::ReceiverStream;

/// Enough to leave the logs of the others, which keep about 16 MiB.
const TRANSACTIONS: usize = 600;
const CONTENT_BYTES: usize = 64 << 10;
const LIMIT: Duration = Duration::from_secs(60);

/// A network with a node that was killed before much was ordered: the node, and what was acknowledged.
fn network_with_one_behind() -> (Network, usize, BTreeSet<Bytes>) {
    let mut network = Network::start(&NetworkOptions::default());
    let leader = network.wait_for_leader();
    let away = (leader + 1) % network.len();
    network.node(away).kill();
    let acknowledged = order(&network, leader);
    (network, away, acknowledged)
}

/// Orders all transactions through a node; gives their content.
fn order(network: &Network, node: usize) -> BTreeSet<Bytes> {
    let contents: Vec<Bytes> = (0..TRANSACTIONS)
        .map(|number| {
            let mut content = format!("large transaction {number}").into_bytes();
            content.resize(CONTENT_BYTES, b'.');
            Bytes::from(content)
        })
        .collect();
    let connection = network.connect(node);
    network.runtime().block_on(async {
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        let mut answers = Answers::open(&connection, ReceiverStream::new(receiver));
        let sending = async {
            for content in &contents {
                let envelope = network.signer().transaction(content.clone()).unwrap().envelope;
                sender.send(envelope).await.unwrap();
            }
        };
        let receiving = async {
            for _ in &contents {
                answers.next().await.unwrap();
            }
        };
        tokio::join!(sending, receiving);
    });
    contents.into_iter().collect()
}

/// Size of a node's block files.
fn ledger_bytes(network: &mut Network, node: usize) -> u64 {
    let chain = network.node(node).directory().join("data/ledger/chains/ch1");
    let sizes = fs::read_dir(chain).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    sizes.sum()
}

/// Waits until a node has pulled something, or has nothing left to pull.
fn wait_for_blocks(network: &mut Network, node: usize, before: u64) {
    let other = (node + 1) % network.len();
    wait::until("blocks to arrive", LIMIT, || {
        let is_moving = ledger_bytes(network, node) > before;
        let is_back = network.height(node).is_some_and(|height| Some(height) == network.height(other));
        (is_moving || is_back).then_some(())
    });
}

fn check(network: &Network, mut acknowledged: BTreeSet<Bytes>) {
    acknowledged.extend(network.order_through_all());
    ledgers::check(network, &acknowledged);
}

#[test]
fn catching_up_goes_on_after_each_kill() {
    let (mut network, away, acknowledged) = network_with_one_behind();
    for _ in 0..4 {
        let before = ledger_bytes(&mut network, away);
        network.node(away).start();
        // It is somewhere between its first new block and the last, or has just come to the end.
        wait_for_blocks(&mut network, away, before);
        network.node(away).kill();
    }
    network.start_all();
    check(&network, acknowledged);
}

#[test]
fn catching_up_goes_on_from_another_node_when_its_source_dies() {
    let (mut network, away, acknowledged) = network_with_one_behind();
    let before = ledger_bytes(&mut network, away);
    let mark = network.node(away).log().len();
    network.node(away).start();
    wait_for_blocks(&mut network, away, before);
    // The log tells who is asked, with the address that stands in the channel's config.
    let source = wait::until("a source", LIMIT, || {
        let log = network.node(away).log();
        let asked =
            log.get(mark..)?.lines().rev().find(|line| line.contains("Sending request for block ["))?;
        let nodes = &network.layout().nodes;
        nodes.iter().position(|node| asked.contains(&node.address()))
    });
    assert_ne!(source, away);
    network.node(source).kill();
    let left = 3 - source - away;
    wait::until("the node to catch up with the one that is left", LIMIT, || {
        let heights = (network.height(away)?, network.height(left)?);
        (heights.0 == heights.1).then_some(())
    });
    network.start_all();
    check(&network, acknowledged);
}

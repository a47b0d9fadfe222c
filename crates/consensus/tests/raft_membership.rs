//! Consenters come, go and change their certificates.
#![allow(clippy::unwrap_used)]

mod network;

use std::time::Duration;

use network::{CHANNEL, Network};
use protos::{Message as _, etcdraft::BlockMetadata};

async fn order_one(network: &Network, through: u64, text: &str) -> u64 {
    let submission = network.org.transaction(CHANNEL, text);
    for _ in 0..50 {
        if let Ok(receipt) = network.nodes[&through].chain.order(submission.clone()).await {
            return tokio::time::timeout(Duration::from_secs(30), receipt.committed())
                .await
                .unwrap()
                .unwrap();
        }
    }
    panic!("node {through} takes nothing");
}

fn metadata(network: &Network, node: u64, number: u64) -> BlockMetadata {
    let block = network.nodes[&node].state.ledger().block(number).unwrap().unwrap();
    BlockMetadata::decode(channel::block::consenter_metadata(block.block()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_and_orders() {
    let mut network = Network::start(3, (1, Duration::from_millis(20)), 16 << 20);
    order_one(&network, 1, "before").await;
    let identity = network.org.node(4);
    let newcomer = identity.consenter.clone();
    let number = network.reconfigure(2, |consenters| consenters.push(newcomer)).await.unwrap();
    // The block that changes the consenters has the raft index of the block before it.
    let (before, at) = (metadata(&network, 2, number - 1), metadata(&network, 2, number));
    assert_eq!(
        (at.consenter_ids, at.next_consenter_id, at.raft_index),
        (vec![1, 2, 3, 4], 5, before.raft_index)
    );
    order_one(&network, 3, "while it is missing").await;
    network.join(4, identity).await;
    let last = order_one(&network, 4, "through it").await;
    network.wait_height(last + 1).await;
    network.check_chains();
    for number in 1..=last {
        assert_eq!(metadata(&network, 4, number), metadata(&network, 1, number), "block {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consenters_go_one_by_one_and_the_leader_makes_room() {
    let network = Network::start(3, (1, Duration::from_millis(20)), 16 << 20);
    order_one(&network, 1, "before").await;
    let leader = network.leader().await;
    // The leader goes first; whoever is left orders on.
    let host = network.nodes[&leader].identity.consenter.host.clone();
    let others: Vec<u64> = network.nodes.keys().copied().filter(|id| *id != leader).collect();
    network.reconfigure(leader, |consenters| consenters.retain(|c| c.host != host)).await.ok();
    let last = order_one(&network, others[0], "without the leader").await;
    assert_eq!(metadata(&network, others[0], last).consenter_ids, others);
    let host = network.nodes[&others[0]].identity.consenter.host.clone();
    network.reconfigure(others[1], |consenters| consenters.retain(|c| c.host != host)).await.unwrap();
    let last = order_one(&network, others[1], "alone").await;
    assert_eq!(metadata(&network, others[1], last).consenter_ids, [others[1]]);
    network.check_chains();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_certificate_keeps_its_raft_id() {
    let network = Network::start(3, (1, Duration::from_millis(20)), 16 << 20);
    order_one(&network, 1, "before").await;
    let leader = network.leader().await;
    let follower = *network.nodes.keys().find(|id| **id != leader).unwrap();
    let rotated = network.org.node(follower).consenter;
    let position = follower as usize - 1;
    let number = network.reconfigure(leader, |consenters| consenters[position] = rotated).await.unwrap();
    assert_eq!(metadata(&network, leader, number).consenter_ids, [1, 2, 3]);
    let last = order_one(&network, leader, "after").await;
    assert_eq!(metadata(&network, leader, last).next_consenter_id, 4);
}

/// A node that was away while it was removed finds nobody who speaks to it, and asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_removed_while_it_was_away_notices() {
    let mut network = Network::start(3, (1, Duration::from_millis(20)), 16 << 20);
    order_one(&network, 1, "before").await;
    let host = network.nodes[&3].identity.consenter.host.clone();
    // All three must be known to be up for the removal to pass.
    let leader = network.leader().await;
    let through = if leader == 3 { 1 } else { leader };
    let before = network.nodes[&3].state.height();
    network.wires.isolate(3, &[1, 2], true);
    let number =
        network.reconfigure(through, |consenters| consenters.retain(|c| c.host != host)).await.unwrap();
    order_one(&network, through, "without it").await;
    network.stop(3).await;
    network.wires.isolate(3, &[1, 2], false);
    network.eviction_suspicion = Duration::from_millis(100);
    network.restart(3);
    let switched = tokio::time::timeout(Duration::from_secs(30), network.switches.recv()).await.unwrap();
    assert_eq!(switched, Some("follower"));
    assert!(
        before <= number && network.nodes[&3].state.height() > number,
        "it has the block that removes it"
    );
    network.check_chains();
}

/// A node that is up learns of its removal from the log, even if it was slower than the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_removed_is_waited_for() {
    let mut network = Network::start(3, (1, Duration::from_millis(20)), 16 << 20);
    order_one(&network, 1, "before").await;
    let leader = network.leader().await;
    let removed = *network.nodes.keys().find(|id| **id != leader).unwrap();
    let host = network.nodes[&removed].identity.consenter.host.clone();
    let height = network.nodes[&leader].state.height();
    let mut watch = network.nodes[&leader].state.watch_height();
    network.wires.mute(removed, true);
    // The others are a majority, and have the configuration first.
    let wires = network.wires.clone();
    let mended = tokio::spawn(async move {
        watch.wait_for(|reached| *reached > height).await.unwrap();
        wires.mute(removed, false);
    });
    network.reconfigure(leader, |consenters| consenters.retain(|c| c.host != host)).await.unwrap();
    mended.await.unwrap();
    // It suspects nothing for ten minutes.
    let switched = tokio::time::timeout(Duration::from_secs(30), network.switches.recv()).await.unwrap();
    assert_eq!(switched, Some("follower"));
    order_one(&network, leader, "without it").await;
}

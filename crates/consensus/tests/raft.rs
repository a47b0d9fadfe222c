//! Raft chains order, stop, start again and agree.
#![allow(clippy::unwrap_used)]

mod network;

use std::time::Duration;

use futures::future::join_all;
use network::{CHANNEL, Network};

async fn order(network: &Network, through: u64, texts: impl Iterator<Item = String>) -> Vec<bytes::Bytes> {
    let chain = &network.nodes[&through].chain;
    let submissions: Vec<_> = texts.map(|text| network.org.transaction(CHANNEL, &text)).collect();
    let sent = submissions.iter().map(|submission| submission.envelope.clone()).collect();
    let receipts = join_all(submissions.into_iter().map(|submission| chain.order(submission))).await;
    let receipts = receipts.into_iter().map(|receipt| receipt.unwrap().committed());
    let committed = tokio::time::timeout(Duration::from_secs(30), join_all(receipts)).await.unwrap();
    committed.into_iter().for_each(|outcome| assert!(outcome.unwrap() > 0));
    sent
}

async fn wait_for_leader(network: &Network) {
    for node in network.nodes.values() {
        let mut errored = node.chain.errored();
        tokio::time::timeout(Duration::from_secs(30), errored.wait_for(|errored| !errored))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_order_what_any_of_them_takes_in() {
    let network = Network::start(3, (10, Duration::from_millis(50)), 16 << 20);
    wait_for_leader(&network).await;
    let mut sent = Vec::new();
    for id in 1..=3 {
        sent.extend(order(&network, id, (0..55).map(|i| format!("{id}-{i}"))).await);
    }
    let height = network.nodes.values().map(|node| node.state.height()).max().unwrap();
    network.wait_height(height).await;
    let mut ordered = network.check_chains().split_off(1);
    ordered.sort();
    sent.sort();
    assert_eq!(ordered, sent);
}

/// A node that was away while the others took snapshots gets one and pulls the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_catches_up() {
    for snapshot_interval_bytes in [16 << 20, 1024] {
        let mut network = Network::start(3, (2, Duration::from_millis(50)), snapshot_interval_bytes);
        wait_for_leader(&network).await;
        order(&network, 1, (0..10).map(|i| format!("before {i}"))).await;
        network.stop(3).await;
        order(&network, 2, (0..30).map(|i| format!("without {i}"))).await;
        network.restart(3);
        wait_for_leader(&network).await;
        order(&network, 3, (0..10).map(|i| format!("after {i}"))).await;
        let height = network.nodes.values().map(|node| node.state.height()).max().unwrap();
        network.wait_height(height).await;
        assert_eq!(network.check_chains().len(), 51, "snapshots every {snapshot_interval_bytes} bytes");
    }
}

/// Whoever leads is stopped; what is taken in meanwhile is neither lost nor doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stops_hands_over() {
    let mut network = Network::start(3, (5, Duration::from_millis(20)), 16 << 20);
    let mut sent = 0;
    for _ in 0..4 {
        wait_for_leader(&network).await;
        let leader = network.leader().await;
        let other = *network.nodes.keys().find(|id| **id != leader).unwrap();
        let chain = network.nodes[&other].chain.clone();
        let submissions: Vec<_> =
            (0..40).map(|i| network.org.transaction(CHANNEL, &format!("{sent} {i}"))).collect();
        sent += submissions.len();
        let mut receipts = Vec::new();
        for submission in submissions.iter().take(20) {
            receipts.push(chain.order(submission.clone()).await.unwrap());
        }
        network.stop(leader).await;
        for submission in submissions.iter().skip(20) {
            receipts.push(chain.order(submission.clone()).await.unwrap());
        }
        let committed = join_all(receipts.into_iter().map(|receipt| receipt.committed()));
        let committed = tokio::time::timeout(Duration::from_secs(30), committed).await.unwrap();
        assert!(committed.iter().all(Result::is_ok), "{committed:?}");
        network.restart(leader);
    }
    let height = network.nodes.values().map(|node| node.state.height()).max().unwrap();
    network.wait_height(height).await;
    assert_eq!(network.check_chains().len(), sent + 1);
}

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

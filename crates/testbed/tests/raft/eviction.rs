//! A consenter that is removed from a channel notices, at once or when it has been without a leader for
//! too long, also when it was down at the time; one that was added again meanwhile comes back under its
//! new Raft id.

use protos::Message;
use protos::etcdraft::BlockMetadata;
use testbed::ledgers;
use testbed::network::{Network, NetworkOptions};

use crate::wait_for_lines;

fn network(nodes: u16) -> Network {
    let consensus = &[("EvictionSuspicion", "1s")];
    Network::start(&NetworkOptions { nodes, consensus, ..NetworkOptions::default() })
}

/// The Raft ids that the newest block of a node names.
fn raft_ids(network: &Network, node: usize) -> Vec<u64> {
    let newest = network.height(node).and_then(|height| network.chain(node, height).pop()).unwrap();
    let metadata = channel::block::consenter_metadata(&newest).unwrap();
    BlockMetadata::decode(metadata).unwrap().consenter_ids
}

#[test]
fn a_node_that_was_removed_and_added_while_it_was_down_does_not_loop() {
    let mut network = network(3);
    network.wait_for_active(3);
    network.node(0).kill();
    let other = network.wait_for_leader_other_than(0);
    for _ in 0..2 {
        network.remove_consenter(other, 0);
        network.add_consenter(other, 0);
    }
    assert_eq!(raft_ids(&network, other), [2, 3, 5]);
    let mark = network.node(0).log().len();
    network.start_all();
    network.wait_for_active(3);
    let acknowledged = network.order_through_all();
    ledgers::check(&network, &acknowledged.into_iter().collect());
    let log = network.node(0).log()[mark..].to_owned();
    let count = |text: &str| log.matches(text).count();
    assert_eq!(count("Restarting raft node channel=ch1 node=1"), 1, "as what its ledger said");
    assert_eq!(count("my ID is probably wrong due to out of date, cowardly halting"), 1);
    assert_eq!(count("Restarting raft node channel=ch1 node=5"), 1, "as what it is by now");

    // And it stays what it is.
    let mark = network.node(0).log().len();
    network.node(0).kill();
    network.start_all();
    network.wait_for_active(3);
    assert!(!network.node(0).log()[mark..].contains("cowardly"));
    network.order_through(0);
}

/// It knows nobody by the Raft id of today, and whoever leads takes no answers to one of yesterday.
#[test]
fn a_node_that_missed_that_the_others_were_removed_and_added_again_catches_up() {
    let mut network = network(5);
    network.wait_for_active(5);
    network.node(0).kill();
    network.wait_for_leader_other_than(0);
    for again in 1..5 {
        let through = again % 4 + 1;
        network.remove_consenter(through, again);
        network.add_consenter(through, again);
    }
    assert_eq!(raft_ids(&network, 1), [1, 6, 7, 8, 9]);
    let mark = network.node(0).log().len();
    network.start_all();
    let lines = ["Another consenter has a later Raft id than our configuration gives it channel=ch1 node=1"];
    wait_for_lines(&mut network, 0, mark, &lines);
    network.wait_for_active(5);
    let acknowledged = network.order_through_all();
    ledgers::check(&network, &acknowledged.into_iter().collect());
}

/// The leader is removed from three, then the next one from two: each hands over, ends its chain at
/// once and follows, while the channel is served by those who are left. Added again it orders again.
#[test]
fn a_running_node_notices_its_removal_at_once() {
    let mut network = network(3);
    network.wait_for_active(3);
    let mut left = vec![0, 1, 2];
    let mut gone = Vec::new();
    while left.len() > 1 {
        let leader = network.wait_for_leader_other_than(gone.last().copied().unwrap_or(left.len()));
        let mark = network.node(leader).log().len();
        left.retain(|node| *node != leader);
        network.remove_consenter(left[0], leader);
        gone.push(leader);
        let lines = [
            "Detected eviction of ourselves from the configuration",
            "Transferring leadership to ",
            "Leader has been transferred from ",
            "Raft node stopped channel=ch1",
        ];
        wait_for_lines(&mut network, leader, mark, &lines);
        network.order_through(left[0]);
        let height = network.height(left[0]).unwrap();
        network.wait_for_place(leader, &format!("follower/active at {height}"));
        assert_eq!(network.channel_metric(leader, "participation_consensus_relation"), Some(2.0));
        assert_eq!(network.channel_metric(leader, "consensus_etcdraft_active_nodes"), Some(0.0));
        if left.len() == 2 {
            network.wait_for_active(2);
        }
    }
    let back = gone[0];
    network.add_consenter(left[0], back);
    network.wait_for_active(2);
    network.order_through(back);
    assert!(!network.node(back).log().contains("cowardly"));
}

/// It finds nobody who speaks to it, asks for the newest config, and pulls the blocks up to the one
/// that removed it. Added again while it is away, it comes back like a new node.
#[test]
fn a_node_that_was_removed_while_it_was_down_notices_when_it_is_back() {
    let mut network = network(3);
    network.wait_for_active(3);
    network.node(0).kill();
    let other = network.wait_for_leader_other_than(0);
    network.remove_consenter(other, 0);
    network.order_through(other);
    let mark = network.node(0).log().len();
    network.start_all();
    let lines = [
        "Suspecting our own eviction from the channel for ",
        "Last config block was found to be block [1]",
        "Detected our own eviction from the channel in block [1] channel=ch1",
        "Waiting for chain to halt",
        "Raft node stopped channel=ch1",
        "Periodic check is stopping. channel=ch1",
        "Chain has been halted, pulling remaining blocks up to (and including) eviction block.",
        "Will now pull blocks 1 to 1",
        "Pulled all blocks up to eviction block. channel=ch1",
    ];
    wait_for_lines(&mut network, 0, mark, &lines);
    let height = network.height(other).unwrap();
    network.wait_for_place(0, &format!("follower/active at {height}"));
    let leader = network.wait_for_leader();
    assert!(
        network.node(leader).log().contains("certificate extracted from TLS connection isn't authorized")
    );

    // It is still only following after a restart, and notices by itself that it is added.
    network.node(0).kill();
    network.start_all();
    network.wait_for_place(0, &format!("follower/active at {height}"));
    network.add_consenter(other, 0);
    network.wait_for_active(3);
    network.order_through(0);
}

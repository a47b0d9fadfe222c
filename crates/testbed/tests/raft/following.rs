//! Following a channel: joining with the genesis block or a later one, from onboarding to active to
//! consenter and back, a crash at every step of a join, removal and joining again.

use protos::Message;
use std::fs;
use testbed::network::{Network, NetworkOptions};

use crate::send_to;

fn network(nodes: u16) -> Network {
    Network::start(&NetworkOptions { nodes: nodes - 1, spare_nodes: 1, ..NetworkOptions::default() })
}

#[test]
fn from_follower_to_consenter_and_back_and_away() {
    let mut network = network(3);
    let follower = 2;
    network.wait_for_active(2);
    assert_eq!(network.place(follower), "none");
    let genesis = network.chain(0, 1).remove(0).encode_to_vec();
    let joined = network.join(follower, &genesis);
    assert_eq!(joined.consensus_relation, "follower");
    network.order_through(0);
    network.wait_for_place(follower, "follower/active at 2");
    let answer = send_to(&network, follower);
    assert_eq!(
        answer,
        "BAD_REQUEST: channel creation request not allowed because the orderer system channel is not defined"
    );
    assert_eq!(network.height(follower), None, "it delivers nothing to clients");

    // It runs already, and notices by itself that it is added.
    network.add_consenter(0, follower);
    network.wait_for_active(3);
    network.wait_for_place(follower, "consenter/active at 3");
    network.order_through(follower);
    network.remove_consenter(0, follower);
    network.order_through(0);
    network.wait_for_place(follower, "follower/active at 6");
    assert_eq!(network.channel_metric(follower, "participation_consensus_relation"), Some(2.0));

    // Removed from the node, and joined again with a later config block.
    network.remove_channel(follower);
    network.wait_for_place(follower, "none");
    let ledger = network.layout().node_dir(&network.layout().nodes[follower]).join("data/ledger/chains/ch1");
    assert!(!ledger.exists());
    let config_block = network.config_block(0).unwrap().encode_to_vec();
    network.join(follower, &config_block);
    network.wait_for_place(follower, "follower/active at 6");
    network.add_consenter(0, follower);
    network.wait_for_active(3);
    network.order_through(follower);
    assert_eq!(network.settled_height(), 8);

    // A consenter that leaves by itself and comes back under the same Raft id keeps its promises.
    network.remove_channel(follower);
    network.wait_for_place(follower, "none");
    network.order_through(0);
    let config_block = network.config_block(0).unwrap().encode_to_vec();
    let joined = network.join(follower, &config_block);
    assert_eq!((joined.consensus_relation.as_str(), joined.status.as_str()), ("consenter", "onboarding"));
    network.wait_for_active(3);
    network.order_through(follower);
    assert_eq!(network.settled_height(), 10);
    assert!(!network.node(follower).log().contains("The chain is stopped"));
}

/// With nobody to pull from it stays in onboarding, over a restart, too.
#[test]
fn onboarding_goes_on_when_the_others_are_back() {
    let mut network = network(2);
    network.order_through(0);
    network.reconfigure(0, |config| {
        testbed::channel_config::change_raft(config, |raft| {
            raft.options.as_mut().unwrap().max_inflight_blocks = 7;
        });
    });
    let config_block = network.config_block(0).unwrap().encode_to_vec();
    network.node(0).kill();
    let joined = network.join(1, &config_block);
    assert_eq!((joined.status.as_str(), joined.height), ("onboarding", 0));
    network.wait_for_place(1, "follower/onboarding at 0");
    assert_eq!(network.channel_metric(1, "participation_status"), Some(2.0));
    network.node(1).kill();
    network.node(1).start();
    network.node(1).wait_for_log("Created with join-block number: 2, ledger height: 0", 0);
    network.start_all();
    network.wait_for_place(1, "follower/active at 3");
}

/// What a crash may leave of a join: the join block, an empty ledger directory, a ledger with some of
/// the blocks. Each is gone on with at the start.
#[test]
fn a_join_goes_on_after_a_crash_at_every_step() {
    let mut network = network(2);
    for _ in 0..3 {
        network.order_through(0);
    }
    network.reconfigure(0, |config| {
        testbed::channel_config::change_raft(config, |raft| {
            raft.options.as_mut().unwrap().max_inflight_blocks = 7;
        });
    });
    let config_block = network.config_block(0).unwrap().encode_to_vec();
    let data = network.layout().node_dir(&network.layout().nodes[1]).join("data/ledger");
    let join_block = data.join("pendingops/join/ch1.join");
    let chain = data.join("chains/ch1");
    for step in ["the join block", "an empty ledger directory", "some blocks", "all blocks"] {
        network.node(1).kill();
        let block_file = chain.join("blockfile_000000");
        let blocks = fs::read(&block_file).unwrap_or_default();
        if chain.exists() {
            fs::remove_dir_all(&chain).unwrap();
            fs::remove_file(data.join("offsets/ch1")).unwrap();
        }
        fs::create_dir_all(join_block.parent().unwrap()).unwrap();
        fs::write(&join_block, &config_block).unwrap();
        let kept = match step {
            "some blocks" => &blocks[..blocks.len() - 10],
            "all blocks" => &blocks[..],
            _ => &[],
        };
        if step != "the join block" {
            fs::create_dir_all(&chain).unwrap();
        }
        if !kept.is_empty() {
            fs::write(&block_file, kept).unwrap();
        }
        network.start_all();
        network.wait_for_place(1, "follower/active at 5");
        println!("{step}: done");
    }
    // Made a consenter while it is down, it comes up as one.
    network.node(1).kill();
    network.add_consenter(0, 1);
    network.start_all();
    network.order_through(1);
    assert!(!join_block.exists(), "the join is over");
}

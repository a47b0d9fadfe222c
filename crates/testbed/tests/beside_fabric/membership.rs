//! Nodes of either kind are added, removed, and get new certificates.

use cli::client::participation;
use protos::Message;
use rand::Rng;
use rand::rngs::StdRng;
use std::fs;
use std::time::Duration;
use testbed::network::NetworkOptions;
use testbed::wait;

use crate::mixed::{any_mix, one_more_of_each, with_seeds};

/// Nodes of either kind are added, by joining them with a later block, and removed again, whoever leads.
#[test]
fn nodes_of_both_kinds_come_and_go() {
    with_seeds(
        "nodes_of_both_kinds_come_and_go",
        |mixed| {
            let first = mixed.network.serving().len();
            for node in [first, first + 1] {
                let through = mixed.any();
                let kind = mixed.kind(node);
                println!("add {kind} node {node} through {through}");
                let block = mixed.network.add_consenter(through, node);
                mixed.network.join(node, &block.encode_to_vec());
                mixed.catches_up(node);
                mixed.load();
                mixed.progress();
            }
            for _ in 0..3 {
                let leader = mixed.network.wait_for_leader();
                let node = if mixed.random.random_bool(0.6) { leader } else { mixed.any() };
                let through = mixed.any_but(node);
                let kind = mixed.kind(node);
                println!("remove {kind} node {node} through {through}, the leader is {leader}");
                mixed.network.remove_consenter(through, node);
                mixed.stop_load(node);
                mixed.network.leaves(node);
                mixed.progress();
                println!("add it again");
                let through = mixed.any();
                if mixed.is_fabric(node) {
                    // Fabric's orderer fails when it goes on with the log of its old Raft id.
                    mixed.network.remove_channel(node);
                    let block = mixed.network.add_consenter(through, node);
                    mixed.network.join(node, &block.encode_to_vec());
                } else {
                    mixed.network.add_consenter(through, node);
                    mixed.network.serves_again(node);
                }
                mixed.catches_up(node);
                mixed.load();
                mixed.progress();
            }
        },
        one_more_of_each,
    );
}

/// A node that is removed while it is away finds out from the other kind's nodes, and follows.
#[test]
fn nodes_of_both_kinds_find_out_that_they_were_removed() {
    let of_each = |random: &mut StdRng| {
        let of_fabric = [vec![0, 1, 2], vec![1, 2, 3]][random.random_range(0..2)].clone();
        (NetworkOptions { nodes: 4, ..NetworkOptions::default() }, of_fabric)
    };
    with_seeds(
        "nodes_of_both_kinds_find_out_that_they_were_removed",
        |mixed| {
            for node in [0, 3] {
                println!("remove {} node {node} while it is away", mixed.kind(node));
                mixed.stop_load(node);
                mixed.network.node(node).kill();
                let block = mixed.network.remove_consenter(1, node);
                let without = block.header.unwrap().number + 1;
                mixed.progress();
                let settings = mixed.network.node(node).directory().join("orderer.yaml");
                let text = fs::read_to_string(&settings).unwrap();
                let text = text.replacen("\nConsensus:\n", "\nConsensus:\n  EvictionSuspicion: 1s\n", 1);
                fs::write(&settings, text).unwrap();
                mixed.start_all();
                let admin = mixed.network.admin(node).clone();
                let channel = mixed.network.signer().channel().to_owned();
                wait::until("the node to follow", Duration::from_secs(60), || {
                    let asked = participation::channel(&admin, &channel);
                    let info = mixed.network.runtime().block_on(asked).ok()??;
                    (info.consensus_relation == "follower" && info.height >= without).then_some(())
                });
                mixed.network.leaves(node);
            }
        },
        of_each,
    );
}

/// One of ours is away while Fabric's are removed and added again. One of Fabric's stops its chain when it
/// is written to under its former Raft id.
#[test]
fn a_node_that_comes_back_writes_to_nobody_under_a_former_raft_id() {
    let two_of_five = |random: &mut StdRng| {
        let of_fabric = rand::seq::index::sample(random, 4, 2).into_vec();
        (NetworkOptions { nodes: 5, ..NetworkOptions::default() }, of_fabric)
    };
    with_seeds(
        "a_node_that_comes_back_writes_to_nobody_under_a_former_raft_id",
        |mixed| {
            let of_fabric: Vec<usize> = (0..5).filter(|node| mixed.is_fabric(*node)).collect();
            let away = (0..4).find(|node| !of_fabric.contains(node)).unwrap();
            println!("{away} is away while {of_fabric:?} are removed and added again");
            mixed.stop_load(away);
            mixed.network.node(away).kill();
            for &node in &of_fabric {
                mixed.network.remove_consenter(4, node);
                mixed.stop_load(node);
                mixed.network.leaves(node);
                mixed.network.remove_channel(node);
                let block = mixed.network.add_consenter(4, node);
                mixed.network.join(node, &block.encode_to_vec());
                mixed.catches_up(node);
                mixed.load();
                mixed.progress();
            }
            mixed.start_all();
            mixed.catches_up(away);
            mixed.load();
            mixed.progress();
            for node in of_fabric {
                assert!(
                    !mixed.network.node(node).log().contains("cowardly"),
                    "node {node} stopped its chain"
                );
            }
        },
        two_of_five,
    );
}

/// Each node gets a new TLS key pair by an update of the configuration.
#[test]
fn certificates_of_both_kinds_rotate() {
    with_seeds(
        "certificates_of_both_kinds_rotate",
        |mixed| {
            for node in mixed.network.serving() {
                // The others refuse it as soon as they have the change; and one of Fabric's that is cut off
                // delivers nothing, also not the block that shows the change to be in force.
                let (kind, through) = (mixed.kind(node), mixed.any_but(node));
                println!(
                    "rotate {kind} node {node} through {through}, the leader is {:?}",
                    mixed.network.leader()
                );
                let pair = mixed.network.rotate_consenter(through, node);
                mixed.stop_load(node);
                mixed.network.node(node).terminate();
                let tls = mixed.network.node(node).directory().join("tls");
                fs::write(tls.join("server.crt"), pair.certificate_pem).unwrap();
                fs::write(tls.join("server.key"), pair.private_key_pem).unwrap();
                mixed.start_all();
                mixed.catches_up(node);
                mixed.load();
                mixed.progress();
            }
        },
        any_mix,
    );
}

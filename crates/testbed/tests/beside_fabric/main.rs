//! Channels that nodes of ours and Fabric's own orderers serve together. `CAUSEWAY_FABRIC_ORDERER`
//! names Fabric's `orderer` (2.5); without it these tests are skipped, because there is none to be
//! had everywhere. Each scenario runs with several seeds (`CAUSEWAY_SEEDS`).
//!
//! What is promised then: all nodes have the same chain, also after kills on either side, and what one
//! of ours acknowledged is in it. What Fabric's nodes acknowledge they may lose; that is not looked at.
#![allow(clippy::unwrap_used)]

mod mixed;

use cli::client::participation;
use mixed::{any_mix, with_seeds};
use protos::Message;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::fs;
use std::time::Duration;
use testbed::channel_config::change_raft;
use testbed::load::Load;
use testbed::network::NetworkOptions;
use testbed::wait;

/// Leaders and followers of either kind are killed, three times over.
#[test]
fn nodes_of_both_kinds_are_killed() {
    with_seeds(
        "nodes_of_both_kinds_are_killed",
        |mixed| {
            for _ in 0..4 {
                let leader = mixed.network.wait_for_leader();
                let victim = if mixed.random.random_bool(0.7) { leader } else { mixed.any() };
                mixed.moment();
                let kind = mixed.kind(victim);
                println!("kill {kind} node {victim}, the leader is {leader}");
                mixed.network.node(victim).kill();
                if victim == leader {
                    mixed.network.wait_for_leader_other_than(leader);
                }
                mixed.progress();
                mixed.start_all();
                mixed.progress();
            }
        },
        any_mix,
    );
}

/// Nodes that were away while snapshots were taken catch up by snapshot and blocks.
#[test]
fn nodes_of_both_kinds_catch_up_by_snapshot() {
    with_seeds(
        "nodes_of_both_kinds_catch_up_by_snapshot",
        |mixed| {
            let leader = mixed.network.wait_for_leader();
            mixed.network.reconfigure(leader, |config| {
                change_raft(config, |raft| raft.options.as_mut().unwrap().snapshot_interval_size = 20_000);
            });
            for _ in 0..4 {
                let victim = mixed.any();
                let kind = mixed.kind(victim);
                println!("kill {kind} node {victim}");
                mixed.network.node(victim).kill();
                for _ in 0..10 {
                    mixed.progress();
                }
                mixed.start_all();
                mixed.progress();
            }
        },
        any_mix,
    );
}

/// A node is cut off from the others, for shorter or longer than an election takes.
#[test]
fn nodes_of_both_kinds_are_cut_off() {
    let proxied = |random: &mut StdRng| {
        let (options, of_fabric) = any_mix(random);
        (NetworkOptions { proxied: true, ..options }, of_fabric)
    };
    with_seeds(
        "nodes_of_both_kinds_are_cut_off",
        |mixed| {
            for _ in 0..6 {
                let leader = mixed.network.wait_for_leader();
                let victim = if mixed.random.random_bool(0.6) { leader } else { mixed.any() };
                let millis = mixed.random.random_range(50..1500);
                let kind = mixed.kind(victim);
                println!("cut off {kind} node {victim} for {millis} ms, the leader is {leader}");
                mixed.network.isolate(victim);
                std::thread::sleep(Duration::from_millis(millis));
                mixed.network.heal();
                mixed.progress();
            }
        },
        proxied,
    );
}

/// Leaders stand still until they are not leaders any more, and are stopped in order.
#[test]
fn leaders_of_both_kinds_are_paused_and_stopped() {
    with_seeds(
        "leaders_of_both_kinds_are_paused_and_stopped",
        |mixed| {
            for _ in 0..3 {
                let leader = mixed.network.wait_for_leader();
                let kind = mixed.kind(leader);
                println!("pause {kind} node {leader}, which leads");
                mixed.moment();
                mixed.network.node(leader).pause();
                mixed.network.wait_for_leader_other_than(leader);
                mixed.moment();
                mixed.network.node(leader).resume();
                mixed.progress();
                let leader = mixed.network.wait_for_leader();
                let kind = mixed.kind(leader);
                println!("stop {kind} node {leader}, which leads");
                mixed.network.node(leader).terminate();
                mixed.progress();
                mixed.start_all();
                mixed.progress();
            }
        },
        any_mix,
    );
}

/// Nodes of either kind are added, by joining them with a later block, and removed again, whoever leads.
#[test]
fn nodes_of_both_kinds_come_and_go() {
    let one_more_of_each = |random: &mut StdRng| {
        let (options, mut of_fabric) = any_mix(random);
        of_fabric.push(usize::from(options.nodes) + random.random_range(0..2));
        (NetworkOptions { spare_nodes: 2, ..options }, of_fabric)
    };
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

/// Every node is restarted with the other program on the same files, one after the other, under load:
/// from Fabric's to ours, and back.
#[test]
fn every_node_is_replaced_and_brought_back() {
    let all_of_fabric = |_: &mut StdRng| (NetworkOptions::default(), vec![0, 1, 2]);
    with_seeds(
        "every_node_is_replaced_and_brought_back",
        |mixed| {
            for program in [None, Some(mixed.fabric.clone())] {
                for _ in 0..10 {
                    mixed.progress();
                }
                let mut nodes = mixed.network.serving();
                nodes.shuffle(&mut mixed.random);
                for node in nodes {
                    let to = if program.is_some() { "Fabric's" } else { "ours" };
                    println!("node {node} becomes {to}, the leader is {:?}", mixed.network.leader());
                    mixed.stop_load(node);
                    if mixed.random.random_bool(0.3) {
                        mixed.network.node(node).kill();
                    } else {
                        mixed.network.node(node).terminate();
                    }
                    mixed.network.node(node).options_mut().program = program.clone();
                    mixed.start_all();
                    mixed.catches_up(node);
                    mixed.load();
                    mixed.progress();
                }
                mixed.check();
                mixed.load();
            }
        },
        all_of_fabric,
    );
}

/// Nodes of ours are added with files of their own, and Fabric's are removed, until none is left.
#[test]
fn every_node_makes_room_for_a_new_one() {
    let three_more =
        |_: &mut StdRng| (NetworkOptions { spare_nodes: 3, ..NetworkOptions::default() }, vec![0, 1, 2]);
    with_seeds(
        "every_node_makes_room_for_a_new_one",
        |mixed| {
            for old in 0..3 {
                let (new, through) = (old + 3, mixed.any());
                println!("node {new} comes, node {old} goes; the leader is {:?}", mixed.network.leader());
                let block = mixed.network.add_consenter(through, new);
                mixed.network.join(new, &block.encode_to_vec());
                mixed.catches_up(new);
                let through = mixed.any_but(old);
                mixed.network.remove_consenter(through, old);
                mixed.stop_load(old);
                mixed.network.leaves(old);
                mixed.load();
                mixed.progress();
                mixed.network.remove_channel(old);
            }
        },
        three_more,
    );
}

/// Wires to a leader of Fabric's break for a moment, so that what was on them is lost while it goes on to
/// lead. Everything that was handed to ours is answered all the same.
#[test]
fn what_a_leader_of_fabrics_loses_is_handed_in_again() {
    let slow = |_: &mut StdRng| {
        let tick = Some(Duration::from_millis(200));
        (NetworkOptions { proxied: true, tick, ..NetworkOptions::default() }, vec![0])
    };
    with_seeds(
        "what_a_leader_of_fabrics_loses_is_handed_in_again",
        |mixed| {
            while mixed.network.wait_for_leader() != 0 {
                let leader = mixed.network.wait_for_leader();
                mixed.network.node(leader).terminate();
                mixed.network.wait_for_leader_other_than(leader);
                mixed.start_all();
                mixed.progress();
            }
            let given_up: usize = mixed.loads.values().map(Load::given_up_count).sum();
            for _ in 0..5 {
                mixed.moment();
                mixed.network.isolate(0);
                mixed.moment();
                mixed.network.heal();
                mixed.progress();
            }
            assert_eq!(mixed.network.leader(), Some(0), "another leader makes up for everything");
            for node in [1, 2] {
                mixed.loads[&node].pause();
            }
            wait::until("all to be answered", Duration::from_secs(30), || {
                [1, 2].iter().all(|node| mixed.loads[node].outstanding_count() == 0).then_some(())
            });
            assert_eq!(mixed.loads.values().map(Load::given_up_count).sum::<usize>(), given_up);
        },
        slow,
    );
}

/// Each node gets a new TLS key pair by an update of the configuration.
#[test]
fn certificates_of_both_kinds_rotate() {
    with_seeds(
        "certificates_of_both_kinds_rotate",
        |mixed| {
            for node in mixed.network.serving() {
                let (kind, through) = (mixed.kind(node), mixed.any());
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

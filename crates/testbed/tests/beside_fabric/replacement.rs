//! Fabric's nodes make room for ours, and the other way round.

use protos::Message;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use testbed::network::NetworkOptions;

use crate::mixed::with_seeds;

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

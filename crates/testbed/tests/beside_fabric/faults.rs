//! Nodes of either kind fail.

use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;
use testbed::channel_config::change_raft;
use testbed::load::Load;
use testbed::network::NetworkOptions;
use testbed::wait;

use crate::mixed::{any_mix, with_seeds};

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

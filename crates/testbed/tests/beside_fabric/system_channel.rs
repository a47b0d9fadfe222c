//! A network of both kinds of nodes that begins with a system channel and ends without one.

use cli::client::participation::Question;
use protos::common::Block;
use rand::Rng;
use std::collections::BTreeSet;
use testbed::channel_config::change_raft;
use testbed::ledgers;
use testbed::material::set_key;
use testbed::network::{Network, NetworkOptions};
use testbed::system_channel::SYSTEM_CHANNEL;

use crate::mixed::{Mixed, one_more_of_each, with_seeds_on};

/// The channel that is under load all the time.
const LOADED: &str = "ch1";

/// All nodes are bootstrapped with one genesis block.
fn start(options: &NetworkOptions) -> Network {
    let mut network = Network::start_with_system_channel(options);
    network.create_channel(0, LOADED, None);
    network
}

/// A node of Fabric's, or of ours, that serves the channel.
fn one_of(mixed: &mut Mixed, is_fabric: bool) -> usize {
    let serving = mixed.network.serving();
    let mut of_kind = serving.into_iter().filter(|node| mixed.is_fabric(*node) == is_fabric);
    of_kind.next().expect("there are nodes of both kinds")
}

/// Creates a channel, and kills a node as soon as that is acknowledged.
fn create(mixed: &mut Mixed, through: usize, channel: &str) {
    let nodes = mixed.network.serving();
    let (kind, victim) = (mixed.kind(through), mixed.any());
    println!("create {channel} through {kind} node {through}, kill node {victim}");
    mixed.network.turn_to(SYSTEM_CHANNEL, &nodes);
    mixed.network.wait_for_leader();
    mixed.network.create_channel(through, channel, None);
    mixed.network.node(victim).kill();
    mixed.start_all();
    for node in &nodes {
        mixed.network.wait_for_role(*node, "consenter/active");
    }
    mixed.network.order_through_all();
    mixed.network.turn_to(LOADED, &nodes);
    mixed.progress();
}

/// Names a node as a consenter only: one of Fabric's that finds its own address among those to pull from
/// waits for itself, some seconds a channel.
fn add_consenter(mixed: &mut Mixed, through: usize, node: usize) -> Block {
    let added = mixed.network.consenter(node);
    mixed.network.reconfigure(through, |config| {
        change_raft(config, |raft| {
            if !raft.consenters.contains(&added) {
                raft.consenters.push(added.clone());
            }
        });
    })
}

/// A node is started with the newest config block of the system channel, which names it; it brings what it
/// is a consenter of, and knows of the rest.
fn onboard(mixed: &mut Mixed, node: usize, through: usize, apart: &str) {
    let (kind, of) = (mixed.kind(node), mixed.kind(through));
    println!("onboard {kind} node {node} through {of} node {through}");
    let mut nodes = mixed.network.serving();
    add_consenter(mixed, through, node);
    mixed.network.turn_to(SYSTEM_CHANNEL, &nodes);
    let boot = add_consenter(mixed, through, node);
    mixed.network.node(node).kill();
    mixed.network.bootstrap_with(node, &boot);
    let refresh = "{ReplicationBackgroundRefreshInterval: 3s}";
    set_key(mixed.network.node(node).directory(), "General", "Cluster", refresh);
    // One of Fabric's that is killed now does not take up its bootstrap file again.
    if !mixed.is_fabric(node) {
        mixed.network.node(node).start();
        mixed.moment();
        mixed.network.node(node).kill();
    }
    mixed.start_all();
    mixed.network.wait_for_role(node, "consenter/active");
    mixed.network.turn_to(apart, &nodes);
    mixed.network.wait_for_place(node, "config-tracker/inactive at 1");
    mixed.network.add_consenter(through, node);
    mixed.network.wait_for_role(node, "consenter/active");
    nodes.push(node);
    mixed.network.turn_to(LOADED, &nodes);
    mixed.catches_up(node);
    mixed.load();
    mixed.progress();
}

fn kill_some(mixed: &mut Mixed) {
    for _ in 0..2 {
        let leader = mixed.network.wait_for_leader();
        let victim = if mixed.random.random_bool(0.7) { leader } else { mixed.any() };
        println!("kill {} node {victim}, the leader is {leader}", mixed.kind(victim));
        mixed.network.node(victim).kill();
        mixed.moment();
        mixed.start_all();
        mixed.progress();
    }
}

/// A node goes on with the other program on the same files.
fn change_program(mixed: &mut Mixed, node: usize) {
    let program = if mixed.is_fabric(node) { None } else { Some(mixed.fabric.clone()) };
    println!("{} node {node} becomes one of the other kind", mixed.kind(node));
    mixed.stop_load(node);
    mixed.network.node(node).terminate();
    mixed.network.node(node).options_mut().program = program;
    mixed.start_all();
    mixed.catches_up(node);
    mixed.load();
    mixed.progress();
}

#[test]
fn nodes_of_both_kinds_leave_their_system_channel() {
    with_seeds_on(
        start,
        "nodes_of_both_kinds_leave_their_system_channel",
        |mixed| {
            let channels = ["through-ours", "through-fabrics"];
            for (channel, is_fabric) in channels.into_iter().zip([false, true]) {
                let through = one_of(mixed, is_fabric);
                create(mixed, through, channel);
            }
            kill_some(mixed);
            let first = mixed.network.serving().len();
            for node in [first, first + 1] {
                let is_fabric = mixed.is_fabric(node);
                let through = one_of(mixed, !is_fabric);
                onboard(mixed, node, through, channels[node - first]);
            }
            for node in [one_of(mixed, true), one_of(mixed, false)] {
                change_program(mixed, node);
            }
            kill_some(mixed);
            let nodes = mixed.network.serving();
            for &node in &nodes {
                println!("remove the system channel from {} node {node}", mixed.kind(node));
                set_key(mixed.network.node(node).directory(), "General", "BootstrapMethod", "none");
                assert_eq!(mixed.network.ask(node, Question::Remove(SYSTEM_CHANNEL)), "204");
                let listed = mixed.network.channels(node);
                assert!(listed.contains(&LOADED.to_owned()) && !listed[0].starts_with('['), "{listed:?}");
                if mixed.random.random_bool(0.3) {
                    mixed.network.node(node).kill();
                    mixed.start_all();
                }
                mixed.progress();
            }
            kill_some(mixed);
            for (channel, added) in channels.into_iter().zip([first, first + 1]) {
                let mut of_channel: Vec<_> = (0..first).collect();
                of_channel.push(added);
                mixed.network.turn_to(channel, &of_channel);
                mixed.network.order_through_all();
                ledgers::check_beside_others(&mixed.network, &BTreeSet::new());
            }
            mixed.network.turn_to(LOADED, &nodes);
        },
        one_more_of_each,
    );
}

//! A node that missed more than the log still holds pulls verified blocks and goes on, also when the
//! channel's config and its consenters are others by then.

use std::fs;

use protos::Message;
use testbed::channel_config::{change_raft, change_value, orderer_group};
use testbed::ledgers;
use testbed::network::{Network, NetworkOptions};

use crate::wait_for_lines;

#[test]
fn a_node_behind_the_leaders_snapshot_pulls_what_it_missed() {
    let genesis = |config: &mut _| {
        change_value(orderer_group(config), "BatchSize", |size: &mut protos::orderer::BatchSize| {
            size.max_message_count = 1;
        });
        change_raft(config, |raft| raft.options.as_mut().unwrap().snapshot_interval_size = 2000);
    };
    let mut network =
        Network::start(&NetworkOptions { nodes: 3, spare_nodes: 1, genesis, ..NetworkOptions::default() });
    network.wait_for_active(3);
    let genesis_block = network.chain(0, 1).remove(0).encode_to_vec();
    let mut acknowledged = vec![network.order_through(0), network.order_through(1)];
    let leader = network.wait_for_leader();
    let (away, other) = ((leader + 1) % 3, (leader + 2) % 3);
    network.node(away).kill();
    let missed_from = network.height(leader).unwrap();
    for _ in 0..6 {
        acknowledged.push(network.order_through(other));
    }
    // One consenter changes its certificate, another option changes.
    network.reconfigure(leader, |config| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().snapshot_interval_size = 3000);
    });
    for _ in 0..6 {
        acknowledged.push(network.order_through(leader));
    }
    let mark = network.node(away).log().len();
    network.start_all();
    wait_for_lines(
        &mut network,
        away,
        mark,
        &[
            "Catching up with snapshot taken at block [",
            &format!("], starting from block [{missed_from}]"),
            "Finished syncing with cluster up to and including block [",
        ],
    );
    network.wait_for_active(3);
    acknowledged.push(network.order_through(away));

    // What it misses now changes the consenters, twice.
    network.join(3, &genesis_block);
    network.add_consenter(leader, 3);
    network.wait_for_active(4);
    network.node(away).kill();
    let staying = network.wait_for_leader();
    let gone = [leader, other].into_iter().find(|node| *node != staying).unwrap();
    network.remove_consenter(staying, gone);
    for _ in 0..8 {
        acknowledged.push(network.order_through(staying));
    }
    network.start_all();
    network.wait_for_active(3);
    acknowledged.push(network.order_through(away));
    network.wait_for_place(gone, &format!("follower/active at {}", network.height(staying).unwrap()));

    // Everybody has the same blocks with the same consenter metadata.
    network.add_consenter(staying, gone);
    network.wait_for_active(4);
    ledgers::check(&network, &acknowledged.into_iter().collect());
    let height = network.settled_height();
    let metadata = |node: usize| -> Vec<_> {
        let chain = network.chain(node, height);
        chain.iter().skip(1).map(|block| channel::block::consenter_metadata(block).unwrap()).collect()
    };
    let expected = metadata(staying);
    for node in [away, gone, 3] {
        assert_eq!(metadata(node), expected, "node {node}");
    }
    // The log does not grow for ever: as many snapshots as are kept, and their log.
    for node in [0, 1, 2] {
        let folder =
            network.layout().node_dir(&network.layout().nodes[node]).join("data/etcdraft/snapshot/ch1");
        let count = fs::read_dir(folder).unwrap().count();
        assert!(count <= 5, "node {node} keeps {count} snapshots");
    }
}

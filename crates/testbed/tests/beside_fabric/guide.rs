//! The guide `docs/operations/replace-fabric-orderers.md`, typed to the letter on three of Fabric's nodes.

use bytes::Bytes;
use cli::client::transaction::Signer;
use cli::sandbox::layout::{CLIENT_MSPID, Layout, ORDERER_MSPID};
use cli::sandbox::material;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use testbed::guide::Guide;
use testbed::load::Load;
use testbed::material::set_key;
use testbed::network::{Member, Network, client_tls, endpoint, signing_identity};
use testbed::node::{Node, NodeOptions};
use testbed::{binary, ledgers, ports};

use crate::mixed::fabric_orderer;

const CHANNEL: &str = "mychannel";
/// How long all of it may take; it takes half a minute.
const LIMIT: Duration = Duration::from_secs(180);

/// The material of four nodes, three of which the channel begins with.
fn make_material(place: &Path) -> Layout {
    let all = Layout::new(place, CHANNEL, 4, ports::block(40)).unwrap();
    let mut first = all.clone();
    first.nodes.truncate(3);
    // What was made for all is kept, but for the genesis block.
    for layout in [&all, &first] {
        material::generate(layout).unwrap();
    }
    for node in &all.nodes {
        set_key(&all.node_dir(node), "Consensus", "TickIntervalOverride", "100ms");
    }
    all
}

/// The nodes as clients see them; the guide's shell runs them.
fn clients_view(layout: &Layout) -> Network {
    let tls = client_tls(&layout.tls_ca(), &layout.client_certificate(), &layout.client_key());
    let member = |node: &cli::sandbox::layout::Node| Member {
        node: Node::new(NodeOptions { directory: layout.node_dir(node), ..NodeOptions::default() }),
        endpoint: endpoint(node.address(), Some(&tls)),
        admin: endpoint(node.admin_address(), Some(&tls)),
        operations_port: node.operations_port,
    };
    let signer = Signer::new(signing_identity(&layout.client_msp(), CLIENT_MSPID), CHANNEL);
    Network::new(layout.nodes.iter().map(member).collect(), signer)
}

/// What the guide says, for these nodes.
fn guide(layout: &Layout) -> Guide {
    let mut guide = Guide::read("replace-fabric-orderers.md");
    for (number, node) in (1..).zip(&layout.nodes) {
        let host = format!("orderer{number}.example.com");
        guide.put(&format!("{host}:7050"), &node.address());
        guide.put(&format!("{host}:7053"), &node.admin_address());
    }
    guide.put("orderer1.example.com:8443", &layout.nodes[0].operations_address());
    guide.put("MSPID=OrdererMSP", &format!("MSPID={ORDERER_MSPID}"));
    guide.put("organizations.OrdererOrg.", &format!("organizations.{ORDERER_MSPID}."));
    guide
}

#[test]
fn the_guide_to_replacing_fabrics_orderers_works_to_the_letter() {
    let Some(fabric) = fabric_orderer() else { return };
    let place = tempfile::tempdir().unwrap();
    let layout = make_material(place.path());
    let mut guide = guide(&layout);
    let second = layout.nodes[1].admin_address();
    // What the guide supposes to be there, and what it leaves to its reader to do once more.
    guide.before(
        "## In place",
        &[
            "for n in 1 2 3; do start node$n orderer; done",
            "for at in $ADMINS; do until osn list -o $at; do sleep 0.2; done; done",
            "for at in $ADMINS; do osn join -o $at --channelID $CHANNEL --config-block mychannel.block; done",
            "until grep -q 'Raft leader changed: 0' node1/orderer.log; do sleep 0.2; done",
        ],
    );
    guide.before(
        "### A log that Fabric's orderer cannot open",
        &[
            "stop node2",
            "start node2 $PWD/links/orderer",
            &format!("caught_up {second}"),
            "kill -KILL $(cat node3/pid); wait $(cat node3/pid) || true",
        ],
    );
    assert!(guide.len() > 40, "only {} commands were found", guide.len());

    let mut network = clients_view(&layout);
    let start = |node| Load::trickle(network.runtime(), &[network.endpoint(node).clone()], network.signer());
    let mut loads: Vec<Load> = (0..4).map(start).collect();
    let programs: [(&str, &Path); 2] = [("causeway", &binary::causeway()), ("orderer", &fabric)];
    let _shell = guide.type_in(place.path(), &programs, LIMIT);

    // The fourth was one of ours from the beginning.
    let acknowledged: BTreeSet<Bytes> = loads.remove(3).stop(network.runtime());
    for load in loads {
        assert!(load.acknowledged_count() > 0);
        load.stop(network.runtime());
    }
    network.leaves(2);
    network.order_through_all();
    let found = ledgers::check_beside_others(&network, &acknowledged);
    println!("{} acknowledged by the new node, {} blocks", acknowledged.len(), found.blocks);
}

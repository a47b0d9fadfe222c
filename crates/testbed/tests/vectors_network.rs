//! Networks that stand on what Fabric's own tools made: certificates, a genesis block, a ledger.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::block;
use cli::client::connection::Endpoint;
use cli::client::tls::Tls;
use cli::client::transaction::Signer;
use protos::common::Block;
use protos::{Message, etcdraft, raftpb};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use testbed::network::{self, Member, Network};
use testbed::node::{Node, NodeOptions};
use testbed::settings::{self, Settings};
use testbed::{hosts, ledgers, ports, vectors};

const ORDERER_ORG: &str = "crypto/ordererOrganizations/example.com";
const CLIENT: &str = "crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com/msp";

fn orderer_crypto(vectors: &Path, index: usize) -> PathBuf {
    vectors.join(ORDERER_ORG).join(format!("orderers/orderer{index}.example.com"))
}

/// TLS of the orderers' administrator: trusted by the orderers, whoever signs the messages.
fn tls(vectors: &Path) -> Tls {
    let folder = vectors.join(ORDERER_ORG).join("users/Admin@example.com/tls");
    network::client_tls(&folder.join("ca.crt"), &folder.join("client.crt"), &folder.join("client.key"))
}

fn signer(vectors: &Path, channel: &str) -> Signer {
    Signer::new(network::signing_identity(&vectors.join(CLIENT), "Org1MSP"), channel)
}

struct Place<'a> {
    listen: (&'a str, u16),
    hosts: Option<PathBuf>,
}

/// A node of the golden orderer organisation; also gives the location of its ledgers.
fn member(vectors: &Path, root: &Path, index: usize, place: Place<'_>) -> (Member, PathBuf) {
    let directory = root.join(format!("orderer{index}"));
    let spare = ports::block(2);
    let location = settings::write(
        &directory,
        &Settings {
            crypto: &orderer_crypto(vectors, index),
            mspid: "OrdererMSP",
            listen: place.listen,
            admin_port: spare,
            operations_port: spare + 1,
            tick_ms: 50,
        },
    );
    let (address, port) = place.listen;
    let endpoint = Endpoint {
        address: format!("{address}:{port}"),
        tls: Some(tls(vectors)),
        server_name: Some(format!("orderer{index}.example.com")),
    };
    let options = NodeOptions { directory, hosts: place.hosts, ..NodeOptions::default() };
    let member = Member {
        node: Node::new(options),
        endpoint,
        admin: network::endpoint(format!("127.0.0.1:{spare}"), None),
        operations_port: spare + 1,
    };
    (member, location)
}

#[test]
fn vectors_genesis_block_boots_a_network() {
    let Some(vectors) = vectors::directory() else { return };
    if !hosts::available() {
        assert!(std::env::var_os("CI").is_none(), "a process cannot have a hosts file of its own here");
        println!(
            "skipped: the golden consenters' host names need a mount namespace, which is not to be had here"
        );
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let names = root.path().join("hosts");
    // All consenters have the same port, so each needs an address of its own.
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
    let lines =
        addresses.iter().enumerate().map(|(i, address)| format!("{address} orderer{i}.example.com\n"));
    fs::write(&names, lines.collect::<String>()).unwrap();
    let members = addresses.iter().enumerate().map(|(index, address)| {
        member(&vectors, root.path(), index, Place { listen: (address, 7050), hosts: Some(names.clone()) }).0
    });
    let genesis = fs::read(vectors.join("genesis/raft-app/genesis.block")).unwrap();
    let channel = block::channel_id(&Block::decode(genesis.as_slice()).unwrap()).unwrap();
    let mut network = Network::new(members.collect(), signer(&vectors, &channel));
    network.start_all();
    network.join_all(&genesis);
    network.wait_for_leader();
    let ordered: BTreeSet<Bytes> = network.order_through_all().into_iter().collect();
    assert_eq!(ordered.len(), 3);
    assert!(ledgers::check(&network, &ordered) > 1);
}

#[test]
fn vectors_ledger_is_continued() {
    let Some(vectors) = vectors::directory() else { return };
    let root = tempfile::tempdir().unwrap();
    let golden = |number: usize| {
        Block::decode(fs::read(vectors.join(format!("hash/app/ch1-{number:02}.block"))).unwrap().as_slice())
            .unwrap()
    };
    let newest = golden(13);
    let members = (0..4).map(|index| {
        let listen = ("127.0.0.1", 27_600 + 10 * u16::try_from(index).unwrap());
        let (member, location) = member(&vectors, root.path(), index, Place { listen, hosts: None });
        let file = "chains/ch1/blockfile_000000";
        fs::create_dir_all(location.join("chains/ch1")).unwrap();
        fs::copy(vectors.join("ledger/good").join(file), location.join(file)).unwrap();
        leave_a_snapshot(&root.path().join(format!("orderer{index}")), &newest);
        member
    });
    let mut network = Network::new(members.collect(), signer(&vectors, "ch1"));
    network.start_all();
    network.wait_for_leader();
    let ordered: BTreeSet<Bytes> = network.order_through_all().into_iter().collect();
    assert!(ledgers::check(&network, &ordered) > 14);
    for (number, ours) in network.chain(0, 14).iter().enumerate() {
        assert_eq!(ours.header, golden(number).header, "block {number}");
    }
}

/// What a Fabric node keeps of its Raft log after it took a snapshot at its newest block; the
/// golden data has the ledger alone, and without any log nobody may lead.
fn leave_a_snapshot(node: &Path, newest: &Block) {
    let metadata = block::consenter_metadata(newest).unwrap();
    let raft = etcdraft::BlockMetadata::decode(metadata).unwrap();
    let (index, term) = (raft.raft_index, 7);
    let voters =
        raftpb::ConfState { voters: raft.consenter_ids, auto_leave: Some(false), ..Default::default() };
    let snapshot = raftpb::Snapshot {
        data: Some(newest.encode_to_vec().into()),
        metadata: Some(raftpb::SnapshotMetadata {
            conf_state: Some(voters.clone()),
            index: Some(index),
            term: Some(term),
        }),
    };
    let folder = |name: &str| node.join("data").join(name).join("ch1");
    storage::snapshot::SnapshotStore::open(&folder("snapshots")).unwrap().save(&snapshot).unwrap();
    let (mut wal, _) = storage::wal::Wal::open(&folder("wal"), None).unwrap();
    let state = raftpb::HardState { term: Some(term), vote: Some(0), commit: Some(index) };
    wal.save_snapshot(index, term, &voters).unwrap();
    wal.append(Some(&state), &[]).unwrap();
    wal.sync().unwrap();
}

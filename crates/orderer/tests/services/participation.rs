//! Joining and removing channels, and the system channel.

use std::fs;

use bytes::Bytes;
use channel::{block, genesis::default_raft_options};
use orderer::{registrar::ParticipationError, settings::BootstrapMethod};
use prost::Message;
use protos::{
    common::{Block, BlockHeader, Status},
    etcdraft::Options,
};
use tempfile::TempDir;

use crate::{
    client::{transaction, transaction_for},
    material::{Org, consenter},
    node::{CHANNEL, LIMIT, TestNode, settings, start, tls_section},
};

const SYSTEM: &str = "systemchannel";

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_begin_no_channel_are_refused() {
    let node = TestNode::new(&tls_section(false)).await;
    let user = node.org.member("client");
    let genesis = node.org.genesis(CHANNEL, vec![consenter(1, &node.tls.pair.certificate_pem)], 1);
    let ordinary = block::new_block(3, Bytes::new(), vec![transaction(&user, b"x").encode_to_vec().into()]);
    let mut altered = genesis.clone();
    altered.header.as_mut().unwrap().data_hash = Bytes::from_static(&[0; 32]);
    let headless = Block { header: None, ..genesis.clone() };
    let garbage = Block {
        header: Some(BlockHeader::default()),
        ..block::new_block(0, Bytes::new(), vec![Bytes::from_static(&[0xff])])
    };
    for (block, text) in [
        (ordinary, "invalid join block: block is not a config block"),
        (Block::default(), "invalid join block: block is not a config block"),
        (headless, "invalid join block: "),
        (garbage, "invalid join block: "),
        (altered, "invalid join block: the data of the block does not match the data hash in its header"),
    ] {
        let error = node.participation().join(block).await.unwrap_err();
        assert!(matches!(error, ParticipationError::InvalidJoinBlock(_)), "{error}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
    assert_eq!(node.participation().list().channels, Vec::<String>::new());
    assert!(fs::read_dir(node.directory.path().join("ledger/chains")).unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_come_and_go() {
    let node = TestNode::ordering().await;
    let participation = node.participation();
    let genesis =
        |name: &str| node.org.genesis(name, vec![consenter(node.port(), &node.tls.pair.certificate_pem)], 1);
    let again = participation.join(genesis(CHANNEL)).await.unwrap_err();
    assert_eq!(again, ParticipationError::ChannelAlreadyExists);
    let system = node.org.system_genesis(SYSTEM, vec![consenter(1, &node.tls.pair.certificate_pem)]);
    let system = participation.join(system).await.unwrap_err();
    assert_eq!(system, ParticipationError::ApplicationChannelsExist);
    let unknown = participation.remove("elsewhere").await.unwrap_err();
    assert_eq!(unknown, ParticipationError::ChannelDoesNotExist);
    assert_eq!(participation.info("elsewhere").unwrap_err(), ParticipationError::ChannelDoesNotExist);

    node.join_alone("another").await;
    assert_eq!(participation.list().channels, ["another", CHANNEL]);
    let info = participation.info(CHANNEL).unwrap();
    assert_eq!(
        (info.relation.to_string(), info.status.to_string(), info.height),
        ("consenter".to_owned(), "active".to_owned(), 1)
    );
    participation.remove(CHANNEL).await.unwrap();
    let gone = async {
        while participation.info(CHANNEL).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
    let user = node.org.member("client");
    let mut call = node.client().await.broadcast().await;
    call.send(&transaction_for("another", &user, b"x"));
    call.send(&transaction(&user, b"x"));
    assert_eq!(call.answer().await.0, Status::Success);
    assert_eq!(call.answer().await.0, Status::BadRequest);
    // The old write-ahead log is still there, as Fabric leaves it; operators remove it.
    fs::remove_dir_all(node.directory.path().join("wal").join(CHANNEL)).unwrap();
    fs::remove_dir_all(node.directory.path().join("snap").join(CHANNEL)).unwrap();
    node.join_alone(CHANNEL).await;
    let mut call = node.client().await.broadcast().await;
    call.send(&transaction(&user, b"x"));
    assert_eq!(call.answer().await.0, Status::Success);
    assert_eq!(node.height(CHANNEL), 2);
}

/// A system channel whose consenters would hold elections as often as they hear of each other.
fn restless_system_genesis() -> Block {
    let options = Options { heartbeat_tick: 10, election_tick: 10, ..default_raft_options() };
    Org::new().system_genesis_with(SYSTEM, vec![consenter(1, "")], options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_file_must_begin_a_system_channel() {
    for (content, text) in [
        (None, "Error reading genesis block file"),
        (Some(vec![0xff]), "failed validating bootstrap block"),
        (Some(Org::new().genesis(CHANNEL, Vec::new(), 1).encode_to_vec()), "lacks ConsortiumsConfig"),
        (
            Some(restless_system_genesis().encode_to_vec()),
            "ElectionTick (10) must be greater than HeartbeatTick (10)",
        ),
    ] {
        let (org, directory) = (Org::new(), TempDir::new().unwrap());
        let (mut settings, _) = settings(&directory, &org, &tls_section(false));
        settings.general.bootstrap_method = BootstrapMethod::File;
        settings.general.bootstrap_file = directory.path().join("genesis.block");
        if let Some(content) = content {
            fs::write(&settings.general.bootstrap_file, content).unwrap();
        }
        let error = start(&settings).await.err().expect("it started").to_string();
        assert!(error.contains(text) && error.contains("General.BootstrapFile"), "{error}");
    }
}

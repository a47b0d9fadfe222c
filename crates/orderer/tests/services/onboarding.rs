//! Networks with a system channel: a node that joins a running one, and the channels that it has no
//! part in.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use channel::{
    block::EncodedBlock,
    configtx::{compute_update, sign_update},
    envelope::Draft,
};
use orderer::{
    registrar::ParticipationError,
    settings::{BootstrapMethod, Settings},
};
use prost::Message;
use protos::{
    common::{Block, Config, ConfigUpdateEnvelope, Envelope, HeaderType, Status},
    etcdraft::{ConfigMetadata, Consenter},
    orderer::ConsensusType,
};
use storage::ledger::{LedgerOptions, LedgerStore};
use tempfile::TempDir;

use crate::{
    client::transaction_for,
    material::{Org, TlsFiles, consenter, free_port, now_unix},
    node::{LIMIT, TestNode, settings, start, tls_section},
    participation::creation,
};

const SYSTEM: &str = "systemchannel";
/// A channel that the second node becomes a consenter of before it is started.
const SHARED: &str = "shared";
/// A channel that it becomes a consenter of later, or never.
const APART: &str = "apart";

/// The first node of a network and the second one, which is not running yet.
struct Network {
    first: TestNode,
    second: (Settings, TlsFiles, TempDir),
}

/// What changes the consenters of a channel.
fn consenters_changed(
    org: &Org,
    channel_id: &str,
    config: &Config,
    change: impl FnOnce(&mut Vec<Consenter>),
) -> Envelope {
    let mut updated = config.clone();
    let root = updated.channel_group.as_mut().unwrap();
    let value = root.groups.get_mut("Orderer").unwrap().values.get_mut("ConsensusType").unwrap();
    let mut consensus = ConsensusType::decode(value.value.clone()).unwrap();
    let mut metadata = ConfigMetadata::decode(consensus.metadata.clone()).unwrap();
    change(&mut metadata.consenters);
    consensus.metadata = metadata.encode_to_vec().into();
    value.value = consensus.encode_to_vec().into();
    let update = compute_update(channel_id, config, &updated).unwrap();
    let config_update = Bytes::from(update.encode_to_vec());
    let orderer = org.member("orderer");
    let signatures = vec![sign_update(&config_update, &orderer).unwrap()];
    let envelope = ConfigUpdateEnvelope { config_update, signatures };
    Draft::new(HeaderType::ConfigUpdate, channel_id, envelope.encode_to_vec().into(), now_unix())
        .sign(&orderer)
        .unwrap()
}

impl Network {
    /// The first node is alone in the system channel and two others; then the second one is added to
    /// the system channel and to one of them.
    async fn new() -> Self {
        let org = Arc::new(Org::new());
        let directory = TempDir::new().unwrap();
        let (mut first, tls) = settings(&directory, &org, &tls_section(false));
        first.general.listen_port = free_port();
        let own = consenter(first.general.listen_port, &tls.pair.certificate_pem);
        first.general.bootstrap_method = BootstrapMethod::File;
        first.general.bootstrap_file = directory.path().join("genesis.block");
        let genesis = org.system_genesis(SYSTEM, vec![own]).encode_to_vec();
        fs::write(&first.general.bootstrap_file, genesis).unwrap();
        let node = start(&first).await.unwrap();
        let first = TestNode { org: org.clone(), tls, directory, node };
        first.has_leader(SYSTEM).await;
        for channel_id in [SHARED, APART] {
            let mut call = first.client().await.broadcast().await;
            call.send(&creation(&org, channel_id));
            assert_eq!(call.answer().await, (Status::Success, String::new()));
            first.has_leader(channel_id).await;
        }
        let directory = TempDir::new().unwrap();
        let cluster = "  Cluster: {ReplicationBackgroundRefreshInterval: 200ms}";
        let (mut second, tls) = settings(&directory, &org, &format!("{}\n{cluster}", tls_section(false)));
        second.general.listen_port = free_port();
        let network = Self { first, second: (second, tls, directory) };
        network.add_second_to(SHARED).await;
        network.add_second_to(SYSTEM).await;
        network
    }

    async fn add_second_to(&self, channel_id: &str) {
        let (settings, tls, _) = &self.second;
        let added = consenter(settings.general.listen_port, &tls.pair.certificate_pem);
        let state = self.first.node.registrar().channels().get(channel_id).unwrap().state().clone();
        let before = state.height();
        change(&self.first, channel_id, |consenters| consenters.push(added)).await;
        self.first.reaches(channel_id, before + 1).await;
    }

    fn boot_block(&self) -> Block {
        boot_block(&self.first)
    }

    async fn start_second(self) -> (TestNode, TestNode) {
        let (settings, tls, directory) = self.second;
        let node = start(&settings).await.unwrap();
        let second = TestNode { org: self.first.org.clone(), tls, directory, node };
        (self.first, second)
    }
}

/// The newest config block of the system channel.
fn boot_block(node: &TestNode) -> Block {
    let system = node.node.registrar().channels().system().unwrap();
    system.state().last_config_block().unwrap().block().clone()
}

/// Has the first node change the consenters of a channel. After an election a node knows only some ticks
/// later who is up, and refuses until then.
async fn change(first: &TestNode, channel_id: &str, change: impl FnOnce(&mut Vec<Consenter>)) {
    let state = first.node.registrar().channels().get(channel_id).unwrap().state().clone();
    let update = consenters_changed(&first.org, channel_id, state.bundle().config(), change);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut call = first.client().await.broadcast().await;
        call.send(&update);
        let (status, info) = call.answer().await;
        if !info.ends_with("will result in quorum loss") {
            return assert_eq!((status, info), (Status::Success, String::new()));
        }
        assert!(Instant::now() < deadline, "{info}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn orders(node: &TestNode, channel_id: &str) {
    let mut call = node.client().await.broadcast().await;
    call.send(&transaction_for(channel_id, &node.org.member("client"), b"x"));
    assert_eq!(call.answer().await, (Status::Success, String::new()), "{channel_id}");
}

fn place(node: &TestNode, channel_id: &str) -> (String, String, u64) {
    let info = node.participation().info(channel_id).unwrap();
    (info.relation.to_string(), info.status.to_string(), info.height)
}

/// Looks all the time: the channel must be known throughout.
async fn becomes(node: &TestNode, channel_id: &str, relation: &str) {
    let became = async {
        while place(node, channel_id).0 != relation {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, became).await.expect("it does not notice");
}

/// What must be so when the second node has been brought in by a block of the system channel.
async fn second_has_come_in(first: &TestNode, second: &TestNode) {
    let participation = second.participation();
    assert_eq!(participation.list().system_channel.as_deref(), Some(SYSTEM));
    assert_eq!(participation.list().channels, [APART, SHARED]);
    for channel_id in [SYSTEM, SHARED] {
        second.has_leader(channel_id).await;
        let state = second.node.registrar().channels().get(channel_id).unwrap();
        assert_eq!(place(second, channel_id).0, "consenter");
        assert!(state.state().height() >= 2, "{channel_id}");
    }
    orders(second, SHARED).await;
    orders(first, SHARED).await;
    let joined = second.directory.path().join("ledger/pendingops/join");
    assert!(fs::read_dir(joined).unwrap().next().is_none(), "the boot block is still wanted");

    let tracked = || ("config-tracker".to_owned(), "inactive".to_owned(), 1);
    assert_eq!(place(second, APART), tracked());
    orders(first, APART).await;
    let mut call = second.client().await.broadcast().await;
    call.send(&transaction_for(APART, &second.org.member("client"), b"x"));
    let refused = (Status::ServiceUnavailable, "channel apart is not serviced by me".to_owned());
    assert_eq!(call.answer().await, refused);
    assert_eq!(place(second, APART), tracked(), "what is not served is not replicated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_bootstrapped_with_a_later_block_replicates_what_it_is_a_consenter_of() {
    let mut network = Network::new().await;
    let (settings, _, directory) = &mut network.second;
    settings.general.bootstrap_method = BootstrapMethod::File;
    settings.general.bootstrap_file = directory.path().join("boot.block");
    let file = settings.general.bootstrap_file.clone();
    fs::write(file, network.boot_block().encode_to_vec()).unwrap();
    let (settings, address) = {
        let (settings, tls, _) = &network.second;
        (settings.clone(), consenter(settings.general.listen_port, &tls.pair.certificate_pem))
    };
    let (first, second) = network.start_second().await;
    second_has_come_in(&first, &second).await;

    // It notices by itself that it is a consenter by now.
    change(&first, APART, |consenters| consenters.push(address)).await;
    becomes(&second, APART, "consenter").await;
    second.has_leader(APART).await;
    orders(&second, APART).await;

    // The bootstrap file means nothing any more, and nothing is asked for again.
    let TestNode { node, org, tls, directory } = second;
    node.stop().await;
    fs::remove_file(&settings.general.bootstrap_file).unwrap();
    let node = start(&settings).await.unwrap();
    let second = TestNode { node, org, tls, directory };
    for channel_id in [SYSTEM, SHARED, APART] {
        second.has_leader(channel_id).await;
    }
    orders(&second, APART).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_cannot_be_replicated_does_not_stop_the_others() {
    let mut network = Network::new().await;
    let (settings, _, directory) = &mut network.second;
    settings.general.cluster.replication_max_retries = 1;
    settings.general.bootstrap_method = BootstrapMethod::File;
    settings.general.bootstrap_file = directory.path().join("boot.block");
    let (file, location) = (settings.general.bootstrap_file.clone(), settings.file_ledger.location.clone());
    fs::write(file, network.boot_block().encode_to_vec()).unwrap();
    let settings = network.second.0.clone();
    let (first, second) = network.start_second().await;
    let TestNode { node, org, tls, directory } = second;
    node.stop().await;

    // The node loses the channel, and has one of that name that is not the same.
    let store = LedgerStore::open(&location, LedgerOptions::default()).unwrap();
    store.remove_channel(SHARED).unwrap();
    let other = EncodedBlock::from_block(org.genesis(SHARED, vec![consenter(1, "")], 1));
    store.open_channel(SHARED).unwrap().append(&Arc::new(other)).unwrap();
    store.join_blocks().save(SYSTEM, &boot_block(&first).encode_to_vec()).unwrap();
    drop(store);
    let node = start(&settings).await.unwrap();
    let second = TestNode { node, org, tls, directory };
    second.has_leader(SYSTEM).await;
    assert_eq!(place(&second, SYSTEM).0, "consenter");
    assert_eq!(place(&second, SHARED), ("config-tracker".to_owned(), "inactive".to_owned(), 1));
    let joined = second.directory.path().join("ledger/pendingops/join");
    assert_eq!(fs::read_dir(joined).unwrap().count(), 1, "it is to be tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_channel_joined_with_a_later_block_is_replicated_at_the_next_start() {
    let network = Network::new().await;
    let boot = network.boot_block();
    let settings = network.second.0.clone();
    let (first, second) = network.start_second().await;
    let info = second.participation().join(boot.clone()).await.unwrap();
    assert_eq!(
        (info.relation.to_string(), info.status.to_string(), info.height),
        ("consenter".to_owned(), "inactive".to_owned(), 0)
    );
    assert_eq!(second.participation().list().system_channel.as_deref(), Some(SYSTEM));
    let again = second.participation().join(boot).await.unwrap_err();
    assert_eq!(again, ParticipationError::SystemChannelExists);

    let TestNode { node, org, tls, directory } = second;
    node.stop().await;
    let node = start(&settings).await.unwrap();
    let second = TestNode { node, org, tls, directory };
    second_has_come_in(&first, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_channel_that_was_joined_and_has_not_come_can_be_removed() {
    let network = Network::new().await;
    let boot = network.boot_block();
    let (_first, second) = network.start_second().await;
    second.participation().join(boot).await.unwrap();
    second.participation().remove(SYSTEM).await.unwrap();
    let gone = async {
        while second.participation().info(SYSTEM).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("it is still there");
    assert_eq!(second.participation().list().system_channel, None);
    second.join_alone("own").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_known_while_it_changes_hands() {
    let org = Arc::new(Org::new());
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let directory = TempDir::new().unwrap();
        let (mut settings, tls) = settings(&directory, &org, &tls_section(false));
        settings.general.listen_port = free_port();
        let node = start(&settings).await.unwrap();
        nodes.push(TestNode { org: org.clone(), tls, directory, node });
    }
    let (first, second) = (&nodes[0], &nodes[1]);
    first.join_alone(SHARED).await;
    let genesis = first.node.registrar().channels().get(SHARED).unwrap().state().last_block().unwrap();
    second.join(genesis.block().clone()).await;
    let own = consenter(second.port(), &second.tls.pair.certificate_pem);
    change(first, SHARED, |consenters| consenters.push(own.clone())).await;
    becomes(second, SHARED, "consenter").await;
    second.has_leader(SHARED).await;
    orders(second, SHARED).await;
    change(first, SHARED, |consenters| consenters.retain(|consenter| *consenter != own)).await;
    becomes(second, SHARED, "follower").await;
    orders(first, SHARED).await;
    second.reaches(SHARED, first.height(SHARED)).await;
}

//! How a channel changes hands between a follower and a consenter.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use channel::{
    configtx::{compute_update, sign_update},
    envelope::Draft,
};
use prost::Message;
use protos::{
    common::{Config, ConfigUpdateEnvelope, Envelope, HeaderType, Status},
    etcdraft::{ConfigMetadata, Consenter},
    orderer::ConsensusType,
};
use tempfile::TempDir;

use crate::{
    client::transaction_for,
    material::{Org, consenter, free_port, now_unix},
    node::{LIMIT, TestNode, settings, start, tls_section},
};

/// A channel of both nodes.
const SHARED: &str = "shared";

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

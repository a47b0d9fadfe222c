//! Traffic that this node begins: streams to other consenters, blocks pulled from them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use channel::bundle::Bundle;
use consensus::{
    source::{BlockSource, BlockSources, SourceError},
    transport::{Peer, Transport, TransportError},
};
use futures::StreamExt;
use orderer::{
    cluster::{
        ClusterOptions, ClusterTransport,
        members::Members,
        puller::{PullerOptions, Pullers},
        stream::StreamOptions,
    },
    grpc::{
        Handler, RemotePeer, Requests, Responses,
        call::MessageLimits,
        server::{self, Bound, Options, Routes},
    },
    metrics::Metrics,
    settings::Keepalive,
    tls::{
        keys::{KeyPair, certificates},
        server::{ClientCertificates, config},
        trust::TrustPool,
    },
};
use prost::Message;
use protos::{
    common::Status as BlockStatus,
    orderer::{ConsensusRequest, StepRequest, SubmitRequest, step_request::Payload},
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{dialer, seek, transaction},
    material::{Org, TlsFiles, consenter},
    node::{CHANNEL, LIMIT, TestNode, tls_section},
};

const MESSAGES: MessageLimits = MessageLimits { max_recv_bytes: 1 << 20, max_send_bytes: 1 << 20 };
const QUEUE: usize = 4;

/// A Step service that hands on what it reads, up to the first transaction for a channel that is full, or
/// reads nothing at all.
struct Listening {
    received: Option<mpsc::UnboundedSender<StepRequest>>,
}

/// Channels whose names begin so take no transactions.
const FULL: &str = "full";

fn is_for_full_channel(request: &StepRequest) -> bool {
    matches!(&request.payload, Some(Payload::SubmitRequest(submit)) if submit.channel.starts_with(FULL))
}

#[async_trait]
impl Handler for Listening {
    fn service(&self) -> &'static str {
        "orderer.Cluster"
    }

    fn method(&self) -> &'static str {
        "Step"
    }

    async fn serve(
        &self,
        _: Arc<RemotePeer>,
        mut requests: Requests,
        _: Responses,
    ) -> Result<(), tonic::Status> {
        let Some(received) = &self.received else { return std::future::pending().await };
        while let Some(request) = requests.next().await? {
            let request = StepRequest::decode(request).unwrap();
            if is_for_full_channel(&request) {
                return std::future::pending().await;
            }
            let _ = received.send(request);
        }
        Ok(())
    }
}

/// Another orderer, as far as the transport knows it.
struct Other {
    port: u16,
    end: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Other {
    async fn start(keys: &TlsFiles, port: u16, received: Option<mpsc::UnboundedSender<StepRequest>>) -> Self {
        let keys = KeyPair::read(&keys.certificate, &keys.key).unwrap();
        let tls = config(&keys, ClientCertificates::Requested, Duration::ZERO).unwrap();
        let bound = Bound::new("127.0.0.1", port, "test", Some(tls), false).await.unwrap();
        let listener = bound.listen().unwrap();
        let port = listener.local_address().unwrap().port();
        let routes = Routes::default().with(Arc::new(Listening { received }));
        let keepalive =
            Keepalive { server_min_interval: LIMIT, server_interval: LIMIT, server_timeout: LIMIT };
        let options = Options { connection_timeout: LIMIT, keepalive, messages: MESSAGES };
        let end = CancellationToken::new();
        let metrics = Arc::new(Metrics::new(false));
        let serving =
            tokio::spawn(server::serve(listener, routes, options, metrics, end.clone(), end.clone()));
        Self { port, end, serving }
    }

    async fn stop(self) {
        self.end.cancel();
        self.serving.await.unwrap();
    }
}

fn transport(org: &Org, rpc_timeout: Duration) -> ClusterTransport {
    let roots = certificates(org.tls_ca.certificate_pem().as_bytes());
    let streams = StreamOptions {
        queue_length: QUEUE,
        rpc_timeout,
        messages: MESSAGES,
        expiration_warning_threshold: Duration::ZERO,
    };
    ClusterTransport::new(
        dialer(None),
        Arc::new(TrustPool::new(roots)),
        Arc::new(Members::default()),
        ClusterOptions { streams },
        Arc::new(Metrics::new(false)),
    )
}

fn peer(port: u16, keys: &TlsFiles) -> Peer {
    let certificate = certificates(keys.pair.certificate_pem.as_bytes()).remove(0).to_vec();
    Peer {
        id: 2,
        host: "127.0.0.1".to_owned(),
        port,
        client_tls_cert_der: certificate.clone(),
        server_tls_cert_der: certificate,
    }
}

fn consensus(payload: Vec<u8>) -> ConsensusRequest {
    let payload = Bytes::from(payload);
    ConsensusRequest { channel: CHANNEL.to_owned(), payload, ..ConsensusRequest::default() }
}

/// Sends until it is refused, which it must be before long.
async fn first_refusal(transport: &ClusterTransport, payload: &[u8]) -> TransportError {
    let refused = async {
        loop {
            if let Err(error) = transport.send_consensus(CHANNEL, 2, consensus(payload.to_vec())) {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, refused).await.expect("everything was taken")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_order_and_again_after_the_other_side_was_away() {
    let (org, directory) = (Org::new(), TempDir::new().unwrap());
    let keys = org.tls_files(directory.path(), "other");
    let (received, mut arriving) = mpsc::unbounded_channel();
    let other = Other::start(&keys, 0, Some(received.clone())).await;
    let port = other.port;
    let transport = transport(&org, LIMIT);
    let unknown = transport.send_consensus(CHANNEL, 2, consensus(vec![])).unwrap_err();
    assert_eq!(unknown.to_string(), "channel testchannel doesn't exist");
    transport.configure(CHANNEL, vec![peer(port, &keys)]);
    let unknown = transport.send_consensus(CHANNEL, 7, consensus(vec![])).unwrap_err();
    assert_eq!(unknown.to_string(), "node 7 doesn't exist in channel testchannel's membership");
    for number in 0..3_u8 {
        transport.send_consensus(CHANNEL, 2, consensus(vec![number])).unwrap();
    }
    for number in 0..3_u8 {
        let request = arriving.recv().await.unwrap();
        assert_eq!(request.payload, Some(Payload::ConsensusRequest(consensus(vec![number]))));
    }
    let submit =
        SubmitRequest { channel: CHANNEL.to_owned(), last_validation_seq: 3, ..SubmitRequest::default() };
    transport.send_submit(CHANNEL, 2, submit.clone()).await.unwrap();
    assert_eq!(arriving.recv().await.unwrap().payload, Some(Payload::SubmitRequest(submit)));

    other.stop().await;
    let away = format!("connection to 2(127.0.0.1:{port}) is in state TRANSIENT_FAILURE");
    let noticed = async { while first_refusal(&transport, b"lost").await.to_string() != away {} };
    tokio::time::timeout(LIMIT, noticed).await.expect("nobody noticed that the other side is away");
    let _other = Other::start(&keys, port, Some(received)).await;
    let arrived = async {
        loop {
            // Refused until the pause after the last failure is over.
            let _ = transport.send_consensus(CHANNEL, 2, consensus(b"again".to_vec()));
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let Ok(request) = arriving.try_recv() {
                return request;
            }
        }
    };
    let request =
        tokio::time::timeout(LIMIT, arrived).await.expect("no stream after the other side came back");
    assert_eq!(request.payload, Some(Payload::ConsensusRequest(consensus(b"again".to_vec()))));

    transport.forget(CHANNEL);
    let forgotten = transport.send_consensus(CHANNEL, 2, consensus(vec![])).unwrap_err();
    assert_eq!(forgotten.to_string(), "channel testchannel doesn't exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_not_waited_for() {
    let (org, directory) = (Org::new(), TempDir::new().unwrap());
    let keys = org.tls_files(directory.path(), "other");
    let other = Other::start(&keys, 0, None).await;
    let overflowing = transport(&org, LIMIT);
    overflowing.configure(CHANNEL, vec![peer(other.port, &keys)]);
    let overflown = async {
        loop {
            // While the connection is being made, a full queue is no fault of the other side.
            match first_refusal(&overflowing, &[1; 200_000]).await {
                TransportError::NotConnected { .. } => tokio::time::sleep(Duration::from_millis(5)).await,
                other => return other,
            }
        }
    };
    let refusal = tokio::time::timeout(LIMIT, overflown).await.expect("the queue has no end");
    assert_eq!(refusal, TransportError::Overflow);

    let patient = transport(&org, Duration::from_millis(100));
    patient.configure(CHANNEL, vec![peer(other.port, &keys)]);
    let submit = || SubmitRequest {
        channel: CHANNEL.to_owned(),
        payload: Bytes::from(vec![1; 200_000]),
        ..SubmitRequest::default()
    };
    let timed_out = async {
        loop {
            match patient.send_submit(CHANNEL, 2, submit()).await {
                Ok(()) | Err(TransportError::NotConnected { .. }) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => return error,
            }
        }
    };
    let refusal = tokio::time::timeout(LIMIT, timed_out).await.expect("it waits for ever");
    assert_eq!(refusal.to_string(), "rpc timeout expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_are_full_hold_up_no_other() {
    const FULL_CHANNELS: usize = 8;
    /// All but the first of these fit into what a stream may send before it is read.
    const SENT_EACH: usize = 5;
    let (org, directory) = (Org::new(), TempDir::new().unwrap());
    let keys = org.tls_files(directory.path(), "other");
    let (received, mut arriving) = mpsc::unbounded_channel();
    let other = Other::start(&keys, 0, Some(received)).await;
    let transport = Arc::new(transport(&org, LIMIT));
    transport.configure(CHANNEL, vec![peer(other.port, &keys)]);
    let fill = |number: usize| {
        let (transport, channel) = (transport.clone(), format!("{FULL}{number}"));
        transport.configure(&channel, vec![peer(other.port, &keys)]);
        async move {
            for _ in 0..SENT_EACH {
                let payload = Bytes::from(vec![1; 200_000]);
                let submit = SubmitRequest { channel: channel.clone(), payload, ..SubmitRequest::default() };
                transport.send_submit(&channel, 2, submit).await.unwrap();
            }
        }
    };
    let filled = futures::future::join_all((0..FULL_CHANNELS).map(fill));
    tokio::time::timeout(LIMIT, filled).await.expect("full channels hold each other up");
    transport.send_consensus(CHANNEL, 2, consensus(b"read".to_vec())).unwrap();
    let arrived = tokio::time::timeout(LIMIT, arriving.recv()).await.expect("Raft waits for transactions");
    assert_eq!(arrived.unwrap().payload, Some(Payload::ConsensusRequest(consensus(b"read".to_vec()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_pulled_by_those_who_may_read() {
    let node = TestNode::ordering().await;
    let mut call = node.client().await.broadcast().await;
    for number in 1..5_u8 {
        call.send(&transaction(&node.org.member("client"), &[number]));
        assert_eq!(call.answer().await.0, BlockStatus::Success);
    }
    let source = |signer, channel_id: &str| {
        let options = PullerOptions {
            dialer: dialer(None),
            root_cas: Vec::new(),
            signer: Arc::new(signer),
            pull_timeout: LIMIT,
            messages: MESSAGES,
        };
        let config = node.node.registrar().channels().get(CHANNEL).unwrap().state().bundle();
        Pullers::new(options).for_channel(channel_id, &config)
    };
    let member = source(node.org.member("orderer"), CHANNEL);
    let endpoint = format!("127.0.0.1:{}", node.port());
    assert_eq!(member.heights().await, [(endpoint, 5)]);
    let pulled = |source: Arc<dyn BlockSource>, first, last| async move {
        let blocks = source.pull(first, last).await?;
        Ok::<Vec<_>, SourceError>(blocks.map(|block| block.unwrap().number()).collect().await)
    };
    assert_eq!(pulled(member.clone(), 1, Some(3)).await.unwrap(), [1, 2, 3]);
    assert_eq!(pulled(member.clone(), 4, Some(4)).await.unwrap(), [4]);
    let beyond = pulled(member.clone(), 5, Some(9)).await.unwrap_err();
    assert!(matches!(&beyond, SourceError::Unreachable { first: 5, .. }), "{beyond}");
    let stranger = source(Org::new().member("orderer"), CHANNEL);
    assert_eq!(stranger.heights().await, []);
    assert_eq!(pulled(stranger, 1, Some(1)).await.unwrap_err(), SourceError::Forbidden);
    let elsewhere = pulled(source(node.org.member("orderer"), "elsewhere"), 0, None).await.unwrap_err();
    assert!(elsewhere.to_string().contains("status:NOT_FOUND"), "{elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_all_that_is_wanted_is_asked_first() {
    let org = Arc::new(Org::new());
    let (ahead, behind) = (
        TestNode::of(org.clone(), &tls_section(false)).await,
        TestNode::of(org.clone(), &tls_section(false)).await,
    );
    for (node, transactions) in [(&ahead, 3_u8), (&behind, 1)] {
        node.join_alone(CHANNEL).await;
        let mut call = node.client().await.broadcast().await;
        for number in 0..transactions {
            call.send(&transaction(&org.member("client"), &[number]));
            assert_eq!(call.answer().await.0, BlockStatus::Success);
        }
    }
    let both = [&ahead, &behind].map(|node| consenter(node.port(), &node.tls.pair.certificate_pem));
    let config = Bundle::from_config_block(&org.genesis(CHANNEL, both.to_vec(), 1)).unwrap();
    let options = PullerOptions {
        dialer: dialer(None),
        root_cas: Vec::new(),
        signer: Arc::new(org.member("orderer")),
        pull_timeout: LIMIT,
        messages: MESSAGES,
    };
    let source = Pullers::new(options).for_channel(CHANNEL, &config);
    let pulled = |first, last| {
        let source = source.clone();
        let all = async move {
            let blocks = source.pull(first, Some(last)).await.unwrap();
            blocks.map(|block| block.unwrap().number()).collect::<Vec<_>>().await
        };
        async { tokio::time::timeout(LIMIT, all).await.expect("it waits for what nobody has") }
    };
    for _ in 0..8 {
        assert_eq!(pulled(1, 3).await, [1, 2, 3]);
    }
    ahead.node.stop().await;
    assert_eq!(pulled(1, 3).await, [1], "the rest is asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_gets_the_last_messages() {
    let (org, directory) = (Org::new(), TempDir::new().unwrap());
    let keys = org.tls_files(directory.path(), "other");
    let (received, mut arriving) = mpsc::unbounded_channel();
    let other = Other::start(&keys, 0, Some(received)).await;
    let transport = transport(&org, LIMIT);
    transport.configure(CHANNEL, vec![peer(other.port, &keys)]);
    for number in 0..3_u8 {
        transport.send_consensus(CHANNEL, 2, consensus(vec![number])).unwrap();
    }
    transport.configure(CHANNEL, Vec::new());
    let unknown = transport.send_consensus(CHANNEL, 2, consensus(vec![])).unwrap_err();
    assert_eq!(unknown.to_string(), "node 2 doesn't exist in channel testchannel's membership");
    for number in 0..3_u8 {
        let arrived = tokio::time::timeout(LIMIT, arriving.recv()).await.expect("it was cut off");
        assert_eq!(arrived.unwrap().payload, Some(Payload::ConsensusRequest(consensus(vec![number]))));
    }
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_replicates_and_serves_nobody() {
    let org = Arc::new(Org::new());
    let (leader, follower) = (
        TestNode::of(org.clone(), &tls_section(false)).await,
        TestNode::of(org.clone(), &tls_section(false)).await,
    );
    let genesis = org.genesis(CHANNEL, vec![consenter(leader.port(), &leader.tls.pair.certificate_pem)], 1);
    assert!(Bundle::from_config_block(&genesis).is_ok());
    leader.join_alone(CHANNEL).await;
    let handle = leader.node.registrar().channels().get(CHANNEL).unwrap();
    let genesis = handle.state().ledger().block(0).unwrap().unwrap().block().clone();
    let info = follower.participation().join(genesis).await.unwrap();
    assert_eq!(
        (info.relation.to_string(), info.status.to_string(), info.height),
        ("follower".to_owned(), "onboarding".to_owned(), 0),
        "the answer says how the join leaves it"
    );

    let user = org.member("client");
    let mut call = leader.client().await.broadcast().await;
    for number in 1..4_u8 {
        call.send(&transaction(&user, &[number]));
        assert_eq!(call.answer().await.0, BlockStatus::Success);
    }
    follower.reaches(CHANNEL, 4).await;
    assert_eq!(follower.participation().info(CHANNEL).unwrap().status.to_string(), "active");

    let client = follower.client().await;
    let mut call = client.broadcast().await;
    call.send(&transaction(&user, b"x"));
    assert_eq!(call.answer().await.0, BlockStatus::BadRequest);
    let mut call = client.deliver().await;
    call.send(&seek(&user, &Default::default()));
    assert_eq!(call.block_or_status().await, Err(BlockStatus::NotFound));
    follower.participation().remove(CHANNEL).await.unwrap();
}

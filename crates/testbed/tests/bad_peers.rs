//! Connections that are not what they should be: strangers to TLS, noise, and cluster messages of
//! those who are no consenters, or who are and send nonsense.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use cli::client::connection::{Connection, Endpoint};
use cli::client::participation;
use cli::client::tls::Tls;
use identity::generate::Validity;
use protos::orderer::step_request::Payload;
use protos::orderer::{ConsensusRequest, StepRequest, SubmitRequest};
use protos::{Message, raftpb};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};
use testbed::network::{self, Network, NetworkOptions};
use testbed::{forge, probe, wait};

fn started() -> Network {
    let environment = vec![
        ("ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED".to_owned(), "true".to_owned()),
        ("ORDERER_GENERAL_CONNECTIONTIMEOUT".to_owned(), "1s".to_owned()),
    ];
    Network::start(&NetworkOptions { environment, ..NetworkOptions::default() })
}

fn with_tls(network: &Network, tls: Option<&Tls>) -> Endpoint {
    network::endpoint(network.endpoint(0).address.clone(), tls)
}

/// A connection of another node: with its certificate.
fn connect_as(network: &Network, folder: &Path, name: &str) -> Connection {
    let layout = network.layout();
    let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    let tls = network::client_tls(&layout.tls_ca(), &certificate, &key);
    network.runtime().block_on(with_tls(network, Some(&tls)).connect()).unwrap()
}

#[test]
fn connections_that_are_not_what_they_should_be() {
    let mut network = started();
    let elsewhere = tempfile::tempdir().unwrap();
    let roots = network.layout().tls_ca();
    let valid = Validity::from_now(forge::now_unix());
    let own = forge::authority(&network.layout().root.join("tls-ca"));
    let identities = forge::authority(&network.layout().root.join("client-org/ca"));
    let forged = [
        ("a foreign CA", forge::tls_client(&elsewhere.path().join("a"), &roots, &forge::stranger(), valid)),
        (
            "an expired certificate",
            forge::tls_client(&elsewhere.path().join("b"), &roots, &own, forge::expired()),
        ),
        (
            "a certificate for another use",
            forge::tls_client(&elsewhere.path().join("c"), &roots, &identities, valid),
        ),
        ("no certificate", Tls::load(std::slice::from_ref(&roots), None).unwrap()),
    ];
    let envelope = network.signer().transaction(Bytes::from_static(b"data")).unwrap().envelope;
    let refused = |name: &str, endpoint: Endpoint| {
        let envelope = envelope.clone();
        let answer = network.runtime().block_on(async move {
            // With TLS 1.3 a client learns only afterwards that its certificate was refused.
            match endpoint.connect().await {
                Ok(connection) => probe::broadcast(&connection, envelope).await,
                Err(error) => error.to_string(),
            }
        });
        assert!(!answer.starts_with("SUCCESS") && answer != "no answer", "{name}: {answer}");
    };
    for (name, tls) in &forged {
        refused(name, with_tls(&network, Some(tls)));
    }
    refused("plain text", with_tls(&network, None));

    for (name, noise) in [
        ("random bytes", &[0xa5; 4096][..]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("the beginning of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("half a handshake", &[0x16, 3, 1, 0x40, 0, 1]),
        ("silence", b""),
    ] {
        let mut stream = TcpStream::connect(&network.endpoint(0).address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(noise).unwrap();
        let began = Instant::now();
        let mut rest = Vec::new();
        let read = stream.read_to_end(&mut rest);
        let timed_out = read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!timed_out, "{name}: the node keeps the connection after {:?}", began.elapsed());
    }
    network.check_unharmed();
}

fn step(payload: Payload) -> Bytes {
    StepRequest { payload: Some(payload) }.encode_to_vec().into()
}

fn consensus(channel: &str, payload: Vec<u8>) -> Bytes {
    let payload = payload.into();
    let request = ConsensusRequest { channel: channel.to_owned(), payload, ..ConsensusRequest::default() };
    step(Payload::ConsensusRequest(request))
}

fn submit(channel: &str, payload: Vec<u8>) -> Bytes {
    let payload = payload.into();
    step(Payload::SubmitRequest(SubmitRequest {
        channel: channel.to_owned(),
        payload,
        ..SubmitRequest::default()
    }))
}

#[test]
fn cluster_messages_that_are_not_what_they_should_be() {
    let mut network = started();
    let layout = network.layout().clone();
    let client = network.connect(0);
    let node = connect_as(&network, &layout.node_dir(&layout.nodes[1]).join("tls"), "server");
    let admin = connect_as(&network, &layout.admin_tls(), "client");
    let raft = |kind: i32| raftpb::Message { r#type: Some(kind), to: Some(1), ..raftpb::Message::default() };
    let hup = raft(raftpb::MessageType::MsgHup as i32).encode_to_vec();
    let unknown = raft(77).encode_to_vec();
    let no_snapshot = raft(raftpb::MessageType::MsgSnap as i32).encode_to_vec();
    let gap = raftpb::Message {
        entries: vec![raftpb::Entry { index: Some(u64::MAX), ..raftpb::Entry::default() }],
        index: Some(u64::MAX),
        ..raft(raftpb::MessageType::MsgApp as i32)
    };
    let not_authorized = "Unknown: certificate extracted from TLS connection isn't authorized";
    let table: Vec<(&str, &Connection, Bytes, &str)> = vec![
        ("a client's stream", &client, consensus("ch1", Vec::new()), not_authorized),
        ("a client's submission", &client, submit("ch1", b"x".to_vec()), not_authorized),
        ("an administrator's stream", &admin, consensus("ch1", Vec::new()), not_authorized),
        ("garbage", &node, vec![0xff; 100].into(), "Internal: grpc: error unmarshalling request"),
        ("nothing", &node, Bytes::new(), "Unknown: message is neither a Submit nor a Consensus request"),
        (
            "no channel",
            &node,
            consensus("", Vec::new()),
            "Unknown: badly formatted message, cannot extract channel",
        ),
        (
            "an unknown channel",
            &node,
            consensus("nosuch", Vec::new()),
            "Unknown: channel nosuch doesn't exist",
        ),
        ("a Raft message of garbage", &node, consensus("ch1", vec![0xff; 10]), "Unknown: "),
        ("a Raft message of nested groups", &node, consensus("ch1", vec![0x7b; 100_000]), "Unknown: "),
        ("a Raft message of no type", &node, consensus("ch1", unknown), "Unknown: "),
        ("a Raft message to oneself", &node, consensus("ch1", hup), "Unknown: "),
        ("a snapshot without snapshot", &node, consensus("ch1", no_snapshot), "Unknown: "),
        ("entries beyond the last number", &node, consensus("ch1", gap.encode_to_vec()), "Unknown: "),
        ("a submission of nothing", &node, submit("ch1", Vec::new()), "Unknown: "),
        ("a submission of garbage", &node, submit("ch1", vec![0xff; 10]), "Unknown: "),
        ("a submission without header", &node, submit("ch1", vec![0x0a, 0]), "Unknown: "),
    ];
    for (name, connection, message, expected) in table {
        let answer = network.runtime().block_on(probe::step(connection, message));
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
    network.check_unharmed();

    // A consenter that speaks of entries that this node never had: going on could break promises
    // that a lost log had made. That node's channel stops, says why, and the others go on.
    let heartbeat = raftpb::Message {
        term: Some(1_000),
        commit: Some(u64::MAX),
        ..raft(raftpb::MessageType::MsgHeartbeat as i32)
    };
    let port = layout.nodes[0].operations_port;
    network.runtime().block_on(async {
        let message = tokio_stream::once(consensus("ch1", heartbeat.encode_to_vec()));
        let _ = node.stream::<protos::orderer::StepResponse>("/orderer.Cluster/Step", message).await;
    });
    let health = wait::until("the node to say so", Duration::from_secs(20), || {
        network::http_get(port, "/healthz").filter(|health| health.contains("failed_checks"))
    });
    assert!(health.contains("ch1: ") && health.contains("the write-ahead log was lost"), "{health}");
    let admin_tls = network::client_tls(&layout.tls_ca(), &layout.admin_certificate(), &layout.admin_key());
    let admin = network::endpoint(layout.nodes[0].admin_address(), Some(&admin_tls));
    let info = network.runtime().block_on(participation::channel(&admin, "ch1")).unwrap().unwrap();
    assert_eq!(info.status, "failed");
    assert!(!network.node(0).log().contains("panicked"));
    // The log was not lost after all, so that a restart mends it.
    network.node(0).kill();
    network.start_all();
    network.check_unharmed();
}

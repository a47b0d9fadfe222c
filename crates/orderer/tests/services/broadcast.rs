//! Broadcast: statuses, texts, order, limits.

use bytes::Bytes;
use channel::envelope::Draft;
use identity::{generate::Validity, signing::SigningIdentity};
use prost::Message;
use protos::{
    common::{ChannelHeader, Envelope, Header, HeaderType, Payload, Status},
    orderer::BroadcastResponse,
};

use crate::{
    client::{transaction, transaction_for},
    material::{Org, now_unix},
    node::{CHANNEL, TestNode, tls_section},
};

fn with_header(header: Option<Header>) -> Envelope {
    let payload = Payload { header, data: Bytes::new() };
    Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() }
}

fn of_type(kind: HeaderType, signer: &SigningIdentity) -> Envelope {
    Draft::new(kind, CHANNEL, Bytes::from_static(b"x"), now_unix()).sign(signer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_status_and_text_and_ends_the_stream() {
    let node = TestNode::ordering().await;
    let client = node.client().await;
    let user = node.org.member("client");
    let admin = node.org.member("admin");
    let stranger = Org::new().member("client");
    let expired = Validity { not_before_unix: now_unix() - 7200, not_after_unix: now_unix() - 3600 };
    let expired = node.org.member_until("client", expired);
    let no_channel = Header { channel_header: Bytes::new(), signature_header: Bytes::new() };
    let bad_channel = Header { channel_header: Bytes::from_static(&[0xff]), ..no_channel.clone() };
    let mut forged = transaction(&user, b"forged");
    forged.signature = transaction(&user, b"other").signature;
    let direct = "message is of type that cannot be processed directly";
    let unknown = "channel creation request not allowed because the orderer system channel is not defined";
    let denied = "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires \
                  1 of the 'Writers' sub-policies to be satisfied: permission denied";
    for (envelope, status, text) in [
        (
            Envelope { payload: Bytes::from_static(&[0xff]), signature: Bytes::new() },
            Status::BadRequest,
            "could not determine channel ID: error unmarshalling Payload: proto:",
        ),
        (Envelope::default(), Status::BadRequest, "could not determine channel ID: header not set"),
        (with_header(None), Status::BadRequest, "could not determine channel ID: header not set"),
        (
            with_header(Some(no_channel)),
            Status::BadRequest,
            "could not determine channel ID: channel header not set",
        ),
        (
            with_header(Some(bad_channel)),
            Status::BadRequest,
            "could not determine channel ID: error unmarshalling channel header: error unmarshalling ChannelHeader: proto:",
        ),
        (transaction_for("elsewhere", &user, b"x"), Status::BadRequest, unknown),
        (of_type(HeaderType::Config, &user), Status::BadRequest, direct),
        (of_type(HeaderType::OrdererTransaction, &user), Status::BadRequest, direct),
        (transaction(&user, &[1; 70_000]), Status::BadRequest, "message payload is "),
        (transaction(&expired, b"x"), Status::BadRequest, "broadcast client identity expired"),
        (transaction(&admin, b"x"), Status::Forbidden, denied),
        (transaction(&stranger, b"x"), Status::Forbidden, denied),
        (forged, Status::Forbidden, denied),
        (
            of_type(HeaderType::ConfigUpdate, &admin),
            Status::Forbidden,
            "config update for existing channel did not pass initial checks: implicit policy evaluation failed",
        ),
        (
            of_type(HeaderType::ConfigUpdate, &user),
            Status::BadRequest,
            "error applying config update to existing channel 'testchannel': ",
        ),
    ] {
        let mut call = client.broadcast().await;
        call.send(&envelope);
        call.send(&transaction(&user, b"after a refusal"));
        let (answered, info) = call.answer().await;
        assert_eq!(answered, status, "{info}");
        assert!(info.starts_with(text), "{info:?} instead of {text:?}");
        assert!(call.has_ended().await, "{text}");
    }
    assert_eq!(node.height(CHANNEL), 1, "something was ordered");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_envelope_end_the_call_with_an_error() {
    let node = TestNode::ordering().await;
    let client = node.client().await;
    let user = node.org.member("client");
    for (garbage, code) in [
        (Bytes::from_static(&[0x0a, 0xff, 0xff]), tonic::Code::Internal),
        (Bytes::from(vec![0; 1_000_001]), tonic::Code::ResourceExhausted),
    ] {
        let mut call = client.broadcast().await;
        call.send(&transaction(&user, b"before"));
        assert_eq!(call.answer().await.0, Status::Success);
        call.send_raw(garbage);
        let status = call.next::<BroadcastResponse>().await.unwrap().unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    }
    let mut call = client.broadcast().await;
    call.send(&transaction(&user, b"still there"));
    assert_eq!(call.answer().await, (Status::Success, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_ordered_as_it_came_and_kept_when_it_is_acknowledged() {
    let node = TestNode::ordering().await;
    let client = node.client().await;
    let user = node.org.member("client");
    let sent: Vec<_> = (0..1_500_u32).map(|n| transaction(&user, &n.to_be_bytes()).encode_to_vec()).collect();
    let mut call = client.broadcast().await;
    for envelope in &sent {
        call.send_raw(envelope.clone().into());
    }
    for number in 0..sent.len() {
        assert_eq!(call.answer().await, (Status::Success, String::new()), "message {number}");
        assert!(
            node.height(CHANNEL) > number as u64 + 1,
            "message {number} was acknowledged before it was kept"
        );
    }
    let handle = node.node.registrar().channels().get(CHANNEL).unwrap();
    let ledger = handle.state().ledger();
    let ordered: Vec<_> =
        (1..ledger.height()).flat_map(|n| ledger.block(n).unwrap().unwrap().data().to_vec()).collect();
    assert_eq!(ordered, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_leader_is_unavailable() {
    let node = TestNode::new(&tls_section(false)).await;
    let other = node.org.tls_files(node.directory.path(), "other");
    // Nobody listens where the second consenter should be.
    let consenters = vec![
        crate::material::consenter(node.port(), &node.tls.pair.certificate_pem),
        crate::material::consenter(1, &other.pair.certificate_pem),
    ];
    node.join(node.org.genesis(CHANNEL, consenters, 1)).await;
    let client = node.client().await;
    let mut call = client.broadcast().await;
    call.send(&transaction(&node.org.member("client"), b"x"));
    assert_eq!(call.answer().await, (Status::ServiceUnavailable, "no Raft leader".to_owned()));
    assert!(call.has_ended().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_methods_are_named() {
    let node = TestNode::new(&tls_section(false)).await;
    let client = node.client().await;
    for (path, text) in [
        ("/orderer.AtomicBroadcast/Guess", "unknown method Guess for service orderer.AtomicBroadcast"),
        ("/grpc.health.v1.Health/Check", "unknown service grpc.health.v1.Health"),
    ] {
        let status = client.call(path).await.err().unwrap();
        assert_eq!((status.code(), status.message()), (tonic::Code::Unimplemented, text));
    }
    // A header that names the channel of a follower or of nobody is the same to a client.
    let header = ChannelHeader { channel_id: CHANNEL.to_owned(), ..ChannelHeader::default() };
    let header = Header { channel_header: header.encode_to_vec().into(), signature_header: Bytes::new() };
    let mut call = client.broadcast().await;
    call.send(&with_header(Some(header)));
    assert_eq!(call.answer().await.0, Status::BadRequest);
}

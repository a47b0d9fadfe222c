//! Deliver: checks, positions, waiting.

use bytes::Bytes;
use channel::envelope::Draft;
use protos::{
    common::{Envelope, HeaderType, Status},
    orderer::{
        SeekInfo, SeekNewest, SeekNextCommit, SeekOldest, SeekPosition, seek_info::SeekBehavior,
        seek_info::SeekErrorResponse, seek_position::Type,
    },
};

use crate::{
    client::{Call, Client, at, position, seek, seek_draft, transaction},
    material::{Org, consenter, now_unix},
    node::{CHANNEL, TestNode, tls_section},
};

/// A node whose channel has blocks 0 to 3.
async fn node_with_blocks() -> (TestNode, Client) {
    let node = TestNode::ordering().await;
    let client = node.client().await;
    let user = node.org.member("client");
    let mut call = client.broadcast().await;
    for number in 1..4_u8 {
        call.send(&transaction(&user, &[number]));
        assert_eq!(call.answer().await.0, Status::Success);
    }
    (node, client)
}

fn range(start: Option<SeekPosition>, stop: Option<SeekPosition>, behavior: SeekBehavior) -> SeekInfo {
    SeekInfo { start, stop, behavior: behavior.into(), ..SeekInfo::default() }
}

/// All blocks up to the status.
async fn blocks_and_status(call: &mut Call) -> (Vec<u64>, Status) {
    let mut numbers = Vec::new();
    loop {
        match call.block_or_status().await {
            Ok(number) => numbers.push(number),
            Err(status) => return (numbers, status),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_give_their_blocks() {
    let (node, client) = node_with_blocks().await;
    let reader = node.org.member("client");
    let oldest = position(Type::Oldest(SeekOldest {}));
    let newest = position(Type::Newest(SeekNewest {}));
    let next = position(Type::NextCommit(SeekNextCommit {}));
    let (wait, fail) = (SeekBehavior::BlockUntilReady, SeekBehavior::FailIfNotReady);
    for (start, stop, behavior, blocks, status) in [
        (oldest, newest, wait, &[0, 1, 2, 3][..], Status::Success),
        (oldest, oldest, wait, &[0], Status::Success),
        (newest, newest, wait, &[3], Status::Success),
        (at(1), at(2), fail, &[1, 2], Status::Success),
        (oldest, next, wait, &[0], Status::Success),
        (at(2), at(9), fail, &[2, 3], Status::NotFound),
        (at(4), at(4), fail, &[], Status::NotFound),
        (at(5), at(9), wait, &[], Status::NotFound),
        (at(3), at(2), wait, &[], Status::BadRequest),
        (Some(SeekPosition { r#type: None }), newest, wait, &[], Status::NotFound),
        (None, newest, wait, &[], Status::BadRequest),
        (oldest, None, wait, &[], Status::BadRequest),
    ] {
        let mut call = client.deliver().await;
        call.send(&seek(&reader, &range(start, stop, behavior)));
        let answer = blocks_and_status(&mut call).await;
        assert_eq!(answer, (blocks.to_vec(), status), "{start:?} to {stop:?}");
        if status == Status::Success {
            // The stream takes the next request.
            call.send(&seek(&reader, &range(at(1), at(1), wait)));
            assert_eq!(blocks_and_status(&mut call).await, (vec![1], Status::Success));
        } else {
            assert!(call.has_ended().await, "{start:?} to {stop:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_waits_for_the_blocks_to_come() {
    let (node, client) = node_with_blocks().await;
    let user = node.org.member("client");
    let next = position(Type::NextCommit(SeekNextCommit {}));
    let mut call = client.deliver().await;
    call.send(&seek(&user, &range(at(3), at(5), SeekBehavior::BlockUntilReady)));
    assert_eq!(call.block_or_status().await, Ok(3));
    let mut from_next = client.deliver().await;
    // Fail-if-not-ready does not hold for what is to be committed next.
    from_next.send(&seek(&user, &range(next, at(4), SeekBehavior::FailIfNotReady)));
    let mut broadcast = client.broadcast().await;
    for number in 4..6_u8 {
        broadcast.send(&transaction(&user, &[number]));
        assert_eq!(broadcast.answer().await.0, Status::Success);
        assert_eq!(call.block_or_status().await, Ok(u64::from(number)));
    }
    assert_eq!(call.block_or_status().await, Err(Status::Success));
    // The request may have come after block 4 was there: then it starts at 5 and is past its stop.
    if let Ok(number) = from_next.block_or_status().await {
        assert!(number >= 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_checked() {
    let (node, client) = node_with_blocks().await;
    let reader = node.org.member("client");
    let info = range(at(0), at(0), SeekBehavior::BlockUntilReady);
    let old = Draft::new(HeaderType::DeliverSeekInfo, CHANNEL, Bytes::new(), now_unix() - 3600);
    let not_seek = Draft::new(HeaderType::Message, CHANNEL, Bytes::from_static(&[0xff]), now_unix());
    let unknown = seek_draft("elsewhere", &info);
    let mut unsigned = seek(&reader, &info);
    unsigned.signature = Bytes::new();
    for (envelope, status) in [
        (Envelope::default(), Status::BadRequest),
        (old.sign(&reader).unwrap(), Status::BadRequest),
        (not_seek.sign(&reader).unwrap(), Status::BadRequest),
        (unknown.sign(&reader).unwrap(), Status::NotFound),
        (unsigned, Status::Forbidden),
        (seek(&Org::new().member("client"), &info), Status::Forbidden),
    ] {
        let mut call = client.deliver().await;
        call.send(&envelope);
        assert_eq!(call.block_or_status().await, Err(status));
        assert!(call.has_ended().await, "{status:?}");
    }
    let mut call = client.deliver().await;
    call.send_raw(Bytes::from_static(&[0x0a, 0xff, 0xff]));
    let status = call.next::<protos::orderer::DeliverResponse>().await.unwrap().unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mutual_tls_requests_are_bound_to_the_connection() {
    let node = TestNode::new(&tls_section(true)).await;
    node.join_alone(CHANNEL).await;
    let client = node.client().await;
    let reader = node.org.member("client");
    let info = range(at(0), at(0), SeekBehavior::BlockUntilReady);
    let unbound = seek_draft(CHANNEL, &info);
    let foreign = unbound.clone().with_tls_cert_hash(Bytes::from_static(&[1; 32]));
    let bound = unbound.clone().with_tls_cert_hash(client.binding());
    for (draft, expected) in
        [(unbound, Err(Status::BadRequest)), (foreign, Err(Status::BadRequest)), (bound, Ok(0))]
    {
        let mut call = client.deliver().await;
        call.send(&draft.sign(&reader).unwrap());
        assert_eq!(call.block_or_status().await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_leader_only_best_effort_is_served() {
    let node = TestNode::new(&tls_section(false)).await;
    let files = ["second", "third"].map(|name| node.org.tls_files(node.directory.path(), name));
    let mut consenters = vec![consenter(node.port(), &node.tls.pair.certificate_pem)];
    consenters.extend(files.iter().map(|other| consenter(1, &other.pair.certificate_pem)));
    node.join(node.org.genesis(CHANNEL, consenters, 1)).await;
    let client = node.client().await;
    let info = range(at(0), at(0), SeekBehavior::BlockUntilReady);
    let best_effort = SeekInfo { error_response: SeekErrorResponse::BestEffort.into(), ..info };
    // The fault comes before the rights: a stranger is told the same.
    for (signer, info, expected) in [
        (node.org.member("client"), info, Err(Status::ServiceUnavailable)),
        (Org::new().member("client"), info, Err(Status::ServiceUnavailable)),
        (node.org.member("client"), best_effort, Ok(0)),
    ] {
        let mut call = client.deliver().await;
        call.send(&seek(&signer, &info));
        assert_eq!(call.block_or_status().await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_stream_ends_with_its_channel() {
    let (node, client) = node_with_blocks().await;
    let mut call = client.deliver().await;
    let reader = node.org.member("client");
    call.send(&seek(&reader, &range(at(3), at(100), SeekBehavior::BlockUntilReady)));
    assert_eq!(call.block_or_status().await, Ok(3));
    node.participation().remove(CHANNEL).await.unwrap();
    assert_eq!(call.block_or_status().await, Err(Status::ServiceUnavailable));
    let mut call = client.deliver().await;
    call.send(&seek(&reader, &range(at(0), at(0), SeekBehavior::BlockUntilReady)));
    assert_eq!(call.block_or_status().await, Err(Status::NotFound));
}

//! Deliver gets requests that are wrong, or ask for what is not there: reference rules in the order
//! in which they are checked, then all positions.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::envelope::{self, Draft};
use cli::sandbox::layout::CLIENT_MSPID;
use identity::generate::Validity;
use identity::signing::SigningIdentity;
use protos::common::{ChannelHeader, Envelope, Header, HeaderType, Payload};
use protos::orderer::seek_info::SeekBehavior::{self, BlockUntilReady, FailIfNotReady};
use protos::orderer::seek_position::Type as At;
use protos::orderer::{SeekInfo, SeekNewest, SeekNextCommit, SeekOldest, SeekPosition, SeekSpecified};
use protos::{Message, Timestamp};
use std::time::Duration;
use testbed::network::{self, Network, NetworkOptions};
use testbed::{forge, probe, wait};

fn started() -> Network {
    let mutual = ("ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED".to_owned(), "true".to_owned());
    let options = NetworkOptions { nodes: 1, environment: vec![mutual], ..NetworkOptions::default() };
    Network::start(&options)
}

fn position(at: Option<At>) -> Option<SeekPosition> {
    Some(SeekPosition { r#type: at })
}

fn number(number: u64) -> Option<At> {
    Some(At::Specified(SeekSpecified { number }))
}

const OLDEST: Option<At> = Some(At::Oldest(SeekOldest {}));
const NEWEST: Option<At> = Some(At::Newest(SeekNewest {}));
const NEXT_COMMIT: Option<At> = Some(At::NextCommit(SeekNextCommit {}));

fn seek(start: Option<At>, stop: Option<At>, behavior: SeekBehavior) -> Vec<u8> {
    SeekInfo { start: position(start), stop: position(stop), behavior: behavior as i32, error_response: 0 }
        .encode_to_vec()
}

/// The same envelope with another channel header, signed again.
fn with_header(draft: &Draft, signer: &SigningIdentity, change: impl Fn(&mut ChannelHeader)) -> Bytes {
    let signed = draft.clone().sign(signer).unwrap();
    let mut payload = envelope::payload(&signed).unwrap();
    let mut header = envelope::channel_header(&signed).unwrap();
    change(&mut header);
    let signature_header = payload.header.unwrap().signature_header;
    payload.header = Some(Header { channel_header: header.encode_to_vec().into(), signature_header });
    let payload = Bytes::from(payload.encode_to_vec());
    Envelope { signature: signer.sign(&payload).unwrap(), payload }.encode_to_vec().into()
}

/// How many requests with good headers the node has counted.
fn requests_received(network: &Network) -> f64 {
    let port = network.layout().nodes[0].operations_port;
    let metrics = network::http_get(port, "/metrics").unwrap_or_default();
    let counted = metrics.lines().find(|line| line.starts_with("deliver_requests_received{"));
    counted.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn requests_that_are_wrong_or_ask_for_what_is_not_there() {
    let mut network = started();
    network.order_through_all();
    let height = network.settled_height();
    assert_eq!(height, 2, "genesis and one more");
    let layout = network.layout().clone();
    let client = network::signing_identity(&layout.client_msp(), CLIENT_MSPID);
    let clients = forge::authority(&layout.root.join("client-org/ca"));
    let valid = Validity::from_now(forge::now_unix());
    let connection = network.connect(0);
    let now = forge::now_unix();
    let draft = |data: Vec<u8>, channel: &str| {
        Draft::new(HeaderType::DeliverSeekInfo, channel, data.into(), now)
            .with_tls_cert_hash(connection.certificate_hash().clone())
    };
    let good = draft(seek(OLDEST, NEWEST, FailIfNotReady), "ch1");
    let changed = |change: &dyn Fn(&mut ChannelHeader)| with_header(&good, &client, change);
    let signed_by =
        |signer: &SigningIdentity| Bytes::from(good.clone().sign(signer).unwrap().encode_to_vec());
    let raw = |payload: Payload| -> Bytes {
        Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() }.encode_to_vec().into()
    };
    let forged_signature = Envelope { signature: "signature".into(), ..good.clone().sign(&client).unwrap() };
    let of = |data: Vec<u8>| -> Bytes { draft(data, "ch1").sign(&client).unwrap().encode_to_vec().into() };
    let incomplete = |start, stop| of(SeekInfo { start, stop, ..SeekInfo::default() }.encode_to_vec());
    let time = |seconds| Some(Timestamp { seconds, nanos: 0 });

    let requests: Vec<(&str, Bytes, &str)> = vec![
        ("garbage", vec![0xff; 50].into(), "Internal: grpc: error unmarshalling request"),
        ("nothing", Bytes::new(), "BAD_REQUEST"),
        ("no header", raw(Payload { header: None, data: Bytes::new() }), "BAD_REQUEST"),
        (
            "empty headers",
            raw(Payload { header: Some(Header::default()), data: Bytes::new() }),
            "BAD_REQUEST",
        ),
        ("no time", changed(&|header| header.timestamp = None), "BAD_REQUEST"),
        ("an hour ago", changed(&|header| header.timestamp = time(now - 3600)), "BAD_REQUEST"),
        ("in an hour", changed(&|header| header.timestamp = time(now + 3600)), "BAD_REQUEST"),
        ("the beginning of time", changed(&|header| header.timestamp = time(i64::MIN)), "BAD_REQUEST"),
        ("the end of time", changed(&|header| header.timestamp = time(i64::MAX)), "BAD_REQUEST"),
        ("not bound to TLS", changed(&|header| header.tls_cert_hash = Bytes::new()), "BAD_REQUEST"),
        (
            "bound to another client",
            changed(&|header| header.tls_cert_hash = vec![7; 32].into()),
            "BAD_REQUEST",
        ),
        ("an unknown channel", changed(&|header| header.channel_id = "nosuch".to_owned()), "NOT_FOUND"),
        ("a payload of garbage", of(vec![0xff; 10]), "BAD_REQUEST"),
        ("signed by nobody", forged_signature.encode_to_vec().into(), "FORBIDDEN"),
        ("an unknown MSP", signed_by(&forge::client(&clients, "NobodyMSP", valid)), "FORBIDDEN"),
        ("a foreign CA", signed_by(&forge::client(&forge::stranger(), CLIENT_MSPID, valid)), "FORBIDDEN"),
        (
            "an expired client",
            signed_by(&forge::client(&clients, CLIENT_MSPID, forge::expired())),
            "FORBIDDEN",
        ),
        ("neither start nor stop", incomplete(None, None), "BAD_REQUEST"),
        ("no start", incomplete(None, position(NEWEST)), "BAD_REQUEST"),
        ("no stop", incomplete(position(OLDEST), None), "BAD_REQUEST"),
        ("another type, which does not matter", changed(&|header| header.r#type = 3), "0 1 SUCCESS"),
        ("a right one", signed_by(&client), "0 1 SUCCESS"),
    ];
    for (name, request, expected) in requests {
        let answer = network.runtime().block_on(probe::deliver(&connection, request));
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }

    let positions = [
        (OLDEST, OLDEST, FailIfNotReady, "0 SUCCESS"),
        (OLDEST, NEWEST, FailIfNotReady, "0 1 SUCCESS"),
        (OLDEST, number(1), BlockUntilReady, "0 1 SUCCESS"),
        (OLDEST, number(7), FailIfNotReady, "0 1 NOT_FOUND"),
        (OLDEST, NEXT_COMMIT, BlockUntilReady, "0 SUCCESS"),
        (OLDEST, None, BlockUntilReady, "0 SUCCESS"),
        (NEWEST, NEWEST, FailIfNotReady, "1 SUCCESS"),
        (NEWEST, OLDEST, FailIfNotReady, "1 SUCCESS"),
        (NEWEST, number(0), FailIfNotReady, "BAD_REQUEST"),
        (number(0), number(1), FailIfNotReady, "0 1 SUCCESS"),
        (number(1), NEWEST, FailIfNotReady, "1 SUCCESS"),
        (number(1), number(0), FailIfNotReady, "BAD_REQUEST"),
        (number(1), number(u64::MAX), FailIfNotReady, "1 NOT_FOUND"),
        (number(2), number(2), FailIfNotReady, "NOT_FOUND"),
        (number(3), number(3), FailIfNotReady, "NOT_FOUND"),
        (number(3), number(3), BlockUntilReady, "NOT_FOUND"),
        (number(u64::MAX), number(u64::MAX), BlockUntilReady, "NOT_FOUND"),
        (number(u64::MAX), number(0), BlockUntilReady, "NOT_FOUND"),
        (None, NEWEST, FailIfNotReady, "NOT_FOUND"),
        (None, None, BlockUntilReady, "NOT_FOUND"),
        (NEXT_COMMIT, number(0), BlockUntilReady, "BAD_REQUEST"),
        // The next block is waited for, and then there is one.
        (number(2), number(2), BlockUntilReady, "2 SUCCESS"),
        (NEXT_COMMIT, number(3), FailIfNotReady, "3 SUCCESS"),
    ];
    for (start, stop, behavior, expected) in positions {
        let mut received = requests_received(&network);
        let request = of(seek(start, stop, behavior));
        let asked = network.runtime().spawn({
            let connection = connection.clone();
            async move { probe::deliver(&connection, request).await }
        });
        if expected.starts_with(['2', '3']) {
            received += 1.0;
            wait::until("the request to arrive", Duration::from_secs(20), || {
                (requests_received(&network) >= received).then_some(())
            });
            network.order_through_all();
        }
        let answer = network.runtime().block_on(asked).unwrap();
        assert_eq!(answer, expected, "{start:?} to {stop:?}, {behavior:?}");
    }
    network.check_unharmed();
}

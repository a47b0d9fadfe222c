//! Broadcast gets what no client should send: each has its answer, and the node goes on.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::envelope::Draft;
use cli::sandbox::layout::CLIENT_MSPID;
use identity::generate::Validity;
use identity::signing::SigningIdentity;
use prost::encoding;
use protos::common::{
    ChannelHeader, ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope, Envelope, Header, HeaderType, Payload,
    SignatureHeader,
};
use protos::{Message, msp::SerializedIdentity};
use testbed::network::{self, Network, NetworkOptions};
use testbed::{forge, probe};

const MIB: usize = 1 << 20;
const NO_CHANNEL: &str =
    "BAD_REQUEST: channel creation request not allowed because the orderer system channel is not defined";
const NOT_ALLOWED: &str = "FORBIDDEN: implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied: permission denied";

fn message(kind: HeaderType, channel: &str, data: impl Into<Bytes>, signer: &SigningIdentity) -> Envelope {
    Draft::new(kind, channel, data.into(), forge::now_unix()).with_tx_id().sign(signer).unwrap()
}

fn payload(header: Option<Header>) -> Bytes {
    let payload = Payload { header, data: Bytes::from_static(b"data") };
    Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::from_static(b"signature") }
        .encode_to_vec()
        .into()
}

fn headers(channel_header: &[u8], signature_header: &[u8]) -> Option<Header> {
    let copy = Bytes::copy_from_slice;
    Some(Header { channel_header: copy(channel_header), signature_header: copy(signature_header) })
}

/// A message with this creator, and a signature of somebody.
fn created_by(creator: impl Into<Bytes>) -> Bytes {
    let channel = ChannelHeader { r#type: 3, channel_id: "ch1".to_owned(), ..ChannelHeader::default() };
    let signature = SignatureHeader { creator: creator.into(), nonce: Bytes::from_static(b"nonce") };
    payload(headers(&channel.encode_to_vec(), &signature.encode_to_vec()))
}

/// An encoded update of groups in groups in groups, much deeper than any configuration. Made by
/// hand: the encoder's own stack would not last for it.
fn deep(levels: usize) -> Vec<u8> {
    let field = |number: u32, content: &[u8]| {
        let mut out = Vec::new();
        encoding::encode_key(number, encoding::WireType::LengthDelimited, &mut out);
        encoding::encode_varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    };
    // A group's field 2 is a map of groups: entries of key (1) and value (2).
    let group =
        (0..levels).fold(Vec::new(), |inner, _| field(2, &[field(1, b"g"), field(2, &inner)].concat()));
    [field(1, b"ch1"), field(3, &group)].concat()
}

fn update_of(update: Vec<u8>) -> Vec<u8> {
    ConfigUpdateEnvelope { config_update: update.into(), signatures: Vec::new() }.encode_to_vec()
}

#[test]
fn envelopes_that_are_wrong_are_answered() {
    // More than the channel allows fits into a message, so that both limits are seen.
    let limit = ("ORDERER_GENERAL_MAXRECVMSGSIZE".to_owned(), (12 * MIB).to_string());
    let options = NetworkOptions { nodes: 1, environment: vec![limit], ..NetworkOptions::default() };
    let mut network = Network::start(&options);
    let layout = network.layout().clone();
    let client = network::signing_identity(&layout.client_msp(), CLIENT_MSPID);
    let clients = forge::authority(&layout.root.join("client-org/ca"));
    let valid = Validity::from_now(forge::now_unix());

    let normal = |signer: &SigningIdentity| message(HeaderType::Message, "ch1", "data", signer);
    let signed_by = |signer: &SigningIdentity| Bytes::from(normal(signer).encode_to_vec());
    let with_signature = |signature: &[u8]| -> Bytes {
        let signature = Bytes::copy_from_slice(signature);
        Envelope { signature, ..normal(&client) }.encode_to_vec().into()
    };
    let of_type =
        |kind, channel: &str| -> Bytes { message(kind, channel, "data", &client).encode_to_vec().into() };
    let of_size = |size: usize| -> Bytes {
        message(HeaderType::Message, "ch1", vec![7; size], &client).encode_to_vec().into()
    };
    let update = |data: Vec<u8>| -> Bytes {
        message(HeaderType::ConfigUpdate, "ch1", data, &client).encode_to_vec().into()
    };
    let channel = |name: &str| ConfigUpdate { channel_id: name.to_owned(), ..ConfigUpdate::default() };
    let broken_certificate = SerializedIdentity { mspid: CLIENT_MSPID.to_owned(), id_bytes: "no PEM".into() };

    let table: Vec<(&str, Bytes, &str)> = vec![
        ("garbage", vec![0xff; 100].into(), "Internal: grpc: error unmarshalling request: "),
        ("a truncated field", vec![0x0a, 0xff, 0x7f].into(), "Internal: grpc: error unmarshalling request: "),
        ("nested unknown groups", vec![0x1b; MIB].into(), "Internal: grpc: error unmarshalling request: "),
        ("nothing", Bytes::new(), "BAD_REQUEST: could not determine channel ID: header not set"),
        (
            "a payload of garbage",
            Envelope { payload: vec![0xff; 10].into(), signature: Bytes::new() }.encode_to_vec().into(),
            "BAD_REQUEST: could not determine channel ID: error unmarshalling Payload: proto:",
        ),
        (
            "a payload of nested groups",
            Envelope { payload: vec![0x1b; MIB].into(), signature: Bytes::new() }.encode_to_vec().into(),
            "BAD_REQUEST: could not determine channel ID: error unmarshalling Payload: proto:",
        ),
        ("no header", payload(None), "BAD_REQUEST: could not determine channel ID: header not set"),
        (
            "no channel header",
            payload(headers(b"", b"")),
            "BAD_REQUEST: could not determine channel ID: channel header not set",
        ),
        (
            "a channel header of garbage",
            payload(headers(&[0xff], b"")),
            "BAD_REQUEST: could not determine channel ID: error unmarshalling channel header: error unmarshalling ChannelHeader: proto:",
        ),
        (
            "a signature header of garbage",
            payload(headers(
                &ChannelHeader { channel_id: "ch1".to_owned(), ..ChannelHeader::default() }.encode_to_vec(),
                &[0xff],
            )),
            "BAD_REQUEST: could not convert message to signedData: ",
        ),
        ("an unknown channel", of_type(HeaderType::Message, "nosuch"), NO_CHANNEL),
        ("an update of an unknown channel", of_type(HeaderType::ConfigUpdate, "nosuch"), NO_CHANNEL),
        ("a channel without name", of_type(HeaderType::Message, ""), NO_CHANNEL),
        ("a channel that is a path", of_type(HeaderType::Message, "../../etc/passwd"), NO_CHANNEL),
        (
            "a config transaction",
            of_type(HeaderType::Config, "ch1"),
            "BAD_REQUEST: message is of type that cannot be processed directly",
        ),
        (
            "an orderer transaction",
            of_type(HeaderType::OrdererTransaction, "ch1"),
            "BAD_REQUEST: message is of type that cannot be processed directly",
        ),
        ("more than the channel allows", of_size(11 * MIB), "BAD_REQUEST: message payload is 11"),
        (
            "more than the node takes",
            of_size(13 * MIB),
            "ResourceExhausted: grpc: received message larger than max",
        ),
        ("no signature", with_signature(b""), NOT_ALLOWED),
        ("a signature of garbage", with_signature(b"signature"), NOT_ALLOWED),
        (
            "a signature of something else",
            with_signature(&client.sign(b"something else").unwrap()),
            NOT_ALLOWED,
        ),
        ("no creator", created_by(""), NOT_ALLOWED),
        ("a creator of garbage", created_by(vec![0xff; 20]), NOT_ALLOWED),
        ("a creator whose certificate is none", created_by(broken_certificate.encode_to_vec()), NOT_ALLOWED),
        ("an unknown MSP", signed_by(&forge::client(&clients, "NobodyMSP", valid)), NOT_ALLOWED),
        ("a foreign CA", signed_by(&forge::client(&forge::stranger(), CLIENT_MSPID, valid)), NOT_ALLOWED),
        (
            "an expired certificate",
            signed_by(&forge::client(&clients, CLIENT_MSPID, forge::expired())),
            "BAD_REQUEST: broadcast client identity expired",
        ),
        (
            "an update of garbage",
            update(vec![0xff; 10]),
            "BAD_REQUEST: error applying config update to existing channel 'ch1': ",
        ),
        (
            "an update of nothing",
            update(Vec::new()),
            "BAD_REQUEST: error applying config update to existing channel 'ch1': ",
        ),
        (
            "an update for another channel",
            update(update_of(channel("ch2").encode_to_vec())),
            "BAD_REQUEST: error applying config update to existing channel 'ch1': ",
        ),
        (
            "an update that changes nothing",
            update(update_of(
                ConfigUpdate {
                    read_set: Some(ConfigGroup::default()),
                    write_set: Some(ConfigGroup::default()),
                    ..channel("ch1")
                }
                .encode_to_vec(),
            )),
            "BAD_REQUEST: error applying config update to existing channel 'ch1': ",
        ),
        (
            "an update that nobody signed",
            update(update_of(
                ConfigUpdate {
                    read_set: Some(ConfigGroup::default()),
                    write_set: Some(ConfigGroup { version: 1, ..ConfigGroup::default() }),
                    ..channel("ch1")
                }
                .encode_to_vec(),
            )),
            "BAD_REQUEST: error applying config update to existing channel 'ch1': ",
        ),
        (
            "an update nested deeply",
            update(update_of(deep(2_000))),
            "BAD_REQUEST: error applying config update to existing channel 'ch1': ",
        ),
        ("a right one", signed_by(&client), "SUCCESS"),
    ];
    let height = network.settled_height();
    let connection = network.connect(0);
    for (name, envelope, expected) in table {
        let answer = network.runtime().block_on(probe::broadcast(&connection, envelope));
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
    assert_eq!(network.settled_height(), height + 1, "only the right one may have been ordered");
    let metrics = network::http_get(layout.nodes[0].operations_port, "/metrics").unwrap();
    assert!(metrics.contains("broadcast_processed_count{channel=\"ch1\""), "{metrics}");
    assert!(!metrics.contains("nosuch"), "foreign names must not pile up in the metrics");
    network.check_unharmed();
}

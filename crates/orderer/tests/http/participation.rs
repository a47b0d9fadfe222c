//! The channel participation API in front of a registrar that answers by script.

use std::sync::Arc;

use async_trait::async_trait;
use consensus::chain::{ConsensusRelation, Status};
use orderer::{
    admin,
    http_listener::HttpListener,
    registrar::{ChannelInfo, ChannelList, Participation, ParticipationError},
    settings::ChannelParticipation,
};
use parking_lot::Mutex;
use prost::Message;
use protos::common::{Block, BlockData, BlockHeader};

use crate::client::{Authority, Reply, plain, request, send};

/// Answers as it was told to and remembers what it was asked.
#[derive(Default)]
struct Scripted {
    list: ChannelList,
    refusal: Option<ParticipationError>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn answer<T>(&self, question: String, answer: T) -> Result<T, ParticipationError> {
        self.asked.lock().push(question);
        self.refusal.clone().map_or(Ok(answer), Err)
    }
}

fn info(name: &str) -> ChannelInfo {
    ChannelInfo {
        name: name.into(),
        relation: ConsensusRelation::ConfigTracker,
        status: Status::Onboarding,
        height: 7,
    }
}

#[async_trait]
impl Participation for Scripted {
    fn list(&self) -> ChannelList {
        self.list.clone()
    }

    fn info(&self, channel_id: &str) -> Result<ChannelInfo, ParticipationError> {
        self.answer(format!("info {channel_id}"), info(channel_id))
    }

    async fn join(&self, block: Block) -> Result<ChannelInfo, ParticipationError> {
        let number = block.header.map(|header| header.number).unwrap_or_default();
        self.answer(format!("join {number}"), info("ch1"))
    }

    async fn remove(&self, channel_id: &str) -> Result<(), ParticipationError> {
        self.answer(format!("remove {channel_id}"), ())
    }
}

const ENABLED: ChannelParticipation =
    ChannelParticipation { enabled: true, max_request_body_size_bytes: 4096 };

async fn start(scripted: Scripted) -> (HttpListener, Arc<Scripted>) {
    let scripted = Arc::new(scripted);
    (admin::start(&plain(), &ENABLED, scripted.clone()).await.unwrap(), scripted)
}

async fn start_refusing(refusal: ParticipationError) -> HttpListener {
    start(Scripted { refusal: Some(refusal), ..Scripted::default() }).await.0
}

const CHANNELS: &str = "/participation/v1/channels";
const FORM: &str = "Content-Type: multipart/form-data; boundary=XX";

/// A form of parts, each of which is its disposition and its contents.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (disposition, contents) in parts {
        body.extend(format!("--XX\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").bytes());
        body.extend(*contents);
        body.extend(b"\r\n");
    }
    body.extend(b"--XX--\r\n");
    body
}

const BLOCK_PART: &str = "name=\"config-block\"; filename=\"genesis.block\"";

fn join_form() -> Vec<u8> {
    let block =
        Block { header: Some(BlockHeader { number: 5, ..BlockHeader::default() }), ..Block::default() };
    form(&[(BLOCK_PART, &block.encode_to_vec())])
}

fn check_error(reply: &Reply, status: u16, text: &str) {
    let expected = format!("{{\"error\":{}}}\n", serde_json::Value::from(text));
    assert_eq!((reply.status, reply.body.as_str()), (status, expected.as_str()));
    assert_eq!(reply.header("content-type"), "application/json", "{text}");
    assert_eq!(reply.header("x-request-id").len(), 36, "{text}");
}

#[tokio::test]
async fn channels_are_listed() {
    let (listener, _) = start(Scripted::default()).await;
    let reply = send(listener.address(), "GET", CHANNELS, &[], b"").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"systemChannel\":null,\"channels\":null}\n"));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("content-type"), "application/json");

    let list = ChannelList { system_channel: Some("sys".into()), channels: vec!["a".into(), "b.c".into()] };
    let (listener, _) = start(Scripted { list, ..Scripted::default() }).await;
    let reply =
        send(listener.address(), "GET", CHANNELS, &["Accept: text/html, application/json;q=0.9"], b"").await;
    let expected = concat!(
        r#"{"systemChannel":{"name":"sys","url":"/participation/v1/channels/sys"},"#,
        r#""channels":[{"name":"a","url":"/participation/v1/channels/a"},{"name":"b.c","url":"/participation/v1/channels/b.c"}]}"#,
        "\n"
    );
    assert_eq!(reply.body, expected);
}

const SHOWN: &str = concat!(
    r#"{"name":"ch1","url":"/participation/v1/channels/ch1","consensusRelation":"config-tracker","status":"onboarding","height":7}"#,
    "\n"
);

#[tokio::test]
async fn one_channel_is_shown_joined_and_removed() {
    let (listener, scripted) = start(Scripted::default()).await;
    let address = listener.address();
    let reply = send(address, "GET", "/participation/v1/channels/ch1", &[], b"").await;
    assert_eq!((reply.status, reply.body.as_str(), reply.header("cache-control")), (200, SHOWN, "no-store"));

    let reply = send(address, "POST", CHANNELS, &[FORM], &join_form()).await;
    assert_eq!((reply.status, reply.body.as_str()), (201, SHOWN));
    assert_eq!(reply.header("location"), "/participation/v1/channels/ch1");
    assert_eq!(reply.header("content-type"), "application/json");

    let reply = send(address, "DELETE", "/participation/v1/channels/ch1", &[], b"").await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    assert_eq!(*scripted.asked.lock(), ["info ch1", "join 5", "remove ch1"]);
}

#[tokio::test]
async fn a_large_block_is_joined_when_the_limit_allows_it() {
    let settings = ChannelParticipation { max_request_body_size_bytes: 4 << 20, ..ENABLED };
    let listener = admin::start(&plain(), &settings, Arc::new(Scripted::default())).await.unwrap();
    let block = Block { data: Some(BlockData { data: vec![vec![7; 3 << 20].into()] }), ..Block::default() };
    let body = form(&[(BLOCK_PART, &block.encode_to_vec())]);
    assert_eq!(send(listener.address(), "POST", CHANNELS, &[FORM], &body).await.status, 201);
}

#[tokio::test]
async fn refused_joins() {
    use ParticipationError::*;
    for (refusal, status, allow, text) in [
        (SystemChannelExists, 405, "GET", "cannot join: system channel exists"),
        (ChannelAlreadyExists, 405, "GET, DELETE", "cannot join: channel already exists"),
        (ApplicationChannelsExist, 403, "", "cannot join: application channels already exist"),
        (PendingRemoval, 409, "", "cannot join: channel pending removal"),
        (RemovalFailure, 500, "", "cannot join: channel removal failure"),
        (Other("disk full".into()), 400, "", "cannot join: disk full"),
        (
            InvalidJoinBlock("block is not a config block".into()),
            400,
            "",
            "invalid join block: block is not a config block",
        ),
    ] {
        let listener = start_refusing(refusal).await;
        let reply = send(listener.address(), "POST", CHANNELS, &[FORM], &join_form()).await;
        check_error(&reply, status, text);
        assert_eq!(reply.header("allow"), allow, "{text}");
    }
}

#[tokio::test]
async fn refused_removals_and_unknown_channels() {
    use ParticipationError::*;
    for (refusal, method, status, allow, text) in [
        (ChannelDoesNotExist, "GET", 404, "", "channel does not exist"),
        (ChannelDoesNotExist, "DELETE", 404, "", "cannot remove: channel does not exist"),
        (SystemChannelExists, "DELETE", 405, "GET", "cannot remove: system channel exists"),
        (PendingRemoval, "DELETE", 409, "", "cannot remove: channel pending removal"),
        (Other("no".into()), "DELETE", 400, "", "cannot remove: no"),
    ] {
        let listener = start_refusing(refusal).await;
        let reply = send(listener.address(), method, "/participation/v1/channels/ch1", &[], b"").await;
        check_error(&reply, status, text);
        assert_eq!(reply.header("allow"), allow, "{text}");
    }
}

/// Method, path, header lines and body; status and error text of the reply.
type BadRequest<'a> = (&'a str, &'a str, &'a [&'a str], &'a [u8], u16, &'a str);

#[tokio::test]
async fn bad_requests() {
    const ONE: &str = "/participation/v1/channels/ch1";
    let large = form(&[(BLOCK_PART, &vec![0; 8 << 20])]);
    let garbage = form(&[(BLOCK_PART, &[0xff; 10])]);
    let wrong_name = form(&[("name=\"block\"; filename=\"b\"", b"")]);
    let no_file = form(&[("name=\"config-block\"", b"")]);
    let extra_value = form(&[(BLOCK_PART, b""), ("name=\"x\"", b"1")]);
    let extra_file = form(&[(BLOCK_PART, b""), ("name=\"x\"; filename=\"y\"", b"1")]);
    let cut = &join_form()[..30];
    let too_large = "cannot read form from request body: multipart: NextPart: http: request body too large";
    let cannot_parse =
        "cannot unmarshal file part config-block into a block: proto: cannot parse invalid wire-format data";
    let not_json = "response Content-Type is application/json only";
    let cases: &[BadRequest<'_>] = &[
        ("GET", CHANNELS, &["Accept: text/html"], b"", 406, not_json),
        ("GET", ONE, &["Accept: text/html, image/png"], b"", 406, not_json),
        ("DELETE", ONE, &["Accept: text/html"], b"", 406, not_json),
        ("POST", CHANNELS, &[FORM, "Accept: text/html"], b"", 406, not_json),
        (
            "GET",
            "/participation/v1/channels/Ch1",
            &[],
            b"",
            400,
            "invalid channel ID: 'Ch1' contains illegal characters",
        ),
        (
            "DELETE",
            "/participation/v1/channels/1a",
            &[],
            b"",
            400,
            "invalid channel ID: '1a' contains illegal characters",
        ),
        (
            "GET",
            "/participation/v1/channels/a%20b",
            &[],
            b"",
            400,
            "invalid channel ID: 'a b' contains illegal characters",
        ),
        ("POST", CHANNELS, &[], b"", 400, "unsupported Content-Type: []"),
        (
            "POST",
            CHANNELS,
            &["Content-Type: application/json"],
            b"{}",
            400,
            "unsupported Content-Type: [application/json]",
        ),
        (
            "POST",
            CHANNELS,
            &["Content-Type: multipart/form-data"],
            b"",
            400,
            "cannot read form from request body: multipart: boundary is empty",
        ),
        (
            "POST",
            CHANNELS,
            &["Content-Type: multipart/form-data; boundary="],
            b"",
            400,
            "cannot read form from request body: multipart: boundary is empty",
        ),
        (
            "POST",
            CHANNELS,
            &["Content-Type: multipart/form-data; boundary"],
            b"",
            400,
            "cannot parse Mime media type: mime: invalid media parameter",
        ),
        ("POST", CHANNELS, &[FORM], &large, 400, too_large),
        ("POST", CHANNELS, &[FORM], cut, 400, "cannot read form from request body: multipart: NextPart: EOF"),
        ("POST", CHANNELS, &[FORM], b"", 400, "cannot read form from request body: multipart: NextPart: EOF"),
        ("POST", CHANNELS, &[FORM], &wrong_name, 400, "form does not contains part key: config-block"),
        ("POST", CHANNELS, &[FORM], &no_file, 400, "form does not contains part key: config-block"),
        ("POST", CHANNELS, &[FORM], &extra_value, 400, "form contains too many parts"),
        ("POST", CHANNELS, &[FORM], &extra_file, 400, "form contains too many parts"),
        ("POST", CHANNELS, &[FORM], &garbage, 400, cannot_parse),
        ("PUT", CHANNELS, &[], b"", 405, "invalid request method: PUT"),
        ("DELETE", CHANNELS, &[], b"", 405, "invalid request method: DELETE"),
        ("POST", ONE, &[FORM], b"", 405, "invalid request method: POST"),
    ];
    let (listener, scripted) = start(Scripted::default()).await;
    for (method, path, headers, body, status, text) in cases {
        let reply = send(listener.address(), method, path, headers, body).await;
        check_error(&reply, *status, text);
        let allow = match *status {
            405 if *path == ONE => "GET, DELETE",
            405 => "GET, POST",
            _ => "",
        };
        assert_eq!(reply.header("allow"), allow, "{method} {path}");
    }
    assert!(
        scripted.asked.lock().is_empty(),
        "a bad request reached the registrar: {:?}",
        scripted.asked.lock()
    );
}

#[tokio::test]
async fn other_paths() {
    let (listener, _) = start(Scripted::default()).await;
    let reply = send(listener.address(), "GET", "/participation/v1/", &[], b"").await;
    assert_eq!((reply.status, reply.header("location")), (302, CHANNELS));
    assert_eq!(send(listener.address(), "POST", "/participation/v1/", &[], b"").await.status, 405);
    for path in
        ["/", "/participation/v2/channels", "/participation/v1/channels/", "/participation/v1/channels/a/b"]
    {
        assert_eq!(send(listener.address(), "GET", path, &[], b"").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_disabled_api_says_so() {
    let disabled = ChannelParticipation { enabled: false, ..ENABLED };
    let listener = admin::start(&plain(), &disabled, Arc::new(Scripted::default())).await.unwrap();
    for (method, path) in [
        ("GET", CHANNELS),
        ("POST", CHANNELS),
        ("GET", "/participation/v1/"),
        ("DELETE", "/participation/v1/x/y"),
    ] {
        check_error(
            &send(listener.address(), method, path, &[], b"").await,
            503,
            "channel participation API is disabled",
        );
    }
}

#[tokio::test]
async fn over_tls_a_client_certificate_is_required() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let endpoint = authority.endpoint(directory.path(), true);
    let listener = admin::start(&endpoint, &ENABLED, Arc::new(Scripted::default())).await.unwrap();
    let get = request("GET", CHANNELS, &[], b"");
    assert!(authority.send(listener.address(), None, &get).await.is_err());
    assert!(authority.send(listener.address(), Some(&stranger.issue()), &get).await.is_err());
    assert_eq!(authority.send(listener.address(), Some(&authority.issue()), &get).await.unwrap().status, 200);
}

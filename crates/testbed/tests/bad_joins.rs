//! The channel participation API gets what is no channel's block, or in no form it takes.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use cli::client::connection::Endpoint;
use cli::client::http::{HttpAnswer, HttpRequest, send};
use cli::sandbox::layout::Layout;
use cli::sandbox::material;
use http::Method;
use identity::generate::Validity;
use protos::Message;
use protos::common::{Block, BlockData};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use testbed::network::{Network, NetworkOptions};
use testbed::{forge, wait};

const CHANNELS: &str = "/participation/v1/channels";
const FORM: &str = "multipart/form-data; boundary=XX";
const PART: &str = "name=\"config-block\"; filename=\"config.block\"";

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

/// The genesis block of a channel of this name, of the organisations in `root`.
fn genesis(root: &Path, channel: &str, base_port: u16) -> Block {
    let layout = Layout::new(root, channel, 1, base_port).unwrap();
    material::generate(&layout).unwrap();
    Block::decode(fs::read(layout.genesis_block()).unwrap().as_slice()).unwrap()
}

fn ask(
    network: &Network,
    admin: &Endpoint,
    method: Method,
    path: &str,
    kind: &str,
    body: Vec<u8>,
) -> HttpAnswer {
    let request = HttpRequest { method, path, content_type: Some(kind), body: body.into() };
    network.runtime().block_on(send(admin, request)).unwrap_or_else(|e| panic!("no answer: {e}"))
}

fn text(answer: &HttpAnswer) -> String {
    format!("{} {}", answer.status.as_u16(), String::from_utf8_lossy(&answer.body).trim())
}

/// What it is called, the form's content type and body, and what the answer must say.
type Case = (&'static str, (&'static str, Vec<u8>), &'static str);

#[test]
fn blocks_that_no_channel_can_be_joined_with() {
    let mut network = Network::start(&NetworkOptions { nodes: 1, ..NetworkOptions::default() });
    network.order_through_all();
    let root = network.layout().root.clone();
    let elsewhere = tempfile::tempdir().unwrap();
    let chain = network.chain(0, 2);
    let (own, normal) = (chain[0].clone(), chain[1].clone());
    let foreign = genesis(elsewhere.path(), "ch1", 31_000);
    let others = genesis(elsewhere.path(), "ch-of-others", 31_000);
    let second = genesis(&root, "ch2", network.layout().nodes[0].port);
    let without = |change: &dyn Fn(&mut Block)| {
        let mut block = second.clone();
        change(&mut block);
        block
    };
    let entries = |entries: &[&'static [u8]]| {
        let data = entries.iter().map(|entry| Bytes::from_static(entry)).collect();
        Some(BlockData { data })
    };
    let join = |block: &Block| (FORM, form(&[(PART, &block.encode_to_vec())]));
    let other_hash = |block: &mut Block| block.header.as_mut().unwrap().data_hash = vec![7; 32].into();
    let twice = |block: &mut Block| {
        let data = block.data.as_mut().unwrap();
        data.data.push(data.data[0].clone());
    };
    let not_config = r#"400 {"error":"invalid join block: block is not a config block"}"#;
    let exists = r#"405 {"error":"cannot join: channel already exists"}"#;

    let table: Vec<Case> = vec![
        (
            "garbage",
            (FORM, form(&[(PART, &[0xff; 100])])),
            r#"400 {"error":"cannot unmarshal file part config-block into a block: proto: cannot parse"#,
        ),
        (
            "nested groups",
            (FORM, form(&[(PART, &[0x1b; 100_000])])),
            r#"400 {"error":"cannot unmarshal file part config-block into a block: proto: cannot parse"#,
        ),
        ("nothing", (FORM, form(&[(PART, b"")])), not_config),
        ("a normal block", join(&normal), not_config),
        ("no data", join(&without(&|block| block.data = None)), not_config),
        (
            "data of garbage",
            join(&without(&|block| block.data = entries(&[b"garbage"]))),
            r#"400 {"error":"invalid join block: block data does not carry an envelope at index 0: "#,
        ),
        ("two transactions", join(&without(&twice)), not_config),
        ("no header", join(&without(&|block| block.header = None)), r#"400 {"error":"invalid join block: "#),
        (
            "another data hash",
            join(&without(&other_hash)),
            r#"400 {"error":"invalid join block: the data of the block does not match"#,
        ),
        (
            "JSON",
            ("application/json", b"{}".to_vec()),
            r#"400 {"error":"unsupported Content-Type: [application/json]"}"#,
        ),
        (
            "no boundary",
            ("multipart/form-data", form(&[(PART, b"x")])),
            r#"400 {"error":"cannot read form from request body: multipart: boundary is empty"}"#,
        ),
        (
            "no form",
            (FORM, b"not a form".to_vec()),
            r#"400 {"error":"cannot read form from request body: multipart: NextPart: EOF"}"#,
        ),
        (
            "a form that breaks off",
            (FORM, form(&[(PART, &[7; 1000])])[..500].to_vec()),
            r#"400 {"error":"cannot read form from request body: multipart: NextPart: EOF"}"#,
        ),
        (
            "another part",
            (FORM, form(&[("name=\"block\"; filename=\"b\"", b"x")])),
            r#"400 {"error":"form does not contains part key: config-block"}"#,
        ),
        (
            "two parts",
            (FORM, form(&[(PART, b"x"), ("name=\"more\"; filename=\"m\"", b"y")])),
            r#"400 {"error":"form contains too many parts"}"#,
        ),
        (
            "too large",
            (FORM, form(&[(PART, &vec![7; 2 << 20])])),
            r#"400 {"error":"cannot read form from request body: "#,
        ),
        ("joined already", join(&own), exists),
        ("another network's channel of this name", join(&foreign), exists),
    ];
    let connection = &network.layout().nodes[0];
    let layout = network.layout();
    let admin_tls =
        testbed::network::client_tls(&layout.tls_ca(), &layout.admin_certificate(), &layout.admin_key());
    let admin = testbed::network::endpoint(connection.admin_address(), Some(&admin_tls));
    for (name, (kind, body), expected) in table {
        let answer = text(&ask(&network, &admin, Method::POST, CHANNELS, kind, body));
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
    let one = |id: &str| format!("{CHANNELS}/{id}");
    for (method, path, expected) in [
        (Method::PUT, CHANNELS.to_owned(), r#"405 {"error":"invalid request method: PUT"}"#),
        (Method::POST, one("ch1"), r#"405 {"error":"invalid request method: POST"}"#),
        (Method::GET, one("nosuch"), r#"404 {"error":"channel does not exist"}"#),
        (Method::DELETE, one("nosuch"), r#"404 {"error":"cannot remove: channel does not exist"}"#),
        (Method::GET, one("Not_A_Name"), r#"400 {"error":"invalid channel ID: "#),
        (Method::DELETE, one("..%2F..%2Fetc"), r#"400 {"error":"invalid channel ID: "#),
        (Method::GET, "/participation/v2/channels".to_owned(), "404 "),
    ] {
        let answer = text(&ask(&network, &admin, method.clone(), &path, "text/plain", Vec::new()));
        assert!(answer.starts_with(expected), "{method} {path}: {answer}");
    }

    // A channel of others is followed. Nobody is there, and still it can be seen and removed.
    let (kind, body) = join(&others);
    let answer = text(&ask(&network, &admin, Method::POST, CHANNELS, kind, body));
    assert!(answer.starts_with("201 ") && answer.contains("follower"), "{answer}");
    let path = one("ch-of-others");
    assert_eq!(text(&ask(&network, &admin, Method::DELETE, &path, "text/plain", Vec::new())), "204 ");
    wait::until("the channel to be gone", Duration::from_secs(20), || {
        let answer = text(&ask(&network, &admin, Method::GET, &path, "text/plain", Vec::new()));
        answer.starts_with("404 ").then_some(())
    });
    // What was refused left nothing behind: the right block of that channel joins.
    let (kind, body) = join(&second);
    let answer = text(&ask(&network, &admin, Method::POST, CHANNELS, kind, body));
    assert!(answer.starts_with("201 "), "{answer}");
    network.check_unharmed();

    // The listener itself: strangers and noise.
    let valid = Validity::from_now(forge::now_unix());
    let stranger = forge::tls_client(
        &elsewhere.path().join("stranger"),
        &layout_ca(&network),
        &forge::stranger(),
        valid,
    );
    let address = admin.address.clone();
    for tls in [Some(&stranger), None] {
        let endpoint = testbed::network::endpoint(address.clone(), tls);
        assert!(network.runtime().block_on(send(&endpoint, HttpRequest::get(CHANNELS))).is_err());
    }
    for noise in
        [&[0xff; 1000][..], b"GET /participation/v1/channels HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 0xff, 0xff, 1]]
    {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(noise).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // Whatever comes, it ends.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    network.check_unharmed();
}

fn layout_ca(network: &Network) -> std::path::PathBuf {
    network.layout().tls_ca()
}

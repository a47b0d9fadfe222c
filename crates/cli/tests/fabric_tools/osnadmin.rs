//! `osnadmin`: what it asks, prints and ends with.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    thread::JoinHandle,
};

use bytes::Bytes;
use protos::{
    Message,
    common::{Block, BlockData, ChannelHeader, Envelope, Header, Payload},
};

use super::{causeway, text};

/// Answers one request; gives what was asked.
fn answering(status: &'static str, body: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).unwrap();
            asked.extend_from_slice(&buffer[..read]);
            let so_far = String::from_utf8_lossy(&asked).to_lowercase();
            let Some((head, sent)) = so_far.split_once("\r\n\r\n") else { continue };
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if read == 0 || sent.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                break;
            }
        }
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        String::from_utf8_lossy(&asked).into_owned()
    };
    (address, std::thread::spawn(answer))
}

/// A block that is of a channel, and no more than that.
pub(crate) fn block_of(channel: &str, file: &Path) {
    let channel_header = ChannelHeader { channel_id: channel.to_owned(), r#type: 1, ..Default::default() };
    let header =
        Header { channel_header: channel_header.encode_to_vec().into(), signature_header: Bytes::new() };
    let payload = Payload { header: Some(header), data: Bytes::new() };
    let envelope = Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() };
    let data = BlockData { data: vec![envelope.encode_to_vec().into()] };
    fs::write(file, Block { data: Some(data), ..Default::default() }.encode_to_vec()).unwrap();
}

#[test]
fn answers_are_printed_as_by_fabric() {
    let directory = tempfile::tempdir().unwrap();
    block_of("ch1", &directory.path().join("ch1.block"));
    let info = "{\"name\":\"ch1\",\"url\":\"/participation/v1/channels/ch1\",\"height\":1}\n";
    let pretty =
        "{\n\t\"name\": \"ch1\",\n\t\"url\": \"/participation/v1/channels/ch1\",\n\t\"height\": 1\n}\n";
    let join: &[&str] = &["channel", "join", "--channelID", "ch1", "--config-block", "ch1.block"];
    for (words, request, (status, body), printed) in [
        (
            &["channel", "list"][..],
            "GET /participation/v1/channels HTTP/1.1",
            ("200 OK", info),
            format!("Status: 200\n{pretty}\n"),
        ),
        (
            &["channel", "list", "--no-status"],
            "GET /participation/v1/channels ",
            ("200 OK", info),
            format!("{pretty}\n"),
        ),
        (
            &["channel", "list", "-c", "ch1"],
            "GET /participation/v1/channels/ch1 ",
            ("200 OK", "{}"),
            "Status: 200\n{}\n".to_owned(),
        ),
        (
            &["channel", "list", "-c", "c h"],
            "GET /participation/v1/channels/c%20h ",
            ("400 Bad Request", "{\"error\":\"no\"}"),
            "Status: 400\n{\n\t\"error\": \"no\"\n}\n".to_owned(),
        ),
        (
            &["channel", "remove", "-c", "ch1"],
            "DELETE /participation/v1/channels/ch1 ",
            ("204 No Content", ""),
            "Status: 204\n\n".to_owned(),
        ),
        (
            &["channel", "remove", "-c", "ch1"],
            "DELETE /participation/v1/channels/ch1 ",
            ("404 Not Found", "{\"error\":\"none\"}\n"),
            "Status: 404\n{\n\t\"error\": \"none\"\n}\n\n".to_owned(),
        ),
        (join, "POST /participation/v1/channels ", ("201 Created", info), format!("Status: 201\n{pretty}\n")),
    ] {
        let (address, asked) = answering(status, body);
        let words = [&["osnadmin", "-o", &address], words].concat();
        let output = causeway(directory.path(), &words);
        let asked = asked.join().unwrap();
        assert!(asked.starts_with(request), "{words:?}: {asked}");
        assert_eq!(text(&output.stdout), printed, "{words:?}");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{words:?}");
        if words.contains(&"join") {
            let block = fs::read(directory.path().join("ch1.block")).unwrap();
            assert!(asked.contains(&*String::from_utf8_lossy(&block)), "{asked}");
            assert!(asked.contains("name=\"config-block\""), "{asked}");
        }
    }
}

#[test]
fn an_answer_that_is_no_json_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let (address, asked) = answering("400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n");
    let output = causeway(directory.path(), &["osnadmin", "channel", "list", "-o", &address]);
    asked.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(
        said.starts_with("Error: ") && said.contains("HTTPS server") && said.contains("--ca-file"),
        "{said}"
    );
}

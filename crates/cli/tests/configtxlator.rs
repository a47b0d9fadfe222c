//! `configtxlator`, also as `causeway configtxlator`: what it says of lines and files that it cannot use, what it
//! leaves behind, and its HTTP server.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

const CAUSEWAY: &str = env!("CARGO_BIN_EXE_causeway");
const BLOCK_JSON: &[u8] = br#"{"header": {"number": "7"}}"#;
const BLOCK: &[u8] = &[0x0a, 2, 8, 7];

fn run(directory: &Path, arguments: &str) -> Output {
    Command::new(CAUSEWAY)
        .arg("configtxlator")
        .args(arguments.split(' '))
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn mistakes_have_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("bad.json"), "{\n  \"header\": {\"number\": 1,}\n}").unwrap();
    fs::write(here.join("bad.pb"), [0xff]).unwrap();
    fs::write(here.join("empty.pb"), []).unwrap();
    for (line, expected) in [
        ("proto_encode", "required flag --type not provided, try --help"),
        ("proto_encode --type", "expected argument for flag '--type', try --help"),
        ("proto_recode", "expected command but got \"proto_recode\", try --help"),
        ("proto_encode --zork", "unknown long flag '--zork', try --help"),
        ("proto_decode --type common.Block --input nope", "open nope: no such file or directory, try --help"),
        (
            "proto_decode --type common.Block --input empty.pb --output no/where",
            "open no/where: no such file or directory, try --help",
        ),
        (
            "proto_decode --type common.Block --input .",
            "Error decoding: error reading input: read .: is a directory",
        ),
        (
            "proto_decode --type common.Block --input bad.pb",
            "Error decoding: error unmarshalling: proto: cannot parse invalid wire-format data",
        ),
        (
            "proto_decode --type peer.Transaction --input empty.pb",
            "Error decoding: message of type %!s(<nil>) unknown: there is no \"peer.Transaction\", did you mean \
             protos.Transaction?",
        ),
        (
            "proto_encode --type common.Block --input bad.json",
            "Error decoding: error decoding input: error unmarshaling intermediate JSON: invalid character '}' \
             looking for beginning of object key string (line 2, column 26)",
        ),
        (
            "compute_update --channel_id c --updated empty.pb",
            "required flag --original not provided, try --help",
        ),
        (
            "compute_update --channel_id c --original bad.pb --updated empty.pb",
            "Error computing update: error unmarshalling original config: proto: cannot parse invalid \
             wire-format data",
        ),
        (
            "compute_update --channel_id c --original empty.pb --updated empty.pb",
            "Error computing update: error computing config update: no channel group included for original config",
        ),
    ] {
        let output = run(here, line);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, format!("configtxlator: error: {expected}\n"), "{line}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{line}");
    }
    assert_eq!(names(here), ["bad.json", "bad.pb", "empty.pb"]);

    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap();
    let output = run(here, &format!("start --hostname 127.0.0.1 --port {}", address.port()));
    let expected = format!(
        "configtxlator: error: Could not bind to address '{address}': listen tcp {address}: bind: address already \
         in use\n"
    );
    assert_eq!((String::from_utf8(output.stderr).unwrap(), output.status.code()), (expected, Some(1)));
}

#[test]
fn an_error_leaves_the_output_file_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("good.json"), BLOCK_JSON).unwrap();
    fs::write(here.join("bad.json"), r#"{"nope": 1}"#).unwrap();
    let encode =
        |file: &str| run(here, &format!("proto_encode --type common.Block --input {file} --output out.pb"));

    assert_eq!(encode("bad.json").status.code(), Some(1));
    assert_eq!(names(here), ["bad.json", "good.json"]);
    assert!(encode("good.json").status.success());
    let out = here.join("out.pb");
    assert_eq!(fs::read(&out).unwrap(), BLOCK);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(encode("bad.json").status.code(), Some(1));
    assert_eq!(fs::read(&out).unwrap(), BLOCK);

    // Standard output by its name is what it is, not the file behind it.
    let shell = format!(
        "{{ echo a; {CAUSEWAY} configtxlator proto_encode --type common.Block --input good.json --output /dev/stdout; echo z; }} > all"
    );
    assert!(Command::new("sh").args(["-c", &shell]).current_dir(here).status().unwrap().success());
    assert_eq!(fs::read(here.join("all")).unwrap(), [b"a\n", BLOCK, b"z\n"].concat());
}

#[test]
fn version_and_help_under_both_names() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("configtxlator");
    std::os::unix::fs::symlink(CAUSEWAY, &link).unwrap();
    for (program, before) in [(Path::new(CAUSEWAY), vec!["configtxlator"]), (&link, vec![])] {
        let run = |words: &[&str]| Command::new(program).args(&before).args(words).output().unwrap();
        let version = run(&["version"]);
        assert!(version.status.success() && version.stdout.starts_with(b"configtxlator:\n Version: "));
        let help = run(&["proto_encode", "--help"]);
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains("--type") && text.contains("Example:"), "{text}");
    }
}

/// A running server; killed when it goes out of scope.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(CAUSEWAY)
            .args(["configtxlator", "start", "--hostname", "127.0.0.1", "--port", "0"])
            .args(flags)
            .env("FABRIC_LOGGING_SPEC", "info")
            .env("FABRIC_LOGGING_FORMAT", "%{message}")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim_end().strip_prefix("Serving HTTP requests on ").unwrap_or_else(|| panic!("{line}"));
        let address = address.split(' ').next().unwrap().to_owned();
        Self { child, address }
    }

    /// The head of the answer, in lower case, and its body.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
        request += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8_lossy(&answer[..end + 2]).to_lowercase(), answer[end + 4..].to_vec())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const COMPUTE: &str = "/configtxlator/compute/update-from-configs";
const TEXT: &str = "content-type: text/plain; charset=utf-8\r\n";

/// Statuses, headers and bodies are those of Fabric's server, but for the places in the JSON.
#[test]
fn the_server_translates() {
    let server = Server::start(&[]);
    let encode = |message_type: &str, body: &[u8]| {
        server.ask("POST", &format!("/protolator/encode/{message_type}"), &[], body)
    };
    let (head, body) = encode("common.Block", BLOCK_JSON);
    assert!(head.starts_with("http/1.1 200 ") && head.contains("application/octet-stream"), "{head}");
    assert_eq!(body, BLOCK);
    let (head, body) = encode("common.Block", b"{}");
    assert!(head.starts_with("http/1.1 200 ") && !head.contains("content-type") && body.is_empty(), "{head}");
    let (head, body) = encode("common.Block", b"{");
    assert!(head.starts_with("http/1.1 400 ") && head.contains(TEXT), "{head}");
    assert_eq!(body, b"error unmarshaling intermediate JSON: unexpected EOF (line 1, column 2)\n");
    let (head, body) = encode("common.Nope", b"{}");
    assert!(head.starts_with("http/1.1 404 ") && head.contains(TEXT), "{head}");
    assert_eq!(body, b"message name not found\n");

    let decode = "/protolator/decode/common.BlockHeader";
    let (head, body) = server.ask("POST", decode, &[], &[8, 7]);
    assert!(head.starts_with("http/1.1 200 ") && head.contains(TEXT), "{head}");
    assert_eq!(body, b"{\n\t\"data_hash\": null,\n\t\"number\": \"7\",\n\t\"previous_hash\": null\n}\n");
    let (head, body) = server.ask("POST", decode, &[], b"\xff");
    assert!(head.starts_with("http/1.1 400 "), "{head}");
    assert_eq!(body, b"proto: cannot parse invalid wire-format data\n");

    for (method, path, status) in [
        ("GET", decode, 405),
        ("PUT", COMPUTE, 405),
        ("OPTIONS", COMPUTE, 405),
        ("GET", "/", 404),
        ("POST", "/protolator/encode/", 404),
        ("POST", "/protolator/encode/a/b", 404),
        ("POST", "//protolator/encode/common.Block/", 301),
    ] {
        let (head, body) = server.ask(method, path, &[], b"");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{method} {path}: {head}");
        assert_eq!(
            body,
            if status == 404 { b"404 page not found\n".as_slice() } else { b"" },
            "{method} {path}"
        );
    }
}

/// A form of files and values: name, whether it is a file, content.
fn form(parts: &[(&str, bool, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, is_file, content) in parts {
        let file = if *is_file { "; filename=\"f\"" } else { "" };
        let head = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(b"--edge--\r\n");
    body
}

#[test]
fn the_server_computes_updates() {
    let server = Server::start(&[]);
    // Two configs that differ in the root's mod_policy, which is field 5 of the group, which is field 2.
    let (original, updated) = ([0x12, 3, 0x2a, 1, b'A'], [0x12, 3, 0x2a, 1, b'B']);
    let ask = |path: &str, parts: &[(&str, bool, &[u8])]| {
        server.ask("POST", path, &[("Content-Type", "multipart/form-data; boundary=edge")], &form(parts))
    };
    let files: [(&str, bool, &[u8]); 2] = [("original", true, &original), ("updated", true, &updated)];
    // Channel c; the root read at version 0 and written at version 1.
    let expected = [0x0a, 1, b'c', 0x12, 0, 0x1a, 5, 8, 1, 0x2a, 1, b'B'];
    let (head, body) = ask(COMPUTE, &[files[0], files[1], ("channel", false, b"c")]);
    assert!(head.starts_with("http/1.1 200 ") && head.contains("application/octet-stream"), "{head}");
    assert_eq!(body, expected);
    assert_eq!(ask(&format!("{COMPUTE}?channel=c"), &files).1, expected);

    let garbage: (&str, bool, &[u8]) = ("original", true, b"\xff");
    for (parts, expected) in [
        (vec![files[0]], "Error with field 'updated': error reading field bytes: http: no such file\n"),
        (
            vec![("original", false, original.as_slice()), files[1]],
            "Error with field 'original': error reading field bytes: http: no such file\n",
        ),
        (
            vec![garbage, files[1]],
            "Error with field 'original': error unmarshalling field bytes: proto: cannot parse invalid \
             wire-format data\n",
        ),
        (
            vec![files[0], ("updated", true, original.as_slice())],
            "Error computing update: no differences detected between original and updated config\n",
        ),
    ] {
        let (head, body) = ask(COMPUTE, &parts);
        assert!(head.starts_with("http/1.1 400 ") && head.contains(TEXT), "{head}");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
    for (content_type, expected) in [
        ("text/plain", "request Content-Type isn't multipart/form-data"),
        ("multipart/form-data", "no multipart boundary param in Content-Type"),
        ("multipart/form-data; boundary=edge", "multipart: NextPart: EOF"),
    ] {
        let (head, body) = server.ask("POST", COMPUTE, &[("Content-Type", content_type)], b"x");
        let expected = format!("Error with field 'original': error reading field bytes: {expected}\n");
        assert!(head.starts_with("http/1.1 400 "), "{head}");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}

#[test]
fn browsers_are_told_which_pages_may_call() {
    const PERMISSION: &str = "access-control-allow-origin: ";
    let encode = "/protolator/encode/common.Block";
    let (one, other) = (("Origin", "http://one.example"), ("Origin", "http://other.example"));
    let (post, put) = (("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Method", "PUT"));
    let asked = |name| ("Access-Control-Request-Headers", name);

    let server = Server::start(&["--CORS", "http://one.example", "--CORS", "http://two.example"]);
    let (head, _) = server.ask("POST", encode, &[one], b"{}");
    assert!(head.contains(&format!("{PERMISSION}http://one.example\r\n")), "{head}");
    assert!(head.contains("vary: origin\r\n"), "{head}");
    let (head, _) = server.ask("POST", encode, &[other], b"{}");
    assert!(head.starts_with("http/1.1 200 ") && !head.contains(PERMISSION), "{head}");

    let (head, _) = server.ask("OPTIONS", encode, &[one, post, asked("content-type, accept")], b"");
    assert!(head.starts_with("http/1.1 200 ") && head.contains(PERMISSION), "{head}");
    assert!(head.contains("access-control-allow-headers: content-type\r\n"), "{head}");
    for (headers, status) in [
        (vec![one, post, asked("x-other")], 403),
        (vec![one, put], 405),
        (vec![one], 400),
        (vec![other, post], 200),
        (vec![post], 200),
    ] {
        let (head, _) = server.ask("OPTIONS", encode, &headers, b"");
        assert!(head.starts_with(&format!("http/1.1 {status} ")) && !head.contains(PERMISSION), "{head}");
    }

    let server = Server::start(&["--CORS", "*"]);
    let (head, _) = server.ask("POST", encode, &[other], b"{}");
    assert!(head.contains(&format!("{PERMISSION}*\r\n")) && !head.contains("vary"), "{head}");
}

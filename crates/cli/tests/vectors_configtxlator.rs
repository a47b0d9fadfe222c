//! `configtxlator` against what Fabric's tool made of the same files.
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use protos::{Message, common::ConfigUpdate};
use serde_json::Value;

/// The golden data; `None` (with a message) where it is not there and need not be.
fn vectors(folder: &str) -> Option<(PathBuf, Value)> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let path = PathBuf::from(env::var("CAUSEWAY_VECTORS").unwrap_or_else(|_| default.to_owned()));
    let path = path.join("configtxlator").join(folder);
    if path.is_dir() {
        let manifest = serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
        return Some((path, manifest));
    }
    assert!(env::var_os("CI").is_none(), "{} is missing; set CAUSEWAY_VECTORS", path.display());
    eprintln!("skipped: {} is missing; set CAUSEWAY_VECTORS", path.display());
    None
}

/// Runs the tool with `input` as standard input.
fn configtxlator(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_causeway"))
        .arg("configtxlator")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // From a thread of its own: nobody may wait for the other with a full pipe.
    let writing = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

/// Checks that the tool has failed with Fabric's words, to which ours add where in the JSON it is or what else
/// may be meant.
fn assert_failed(output: &Output, expected: &str) {
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(line.starts_with(&format!("configtxlator: error: {expected}")), "{line}, not {expected}");
    assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
    assert!(output.stdout.is_empty(), "{line}");
}

#[test]
fn vectors_messages_are_translated() {
    let Some((directory, manifest)) = vectors("proto") else { return };
    for case in manifest["round_trips"].as_array().unwrap() {
        let flag = ["--type", case["type"].as_str().unwrap()];
        let file = directory.join(case["pb"].as_str().unwrap());
        let decoded =
            configtxlator(&["proto_decode", flag[0], flag[1], "--input", file.to_str().unwrap()], b"");
        if let Some(expected) = case["decode_error"].as_str() {
            assert_failed(&decoded, expected);
            continue;
        }
        let expected = fs::read(directory.join(case["json"].as_str().unwrap())).unwrap();
        assert!(decoded.status.success() && decoded.stdout == expected, "{case}");
        let encoded = configtxlator(&["proto_encode", flag[0], flag[1]], &decoded.stdout);
        assert!(encoded.status.success(), "{case}");
        if case["reencoded_bytes_equal"] == true {
            assert!(encoded.stdout == fs::read(file).unwrap(), "{case}");
        }
    }
    for case in manifest["encode"].as_array().unwrap() {
        let flag = ["--type", case["type"].as_str().unwrap()];
        let text = case["json_text"].as_str().unwrap();
        let encoded = configtxlator(&["proto_encode", flag[0], flag[1]], text.as_bytes());
        match case["error"].as_str() {
            Some(expected) => assert_failed(&encoded, expected),
            None => {
                assert_eq!(STANDARD.encode(encoded.stdout), case["pb_base64"].as_str().unwrap(), "{case}")
            }
        }
    }
    for case in manifest["decode"].as_array().unwrap() {
        let flag = ["--type", case["type"].as_str().unwrap()];
        let bytes = STANDARD.decode(case["pb_base64"].as_str().unwrap()).unwrap();
        let decoded = configtxlator(&["proto_decode", flag[0], flag[1]], &bytes);
        match case["error"].as_str() {
            Some(expected) => assert_failed(&decoded, expected),
            None => {
                assert_eq!(serde_json::from_slice::<Value>(&decoded.stdout).unwrap(), case["json"], "{case}");
            }
        }
    }
}

#[test]
fn vectors_updates_are_computed() {
    let Some((directory, manifest)) = vectors("compute_update") else { return };
    let update = |path: &Path| ConfigUpdate::decode(fs::read(path).unwrap().as_slice()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let cases = manifest["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let file = |name: &str| directory.join(case[name].as_str().unwrap()).to_str().unwrap().to_owned();
        let output = scratch.path().join("update.pb");
        let computed = configtxlator(
            &[
                "compute_update",
                "--channel_id",
                case["channel_id"].as_str().unwrap(),
                "--original",
                &file("original"),
                "--updated",
                &file("modified"),
                "--output",
                output.to_str().unwrap(),
            ],
            b"",
        );
        match case["error"].as_str() {
            Some(expected) => {
                assert_failed(&computed, expected);
                assert!(!output.exists(), "{case}");
            }
            None => {
                assert!(computed.status.success(), "{case}");
                assert_eq!(update(&output), update(Path::new(&file("update"))), "{case}");
                fs::remove_file(output).unwrap();
            }
        }
    }
}

//! `causeway configtxgen` against what Fabric's tool of that name did.
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// The golden data; `None` (with a message) where it is not there and need not be.
fn vectors() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let path = PathBuf::from(env::var("CAUSEWAY_VECTORS").unwrap_or_else(|_| default.to_owned()));
    if path.is_dir() {
        return Some(path.join("genesis"));
    }
    assert!(env::var_os("CI").is_none(), "{} is missing; set CAUSEWAY_VECTORS", path.display());
    eprintln!("skipped: {} is missing; set CAUSEWAY_VECTORS", path.display());
    None
}

/// The manifest's entries of a kind.
fn entries(vectors: &Path, kind: &str) -> Vec<Value> {
    let manifest: Value = serde_json::from_slice(&fs::read(vectors.join("manifest.json")).unwrap()).unwrap();
    let entries = manifest[kind].as_array().unwrap().clone();
    assert!(!entries.is_empty());
    entries
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

/// Runs the tool where the case's configtx.yaml is.
fn configtxgen(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_causeway"))
        .arg("configtxgen")
        .args(arguments)
        .current_dir(directory)
        .env("FABRIC_LOGGING_FORMAT", "%{level:.4s}: %{message}")
        .env_remove("FABRIC_LOGGING_SPEC")
        .env_remove("FABRIC_CFG_PATH")
        .output()
        .unwrap()
}

/// Runs the tool, which must succeed, and gives its log.
fn log(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let output = configtxgen(directory, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?} in {}: {stderr}", directory.display());
    assert!(output.stdout.is_empty(), "{arguments:?}");
    stderr.lines().map(str::to_owned).collect()
}

/// Runs the tool, which must print JSON.
fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = configtxgen(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Takes out what is random or dated. The data hash covers these, and the order of maps.
fn without_chance(mut message: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for chance in ["timestamp", "nonce", "tx_id", "data_hash"] {
                    fields.remove(chance);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut message);
    message
}

#[test]
fn vectors_blocks_are_made_and_shown() {
    let Some(vectors) = vectors() else { return };
    let scratch = tempfile::tempdir().unwrap();
    for case in entries(&vectors, "cases") {
        let directory = vectors.join(text(&case, "name"));
        let expected = json_file(&directory.join(text(&case["files"], "proto_decode")));
        let theirs = text(&case["files"], "block");
        assert_eq!(json(&directory, &["-inspectBlock", theirs]), expected, "{case}");

        let ours = scratch.path().join("made/genesis.block");
        let ours = ours.to_str().unwrap();
        let made = [
            "-profile",
            text(&case, "profile"),
            "-channelID",
            text(&case, "channel_id"),
            "-outputBlock",
            ours,
        ];
        let lines = log(&directory, &made);
        let ours = json(&directory, &["--inspectBlock", ours]);
        assert_eq!(without_chance(ours), without_chance(expected), "{case}");

        // The manifest leaves the file's name out; warnings are ours.
        let lines: Vec<&String> = lines
            .iter()
            .filter(|line| !line.starts_with("INFO: Loaded configuration: ") && !line.starts_with("WARN"))
            .collect();
        assert_eq!(serde_json::to_value(lines).unwrap(), case["log"], "{case}");
    }
}

#[test]
fn vectors_creation_transactions_are_made_and_shown() {
    let Some(vectors) = vectors() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let ours = scratch.path().join("create.tx");
    let ours = ours.to_str().unwrap();
    let mut count = 0;
    for case in entries(&vectors, "cases") {
        let creation = &case["create_channel"];
        if creation.is_null() {
            continue;
        }
        count += 1;
        let directory = vectors.join(text(&case, "name"));
        let theirs = text(creation, "tx");
        let expected = json_file(&directory.join(text(creation, "inspect")));
        assert_eq!(json(&directory, &["-inspectChannelCreateTx", theirs]), expected, "{case}");
        let flags = ["-profile", text(creation, "profile"), "-channelID", text(creation, "channel_id")];
        log(&directory, &[&flags[..], &["-outputCreateChannelTx", ours]].concat());
        let ours = json(&directory, &["-inspectChannelCreateTx", ours]);
        assert_eq!(without_chance(ours), without_chance(expected), "{case}");
    }
    assert!(count > 0);
}

#[test]
fn vectors_organizations_are_printed_and_their_anchor_peers_updated() {
    let Some(vectors) = vectors() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let ours = scratch.path().join("anchors.tx");
    let ours = ours.to_str().unwrap();
    let mut count = 0;
    for case in entries(&vectors, "cases") {
        let directory = vectors.join(text(&case, "name"));
        for (name, file) in case["print_org"].as_object().into_iter().flatten() {
            let expected = json_file(&directory.join(file.as_str().unwrap()));
            assert_eq!(json(&directory, &["-printOrg", name]), expected, "{case}");
            count += 1;
        }
        let anchors = &case["anchor_peers_update"];
        if !anchors.is_null() {
            let flags = ["-profile", text(&case, "profile"), "-channelID", text(&case, "channel_id")];
            let output = ["-asOrg", text(anchors, "as_org"), "-outputAnchorPeersUpdate", ours];
            log(&directory, &[&flags[..], &output].concat());
            let expected = json_file(&directory.join(text(anchors, "proto_decode")));
            let ours = json(&directory, &["-inspectChannelCreateTx", ours]);
            assert_eq!(without_chance(ours), without_chance(expected), "{case}");
            count += 1;
        }
    }
    assert!(count > 1);
}

/// Texts of YAML parsers: ours says the same of the same place in its own words.
const OWN_WORDS: [(&str, &str); 2] = [
    ("yaml: line 139: did not find expected ',' or ']'", "yaml: line 140, column 11: "),
    ("yaml: unknown anchor 'NopeCapabilities' referenced", "unknown anchor 'NopeCapabilities' referenced"),
];

#[test]
fn vectors_errors_have_fabrics_texts_and_exit_codes() {
    let Some(vectors) = vectors() else { return };
    let scratch = tempfile::tempdir().unwrap();
    for case in entries(&vectors, "errors") {
        let directory = vectors.join("errors").join(text(&case, "name"));
        let written = scratch.path().join(text(&case, "name"));
        let arguments = case["args"].as_array().unwrap().iter().map(|argument| match argument.as_str() {
            Some("out.block") => written.to_str().unwrap(),
            argument => argument.unwrap(),
        });
        let output = configtxgen(&directory, &arguments.collect::<Vec<_>>());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(i64::from(output.status.code().unwrap()), case["exit_code"].as_i64().unwrap(), "{stderr}");
        assert_eq!(written.exists(), case["output_written"].as_bool().unwrap(), "{case}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), text(&case, "stdout"), "{case}");
        for line in case["stderr"].as_array().unwrap() {
            // A Go program that panics says it all over again, with blanks and its backtrace.
            let line = line.as_str().unwrap().replace("<vectors>", "../../..").replace(" [recovered]", "");
            let line = line.trim().trim_start_matches("panic: ");
            let own = OWN_WORDS.iter().find(|(theirs, _)| line.ends_with(theirs)).map(|(_, ours)| *ours);
            // What is logged as an error is not logged as a panic before.
            let expected = own.unwrap_or_else(|| line.trim_start_matches("PANI: "));
            assert!(stderr.contains(expected), "{expected:?} is not in {stderr}");
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

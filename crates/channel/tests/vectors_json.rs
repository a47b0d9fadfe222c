//! The JSON form of messages: ours against Fabric's configtxlator and configtxgen.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use channel::json::{self, JsonError};
use protos::{
    Message,
    common::{Config, ConfigGroup},
};
use serde_json::Value;

mod golden;

fn read_json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// What configtxlator says when it fails.
fn error_line(error: &JsonError) -> String {
    match error {
        JsonError::UnknownType(_) => "Error decoding: message of type %!s(<nil>) unknown".to_owned(),
        JsonError::Unmarshal(_) => format!("Error decoding: error unmarshalling: {error}"),
        JsonError::Render(_) => format!("Error decoding: error encoding output: {error}"),
        JsonError::Parse { .. } => format!("Error decoding: error decoding input: {error}"),
    }
}

/// Fabric's text, to which we add where in the JSON text it is.
fn is_fabrics(error: &JsonError, expected: &str) -> bool {
    match error {
        JsonError::Parse { line, column, .. } => {
            error_line(error) == format!("{expected} (line {line}, column {column})")
        }
        _ => error_line(error) == expected,
    }
}

fn json_of(message_type: &str, bytes: &[u8]) -> Result<Value, JsonError> {
    json::decode(message_type, bytes).map(|text| serde_json::from_str(&text).unwrap())
}

fn cases(directory: &Path, kind: &str) -> Vec<Value> {
    let cases = read_json(&directory.join("manifest.json"))[kind].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

#[test]
fn vectors_json_round_trips() {
    let Some(directory) = golden::directory("configtxlator/proto") else { return };
    for case in cases(&directory, "round_trips") {
        let message_type = case["type"].as_str().unwrap();
        let bytes = fs::read(directory.join(case["pb"].as_str().unwrap())).unwrap();
        let decoded = json::decode(message_type, &bytes);
        if let Some(expected) = case["decode_error"].as_str() {
            let error = decoded.expect_err(message_type);
            assert!(is_fabrics(&error, expected), "{error}, not {expected}");
            continue;
        }
        let text = decoded.unwrap_or_else(|e| panic!("{e}: {case}"));
        // The files are configtxlator's output as it came: the text is the same to the byte.
        let expected = fs::read_to_string(directory.join(case["json"].as_str().unwrap())).unwrap();
        assert!(text == expected, "{case}");

        let encoded = json::encode(message_type, &text).unwrap_or_else(|e| panic!("{e}: {case}"));
        if case["reencoded_bytes_equal"] == true {
            assert!(encoded == bytes, "{case}");
        }
        assert_eq!(json::decode(message_type, &encoded).unwrap(), text, "{case}");
        assert_eq!(json::encode(message_type, &text).unwrap(), encoded, "{case}");
    }
}

#[test]
fn vectors_json_encoded() {
    let Some(directory) = golden::directory("configtxlator/proto") else { return };
    for case in cases(&directory, "encode") {
        let encoded = json::encode(case["type"].as_str().unwrap(), case["json_text"].as_str().unwrap());
        match case["error"].as_str() {
            None => {
                let expected = STANDARD.decode(case["pb_base64"].as_str().unwrap()).unwrap();
                assert_eq!(encoded.unwrap_or_else(|e| panic!("{e}: {case}")), expected, "{case}");
            }
            Some(expected) => {
                let error = encoded.expect_err(expected);
                assert!(is_fabrics(&error, expected), "{error}, not {expected}");
            }
        }
    }
}

#[test]
fn vectors_json_decoded() {
    let Some(directory) = golden::directory("configtxlator/proto") else { return };
    for case in cases(&directory, "decode") {
        let bytes = STANDARD.decode(case["pb_base64"].as_str().unwrap()).unwrap();
        let decoded = json_of(case["type"].as_str().unwrap(), &bytes);
        match case["error"].as_str() {
            None => assert_eq!(decoded.unwrap_or_else(|e| panic!("{e}: {case}")), case["json"], "{case}"),
            Some(expected) => {
                let error = decoded.expect_err(expected);
                assert!(is_fabrics(&error, expected), "{error}, not {expected}");
            }
        }
    }
}

#[test]
fn vectors_json_of_genesis_blocks() {
    let Some(directory) = golden::directory("genesis") else { return };
    for case in cases(&directory, "cases") {
        let directory = directory.join(case["name"].as_str().unwrap());
        for (message_type, message, json_file) in [
            ("common.Block", "genesis.block", "genesis.json"),
            ("common.Envelope", "create-appchan.tx", "create-appchan.json"),
            ("common.Envelope", "anchors.tx", "anchors.json"),
        ] {
            let Ok(bytes) = fs::read(directory.join(message)) else { continue };
            let text = json::decode(message_type, &bytes).unwrap_or_else(|e| panic!("{e}: {case}"));
            let expected = fs::read_to_string(directory.join(json_file)).unwrap();
            assert!(text == expected, "{message}: {case}");
            let encoded = json::encode(message_type, &text).unwrap();
            assert_eq!(json::decode(message_type, &encoded).unwrap(), text, "{message}: {case}");
        }
    }
}

#[test]
fn vectors_json_of_an_organization() {
    let Some(directory) = golden::directory("genesis/raft-app") else { return };
    let block = read_json(&directory.join("genesis.json"));
    let config = &block["data"]["data"][0]["payload"]["data"]["config"];
    let config = json::encode("common.Config", &config.to_string()).unwrap();
    let channel_group = Config::decode(Bytes::from(config)).unwrap().channel_group.unwrap();
    let organization =
        |section: &str, name: &str| -> ConfigGroup { channel_group.groups[section].groups[name].clone() };

    for name in ["Org1", "Org2"] {
        // -printOrg leaves the anchor peers out, which an ordering organisation does not have.
        let mut group = organization("Application", name);
        assert!(group.values.remove("AnchorPeers").is_some() || name == "Org2");
        let expected = fs::read_to_string(directory.join(format!("print-org-{name}.json"))).unwrap();
        assert!(json::decode_organization(&group).unwrap() == expected, "{name}");
    }

    let error = json::decode_organization(&organization("Application", "Org1")).unwrap_err();
    assert!(error.to_string().ends_with("unknown Orderer Org ConfigValue name: AnchorPeers"), "{error}");
}

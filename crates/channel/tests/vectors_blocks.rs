//! Blocks that Fabric's orderers stored: hashes, metadata and what their signatures cover.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use bytes::Bytes;
use channel::block::{self, EncodedBlock};
use protos::{
    Message,
    common::{Block, BlockHeader, HeaderType},
    etcdraft,
};
use serde_json::Value;

mod golden;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Bytes {
    hex::decode(value.as_str().unwrap()).unwrap().into()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn vectors_block_headers() {
    let Some(directory) = golden::directory("blockheader") else { return };
    let vectors = json(&directory.join("blockheader.json"));
    assert!(!list(&vectors["headers"]).is_empty() && !list(&vectors["data_hashes"]).is_empty());
    for case in list(&vectors["headers"]) {
        let header = BlockHeader {
            number: case["number"].as_str().unwrap().parse().unwrap(),
            previous_hash: bytes(&case["previous_hash"]),
            data_hash: bytes(&case["data_hash"]),
        };
        assert_eq!(block::header_bytes(&header), bytes(&case["header_bytes"]), "{case}");
        assert_eq!(&block::header_hash(&header)[..], bytes(&case["header_hash"]), "{case}");
        assert_eq!(header.encode_to_vec(), bytes(&case["proto"]), "{case}");
    }
    for case in list(&vectors["data_hashes"]) {
        let data: Vec<Bytes> = list(&case["data"]).iter().map(bytes).collect();
        assert_eq!(&block::data_hash(&data)[..], bytes(&case["data_hash"]), "{case}");
    }
}

#[test]
fn vectors_stored_blocks() {
    let Some(directory) = golden::directory("hash") else { return };
    let mut chains = 0;
    for network in fs::read_dir(directory).unwrap() {
        let network = network.unwrap().path();
        for file in fs::read_dir(&network).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|e| e == "json") {
                check_chain(&network, &json(&file));
                chains += 1;
            }
        }
    }
    assert!(chains > 0);
}

fn check_chain(directory: &Path, chain: &Value) {
    let mut previous_hash = Bytes::new();
    for case in list(&chain["blocks"]) {
        let name = case["file"].as_str().unwrap();
        let raw = Bytes::from(fs::read(directory.join(name)).unwrap());
        let encoded = EncodedBlock::decode(raw.clone()).unwrap();
        assert_eq!(encoded.parts().map(|p| p.to_vec()).concat(), raw, "{name}");
        assert_eq!(EncodedBlock::from_block(encoded.block().clone()), encoded, "{name}");

        let header = encoded.header();
        assert_eq!(Some(header.number), case["number"].as_u64(), "{name}");
        assert_eq!(header.previous_hash, previous_hash, "{name}");
        assert_eq!(block::header_bytes(header), bytes(&case["header_bytes"]), "{name}");
        assert_eq!(&encoded.header_hash()[..], bytes(&case["header_hash"]), "{name}");
        assert_eq!(&block::data_hash(encoded.data())[..], header.data_hash, "{name}");
        assert_eq!(encoded.data().len() as u64, case["transactions"].as_u64().unwrap(), "{name}");
        previous_hash = Bytes::copy_from_slice(&encoded.header_hash());

        check_kind(name, encoded.block(), chain, case);
        check_metadata(name, &encoded, case);
    }
}

fn check_kind(name: &str, block: &Block, chain: &Value, case: &Value) {
    let first_type = case["header_types"][0].as_str().unwrap();
    assert_eq!(block::channel_id(block).unwrap(), chain["channel"].as_str().unwrap(), "{name}");
    assert_eq!(block::header_type(block).unwrap(), HeaderType::from_str_name(first_type), "{name}");
    assert_eq!(Some(block::is_config_block(block)), case["is_config_block"].as_bool(), "{name}");
    assert_eq!(block::is_plain_config_block(block), first_type == "CONFIG", "{name}");
    assert_eq!(block::config_envelope(block).is_ok(), first_type == "CONFIG", "{name}");
}

fn check_metadata(name: &str, encoded: &EncodedBlock, case: &Value) {
    let block = encoded.block();
    let slots: Vec<Bytes> = list(&case["metadata"]).iter().map(bytes).collect();
    assert_eq!(encoded.metadata(), slots, "{name}");
    assert_eq!(Some(block::last_config_index(block).unwrap()), case["last_config_index"].as_u64(), "{name}");

    let raft = etcdraft::BlockMetadata::decode(block::consenter_metadata(block).unwrap()).unwrap();
    let expected = &case["raft_block_metadata"];
    let ids: Vec<u64> = list(&expected["consenter_ids"]).iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!(raft.consenter_ids, ids, "{name}");
    assert_eq!(Some(raft.next_consenter_id), expected["next_consenter_id"].as_u64(), "{name}");
    assert_eq!(Some(raft.raft_index), expected["raft_index"].as_u64(), "{name}");

    let signatures = block::signature_set(block).unwrap();
    let expected = list(&case["signatures"]);
    assert_eq!(signatures.len(), expected.len(), "{name}");
    for (signature, expected) in signatures.iter().zip(expected) {
        assert_eq!(signature.data, bytes(&expected["signed_bytes"]), "{name}");
        assert_eq!(signature.signature, bytes(&expected["signature"]), "{name}");
        let identity = protos::msp::SerializedIdentity::decode(signature.identity.clone()).unwrap();
        assert_eq!(Some(identity.mspid.as_str()), expected["mspid"].as_str(), "{name}");
        assert_eq!(identity.id_bytes, expected["cert_pem"].as_str().unwrap(), "{name}");
    }
}

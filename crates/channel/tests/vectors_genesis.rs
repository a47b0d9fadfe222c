//! Genesis blocks: ours against those of Fabric's configtxgen, from the same `configtx.yaml`.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    bundle::Bundle,
    envelope,
};
use protos::{
    Message,
    common::{Block, Capabilities, Config, ConfigGroup, Envelope, HeaderType},
    peer::AcLs,
};
use serde_json::Value;

mod configtx_yaml;
mod golden;

/// Calls `check` with each case, its directory and Fabric's block.
fn for_each_case(check: impl Fn(&Value, &Path, Block)) {
    let Some(directory) = golden::directory("genesis") else { return };
    let manifest: Value =
        serde_json::from_slice(&fs::read(directory.join("manifest.json")).unwrap()).unwrap();
    let cases = manifest["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let directory = directory.join(case["name"].as_str().unwrap());
        let block = fs::read(directory.join("genesis.block")).unwrap();
        check(case, &directory, Block::decode(Bytes::from(block)).unwrap());
    }
}

/// Maps inside of values were written in random order; puts them in ours.
fn sort_maps(group: &mut ConfigGroup) {
    for (name, value) in &mut group.values {
        match name.as_str() {
            "Capabilities" => value.value = reencode::<Capabilities>(&value.value),
            "ACLs" => value.value = reencode::<AcLs>(&value.value),
            _ => {}
        }
    }
    group.groups.values_mut().for_each(sort_maps);
}

fn reencode<M: Message + Default>(bytes: &Bytes) -> Bytes {
    M::decode(bytes.clone()).unwrap().encode_to_vec().into()
}

fn config(block: &Block) -> Config {
    let mut config = block::config_envelope(block).unwrap().config.unwrap();
    sort_maps(config.channel_group.as_mut().unwrap());
    config
}

#[test]
fn vectors_genesis_blocks_are_read() {
    for_each_case(|case, _, block| {
        let encoded = EncodedBlock::from_block(block);
        let block = encoded.block();
        assert_eq!(encoded.number(), 0, "{case}");
        assert_eq!(&block::data_hash(encoded.data())[..], encoded.header().data_hash, "{case}");
        assert!(encoded.header().previous_hash.is_empty(), "{case}");
        assert!(block::is_config_block(block) && block::is_plain_config_block(block), "{case}");
        assert_eq!(block::last_config_index(block), Ok(0), "{case}");
        assert_eq!(block::consenter_metadata(block), Ok(Bytes::new()), "{case}");
        assert_eq!(block::signature_set(block), Ok(vec![]), "{case}");
        assert_eq!(block::channel_id(block).unwrap(), case["channel_id"].as_str().unwrap(), "{case}");

        let bundle = Bundle::from_config_block(block).unwrap_or_else(|e| panic!("{e}: {case}"));
        assert_eq!(bundle.consortiums().is_some(), case["create_channel"].is_object(), "{case}");
    });
}

#[test]
fn vectors_genesis_blocks_are_made() {
    for_each_case(|case, directory, theirs| {
        let file = directory.join("configtx.yaml");
        let description = configtx_yaml::description(&file, case["channel_id"].as_str().unwrap());
        let timestamp_seconds = 1_790_000_000;
        let nonce = Bytes::from(vec![9; 24]);
        let ours = description.block(timestamp_seconds, nonce.clone()).unwrap();
        assert_eq!(config(&ours), config(&theirs), "{case}");
        assert_eq!(ours.metadata, theirs.metadata, "{case}");
        assert_eq!(description.block(timestamp_seconds, nonce.clone()).unwrap(), ours, "{case}");

        let envelope =
            |block: &Block| Envelope::decode(block.data.as_ref().unwrap().data[0].clone()).unwrap();
        let (ours, theirs) = (envelope(&ours), envelope(&theirs));
        assert_eq!(ours.signature, theirs.signature, "{case}");
        let ours = envelope::headers(&ours).unwrap();
        let mut theirs = envelope::headers(&theirs).unwrap();
        assert_eq!(theirs.channel_header.tx_id, envelope::tx_id(&theirs.signature_header), "{case}");
        assert_eq!(theirs.signature_header.nonce.len(), nonce.len(), "{case}");
        theirs.signature_header.nonce = nonce;
        theirs.channel_header.timestamp.as_mut().unwrap().seconds = timestamp_seconds;
        theirs.channel_header.tx_id = envelope::tx_id(&theirs.signature_header);
        assert_eq!(ours, theirs, "{case}");
        assert_eq!(ours.channel_header.r#type, HeaderType::Config as i32);
    });
}

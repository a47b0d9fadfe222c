//! Genesis blocks that Fabric's configtxgen made. That ours are the same is tested where ours are made from
//! `configtx.yaml`, in the command line.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    bundle::Bundle,
};
use protos::{Message, common::Block};
use serde_json::Value;

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

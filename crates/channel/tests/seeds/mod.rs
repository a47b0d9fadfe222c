//! Good inputs to begin with, from the golden vectors.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use channel::block::config_envelope;
use protos::{Message, common::Block};
use serde_json::Value;

/// Blocks of two Raft networks and genesis blocks of many kinds of channels.
pub(crate) fn blocks(vectors: &Path) -> Vec<Vec<u8>> {
    [files(&vectors.join("hash"), "block"), files(&vectors.join("genesis"), "block")].concat()
}

/// The transactions in [`blocks`].
pub(crate) fn envelopes(vectors: &Path) -> Vec<Vec<u8>> {
    let entries = decoded(vectors).into_iter().flat_map(|block| block.data.unwrap_or_default().data);
    entries.map(|entry| entry.to_vec()).collect()
}

/// The configs in [`blocks`].
pub(crate) fn configs(vectors: &Path) -> Vec<Vec<u8>> {
    let configs = decoded(vectors).into_iter().filter_map(|block| config_envelope(&block).ok()?.config);
    configs.map(|config| config.encode_to_vec()).collect()
}

/// Every update of `configtx/` with the config that it is for: config and envelope.
pub(crate) fn updates(vectors: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let directory = vectors.join("configtx");
    let manifest: Value =
        serde_json::from_slice(&read(&directory.join("manifest.json"))).expect("the manifest is JSON");
    let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
    let bases = list("bases");
    let file = |value: &Value| read(&directory.join(value.as_str().expect("a file's name")));
    let update = |case: Value| {
        let base = bases.iter().find(|base| base["name"] == case["base"])?;
        Some((file(&base["file"]), file(&case["envelope"])))
    };
    list("cases").into_iter().filter_map(update).collect()
}

/// The messages of `configtxlator/proto`, in their wire form and their JSON form: type and content.
pub(crate) fn messages(vectors: &Path) -> Vec<(String, Vec<u8>)> {
    let directory = vectors.join("configtxlator/proto");
    let manifest: Value =
        serde_json::from_slice(&read(&directory.join("manifest.json"))).expect("the manifest is JSON");
    let cases = manifest["round_trips"].as_array().cloned().unwrap_or_default();
    let forms = cases.iter().flat_map(|case| {
        let files = [&case["pb"], &case["json"]].into_iter().filter_map(Value::as_str);
        files.map(|file| (case["type"].as_str().unwrap_or_default().to_owned(), read(&directory.join(file))))
    });
    forms.collect()
}

fn decoded(vectors: &Path) -> Vec<Block> {
    let decode = |block| Block::decode(Bytes::from(block)).expect("the vector is a block");
    blocks(vectors).into_iter().map(decode).collect()
}

/// The contents of all files with this extension in the directories below `directory`.
fn files(directory: &Path, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        entries(directory).iter().filter(|path| path.is_dir()).flat_map(|d| entries(d)).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    entries.flatten().map(|entry| entry.path()).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

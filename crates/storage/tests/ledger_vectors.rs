//! Ledgers that Fabric's orderer wrote, whole and broken in many ways: ours must find the same blocks,
//! cut the same tails and refuse the same directories.
#![allow(clippy::unwrap_used)]

mod fixture;

use bytes::Bytes;
use channel::block::{EncodedBlock, data_hash, new_block};
use fixture::{copy_directory, vectors};
use protos::Message;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use storage::ledger::{BlockReader, LedgerOptions, LedgerStore, Step, StoreError};

#[derive(Deserialize)]
struct Manifest {
    channel: String,
    block_file: String,
    blocks: Vec<StoredBlock>,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct StoredBlock {
    number: u64,
    offset: u64,
    length_prefix_bytes: u64,
    block_bytes: u64,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    recipe: Recipe,
    fabric_open: FabricOpen,
    append_after_open: Option<Append>,
}

#[derive(Deserialize, Default)]
struct Recipe {
    truncate_block_file_to: Option<u64>,
    append_hex: Option<String>,
    xor_byte_at: Option<usize>,
    xor_with: Option<u8>,
    #[serde(default)]
    remove_index: bool,
}

#[derive(Deserialize)]
struct FabricOpen {
    height: Option<u64>,
    #[serde(default)]
    blocks: Vec<FoundBlock>,
    file_sizes_after_open: BTreeMap<String, u64>,
    panic: Option<String>,
    open_error: Option<String>,
}

#[derive(Deserialize)]
struct FoundBlock {
    number: u64,
    header_hash: String,
    sha256_of_block_bytes: String,
    #[serde(default)]
    data_hash_mismatch: bool,
}

#[derive(Deserialize)]
struct Append {
    append_error: Option<String>,
    height_after_append: u64,
}

fn manifest(vectors: &Path) -> Manifest {
    serde_json::from_slice(&fs::read(vectors.join("ledger/manifest.json")).unwrap()).unwrap()
}

/// A copy of the good ledger, changed by the recipe, in a directory of its own.
fn make(vectors: &Path, manifest: &Manifest, recipe: &Recipe) -> tempfile::TempDir {
    let directory = fixture::directory();
    copy_directory(&vectors.join("ledger/good"), directory.path());
    let path = directory.path().join(&manifest.block_file);
    let mut file = fs::read(&path).unwrap();
    if let Some(size) = recipe.truncate_block_file_to {
        file.truncate(size as usize);
    }
    if let Some(hex) = &recipe.append_hex {
        file.extend(hex::decode(hex).unwrap());
    }
    if let Some(at) = recipe.xor_byte_at {
        file[at] ^= recipe.xor_with.unwrap();
    }
    fs::write(&path, file).unwrap();
    if recipe.remove_index {
        fs::remove_dir_all(directory.path().join("index")).unwrap();
    }
    directory
}

/// What is in a ledger directory of Fabric's: block files with their bytes, and the index's file names.
fn files_of(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["chains/ch1", "index"] {
        for entry in fs::read_dir(directory.join(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files.retain(|path, _| !path.ends_with("index/LOCK"));
    files
}

fn next_block(height: u64, previous: Bytes) -> Arc<EncodedBlock> {
    Arc::new(EncodedBlock::from_block(new_block(height, previous, vec![Bytes::from_static(b"one more")])))
}

#[test]
fn every_variant_of_the_vectors_opens_as_in_fabric() {
    let Some(vectors) = vectors() else { return };
    let manifest = manifest(&vectors);
    assert!(!manifest.variants.is_empty());
    for variant in &manifest.variants {
        let directory = make(&vectors, &manifest, &variant.recipe);
        check_open(&manifest, variant, directory.path());
    }
}

fn check_open(manifest: &Manifest, variant: &Variant, directory: &Path) {
    let name = &variant.name;
    let expected = &variant.fabric_open;
    let before = files_of(directory);
    let store = LedgerStore::open(directory, LedgerOptions::default()).unwrap();
    assert_eq!(store.channels().unwrap(), std::slice::from_ref(&manifest.channel), "{name}");
    let opened = store.open_channel(&manifest.channel);

    for (file, size) in &expected.file_sizes_after_open {
        let path = directory.join("chains").join(&manifest.channel).join(file);
        assert_eq!(fs::metadata(path).unwrap().len(), *size, "{name}");
    }
    if expected.panic.is_some() || expected.open_error.is_some() {
        let error = opened.unwrap_err();
        assert_eq!(files_of(directory), before, "{name}: a refused ledger must not be changed");
        if let Some(text) = &expected.open_error {
            assert!(error.to_string().contains(text), "{name}: {error}");
        }
        if let Some(text) = &expected.panic {
            // Fabric tells the missing bytes as a negative count.
            let missing: u64 =
                text.split(['[', ']']).nth(1).unwrap().trim_start_matches('-').parse().unwrap();
            assert!(
                matches!(error, StoreError::TailLost { missing_bytes, .. } if missing_bytes == missing),
                "{name}: {error}"
            );
        }
        return;
    }

    let ledger = opened.unwrap();
    assert_eq!(Some(ledger.height()), expected.height, "{name}");
    assert_eq!(ledger.durable_height(), ledger.height(), "{name}");
    assert_eq!(expected.blocks.len() as u64, ledger.height(), "{name}");
    for found in &expected.blocks {
        let block = ledger.block(found.number).unwrap().unwrap();
        assert_eq!(hex::encode(block.header_hash()), found.header_hash, "{name}, block {}", found.number);
        let bytes = block.parts().map(|p| p.to_vec()).concat();
        assert_eq!(
            hex::encode(Sha256::digest(&bytes)),
            found.sha256_of_block_bytes,
            "{name}, block {}",
            found.number
        );
        let matches = data_hash(block.data())[..] == block.header().data_hash[..];
        assert_eq!(!matches, found.data_hash_mismatch, "{name}, block {}", found.number);
    }
    assert!(ledger.block(ledger.height()).unwrap().is_none(), "{name}");
    // Fabric's index is of use to Fabric as long as we have written nothing.
    let index = |files: BTreeMap<PathBuf, Vec<u8>>| {
        files.into_iter().filter(|(path, _)| path.starts_with(directory.join("index"))).collect::<Vec<_>>()
    };
    assert_eq!(index(files_of(directory)), index(before), "{name}");

    let append = variant.append_after_open.as_ref().unwrap();
    assert_eq!(append.append_error, None, "{name}: no variant opens and then refuses a block");
    ledger.append(&next_block(ledger.height(), ledger.last_header_hash())).unwrap();
    ledger.flush().unwrap();
    assert_eq!(ledger.height(), append.height_after_append, "{name}");
    assert!(!directory.join("index").exists(), "{name}: Fabric must make its index anew");

    let last_hash = ledger.last_header_hash();
    drop((ledger, store));
    let ledger = LedgerStore::open(directory, LedgerOptions::default())
        .unwrap()
        .open_channel(&manifest.channel)
        .unwrap();
    assert_eq!(
        (ledger.height(), ledger.last_header_hash()),
        (append.height_after_append, last_hash),
        "{name}"
    );
}

#[test]
fn directories_of_the_vectors_are_what_their_recipes_make() {
    let Some(vectors) = vectors() else { return };
    let manifest = manifest(&vectors);
    for variant in &manifest.variants {
        let given = vectors.join("ledger").join(&variant.name);
        if given.is_dir() {
            let made = make(&vectors, &manifest, &variant.recipe);
            let file = |root: &Path| fs::read(root.join(&manifest.block_file)).unwrap();
            assert_eq!(file(&given), file(made.path()), "{}", variant.name);
        }
    }
}

#[test]
fn blocks_of_the_vectors_are_written_byte_for_byte() {
    let Some(vectors) = vectors() else { return };
    let manifest = manifest(&vectors);
    let fabric = fs::read(vectors.join("ledger/good").join(&manifest.block_file)).unwrap();
    let mut reader = BlockReader::open(&vectors.join("ledger/good"), &manifest.channel).unwrap();

    let directory = fixture::directory();
    let ledger =
        LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap().open_channel("ch1").unwrap();
    for expected in &manifest.blocks {
        let Step::Block(stored) = reader.step().unwrap() else {
            panic!("block {} is missing", expected.number)
        };
        assert_eq!((stored.block.number(), stored.offset), (expected.number, expected.offset));
        assert!(stored.data_hash_matches);
        ledger.append(&Arc::new(stored.block)).unwrap();
        let size = fs::metadata(directory.path().join(&manifest.block_file)).unwrap().len();
        assert_eq!(size, expected.offset + expected.length_prefix_bytes + expected.block_bytes);
    }
    assert!(matches!(reader.step().unwrap(), Step::End));
    assert_eq!(fs::read(directory.path().join(&manifest.block_file)).unwrap(), fabric);
}

#[test]
fn blocks_of_the_vectors_are_those_that_the_orderer_delivered() {
    let Some(vectors) = vectors() else { return };
    let mut reader = BlockReader::open(&vectors.join("ledger/good"), "ch1").unwrap();
    let mut compared = 0;
    while let Step::Block(stored) = reader.step().unwrap() {
        let path = vectors.join(format!("hash/app/ch1-{:02}.block", stored.block.number()));
        if let Ok(bytes) = fs::read(path) {
            assert_eq!(protos::common::Block::decode(&bytes[..]).unwrap(), *stored.block.block());
            compared += 1;
        }
    }
    assert!(compared > 0);
}

//! `causeway inspect` on blocks and ledgers that Fabric's orderer wrote.
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The golden data; `None` (with a message) where it is not there and need not be.
fn vectors() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let path = PathBuf::from(env::var("CAUSEWAY_VECTORS").unwrap_or_else(|_| default.to_owned()));
    if path.is_dir() {
        return Some(path);
    }
    assert!(env::var_os("CI").is_none(), "{} is missing; set CAUSEWAY_VECTORS", path.display());
    eprintln!("skipped: {} is missing; set CAUSEWAY_VECTORS", path.display());
    None
}

fn inspect(path: &Path) -> (bool, Value) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_causeway")).args(["inspect", "--json"]).arg(path).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (
        output.status.success(),
        report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))),
    )
}

#[test]
fn vectors_blocks_are_told_as_fabric_has_them() {
    let Some(vectors) = vectors() else { return };
    let mut count = 0;
    for folder in ["app", "sys"] {
        let folder = vectors.join("hash").join(folder);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            for expected in manifest["blocks"].as_array().unwrap() {
                let file = folder.join(expected["file"].as_str().unwrap());
                let (sound, report) = inspect(&file);
                let block = &report["block"];
                assert!(sound, "{}: {report}", file.display());
                for field in ["header_hash", "data_hash"] {
                    assert_eq!(block[field], expected[field], "{field} of {}", file.display());
                }
                assert_eq!(block["last_config_block"], expected["last_config_index"], "{}", file.display());
                assert_eq!(block["config"], expected["is_config_block"], "{}", file.display());
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn vectors_ledger_is_sound_and_a_changed_byte_is_found() {
    let Some(vectors) = vectors() else { return };
    let manifest: Value =
        serde_json::from_slice(&fs::read(vectors.join("ledger/manifest.json")).unwrap()).unwrap();
    let blocks = manifest["blocks"].as_array().unwrap();
    let good = vectors.join("ledger/good");
    let (sound, report) = inspect(&good);
    assert!(sound, "{report}");
    assert_eq!(report["channels"][0]["height"], blocks.len());

    let file = "chains/ch1/blockfile_000000";
    let original = fs::read(good.join(file)).unwrap();
    for (number, block) in blocks.iter().enumerate().skip(1) {
        let offset = block["offset"].as_u64().unwrap() as usize;
        let end =
            blocks.get(number + 1).map_or(original.len(), |next| next["offset"].as_u64().unwrap() as usize);
        // In the middle of the record there is a transaction: the data hash must tell.
        let mut changed = original.clone();
        changed[(offset + end) / 2] ^= 1;
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("chains/ch1")).unwrap();
        fs::write(directory.path().join(file), changed).unwrap();
        let (sound, report) = inspect(directory.path());
        let faults = report["channels"][0]["faults"].to_string();
        assert!(!sound, "block {number}: {report}");
        assert!(faults.contains(&format!("blockfile_000000 at byte {offset}")), "block {number}: {faults}");
    }
}

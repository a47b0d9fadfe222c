//! Raft snapshots against etcd's own files, and broken ones.
#![allow(clippy::unwrap_used)]

mod fixture;

use bytes::Bytes;
use fixture::copy_directory;
use protos::raftpb::{ConfState, Snapshot, SnapshotMetadata};
use std::{fs, path::Path};
use storage::snapshot::{KEPT_SNAPSHOTS, SnapshotStore};

fn snapshot(term: u64, index: u64) -> Snapshot {
    Snapshot {
        data: Some(Bytes::from(format!("block of entry {index}"))),
        metadata: Some(SnapshotMetadata {
            conf_state: Some(ConfState {
                voters: vec![1, 2, 3],
                auto_leave: Some(false),
                ..ConfState::default()
            }),
            index: Some(index),
            term: Some(term),
        }),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_are_those_that_etcd_writes() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/snap");
    let directory = fixture::directory();
    let mut store = SnapshotStore::open(&directory.path().join("deep/er/ch1")).unwrap();
    store.save(&snapshot(2, 11)).unwrap();
    store.save(&snapshot(2, 19)).unwrap();
    store.save(&Snapshot::default()).unwrap();
    assert_eq!(names(&directory.path().join("deep/er/ch1")), names(&golden), "an empty snapshot is none");
    for name in names(&golden) {
        let ours = fs::read(directory.path().join("deep/er/ch1").join(&name)).unwrap();
        assert_eq!(ours, fs::read(golden.join(&name)).unwrap(), "{name}");
    }
    let copy = directory.path().join("copy");
    copy_directory(&golden, &copy);
    assert_eq!(SnapshotStore::open(&copy).unwrap().load_newest_good().unwrap(), Some(snapshot(2, 19)));
}

#[test]
fn the_newest_whole_snapshot_is_loaded_and_broken_ones_are_set_aside() {
    let directory = fixture::directory();
    let path = directory.path().join("0000000000000003-000000000000001e.snap");
    let mut store = SnapshotStore::open(directory.path()).unwrap();
    assert_eq!(store.load_newest_good().unwrap(), None);
    store.save(&snapshot(2, 40)).unwrap();
    store.save(&snapshot(3, 30)).unwrap();
    assert_eq!(store.load_newest_good().unwrap(), Some(snapshot(3, 30)), "term before index");
    let whole = fs::read(&path).unwrap();
    let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
    let flipped = (0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let mut harmless = 0;
    for broken in cut.chain(flipped) {
        fs::write(&path, &broken).unwrap();
        let loaded = store.load_newest_good().unwrap().unwrap();
        if loaded == snapshot(3, 30) {
            // The upper bits of the checksum's last byte mean nothing.
            harmless += 1;
            continue;
        }
        assert_eq!(loaded, snapshot(2, 40));
        let aside = directory.path().join("0000000000000003-000000000000001e.snap.broken");
        assert_eq!(fs::read(&aside).unwrap(), broken);
        assert!(!path.exists());
        fs::remove_file(aside).unwrap();
    }
    assert!(harmless <= 1, "{harmless}");
}

#[test]
fn the_newest_snapshots_are_kept() {
    let directory = fixture::directory();
    let mut store = SnapshotStore::open(directory.path()).unwrap();
    for index in 1..KEPT_SNAPSHOTS as u64 {
        store.save(&snapshot(1, index)).unwrap();
        assert_eq!(store.purge().unwrap(), None, "{index} of {KEPT_SNAPSHOTS}");
    }
    for index in KEPT_SNAPSHOTS as u64..8 {
        store.save(&snapshot(1, index)).unwrap();
        assert_eq!(store.purge().unwrap(), Some(index - 3));
        assert_eq!(names(directory.path()).len(), KEPT_SNAPSHOTS);
    }
    // What a crash left half-written is dropped, what is not ours is left.
    fs::write(directory.path().join("0000000000000001-0000000000000009.snap~"), b"half").unwrap();
    fs::write(directory.path().join("notes.txt"), b"keep me").unwrap();
    let mut store = SnapshotStore::open(directory.path()).unwrap();
    assert_eq!(store.load_newest_good().unwrap(), Some(snapshot(1, 7)));
    assert_eq!(names(directory.path()).last().unwrap(), "notes.txt");
    assert_eq!(names(directory.path()).len(), KEPT_SNAPSHOTS + 1);
}

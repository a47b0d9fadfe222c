//! The block ledger in use: appends, rolls, restarts, removals, and what it says to bad directories.
#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{block, chain, open};
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use storage::ledger::{LedgerObserver, LedgerOptions, LedgerStore, StoreError};

fn small_files(max_file_bytes: u64) -> LedgerOptions {
    LedgerOptions { max_file_bytes, cache_bytes: 0, ..LedgerOptions::default() }
}

fn file_sizes(location: &Path) -> Vec<u64> {
    let directory = location.join("chains/ch1");
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    names.iter().map(|path| fs::metadata(path).unwrap().len()).collect()
}

#[test]
fn blocks_are_found_again_across_files_and_restarts() {
    let directory = fixture::directory();
    let blocks = chain(40, 100);
    for (round, part) in blocks.chunks(7).enumerate() {
        let ledger =
            LedgerStore::open(directory.path(), small_files(1000)).unwrap().open_channel("ch1").unwrap();
        assert_eq!(ledger.height(), round as u64 * 7);
        assert_eq!(ledger.repaired(), None);
        for block in part {
            ledger.append(block).unwrap();
            // Flushed or not, in memory or not, every block is found.
            for known in &blocks[..=block.number() as usize] {
                assert_eq!(&ledger.block(known.number()).unwrap().unwrap(), known);
            }
            assert!(ledger.block(ledger.height()).unwrap().is_none());
            if block.number() % 3 == 0 {
                ledger.flush().unwrap();
                assert_eq!(ledger.durable_height(), ledger.height());
            }
        }
        assert!(ledger.durable_height() <= ledger.height());
    }
    assert!(file_sizes(directory.path()).len() > 3);
}

#[test]
fn a_file_is_filled_up_to_the_limit_and_not_a_byte_further() {
    let sizes_for = |limit| {
        let directory = fixture::directory();
        let store = LedgerStore::open(directory.path(), small_files(limit)).unwrap();
        let ledger = store.open_channel("ch1").unwrap();
        chain(3, 500).iter().for_each(|block| ledger.append(block).unwrap());
        file_sizes(directory.path())
    };
    let all = sizes_for(u64::from(u32::MAX));
    let one = sizes_for(1);
    assert_eq!(all.len(), 1);
    // A block that is larger than the limit gets a file of its own, and the first file stays empty.
    assert_eq!((one.len(), one[0]), (4, 0));
    let two = one[1] + one[2];
    assert_eq!(sizes_for(two), [two, one[3]]);
    assert_eq!(sizes_for(two - 1), one[1..]);
}

#[test]
fn only_the_next_block_is_taken() {
    let directory = fixture::directory();
    let ledger = open(directory.path()).unwrap();
    let blocks = chain(3, 10);
    ledger.append(&blocks[0]).unwrap();
    assert_eq!(
        ledger.append(&blocks[2]).unwrap_err().to_string(),
        "block number should have been 1 but was 2"
    );
    assert_eq!(
        ledger.append(&blocks[0]).unwrap_err().to_string(),
        "block number should have been 1 but was 0"
    );
    let stray = Arc::new(block(1, vec![0xab; 32], 10));
    assert_eq!(
        ledger.append(&stray).unwrap_err().to_string(),
        format!(
            "unexpected Previous block hash. Expected PreviousHash = [{}], PreviousHash referred in the latest block= [{}]",
            hex::encode(blocks[0].header_hash()),
            "ab".repeat(32)
        )
    );
    assert_eq!(ledger.poisoned(), None, "a refused block does no harm");
    ledger.append(&blocks[1]).unwrap();
    assert_eq!(ledger.last_header_hash(), blocks[1].header_hash()[..]);
}

#[test]
fn the_newest_blocks_are_shared_from_memory_up_to_the_limit() {
    let directory = fixture::directory();
    let options = LedgerOptions { cache_bytes: 3000, ..LedgerOptions::default() };
    let ledger = LedgerStore::open(directory.path(), options).unwrap().open_channel("ch1").unwrap();
    let blocks = chain(10, 900);
    blocks.iter().for_each(|block| ledger.append(block).unwrap());
    let shared = |number: u64| Arc::ptr_eq(&ledger.block(number).unwrap().unwrap(), &blocks[number as usize]);
    let kept: Vec<u64> = (0..10).filter(|number| shared(*number)).collect();
    assert_eq!(kept, [7, 8, 9]);
    let large = Arc::new(block(10, blocks[9].header_hash().to_vec(), 5000));
    ledger.append(&large).unwrap();
    assert!(Arc::ptr_eq(&ledger.block(10).unwrap().unwrap(), &large), "the newest stays whatever its size");
    assert!(!shared(9));
}

#[test]
fn writes_flushes_and_reads_run_side_by_side() {
    let directory = fixture::directory();
    let options = LedgerOptions { max_file_bytes: 4000, cache_bytes: 1500, ..LedgerOptions::default() };
    let ledger = LedgerStore::open(directory.path(), options).unwrap().open_channel("ch1").unwrap();
    let blocks = chain(400, 200);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..2u64 {
            let (ledger, blocks, done) = (&ledger, &blocks, &done);
            scope.spawn(move || {
                let mut place = reader;
                while !done.load(Ordering::Acquire) {
                    let height = ledger.height();
                    if height > 0 {
                        place = (place * 31 + 7) % height;
                        assert_eq!(ledger.block(place).unwrap().unwrap(), blocks[place as usize]);
                        assert_eq!(ledger.block(height - 1).unwrap().unwrap(), blocks[height as usize - 1]);
                    }
                }
            });
        }
        let (flusher, flusher_done) = (&ledger, &done);
        scope.spawn(move || {
            while !flusher_done.load(Ordering::Acquire) {
                let before = flusher.height();
                flusher.flush().unwrap();
                assert!(flusher.durable_height() >= before);
            }
        });
        for block in &blocks {
            ledger.append(block).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    ledger.flush().unwrap();
    drop(ledger);
    assert_eq!(open(directory.path()).unwrap().height(), 400);
}

#[derive(Default)]
struct Heights(Mutex<Vec<(&'static str, String, u64)>>);

impl LedgerObserver for Heights {
    fn appended(&self, channel: &str, height: u64, _: Duration) {
        self.0.lock().unwrap().push(("appended", channel.to_owned(), height));
    }
    fn flushed(&self, channel: &str, durable_height: u64, _: Duration) {
        self.0.lock().unwrap().push(("flushed", channel.to_owned(), durable_height));
    }
}

#[test]
fn an_observer_hears_of_writes_and_flushes() {
    let directory = fixture::directory();
    let heights = Arc::new(Heights::default());
    let options = LedgerOptions { observer: Some(heights.clone()), ..LedgerOptions::default() };
    let ledger = LedgerStore::open(directory.path(), options).unwrap().open_channel("ch1").unwrap();
    chain(2, 10).iter().for_each(|block| ledger.append(block).unwrap());
    ledger.flush().unwrap();
    ledger.flush().unwrap();
    let event = |what, height| (what, "ch1".to_owned(), height);
    let expected = [event("appended", 1), event("appended", 2), event("flushed", 2)];
    assert_eq!(*heights.0.lock().unwrap(), expected, "a flush with nothing to do is none");
}

#[test]
fn channels_are_listed_and_opened_once() {
    let directory = fixture::directory();
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    assert_eq!(store.channels().unwrap(), [""; 0]);
    let second = store.open_channel("second").unwrap();
    let first = store.open_channel("a.first-1").unwrap();
    assert!(Arc::ptr_eq(&second, &store.open_channel("second").unwrap()));
    assert_eq!(store.channels().unwrap(), ["a.first-1", "second"]);
    assert!(store.exists("second") && !store.exists("third") && !store.exists("../chains"));
    assert_eq!((first.channel(), first.height(), first.last_header_hash().len()), ("a.first-1", 0, 0));
    for name in ["", ".", "..", "a/b", "../../etc", "x~"] {
        assert!(matches!(store.open_channel(name), Err(StoreError::ChannelName { .. })), "{name:?}");
        assert!(matches!(store.remove_channel(name), Err(StoreError::ChannelName { .. })), "{name:?}");
        assert!(
            matches!(store.join_blocks().save(name, b""), Err(StoreError::ChannelName { .. })),
            "{name:?}"
        );
    }
}

#[test]
fn a_removed_channel_is_gone_and_can_be_made_again() {
    let directory = fixture::directory();
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    let ledger = store.open_channel("ch1").unwrap();
    let other = store.open_channel("other").unwrap();
    let blocks = chain(3, 10);
    blocks.iter().for_each(|block| ledger.append(block).unwrap());
    other.append(&blocks[0]).unwrap();
    store.remove_channel("ch1").unwrap();
    store.remove_channel("ch1").unwrap();
    store.remove_channel("never-there").unwrap();
    assert!(matches!(ledger.flush(), Err(StoreError::Removed { .. })));
    let next = Arc::new(block(3, blocks[2].header_hash().to_vec(), 10));
    assert!(matches!(ledger.append(&next), Err(StoreError::Removed { .. })));
    assert_eq!(store.channels().unwrap(), ["other"]);
    let again = store.open_channel("ch1").unwrap();
    assert_eq!(again.height(), 0);
    again.append(&blocks[0]).unwrap();
    other.append(&blocks[1]).unwrap();
}

#[test]
fn a_removal_that_was_interrupted_is_finished() {
    let directory = fixture::directory();
    let removals = directory.path().join("pendingops/remove");
    let ledger = open(directory.path()).unwrap();
    chain(3, 10).iter().for_each(|block| ledger.append(block).unwrap());
    ledger.flush().unwrap();
    drop(ledger);
    fs::write(removals.join("ch1.remove"), b"").unwrap();
    fs::write(removals.join("half.remove~"), b"").unwrap();
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    assert_eq!(store.channels().unwrap(), [""; 0]);
    assert_eq!(fs::read_dir(&removals).unwrap().count(), 0);
    assert_eq!(store.open_channel("ch1").unwrap().height(), 0);
}

#[test]
fn a_removal_deletes_nothing_that_is_not_ours() {
    let directory = fixture::directory();
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    store.open_channel("ch1").unwrap();
    let letter = directory.path().join("chains/ch1/letter.txt");
    fs::write(&letter, b"keep me").unwrap();
    let error = store.remove_channel("ch1").unwrap_err().to_string();
    assert!(error.contains("chains/ch1"), "{error}");
    assert!(letter.exists());
    fs::remove_file(letter).unwrap();
    store.remove_channel("ch1").unwrap();
}

#[test]
fn join_blocks_are_kept_until_they_are_removed() {
    let directory = fixture::directory();
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    let join = store.join_blocks();
    join.save("ch2", b"two").unwrap();
    join.save("ch1", b"one").unwrap();
    join.save("ch1", b"one again").unwrap();
    assert_eq!(fs::read(directory.path().join("pendingops/join/ch1.join")).unwrap(), b"one again");
    fs::write(directory.path().join("pendingops/join/ch3.join~"), b"half").unwrap();
    drop(store);
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    let join = store.join_blocks();
    assert_eq!(join.list().unwrap(), ["ch1", "ch2"]);
    assert_eq!(join.load("ch2").unwrap().unwrap(), &b"two"[..]);
    assert_eq!(join.load("ch3").unwrap(), None);
    join.remove("ch2").unwrap();
    join.remove("ch2").unwrap();
    assert_eq!(join.list().unwrap(), ["ch1"]);
    assert_eq!(fs::read_dir(directory.path().join("pendingops/join")).unwrap().count(), 1);
}

#[test]
fn one_process_at_a_time() {
    let directory = fixture::directory();
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    let error = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains("FileLedger.Location"), "{error}");
    drop(store);
    write_index(directory.path(), &[]);
    let fabric = fs::File::open(directory.path().join("index/LOCK")).unwrap();
    fabric.lock().unwrap();
    let error = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "Fabric's orderer is running: {error}");
    drop(fabric);
    LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
}

#[test]
fn foreign_directories_are_refused_and_left_alone() {
    let directory = fixture::directory();
    let location = directory.path().join("ledger");
    fs::write(&location, b"a file").unwrap();
    let error = LedgerStore::open(&location, LedgerOptions::default()).unwrap_err().to_string();
    assert!(error.contains(location.to_str().unwrap()), "{error}");

    for name in ["letter.txt", "blockfile_1", "blockfile_00000x", "bootstrappingSnapshot.info"] {
        let location = directory.path().join(format!("with-{name}"));
        fs::create_dir_all(location.join("chains/ch1")).unwrap();
        fs::write(location.join("chains/ch1").join(name), b"keep me").unwrap();
        let error = open(&location).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert!(
            error.to_string().contains(name) && error.to_string().contains("FileLedger.Location"),
            "{error}"
        );
        assert_eq!(fs::read_dir(location.join("chains/ch1")).unwrap().count(), 1);
    }
}

fn write_index(location: &Path, entries: &[(&[u8], &[u8])]) {
    let mut index =
        rusty_leveldb::DB::open(location.join("index"), rusty_leveldb::Options::default()).unwrap();
    entries.iter().for_each(|(key, value)| index.put(key, value).unwrap());
    index.flush().unwrap();
}

#[test]
fn the_index_of_a_peer_is_refused() {
    let directory = fixture::directory();
    write_index(directory.path(), &[(b"_\x00f", b"2.0")]);
    let error = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap_err();
    let index = directory.path().join("index");
    let expected = format!(
        "unexpected format. db info = [leveldb at [{}]], data format = [2.0], expected format = []",
        index.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_index_that_cannot_be_read_is_refused_with_the_remedy() {
    let directory = fixture::directory();
    write_index(directory.path(), &[(b"ch1\0blkMgrInfo", b"\x00\x00\x00\x01")]);
    let index = directory.path().join("index");
    for entry in fs::read_dir(&index).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("MANIFEST") {
            fs::write(path, b"not a manifest").unwrap();
        }
    }
    let error = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::FabricIndex { .. }), "{error}");
    assert!(error.to_string().contains("remove that directory"), "{error}");
    fs::remove_dir_all(&index).unwrap();
    assert_eq!(open(directory.path()).unwrap().height(), 0);
}

#[test]
fn a_fabric_index_is_read_and_then_removed_before_our_first_block() {
    let directory = fixture::directory();
    write_index(
        directory.path(),
        &[(b"ch1\0blkMgrInfo", b"\x00\x00\x00\x01"), (b"ch2\0blkMgrInfo", b"\x00\x05\x00\x00")],
    );
    let store = LedgerStore::open(directory.path(), LedgerOptions::default()).unwrap();
    let ledger = store.open_channel("ch1").unwrap();
    assert!(directory.path().join("index/CURRENT").exists());
    ledger.append(&chain(1, 10)[0]).unwrap();
    assert!(
        !directory.path().join("index").exists(),
        "an empty one would keep Fabric's orderer from starting"
    );
    drop((ledger, store));
    assert_eq!(open(directory.path()).unwrap().height(), 1);
}

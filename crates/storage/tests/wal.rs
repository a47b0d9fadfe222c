//! The write-ahead log against etcd's own data, and against everything that can happen to files.
#![allow(clippy::unwrap_used)]

mod fixture;

use bytes::Bytes;
use fixture::copy_directory;
use proptest::prelude::*;
use protos::raftpb::{ConfState, Entry, HardState};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};
use storage::wal::{Wal, WalContents, WalError};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The entry that the golden data has: see its README.
fn golden_entry(index: u64, term: u64, size: usize) -> Entry {
    let data: Bytes = (0..size).map(|i| (index as usize * 7 + i) as u8).collect();
    Entry {
        r#type: Some(i32::from(index <= 3)),
        term: Some(term),
        index: Some(index),
        data: (size > 0).then_some(data),
    }
}

fn entry(index: u64, term: u64, data: &[u8]) -> Entry {
    Entry { r#type: Some(0), term: Some(term), index: Some(index), data: Some(Bytes::copy_from_slice(data)) }
}

fn state(term: u64, vote: u64, commit: u64) -> HardState {
    HardState { term: Some(term), vote: Some(vote), commit: Some(commit) }
}

fn voters() -> ConfState {
    ConfState { voters: vec![1, 2, 3], ..ConfState::default() }
}

fn write_golden(directory: &Path, segment_bytes: u64) {
    let (mut wal, contents) = Wal::open_with(directory, None, segment_bytes).unwrap();
    assert!(contents.created && contents.entries.is_empty());
    wal.append(
        Some(&state(1, 2, 0)),
        &[golden_entry(1, 1, 9), golden_entry(2, 1, 10), golden_entry(3, 1, 11)],
    )
    .unwrap();
    wal.append(Some(&state(2, 1, 3)), &[golden_entry(4, 2, 0)]).unwrap();
    for index in 5..=30 {
        let size = (index * 17 % 300) as usize + 1;
        wal.append(Some(&state(2, 1, index - 1)), &[golden_entry(index, 2, size)]).unwrap();
        if index == 12 || index == 20 {
            wal.save_snapshot(index - 1, 2, &voters()).unwrap();
        }
    }
    wal.append(Some(&state(3, 0, 27)), &[golden_entry(28, 3, 0), golden_entry(29, 3, 40)]).unwrap();
    wal.sync().unwrap();
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadByEtcd {
    term: u64,
    vote: u64,
    commit: u64,
    entries: Vec<EntryReadByEtcd>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntryReadByEtcd {
    r#type: i32,
    term: u64,
    index: u64,
    data: Option<String>,
}

fn assert_read_as_by_etcd(contents: &WalContents, name: &str) {
    let expected: ReadByEtcd = serde_json::from_slice(&fs::read(golden(name)).unwrap()).unwrap();
    assert_eq!(contents.hard_state, state(expected.term, expected.vote, expected.commit));
    let entries: Vec<_> = expected
        .entries
        .into_iter()
        .map(|e| Entry {
            r#type: Some(e.r#type),
            term: Some(e.term),
            index: Some(e.index),
            data: e.data.map(|d| hex::decode(d).unwrap().into()),
        })
        .collect();
    assert_eq!(contents.entries, entries, "{name}");
}

#[test]
fn a_log_of_etcd_reads_as_etcd_reads_it_and_goes_on() {
    for (from, name) in [(None, "wal-from-0.json"), (Some((19, 2)), "wal-from-19.json")] {
        let directory = fixture::directory();
        let log = directory.path().join("ch1");
        copy_directory(&golden("wal"), &log);
        let (mut wal, contents) = Wal::open(&log, from).unwrap();
        assert_read_as_by_etcd(&contents, name);
        assert!(!contents.created && contents.repaired.is_none());
        assert_eq!((contents.snapshot.index(), contents.snapshot.term()), (19, 2));
        assert_eq!(contents.snapshot.conf_state.as_ref().unwrap().voters, [1, 2, 3]);

        wal.append(Some(&state(3, 0, 28)), &[entry(30, 3, b"ours")]).unwrap();
        wal.sync().unwrap();
        drop(wal);
        let (_wal, reread) = Wal::open(&log, from).unwrap();
        assert_eq!(reread.entries[..contents.entries.len()], contents.entries);
        assert_eq!(reread.entries.last(), Some(&entry(30, 3, b"ours")));
        assert_eq!(reread.hard_state, state(3, 0, 28));
    }
}

#[test]
fn we_write_the_bytes_that_etcd_writes() {
    let directory = fixture::directory();
    let log = directory.path().join("ch1");
    // etcd looks at the size before its last page is written, so it begins segments a little later.
    write_golden(&log, 2200);
    let mut compared = 0;
    for segment in fs::read_dir(golden("wal")).unwrap() {
        let segment = segment.unwrap();
        let mut expected = fs::read(segment.path()).unwrap();
        let ours = fs::read(log.join(segment.file_name())).unwrap();
        // The newest segment is as large as what is in it; etcd's was allocated ahead.
        let allocated = expected.split_off(ours.len());
        assert!(allocated.iter().all(|byte| *byte == 0));
        assert!(ours == expected, "{:?}", segment.file_name());
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn a_log_of_many_segments_reads_back_from_everywhere() {
    let directory = fixture::directory();
    let log = directory.path().join("ch1");
    write_golden(&log, 700);
    let segments = || fs::read_dir(&log).unwrap().count();
    let all = segments();
    assert!(all > 5, "{all} segments");
    for (from, name) in [(None, "wal-from-0.json"), (Some((19, 2)), "wal-from-19.json")] {
        let (wal, contents) = Wal::open(&log, from).unwrap();
        assert_read_as_by_etcd(&contents, name);
        drop(wal);
    }
    assert!(matches!(Wal::open(&log, Some((19, 1))), Err(WalError::Damaged { .. })), "another term");

    let (mut wal, _) = Wal::open(&log, Some((19, 2))).unwrap();
    wal.release_to(19).unwrap();
    drop(wal);
    assert!(segments() < all);
    let (wal, contents) = Wal::open(&log, Some((19, 2))).unwrap();
    assert_read_as_by_etcd(&contents, "wal-from-19.json");
    drop(wal);
    assert!(matches!(Wal::open(&log, None), Err(WalError::Segments { .. })), "the start is gone");

    let (mut wal, _) = Wal::open_with(&log, Some((29, 3)), 700).unwrap();
    wal.release_to(u64::MAX).unwrap();
    assert_eq!(segments(), 1, "the segment that is written to stays");
    for index in 30..34 {
        wal.append(None, &[entry(index, 3, &[1; 800])]).unwrap();
    }
    wal.sync().unwrap();
    drop(wal);
    let mut names: Vec<_> = fs::read_dir(&log).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    fs::remove_file(&names[2]).unwrap();
    let error = Wal::open(&log, Some((31, 3))).unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
}

#[test]
fn a_new_log_is_there_whole_or_not_at_all() {
    let directory = fixture::directory();
    let log = directory.path().join("deep/er/ch1");
    assert!(!Wal::exists(&log));
    // What a crash left while the log was being made, and an empty directory in its place.
    fs::create_dir_all(directory.path().join("deep/er/ch1.tmp")).unwrap();
    fs::write(directory.path().join("deep/er/ch1.tmp/0000000000000000-0000000000000000.wal"), b"half")
        .unwrap();
    fs::create_dir(&log).unwrap();
    let (wal, contents) = Wal::open(&log, None).unwrap();
    assert!(contents.created && Wal::exists(&log));
    assert_eq!(contents.hard_state, state(0, 0, 0));
    assert_eq!(contents.snapshot.index(), 0);

    let error = Wal::open(&log, None).unwrap_err();
    assert!(matches!(error, WalError::InUse { .. }), "{error}");
    drop(wal);
    assert!(!Wal::open(&log, None).unwrap().1.created);
    // Disk is used for what was written, not ahead of it.
    let size: u64 = fs::read_dir(&log).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 200, "{size}");

    let foreign = directory.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("letters.txt"), b"keep me").unwrap();
    let error = Wal::open(&foreign, None).unwrap_err().to_string();
    assert!(error.contains("letters.txt") && error.contains("Consensus.WALDir"), "{error}");
    assert!(foreign.join("letters.txt").exists());
}

/// A log of three entries; where its newest segment is, and where the last record begins.
fn three_entries(directory: &Path) -> (PathBuf, PathBuf, usize) {
    let log = directory.join("ch1");
    let (mut wal, _) = Wal::open(&log, None).unwrap();
    let path = log.join("0000000000000000-0000000000000000.wal");
    wal.append(Some(&state(1, 1, 0)), &[entry(1, 1, &[1; 300]), entry(2, 1, &[2; 500])]).unwrap();
    wal.sync().unwrap();
    let last = fs::metadata(&path).unwrap().len() as usize;
    wal.append(None, &[entry(3, 1, &[3; 700])]).unwrap();
    wal.sync().unwrap();
    (log, path, last)
}

#[test]
fn a_record_torn_at_any_byte_is_cut_off() {
    let directory = fixture::directory();
    let (log, path, last) = three_entries(directory.path());
    let whole = fs::read(&path).unwrap();
    let broken = PathBuf::from(format!("{}.broken", path.display()));
    for end in last..whole.len() {
        // Either the file was not made longer, or it was and the rest of the sectors was not written.
        for sectors_missing in [false, true] {
            let mut torn = whole[..end].to_vec();
            if sectors_missing {
                torn.truncate(end / 512 * 512);
                if torn.len() < last {
                    continue;
                }
                torn.resize(whole.len(), 0);
            }
            fs::write(&path, &torn).unwrap();
            let _ = fs::remove_file(&broken);
            let (mut wal, contents) = Wal::open(&log, None).unwrap();
            assert_eq!(contents.entries.len(), 2, "torn at {end}");
            let nothing_there = torn[last..].iter().take(8).all(|b| *b == 0);
            assert_eq!(contents.repaired.is_none(), nothing_there, "torn at {end}");
            if !nothing_there {
                assert_eq!(fs::read(&broken).unwrap(), torn, "the segment as it was is kept");
            }
            wal.append(None, &[entry(3, 1, b"again")]).unwrap();
            wal.sync().unwrap();
            drop(wal);
            let (_wal, contents) = Wal::open(&log, None).unwrap();
            assert_eq!(contents.entries[2], entry(3, 1, b"again"), "torn at {end}");
            assert_eq!(contents.repaired, None);
        }
    }
}

#[test]
fn a_flipped_bit_never_passes_for_something_else() {
    let directory = fixture::directory();
    let (log, path, last) = three_entries(directory.path());
    let whole = fs::read(&path).unwrap();
    let (_, good) = Wal::open(&log, None).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let bit = 1 << (at % 8);
        let mut damaged = whole.clone();
        damaged[at] ^= bit;
        fs::write(&path, &damaged).unwrap();
        match Wal::open(&log, None) {
            Err(WalError::Damaged { path: named, .. }) => {
                refused += 1;
                assert_eq!(named, path);
                assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is changed at {at}");
            }
            Err(error) => panic!("flipped {bit:x} at {at}: {error}"),
            Ok((_, contents)) if at < last => {
                assert!(contents.entries == good.entries, "flipped {bit:x} at {at}");
            }
            // In the last record it cannot be told from a torn write in every case.
            Ok((_, contents)) => {
                assert!(contents.entries == good.entries || contents.entries == good.entries[..2]);
            }
        }
    }
    assert!(refused > whole.len() / 2);
}

#[test]
fn a_write_that_fails_poisons_the_log_and_leaves_nothing_half_written() {
    let Some(disk) = fixture::SmallDisk::mount() else { return };
    let log = disk.path().join("ch1");
    let (mut wal, _) = Wal::open(&log, None).unwrap();
    let mut kept = 0;
    let error = loop {
        let result = wal.append(None, &[entry(kept + 1, 1, &[7; 30_000])]).and_then(|()| wal.sync());
        match result {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "the disk does not get full");
    };
    assert!(kept > 0);
    assert!(error.to_string().contains("No space left on device"), "{error}");
    for again in
        [wal.append(None, &[entry(kept + 1, 1, b"small")]), wal.sync(), wal.save_snapshot(1, 1, &voters())]
    {
        assert!(matches!(again, Err(WalError::Poisoned { .. })));
    }
    assert!(wal.poisoned().unwrap().contains("No space left on device"));
    drop(wal);
    let (mut wal, contents) = Wal::open(&log, None).unwrap();
    assert_eq!(contents.entries.len() as u64, kept);
    wal.append(None, &[entry(kept + 1, 1, b"small")]).unwrap();
    wal.sync().unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    /// Entries from so many before the end on, of the next term when that overwrites some.
    Append {
        back: u64,
        sizes: Vec<usize>,
        commit: bool,
    },
    Sync,
    Snapshot,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..3, prop::collection::vec(0usize..400, 1..5), any::<bool>())
            .prop_map(|(back, sizes, commit)| Step::Append { back, sizes, commit }),
        2 => Just(Step::Sync),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is written in whatever order reads back, from the newest snapshot on.
    #[test]
    fn logs_read_back(steps in prop::collection::vec(step(), 1..40)) {
        let directory = fixture::directory();
        let log = directory.path().join("ch1");
        let (mut wal, _) = Wal::open_with(&log, None, 900).unwrap();
        let mut expected: Vec<Entry> = Vec::new();
        let (mut snapshot, mut hard_state, mut term) = ((0u64, 0u64), state(0, 0, 0), 1);
        for step in steps.into_iter().chain([Step::Reopen]) {
            let last = snapshot.0 + expected.len() as u64;
            match step {
                Step::Append { back, sizes, commit } => {
                    let overwritten = back.min(expected.len() as u64);
                    term += u64::from(overwritten > 0);
                    let first = last - overwritten + 1;
                    let entries: Vec<_> =
                        (first..).zip(sizes).map(|(index, size)| entry(index, term, &vec![index as u8; size])).collect();
                    if commit {
                        hard_state = state(term, 1, first - 1);
                    }
                    wal.append(commit.then_some(&hard_state), &entries).unwrap();
                    expected.truncate((first - 1 - snapshot.0) as usize);
                    expected.extend(entries);
                }
                Step::Sync => wal.sync().unwrap(),
                Step::Snapshot => {
                    if let Some(newest) = expected.last() {
                        snapshot = (newest.index(), newest.term());
                        wal.save_snapshot(snapshot.0, snapshot.1, &voters()).unwrap();
                        wal.release_to(snapshot.0).unwrap();
                        expected.clear();
                    }
                }
                Step::Reopen => {
                    wal.sync().unwrap();
                    drop(wal);
                    let (reopened, contents) = Wal::open_with(&log, Some(snapshot), 900).unwrap();
                    wal = reopened;
                    prop_assert_eq!(contents.repaired, None);
                    prop_assert_eq!(&contents.entries, &expected);
                    prop_assert_eq!(contents.hard_state, hard_state);
                    prop_assert_eq!(contents.snapshot.index(), snapshot.0);
                }
            }
        }
    }

    /// No bytes in place of a segment make reading panic.
    #[test]
    fn garbage_is_refused_or_cut(bytes in prop::collection::vec(any::<u8>(), 0..200), after in 0usize..60) {
        let directory = fixture::directory();
        let (log, path, _) = three_entries(directory.path());
        let mut segment = fs::read(&path).unwrap();
        segment.truncate(after);
        segment.extend(bytes);
        fs::write(&path, segment).unwrap();
        let _ = Wal::open(&log, None);
    }
}

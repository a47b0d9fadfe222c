//! The files of a Raft log, as they are found on the disk.

use std::{fs, path::Path};

use bytes::Bytes;
use crc32c::crc32c_append;
use protos::{
    Message,
    raftpb::{ConfState, Entry, HardState},
    walpb::{Record, WalSnapshot},
};
use storage::wal::Wal;

const SEGMENT: &str = "0000000000000000-0000000000000000.wal";

// The kinds of records.
const METADATA: u8 = 1;
const ENTRY: u8 = 2;
const HARD_STATE: u8 = 3;
const CHECKSUM: u8 = 4;
const SNAPSHOT: u8 = 5;

/// The input of [`check`] that is a segment as it is.
pub fn raw(segment: &[u8]) -> Vec<u8> {
    [&[0], segment].concat()
}

/// The input of [`check`] that is a list of records; they get their frames and checksums there, so
/// that what follows behind the checksums is reached.
pub fn records<'a>(records: impl IntoIterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let mut input = vec![1];
    for (kind, data) in records {
        input.push(kind);
        input.extend_from_slice(&(data.len() as u16).to_be_bytes());
        input.extend_from_slice(data);
    }
    input
}

fn framed(mut records: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    let mut checksum = 0;
    while let Some((&[kind, high, low], rest)) = records.split_first_chunk::<3>() {
        let (data, rest) = rest.split_at(rest.len().min(u16::from_be_bytes([high, low]).into()));
        records = rest;
        checksum = crc32c_append(checksum, data);
        let record = Record {
            r#type: Some(kind.into()),
            crc: Some(checksum),
            data: Some(Bytes::copy_from_slice(data)),
        };
        let record = record.encode_to_vec();
        let padding = record.len().wrapping_neg() % 8;
        let flag = if padding > 0 { (0x80 | padding as u64) << 56 } else { 0 };
        segment.extend_from_slice(&(flag | record.len() as u64).to_le_bytes());
        segment.extend_from_slice(&record);
        segment.extend_from_slice(&[0; 8][..padding]);
    }
    segment
}

/// Never panics; a log that opens can be written to, and then holds what it held and what was added.
pub fn check(data: &[u8]) {
    let segment = match data.split_first() {
        Some((0, segment)) => segment.to_vec(),
        Some((_, records)) => framed(records),
        None => return,
    };
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    fs::write(directory.path().join(SEGMENT), segment).expect("a temporary file can be written");
    let Ok((mut wal, before)) = Wal::open(directory.path(), None) else { return };
    let gap_free =
        before.entries.windows(2).all(|pair| pair[0].index().checked_add(1) == Some(pair[1].index()));
    assert!(gap_free, "the entries have gaps");

    let last = before.entries.last().map_or(0, |entry| entry.index());
    let term = before.hard_state.term().max(before.entries.last().map_or(0, |entry| entry.term()));
    let (Some(index), Some(term)) = (last.checked_add(1), term.checked_add(1)) else { return };
    let entry = Entry { index: Some(index), term: Some(term), data: Some("more".into()), ..Entry::default() };
    let state = HardState { term: Some(term), vote: Some(1), commit: Some(0) };
    if wal.append(Some(&state), std::slice::from_ref(&entry)).is_err() {
        return;
    }
    wal.sync().expect("a temporary file can be flushed");
    drop(wal);
    let (_, after) = Wal::open(directory.path(), None).expect("what was just written opens");
    assert_eq!(after.repaired, None);
    assert_eq!(after.hard_state, state);
    let (added, kept) = after.entries.split_last().expect("an entry was added");
    assert_eq!((added.index(), added.term(), &added.data), (index, term, &entry.data));
    assert_eq!(kept, before.entries);
}

/// Logs to begin with: as the log writes them, and as lists of records.
pub fn samples() -> Vec<Vec<u8>> {
    const LONG: &str = include_str!("wal.rs");
    let entry = |index, term, data: &'static str| Entry {
        index: Some(index),
        term: Some(term),
        data: Some(data.into()),
        ..Entry::default()
    };
    let state = |term, commit| HardState { term: Some(term), vote: Some(2), commit: Some(commit) };
    let confirmed = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };

    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (mut wal, _) = Wal::open(directory.path(), None).expect("a new log can be made");
    let mut samples = vec![raw(&segment(directory.path()))];
    let entries: Vec<_> = (1..6).map(|index| entry(index, 1, "first")).collect();
    wal.append(Some(&state(1, 4)), &entries).expect("the log takes entries");
    wal.append(None, &[entry(4, 2, "over"), entry(5, 2, "written")]).expect("the log takes entries");
    wal.save_snapshot(3, 1, &confirmed).expect("the log takes a snapshot");
    wal.append(Some(&state(2, 5)), &[entry(6, 2, LONG)]).expect("the log takes entries");
    wal.sync().expect("the log can be flushed");
    samples.push(raw(&segment(directory.path())));

    let snapshot = |index, term| WalSnapshot {
        index: Some(index),
        term: Some(term),
        conf_state: Some(confirmed.clone()),
    };
    let list = [
        (CHECKSUM, vec![]),
        (METADATA, vec![]),
        (SNAPSHOT, snapshot(0, 0).encode_to_vec()),
        (ENTRY, entry(1, 1, "a").encode_to_vec()),
        (ENTRY, entry(2, 1, "b").encode_to_vec()),
        (HARD_STATE, state(1, 2).encode_to_vec()),
        (SNAPSHOT, snapshot(2, 1).encode_to_vec()),
        (ENTRY, entry(3, 2, "c").encode_to_vec()),
        (ENTRY, entry(2, 3, "d").encode_to_vec()),
        (HARD_STATE, state(3, 2).encode_to_vec()),
    ];
    for length in 1..=list.len() {
        samples.push(records(list[..length].iter().map(|(kind, data)| (*kind, data.as_slice()))));
    }
    samples
}

fn segment(directory: &Path) -> Vec<u8> {
    fs::read(directory.join(SEGMENT)).expect("the log's first segment can be read")
}

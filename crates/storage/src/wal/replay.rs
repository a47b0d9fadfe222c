//! Reading a log back.

use super::{
    WalContents, WalError,
    frame::{Decoder, Frame, RecordKind},
    segment::{self, Segment},
};
use crate::durable::{Context, FileError, lock};
use bytes::Bytes;
use protos::{
    Message,
    raftpb::{Entry, HardState},
    walpb::WalSnapshot,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// What a log held, and where to go on writing.
pub(super) struct Replayed {
    pub(super) contents: WalContents,
    /// The newest segment.
    pub(super) segment: Segment,
    pub(super) file: File,
    /// Behind its last record.
    pub(super) offset: u64,
    pub(super) checksum: u32,
    pub(super) metadata: Option<Bytes>,
    /// Index of the entry or snapshot that was written last.
    pub(super) last_index: u64,
}

/// Reads what follows the snapshot `from` (index, term), and repairs a torn end.
pub(super) fn replay(directory: &Path, from: (u64, u64)) -> Result<Replayed, WalError> {
    match read(directory, from)? {
        Outcome::Whole(replayed) => Ok(*replayed),
        Outcome::Torn { path, offset, reason } => {
            let repaired = repair(&path, offset, &reason)?;
            match read(directory, from)? {
                Outcome::Whole(mut replayed) => {
                    replayed.contents.repaired = Some(repaired);
                    Ok(*replayed)
                }
                // What was just cut at a record's end cannot be torn; so this is something else.
                Outcome::Torn { path, offset, reason } => Err(WalError::Damaged { path, offset, reason }),
            }
        }
    }
}

enum Outcome {
    Whole(Box<Replayed>),
    Torn { path: PathBuf, offset: u64, reason: String },
}

fn read(directory: &Path, from: (u64, u64)) -> Result<Outcome, WalError> {
    let segments = segment::from_index(directory, from.0)?;
    let mut reading = Reading { from, ..Reading::default() };
    let mut checksum = 0;
    for (position, segment) in segments.iter().enumerate() {
        let is_newest = position + 1 == segments.len();
        let path = segment.path(directory);
        let file = segment::open(&path)?;
        if is_newest && !lock(&file, &path)? {
            return Err(WalError::InUse { path });
        }
        let mut decoder = Decoder::new(&path, &file, checksum)?;
        loop {
            let offset = decoder.offset();
            let damaged = |reason| WalError::Damaged { path: path.clone(), offset, reason };
            match decoder.next()? {
                Frame::Record { kind: RecordKind::Checksum, checksum, .. } => {
                    // The first segment that is read takes the sum as it is told.
                    if decoder.checksum() != 0 && decoder.checksum() != checksum {
                        return Err(damaged(
                            "the segment does not go on where the one before it ended".to_owned(),
                        ));
                    }
                    decoder.set_checksum(checksum);
                }
                Frame::Record { kind, data, .. } => reading.take(kind, data).map_err(damaged)?,
                Frame::End => break,
                Frame::Torn(reason) if is_newest => return Ok(Outcome::Torn { path, offset, reason }),
                Frame::Torn(reason) | Frame::Damaged(reason) => return Err(damaged(reason)),
            }
        }
        checksum = decoder.checksum();
        if is_newest {
            let offset = decoder.offset();
            return Ok(Outcome::Whole(Box::new(reading.finish(*segment, file, offset, checksum))));
        }
    }
    // `from_index` never returns an empty list.
    Err(WalError::Segments { directory: directory.to_path_buf(), reason: "there are no segments".to_owned() })
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    from: (u64, u64),
    contents: WalContents,
    metadata: Option<Option<Bytes>>,
    last_index: u64,
}

impl Reading {
    fn take(&mut self, kind: RecordKind, data: Option<Bytes>) -> Result<(), String> {
        match kind {
            RecordKind::Metadata => {
                if self.metadata.as_ref().is_some_and(|known| known != &data) {
                    return Err("wal: conflicting metadata found".to_owned());
                }
                self.metadata = Some(data);
            }
            RecordKind::Entry => self.take_entry(decode("entry", data)?)?,
            RecordKind::HardState => {
                let state: HardState = decode("hard state", data)?;
                self.contents.hard_state = with_all_fields(&state);
            }
            RecordKind::Snapshot => {
                let snapshot: WalSnapshot = decode("snapshot", data)?;
                let (index, term) = self.from;
                if index > 0 && snapshot.index() == index && snapshot.term() != term {
                    return Err("wal: snapshot mismatch".to_owned());
                }
                self.last_index = self.last_index.max(snapshot.index());
                if snapshot.index() >= self.contents.snapshot.index() {
                    self.contents.snapshot = snapshot;
                }
            }
            RecordKind::Checksum => {}
        }
        Ok(())
    }

    /// An entry replaces the one of the same index and all after it: another leader overwrote them.
    fn take_entry(&mut self, entry: Entry) -> Result<(), String> {
        let entries = &mut self.contents.entries;
        self.last_index = entry.index();
        let Some(position) = entry.index().checked_sub(self.from.0 + 1) else {
            // The snapshot has the entry; what came behind it is replaced all the same. (etcd keeps that.)
            entries.clear();
            return Ok(());
        };
        if position > entries.len() as u64 {
            let expected = self.from.0 + 1 + entries.len() as u64;
            return Err(format!("entry {} is there, but entry {expected} is missing", entry.index()));
        }
        entries.truncate(position as usize);
        entries.push(entry);
        Ok(())
    }

    fn finish(self, segment: Segment, file: File, offset: u64, checksum: u32) -> Replayed {
        let mut contents = self.contents;
        contents.hard_state = with_all_fields(&contents.hard_state);
        let metadata = self.metadata.flatten();
        Replayed { contents, segment, file, offset, checksum, metadata, last_index: self.last_index }
    }
}

fn decode<M: Message + Default>(what: &str, data: Option<Bytes>) -> Result<M, String> {
    M::decode(data.unwrap_or_default()).map_err(|error| format!("not a {what}: {error}"))
}

fn with_all_fields(state: &HardState) -> HardState {
    HardState { term: Some(state.term()), vote: Some(state.vote()), commit: Some(state.commit()) }
}

/// Keeps a copy of the torn segment and cuts it behind its last good record.
fn repair(path: &Path, offset: u64, reason: &str) -> Result<String, FileError> {
    let size = fs::metadata(path).during("read the size of", path)?.len();
    let copy = PathBuf::from(format!("{}.broken", path.display()));
    fs::copy(path, &copy).during("copy the torn segment to", &copy)?;
    let file = segment::open(path)?;
    file.set_len(offset).during("truncate", path)?;
    file.sync_all().during("flush", path)?;
    Ok(format!(
        "cut {} bytes off {} at byte {offset}: {reason}; the file as it was is kept as {}",
        size - offset,
        path.display(),
        copy.display()
    ))
}

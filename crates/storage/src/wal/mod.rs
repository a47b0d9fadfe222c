//! The Raft write-ahead log of a channel, in etcd's format: `<WALDir>/<channel>`.
//!
//! A log that Fabric's orderer wrote opens here, and one written here opens there. Unlike etcd's, a
//! segment is not allocated ahead: it is as large as what is in it.
//!
//! A [`Wal`] is owned by one thread. It appends all that is waiting, then flushes once:
//!
//! ```text
//! wait for a batch; then for each batch that is there: append
//! sync
//! tell all of them
//! ```

mod error;
mod frame;
mod replay;
mod segment;

pub use error::WalError;

use crate::durable::{
    Context, FileError, create_directory, flush_directory, names_in, parent_of, remove_file,
};
use bytes::Bytes;
use frame::{Encoder, RecordKind, put_bytes_key, put_number_field};
use protos::{
    Message,
    raftpb::{ConfState, Entry, HardState},
    walpb::WalSnapshot,
};
use segment::{Segment, TEMPORARY};
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// Size at which a new segment is begun, bytes; etcd's.
pub const SEGMENT_BYTES: u64 = 64_000_000;

/// Appended records are handed to the system when there are this many bytes of them.
const WRITE_BYTES: usize = 1 << 20;

/// What a log holds after a given snapshot.
#[derive(Debug, Default)]
pub struct WalContents {
    /// The last hard state that was recorded; all fields present, zero when there was none.
    pub hard_state: HardState,
    /// The entries after the snapshot, without gaps; entries that were overwritten are left out.
    pub entries: Vec<Entry>,
    /// The newest snapshot that the log knows of; index 0 in a new log.
    pub snapshot: WalSnapshot,
    /// What was repaired: the torn record at the end that was cut off.
    pub repaired: Option<String>,
    /// The log did not exist and was created.
    pub created: bool,
}

/// A channel's write-ahead log, opened for appending.
#[derive(Debug)]
pub struct Wal {
    directory: PathBuf,
    segment_bytes: u64,
    segment: Segment,
    file: File,
    /// Bytes of the segment that were handed to the system.
    written: u64,
    /// Whether everything that was handed to the system is flushed.
    flushed: bool,
    encoder: Encoder,
    metadata: Option<Bytes>,
    /// Repeated at the head of each segment.
    hard_state: HardState,
    last_index: u64,
    failed: Option<String>,
}

impl Wal {
    /// Whether `directory` holds a log.
    pub fn exists(directory: &Path) -> bool {
        segment::list(directory).is_ok_and(|segments| !segments.is_empty())
    }

    /// Opens the log, or creates one, and reads what follows the snapshot `from` (index, term).
    ///
    /// A torn record at the end is cut off, once a copy of the segment was made (`*.broken`). Any other
    /// record that is wrong is refused, and so is a log that does not reach back to the snapshot.
    pub fn open(directory: &Path, from: Option<(u64, u64)>) -> Result<(Wal, WalContents), WalError> {
        Self::open_with(directory, from, SEGMENT_BYTES)
    }

    /// [`Wal::open`] with another segment size, for tests.
    pub fn open_with(
        directory: &Path,
        from: Option<(u64, u64)>,
        segment_bytes: u64,
    ) -> Result<(Wal, WalContents), WalError> {
        let created = !Self::exists(directory);
        if created {
            create(directory)?;
        }
        let mut replayed = replay::replay(directory, from.unwrap_or_default())?;
        replayed.contents.created = created;
        for name in names_in(directory)?.iter().filter(|name| name.ends_with(TEMPORARY)) {
            remove_file(&directory.join(name))?;
        }

        // Behind the last record there may be space that etcd allocated, or the rest of a torn write.
        let path = replayed.segment.path(directory);
        let mut file = replayed.file;
        file.set_len(replayed.offset).during("truncate", &path)?;
        file.seek(SeekFrom::Start(replayed.offset)).during("seek in", &path)?;
        file.sync_all().during("flush", &path)?;
        let wal = Wal {
            directory: directory.to_path_buf(),
            segment_bytes,
            segment: replayed.segment,
            file,
            written: replayed.offset,
            flushed: true,
            encoder: Encoder::new(replayed.checksum),
            metadata: replayed.metadata,
            hard_state: replayed.contents.hard_state,
            last_index: replayed.last_index,
            failed: None,
        };
        Ok((wal, replayed.contents))
    }

    /// Appends entries and then, if it is given and not all zero, the hard state. Durable only once
    /// [`Wal::sync`] has returned. Entries may overwrite earlier ones: the last of an index counts.
    ///
    /// A write that fails poisons the log.
    pub fn append(&mut self, hard_state: Option<&HardState>, entries: &[Entry]) -> Result<(), WalError> {
        self.refuse_if_failed()?;
        for entry in entries {
            put_entry(&mut self.encoder, entry);
            self.last_index = entry.index();
        }
        if let Some(state) = hard_state.filter(|state| !is_empty(state)) {
            put_hard_state(&mut self.encoder, state);
            self.hard_state = *state;
        }
        let pending = self.encoder.buffer.len();
        let result = if self.written + pending as u64 >= self.segment_bytes {
            self.begin_next_segment()
        } else if pending >= WRITE_BYTES {
            self.write()
        } else {
            Ok(())
        };
        self.poison_on_error(result)
    }

    /// Flushes all that was appended. A flush that fails poisons the log.
    pub fn sync(&mut self) -> Result<(), WalError> {
        self.refuse_if_failed()?;
        let result = self.flush();
        self.poison_on_error(result)
    }

    /// Gives back the memory that appending has needed. It is kept from one flush to the next while much is
    /// appended; a node may have many logs that are idle.
    pub fn rest(&mut self) {
        if self.encoder.buffer.is_empty() {
            self.encoder.buffer = Vec::new();
        }
    }

    /// Records a snapshot, and flushes. To be called before the snapshot's file is saved, so that the
    /// log knows every snapshot there is.
    pub fn save_snapshot(&mut self, index: u64, term: u64, conf_state: &ConfState) -> Result<(), WalError> {
        self.refuse_if_failed()?;
        put_snapshot(&mut self.encoder, index, term, Some(conf_state));
        self.last_index = self.last_index.max(index);
        let result = self.flush();
        self.poison_on_error(result)
    }

    /// Deletes the segments that are not needed to start from a snapshot at `index`.
    pub fn release_to(&mut self, index: u64) -> Result<(), WalError> {
        let older: Vec<_> = segment::list(&self.directory)?
            .into_iter()
            .filter(|segment| segment.first_index < index)
            .collect();
        // The last of them holds what follows the snapshot, the one that is written to in any case.
        let Some((_, unneeded)) = older.split_last() else { return Ok(()) };
        for segment in unneeded.iter().filter(|segment| **segment != self.segment) {
            let path = segment.path(&self.directory);
            fs::remove_file(&path).during("remove", &path)?;
        }
        Ok(flush_directory(&self.directory)?)
    }

    /// Why the log takes no more entries, if it does not.
    pub fn poisoned(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn refuse_if_failed(&self) -> Result<(), WalError> {
        match &self.failed {
            None => Ok(()),
            Some(cause) => {
                Err(WalError::Poisoned { directory: self.directory.clone(), cause: cause.clone() })
            }
        }
    }

    fn poison_on_error(&mut self, result: Result<(), FileError>) -> Result<(), WalError> {
        result.map_err(|error| {
            self.failed = Some(error.to_string());
            // Nothing that is left may reach the disk; the start after this reads what did.
            self.encoder.buffer = Vec::new();
            let _ = self.file.set_len(self.written);
            error.into()
        })
    }

    /// Hands what was appended to the system.
    fn write(&mut self) -> Result<(), FileError> {
        let buffer = &mut self.encoder.buffer;
        if !buffer.is_empty() {
            self.flushed = false;
            if let Err(error) = self.file.write_all(buffer) {
                return Err(FileError::new("write to", self.segment.path(&self.directory), error));
            }
            self.written += buffer.len() as u64;
            buffer.clear();
            buffer.shrink_to(2 * WRITE_BYTES);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FileError> {
        self.write()?;
        if !self.flushed {
            if let Err(error) = self.file.sync_data() {
                return Err(FileError::new("flush", self.segment.path(&self.directory), error));
            }
            self.flushed = true;
        }
        Ok(())
    }

    fn begin_next_segment(&mut self) -> Result<(), FileError> {
        self.flush()?;
        let segment =
            Segment { sequence: self.segment.sequence + 1, first_index: self.last_index.saturating_add(1) };
        let path = segment.path(&self.directory);
        let temporary = PathBuf::from(format!("{}{TEMPORARY}", path.display()));
        let mut file = segment::create(&temporary)?;
        // A new file cannot be locked by anybody else.
        let _ = file.try_lock();
        let mut head = Encoder::new(self.encoder.checksum());
        head.put(RecordKind::Checksum, None);
        put_metadata(&mut head, self.metadata.as_deref());
        if !is_empty(&self.hard_state) {
            put_hard_state(&mut head, &self.hard_state);
        }
        file.write_all(&head.buffer).during("write", &temporary)?;
        file.sync_all().during("flush", &temporary)?;
        fs::rename(&temporary, &path).during("move the new segment to", &path)?;
        flush_directory(&self.directory)?;

        self.segment = segment;
        self.file = file;
        self.written = head.buffer.len() as u64;
        self.encoder = Encoder::new(head.checksum());
        Ok(())
    }
}

/// Makes a log that holds nothing. It is built beside its place, so that it is there whole or not at all.
fn create(directory: &Path) -> Result<(), WalError> {
    if directory.exists() {
        if let Some(name) = names_in(directory)?.into_iter().next() {
            return Err(WalError::Foreign { directory: directory.to_path_buf(), name });
        }
        fs::remove_dir(directory).during("remove the directory", directory)?;
    }
    let temporary = PathBuf::from(format!("{}{TEMPORARY}", directory.display()));
    if temporary.exists() {
        fs::remove_dir_all(&temporary).during("remove the directory", &temporary)?;
    }
    create_directory(&temporary)?;
    let mut head = Encoder::new(0);
    head.put(RecordKind::Checksum, None);
    put_metadata(&mut head, None);
    put_snapshot(&mut head, 0, 0, None);
    let path = Segment { sequence: 0, first_index: 0 }.path(&temporary);
    let mut file = segment::create(&path)?;
    file.write_all(&head.buffer).during("write", &path)?;
    file.sync_all().during("flush", &path)?;
    flush_directory(&temporary)?;
    fs::rename(&temporary, directory).during("move the new log to", directory)?;
    Ok(flush_directory(&parent_of(directory))?)
}

fn put_metadata(encoder: &mut Encoder, metadata: Option<&[u8]>) {
    match metadata {
        Some(data) => encoder.put(RecordKind::Metadata, Some(&[data])),
        None => encoder.put(RecordKind::Metadata, None),
    }
}

fn put_entry(encoder: &mut Encoder, entry: &Entry) {
    let mut fields = Vec::with_capacity(32);
    put_number_field(&mut fields, 1, entry.r#type() as u64);
    put_number_field(&mut fields, 2, entry.term());
    put_number_field(&mut fields, 3, entry.index());
    match &entry.data {
        Some(data) => {
            put_bytes_key(&mut fields, 4, data.len());
            encoder.put(RecordKind::Entry, Some(&[&fields, data]));
        }
        None => encoder.put(RecordKind::Entry, Some(&[&fields])),
    }
}

fn put_hard_state(encoder: &mut Encoder, state: &HardState) {
    let mut fields = Vec::with_capacity(32);
    put_number_field(&mut fields, 1, state.term());
    put_number_field(&mut fields, 2, state.vote());
    put_number_field(&mut fields, 3, state.commit());
    encoder.put(RecordKind::HardState, Some(&[&fields]));
}

fn put_snapshot(encoder: &mut Encoder, index: u64, term: u64, conf_state: Option<&ConfState>) {
    let conf_state = conf_state.map(crate::snapshot::with_all_fields);
    let snapshot = WalSnapshot { index: Some(index), term: Some(term), conf_state };
    encoder.put(RecordKind::Snapshot, Some(&[&snapshot.encode_to_vec()]));
}

fn is_empty(state: &HardState) -> bool {
    state.term() == 0 && state.vote() == 0 && state.commit() == 0
}

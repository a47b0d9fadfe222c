//! The Raft write-ahead log in etcd's format.

use crate::durable::FileError;
use protos::{
    raftpb::{ConfState, Entry, HardState},
    walpb::WalSnapshot,
};
use std::path::Path;

/// What can go wrong with a write-ahead log.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The system refused an operation.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What a log holds after a given snapshot.
#[derive(Debug, Default)]
pub struct WalContents {
    /// The last hard state that was recorded; all fields present, zero when there was none.
    pub hard_state: HardState,
    /// The entries after the snapshot, without gaps, entries that were overwritten left out.
    pub entries: Vec<Entry>,
    /// The newest snapshot that the log knows of; index 0 in a new log.
    pub snapshot: WalSnapshot,
    /// What was repaired: the torn record at the end that was cut off. For the log.
    pub repaired: Option<String>,
    /// The log did not exist and was created.
    pub created: bool,
}

/// A channel's write-ahead log, opened for appending.
#[derive(Debug)]
pub struct Wal {}

impl Wal {
    /// Whether `directory` holds a log.
    pub fn exists(_directory: &Path) -> bool {
        unimplemented!()
    }
    /// Opens the log, or creates one, and reads what follows the snapshot `from` (index, term).
    pub fn open(_directory: &Path, _from: Option<(u64, u64)>) -> Result<(Wal, WalContents), WalError> {
        unimplemented!()
    }
    /// Appends without flushing: durable only once [`Wal::sync`] has returned.
    pub fn append(&mut self, _hard_state: Option<&HardState>, _entries: &[Entry]) -> Result<(), WalError> {
        unimplemented!()
    }
    /// Flushes all that was appended.
    pub fn sync(&mut self) -> Result<(), WalError> {
        unimplemented!()
    }
    /// Records that a snapshot is about to be saved, and flushes.
    pub fn save_snapshot(
        &mut self,
        _index: u64,
        _term: u64,
        _conf_state: &ConfState,
    ) -> Result<(), WalError> {
        unimplemented!()
    }
    /// Deletes the segments that hold nothing after `index`.
    pub fn release_to(&mut self, _index: u64) -> Result<(), WalError> {
        unimplemented!()
    }
}

//! Raft snapshots in etcd's file format.

use crate::durable::FileError;
use protos::raftpb;
use std::path::Path;

/// How many snapshot files [`SnapshotStore::purge`] keeps.
pub const KEPT_SNAPSHOTS: usize = 4;

/// What can go wrong with snapshot files.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system refused an operation.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The snapshots of one channel: `<SnapDir>/<channel>`.
#[derive(Debug)]
pub struct SnapshotStore {}

impl SnapshotStore {
    /// Opens the directory, which is made when it is missing.
    pub fn open(_directory: &Path) -> Result<Self, SnapshotError> {
        unimplemented!()
    }
    /// Writes a snapshot durably. Returns when it would survive a power cut.
    pub fn save(&mut self, _snapshot: &raftpb::Snapshot) -> Result<(), SnapshotError> {
        unimplemented!()
    }
    /// The newest snapshot that is whole; broken ones before it are renamed to `*.broken`.
    pub fn load_newest_good(&mut self) -> Result<Option<raftpb::Snapshot>, SnapshotError> {
        unimplemented!()
    }
    /// Removes all but the newest [`KEPT_SNAPSHOTS`]. Returns the Raft index of the oldest one that
    /// is kept when there are that many: WAL segments wholly older than it are needed no more.
    pub fn purge(&mut self) -> Result<Option<u64>, SnapshotError> {
        unimplemented!()
    }
}

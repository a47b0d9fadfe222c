//! The Raft snapshots of a channel, in etcd's format: `<SnapDir>/<channel>/%016x-%016x.snap`, term and
//! index.
//!
//! A file is a message of a CRC-32C and the marshaled `raftpb.Snapshot` that it is of.
//! Source: etcd's `server/etcdserver/api/snap/snapshotter.go`.

use crate::durable::{
    Context, FileError, create_directory, flush_directory, names_in, remove_transient_files, replace_file,
};
use bytes::Bytes;
use protos::{
    Message,
    raftpb::{ConfState, Snapshot, SnapshotMetadata},
    walpb::SnapFile,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How many snapshot files [`SnapshotStore::purge`] keeps.
pub const KEPT_SNAPSHOTS: usize = 4;

const SUFFIX: &str = ".snap";

/// What can go wrong with snapshot files.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system refused an operation.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The snapshots of one channel.
#[derive(Debug)]
pub struct SnapshotStore {
    directory: PathBuf,
}

impl SnapshotStore {
    /// Opens the directory, which is made when it is missing.
    pub fn open(directory: &Path) -> Result<Self, SnapshotError> {
        create_directory(directory)?;
        remove_transient_files(directory)?;
        Ok(Self { directory: directory.to_path_buf() })
    }

    /// Writes a snapshot durably. An empty one (index 0) is not written.
    pub fn save(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let metadata = snapshot.metadata.clone().unwrap_or_default();
        if metadata.index() == 0 {
            return Ok(());
        }
        let path = self.directory.join(format!("{:016x}-{:016x}{SUFFIX}", metadata.term(), metadata.index()));
        Ok(replace_file(&path, &encode(snapshot, &metadata))?)
    }

    /// The newest snapshot that is whole; broken ones that are newer are renamed to `*.broken`.
    pub fn load_newest_good(&mut self) -> Result<Option<Snapshot>, SnapshotError> {
        for name in self.names()?.iter().rev() {
            let path = self.directory.join(name);
            let content = Bytes::from(fs::read(&path).during("read", &path)?);
            match decode(content) {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(reason) => self.set_aside(&path, &reason)?,
            }
        }
        Ok(None)
    }

    /// Removes all but the newest [`KEPT_SNAPSHOTS`]. Returns the Raft index of the oldest one that is
    /// kept when there are that many: log entries before it are needed no more.
    pub fn purge(&mut self) -> Result<Option<u64>, SnapshotError> {
        let names = self.names()?;
        let Some(first_kept) = names.len().checked_sub(KEPT_SNAPSHOTS) else { return Ok(None) };
        for name in &names[..first_kept] {
            let path = self.directory.join(name);
            fs::remove_file(&path).during("remove", &path)?;
        }
        flush_directory(&self.directory)?;
        Ok(names.get(first_kept).and_then(|name| index_of(name)))
    }

    /// The snapshot files, oldest first.
    fn names(&self) -> Result<Vec<String>, FileError> {
        let mut names = names_in(&self.directory)?;
        names.retain(|name| index_of(name).is_some());
        Ok(names)
    }

    fn set_aside(&self, path: &Path, reason: &str) -> Result<(), FileError> {
        let broken = PathBuf::from(format!("{}.broken", path.display()));
        tracing::warn!(
            "The snapshot {} is broken ({reason}); it is renamed to {} and can be removed",
            path.display(),
            broken.display()
        );
        fs::rename(path, &broken).during("rename the broken snapshot to", &broken)?;
        flush_directory(&self.directory)
    }
}

fn index_of(name: &str) -> Option<u64> {
    let (term, index) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let number = |digits: &str| (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten();
    number(term)?;
    number(index)
}

fn encode(snapshot: &Snapshot, metadata: &SnapshotMetadata) -> Vec<u8> {
    let conf_state = with_all_fields(&metadata.conf_state.clone().unwrap_or_default());
    let metadata = SnapshotMetadata {
        conf_state: Some(conf_state),
        index: Some(metadata.index()),
        term: Some(metadata.term()),
    };
    let data = Snapshot { data: snapshot.data.clone(), metadata: Some(metadata) }.encode_to_vec();
    SnapFile { crc: Some(crc32c::crc32c(&data)), data: Some(data.into()) }.encode_to_vec()
}

fn decode(content: Bytes) -> Result<Snapshot, String> {
    let file = SnapFile::decode(content).map_err(|error| error.to_string())?;
    if file.data().is_empty() || file.crc() == 0 {
        return Err("snap: empty snapshot".to_owned());
    }
    if crc32c::crc32c(file.data()) != file.crc() {
        return Err("snap: crc mismatch".to_owned());
    }
    Snapshot::decode(file.data.unwrap_or_default()).map_err(|error| error.to_string())
}

/// The same state with the field present that etcd always writes.
pub(crate) fn with_all_fields(state: &ConfState) -> ConfState {
    ConfState { auto_leave: Some(state.auto_leave()), ..state.clone() }
}

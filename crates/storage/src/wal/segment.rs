//! The files of a log: `%016x-%016x.wal`, sequence number and index of the first entry.

use super::WalError;
use crate::durable::{FileError, names_in};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Marks a segment, or a log, that is not complete yet.
pub(super) const TEMPORARY: &str = ".tmp";

/// The name of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) sequence: u64,
    pub(super) first_index: u64,
}

impl Segment {
    /// The segment's path.
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{:016x}-{:016x}.wal", self.sequence, self.first_index))
    }

    fn parse(name: &str) -> Option<Self> {
        let (sequence, first_index) = name.strip_suffix(".wal")?.split_once('-')?;
        let number =
            |digits: &str| (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten();
        // After the last number that there is no segment could follow.
        let sequence = number(sequence).filter(|sequence| *sequence < u64::MAX)?;
        Some(Self { sequence, first_index: number(first_index)? })
    }
}

/// The segments in a directory, oldest first.
pub(super) fn list(directory: &Path) -> Result<Vec<Segment>, FileError> {
    let mut segments: Vec<_> = names_in(directory)?.iter().filter_map(|name| Segment::parse(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The segments that hold what follows the snapshot at `index`, oldest first.
pub(super) fn from_index(directory: &Path, index: u64) -> Result<Vec<Segment>, WalError> {
    let mut segments = list(directory)?;
    let incomplete = |reason| Err(WalError::Segments { directory: directory.to_path_buf(), reason });
    let Some(first) = segments.iter().rposition(|segment| segment.first_index <= index) else {
        return incomplete(format!("no segment begins at or before the snapshot's index {index}"));
    };
    segments.drain(..first);
    for pair in segments.windows(2) {
        if pair[1].sequence - 1 != pair[0].sequence {
            return incomplete(format!("segment {:016x} is missing", pair[0].sequence + 1));
        }
    }
    Ok(segments)
}

/// Creates a file for a segment. Mode 0600.
pub(super) fn create(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| FileError::new("create the WAL segment", path, error))
}

/// Opens a segment for reading and writing.
pub(super) fn open(path: &Path) -> Result<File, FileError> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    file.map_err(|error| FileError::new("open the WAL segment", path, error))
}

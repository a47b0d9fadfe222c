//! The block files of a channel: `chains/<channel>/blockfile_NNNNNN`.

use super::StoreError;
use crate::durable::{Context, FileError, flush_directory, names_in, parent_of};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const PREFIX: &str = "blockfile_";

/// Where a block's record is: file number, offset of its length prefix, length with the prefix.
///
/// 32 bits are enough: a record never begins behind the roll limit, and no message is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) file: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
}

impl Location {
    /// The offset behind the record.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }
}

/// The path of a block file.
pub(super) fn path_of(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{PREFIX}{number:06}"))
}

/// The number of the last block file, `None` when there is none.
///
/// Refuses directories that hold something else and no block file, and gaps in the numbers.
pub(super) fn last_file(channel: &str, directory: &Path) -> Result<Option<u32>, StoreError> {
    let foreign = |name: &str| StoreError::Foreign {
        path: directory.to_path_buf(),
        reason: format!("it holds {name:?}, which is no block file"),
    };
    let mut numbers = Vec::new();
    let mut others = Vec::new();
    for name in names_in(directory)? {
        match name.strip_prefix(PREFIX) {
            Some(digits) => {
                let number = digits.parse().ok().filter(|n| format!("{n:06}") == digits);
                numbers.push(number.ok_or_else(|| foreign(&name))?);
            }
            None => others.push(name),
        }
    }
    // A peer's ledger that was made from a snapshot does not begin with block 0.
    if let Some(name) = others.iter().find(|n| numbers.is_empty() || n.starts_with("bootstrappingSnapshot")) {
        return Err(foreign(name));
    }
    numbers.sort_unstable();
    for (expected, number) in (0u32..).zip(&numbers) {
        if expected != *number {
            return Err(StoreError::Damaged {
                channel: channel.to_owned(),
                path: path_of(directory, expected),
                offset: 0,
                reason: "the file is missing, but later ones are there".to_owned(),
            });
        }
    }
    Ok(numbers.last().copied())
}

/// Makes a block file and its name durable. Mode 0660, as Fabric's.
pub(super) fn create(directory: &Path, number: u32) -> Result<File, FileError> {
    let path = path_of(directory, number);
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o660)
        .open(&path)
        .during("create the block file", &path)?;
    flush_directory(directory)?;
    Ok(file)
}

/// Opens a block file for appending.
pub(super) fn open_for_append(directory: &Path, number: u32) -> Result<File, FileError> {
    let path = path_of(directory, number);
    OpenOptions::new().read(true).append(true).open(&path).during("open the block file", &path)
}

/// Opens a block file for reading.
pub(super) fn open_for_read(directory: &Path, number: u32) -> Result<File, FileError> {
    let path = path_of(directory, number);
    File::open(&path).during("open the block file", &path)
}

/// The size of an open block file, bytes.
pub(super) fn size_of(file: &File, path: &Path) -> Result<u64, FileError> {
    Ok(file.metadata().during("read the size of", path)?.len())
}

/// Removes a channel's directory and the block files in it. Fails, once those are gone, when there is
/// anything else: that is not ours to delete.
pub(super) fn remove_all(directory: &Path) -> Result<(), FileError> {
    for name in names_in(directory)?.iter().filter(|name| name.starts_with(PREFIX)) {
        let path = directory.join(name);
        fs::remove_file(&path).during("remove", &path)?;
    }
    fs::remove_dir(directory).during("remove the directory", directory)?;
    flush_directory(&parent_of(directory))
}

//! Where each block is: `offsets/<channel>`, beside `chains/` and `pendingops/`.
//!
//! The block files are the truth; this file only saves scanning them, and it tells at the next start
//! how much had been flushed. It has one entry of 16 bytes a block, in order: file number, offset,
//! length (each 32 bits, little-endian) and a CRC-32C over the block's number and these three. An
//! entry is written only after its block was flushed, and is itself never flushed: an entry that was
//! lost or torn by a power cut fails its checksum and is worked out again.

use super::{StoreError, files::Location};
use crate::durable::{Context, FileError, TRANSIENT_MARK, flush_directory, parent_of};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const ENTRY: usize = 16;

/// A channel's offsets file. It is opened for each use: most channels are idle most of the time, and
/// one that is not writes it once a flush.
#[derive(Debug)]
pub(super) struct Offsets {
    path: PathBuf,
}

impl Offsets {
    /// Opens the file. Returns also how many entries from the start can be used, and the last of them.
    /// `None` when there is no file.
    pub(super) fn open(path: &Path) -> Result<Option<(Self, u64, Option<Location>)>, FileError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::new("open the offsets file", path, error)),
        };
        let length = file.metadata().during("read the size of", path)?.len();
        let offsets = Self { path: path.to_path_buf() };
        let mut count = length / ENTRY as u64;
        while count > 0 {
            if let Some(last) = offsets.read_from(&file, count - 1)? {
                return Ok(Some((offsets, count, Some(last))));
            }
            count -= 1;
        }
        Ok(Some((offsets, 0, None)))
    }

    /// Begins a file anew. It takes the place of the present one with [`Offsets::commit`].
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        let transient = PathBuf::from(format!("{}{TRANSIENT_MARK}", path.display()));
        File::create(&transient).during("create the offsets file", &transient)?;
        Ok(Self { path: transient })
    }

    /// Gives a file that was begun with [`Offsets::create`] its name.
    pub(super) fn commit(&mut self, path: &Path) -> Result<(), FileError> {
        fs::rename(&self.path, path).during("move the new file to", path)?;
        self.path = path.to_path_buf();
        flush_directory(&parent_of(path))
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the entries of the blocks from `first` on.
    pub(super) fn write(&self, first: u64, locations: &[Location]) -> Result<(), FileError> {
        let mut bytes = Vec::with_capacity(locations.len() * ENTRY);
        for (number, location) in (first..).zip(locations) {
            bytes.extend_from_slice(&encode(number, location));
        }
        let file = OpenOptions::new().write(true).open(&self.path);
        let written = file.and_then(|file| file.write_all_at(&bytes, first * ENTRY as u64));
        written.during("write the offsets file", &self.path)
    }

    /// Where a block is that has an entry.
    pub(super) fn get(&self, channel: &str, number: u64) -> Result<Location, StoreError> {
        self.read(number)?.ok_or_else(|| StoreError::Offsets {
            channel: channel.to_owned(),
            path: self.path.clone(),
            number,
            reason: "its entry's checksum does not match".to_owned(),
        })
    }

    fn read(&self, number: u64) -> Result<Option<Location>, FileError> {
        let file = File::open(&self.path).during("open the offsets file", &self.path)?;
        self.read_from(&file, number)
    }

    fn read_from(&self, file: &File, number: u64) -> Result<Option<Location>, FileError> {
        let mut entry = [0; ENTRY];
        match file.read_exact_at(&mut entry, number * ENTRY as u64) {
            Ok(()) => Ok(decode(number, &entry)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(FileError::new("read the offsets file", &self.path, error)),
        }
    }
}

fn encode(number: u64, location: &Location) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..4].copy_from_slice(&location.file.to_le_bytes());
    entry[4..8].copy_from_slice(&location.offset.to_le_bytes());
    entry[8..12].copy_from_slice(&location.length.to_le_bytes());
    let checksum = checksum(number, &entry[..12]);
    entry[12..].copy_from_slice(&checksum.to_le_bytes());
    entry
}

fn decode(number: u64, entry: &[u8; ENTRY]) -> Option<Location> {
    let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
    (word(12) == checksum(number, &entry[..12])).then(|| Location {
        file: word(0),
        offset: word(4),
        length: word(8),
    })
}

fn checksum(number: u64, fields: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), fields)
}

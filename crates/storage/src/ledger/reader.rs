//! Reading a channel's block files from one end to the other, changing nothing.

use super::{
    StoreError,
    files::{self, Location},
    record::{self, LONGEST_PREFIX},
};
use crate::durable::{Context, FileError};
use bytes::Bytes;
use channel::block::{EncodedBlock, data_hash};
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

const BUFFER_BYTES: usize = 256 * 1024;

/// A block that was read, and where it is.
#[derive(Debug)]
pub struct StoredBlock {
    /// The block.
    pub block: EncodedBlock,
    /// The block file.
    pub path: PathBuf,
    /// Where the record begins in the file, bytes.
    pub offset: u64,
    /// Whether the header's data hash is that of the data. Fabric does not check this when it opens a
    /// ledger, so a ledger is not refused for it; peers refuse such a block.
    pub data_hash_matches: bool,
    pub(super) location: Location,
}

/// A place where the block files stop making sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The block file.
    pub path: PathBuf,
    /// Where the record begins that is wrong, bytes.
    pub offset: u64,
    /// Bytes from there to the end of the file.
    pub remaining: u64,
    /// What is wrong.
    pub reason: String,
}

/// What comes next in the block files.
#[derive(Debug)]
pub enum Step {
    /// A block that follows on the one before it.
    Block(Box<StoredBlock>),
    /// The last file ends within a record: a write that a crash cut short.
    Torn(Fault),
    /// A record that is all there and wrong, or that is cut short in a file that is not the last.
    Damaged(Fault),
    /// All was read.
    End,
}

/// Reads a channel's blocks in order, from its files alone; takes no lock and changes nothing.
///
/// Checks that numbers count up without gaps and that each header names the hash of the one before.
#[derive(Debug)]
pub struct BlockReader {
    directory: PathBuf,
    last_file: u32,
    file: Option<OpenFile>,
    next_number: u64,
    previous_hash: Bytes,
}

#[derive(Debug)]
struct OpenFile {
    number: u32,
    path: PathBuf,
    reader: BufReader<File>,
    offset: u64,
    size: u64,
}

impl BlockReader {
    /// Reads the channel under `location`, which is a `FileLedger.Location`, from block 0 on.
    pub fn open(location: &Path, channel: &str) -> Result<Self, StoreError> {
        super::check_name(channel)?;
        let directory = location.join(super::CHAINS).join(channel);
        let Some(last_file) = files::last_file(channel, &directory)? else {
            return Ok(Self {
                directory,
                last_file: 0,
                file: None,
                next_number: 0,
                previous_hash: Bytes::new(),
            });
        };
        Ok(Self::resume(&directory, last_file, (0, 0), 0, Bytes::new())?)
    }

    /// Reads from a place (file, offset) on, where block `next_number` is expected.
    pub(super) fn resume(
        directory: &Path,
        last_file: u32,
        (file, offset): (u32, u64),
        next_number: u64,
        previous_hash: Bytes,
    ) -> Result<Self, FileError> {
        let file = Some(OpenFile::open(directory, file, offset)?);
        Ok(Self { directory: directory.to_path_buf(), last_file, file, next_number, previous_hash })
    }

    /// The number of the block that is expected next: so many blocks were found.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// The next block. After anything but a block there is nothing more to read.
    pub fn step(&mut self) -> Result<Step, FileError> {
        while let Some(file) = &mut self.file {
            let is_last = file.number == self.last_file;
            let offset = file.offset;
            match file.next_record()? {
                RawRecord::Whole(record, location) => return Ok(self.check(record, location)),
                RawRecord::End if is_last => self.file = None,
                RawRecord::End => self.file = Some(OpenFile::open(&self.directory, file.number + 1, 0)?),
                RawRecord::Cut if is_last => {
                    return Ok(Step::Torn(file.fault(offset, "unexpected end of blockfile".to_owned())));
                }
                RawRecord::Cut => {
                    let reason = "the file ends within a record, but later files follow".to_owned();
                    return Ok(Step::Damaged(file.fault(offset, reason)));
                }
                RawRecord::Wrong(reason) => return Ok(Step::Damaged(file.fault(offset, reason.to_owned()))),
            }
        }
        Ok(Step::End)
    }

    fn check(&mut self, record: Bytes, location: Location) -> Step {
        let path = files::path_of(&self.directory, location.file);
        let offset = u64::from(location.offset);
        let wrong = |reason: String| {
            let remaining = self.file.as_ref().map_or(0, |f| f.size - offset);
            Step::Damaged(Fault { path: path.clone(), offset, remaining, reason })
        };
        let block = match record::decode(record) {
            Ok(block) => EncodedBlock::from_block(block),
            Err(error) => return wrong(error.to_string()),
        };
        if block.number() != self.next_number {
            return wrong(format!("block {} is there instead of block {}", block.number(), self.next_number));
        }
        if block.header().previous_hash != self.previous_hash {
            return wrong(format!("block {} does not name the hash of the block before it", block.number()));
        }
        let data_hash_matches = data_hash(block.data())[..] == block.header().data_hash[..];
        self.next_number += 1;
        self.previous_hash = Bytes::copy_from_slice(&block.header_hash());
        Step::Block(Box::new(StoredBlock { block, path, offset, data_hash_matches, location }))
    }
}

enum RawRecord {
    Whole(Bytes, Location),
    End,
    Cut,
    Wrong(&'static str),
}

impl OpenFile {
    fn open(directory: &Path, number: u32, offset: u64) -> Result<Self, FileError> {
        let path = files::path_of(directory, number);
        let mut file = files::open_for_read(directory, number)?;
        let size = files::size_of(&file, &path)?;
        file.seek(SeekFrom::Start(offset)).during("seek in", &path)?;
        Ok(Self { number, path, reader: BufReader::with_capacity(BUFFER_BYTES, file), offset, size })
    }

    fn fault(&self, offset: u64, reason: String) -> Fault {
        Fault { path: self.path.clone(), offset, remaining: self.size - offset, reason }
    }

    fn next_record(&mut self) -> Result<RawRecord, FileError> {
        let remaining = self.size.saturating_sub(self.offset);
        if remaining == 0 {
            return Ok(RawRecord::End);
        }
        let peeked = remaining.min(LONGEST_PREFIX as u64) as usize;
        let mut prefix = [0; LONGEST_PREFIX];
        self.reader.read_exact(&mut prefix[..peeked]).during("read", &self.path)?;
        let Some((length, prefix_length)) = record::read_varint(&prefix[..peeked]) else {
            return Ok(if peeked < LONGEST_PREFIX {
                RawRecord::Cut
            } else {
                RawRecord::Wrong("the length of the record is no number")
            });
        };
        let total = length + prefix_length as u64;
        if total > remaining {
            return Ok(RawRecord::Cut);
        }
        let (Ok(offset), Ok(total_32)) = (u32::try_from(self.offset), u32::try_from(total)) else {
            return Ok(RawRecord::Wrong("the record begins or ends behind the first 4 GiB of the file"));
        };
        let mut bytes = vec![0; total as usize];
        let known = peeked.min(bytes.len());
        bytes[..known].copy_from_slice(&prefix[..known]);
        if known < peeked {
            // The record is shorter than what was peeked at: the rest belongs to the next one.
            self.reader.seek_relative(known as i64 - peeked as i64).during("seek in", &self.path)?;
        }
        self.reader.read_exact(&mut bytes[known..]).during("read", &self.path)?;
        let location = Location { file: self.number, offset, length: total_32 };
        self.offset += total;
        Ok(RawRecord::Whole(Bytes::from(bytes).slice(prefix_length..), location))
    }
}

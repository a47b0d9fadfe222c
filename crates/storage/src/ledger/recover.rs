//! Opening a channel's ledger: what is there, what of it can be kept, and where to go on.
//!
//! | Found | Done |
//! |---|---|
//! | the last file ends within a record | cut there, reported |
//! | a wrong record that this node wrote after its last flush | cut there, reported: power failed |
//! | any other wrong record | refused |
//! | less than a checkpoint says | refused |
//! | whole records behind the checkpoint | taken over |
//!
//! Only the last file can be torn: a file is flushed before the next one is begun.

use super::{
    StoreError,
    fabric_index::Checkpoint,
    files::{self, Location},
    offsets::Offsets,
    reader::{BlockReader, Fault, Step},
    record,
};
use crate::durable::{Context, FileError};
use bytes::Bytes;
use channel::block::{EncodedBlock, data_hash};
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Offsets are written in batches of this many.
const BATCH: usize = 4096;

/// Where a channel's ledger is, and what is known of it from elsewhere.
pub(super) struct Places<'a> {
    pub(super) channel: &'a str,
    /// `chains/<channel>`.
    pub(super) directory: &'a Path,
    /// `offsets/<channel>`.
    pub(super) offsets: &'a Path,
    /// Fabric's index and its checkpoint for the channel, when Fabric wrote last.
    pub(super) fabric: Option<(&'a Path, Checkpoint)>,
}

/// A ledger that is ready for the next block.
pub(super) struct Recovered {
    pub(super) file_number: u32,
    pub(super) file_size: u64,
    pub(super) height: u64,
    pub(super) last_block: Option<Arc<EncodedBlock>>,
    pub(super) offsets: Offsets,
    /// What was cut off, if anything was.
    pub(super) repaired: Option<String>,
}

impl Places<'_> {
    /// Looks through the files, repairs a torn end and completes the offsets.
    pub(super) fn recover(&self) -> Result<Recovered, StoreError> {
        let last_file = files::last_file(self.channel, self.directory)?;
        let stored = Offsets::open(self.offsets)?;
        self.check_checkpoints(last_file, &stored)?;
        let Some(last_file) = last_file else {
            files::create(self.directory, 0)?;
            let mut offsets = Offsets::create(self.offsets)?;
            offsets.commit(self.offsets)?;
            return Ok(Recovered {
                file_number: 0,
                file_size: 0,
                height: 0,
                last_block: None,
                offsets,
                repaired: None,
            });
        };

        // Entries may only be written for blocks that are durable, and a crash of the process alone
        // leaves blocks that are whole but were never flushed.
        let file = files::open_for_append(self.directory, last_file)?;
        let path = files::path_of(self.directory, last_file);
        file.sync_all().during("flush", &path)?;

        let unflushed_is_ours = stored.is_some() && self.fabric.is_none();
        let mut scan = self.start(stored)?;
        let mut reader = BlockReader::resume(
            self.directory,
            last_file,
            scan.position,
            scan.height,
            scan.last_block.as_ref().map(|b| Bytes::copy_from_slice(&b.header_hash())).unwrap_or_default(),
        )?;
        let torn = loop {
            match reader.step()? {
                Step::Block(stored)
                    if unflushed_is_ours && !stored.data_hash_matches && stored.path == path =>
                {
                    let reason = "the data is not what the header's data hash names".to_owned();
                    let remaining = files::size_of(&file, &path)? - stored.offset;
                    break Some(Fault { path: stored.path, offset: stored.offset, remaining, reason });
                }
                Step::Block(stored) => {
                    if !stored.data_hash_matches {
                        tracing::warn!(
                            channel = self.channel, file = %stored.path.display(), offset = stored.offset,
                            "the data of block {} is not what its header's data hash names: the file was changed or \
                             damaged; peers will refuse this block", stored.block.number()
                        );
                    }
                    scan.take(stored.location, stored.block)?;
                }
                Step::Torn(fault) => break Some(fault),
                Step::Damaged(fault) if unflushed_is_ours && fault.path == path => break Some(fault),
                Step::Damaged(fault) => return Err(self.damaged(fault)),
                Step::End => break None,
            }
        };
        let repaired = torn.map(|fault| self.cut(&file, fault)).transpose()?;
        let file_size = files::size_of(&file, &path)?;
        let (height, last_block, offsets) = scan.finish(self.offsets)?;
        Ok(Recovered { file_number: last_file, file_size, height, last_block, offsets, repaired })
    }

    /// Refuses files that hold less than was flushed.
    fn check_checkpoints(
        &self,
        last_file: Option<u32>,
        stored: &Option<(Offsets, u64, Option<Location>)>,
    ) -> Result<(), StoreError> {
        let fabric = self.fabric.map(|(path, checkpoint)| (path, checkpoint.file, checkpoint.size));
        // When Fabric wrote last, its checkpoint is the newer one and ours may be of another ledger.
        let checkpoint = fabric.or(stored
            .as_ref()
            .and_then(|(offsets, _, last)| last.map(|last| (offsets.path(), last.file, last.end()))));
        let Some((checkpoint, number, size)) = checkpoint else { return Ok(()) };
        let path = files::path_of(self.directory, number);
        let found = match last_file {
            Some(last) if last >= number => {
                files::size_of(&files::open_for_read(self.directory, number)?, &path)?
            }
            _ => 0,
        };
        match size.checked_sub(found) {
            None | Some(0) => Ok(()),
            Some(missing_bytes) => Err(StoreError::TailLost {
                channel: self.channel.to_owned(),
                path,
                missing_bytes,
                checkpoint: checkpoint.to_path_buf(),
            }),
        }
    }

    /// Where to begin: behind the last block that the offsets know, if that block is there.
    fn start(&self, stored: Option<(Offsets, u64, Option<Location>)>) -> Result<Scan, StoreError> {
        if let Some((offsets, height, last)) = stored {
            let Some(last) = last else {
                return Ok(Scan { rebuilt: false, ..Scan::new(offsets) });
            };
            match read_block(self.directory, last) {
                Ok(block) if block.number() == height - 1 => {
                    return Ok(Scan {
                        offsets,
                        rebuilt: false,
                        position: (last.file, last.end()),
                        height,
                        unwritten: Vec::new(),
                        last_block: Some(Arc::new(block)),
                    });
                }
                _ if self.fabric.is_some() => {}
                found => {
                    let reason = match found {
                        Ok(block) => {
                            format!("block {} is there instead of block {}", block.number(), height - 1)
                        }
                        Err(error) => error.to_string(),
                    };
                    return Err(StoreError::Damaged {
                        channel: self.channel.to_owned(),
                        path: files::path_of(self.directory, last.file),
                        offset: last.offset.into(),
                        reason,
                    });
                }
            }
        }
        tracing::info!(channel = self.channel, "Making the offsets of the blocks anew from the block files");
        Ok(Scan::new(Offsets::create(self.offsets)?))
    }

    fn cut(&self, file: &File, fault: Fault) -> Result<String, FileError> {
        file.set_len(fault.offset).during("truncate", &fault.path)?;
        file.sync_all().during("flush", &fault.path)?;
        let report = format!(
            "cut {} bytes off {} at byte {}: {}",
            fault.remaining,
            fault.path.display(),
            fault.offset,
            fault.reason
        );
        tracing::warn!(channel = self.channel, "Repaired the ledger: {report}");
        Ok(report)
    }

    fn damaged(&self, fault: Fault) -> StoreError {
        StoreError::Damaged {
            channel: self.channel.to_owned(),
            path: fault.path,
            offset: fault.offset,
            reason: fault.reason,
        }
    }
}

/// The offsets as they are being completed.
struct Scan {
    offsets: Offsets,
    /// Whether the offsets are a new file that has yet to take its place.
    rebuilt: bool,
    position: (u32, u64),
    height: u64,
    unwritten: Vec<Location>,
    last_block: Option<Arc<EncodedBlock>>,
}

impl Scan {
    fn new(offsets: Offsets) -> Self {
        Self { offsets, rebuilt: true, position: (0, 0), height: 0, unwritten: Vec::new(), last_block: None }
    }

    fn take(&mut self, location: Location, block: EncodedBlock) -> Result<(), FileError> {
        self.unwritten.push(location);
        self.height = block.number() + 1;
        self.last_block = Some(Arc::new(block));
        if self.unwritten.len() == BATCH { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), FileError> {
        self.offsets.write(self.height - self.unwritten.len() as u64, &self.unwritten)?;
        self.unwritten.clear();
        Ok(())
    }

    fn finish(mut self, path: &Path) -> Result<(u64, Option<Arc<EncodedBlock>>, Offsets), FileError> {
        self.write()?;
        if self.rebuilt {
            self.offsets.commit(path)?;
        }
        Ok((self.height, self.last_block, self.offsets))
    }
}

/// Reads one block from its place.
fn read_block(directory: &Path, location: Location) -> Result<EncodedBlock, ReadError> {
    let file = files::open_for_read(directory, location.file)?;
    read_at(&file, files::path_of(directory, location.file), location)
}

/// Reads one block from its place in an open file.
pub(super) fn read_at(file: &File, path: PathBuf, location: Location) -> Result<EncodedBlock, ReadError> {
    let mut bytes = vec![0; location.length as usize];
    file.read_exact_at(&mut bytes, location.offset.into()).during("read", &path)?;
    let Some((length, prefix)) = record::read_varint(&bytes) else {
        return Err(ReadError::Wrong("the length of the record is no number".to_owned()));
    };
    if length != (bytes.len() - prefix) as u64 {
        return Err(ReadError::Wrong("the record has another length".to_owned()));
    }
    let block = record::decode(Bytes::from(bytes).slice(prefix..));
    let block = block.map(EncodedBlock::from_block).map_err(|error| ReadError::Wrong(error.to_string()))?;
    // A disk that forgets does not say so.
    if data_hash(block.data())[..] != block.header().data_hash[..] {
        return Err(ReadError::Wrong(
            "the data of the block does not have the hash in its header".to_owned(),
        ));
    }
    Ok(block)
}

/// Why a block could not be read from its place.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0}")]
    Wrong(String),
}

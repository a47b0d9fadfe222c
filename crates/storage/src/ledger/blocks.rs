//! One channel's ledger while it is open: one appender, many readers.

use super::{
    LedgerOptions, StoreError,
    fabric_index::FabricIndex,
    files::{self, Location},
    offsets::Offsets,
    record::Record,
    recover::{ReadError, Recovered, read_at},
};
use crate::durable::{Context, FileError};
use bytes::Bytes;
use channel::block::EncodedBlock;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, IoSlice, Write},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Block files that are kept open for readers of old blocks.
const OPEN_FILES: usize = 4;

/// One channel's ledger.
///
/// [`Ledger::append`] and [`Ledger::flush`] may run on two threads: a flush covers what was appended
/// before it began and does not hold up the next append. Readers never wait for either.
pub struct Ledger {
    channel: String,
    directory: PathBuf,
    shared: Shared,
    repaired: Option<String>,
    appender: Mutex<Appender>,
    /// Held by the one flush that runs.
    flushing: Mutex<()>,
    offsets: Offsets,
    view: RwLock<View>,
    durable_height: AtomicU64,
    refusal: OnceLock<Refusal>,
    open_files: Mutex<VecDeque<(u32, Arc<File>)>>,
}

/// What all ledgers of a store have in common.
pub(super) struct Shared {
    pub(super) options: LedgerOptions,
    pub(super) fabric_index: Arc<FabricIndex>,
    /// Keeps other processes out for as long as anybody may write.
    pub(super) _lock: Arc<File>,
}

/// The end of the last file.
struct Appender {
    /// Open while there is something to flush: a node may have many channels, few of them busy.
    file: Option<Arc<File>>,
    number: u32,
    size: u64,
}

/// What readers see.
struct View {
    height: u64,
    last_header_hash: Bytes,
    /// Where the blocks are that are not flushed: the newest ones.
    unflushed: VecDeque<Location>,
    /// The newest blocks.
    tail: VecDeque<Arc<EncodedBlock>>,
    tail_bytes: usize,
}

enum Refusal {
    Failed(String),
    Removed,
}

impl Ledger {
    pub(super) fn new(channel: &str, directory: PathBuf, shared: Shared, recovered: Recovered) -> Self {
        let last = recovered.last_block;
        let last_header_hash =
            last.as_ref().map(|b| Bytes::copy_from_slice(&b.header_hash())).unwrap_or_default();
        Self {
            channel: channel.to_owned(),
            directory,
            shared,
            repaired: recovered.repaired,
            appender: Mutex::new(Appender {
                file: None,
                number: recovered.file_number,
                size: recovered.file_size,
            }),
            flushing: Mutex::new(()),
            offsets: recovered.offsets,
            view: RwLock::new(View {
                height: recovered.height,
                last_header_hash,
                unflushed: VecDeque::new(),
                tail_bytes: last.as_ref().map_or(0, |b| b.encoded_len()),
                tail: last.into_iter().collect(),
            }),
            durable_height: AtomicU64::new(recovered.height),
            refusal: OnceLock::new(),
            open_files: Mutex::new(VecDeque::new()),
        }
    }

    /// The channel.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// What was cut off when the ledger was opened: the end of a write that a crash cut short.
    pub fn repaired(&self) -> Option<&str> {
        self.repaired.as_deref()
    }

    /// Number of blocks.
    pub fn height(&self) -> u64 {
        self.view.read().height
    }

    /// Number of blocks that survive a power cut.
    pub fn durable_height(&self) -> u64 {
        self.durable_height.load(Ordering::Acquire)
    }

    /// Header hash of the last block; empty when there is none.
    pub fn last_header_hash(&self) -> Bytes {
        self.view.read().last_header_hash.clone()
    }

    /// Why the ledger takes no more blocks, if it does not.
    pub fn poisoned(&self) -> Option<String> {
        self.refused().err().map(|error| error.to_string())
    }

    /// Writes the next block, in one write without copying its payloads. Durable only once
    /// [`Ledger::flush`] has returned; readers see it at once.
    ///
    /// A block that is not the next one is refused and does no harm. A write that fails poisons the
    /// ledger; what it had written is taken back if that is possible, else when it is opened next.
    pub fn append(&self, block: &Arc<EncodedBlock>) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut appender = self.appender.lock();
        self.refused()?;
        self.check_next(block)?;
        self.shared.fabric_index.discard()?;
        let location = self.write(&mut appender, block).inspect_err(|error| self.poison(error))?;
        drop(appender);
        let height = self.view.write().add(block, location, self.shared.options.cache_bytes);
        if let Some(observer) = &self.shared.options.observer {
            observer.appended(&self.channel, height, started.elapsed());
        }
        Ok(())
    }

    /// Flushes what was appended before the call. A flush that fails poisons the ledger.
    pub fn flush(&self) -> Result<(), StoreError> {
        let started = Instant::now();
        let _running = self.flushing.lock();
        self.refused()?;
        let durable_height = self.durable_height();
        let (file, number, size, height) = {
            let mut appender = self.appender.lock();
            let height = self.height();
            if height == durable_height {
                return Ok(());
            }
            let file = self.opened(&mut appender).inspect_err(|error| self.poison(error))?;
            (file, appender.number, appender.size, height)
        };
        let path = files::path_of(&self.directory, number);
        let flushed = file.sync_data().during("flush", &path).and_then(|()| {
            let count = (height - durable_height) as usize;
            let locations: Vec<_> = self.view.read().unflushed.iter().take(count).copied().collect();
            self.offsets.write(durable_height, &locations)
        });
        flushed.inspect_err(|error| self.poison(error))?;
        // From here on readers find the places in the offsets file.
        self.durable_height.store(height, Ordering::Release);
        self.view.write().unflushed.drain(..(height - durable_height) as usize);
        let mut appender = self.appender.lock();
        if (appender.number, appender.size) == (number, size) {
            appender.file = None;
        }
        drop(appender);
        if let Some(observer) = &self.shared.options.observer {
            observer.flushed(&self.channel, height, started.elapsed());
        }
        Ok(())
    }

    /// A block, `None` at and above the height. The newest blocks are shared from memory.
    pub fn block(&self, number: u64) -> Result<Option<Arc<EncodedBlock>>, StoreError> {
        let unflushed = {
            let view = self.view.read();
            if number >= view.height {
                return Ok(None);
            }
            if let Some(block) = view.cached(number) {
                return Ok(Some(block));
            }
            view.unflushed_location(number)
        };
        let location = match unflushed {
            Some(location) => location,
            None => self.offsets.get(&self.channel, number)?,
        };
        let file = self.open_file(location.file)?;
        let path = files::path_of(&self.directory, location.file);
        let block = read_at(&file, path.clone(), location).and_then(|block| {
            if block.number() == number {
                Ok(block)
            } else {
                let found = block.number();
                Err(ReadError::Wrong(format!("block {found} is there instead of block {number}")))
            }
        });
        match block {
            Ok(block) => Ok(Some(Arc::new(block))),
            Err(ReadError::File(error)) => Err(error.into()),
            Err(ReadError::Wrong(reason)) => Err(StoreError::Damaged {
                channel: self.channel.clone(),
                path,
                offset: location.offset.into(),
                reason,
            }),
        }
    }

    /// Refuses all further writes because the ledger is being removed; returns when none is running.
    pub(super) fn close(&self) {
        let _ = self.refusal.set(Refusal::Removed);
        let _running = self.flushing.lock();
        let _appender = self.appender.lock();
        self.open_files.lock().clear();
    }

    fn refused(&self) -> Result<(), StoreError> {
        match self.refusal.get() {
            None => Ok(()),
            Some(Refusal::Removed) => Err(StoreError::Removed { channel: self.channel.clone() }),
            Some(Refusal::Failed(cause)) => {
                Err(StoreError::Poisoned { channel: self.channel.clone(), cause: cause.clone() })
            }
        }
    }

    fn poison(&self, error: &FileError) {
        tracing::error!(channel = self.channel, "The ledger takes no more blocks: {error}");
        let _ = self.refusal.set(Refusal::Failed(error.to_string()));
    }

    fn check_next(&self, block: &EncodedBlock) -> Result<(), StoreError> {
        let view = self.view.read();
        if block.number() != view.height {
            return Err(StoreError::WrongNumber { expected: view.height, number: block.number() });
        }
        if block.header().previous_hash != view.last_header_hash {
            return Err(StoreError::WrongPreviousHash {
                expected: view.last_header_hash.to_vec(),
                found: block.header().previous_hash.to_vec(),
            });
        }
        Ok(())
    }

    fn write(&self, appender: &mut Appender, block: &EncodedBlock) -> Result<Location, FileError> {
        let record = Record::new(block);
        if appender.size + record.length() > self.shared.options.max_file_bytes {
            self.begin_next_file(appender)?;
        }
        let file = self.opened(appender)?;
        let path = files::path_of(&self.directory, appender.number);
        let length = u32::try_from(record.length());
        let (Ok(offset), Ok(length)) = (u32::try_from(appender.size), length) else {
            let error = io::Error::new(io::ErrorKind::FileTooLarge, "a block can not be larger than 4 GiB");
            return Err(FileError::new("write a block to", path, error));
        };
        if let Err(error) = write_all(&file, &mut record.slices()) {
            // Without this the next start would do it.
            let _ = file.set_len(appender.size);
            return Err(FileError::new("write a block to", path, error));
        }
        appender.size += record.length();
        Ok(Location { file: appender.number, offset, length })
    }

    /// Only the last file may be torn, so the one before it is flushed first.
    fn begin_next_file(&self, appender: &mut Appender) -> Result<(), FileError> {
        if let Some(file) = &appender.file {
            let path = files::path_of(&self.directory, appender.number);
            file.sync_data().during("flush", &path)?;
        }
        let next = files::create(&self.directory, appender.number + 1)?;
        *appender = Appender { file: Some(Arc::new(next)), number: appender.number + 1, size: 0 };
        Ok(())
    }

    /// The last file, which ends where this ledger has left it.
    fn opened(&self, appender: &mut Appender) -> Result<Arc<File>, FileError> {
        if let Some(file) = &appender.file {
            return Ok(file.clone());
        }
        let path = files::path_of(&self.directory, appender.number);
        let file = Arc::new(files::open_for_append(&self.directory, appender.number)?);
        let (found, left) = (files::size_of(&file, &path)?, appender.size);
        if found != left {
            let text =
                format!("it has {found} bytes and was left with {left}: another program has changed it");
            return Err(FileError::new("append to", path, io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        appender.file = Some(file.clone());
        Ok(file)
    }

    fn open_file(&self, number: u32) -> Result<Arc<File>, FileError> {
        let mut open = self.open_files.lock();
        if let Some(at) = open.iter().position(|(n, _)| *n == number) {
            let found = open.swap_remove_back(at);
            open.extend(found);
        } else {
            if open.len() == OPEN_FILES {
                open.pop_front();
            }
            open.push_back((number, Arc::new(files::open_for_read(&self.directory, number)?)));
        }
        // One of the branches has just put it at the back.
        Ok(open[open.len() - 1].1.clone())
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("channel", &self.channel)
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

impl View {
    fn add(&mut self, block: &Arc<EncodedBlock>, location: Location, cache_bytes: usize) -> u64 {
        self.height += 1;
        self.last_header_hash = Bytes::copy_from_slice(&block.header_hash());
        self.unflushed.push_back(location);
        self.tail_bytes += block.encoded_len();
        self.tail.push_back(block.clone());
        // The newest block stays whatever its size: every reader wants it next.
        while self.tail_bytes > cache_bytes && self.tail.len() > 1 {
            self.tail_bytes -= self.tail.pop_front().map_or(0, |b| b.encoded_len());
        }
        self.height
    }

    fn cached(&self, number: u64) -> Option<Arc<EncodedBlock>> {
        let first = self.height - self.tail.len() as u64;
        self.tail.get(usize::try_from(number.checked_sub(first)?).ok()?).cloned()
    }

    fn unflushed_location(&self, number: u64) -> Option<Location> {
        let first = self.height - self.unflushed.len() as u64;
        self.unflushed.get(usize::try_from(number.checked_sub(first)?).ok()?).copied()
    }
}

fn write_all(mut file: &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

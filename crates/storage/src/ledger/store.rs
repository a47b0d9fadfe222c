//! The ledgers of a node: the directory `FileLedger.Location`.

use super::{
    CHAINS, Ledger, LedgerOptions, StoreError,
    blocks::Shared,
    check_name,
    fabric_index::{Checkpoint, FabricIndex},
    files,
    pending::{JoinBlocks, Markers},
    recover::Places,
};
use crate::durable::{
    self, Context, FileError, create_directory, names_in, remove_file, remove_transient_files, replace_file,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    sync::Arc,
};

const OFFSETS: &str = "offsets";
const LOCK: &str = "causeway.lock";

/// The ledgers of a node. Locked against other processes while it, or a ledger of it, lives.
#[derive(Debug)]
pub struct LedgerStore {
    location: PathBuf,
    options: LedgerOptions,
    fabric_index: Arc<FabricIndex>,
    lock: Arc<File>,
    join_blocks: JoinBlocks,
    removals: Markers,
    channels: Mutex<Channels>,
}

#[derive(Debug)]
struct Channels {
    open: BTreeMap<String, Arc<Ledger>>,
    /// What Fabric had written when the store was opened, of the channels that are not open yet.
    fabric_checkpoints: BTreeMap<String, Checkpoint>,
}

impl LedgerStore {
    /// Opens the directory: makes what is missing, finishes removals that a crash interrupted and
    /// drops files that were half-written. Ledgers are opened one by one afterwards.
    pub fn open(location: &Path, options: LedgerOptions) -> Result<Self, StoreError> {
        let chains = location.join(CHAINS);
        create_directory(&chains)?;
        let lock = Arc::new(lock(location)?);
        let fabric_index = Arc::new(FabricIndex::open(location)?);
        let offsets = location.join(OFFSETS);
        create_directory(&offsets)?;
        remove_transient_files(&offsets)?;
        let fabric_checkpoints = fabric_index.checkpoints(&directories_in(&chains)?)?;
        let store = Self {
            location: location.to_path_buf(),
            options,
            fabric_index,
            lock,
            join_blocks: JoinBlocks::open(location)?,
            removals: Markers::open(location, "remove")?,
            channels: Mutex::new(Channels { open: BTreeMap::new(), fabric_checkpoints }),
        };
        for channel in store.removals.list()? {
            tracing::info!(channel, "Finishing the removal of a channel's ledger");
            store.remove_channel(&channel)?;
        }
        Ok(store)
    }

    /// The directory.
    pub fn location(&self) -> &Path {
        &self.location
    }

    /// The channels that have a ledger, sorted. A directory under `chains/` is a channel.
    pub fn channels(&self) -> Result<Vec<String>, StoreError> {
        Ok(directories_in(&self.location.join(CHAINS))?)
    }

    /// Whether the channel has a ledger.
    pub fn exists(&self, channel: &str) -> bool {
        check_name(channel).is_ok() && self.directory_of(channel).is_dir()
    }

    /// Opens a channel's ledger, which is made when it is missing; the same for every caller.
    ///
    /// Repairs an end that a crash tore ([`Ledger::repaired`] tells). Refuses files that are damaged
    /// elsewhere or that have lost flushed blocks, and changes nothing then.
    pub fn open_channel(&self, channel: &str) -> Result<Arc<Ledger>, StoreError> {
        check_name(channel)?;
        let mut channels = self.channels.lock();
        if let Some(ledger) = channels.open.get(channel) {
            return Ok(ledger.clone());
        }
        let directory = self.directory_of(channel);
        create_directory(&directory)?;
        let fabric = channels.fabric_checkpoints.get(channel);
        let recovered = Places {
            channel,
            directory: &directory,
            offsets: &self.offsets_of(channel),
            fabric: fabric.map(|checkpoint| (self.fabric_index.directory(), *checkpoint)),
        }
        .recover()?;
        let shared = Shared {
            options: self.options.clone(),
            fabric_index: self.fabric_index.clone(),
            _lock: self.lock.clone(),
        };
        let ledger = Arc::new(Ledger::new(channel, directory, shared, recovered));
        channels.fabric_checkpoints.remove(channel);
        channels.open.insert(channel.to_owned(), ledger.clone());
        Ok(ledger)
    }

    /// Removes a channel's ledger for good; one that does not exist is no error. Handles that are
    /// still held refuse writes. A crash in between is made up for when the store is opened next.
    pub fn remove_channel(&self, channel: &str) -> Result<(), StoreError> {
        check_name(channel)?;
        let mut channels = self.channels.lock();
        replace_file(&self.removals.path(channel), &[])?;
        channels.fabric_checkpoints.remove(channel);
        if let Some(ledger) = channels.open.remove(channel) {
            ledger.close();
        }
        // Fabric's index has entries of the channel that would be taken for those of a later one.
        self.fabric_index.discard()?;
        remove_file(&self.offsets_of(channel))?;
        let directory = self.directory_of(channel);
        if directory.is_dir() {
            files::remove_all(&directory)?;
        }
        Ok(remove_file(&self.removals.path(channel))?)
    }

    /// The blocks that channels were joined with and that are still needed.
    pub fn join_blocks(&self) -> &JoinBlocks {
        &self.join_blocks
    }

    fn directory_of(&self, channel: &str) -> PathBuf {
        self.location.join(CHAINS).join(channel)
    }

    fn offsets_of(&self, channel: &str) -> PathBuf {
        self.location.join(OFFSETS).join(channel)
    }
}

/// Takes the directory for this process.
fn lock(location: &Path) -> Result<File, StoreError> {
    let path = location.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.during("open the lock file", &path)?;
    if durable::lock(&file, &path)? {
        Ok(file)
    } else {
        Err(StoreError::InUse { location: location.to_path_buf() })
    }
}

fn directories_in(chains: &Path) -> Result<Vec<String>, FileError> {
    let mut names = names_in(chains)?;
    names.retain(|name| chains.join(name).is_dir());
    Ok(names)
}

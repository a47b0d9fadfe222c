//! The block ledger of an ordering node, in Fabric's on-disk format.

use crate::durable::FileError;
use bytes::Bytes;
use std::{path::Path, sync::Arc, time::Duration};

mod standin {
    //! Gives way to `channel::block::EncodedBlock`.
    /// A block.
    #[derive(Debug)]
    pub struct EncodedBlock;
}
pub use standin::EncodedBlock;

/// What can go wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Hears of every block that was written and every flush, for metrics. Called on the thread that
/// wrote; must not block.
pub trait LedgerObserver: Send + Sync {
    /// A block was written: the channel's new height and how long the write took.
    fn appended(&self, channel: &str, height: u64, took: Duration);
    /// The ledger was flushed: the height that is durable now and how long the flush took.
    fn flushed(&self, channel: &str, durable_height: u64, took: Duration);
}

/// How ledgers are kept. `Default` is what a node uses.
#[derive(Clone)]
pub struct LedgerOptions {
    /// Most bytes of recent blocks that a channel keeps in memory for readers. Default 8 MiB.
    pub cache_bytes: usize,
    /// Size at which a new block file is begun. Default 64 MiB, as in Fabric; others are for tests.
    pub max_file_bytes: u64,
    /// Told of writes and flushes.
    pub observer: Option<Arc<dyn LedgerObserver>>,
}

/// The ledgers of a node: the directory `FileLedger.Location`.
#[derive(Debug)]
pub struct LedgerStore {}

impl LedgerStore {
    /// Opens the directory; makes what is missing, finishes removals that a crash interrupted.
    pub fn open(_location: &Path, _options: LedgerOptions) -> Result<Self, StoreError> {
        unimplemented!()
    }
    /// The channels that have a ledger, sorted.
    pub fn channels(&self) -> Result<Vec<String>, StoreError> {
        unimplemented!()
    }
    /// Whether the channel has a ledger.
    pub fn exists(&self, _channel: &str) -> bool {
        unimplemented!()
    }
    /// Opens a channel's ledger, made when it is missing. The same ledger for every caller.
    pub fn open_channel(&self, _channel: &str) -> Result<Arc<Ledger>, StoreError> {
        unimplemented!()
    }
    /// Removes a channel's ledger; one that does not exist is no error.
    pub fn remove_channel(&self, _channel: &str) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// The blocks that channels were joined with and that are still needed.
    pub fn join_blocks(&self) -> &JoinBlocks {
        unimplemented!()
    }
}

/// Join blocks: `pendingops/join/<channel>.join`, each a marshaled `common.Block`.
#[derive(Debug)]
pub struct JoinBlocks {}

impl JoinBlocks {
    /// Keeps a channel's join block durably, in place of an earlier one.
    pub fn save(&self, _channel: &str, _block: &[u8]) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// The channel's join block.
    pub fn load(&self, _channel: &str) -> Result<Option<Bytes>, StoreError> {
        unimplemented!()
    }
    /// Removes it durably; none is no error.
    pub fn remove(&self, _channel: &str) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// The channels that have one, sorted.
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        unimplemented!()
    }
}

/// One channel's ledger: one appender, many readers.
#[derive(Debug)]
pub struct Ledger {}

impl Ledger {
    /// The channel.
    pub fn channel(&self) -> &str {
        unimplemented!()
    }
    /// Writes the next block. Durable only once [`Ledger::flush`] has returned.
    pub fn append(&self, _block: &Arc<EncodedBlock>) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Flushes what was appended before the call.
    pub fn flush(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Number of blocks.
    pub fn height(&self) -> u64 {
        unimplemented!()
    }
    /// Number of blocks that survive a power cut.
    pub fn durable_height(&self) -> u64 {
        unimplemented!()
    }
    /// A block, `None` at and above the height.
    pub fn block(&self, _number: u64) -> Result<Option<Arc<EncodedBlock>>, StoreError> {
        unimplemented!()
    }
    /// Header hash of the last block; empty when there is none.
    pub fn last_header_hash(&self) -> Bytes {
        unimplemented!()
    }
    /// Why the ledger refuses writes, if it does.
    pub fn poisoned(&self) -> Option<String> {
        unimplemented!()
    }
}

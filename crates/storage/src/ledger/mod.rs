//! The block ledger of an ordering node, in Fabric's on-disk format.
//!
//! A [`LedgerStore`] is the directory `FileLedger.Location`; a [`Ledger`] in it holds the blocks of one
//! channel. A ledger that Fabric's orderer wrote opens here, and one written here opens there. The
//! block files are the truth; what else lies beside them can be made again from them.
//!
//! ```text
//! chains/<channel>/blockfile_NNNNNN   the blocks
//! offsets/<channel>                   where each block is, and how much was flushed   (ours)
//! index/                              Fabric's index, until our first block
//! causeway.lock                       held by the process that has the directory open  (ours)
//! pendingops/join/<channel>.join      join blocks
//! pendingops/remove/<channel>.remove  removals in progress
//! ```

mod blocks;
mod error;
mod fabric_index;
mod files;
mod offsets;
mod pending;
mod reader;
mod record;
mod recover;
mod store;

pub use blocks::Ledger;
pub use error::StoreError;
pub use pending::JoinBlocks;
pub use reader::{BlockReader, Fault, Step, StoredBlock};
pub use store::LedgerStore;

use std::{sync::Arc, time::Duration};

const CHAINS: &str = "chains";

/// Hears of every block that was written and every flush, for metrics. Called on the thread that
/// wrote; must not block.
pub trait LedgerObserver: Send + Sync {
    /// A block was written: the channel's new height and how long the write took.
    fn appended(&self, channel: &str, height: u64, took: Duration);
    /// The ledger was flushed: the height that is durable now and how long the flush took.
    fn flushed(&self, channel: &str, durable_height: u64, took: Duration);
}

/// How ledgers are kept. The default is what a node uses.
#[derive(Clone)]
pub struct LedgerOptions {
    /// Most bytes of recent blocks that a channel keeps in memory for readers; the newest block is
    /// kept in any case. Default 8 MiB.
    pub cache_bytes: usize,
    /// Size at which a new block file is begun, at most 4 GiB. Default 64 MiB, which is what Fabric
    /// uses; other values are for tests.
    pub max_file_bytes: u64,
    /// Told of writes and flushes.
    pub observer: Option<Arc<dyn LedgerObserver>>,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { cache_bytes: 8 << 20, max_file_bytes: 64 << 20, observer: None }
    }
}

impl std::fmt::Debug for LedgerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerOptions")
            .field("cache_bytes", &self.cache_bytes)
            .field("max_file_bytes", &self.max_file_bytes)
            .finish_non_exhaustive()
    }
}

/// A channel's name becomes a file name, so it must not lead elsewhere. Whether it is a name that a
/// channel may have is not decided here.
fn check_name(channel: &str) -> Result<(), StoreError> {
    let leads_elsewhere = matches!(channel, "" | "." | "..") || channel.contains(['/', '\0']);
    if leads_elsewhere || channel.ends_with(crate::durable::TRANSIENT_MARK) || channel.len() > 249 {
        return Err(StoreError::ChannelName { channel: channel.to_owned() });
    }
    Ok(())
}

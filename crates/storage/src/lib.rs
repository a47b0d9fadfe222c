//! The disk: the only code of Causeway that opens ledger, write-ahead-log and snapshot files.
//!
//! | Module | What it keeps | Whose format |
//! |---|---|---|
//! | [`ledger`] | the blocks of every channel, under `FileLedger.Location` | Fabric's block files |
//! | [`wal`] | a channel's Raft log, under `Consensus.WALDir` | etcd's write-ahead log |
//! | [`snapshot`] | a channel's Raft snapshots, under `Consensus.SnapDir` | etcd's snapshot files |
//! | [`durable`] | small files that are replaced whole | ours |
//!
//! Everything blocks: callers give it a thread of its own. Three rules hold everywhere.
//!
//! - *Written is not kept.* Only what a flush (`flush`, `sync`) has returned for survives a power cut.
//! - *A failed write or flush poisons the store.* The kernel may have dropped what it could not write,
//!   so a second flush that succeeds would prove nothing. Every later write is refused with the first
//!   cause; reads go on; opening the store again repairs what can be repaired.
//! - *Every error names the file and the operation.*

pub mod durable;
pub mod ledger;
pub mod snapshot;
pub mod wal;

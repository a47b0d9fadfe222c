//! What can go wrong with a write-ahead log, and what to do about it.

use crate::durable::FileError;
use std::path::PathBuf;

/// What can go wrong with a write-ahead log. The first words are Fabric's where it has a text.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The system refused an operation.
    #[error(transparent)]
    File(#[from] FileError),

    /// Another process has the log open.
    #[error(
        "failed to open WAL: {} is in use by another process; stop that process, or give this node a directory \
         of its own with Consensus.WALDir",
        path.display()
    )]
    InUse {
        /// The newest segment.
        path: PathBuf,
    },

    /// The directory holds something else.
    #[error(
        "failed to open WAL: {} holds {name:?}, but no segment of a log; point Consensus.WALDir at the \
         orderer's own directory, or move what does not belong there away",
        directory.display()
    )]
    Foreign {
        /// The channel's WAL directory.
        directory: PathBuf,
        /// A file that is in it.
        name: String,
    },

    /// The segments that follow the snapshot are not all there.
    #[error(
        "failed to open WAL: {}: {reason}; restore the missing segments from a backup, or remove the channel \
         from this node, its WAL and snapshot directories too, and join it again",
        directory.display()
    )]
    Segments {
        /// The channel's WAL directory.
        directory: PathBuf,
        /// What is missing.
        reason: String,
    },

    /// A record that is all there is wrong. Nothing was changed.
    #[error(
        "failed to read WAL and cannot repair: {} at byte {offset}: {reason}; restore the file from a backup, or \
         remove the channel from this node, its WAL and snapshot directories too, and join it again",
        path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },

    /// An earlier write or flush failed.
    #[error("the WAL {} takes no more entries since a write failed: {cause}; mend the cause and restart the node", directory.display())]
    Poisoned {
        /// The channel's WAL directory.
        directory: PathBuf,
        /// The failure.
        cause: String,
    },
}

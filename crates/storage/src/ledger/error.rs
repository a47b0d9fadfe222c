//! What can go wrong with a ledger, and what to do about it.

use crate::durable::FileError;
use std::path::PathBuf;

/// What can go wrong with a ledger. Every text names the thing and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation.
    #[error(transparent)]
    File(#[from] FileError),

    /// Another process, ours or Fabric's, has the directory open.
    #[error(
        "the ledger directory {} is in use by another process; stop that process, or give this node \
         a directory of its own with FileLedger.Location",
        location.display()
    )]
    InUse {
        /// `FileLedger.Location`.
        location: PathBuf,
    },

    /// A directory holds something that no orderer has put there.
    #[error(
        "{} is not an orderer's ledger: {reason}; point FileLedger.Location at the orderer's own \
         directory, or move what does not belong there away",
        path.display()
    )]
    Foreign {
        /// The directory or file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },

    /// The Fabric index says that the directory belongs to a peer. Fabric's text.
    #[error(
        "unexpected format. db info = [leveldb at [{}]], data format = [{found}], expected format = []",
        index.display()
    )]
    Format {
        /// The index directory.
        index: PathBuf,
        /// The format marker in it.
        found: String,
    },

    /// The Fabric index cannot be read, so that its checkpoint cannot be compared with the files.
    #[error(
        "Fabric's block index {} cannot be read: {reason}; remove that directory to go on: nothing in it is \
         needed, but a loss of the newest blocks can then not be noticed",
        index.display()
    )]
    FabricIndex {
        /// The index directory.
        index: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A name that can not be a channel's directory.
    #[error("{channel:?} cannot be the name of a channel's ledger")]
    ChannelName {
        /// The name.
        channel: String,
    },

    /// Bytes in the middle of a block file are wrong. Nothing is changed.
    #[error(
        "channel {channel}: block file {} is damaged at byte {offset}: {reason}; restore the file from a backup, \
         or remove the channel from this node and join it again, so that its blocks are fetched from the other orderers",
        path.display()
    )]
    Damaged {
        /// The channel.
        channel: String,
        /// The block file.
        path: PathBuf,
        /// Where the damaged record begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },

    /// The block files hold less than the checkpoint says was flushed. Nothing is changed.
    #[error(
        "channel {channel}: {} is {missing_bytes} bytes shorter than the checkpoint in {} says; blocks that were \
         flushed are gone. Restore the file from a backup, or remove {} to go on with the blocks that are \
         left and fetch the others from the other orderers",
        path.display(), checkpoint.display(), checkpoint.display()
    )]
    TailLost {
        /// The channel.
        channel: String,
        /// The block file.
        path: PathBuf,
        /// How many bytes are missing.
        missing_bytes: u64,
        /// The file or directory that holds the checkpoint: our offsets file or Fabric's index.
        checkpoint: PathBuf,
    },

    /// An entry of the offsets file is wrong.
    #[error(
        "channel {channel}: the offsets file {} is wrong for block {number}: {reason}; stop the node and remove \
         that file, it is made again from the block files",
        path.display()
    )]
    Offsets {
        /// The channel.
        channel: String,
        /// The offsets file.
        path: PathBuf,
        /// The block that was looked for.
        number: u64,
        /// What is wrong.
        reason: String,
    },

    /// The block is not the next one. Fabric's text.
    #[error("block number should have been {expected} but was {number}")]
    WrongNumber {
        /// The ledger's height.
        expected: u64,
        /// The block's number.
        number: u64,
    },

    /// The block does not follow on the last one. Fabric's text.
    #[error(
        "unexpected Previous block hash. Expected PreviousHash = [{}], PreviousHash referred in the latest block= [{}]",
        hex::encode(expected),
        hex::encode(found)
    )]
    WrongPreviousHash {
        /// Header hash of the last block.
        expected: Vec<u8>,
        /// What the block says.
        found: Vec<u8>,
    },

    /// An earlier write or flush failed.
    #[error(
        "the ledger of channel {channel} takes no more blocks since a write failed: {cause}; mend the cause and \
         restart the node"
    )]
    Poisoned {
        /// The channel.
        channel: String,
        /// The failure.
        cause: String,
    },

    /// The channel's ledger has been removed.
    #[error("the ledger of channel {channel} has been removed")]
    Removed {
        /// The channel.
        channel: String,
    },
}

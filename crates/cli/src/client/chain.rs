//! Verifying blocks as they are received, one after the other.

use std::sync::Arc;

use bytes::Bytes;
use channel::{
    block::{self, BlockError},
    bundle::{Bundle, ConfigBlockError, MissingPolicy},
};
use protos::common::Block;

use super::{
    connection::Connection,
    deliver::{DeliverError, Position, fetch},
    transaction::Signer,
};

/// What is wrong with a block, given those before it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum ChainFault {
    /// The block cannot be read.
    #[error("it has no header")]
    NoHeader,
    /// A number was left out or came twice.
    #[error("its number should be {expected}")]
    Number {
        /// The number after the last one.
        expected: u64,
    },
    /// It does not follow the block before it.
    #[error(
        "its previous hash is {found}, but the hash of the block before it is {expected}: the chain is broken there"
    )]
    PreviousHash {
        /// Header hash of the block before, hex.
        expected: String,
        /// What the header names, hex.
        found: String,
    },
    /// Its transactions are not those that its header names.
    #[error("its data hash is {found}, but its transactions hash to {expected}: they have been changed")]
    DataHash {
        /// Hash of the transactions, hex.
        expected: String,
        /// What the header names, hex.
        found: String,
    },
    /// No orderer of the channel has signed it.
    #[error(transparent)]
    Signature(BlockError),
    /// The channel does not say who signs its blocks.
    #[error(transparent)]
    Policy(#[from] MissingPolicy),
    /// It carries a channel config that does not parse.
    #[error("its channel config is not valid: {0}")]
    Config(#[from] ConfigBlockError),
}

/// Follows a chain and finds what does not fit.
#[derive(Default)]
pub struct ChainVerifier {
    last: Option<(u64, [u8; 32])>,
    config: Option<Arc<Bundle>>,
}

impl ChainVerifier {
    /// Starts at any block; without a config, signatures are verified from the first config block on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Verifies signatures under `config`, which is in force before the first block.
    pub fn with_config(config: Arc<Bundle>) -> Self {
        Self { last: None, config: Some(config) }
    }

    /// Goes on after `block`, which is taken as it is.
    pub fn after(mut self, block: &Block) -> Self {
        self.last = block.header.as_ref().map(|header| (header.number, block::header_hash(header)));
        self
    }

    /// Verifies the next block: number, link, data hash, signatures. What is found is reported once; the
    /// next block is verified against this one as it came.
    pub fn check(&mut self, block: &Block) -> Result<(), ChainFault> {
        let header = block.header.as_ref().ok_or(ChainFault::NoHeader)?;
        let last = self.last.replace((header.number, block::header_hash(header)));
        if let Some((last_number, last_hash)) = last {
            if header.number != last_number + 1 {
                return Err(ChainFault::Number { expected: last_number + 1 });
            }
            if header.previous_hash != last_hash[..] {
                return Err(ChainFault::PreviousHash {
                    expected: hex::encode(last_hash),
                    found: hex::encode(&header.previous_hash),
                });
            }
        }
        let entries: &[Bytes] = block.data.as_ref().map_or(&[], |data| &data.data);
        let data_hash = block::data_hash(entries);
        if header.data_hash != data_hash[..] {
            return Err(ChainFault::DataHash {
                expected: hex::encode(data_hash),
                found: hex::encode(&header.data_hash),
            });
        }
        // Nobody signs a genesis block; it is what the network was founded on.
        if header.number > 0
            && let Some(config) = &self.config
        {
            block::verify_signatures(block, &*config.block_validation_policy()?)
                .map_err(ChainFault::Signature)?;
        }
        if block::is_plain_config_block(block) {
            self.config = Some(Arc::new(Bundle::from_config_block(block)?));
        }
        Ok(())
    }
}

/// Why a chain's start cannot be verified.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum AnchorError {
    /// The blocks that are needed could not be fetched.
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    /// The block before does not name its config block.
    #[error("block {number} does not name the config block in force")]
    LastConfig {
        /// The block's number.
        number: u64,
        /// What is wrong with it.
        source: BlockError,
    },
    /// The config block cannot be used.
    #[error("the channel config in block {number} is not valid")]
    Config {
        /// The block's number.
        number: u64,
        /// What is wrong with it.
        source: ConfigBlockError,
    },
}

/// A verifier for the blocks from `first` on: fetches the block before `first` and the channel config in
/// force there.
pub async fn verifier_from(
    connection: &Connection,
    signer: &Signer,
    first: u64,
) -> Result<ChainVerifier, AnchorError> {
    let Some(before) = first.checked_sub(1) else { return Ok(ChainVerifier::new()) };
    let last = fetch(connection, signer, Position::Number(before)).await?;
    let number = block::last_config_index(&last)
        .map_err(|source| AnchorError::LastConfig { number: before, source })?;
    let config_block = fetch(connection, signer, Position::Number(number)).await?;
    let config =
        Bundle::from_config_block(&config_block).map_err(|source| AnchorError::Config { number, source })?;
    Ok(ChainVerifier::with_config(Arc::new(config)).after(&last))
}

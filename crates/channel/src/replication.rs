//! Verifying blocks that came from somewhere else.
//!
//! A chain of blocks is sound when the numbers follow each other, every block names the hash of
//! the one before, every data hash is right, and the signatures satisfy
//! `/Channel/Orderer/BlockValidation`. Only some signatures need to be checked: those of config
//! blocks, under the config in force before them, and that of the last block of a batch, because it
//! vouches by its hash for all blocks before it.
//!
//! Source: Fabric's `orderer/common/cluster/util.go` (`VerifyBlocks`), whose texts are used.

use std::sync::Arc;

use protos::common::{Block, Config, ConfigEnvelope};

use crate::{
    block::{self, BlockError, EncodedBlock},
    bundle::{Bundle, BundleError, MissingPolicy},
    envelope::{self, EnvelopeError},
};

/// Why a block is not accepted as the next one of the chain.
#[derive(Debug, thiserror::Error)]
pub enum ReplicationError {
    /// The number is not the next one.
    #[error("expected block [{expected}] but received block [{received}]")]
    Number {
        /// The next number.
        expected: u64,
        /// The block's number.
        received: u64,
    },
    /// The block does not continue the chain.
    #[error(
        "block [{}]'s hash ({}) mismatches block [{number}]'s prev block hash ({})",
        number.saturating_sub(1), hex::encode(actual), hex::encode(claimed)
    )]
    PreviousHash {
        /// The block's number.
        number: u64,
        /// The hash of the block before.
        actual: [u8; 32],
        /// The hash that the block names.
        claimed: Vec<u8>,
    },
    /// The data is not that of the header.
    #[error(
        "computed hash of block ({number}) ({}) doesn't match claimed hash ({})",
        hex::encode(computed),
        hex::encode(claimed)
    )]
    DataHash {
        /// The block's number.
        number: u64,
        /// The hash of the data.
        computed: [u8; 32],
        /// The hash in the header.
        claimed: Vec<u8>,
    },
    /// A transaction is not what a client could have sent.
    #[error("block has malformed transactions: {0}")]
    Transaction(#[from] MalformedTransaction),
    /// The header is not the one that is known from elsewhere.
    #[error(
        "block [{number}] has header hash {} but the block that was joined with has {}",
        hex::encode(received),
        hex::encode(expected)
    )]
    Anchor {
        /// The block's number.
        number: u64,
        /// The known hash.
        expected: [u8; 32],
        /// The block's hash.
        received: [u8; 32],
    },
    /// The block belongs to another channel.
    #[error("block [{number}] belongs to channel {received}, not to channel {expected}")]
    Channel {
        /// The block's number.
        number: u64,
        /// The channel that is replicated.
        expected: String,
        /// The block's channel.
        received: String,
    },
    /// There is nothing to start from: the chain does not begin with a config.
    #[error("block [{0}] can not be verified, since the chain does not begin with a config block")]
    NoConfig(u64),
    /// The block can not be read, or its signatures do not satisfy the policy.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The config in force names no policy for block signatures.
    #[error(transparent)]
    Policy(#[from] MissingPolicy),
    /// A config block holds a config that can not be used.
    #[error("config of block [{number}] can not be used: {reason}")]
    Config {
        /// The block's number.
        number: u64,
        /// What is wrong with it.
        reason: BundleError,
    },
}

/// What is wrong with a transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedTransaction {
    /// There is none.
    #[error("empty block")]
    Empty,
    /// It does not decode.
    #[error("transaction {0} is invalid: {1}")]
    Invalid(usize, EnvelopeError),
    /// It has no payload.
    #[error("transaction {0} has no payload")]
    NoPayload(usize),
    /// It has no signature.
    #[error("transaction {0} has no signature")]
    NoSignature(usize),
    /// Its bytes are not those that encoding it would give, so that the same transaction could
    /// stand in a block in more than one form.
    #[error("transaction {0} does not match its raw form")]
    NotCanonical(usize),
}

/// Checks that every entry of a block is a complete envelope in its canonical form. Config blocks
/// are exempt: what the orderer itself makes may come without a signature.
pub fn check_transactions(block: &Block) -> Result<(), MalformedTransaction> {
    if block::is_config_block(block) {
        return Ok(());
    }
    let entries = block.data.as_ref().map_or(&[][..], |d| &d.data);
    if entries.is_empty() {
        return Err(MalformedTransaction::Empty);
    }
    for (i, raw) in entries.iter().enumerate() {
        let (envelope, canonical) =
            envelope::decode_canonical(raw.clone()).map_err(|e| MalformedTransaction::Invalid(i, e))?;
        if envelope.payload.is_empty() {
            return Err(MalformedTransaction::NoPayload(i));
        }
        if envelope.signature.is_empty() {
            return Err(MalformedTransaction::NoSignature(i));
        }
        if canonical != raw {
            return Err(MalformedTransaction::NotCanonical(i));
        }
    }
    Ok(())
}

/// Follows a chain of blocks: knows where it has come to and which config is in force there.
///
/// After an error it stands where it stood before the call.
#[derive(Clone)]
pub struct ChainVerifier {
    channel_id: String,
    next_number: u64,
    previous_hash: Option<[u8; 32]>,
    bundle: Option<Arc<Bundle>>,
    anchor: Option<(u64, [u8; 32])>,
}

impl ChainVerifier {
    /// Starts before block 0, which is taken on trust (it carries no signature), apart from the
    /// channel that it names.
    pub fn from_genesis(channel_id: &str) -> Self {
        Self {
            channel_id: channel_id.to_owned(),
            next_number: 0,
            previous_hash: None,
            bundle: None,
            anchor: None,
        }
    }

    /// Starts after `last`, where the config of `bundle` is in force.
    pub fn after(last: &EncodedBlock, bundle: Arc<Bundle>) -> Self {
        Self {
            channel_id: bundle.channel_id().to_owned(),
            next_number: last.number() + 1,
            previous_hash: Some(last.header_hash()),
            bundle: Some(bundle),
            anchor: None,
        }
    }

    /// Demands that the block of this number have this header hash. Whoever joins a channel with a
    /// later config block knows it from there, and with it knows the whole chain before it, block 0
    /// included.
    pub fn with_anchor(mut self, number: u64, header_hash: [u8; 32]) -> Self {
        self.anchor = Some((number, header_hash));
        self
    }

    /// The channel.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// The number of the block that is to come next.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// The config in force after the blocks so far; `None` before block 0.
    pub fn bundle(&self) -> Option<&Arc<Bundle>> {
        self.bundle.as_ref()
    }

    /// Takes the next block: its place in the chain, its data, and if it is a config block its
    /// signatures. The signatures of other blocks are left to [`Self::verify_signatures`].
    pub fn verify(&mut self, block: &EncodedBlock) -> Result<(), ReplicationError> {
        self.check_place(block)?;
        let number = block.number();
        if number > 0 {
            check_transactions(block.block())?;
        }
        check_data_hash(block)?;
        if let Some(config) = config_of(block.block())? {
            if number > 0 {
                self.verify_signatures(block)?;
            }
            self.bundle = Some(Arc::new(self.bundle_of(block, config)?));
        } else if self.bundle.is_none() {
            return Err(ReplicationError::NoConfig(number));
        }
        self.next_number = number + 1;
        self.previous_hash = Some(block.header_hash());
        Ok(())
    }

    /// Takes the next blocks, all or none of them; the signatures of the last one are checked too.
    pub fn verify_batch<'a>(
        &mut self,
        blocks: impl IntoIterator<Item = &'a EncodedBlock>,
    ) -> Result<(), ReplicationError> {
        let mut ahead = self.clone();
        let mut last = None;
        for block in blocks {
            ahead.verify(block)?;
            last = Some(block);
        }
        // A config block's signatures have been checked under the config before it.
        if let Some(last) = last.filter(|last| config_of(last.block()) == Ok(None)) {
            ahead.verify_signatures(last)?;
        }
        *self = ahead;
        Ok(())
    }

    /// Verifies a block's signatures under the config in force.
    pub fn verify_signatures(&self, block: &EncodedBlock) -> Result<(), ReplicationError> {
        let bundle = self.bundle.as_ref().ok_or(ReplicationError::NoConfig(block.number()))?;
        Ok(block::verify_signatures(block.block(), bundle.block_validation_policy()?.as_ref())?)
    }

    fn check_place(&self, block: &EncodedBlock) -> Result<(), ReplicationError> {
        let number = block.number();
        if number != self.next_number {
            return Err(ReplicationError::Number { expected: self.next_number, received: number });
        }
        let claimed = &block.header().previous_hash;
        match self.previous_hash {
            Some(actual) if *claimed != actual[..] => {
                let claimed = claimed.to_vec();
                return Err(ReplicationError::PreviousHash { number, actual, claimed });
            }
            _ => {}
        }
        match self.anchor {
            Some((at, expected)) if at == number && expected != block.header_hash() => {
                Err(ReplicationError::Anchor { number, expected, received: block.header_hash() })
            }
            _ => Ok(()),
        }
    }

    fn bundle_of(&self, block: &EncodedBlock, config: Config) -> Result<Bundle, ReplicationError> {
        let number = block.number();
        let received = block::channel_id(block.block())?;
        if received != self.channel_id {
            let expected = self.channel_id.clone();
            return Err(ReplicationError::Channel { number, expected, received });
        }
        Bundle::new(&self.channel_id, config).map_err(|reason| ReplicationError::Config { number, reason })
    }
}

fn check_data_hash(block: &EncodedBlock) -> Result<(), ReplicationError> {
    let computed = block::data_hash(block.data());
    let claimed = &block.header().data_hash;
    match *claimed == computed[..] {
        true => Ok(()),
        false => {
            Err(ReplicationError::DataHash { number: block.number(), computed, claimed: claimed.to_vec() })
        }
    }
}

/// The config that the block puts into force, if it does.
fn config_of(block: &Block) -> Result<Option<Config>, BlockError> {
    match block::config_envelope(block) {
        Ok(ConfigEnvelope { config, .. }) => Ok(Some(config.unwrap_or_default())),
        Err(BlockError::NotConfig) => Ok(None),
        Err(error) => Err(error),
    }
}

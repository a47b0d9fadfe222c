//! What a channel has whatever orders it: its ledger, its live configuration, and the writing of
//! its blocks.
//!
//! Sources: Fabric's `orderer/common/multichannel/{chainsupport,blockwriter}.go`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use channel::{
    block::{self, BlockError, EncodedBlock},
    bundle::{Bundle, BundleError, ConfigBlockError, MissingPolicy},
    configtx::{self, ConfigError},
    consenters::RaftState,
    denial::{self, Denial},
    envelope::{self, EnvelopeError},
    processor::{self, MessageError, ProcessingContext, SystemContext},
};
use identity::{policy::SignedData, signing::SigningIdentity};
use parking_lot::Mutex;
use protos::{
    DecodeError, Message as _,
    common::{Envelope, Payload, Status},
    etcdraft::BlockMetadata,
    orderer::BatchSize,
};
use storage::ledger::{Ledger, StoreError};
use tokio::sync::watch;

use crate::chain::{Kind, OrderError, Submission};

/// How a channel is kept.
#[derive(Clone, Copy, Debug)]
pub struct ChannelOptions {
    /// Whether messages of expired identities are refused (unless the operator switched that off).
    pub check_expiration: bool,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self { check_expiration: true }
    }
}

/// Why somebody may not read a channel's blocks.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The configuration does not say who may.
    #[error(transparent)]
    NoPolicy(#[from] MissingPolicy),
    /// The policy says no.
    #[error("{0}: permission denied")]
    Denied(Box<Denial>),
}

/// Why a channel can not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The ledger has no block, so there is no configuration.
    #[error("the ledger of channel {0} is empty")]
    Empty(String),
    /// A block that the ledger must hold is not there.
    #[error("the ledger of channel {channel} lacks block {number}")]
    MissingBlock {
        /// The channel.
        channel: String,
        /// The block.
        number: u64,
    },
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block is malformed, or could not be signed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A block that must hold the configuration does not.
    #[error("error reading the configuration of channel {channel} from block {number}: {source}")]
    Config {
        /// The channel.
        channel: String,
        /// The block.
        number: u64,
        /// What is wrong.
        source: ConfigBlockError,
    },
    /// A configuration block does not follow from the configuration before it.
    #[error("configuration block {number} does not follow from the configuration in force: {source}")]
    Succession {
        /// The block.
        number: u64,
        /// What is wrong.
        source: ConfigError,
    },
    /// The configuration in a configuration block can not be used.
    #[error("configuration block {number} can not be used: {source}")]
    Bundle {
        /// The block.
        number: u64,
        /// What is wrong.
        source: BundleError,
    },
    /// The consenters can not be told from the configuration and the last block.
    #[error("the consenters of channel {channel} can not be told: {reason}")]
    Consenters {
        /// The channel.
        channel: String,
        /// What is wrong.
        reason: String,
    },
    /// A block that creates a channel is malformed.
    #[error("block {number} is to create a channel, but does not decode: {source}")]
    Creation {
        /// The block.
        number: u64,
        /// What is wrong.
        source: DecodeError,
    },
    /// The channel that a block creates could not be made.
    #[error("the channel that block {number} creates could not be made: {reason}")]
    NotCreated {
        /// The block.
        number: u64,
        /// What is wrong.
        reason: String,
    },
}

/// What a channel tells the node. Called on threads that may block.
pub trait ChannelEvents: Send + Sync {
    /// Another configuration is in force: trust pools and endpoints may have changed.
    fn config_changed(&self, state: &ChannelState) {
        let _ = state;
    }
    /// A block of the system channel makes a new channel with this genesis block. Idempotent: after
    /// a crash it is called again.
    ///
    /// # Errors
    ///
    /// The reason, when there is no system channel here or the channel can not be made.
    fn create_channel(&self, genesis: Arc<EncodedBlock>) -> Result<(), String> {
        let _ = genesis;
        Err("this node has no system channel".to_owned())
    }
    /// How many channels there are, the system channel included.
    fn channel_count(&self) -> u64 {
        0
    }
    /// This node is no consenter of the channel any more: its chain has ended and is to be
    /// followed from now on. `known_as` is a later raft id that another consenter knows this node by:
    /// it was removed and added again, and orders again once its ledger says so, too.
    fn switch_to_follower(&self, channel_id: &str, known_as: Option<u64>) {
        let _ = (channel_id, known_as);
    }
    /// A followed channel has reached a configuration that makes this node a consenter, or has
    /// caught up with the block it was joined with: its chain is to be started.
    fn switch_to_consenter(&self, channel_id: &str) {
        let _ = channel_id;
    }
}

/// Ignores everything, for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl ChannelEvents for NoEvents {}

/// What the filters need to know of the Raft group.
#[derive(Debug)]
struct RaftView {
    metadata: BlockMetadata,
    active: Vec<u64>,
}

#[derive(Debug)]
struct LastConfig {
    /// Sequence of the configuration when the last block was written.
    sequence: u64,
    /// Number of the block that brought it.
    number: u64,
}

/// A channel's ledger, live configuration and block writer. Shared by all who serve the channel.
pub struct ChannelState {
    channel_id: String,
    ledger: Arc<Ledger>,
    signer: Arc<SigningIdentity>,
    options: ChannelOptions,
    events: Arc<dyn ChannelEvents>,
    bundle: ArcSwap<Bundle>,
    raft: ArcSwapOption<RaftView>,
    last_config: Mutex<LastConfig>,
    height: watch::Sender<u64>,
}

impl ChannelState {
    /// Opens a channel over its ledger, which holds its genesis block at least.
    ///
    /// # Errors
    ///
    /// When the ledger is empty, unreadable, or holds no usable configuration.
    pub fn open(
        channel_id: &str,
        ledger: Arc<Ledger>,
        signer: Arc<SigningIdentity>,
        options: ChannelOptions,
        events: Arc<dyn ChannelEvents>,
    ) -> Result<Arc<Self>, ChannelError> {
        let height = ledger.height();
        let Some(last) = height.checked_sub(1) else {
            return Err(ChannelError::Empty(channel_id.to_owned()));
        };
        let number = match last {
            0 => 0,
            last => block::last_config_index(read(&ledger, channel_id, last)?.block())?,
        };
        let bundle = bundle_of(channel_id, read(&ledger, channel_id, number)?.as_ref())?;
        Ok(Arc::new(Self {
            channel_id: channel_id.to_owned(),
            ledger,
            signer,
            options,
            events,
            last_config: Mutex::new(LastConfig { sequence: bundle.sequence(), number }),
            bundle: ArcSwap::from_pointee(bundle),
            raft: ArcSwapOption::empty(),
            height: watch::Sender::new(height),
        }))
    }

    /// The channel's name.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// The configuration in force.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.bundle.load_full()
    }

    /// The blocks.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Who this node signs as.
    pub fn signer(&self) -> &Arc<SigningIdentity> {
        &self.signer
    }

    /// What the node wants to be told.
    pub fn events(&self) -> &Arc<dyn ChannelEvents> {
        &self.events
    }

    /// Number of blocks.
    pub fn height(&self) -> u64 {
        *self.height.borrow()
    }

    /// Follows the number of blocks.
    pub fn watch_height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Number of the block that brought the configuration in force.
    pub fn last_config_number(&self) -> u64 {
        self.last_config.lock().number
    }

    /// The block that brought the configuration in force.
    ///
    /// # Errors
    ///
    /// When the ledger can not be read.
    pub fn last_config_block(&self) -> Result<Arc<EncodedBlock>, ChannelError> {
        self.block(self.last_config_number())
    }

    /// The newest block.
    ///
    /// # Errors
    ///
    /// When the ledger can not be read.
    pub fn last_block(&self) -> Result<Arc<EncodedBlock>, ChannelError> {
        self.block(self.ledger.height().saturating_sub(1))
    }

    /// A block that is in the ledger.
    pub(crate) fn block(&self, number: u64) -> Result<Arc<EncodedBlock>, ChannelError> {
        read(&self.ledger, &self.channel_id, number)
    }

    /// Tells the filters of the Raft group: a change of its members must not lose it its majority.
    pub fn set_raft_view(&self, metadata: BlockMetadata, active: Vec<u64>) {
        self.raft.store(Some(Arc::new(RaftView { metadata, active })));
    }

    /// Runs the filters on a normal message; gives the sequence of the configuration that it passed.
    ///
    /// # Errors
    ///
    /// Why the message is not ordered, with the status for the client.
    pub fn process_normal(&self, envelope: &Envelope) -> Result<u64, MessageError> {
        let bundle = self.bundle.load();
        // Only changes of the configuration look at the Raft group.
        processor::process_normal(&self.context(&bundle, None), envelope).inspect_err(report)
    }

    /// Makes the configuration transaction of a configuration update, or the creation of a channel.
    ///
    /// # Errors
    ///
    /// Why the message is not ordered, with the status for the client.
    pub fn process_config_update(&self, envelope: &Envelope) -> Result<(Envelope, u64), MessageError> {
        let (bundle, raft) = (self.bundle.load(), self.raft.load());
        let context = self.context(&bundle, raft.as_deref());
        processor::process_config_update(&context, envelope, &self.signer).inspect_err(report)
    }

    /// Makes a configuration transaction anew that was made under an older configuration.
    ///
    /// # Errors
    ///
    /// Why the message is not ordered, with the status for the client.
    pub fn process_config(&self, envelope: &Envelope) -> Result<(Envelope, u64), MessageError> {
        let (bundle, raft) = (self.bundle.load(), self.raft.load());
        let context = self.context(&bundle, raft.as_deref());
        processor::process_config(&context, envelope, &self.signer).inspect_err(report)
    }

    /// Whether whoever signed this may read blocks.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check_reader(&self, signed: &SignedData) -> Result<(), ReaderError> {
        let bundle = self.bundle.load();
        bundle.readers_policy()?.evaluate_one(signed).map_err(|reason| {
            let denial = Denial::new(&bundle, denial::READERS, signed, reason);
            report_denial(&denial);
            ReaderError::Denied(Box::new(denial))
        })
    }

    /// Limits of a batch, and how long it is waited for one to fill.
    pub(crate) fn batch_limits(&self) -> (BatchSize, Duration) {
        match self.bundle.load().orderer() {
            Some(orderer) => (orderer.batch_size, orderer.batch_timeout),
            // The filters let no configuration without this section through.
            None => (
                BatchSize { max_message_count: 1, absolute_max_bytes: 1, preferred_max_bytes: 1 },
                Duration::ZERO,
            ),
        }
    }

    /// Runs the filters again on a message that passed them under an older configuration.
    pub(crate) fn recheck(&self, submission: &Submission) -> Result<Submission, OrderError> {
        let malformed = |error: EnvelopeError| OrderError::Rejected {
            status: Status::BadRequest,
            text: error.to_string(),
        };
        let rejected =
            |error: MessageError| OrderError::Rejected { status: error.status(), text: error.to_string() };
        let (envelope, _) = envelope::decode_canonical(submission.envelope.clone()).map_err(malformed)?;
        match submission.kind {
            Kind::Normal => {
                let config_sequence = self.process_normal(&envelope).map_err(rejected)?;
                Ok(Submission { config_sequence, ..submission.clone() })
            }
            Kind::Config => {
                let (made, config_sequence) = self.process_config(&envelope).map_err(rejected)?;
                Ok(Submission {
                    kind: Kind::Config,
                    size_bytes: envelope::size_bytes(&made),
                    envelope: made.encode_to_vec().into(),
                    config_sequence,
                })
            }
        }
    }

    fn context<'a>(&self, bundle: &'a Bundle, raft: Option<&'a RaftView>) -> ProcessingContext<'a> {
        let is_system = bundle.consortiums().is_some();
        ProcessingContext {
            bundle,
            now_unix: now_unix(),
            check_expiration: self.options.check_expiration,
            raft: raft.map(|view| RaftState { block_metadata: &view.metadata, active_nodes: &view.active }),
            system: is_system.then(|| SystemContext { channel_count: self.events.channel_count() }),
        }
    }

    /// Signs and writes an ordered block that is no configuration.
    pub(crate) fn write_block(
        &self,
        block: &EncodedBlock,
        consenter_metadata: &[u8],
    ) -> Result<Arc<EncodedBlock>, ChannelError> {
        let last_config = {
            let mut last_config = self.last_config.lock();
            let sequence = self.bundle.load().sequence();
            if sequence > last_config.sequence {
                *last_config = LastConfig { sequence, number: block.number() };
            }
            last_config.number
        };
        let slots = block::sign_block(block.header(), last_config, Some(consenter_metadata), &self.signer)?;
        let signed = Arc::new(block.with_metadata(slots));
        self.append(&signed)?;
        Ok(signed)
    }

    /// Puts a configuration block's configuration into force, signs and writes it, and returns when
    /// it is durable. A block that creates a channel has that made first.
    ///
    /// A block that changes the consensus type carries no consenter metadata: what comes after it
    /// begins anew.
    pub(crate) fn write_config_block(
        &self,
        block: &EncodedBlock,
        consenter_metadata: &[u8],
    ) -> Result<Arc<EncodedBlock>, ChannelError> {
        let number = block.number();
        if !block::is_plain_config_block(block.block()) {
            let genesis =
                created_channel(block).map_err(|source| ChannelError::Creation { number, source })?;
            self.events
                .create_channel(Arc::new(genesis))
                .map_err(|reason| ChannelError::NotCreated { number, reason })?;
            let written = self.write_block(block, consenter_metadata)?;
            self.ledger.flush()?;
            return Ok(written);
        }
        let current = self.bundle.load_full();
        let envelope = block::config_envelope(block.block())?;
        configtx::validate_config(&current, &envelope)
            .map_err(|source| ChannelError::Succession { number, source })?;
        let next = Bundle::new(&self.channel_id, envelope.config.unwrap_or_default())
            .map_err(|source| ChannelError::Bundle { number, source })?;
        let kind = |bundle: &Bundle| bundle.orderer().map(|orderer| orderer.consensus_type.clone());
        let metadata = if kind(&current) == kind(&next) { consenter_metadata } else { &[] };
        self.bundle.store(Arc::new(next));
        let written = self.write_block(block, metadata)?;
        self.ledger.flush()?;
        self.events.config_changed(self);
        Ok(written)
    }

    /// Writes a verified block of another orderer as it is, and puts its configuration into force if
    /// it brings one; then it returns when it is durable.
    pub(crate) fn append_replicated(&self, block: &Arc<EncodedBlock>) -> Result<(), ChannelError> {
        self.append(block)?;
        if block::is_plain_config_block(block.block()) {
            let next = bundle_of(&self.channel_id, block)?;
            *self.last_config.lock() = LastConfig { sequence: next.sequence(), number: block.number() };
            self.bundle.store(Arc::new(next));
            self.ledger.flush()?;
            self.events.config_changed(self);
        }
        Ok(())
    }

    fn append(&self, block: &Arc<EncodedBlock>) -> Result<(), ChannelError> {
        self.ledger.append(block)?;
        self.height.send_replace(block.number() + 1);
        Ok(())
    }
}

impl std::fmt::Debug for ChannelState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelState")
            .field("channel_id", &self.channel_id)
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

fn read(ledger: &Ledger, channel: &str, number: u64) -> Result<Arc<EncodedBlock>, ChannelError> {
    let missing = || ChannelError::MissingBlock { channel: channel.to_owned(), number };
    ledger.block(number)?.ok_or_else(missing)
}

/// The configuration in a config block.
pub(crate) fn bundle_of(channel: &str, block: &EncodedBlock) -> Result<Bundle, ChannelError> {
    Bundle::from_config_block(block.block()).map_err(|source| ChannelError::Config {
        channel: channel.to_owned(),
        number: block.number(),
        source,
    })
}

/// The genesis block of the channel that a block of the system channel with an ORDERER_TRANSACTION makes.
///
/// # Errors
///
/// When the transaction does not decode.
pub fn created_channel(block: &EncodedBlock) -> Result<EncodedBlock, DecodeError> {
    let transaction = block.data().first().cloned().unwrap_or_default();
    let inner = Payload::decode(Envelope::decode(transaction)?.payload)?.data;
    Ok(EncodedBlock::from_block(block::new_block(0, Bytes::new(), vec![inner])))
}

fn report(error: &MessageError) {
    if let Some(denial) = error.denial() {
        report_denial(denial);
    }
}

/// Whose access was denied; scripts look for this line of Fabric's.
fn report_denial(denial: &Denial) {
    tracing::warn!(target: "orderer.common.msgprocessor",
        { error = %denial.reason, ConsensusState = %denial.consensus_state, policyName = denial.policy,
          signingIdentity = denial.signer },
        "SigFilter evaluation failed");
}

/// The time that certificates are judged by, seconds since the Unix epoch.
fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

//! What the channel participation API asks of the registrar.

use async_trait::async_trait;
use protos::common::Block;

/// The channels of a node, as the participation API lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelList {
    /// The system channel, where one exists.
    pub system_channel: Option<String>,
    /// Every other channel, followed and half-removed ones included, sorted.
    pub channels: Vec<String>,
}

/// One channel, as the participation API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Channel name.
    pub name: String,
    /// `consenter`, `follower`, `config-tracker` or `other`.
    pub relation: consensus::chain::ConsensusRelation,
    /// `active`, `onboarding`, `inactive` or `failed`.
    pub status: consensus::chain::Status,
    /// Number of blocks in the ledger.
    pub height: u64,
}

/// Why a join, a removal or a look-up was refused. The text is Fabric's
/// (`orderer/common/types/errors.go`), without the `cannot join: ` or `cannot remove: `
/// that the REST layer puts in front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParticipationError {
    /// A system channel exists, so that application channels are its business.
    #[error("system channel exists")]
    SystemChannelExists,
    /// The channel is served or followed already.
    #[error("channel already exists")]
    ChannelAlreadyExists,
    /// A system channel cannot be joined next to application channels.
    #[error("application channels already exist")]
    ApplicationChannelsExist,
    /// No such channel here.
    #[error("channel does not exist")]
    ChannelDoesNotExist,
    /// The channel's files are being removed; try again later.
    #[error("channel pending removal")]
    PendingRemoval,
    /// An earlier removal failed; a restart finishes it.
    #[error("channel removal failure")]
    RemovalFailure,
    /// The block does not start or describe a channel; printed after `invalid join block: `,
    /// without `cannot join: ` in front.
    #[error("invalid join block: {0}")]
    InvalidJoinBlock(String),
    /// Anything else, with its reason.
    #[error("{0}")]
    Other(String),
}

/// Lets operators see, join and remove channels while the node runs.
#[async_trait]
pub trait Participation: Send + Sync + 'static {
    /// All channels.
    fn list(&self) -> ChannelList;

    /// One channel, or [`ParticipationError::ChannelDoesNotExist`].
    fn info(&self, channel_id: &str) -> Result<ChannelInfo, ParticipationError>;

    /// Joins the channel that the config block describes, as consenter or follower.
    async fn join(&self, block: Block) -> Result<ChannelInfo, ParticipationError>;

    /// Stops serving a channel and removes its ledger, which goes on after the answer.
    async fn remove(&self, channel_id: &str) -> Result<(), ParticipationError>;
}

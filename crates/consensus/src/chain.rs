//! What the rest of the node sees of a consenter.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use protos::{
    common,
    orderer::{ConsensusRequest, SubmitRequest},
};
use tokio::sync::{oneshot, watch};

/// How a message is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Batched with others.
    Normal,
    /// A configuration transaction; alone in its block.
    Config,
}

/// A message that passed the channel's filters and is to be ordered.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Whether it changes the configuration.
    pub kind: Kind,
    /// The canonical marshaled `Envelope`: what goes into the block.
    pub envelope: Bytes,
    /// Length of payload and signature together: what the cutter counts, in bytes.
    pub size_bytes: usize,
    /// The configuration sequence under which it passed the filters.
    pub config_sequence: u64,
}

/// The promise for one accepted message. Dropping it is fine: the message is ordered all the same.
#[derive(Debug)]
pub struct Receipt {
    outcome: oneshot::Receiver<Result<u64, OrderError>>,
}

/// The end of a [`Receipt`] on which the consenter reports.
#[derive(Debug)]
pub(crate) struct ReceiptSender {
    outcome: oneshot::Sender<Result<u64, OrderError>>,
}

impl Receipt {
    /// A receipt and the end on which its outcome is reported.
    pub(crate) fn channel() -> (ReceiptSender, Self) {
        let (tx, rx) = oneshot::channel();
        (ReceiptSender { outcome: tx }, Self { outcome: rx })
    }

    /// Waits until the block that holds the message is in the channel's log on a majority and
    /// written to this node's ledger, and gives that block's number.
    ///
    /// # Errors
    ///
    /// [`OrderError::Rejected`] when the message failed the filters of a configuration that came
    /// in between; [`OrderError::Stopped`] when the chain ended first: then the message may or
    /// may not be ordered.
    pub async fn committed(self) -> Result<u64, OrderError> {
        self.outcome.await.unwrap_or(Err(OrderError::Stopped))
    }
}

#[cfg(test)]
impl Receipt {
    /// Looks at the outcome without giving up the receipt.
    pub(crate) async fn outcome(&mut self) -> Result<u64, OrderError> {
        (&mut self.outcome).await.unwrap_or(Err(OrderError::Stopped))
    }
}

impl ReceiptSender {
    /// Reports the outcome; nobody need be waiting for it.
    pub(crate) fn resolve(self, outcome: Result<u64, OrderError>) {
        let _ = self.outcome.send(outcome);
    }
}

/// Why a message was not taken, or not ordered. The texts are Fabric's; Broadcast answers
/// SERVICE_UNAVAILABLE with them, except for [`OrderError::Rejected`], which has its own status.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum OrderError {
    /// The cluster has no leader at the moment; try again.
    #[error("no Raft leader")]
    NoLeader,
    /// The chain has ended on this node.
    #[error("chain is stopped")]
    Stopped,
    /// The chain has not been started yet.
    #[error("chain is not started")]
    NotStarted,
    /// This node does not order this channel.
    #[error("channel {0} is not serviced by me")]
    NotServiced(String),
    /// A system channel was joined and waits for the restart.
    #[error("system channel creation pending: server requires restart")]
    RestartRequired,
    /// The leader did not take the message in time.
    #[error("timed out ({after:?}) waiting on forwarding to {leader}")]
    ForwardingTimeout {
        /// How long it was waited.
        after: Duration,
        /// The leader's raft id.
        leader: u64,
    },
    /// The leader could not be reached.
    #[error("{0}")]
    Forwarding(String),
    /// Too much waits to be ordered on this node; try again.
    #[error("too many messages of channel {0} wait to be ordered; try again")]
    Overloaded(String),
    /// The message no longer passes the channel's filters: the configuration changed in between.
    #[error("{text}")]
    Rejected {
        /// The status for the client.
        status: common::Status,
        /// The reason.
        text: String,
    },
}

/// What this node is to a channel; displayed in the participation API's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsensusRelation {
    /// One of the channel's consenters.
    Consenter,
    /// Replicates the channel.
    Follower,
    /// Tracks the channel's configuration only (system-channel mode).
    ConfigTracker,
    /// A consenter kind without a cluster.
    Other,
}

/// How a channel is doing here; displayed in the participation API's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Serving.
    Active,
    /// Pulling blocks up to the join block.
    Onboarding,
    /// Not serving.
    Inactive,
    /// Stopped by a fault; the log says which.
    Failed,
}

impl fmt::Display for ConsensusRelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Consenter => "consenter",
            Self::Follower => "follower",
            Self::ConfigTracker => "config-tracker",
            Self::Other => "other",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Onboarding => "onboarding",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
        })
    }
}

/// Why a message of another orderer was refused; the texts are Fabric's.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ClusterError {
    /// The chain takes no such messages.
    #[error("{0}")]
    NotServed(#[from] OrderError),
    /// The payload is no raft message.
    #[error("failed to unmarshal StepRequest payload to Raft Message: {0}")]
    MalformedMessage(String),
    /// The metadata is no `ClusterMetadata`.
    #[error("failed to unmarshal ClusterMetadata: {0}")]
    MalformedMetadata(String),
    /// Raft refused the message.
    #[error("failed to process Raft Step message: {0}")]
    Step(String),
    /// The message to be ordered is no envelope, or says nothing about its channel.
    #[error("malformed transaction: {0}")]
    MalformedEnvelope(String),
    /// The request carries no envelope.
    #[error("submit request of channel {0} carries no envelope")]
    NoEnvelope(String),
}

/// A consenter at work on one channel.
#[async_trait]
pub trait Chain: Send + Sync + 'static {
    /// Waits until the chain takes messages.
    ///
    /// # Errors
    ///
    /// [`OrderError::NotStarted`], [`OrderError::Stopped`], [`OrderError::NotServiced`].
    async fn wait_ready(&self) -> Result<(), OrderError>;

    /// Hands a message in; waits for a permit when much is in flight, and returns when the
    /// message has been accepted for ordering (Fabric's SUCCESS). The receipt tells when it is kept.
    ///
    /// # Errors
    ///
    /// Any [`OrderError`] but [`OrderError::Rejected`].
    async fn order(&self, submission: Submission) -> Result<Receipt, OrderError>;

    /// Whether Deliver's STRICT streams are to be refused.
    fn errored(&self) -> watch::Receiver<bool>;

    /// For the participation API.
    fn relation_and_status(&self) -> (ConsensusRelation, Status);

    /// Why the chain ended by itself, if it did because going on could have broken the channel: for
    /// the health check.
    fn failure(&self) -> Option<String> {
        None
    }

    /// A consensus message from the consenter with the raft id `sender`. Never blocks: a full
    /// queue drops the message, as a network may.
    ///
    /// # Errors
    ///
    /// The text that ends the sender's stream.
    fn consensus_message(&self, sender: u64, request: ConsensusRequest) -> Result<(), ClusterError> {
        let _ = sender;
        Err(OrderError::NotServiced(request.channel).into())
    }

    /// The consenter with the raft id `sender` has connected to this node: it is there, maybe again.
    fn connected(&self, sender: u64) {
        let _ = sender;
    }

    /// A message that another orderer took in and hands to the leader.
    ///
    /// # Errors
    ///
    /// The text that ends the sender's stream.
    async fn forwarded(&self, sender: u64, request: SubmitRequest) -> Result<(), ClusterError> {
        let _ = sender;
        Err(OrderError::NotServiced(request.channel).into())
    }

    /// Ends the chain in good order: a raft leader hands its leadership over first. Idempotent.
    async fn halt(&self);
}

//! Where blocks come from that this node did not order itself. The node implements it over the
//! other orderers' Deliver service.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use channel::{block::EncodedBlock, bundle::Bundle};
use futures::Stream;

/// How patiently and in what portions blocks are pulled: the `General.Cluster.Replication...` settings. The
/// defaults are Fabric's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicationOptions {
    /// `ReplicationBufferSize`: most bytes of a channel's blocks that have come and are not kept yet. One
    /// block may always come.
    pub buffer_bytes: usize,
    /// `ReplicationRetryTimeout`: longest pause between two attempts.
    pub retry_timeout: Duration,
    /// `ReplicationMaxRetries`: attempts without a new block before a follower asks anew who orders the
    /// channel, and how far they are; 0 for no limit. A consenter tries until it has what it lacks.
    pub max_retries: usize,
    /// `ReplicationBackgroundRefreshInterval`: longest pause between two looks of a follower at how far
    /// the others are.
    pub background_refresh_interval: Duration,
}

impl Default for ReplicationOptions {
    fn default() -> Self {
        Self {
            buffer_bytes: 20 << 20,
            retry_timeout: Duration::from_secs(5),
            max_retries: 12,
            background_refresh_interval: Duration::from_secs(5 * 60),
        }
    }
}

/// Pauses between attempts, each longer than the one before.
#[derive(Debug)]
pub(crate) struct Pauses {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    /// From the first pause to the longest.
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        let shortest = shortest.min(longest);
        Self { shortest, longest, next: shortest }
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.mul_f32(1.5).min(self.longest);
        pause
    }

    /// An attempt went well.
    pub(crate) fn reset(&mut self) {
        self.next = self.shortest;
    }
}

/// Why blocks could not be pulled; the texts are Fabric's where it has one.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    /// The other orderers do not let this node read the channel: it is no member any more, or not yet.
    #[error("forbidden pulling the channel")]
    Forbidden,
    /// They do not serve the channel at the moment.
    #[error("service unavailable")]
    ServiceUnavailable,
    /// None of the channel's orderers could be reached, or none has the blocks.
    #[error("no orderer of the channel could be reached that has block {first}: {reason}")]
    Unreachable {
        /// The first block wanted.
        first: u64,
        /// What was tried, and how it ended.
        reason: String,
    },
    /// An orderer answered with what it should not.
    #[error("faulty node, received: {0}")]
    Faulty(String),
    /// Nothing came in time.
    #[error("didn't receive a response within {0:?}")]
    Timeout(Duration),
}

/// Blocks as they arrive, in order and without gaps, unverified.
pub type BlockStream = Pin<Box<dyn Stream<Item = Result<Arc<EncodedBlock>, SourceError>> + Send>>;

/// Pulls one channel's blocks from other orderers. What comes is unverified: the puller's user
/// checks it with `channel::replication`.
#[async_trait]
pub trait BlockSource: Send + Sync {
    /// How many blocks each reachable orderer has, by endpoint; the others are left out.
    async fn heights(&self) -> Vec<(String, u64)>;

    /// Pulls from `first` on, up to `last_inclusive`, or without end. One attempt with one orderer
    /// that has `first`: after an error the user pulls again, from where it was.
    ///
    /// # Errors
    ///
    /// When nobody delivers; also as the last item of the stream, when it breaks.
    async fn pull(&self, first: u64, last_inclusive: Option<u64>) -> Result<BlockStream, SourceError>;

    /// What the last pull gave is not the channel's chain: for a while others are asked first.
    fn distrust(&self) {}
}

/// Makes the source of a channel from the orderers that its configuration names.
pub trait BlockSources: Send + Sync {
    /// A source that knows the orderers of this configuration.
    fn for_channel(&self, channel_id: &str, config: &Bundle) -> Arc<dyn BlockSource>;
}

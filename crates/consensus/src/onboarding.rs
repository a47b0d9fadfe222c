//! Bringing a channel here that others have ordered so far, before its consenter is started.
//!
//! A node with a system channel keeps the genesis block of every channel and replicates those that it
//! is a consenter of. Source: Fabric's `orderer/common/cluster/replication.go`.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use channel::{
    block::EncodedBlock,
    bundle::{Bundle, ConfigBlockError},
    replication::ChainVerifier,
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

pub use crate::replicate::PullError;
use crate::{
    channel_state::{ChannelError, ChannelState},
    replicate::{Keep, newest_config_block, replicate, unsound},
    segment::Segment,
    source::{BlockSource, SourceError},
};

/// How often pulling is tried, and how long is waited in between: `General.Cluster.ReplicationMaxRetries`
/// and `ReplicationRetryTimeout`.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Attempts in a row that may fail.
    pub attempts: usize,
    /// Between two of them.
    pub pause: Duration,
    /// Most bytes of blocks that have come and are not kept yet: `ReplicationBufferSize`.
    pub buffer_bytes: usize,
}

/// What keeps a node from replicating a channel; the texts are Fabric's.
#[derive(Debug, thiserror::Error)]
pub enum Apart {
    /// The channel's newest configuration does not name this node.
    #[error("not in the channel")]
    NotInChannel,
    /// The other orderers do not let this node read the channel, or cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What they say is no configuration.
    #[error("its newest config block cannot be used: {0}")]
    Config(#[from] ConfigBlockError),
}

/// Asks the other orderers for the channel's newest configuration; fails unless it names this node,
/// by the certificate of its cluster listener, as a consenter. What they say is not verified: it only
/// decides whether the channel is pulled, which is.
///
/// # Errors
///
/// What keeps this node from the channel.
pub async fn find_self(source: &dyn BlockSource, own_server_cert_der: &[u8]) -> Result<(), Apart> {
    let block = newest_config_block(source, 0).await?;
    let bundle = Bundle::from_config_block(block.block())?;
    let segment = Segment::open(&bundle, 0, bytes::Bytes::new(), own_server_cert_der);
    match segment {
        Ok(segment) if segment.is_member() => Ok(()),
        _ => Err(Apart::NotInChannel),
    }
}

/// Pulls the block that a channel begins with. It is taken on trust, until a later block whose hash is
/// known follows from it.
///
/// # Errors
///
/// When nobody delivers it, again and again.
pub async fn pull_genesis(
    channel_id: &str,
    source: &dyn BlockSource,
    patience: Patience,
) -> Result<Arc<EncodedBlock>, PullError> {
    let mut failed = 0;
    loop {
        let error = match pull_genesis_once(channel_id, source).await {
            Ok(genesis) => return Ok(genesis),
            Err(error) => error,
        };
        failed += 1;
        wait(channel_id, error, failed, patience, &CancellationToken::new()).await?;
    }
}

async fn pull_genesis_once(
    channel_id: &str,
    source: &dyn BlockSource,
) -> Result<Arc<EncodedBlock>, PullError> {
    let mut stream = source.pull(0, Some(0)).await?;
    let genesis = stream.next().await.ok_or(PullError::Short(0))??;
    let mut verifier = ChainVerifier::from_genesis(channel_id);
    verifier.verify(&genesis).map_err(|reason| unsound(channel_id, source, reason))?;
    Ok(genesis)
}

/// Pulls the blocks up to `last`, verifies them and appends them as they are. If the header hash of a
/// block among them is known, that block must be the one.
///
/// # Errors
///
/// When nobody delivers, again and again without a block in between; when a block cannot be kept; when
/// it is stopped.
pub async fn pull(
    state: &Arc<ChannelState>,
    source: &dyn BlockSource,
    last: u64,
    known: Option<(u64, [u8; 32])>,
    patience: Patience,
    stopping: &CancellationToken,
) -> Result<(), PullError> {
    let mut failed = 0;
    while state.height() <= last {
        let before = state.height();
        let mut verifier = ChainVerifier::after(state.last_block()?.as_ref(), state.bundle());
        if let Some((number, header_hash)) = known {
            verifier = verifier.with_anchor(number, header_hash);
        }
        let kept_in = state.clone();
        let keep: Keep = Arc::new(move |block| {
            kept_in.append_replicated(block)?;
            Ok(ControlFlow::Continue(()))
        });
        match replicate(source, &mut verifier, last, keep, patience.buffer_bytes, stopping).await {
            Ok(()) => break,
            Err(error) => {
                failed = if state.height() > before { 1 } else { failed + 1 };
                wait(state.channel_id(), error, failed, patience, stopping).await?;
            }
        }
    }
    let flushed = state.clone();
    let flush = tokio::task::spawn_blocking(move || flushed.ledger().flush());
    // Joining fails only when the runtime is shut down or the work panicked.
    flush.await.map_err(|_| PullError::Stopping)?.map_err(ChannelError::from)?;
    Ok(())
}

/// Waits until the next attempt, if there is one.
async fn wait(
    channel_id: &str,
    error: PullError,
    failed: usize,
    patience: Patience,
    stopping: &CancellationToken,
) -> Result<(), PullError> {
    if matches!(error, PullError::Keep(_) | PullError::Stopping) || failed >= patience.attempts {
        return Err(error);
    }
    tracing::warn!(
        target: "orderer.common.cluster.replication", channel = channel_id,
        "Failed pulling channel {channel_id} ({failed} of {} attempts): {error}; trying again in {:?}",
        patience.attempts, patience.pause
    );
    tokio::select! {
        () = tokio::time::sleep(patience.pause) => Ok(()),
        () = stopping.cancelled() => Err(PullError::Stopping),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::source::BlockStream;

    /// Orderers that answer every request with this.
    struct Refusing {
        error: SourceError,
        asked: AtomicUsize,
    }

    impl Refusing {
        fn with(error: SourceError) -> Self {
            Self { error, asked: AtomicUsize::new(0) }
        }
    }

    #[async_trait]
    impl BlockSource for Refusing {
        async fn heights(&self) -> Vec<(String, u64)> {
            Vec::new()
        }

        async fn pull(&self, _: u64, _: Option<u64>) -> Result<BlockStream, SourceError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Err(self.error.clone())
        }
    }

    #[tokio::test]
    async fn what_keeps_a_node_apart_is_told_in_fabrics_words() {
        for (error, text) in [
            (SourceError::Forbidden, "forbidden pulling the channel"),
            (SourceError::ServiceUnavailable, "service unavailable"),
        ] {
            let apart = find_self(&Refusing::with(error), &[]).await.unwrap_err();
            assert_eq!(apart.to_string(), text);
        }
        assert_eq!(Apart::NotInChannel.to_string(), "not in the channel");
    }

    #[tokio::test]
    async fn pulling_is_tried_as_often_as_it_is_set() {
        let source = Refusing::with(SourceError::Faulty("nothing".to_owned()));
        let patience = Patience { attempts: 3, pause: Duration::from_millis(5), buffer_bytes: 1 << 20 };
        let began = tokio::time::Instant::now();
        let error = pull_genesis("testchannel", &source, patience).await.unwrap_err();
        assert_eq!(error.to_string(), "faulty node, received: nothing");
        assert_eq!(source.asked.load(Ordering::Relaxed), 3);
        assert!(began.elapsed() >= patience.pause * 2, "it waits between two attempts");
    }
}

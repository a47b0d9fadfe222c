//! Pulling blocks that others have ordered, and verifying them before they are kept.

use std::{ops::ControlFlow, sync::Arc};

use channel::{
    block::{self, EncodedBlock},
    replication::{ChainVerifier, ReplicationError},
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::{
    channel_state::ChannelError,
    source::{BlockSource, SourceError},
};

/// Blocks are verified and written in runs of about so many bytes: within a run one signature,
/// that of its last block, vouches for all.
const RUN_BYTES: usize = 4 << 20;

/// Why pulling ended early.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Nobody delivers; try again.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Something else than the channel's chain was delivered; try somebody else.
    #[error(transparent)]
    Unsound(#[from] ReplicationError),
    /// The stream ended before the last block; try again.
    #[error("the stream of blocks ended before block {0}")]
    Short(u64),
    /// What was pulled can not be kept; trying again is no use.
    #[error(transparent)]
    Keep(#[from] ChannelError),
    /// The work was cut off.
    #[error("the node is stopping")]
    Stopping,
}

/// Keeps a verified block, and says whether more are wanted; called on a thread that may block.
pub(crate) type Keep = Arc<dyn Fn(&Arc<EncodedBlock>) -> Result<ControlFlow<()>, ChannelError> + Send + Sync>;

/// Pulls what follows the verifier's last block up to `last`, verifies it and keeps it, until no more
/// is wanted. One attempt: after an error the verifier is where the kept blocks end, and the caller
/// may try again.
pub(crate) async fn replicate(
    source: &dyn BlockSource,
    verifier: &mut ChainVerifier,
    last: u64,
    keep: Keep,
    stopping: &CancellationToken,
) -> Result<(), PullError> {
    if verifier.next_number() > last {
        return Ok(());
    }
    let mut stream = tokio::select! {
        stream = source.pull(verifier.next_number(), Some(last)) => stream?,
        () = stopping.cancelled() => return Err(PullError::Stopping),
    };
    let mut run: Vec<Arc<EncodedBlock>> = Vec::new();
    let mut run_bytes = 0;
    let mut next = verifier.next_number();
    while next <= last {
        // What is being verified and written is waited for, so that nobody writes at the same time.
        let arrived = tokio::select! {
            arrived = stream.next() => arrived,
            () = stopping.cancelled() => return Err(PullError::Stopping),
        };
        let failure = match arrived {
            Some(Ok(block)) => {
                run_bytes += block.encoded_len();
                run.push(block);
                next += 1;
                None
            }
            Some(Err(error)) => Some(PullError::Source(error)),
            None => Some(PullError::Short(last)),
        };
        // What arrived before a failure counts.
        if next > last || run_bytes >= RUN_BYTES || failure.is_some() {
            let kept = verify_and_keep(verifier.clone(), std::mem::take(&mut run), keep.clone()).await?;
            *verifier = kept.0;
            if kept.1.is_break() {
                return Ok(());
            }
            run_bytes = 0;
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    Ok(())
}

async fn verify_and_keep(
    mut verifier: ChainVerifier,
    run: Vec<Arc<EncodedBlock>>,
    keep: Keep,
) -> Result<(ChainVerifier, ControlFlow<()>), PullError> {
    let work = tokio::task::spawn_blocking(move || {
        verifier.verify_batch(run.iter().map(|block| &**block))?;
        for block in &run {
            if keep(block)?.is_break() {
                return Ok((verifier, ControlFlow::Break(())));
            }
        }
        Ok((verifier, ControlFlow::Continue(())))
    });
    // Joining fails only when the runtime is shut down or the work panicked.
    work.await.unwrap_or(Err(PullError::Stopping))
}

/// Pulls the newest configuration block that the other orderers have, unverified. Those who do not let
/// this node read do not say how much they have either: they are asked for block `next`, and refuse.
pub(crate) async fn newest_config_block(
    source: &dyn BlockSource,
    next: u64,
) -> Result<Arc<EncodedBlock>, SourceError> {
    let newest = source.heights().await.into_iter().filter_map(|(_, height)| height.checked_sub(1)).max();
    let Some(newest) = newest else {
        drop(source.pull(next, None).await?);
        let reason = "no orderer of the channel says how many blocks it has".to_owned();
        return Err(SourceError::Unreachable { first: next, reason });
    };
    let last = pull_one(source, newest).await?;
    if newest == 0 {
        return Ok(last);
    }
    let number =
        block::last_config_index(last.block()).map_err(|error| SourceError::Faulty(error.to_string()))?;
    if number == newest { Ok(last) } else { pull_one(source, number).await }
}

async fn pull_one(source: &dyn BlockSource, number: u64) -> Result<Arc<EncodedBlock>, SourceError> {
    let mut stream = source.pull(number, Some(number)).await?;
    match stream.next().await {
        Some(Ok(block)) if block.number() == number => Ok(block),
        Some(Ok(block)) => {
            Err(SourceError::Faulty(format!("block [{}] instead of [{number}]", block.number())))
        }
        Some(Err(error)) => Err(error),
        None => Err(SourceError::Faulty("nothing".to_owned())),
    }
}

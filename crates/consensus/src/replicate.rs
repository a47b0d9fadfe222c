//! Pulling blocks that others have ordered, and verifying them before they are kept.

use std::{
    ops::{ControlFlow, RangeInclusive},
    sync::Arc,
};

use channel::{
    block::{self, EncodedBlock},
    replication::{ChainVerifier, ReplicationError},
};
use futures::StreamExt;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    channel_state::ChannelError,
    source::{BlockSource, BlockStream, SourceError},
};

/// Blocks are verified and written in runs of about so many bytes: within a run one signature,
/// that of its last block, vouches for all.
const RUN_BYTES: usize = 4 << 20;
/// Runs that are under way at a time: one is received, one waits, one is verified, one is written.
const RUNS: usize = 4;

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

/// Blocks that follow each other.
type Run = Vec<Arc<EncodedBlock>>;

/// Pulls what follows the verifier's last block up to `last`, verifies it and keeps it, until no more
/// is wanted. While blocks are received, those before them are verified, and those before these are
/// kept; not many more than `buffer_bytes` at a time.
///
/// One attempt: after an error the verifier is where the kept blocks end, unless keeping itself failed, and
/// the caller may try again. When no more is wanted, it may be ahead.
pub(crate) async fn replicate(
    source: &dyn BlockSource,
    verifier: &mut ChainVerifier,
    last: u64,
    keep: Keep,
    buffer_bytes: usize,
    stopping: &CancellationToken,
) -> Result<(), PullError> {
    let first = verifier.next_number();
    if first > last {
        return Ok(());
    }
    let stream = tokio::select! {
        stream = source.pull(first, Some(last)) => stream?,
        () = stopping.cancelled() => return Err(PullError::Stopping),
    };
    let (runs, received) = mpsc::channel(1);
    let receiving = receive(stream, first..=last, RUN_BYTES.min(buffer_bytes / RUNS), runs, stopping);
    let channel_id = verifier.channel_id().to_owned();
    let result = {
        let keeping = verify_and_keep(verifier, received, keep);
        tokio::pin!(keeping);
        tokio::select! {
            kept = &mut keeping => kept.map(|_| ()),
            received = receiving => match keeping.await {
                // What arrived before a failure counts.
                Ok(ControlFlow::Continue(())) => received,
                Ok(ControlFlow::Break(())) => Ok(()),
                Err(error) => Err(error),
            },
        }
    };
    result.map_err(|error| match error {
        PullError::Unsound(reason) => unsound(&channel_id, source, reason),
        other => other,
    })
}

/// Whoever delivered what is not the channel's chain is not asked again while there are others.
pub(crate) fn unsound(channel_id: &str, source: &dyn BlockSource, reason: ReplicationError) -> PullError {
    tracing::error!(
        target: "orderer.common.cluster.puller", channel = channel_id,
        "Failed verifying received blocks: {reason}"
    );
    source.distrust();
    PullError::Unsound(reason)
}

/// Receives blocks and hands them on in runs.
async fn receive(
    mut stream: BlockStream,
    numbers: RangeInclusive<u64>,
    run_bytes: usize,
    runs: mpsc::Sender<Run>,
    stopping: &CancellationToken,
) -> Result<(), PullError> {
    let (mut run, mut bytes) = (Run::new(), 0);
    let last = *numbers.end();
    for number in numbers {
        let arrived = tokio::select! {
            arrived = stream.next() => arrived,
            () = stopping.cancelled() => return Err(PullError::Stopping),
        };
        let failure = match arrived {
            Some(Ok(block)) => {
                bytes += block.encoded_len();
                run.push(block);
                None
            }
            Some(Err(error)) => Some(PullError::Source(error)),
            None => Some(PullError::Short(last)),
        };
        if number == last || bytes >= run_bytes || failure.is_some() {
            bytes = 0;
            if runs.send(std::mem::take(&mut run)).await.is_err() {
                // Why no more is taken is known on the other side.
                return Ok(());
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    Ok(())
}

/// Verifies one run while the one before is written.
async fn verify_and_keep(
    verifier: &mut ChainVerifier,
    mut runs: mpsc::Receiver<Run>,
    keep: Keep,
) -> Result<ControlFlow<()>, PullError> {
    let mut keeping = None;
    while let Some(run) = runs.recv().await {
        let verified = verify(verifier.clone(), run).await;
        if finished(keeping.take()).await?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let (ahead, run) = verified?;
        *verifier = ahead;
        let keep = keep.clone();
        keeping = Some(tokio::task::spawn_blocking(move || {
            run.iter().try_fold(ControlFlow::Continue(()), |wanted, block| match wanted {
                ControlFlow::Continue(()) => keep(block),
                ControlFlow::Break(()) => Ok(wanted),
            })
        }));
    }
    finished(keeping).await
}

async fn verify(mut verifier: ChainVerifier, run: Run) -> Result<(ChainVerifier, Run), PullError> {
    let work = tokio::task::spawn_blocking(move || {
        verifier.verify_batch(run.iter().map(|block| &**block))?;
        Ok((verifier, run))
    });
    // Joining fails only when the runtime is shut down or the work panicked.
    work.await.unwrap_or(Err(PullError::Stopping))
}

/// How writing has ended, if anything was written.
async fn finished(
    keeping: Option<JoinHandle<Result<ControlFlow<()>, ChannelError>>>,
) -> Result<ControlFlow<()>, PullError> {
    match keeping {
        // Joining fails only when the runtime is shut down or the work panicked.
        Some(keeping) => Ok(keeping.await.map_err(|_| PullError::Stopping)??),
        None => Ok(ControlFlow::Continue(())),
    }
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

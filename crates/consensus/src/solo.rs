//! Ordering by one node on its own, for tests and as what a migration may start from.
//!
//! Source: Fabric's `orderer/consensus/solo/`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    cutter::{Batch, BlockCutter, Message},
};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    chain::{Chain, ConsensusRelation, Kind, OrderError, Receipt, ReceiptSender, Status, Submission},
    channel_state::{ChannelError, ChannelState},
};

/// Messages that may wait.
const QUEUE: usize = 1024;

/// Orders on its own.
pub struct SoloChain {
    queue: Mutex<Option<mpsc::Sender<(Submission, ReceiptSender)>>>,
    errored: watch::Sender<bool>,
    status: Arc<Mutex<Status>>,
    running: Mutex<Option<JoinHandle<()>>>,
}

/// Starts ordering. Must be called on a runtime.
pub fn start(state: Arc<ChannelState>) -> Arc<SoloChain> {
    tracing::warn!(
        target: "orderer.consensus.solo",
        "Use of the Solo orderer is deprecated and remains only for use in test environments but may be removed in the future."
    );
    let (queue, waiting) = mpsc::channel(QUEUE);
    let errored = watch::Sender::new(false);
    let status = Arc::new(Mutex::new(Status::Active));
    let solo = Solo { state, waiting, cutter: BlockCutter::new(), deadline: None };
    let running = tokio::spawn({
        let (errored, status) = (errored.clone(), status.clone());
        async move {
            let end = solo.run().await;
            *status.lock() = match end {
                Ok(()) => Status::Inactive,
                Err(error) => {
                    tracing::error!(target: "orderer.consensus.solo", "The chain is stopped: {error}");
                    Status::Failed
                }
            };
            errored.send_replace(true);
        }
    });
    Arc::new(SoloChain {
        queue: Mutex::new(Some(queue)),
        errored,
        status,
        running: Mutex::new(Some(running)),
    })
}

#[async_trait]
impl Chain for SoloChain {
    async fn wait_ready(&self) -> Result<(), OrderError> {
        Ok(())
    }

    async fn order(&self, submission: Submission) -> Result<Receipt, OrderError> {
        let queue = self.queue.lock().clone().ok_or(OrderError::Stopped)?;
        let (sender, receipt) = Receipt::channel();
        queue.send((submission, sender)).await.map_err(|_| OrderError::Stopped)?;
        Ok(receipt)
    }

    fn errored(&self) -> watch::Receiver<bool> {
        self.errored.subscribe()
    }

    fn relation_and_status(&self) -> (ConsensusRelation, Status) {
        (ConsensusRelation::Other, *self.status.lock())
    }

    /// What was taken in is ordered first.
    async fn halt(&self) {
        self.queue.lock().take();
        let running = self.running.lock().take();
        if let Some(running) = running {
            // It can only have panicked, which its own hook has reported.
            let _ = running.await;
        }
    }
}

struct Solo {
    state: Arc<ChannelState>,
    waiting: mpsc::Receiver<(Submission, ReceiptSender)>,
    cutter: BlockCutter<ReceiptSender>,
    deadline: Option<Instant>,
}

impl Solo {
    async fn run(mut self) -> Result<(), ChannelError> {
        loop {
            let alarm = tokio::time::sleep_until(self.deadline.unwrap_or_else(Instant::now));
            tokio::select! {
                message = self.waiting.recv() => match message {
                    Some((submission, receipt)) => self.order(submission, receipt).await?,
                    None => break,
                },
                () = alarm, if self.deadline.is_some() => self.cut().await?,
            }
        }
        self.cut().await
    }

    async fn order(
        &mut self,
        mut submission: Submission,
        receipt: ReceiptSender,
    ) -> Result<(), ChannelError> {
        if submission.config_sequence < self.state.bundle().sequence() {
            match self.state.recheck(&submission) {
                Ok(passed) => submission = passed,
                Err(reason) => {
                    let kind = if submission.kind == Kind::Config { "config" } else { "normal" };
                    tracing::warn!(target: "orderer.consensus.solo", "Discarding bad {kind} message: {reason}");
                    receipt.resolve(Err(reason));
                    return Ok(());
                }
            }
        }
        let message = Message { bytes: submission.envelope, size_bytes: submission.size_bytes, tag: receipt };
        if submission.kind == Kind::Config {
            self.cut().await?;
            return self.write(vec![message], Kind::Config).await;
        }
        let (limits, timeout) = self.state.batch_limits();
        let (batches, is_pending) = self.cutter.ordered(message, &limits);
        for batch in batches {
            self.write(batch, Kind::Normal).await?;
        }
        self.deadline = is_pending.then(|| self.deadline.unwrap_or_else(|| later(timeout)));
        Ok(())
    }

    async fn cut(&mut self) -> Result<(), ChannelError> {
        self.deadline = None;
        let batch = self.cutter.cut();
        if batch.is_empty() { Ok(()) } else { self.write(batch, Kind::Normal).await }
    }

    async fn write(&self, batch: Batch<ReceiptSender>, kind: Kind) -> Result<(), ChannelError> {
        let state = self.state.clone();
        let work = tokio::task::spawn_blocking(move || {
            let last = state.last_block()?;
            let number = last.number() + 1;
            let previous = Bytes::copy_from_slice(&last.header_hash());
            let (data, receipts): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|message| (message.bytes, message.tag)).unzip();
            let block = EncodedBlock::from_block(block::new_block(number, previous, data));
            match kind {
                Kind::Normal => state.write_block(&block, &[])?,
                Kind::Config => state.write_config_block(&block, &[])?,
            };
            // There is no log beside the ledger: what is promised must be in it.
            state.ledger().flush()?;
            receipts.into_iter().for_each(|receipt| receipt.resolve(Ok(number)));
            Ok(())
        });
        // Joining fails only when the runtime is shut down or the work panicked: nothing is promised then.
        work.await.unwrap_or(Ok(()))
    }
}

fn later(timeout: Duration) -> Instant {
    Instant::now() + timeout
}

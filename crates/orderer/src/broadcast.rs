//! Broadcast: takes transactions in.
//!
//! Envelopes of one stream go through three stages, each a loop over a queue: they are read in
//! batches, checked on other threads ([`check`]), ordered one after the other, and answered once
//! they are kept. So while earlier ones wait for their block, later ones are already being
//! checked and ordered, and still the order of the stream is the order of the chain.
//!
//! Statuses and texts: Fabric's `orderer/common/broadcast`.

mod check;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use consensus::chain::{Kind, OrderError, Receipt};
use protos::{Message, common, orderer::BroadcastResponse};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tonic::Status;

use crate::{
    grpc::{Frame, Handler, RemotePeer, Requests, Responses},
    metrics::Metrics,
    registrar::Channels,
    settings::Acknowledge,
    trace_dir::TraceDir,
};
use check::{Accepted, Checked, Context};

/// Envelopes of one stream that are not answered yet.
const STREAM_WINDOW: usize = 1_000;
/// Envelopes that are checked in one go: enough to make hand-overs cheap, few enough to spread a
/// single stream over the cores.
const BATCH_MESSAGES: usize = 32;
/// Bytes that are checked in one go, unless a single envelope is larger.
const BATCH_BYTES: usize = 256 << 10;
/// Batches of one stream that are being checked or wait to be ordered.
const BATCHES_IN_FLIGHT: usize = 4;
/// Unanswered envelopes of all streams, in KiB.
const SHARED_WINDOW_KIB: usize = 256 << 10;

/// The service `orderer.AtomicBroadcast`, method `Broadcast`.
pub struct Broadcast {
    channels: Arc<Channels>,
    acknowledge: Acknowledge,
    metrics: Arc<Metrics>,
    trace: Option<TraceDir>,
    /// One permit a core: signature checks never crowd out the reactor for long.
    checkers: Arc<Semaphore>,
    window_kib: Arc<Semaphore>,
}

impl Broadcast {
    /// Orders on `channels`; SUCCESS means what `acknowledge` says.
    pub fn new(
        channels: Arc<Channels>,
        acknowledge: Acknowledge,
        metrics: Arc<Metrics>,
        trace: Option<TraceDir>,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            channels,
            acknowledge,
            metrics,
            trace,
            checkers: Arc::new(Semaphore::new(cores)),
            window_kib: Arc::new(Semaphore::new(SHARED_WINDOW_KIB)),
        }
    }
}

#[async_trait]
impl Handler for Broadcast {
    fn service(&self) -> &'static str {
        "orderer.AtomicBroadcast"
    }

    fn method(&self) -> &'static str {
        "Broadcast"
    }

    async fn serve(
        &self,
        peer: Arc<RemotePeer>,
        requests: Requests,
        responses: Responses,
    ) -> Result<(), Status> {
        let (to_order, checked) = mpsc::channel(BATCHES_IN_FLIGHT);
        let (to_answer, ordered) = mpsc::channel(STREAM_WINDOW);
        let context =
            Context { channels: self.channels.clone(), peer: peer.clone(), trace: self.trace.clone() };
        let answering = self.answer(ordered, responses);
        tokio::pin!(answering);
        let ordering = async {
            tokio::join!(self.read(requests, context, to_order), self.order(&peer, checked, to_answer));
        };
        // Answering ends last, or first with a refusal: then nothing more is read or ordered.
        tokio::select! {
            outcome = &mut answering => outcome,
            () = ordering => answering.await,
        }
    }
}

/// Room in both windows, given back when the envelope is answered.
struct Room {
    _stream: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

/// A batch on its way through the checks, or the error that ended the stream.
type Batch = Result<(JoinHandle<Vec<Checked>>, Vec<Room>), Status>;

/// What stands behind one response.
enum Ordered {
    Kept(Receipt, Accounting, Room),
    Refused(Refusal, Accounting),
    Broken(Status),
}

/// A response that ends the stream.
#[derive(Debug)]
struct Refusal {
    status: common::Status,
    info: String,
}

impl Refusal {
    fn new(status: common::Status, info: impl ToString) -> Self {
        Self { status, info: info.to_string() }
    }
}

/// What is counted for one envelope.
struct Accounting {
    channel: String,
    kind: String,
    began: Instant,
}

impl Broadcast {
    /// First stage: gathers what has arrived and sends it to be checked.
    async fn read(&self, mut requests: Requests, context: Context, to_order: mpsc::Sender<Batch>) {
        let context = Arc::new(context);
        let window = Arc::new(Semaphore::new(STREAM_WINDOW));
        loop {
            let first = match requests.next().await {
                Ok(Some(first)) => first,
                Ok(None) => return,
                Err(status) => {
                    // The receiver is gone only together with the whole call.
                    let _ = to_order.send(Err(status)).await;
                    return;
                }
            };
            let mut failure = None;
            let mut size_bytes = first.len();
            let mut batch = vec![first];
            while batch.len() < BATCH_MESSAGES && size_bytes < BATCH_BYTES {
                match requests.next_arrived() {
                    Some(Ok(message)) => {
                        size_bytes += message.len();
                        batch.push(message);
                    }
                    Some(Err(status)) => {
                        failure = Some(status);
                        break;
                    }
                    None => break,
                }
            }
            let Some(room) = self.room_for(&batch, &window).await else { return };
            let Ok(checker) = self.checkers.clone().acquire_owned().await else { return };
            let context = context.clone();
            let checking = tokio::task::spawn_blocking(move || {
                let _checker = checker;
                batch.into_iter().map(|raw| check::check(raw, &context)).collect()
            });
            if to_order.send(Ok((checking, room))).await.is_err() {
                return;
            }
            if let Some(status) = failure {
                let _ = to_order.send(Err(status)).await;
                return;
            }
        }
    }

    /// `None` never happens while the node lives: the semaphores are not closed.
    async fn room_for(&self, batch: &[Bytes], window: &Arc<Semaphore>) -> Option<Vec<Room>> {
        let mut rooms = Vec::with_capacity(batch.len());
        for message in batch {
            let kib = (message.len() >> 10).clamp(1, SHARED_WINDOW_KIB);
            rooms.push(Room {
                _stream: window.clone().acquire_owned().await.ok()?,
                // The clamp keeps it in range.
                _shared: self.window_kib.clone().acquire_many_owned(u32::try_from(kib).ok()?).await.ok()?,
            });
        }
        Some(rooms)
    }

    /// Second stage: hands what passed to the consenter, in the order in which it came.
    async fn order(
        &self,
        peer: &RemotePeer,
        mut checked: mpsc::Receiver<Batch>,
        to_answer: mpsc::Sender<Ordered>,
    ) {
        while let Some(batch) = checked.recv().await {
            let (checking, rooms) = match batch {
                Ok(batch) => batch,
                Err(status) => {
                    let _ = to_answer.send(Ordered::Broken(status)).await;
                    return;
                }
            };
            let checked = match checking.await {
                Ok(checked) => checked,
                Err(panic) => {
                    let _ = to_answer.send(Ordered::Broken(Status::internal(panic.to_string()))).await;
                    return;
                }
            };
            for (checked, room) in checked.into_iter().zip(rooms) {
                let outcome = match checked {
                    Checked::Accepted(accepted) => self.enqueue(peer, accepted, room).await,
                    Checked::Refused(refusal, accounting) => {
                        self.metrics
                            .broadcast_validate_duration
                            .with([&accounting.channel, &accounting.kind, refusal.status.as_str_name()])
                            .observe(accounting.began.elapsed());
                        Ordered::Refused(refusal, accounting)
                    }
                    Checked::Malformed(status) => Ordered::Broken(status),
                };
                let goes_on = matches!(outcome, Ordered::Kept(..));
                if to_answer.send(outcome).await.is_err() || !goes_on {
                    return;
                }
            }
        }
    }

    async fn enqueue(&self, peer: &RemotePeer, accepted: Accepted, room: Room) -> Ordered {
        let Accepted { handle, submission, accounting } = accepted;
        let labels = [accounting.channel.as_str(), accounting.kind.as_str(), "SUCCESS"];
        let validated = accounting.began.elapsed();
        self.metrics.broadcast_validate_duration.with(labels).observe(validated);
        let chain = handle.chain().await;
        let begun = Instant::now();
        // The words are Fabric's.
        let (kind, by) = match submission.kind {
            Kind::Config => ("config ", "Configure"),
            Kind::Normal => ("normal ", "Order"),
        };
        let (kind, by, outcome) = match chain.wait_ready().await {
            Err(error) => ("", "Consenter", Err(error)),
            Ok(()) => (kind, by, chain.order(submission).await),
        };
        match outcome {
            Ok(receipt) => {
                self.metrics.broadcast_enqueue_duration.with(labels).observe(begun.elapsed());
                Ordered::Kept(receipt, accounting, room)
            }
            Err(error) => {
                tracing::warn!(target: "orderer.common.broadcast",
                    "[channel: {}] Rejecting broadcast of {kind}message from {} with SERVICE_UNAVAILABLE: rejected by {by}: {error}",
                    accounting.channel, peer.address);
                let labels = [labels[0], labels[1], "SERVICE_UNAVAILABLE"];
                self.metrics.broadcast_enqueue_duration.with(labels).observe(begun.elapsed());
                Ordered::Refused(refusal_of(error), accounting)
            }
        }
    }

    /// Third stage: answers in order; a refusal is the last answer.
    async fn answer(&self, mut ordered: mpsc::Receiver<Ordered>, responses: Responses) -> Result<(), Status> {
        while let Some(ordered) = ordered.recv().await {
            let (refusal, accounting) = match ordered {
                Ordered::Broken(status) => return Err(status),
                Ordered::Refused(refusal, accounting) => (Some(refusal), accounting),
                Ordered::Kept(receipt, accounting, _room) => match self.acknowledge {
                    Acknowledge::Accepted => (None, accounting),
                    Acknowledge::Committed => (receipt.committed().await.err().map(refusal_of), accounting),
                },
            };
            let is_last = refusal.is_some();
            let Refusal { status, info } =
                refusal.unwrap_or_else(|| Refusal::new(common::Status::Success, ""));
            let labels = [accounting.channel.as_str(), accounting.kind.as_str(), status.as_str_name()];
            self.metrics.broadcast_processed_count.with(labels).increment();
            let response = BroadcastResponse { status: status.into(), info };
            responses.send(Frame::Message(response.encode_to_vec().into())).await?;
            if is_last {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn refusal_of(error: OrderError) -> Refusal {
    match error {
        OrderError::Rejected { status, text } => Refusal::new(status, text),
        other => Refusal::new(common::Status::ServiceUnavailable, other),
    }
}

//! One outgoing stream: to one consenter, of one channel, for one kind of message.
//!
//! It is opened by the first message and closed by the first trouble; the messages that are then
//! in its queue are lost, as on any network, and the next message after a pause opens it anew. A
//! stream that is not used for a while ends in good order: many channels are idle most of the time.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use consensus::transport::{Peer, TransportError};
use futures::Stream;
use parking_lot::Mutex;
use protos::orderer::StepRequest;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connections::{Connections, Destination},
    expiry::ExpiryWatch,
    members::Heard,
};
use crate::{
    grpc::{Connection, Frame, call::MessageLimits},
    metrics::{Counter, Gauge, Histogram, Metrics},
};

const STEP: &str = "/orderer.Cluster/Step";
/// Pause after the first failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A stream that was not used for so long ends.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// The kinds of messages, each with a stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Raft messages.
    Consensus,
    /// Raft's heartbeats of all channels.
    Heartbeat,
    /// Transactions on their way to the leader.
    Transaction,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Consensus => "consensus",
            Self::Heartbeat => "heartbeat",
            Self::Transaction => "transaction",
        })
    }
}

/// What streams of a node have in common.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Messages that wait for one destination and kind.
    pub queue_length: usize,
    /// How long a message may wait for the other side to read.
    pub rpc_timeout: Duration,
    /// Largest messages.
    pub messages: MessageLimits,
    /// How long before its end a server's certificate is warned of.
    pub expiration_warning_threshold: Duration,
}

/// A stream that comes and goes with demand.
pub struct OutgoingStream {
    shared: Arc<Shared>,
}

struct Shared {
    channel: String,
    peer: Peer,
    destination: Destination,
    kind: Kind,
    options: StreamOptions,
    connections: Arc<Connections>,
    /// Consenters may send from threads of their own.
    runtime: Handle,
    meters: Meters,
    heard: Arc<Heard>,
    /// How often the stream has ended.
    ends: AtomicU64,
    state: Mutex<State>,
}

struct Meters {
    queue_length: Arc<Gauge>,
    streams: Arc<Gauge>,
    workers: Arc<Gauge>,
    send_time: Arc<Histogram>,
    dropped: Arc<Counter>,
}

enum State {
    Closed {
        until: Instant,
        /// The signs of the other side until then: one more, and it is there again.
        signs: u64,
        failures: u32,
        reason: String,
    },
    Open {
        /// How often it had ended before.
        ends: u64,
        queue: mpsc::Sender<Item>,
        connection: Option<Connection>,
        failures: u32,
        task: AbortOnDropHandle<()>,
    },
    ShutDown,
}

/// Why a stream is not sent to any more.
#[derive(Debug, PartialEq, Eq)]
enum Halt {
    /// Nobody uses it; it has been ended.
    Idle,
    /// The other side does not read.
    Stalled,
}

/// A queued message.
struct Item {
    request: StepRequest,
    queued: Instant,
    /// Told when the message is on its way; gone with the stream otherwise.
    written: Option<oneshot::Sender<()>>,
}

impl OutgoingStream {
    /// A stream that is not open yet.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(
        channel: &str,
        peer: &Peer,
        kind: Kind,
        options: StreamOptions,
        connections: Arc<Connections>,
        heard: Arc<Heard>,
        metrics: &Metrics,
    ) -> Self {
        let destination = Destination::of(peer);
        let endpoint = destination.endpoint();
        let kind_label = kind.to_string();
        let meters = Meters {
            queue_length: metrics.cluster_comm_egress_queue_length.with([&endpoint, &kind_label, channel]),
            streams: metrics.cluster_comm_egress_stream_count.with([channel]),
            workers: metrics.cluster_comm_egress_queue_workers.with([channel]),
            send_time: metrics.cluster_comm_msg_send_time.with([&endpoint, channel]),
            dropped: metrics.cluster_comm_msg_dropped_count.with([&endpoint, channel]),
        };
        let capacity = metrics.cluster_comm_egress_queue_capacity.with([&endpoint, &kind_label, channel]);
        // Exact: queues are far shorter than 2^53.
        capacity.set(options.queue_length as f64);
        let state = State::Closed { until: Instant::now(), signs: 0, failures: 0, reason: String::new() };
        Self {
            shared: Arc::new(Shared {
                channel: channel.to_owned(),
                peer: peer.clone(),
                destination,
                kind,
                options,
                connections,
                runtime: Handle::current(),
                meters,
                heard,
                ends: AtomicU64::new(0),
                state: Mutex::new(state),
            }),
        }
    }

    /// Queues a message without waiting. A full queue ends the stream: what the other side cannot
    /// keep up with would only get older.
    ///
    /// # Errors
    ///
    /// When the message cannot go out now.
    pub fn try_send(&self, request: StepRequest) -> Result<(), TransportError> {
        let (ends, queue) = self.shared.queue()?;
        match queue.try_send(Item { request, queued: Instant::now(), written: None }) {
            Ok(()) => {
                self.shared.show_length(&queue);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.shared.meters.dropped.increment();
                let Some(connection) = self.shared.connection() else {
                    return Err(self.shared.not_connected("CONNECTING"));
                };
                self.shared.close(ends, "send queue overflown");
                // What the stream has handed to HTTP/2 would wait there for the reader.
                connection.abort();
                Err(TransportError::Overflow)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(self.shared.not_connected("TRANSIENT_FAILURE")),
        }
    }

    /// Queues a message, waits until it is on its way.
    ///
    /// # Errors
    ///
    /// When the stream ended first: then the message was not sent.
    pub async fn send(&self, request: StepRequest) -> Result<(), TransportError> {
        let (_, queue) = self.shared.queue()?;
        let (written, is_written) = oneshot::channel();
        let item = Item { request, queued: Instant::now(), written: Some(written) };
        queue.send(item).await.map_err(|_| self.shared.aborted())?;
        self.shared.show_length(&queue);
        is_written.await.map_err(|_| self.shared.aborted())
    }

    /// How often the stream has ended: with each end, messages may have been lost.
    pub fn ends(&self) -> u64 {
        self.shared.ends.load(Ordering::Acquire)
    }

    /// Ends the stream for good, at once.
    pub fn shut_down(&self) {
        *self.shared.state.lock() = State::ShutDown;
    }

    /// Ends the stream for good once what is queued has been sent: a consenter that is removed learns of
    /// it from the last messages to it.
    pub fn finish(&self) {
        let last = std::mem::replace(&mut *self.shared.state.lock(), State::ShutDown);
        if let State::Open { queue, task, .. } = last {
            drop(queue);
            self.shared.runtime.spawn(tokio::time::timeout(self.shared.options.rpc_timeout, task));
        }
    }
}

impl Drop for OutgoingStream {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Shared {
    /// The queue, opened if it is closed and the pause is over, and how often it had ended before.
    fn queue(self: &Arc<Self>) -> Result<(u64, mpsc::Sender<Item>), TransportError> {
        let mut state = self.state.lock();
        match &*state {
            State::ShutDown => Err(TransportError::ShutDown),
            State::Open { ends, queue, .. } => Ok((*ends, queue.clone())),
            State::Closed { until, signs, .. } if Instant::now() < *until && *signs == self.heard.signs() => {
                Err(self.not_connected("TRANSIENT_FAILURE"))
            }
            State::Closed { failures, .. } => {
                let (ends, failures) = (self.ends.load(Ordering::Acquire), *failures);
                let (queue, items) = mpsc::channel(self.options.queue_length.max(1));
                let task = AbortOnDropHandle::new(self.runtime.spawn(self.clone().run(ends, items)));
                let opened = queue.clone();
                *state = State::Open { ends, queue, connection: None, failures, task };
                Ok((ends, opened))
            }
        }
    }

    async fn run(self: Arc<Self>, ends: u64, items: mpsc::Receiver<Item>) {
        let (reason, stalled) = self.carry(items).await;
        tracing::debug!(target: "orderer.common.cluster", channel = self.channel,
            "Stream of {} messages to {}({}) ended: {reason}", self.kind, self.peer.id, self.destination.endpoint());
        self.close(ends, &reason);
        // Only now, so that whoever waits for what is lost with it is told the reason.
        if let Some(connection) = stalled {
            connection.abort();
        }
    }

    /// Connects and sends until something ends it; tells what, and which connection is not read any more.
    async fn carry(&self, items: mpsc::Receiver<Item>) -> (String, Option<Connection>) {
        // Apart, since a stream that is open has no use for the room that dialing takes.
        let connection = match Box::pin(self.connections.get(&self.destination)).await {
            Ok(connection) => connection,
            Err(reason) => return (reason, None),
        };
        self.set_connected(&connection);
        // Each stream empties its own queue.
        let _open = [&self.meters.streams, &self.meters.workers].map(Counted::new);
        let progress = Arc::new(AtomicU64::new(0));
        let body = Body { items, progress: progress.clone(), send_time: self.meters.send_time.clone() };
        let max_send_bytes = self.options.messages.max_send_bytes;
        let mut calls = connection.clone();
        let call = async { calls.send_all(STEP, body, max_send_bytes).await.message().to_owned() };
        tokio::pin!(call);
        tokio::select! {
            reason = &mut call => (reason, None),
            halt = self.idle_or_stalled(&progress) => {
                if halt == Halt::Idle {
                    return (call.await, None);
                }
                tracing::warn!(target: "orderer.common.cluster",
                    "Stream to {}({}) was forcibly terminated because timeout ({:?}) expired",
                    self.peer.id, self.destination.endpoint(), self.options.rpc_timeout);
                ("rpc timeout expired".to_owned(), Some(connection))
            }
        }
    }

    /// Returns when the stream has ended because nobody uses it, or when something has waited in the
    /// queue for the whole timeout. Looks after the server's certificate on the way.
    async fn idle_or_stalled(&self, progress: &AtomicU64) -> Halt {
        let mut expiry = ExpiryWatch::new(
            &self.peer.server_tls_cert_der,
            self.options.expiration_warning_threshold,
            self.destination.endpoint(),
            self.peer.host.clone(),
            self.channel.clone(),
        );
        let mut seen = (progress.load(Ordering::Relaxed), false);
        let mut last_used = Instant::now();
        loop {
            expiry.check();
            tokio::time::sleep(self.options.rpc_timeout).await;
            let now = (progress.load(Ordering::Relaxed), self.is_waiting());
            if now.0 != seen.0 || now.1 {
                last_used = Instant::now();
            }
            if seen == now && now.1 {
                return Halt::Stalled;
            }
            if last_used.elapsed() >= IDLE_LIMIT && self.end_idle() {
                return Halt::Idle;
            }
            seen = now;
        }
    }

    /// Ends the stream if nothing waits in its queue. The request ends with the queue's last sender,
    /// after all that was sent.
    fn end_idle(&self) -> bool {
        let mut state = self.state.lock();
        let State::Open { queue, .. } = &*state else { return false };
        if queue.capacity() < queue.max_capacity() {
            return false;
        }
        let closed = State::Closed {
            until: Instant::now(),
            signs: self.heard.signs(),
            failures: 0,
            reason: "not used".to_owned(),
        };
        if let State::Open { task, .. } = std::mem::replace(&mut *state, closed) {
            // It sees the call to its end.
            drop(task.detach());
        }
        self.ends.fetch_add(1, Ordering::AcqRel);
        true
    }

    fn is_waiting(&self) -> bool {
        matches!(&*self.state.lock(), State::Open { queue, .. } if queue.capacity() < queue.max_capacity())
    }

    fn connection(&self) -> Option<Connection> {
        match &*self.state.lock() {
            State::Open { connection, .. } => connection.clone(),
            State::Closed { .. } | State::ShutDown => None,
        }
    }

    fn set_connected(&self, made: &Connection) {
        if let State::Open { connection, failures, .. } = &mut *self.state.lock() {
            *connection = Some(made.clone());
            *failures = 0;
        }
    }

    /// Closes the stream that was opened after so many ends, unless it has ended already.
    fn close(&self, after_ends: u64, reason: &str) {
        let mut state = self.state.lock();
        if let State::Open { failures, ends, .. } = &*state
            && *ends == after_ends
        {
            let failures = *failures;
            let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
            let until = Instant::now() + pause;
            let (signs, failures) = (self.heard.signs(), failures + 1);
            *state = State::Closed { until, signs, failures, reason: reason.to_owned() };
            self.ends.fetch_add(1, Ordering::AcqRel);
        }
        self.meters.queue_length.set(0.0);
    }

    fn not_connected(&self, state: &'static str) -> TransportError {
        TransportError::NotConnected { id: self.peer.id, endpoint: self.destination.endpoint(), state }
    }

    fn aborted(&self) -> TransportError {
        match &*self.state.lock() {
            State::ShutDown => TransportError::ShutDown,
            State::Closed { reason, .. } => TransportError::Aborted(reason.clone()),
            State::Open { .. } => TransportError::Aborted("aborted".to_owned()),
        }
    }

    fn show_length(&self, queue: &mpsc::Sender<Item>) {
        // Exact: queues are far shorter than 2^53.
        self.meters.queue_length.set((queue.max_capacity() - queue.capacity()) as f64);
    }
}

/// Counts one more until it is dropped.
struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a Arc<Gauge>) -> Self {
        gauge.add(1.0);
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

/// The queue as the body of the call.
struct Body {
    items: mpsc::Receiver<Item>,
    progress: Arc<AtomicU64>,
    send_time: Arc<Histogram>,
}

impl Stream for Body {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.items.poll_recv(context).map(|item| {
            item.map(|Item { request, queued, written }| {
                self.progress.fetch_add(1, Ordering::Relaxed);
                self.send_time.observe(queued.elapsed());
                if let Some(written) = written {
                    // Whoever waited may have given up.
                    let _ = written.send(());
                }
                Frame::Step(request)
            })
        })
    }
}

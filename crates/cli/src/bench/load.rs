//! Sends prepared transactions on several streams and counts the answers.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use tokio::{
    task::JoinSet,
    time::{Instant, Sleep, sleep_until},
};
use tokio_stream::Stream;

use super::prepare::Prepared;
use crate::client::{
    broadcast::{Answers, BroadcastError},
    connection::Connection,
};

/// How a run sends.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Streams in all; they take the connections in turn.
    pub(super) streams: usize,
    /// How many transactions of one stream may be unanswered.
    pub(super) window: usize,
    /// Transactions a second over all streams; `None`: as fast as the answers come.
    pub(super) rate: Option<f64>,
    /// Nothing is sent after this time.
    pub(super) duration: Option<Duration>,
}

/// What all streams of a run share.
pub(super) struct Run {
    transactions: Arc<Prepared>,
    plan: Plan,
    started: Instant,
    next: AtomicUsize,
    stopped: AtomicBool,
    /// Nanoseconds after the start, a transaction; with a rate the time at which it was due.
    sent: Vec<AtomicU64>,
    acknowledged: AtomicUsize,
}

/// How the sending went.
pub(super) struct Sent {
    /// Time from the start to the last answer.
    pub(super) duration: Duration,
    /// What went wrong, a stream.
    pub(super) failures: Vec<BroadcastError>,
}

impl Run {
    /// A run that starts now.
    pub(super) fn new(transactions: Arc<Prepared>, plan: Plan) -> Arc<Self> {
        let sent = (0..transactions.len()).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            transactions,
            plan,
            started: Instant::now(),
            next: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            sent,
            acknowledged: AtomicUsize::new(0),
        })
    }

    /// When it started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// How many transactions were handed to a stream so far: the numbers below this one.
    pub(super) fn sent_count(&self) -> usize {
        self.next.load(Ordering::Relaxed).min(self.transactions.len())
    }

    /// How many were answered with SUCCESS so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// When a transaction was sent, after the start.
    pub(super) fn sent_at(&self, number: usize) -> Duration {
        Duration::from_nanos(self.sent[number].load(Ordering::Relaxed))
    }

    /// Nothing more is sent.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Sends everything and waits for the answers.
    pub(super) async fn send(self: Arc<Self>, connections: Vec<Connection>) -> Sent {
        let mut streams = JoinSet::new();
        for connection in connections.iter().cycle().take(self.plan.streams) {
            streams.spawn(self.clone().drive(connection.clone()));
        }
        let mut failures = Vec::new();
        while let Some(end) = streams.join_next().await {
            match end {
                Ok(end) => failures.extend(end.err()),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Sent { duration: self.started.elapsed(), failures }
    }

    async fn drive(self: Arc<Self>, connection: Connection) -> Result<(), BroadcastError> {
        let flight = Arc::new(Flight::default());
        let feed = Feed { run: self.clone(), flight: flight.clone(), due: None };
        let mut answers = Answers::open(&connection, feed);
        loop {
            if flight.ended.load(Ordering::Acquire) && flight.unanswered.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            match answers.next().await {
                Ok(()) => {
                    flight.unanswered.fetch_sub(1, Ordering::AcqRel);
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                    flight.sender.wake();
                }
                // The requests ended, every answer has come, and so the orderer ends the stream.
                Err(BroadcastError::Ended { .. })
                    if flight.ended.load(Ordering::Acquire)
                        && flight.unanswered.load(Ordering::Acquire) == 0 =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What the two directions of one stream share.
#[derive(Default)]
struct Flight {
    unanswered: AtomicUsize,
    ended: AtomicBool,
    sender: AtomicWaker,
}

/// The requests of one stream.
struct Feed {
    run: Arc<Run>,
    flight: Arc<Flight>,
    /// The transaction that waits for its time.
    due: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Feed {
    fn window_is_full(&self) -> bool {
        self.flight.unanswered.load(Ordering::Acquire) >= self.run.plan.window
    }

    fn is_over(&self) -> bool {
        self.run.stopped.load(Ordering::Relaxed)
            || self.run.plan.duration.is_some_and(|duration| self.run.started.elapsed() >= duration)
    }

    fn take(&self, number: usize, sent: Duration) -> Option<Bytes> {
        let envelope = self.run.transactions.envelope(number)?;
        self.run.sent[number].store(sent.as_nanos() as u64, Ordering::Relaxed);
        self.flight.unanswered.fetch_add(1, Ordering::AcqRel);
        Some(envelope.clone())
    }
}

impl Stream for Feed {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.window_is_full() {
            self.flight.sender.register(context.waker());
            // An answer may have come before the waker was there.
            if self.window_is_full() {
                return Poll::Pending;
            }
        }
        let next = match (self.due.take(), self.run.plan.rate) {
            (None, _) if self.is_over() => None,
            (None, None) => {
                let number = self.run.next.fetch_add(1, Ordering::Relaxed);
                self.take(number, self.run.started.elapsed())
            }
            (due, rate) => {
                let (number, mut sleep) = due.unwrap_or_else(|| {
                    let number = self.run.next.fetch_add(1, Ordering::Relaxed);
                    let at = number as f64 / rate.unwrap_or(f64::INFINITY);
                    (number, Box::pin(sleep_until(self.run.started + Duration::from_secs_f64(at))))
                });
                let deadline = sleep.deadline();
                if deadline > Instant::now() && sleep.as_mut().poll(context).is_pending() {
                    self.due = Some((number, sleep));
                    return Poll::Pending;
                }
                self.take(number, deadline.saturating_duration_since(self.run.started))
            }
        };
        if next.is_none() {
            self.flight.ended.store(true, Ordering::Release);
        }
        Poll::Ready(next)
    }
}

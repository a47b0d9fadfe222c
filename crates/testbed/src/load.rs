//! Transactions sent without pause while faults happen, and the record of what was acknowledged.

use bytes::Bytes;
use cli::client::broadcast::Answers;
use cli::client::connection::Endpoint;
use cli::client::transaction::Signer;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

/// Numbers all transactions of this process.
static COUNT: AtomicU64 = AtomicU64::new(1);

/// How fast a stream sends.
#[derive(Clone, Copy)]
struct Pace {
    /// Unanswered transactions.
    window: usize,
    /// Pause after each answer.
    pause: Duration,
}

const FULL: Pace = Pace { window: 32, pause: Duration::ZERO };
/// Fabric's orderers answer before they order, so that waiting for an answer alone slows nobody down.
const TRICKLE: Pace = Pace { window: 1, pause: Duration::from_millis(100) };
/// Pause before a broken stream is opened again.
const RECONNECT: Duration = Duration::from_millis(50);
/// How long an answer may take before the stream is given up: a paused node answers nothing.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A stream of transactions to each of several nodes. Nothing is ever sent twice, also not by another
/// load to other nodes.
pub struct Load {
    record: Arc<Record>,
    streams: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Record {
    stopped: AtomicBool,
    paused: AtomicBool,
    outstanding: AtomicUsize,
    given_up: AtomicUsize,
    acknowledged: Mutex<BTreeSet<Bytes>>,
}

impl Load {
    /// Starts one stream an endpoint.
    pub fn start(runtime: &Runtime, endpoints: &[Endpoint], signer: &Signer) -> Self {
        Self::start_at(runtime, endpoints, signer, FULL)
    }

    /// As [`Load::start`], but one transaction after the other with pauses, which leaves the nodes nearly
    /// idle.
    pub fn trickle(runtime: &Runtime, endpoints: &[Endpoint], signer: &Signer) -> Self {
        Self::start_at(runtime, endpoints, signer, TRICKLE)
    }

    fn start_at(runtime: &Runtime, endpoints: &[Endpoint], signer: &Signer, pace: Pace) -> Self {
        let record = Arc::<Record>::default();
        let streams = endpoints
            .iter()
            .map(|endpoint| {
                let (endpoint, signer, record) = (endpoint.clone(), signer.clone(), Arc::clone(&record));
                runtime.spawn(async move { send_until_stopped(&endpoint, &signer, pace, &record).await })
            })
            .collect();
        Self { record, streams }
    }

    /// How many transactions were acknowledged so far.
    pub fn acknowledged_count(&self) -> usize {
        self.record.acknowledged().len()
    }

    /// Sends nothing new for good, but waits on for the answers that are under way.
    pub fn pause(&self) {
        self.record.paused.store(true, Ordering::Relaxed);
    }

    /// How many transactions have no answer yet.
    pub fn outstanding_count(&self) -> usize {
        self.record.outstanding.load(Ordering::Relaxed)
    }

    /// How often it was waited too long for an answer.
    pub fn given_up_count(&self) -> usize {
        self.record.given_up.load(Ordering::Relaxed)
    }

    /// Stops sending, waits for the answers that are under way, and returns the data of every
    /// acknowledged transaction.
    pub fn stop(self, runtime: &Runtime) -> BTreeSet<Bytes> {
        self.record.stopped.store(true, Ordering::Relaxed);
        for stream in self.streams {
            let _ = runtime.block_on(stream);
        }
        std::mem::take(&mut *self.record.acknowledged())
    }
}

impl Record {
    fn acknowledged(&self) -> MutexGuard<'_, BTreeSet<Bytes>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sends(&self) -> bool {
        !self.is_stopped() && !self.paused.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

async fn send_until_stopped(endpoint: &Endpoint, signer: &Signer, pace: Pace, record: &Record) {
    while !record.is_stopped() {
        // What a broken stream leaves unanswered may or may not be ordered; it is not sent again.
        let _ = tokio::time::timeout(Duration::from_secs(60), send(endpoint, signer, pace, record)).await;
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn send(endpoint: &Endpoint, signer: &Signer, pace: Pace, record: &Record) -> Option<()> {
    let connection = tokio::time::timeout(Duration::from_secs(2), endpoint.connect()).await.ok()?.ok()?;
    let (sender, receiver) = mpsc::channel(pace.window);
    let mut outstanding = VecDeque::new();
    let mut answers = Answers::open(&connection, ReceiverStream::new(receiver));
    loop {
        while record.sends() && outstanding.len() < pace.window {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let data = Bytes::from(format!("to {} transaction {number} {:64}", endpoint.address, ""));
            sender.send(signer.transaction(data.clone()).ok()?.envelope).await.ok()?;
            outstanding.push_back(data);
        }
        record.outstanding.store(outstanding.len(), Ordering::Relaxed);
        let data = outstanding.pop_front()?;
        let Ok(answer) = tokio::time::timeout(ANSWER_LIMIT, answers.next()).await else {
            record.given_up.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        answer.ok()?;
        record.acknowledged().insert(data);
        if !pace.pause.is_zero() {
            tokio::time::sleep(pace.pause).await;
        }
    }
}

//! Receives the chain while it grows, and checks it afterwards.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use protos::common::Block;
use tokio::time::Instant;

use super::{load::Run, prepare::Prepared};
use crate::{
    client::{
        chain::ChainVerifier,
        deliver::{Blocks, DeliverError},
    },
    failure::explain,
};

/// While a run is measured blocks are only kept, up to this much; beyond it the oldest are checked at once.
const KEPT_BYTES: usize = 512 << 20;

/// Blocks that came and are not checked yet.
#[derive(Default)]
struct Kept {
    blocks: VecDeque<(Instant, Block)>,
    bytes: usize,
}

/// What a run's chain holds.
pub(super) struct Findings {
    /// Blocks with transactions of the run.
    pub(super) blocks: u64,
    /// First and last block received.
    pub(super) range: Option<(u64, u64)>,
    /// Transactions of the run, each counted once.
    pub(super) committed: usize,
    /// Transactions of the run that came again.
    pub(super) duplicated: usize,
    /// Transactions whose bytes are not those that were sent.
    pub(super) changed: usize,
    /// Transactions of others.
    pub(super) foreign: usize,
    /// What does not fit in the chain, with the block.
    pub(super) faults: Vec<String>,
    /// From sending to receiving the block, a committed transaction.
    pub(super) latencies: Vec<Duration>,
    /// When the last block with transactions of the run came.
    pub(super) last_arrival: Option<Instant>,
}

/// Checks the blocks of a run.
struct Checker {
    transactions: Arc<Prepared>,
    run: Arc<Run>,
    verifier: ChainVerifier,
    seen: Vec<bool>,
    findings: Findings,
}

/// The receiving side of a run.
pub(super) struct Receiver {
    kept: Mutex<Kept>,
    checker: Mutex<Checker>,
    entries: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind the locks is counts and blocks, sound after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    pub(super) fn new(transactions: Arc<Prepared>, run: Arc<Run>, verifier: ChainVerifier) -> Arc<Self> {
        let findings = Findings {
            blocks: 0,
            range: None,
            committed: 0,
            duplicated: 0,
            changed: 0,
            foreign: 0,
            faults: Vec::new(),
            latencies: Vec::with_capacity(transactions.len()),
            last_arrival: None,
        };
        let seen = vec![false; transactions.len()];
        Arc::new(Self {
            kept: Mutex::default(),
            checker: Mutex::new(Checker { transactions, run, verifier, seen, findings }),
            entries: AtomicUsize::new(0),
        })
    }

    /// Keeps what comes; ends with the stream only.
    pub(super) async fn receive(self: Arc<Self>, mut blocks: Blocks) -> DeliverError {
        loop {
            match blocks.next().await {
                Ok(Some(block)) => self.keep(block),
                // Never, as the blocks were asked for without an end.
                Ok(None) => continue,
                Err(error) => return error,
            }
        }
    }

    fn keep(&self, block: Block) {
        let entries = block.data.as_ref().map_or(&[][..], |data| &data.data);
        let (count, bytes) = (entries.len(), entries.iter().map(|entry| entry.len()).sum::<usize>());
        let mut kept = lock(&self.kept);
        kept.blocks.push_back((Instant::now(), block));
        kept.bytes += bytes;
        let overflow = if kept.bytes > KEPT_BYTES { kept.take_first() } else { None };
        drop(kept);
        if let Some((arrival, block)) = overflow {
            lock(&self.checker).check(arrival, &block);
        }
        self.entries.fetch_add(count, Ordering::Relaxed);
    }

    /// How many transactions have come, of whomever.
    pub(super) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Checks what was kept; gives how many transactions of the run are in the chain so far.
    pub(super) fn check(&self) -> usize {
        loop {
            let Some((arrival, block)) = lock(&self.kept).take_first() else {
                return lock(&self.checker).findings.committed;
            };
            lock(&self.checker).check(arrival, &block);
        }
    }

    /// What was found.
    pub(super) fn findings<T>(&self, look: impl FnOnce(&mut Findings) -> T) -> T {
        look(&mut lock(&self.checker).findings)
    }

    /// The numbers below `sent` that are not in the chain.
    pub(super) fn missing(&self, sent: usize) -> Vec<usize> {
        let checker = lock(&self.checker);
        checker
            .seen
            .iter()
            .take(sent)
            .enumerate()
            .filter(|(_, seen)| !**seen)
            .map(|(number, _)| number)
            .collect()
    }
}

impl Kept {
    fn take_first(&mut self) -> Option<(Instant, Block)> {
        let first = self.blocks.pop_front();
        if let Some((_, block)) = &first {
            let entries = block.data.as_ref().map_or(&[][..], |data| &data.data);
            self.bytes -= entries.iter().map(|entry| entry.len()).sum::<usize>();
        }
        first
    }
}

impl Checker {
    fn check(&mut self, arrival: Instant, block: &Block) {
        let number = block.header.as_ref().map_or(0, |header| header.number);
        if let Err(fault) = self.verifier.check(block) {
            self.findings.faults.push(format!("block {number}: {}", explain(&fault)));
        }
        self.findings.range = Some((self.findings.range.map_or(number, |range| range.0), number));
        let arrived = arrival.saturating_duration_since(self.run.started());
        let mut own = false;
        for entry in block.data.as_ref().map_or(&[][..], |data| &data.data) {
            let Some(number) = self.transactions.number_of(entry) else {
                self.findings.foreign += 1;
                continue;
            };
            own = true;
            if self.transactions.envelope(number) != Some(entry) {
                self.findings.changed += 1;
            }
            if std::mem::replace(&mut self.seen[number], true) {
                self.findings.duplicated += 1;
                continue;
            }
            self.findings.committed += 1;
            self.findings.latencies.push(arrived.saturating_sub(self.run.sent_at(number)));
        }
        if own {
            self.findings.blocks += 1;
            self.findings.last_arrival = Some(arrival);
        }
    }
}

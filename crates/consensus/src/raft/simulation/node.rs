//! A node: a core while it runs, and a disk that outlives it.
#![allow(clippy::unwrap_used)]

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use channel::{
    block::EncodedBlock,
    consenters::{RaftConfig, RaftOptions},
};
use parking_lot::Mutex;
use protos::{common, etcdraft::Consenter, orderer::BatchSize};
use raft::eraftpb::{Entry, HardState, Snapshot};

use crate::{
    chain::{OrderError, Submission},
    metrics::NoMetrics,
    raft::{
        bootstrap,
        core::{BlockKind, Core, Persist, Rules, Settings, Start, Tip, Write},
        log::Log,
        membership::Membership,
    },
};

pub(super) const TICK: Duration = Duration::from_millis(100);
pub(super) const CHANNEL: &str = "simulated";

/// Configurations are counted; some messages pass the filters of some of them only.
pub(super) struct SimRules(pub(super) AtomicU64);

impl Rules for SimRules {
    fn sequence(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn batch(&self) -> (BatchSize, Duration) {
        let limits = BatchSize { max_message_count: 4, absolute_max_bytes: 1000, preferred_max_bytes: 500 };
        (limits, Duration::from_millis(50))
    }

    fn recheck(&self, submission: &Submission) -> Result<Submission, OrderError> {
        let sum: u64 = submission.envelope.iter().map(|byte| u64::from(*byte)).sum();
        if (sum + self.sequence()).is_multiple_of(7) {
            return Err(OrderError::Rejected {
                status: common::Status::Forbidden,
                text: "by the filters".into(),
            });
        }
        Ok(Submission { config_sequence: self.sequence(), ..submission.clone() })
    }
}

#[derive(Clone)]
pub(super) struct LedgerBlock {
    pub(super) block: Arc<EncodedBlock>,
    pub(super) metadata: Bytes,
    pub(super) is_config: bool,
}

pub(super) enum LogJob {
    Persist(Persist),
    OwnSnapshot(Snapshot),
}

pub(super) enum LedgerJob {
    Write(Write),
    Snapshot(Snapshot),
}

/// What survives.
#[derive(Default)]
pub(super) struct Disk {
    hard_state: HardState,
    snapshot: Snapshot,
    entries: Vec<Entry>,
    pub(super) ledger: Vec<LedgerBlock>,
    /// How many blocks survive a crash.
    pub(super) durable: usize,
}

impl Disk {
    pub(super) fn persist(&mut self, persist: Persist) {
        if let Some(snapshot) = persist.snapshot {
            let index = snapshot.get_metadata().index;
            self.entries.retain(|entry| entry.index > index);
            self.snapshot = snapshot;
        }
        if let Some(hard_state) = persist.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(first) = persist.entries.first() {
            let first = first.index;
            self.entries.retain(|entry| entry.index < first);
            self.entries.extend(persist.entries);
        }
    }

    pub(super) fn save_snapshot(&mut self, snapshot: Snapshot) {
        if snapshot.get_metadata().index > self.snapshot.get_metadata().index {
            self.snapshot = snapshot;
        }
    }

    pub(super) fn tip(&self) -> Tip {
        let last = self.ledger.last().unwrap();
        Tip { number: last.block.number(), hash: last.block.header_hash() }
    }

    pub(super) fn membership(&self, consenters: usize) -> Membership {
        Membership::new(config(consenters), &self.ledger.last().unwrap().metadata).unwrap()
    }

    pub(super) fn sequence(&self) -> u64 {
        self.ledger.iter().filter(|block| block.is_config).count() as u64
    }
}

fn config(consenters: usize) -> RaftConfig {
    let consenter = |number: usize| Consenter {
        client_tls_cert: Bytes::from(format!("node {number}")),
        ..Consenter::default()
    };
    let options = RaftOptions {
        tick_interval: TICK,
        election_tick: 10,
        heartbeat_tick: 1,
        max_inflight_blocks: 3,
        snapshot_interval_size_bytes: 700,
    };
    RaftConfig { consenters: (0..consenters).map(consenter).collect(), options }
}

pub(super) struct Node {
    pub(super) id: u64,
    pub(super) disk: Disk,
    pub(super) core: Option<Core>,
    pub(super) rules: Arc<SimRules>,
    pub(super) log_jobs: VecDeque<LogJob>,
    pub(super) ledger_jobs: VecDeque<LedgerJob>,
    pub(super) catching_up: Option<Snapshot>,
    /// The ledger as the log reads it.
    pub(super) readable: Arc<Mutex<Vec<Arc<EncodedBlock>>>>,
    /// Counts starts: what belongs to an earlier one is void.
    pub(super) incarnation: u64,
}

impl Node {
    pub(super) fn new(id: u64, size: usize, genesis: LedgerBlock) -> Self {
        let members: Vec<u64> = (1..=size as u64).collect();
        let (hard_state, entries) = bootstrap::first_entries(&members);
        let disk = Disk { hard_state, entries, ledger: vec![genesis], durable: 1, ..Disk::default() };
        Self {
            id,
            disk,
            core: None,
            rules: Arc::new(SimRules(AtomicU64::new(0))),
            log_jobs: VecDeque::new(),
            ledger_jobs: VecDeque::new(),
            catching_up: None,
            readable: Arc::default(),
            incarnation: 0,
        }
    }

    /// Starts from the disk.
    pub(super) fn boot(&mut self, size: usize, seed: u64) {
        self.incarnation += 1;
        self.rules = Arc::new(SimRules(AtomicU64::new(self.disk.sequence())));
        let settings = Settings {
            channel: CHANNEL.to_owned(),
            id: self.id,
            tick_interval: TICK,
            election_ticks: 10,
            heartbeat_ticks: 1,
            max_inflight_blocks: 3,
            max_message_bytes: 500,
            snapshot_interval_bytes: 700,
            keep_bytes: 300,
            campaigns_first: self.incarnation == 1 && bootstrap::first_campaigner(CHANNEL, size) == self.id,
            seed: seed ^ self.incarnation,
            run: self.incarnation as u32,
        };
        let disk = &mut self.disk;
        let index = disk.snapshot.get_metadata().index;
        let entries: Vec<Entry> = disk.entries.iter().filter(|entry| entry.index > index).cloned().collect();
        let mut hard_state = disk.hard_state.clone();
        let last = entries.last().map_or(index, |entry| entry.index);
        hard_state.commit = hard_state.commit.clamp(index, last);
        let readable = self.readable.clone();
        *readable.lock() = disk.ledger.iter().map(|block| block.block.clone()).collect();
        let read_block = Arc::new(move |number: u64| readable.lock().get(number as usize).cloned());
        let start = Start {
            settings,
            log: Log::restore(hard_state, disk.snapshot.clone(), entries).with_ledger(read_block),
            membership: disk.membership(size),
            tip: disk.tip(),
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        self.core = Some(Core::new(start, self.rules.clone(), Arc::new(NoMetrics), &logger).unwrap());
    }

    /// Stops at once. Of what was being written `kept` jobs are on disk, of the blocks that were not
    /// flushed `blocks`.
    pub(super) fn crash(&mut self, kept: usize, blocks: usize) {
        self.core = None;
        for job in self.log_jobs.drain(..).take(kept) {
            if let LogJob::Persist(persist) = job {
                self.disk.persist(persist);
            }
        }
        self.ledger_jobs.clear();
        self.catching_up = None;
        let disk = &mut self.disk;
        disk.ledger.truncate((disk.durable + blocks).min(disk.ledger.len()));
        disk.durable = disk.ledger.len();
    }

    /// Writes a block; returns its number.
    pub(super) fn write(&mut self, write: Write) -> u64 {
        let number = write.block.number();
        assert_eq!(number, self.disk.ledger.len() as u64, "node {} writes out of order", self.id);
        let previous = self.disk.tip().hash;
        assert_eq!(
            write.block.header().previous_hash,
            previous.as_slice(),
            "node {} breaks the chain",
            self.id
        );
        let is_config = write.kind == BlockKind::Config;
        let metadata = write.consenter_metadata;
        self.readable.lock().push(write.block.clone());
        self.disk.ledger.push(LedgerBlock { block: write.block, metadata, is_config });
        if is_config {
            self.disk.durable = self.disk.ledger.len();
            self.rules.0.store(self.disk.sequence(), Ordering::Relaxed);
        }
        number
    }
}

//! A machine: a disk that outlives what runs on it, and while it is up a core that orders the channel
//! or, when it is none of the consenters, nothing but a copy of the ledger.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use channel::{block::EncodedBlock, consenters::RaftConfig};
use parking_lot::Mutex;
use protos::{common, orderer::BatchSize};
use raft::eraftpb::{Entry, HardState, Snapshot};

use crate::{
    chain::{Kind, OrderError, Submission},
    metrics::NoMetrics,
    raft::{
        bootstrap,
        core::{BlockKind, Core, Persist, Rules, Settings, Start, Tip, Write},
        log::Log,
        membership::{ConsensusChange, Membership, consensus_change},
    },
};

use super::consenters::{self, View};

pub(super) const TICK: Duration = Duration::from_millis(100);
pub(super) const CHANNEL: &str = "simulated";

/// Configurations are counted; some messages pass the filters of some of them only.
pub(super) struct SimRules {
    sequence: AtomicU64,
    pub(super) view: Mutex<View>,
}

impl SimRules {
    /// Takes over the configuration that the ledger ends with.
    fn follow(&self, disk: &Disk) {
        self.sequence.store(disk.sequence(), Ordering::Relaxed);
        let mut view = self.view.lock();
        (view.config, view.version) = (disk.config(), disk.version());
    }
}

impl Rules for SimRules {
    fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    fn batch(&self) -> (BatchSize, Duration) {
        let limits = BatchSize { max_message_count: 4, absolute_max_bytes: 1000, preferred_max_bytes: 500 };
        (limits, Duration::from_millis(50))
    }

    fn recheck(&self, submission: &Submission) -> Result<Submission, OrderError> {
        let sum: u64 = submission.envelope.iter().map(|byte| u64::from(*byte)).sum();
        let mut passes = !(sum + self.sequence()).is_multiple_of(7);
        if submission.kind == Kind::Config
            && let Ok(ConsensusChange::Raft(config)) = consensus_change(&submission.envelope)
        {
            let version = consenters::replaced_version(&submission.envelope);
            passes = version.is_some_and(|version| self.view.lock().allows(&config, version));
        }
        if !passes {
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
    /// The consenters that it brings.
    config: Option<RaftConfig>,
}

impl LedgerBlock {
    pub(super) fn genesis(block: EncodedBlock) -> Self {
        Self { block: Arc::new(block), metadata: Bytes::new(), is_config: false, config: None }
    }

    pub(super) fn new(block: Arc<EncodedBlock>, metadata: Bytes) -> Self {
        let is_config = channel::block::is_config_block(block.block());
        let config = match block.data() {
            [envelope] if is_config => match consensus_change(envelope).unwrap() {
                ConsensusChange::Raft(config) => Some(config),
                _ => None,
            },
            _ => None,
        };
        Self { block, metadata, is_config, config }
    }
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
pub(super) struct Disk {
    hard_state: HardState,
    /// As it was at the last flush.
    flushed_state: HardState,
    snapshot: Snapshot,
    entries: Vec<Entry>,
    pub(super) ledger: Vec<LedgerBlock>,
    /// How many blocks survive a crash.
    pub(super) durable: usize,
    /// The consenters that the genesis block names.
    first_config: RaftConfig,
}

impl Disk {
    pub(super) fn persist(&mut self, persist: Persist) {
        if let Some(snapshot) = persist.snapshot {
            let index = snapshot.get_metadata().index;
            self.entries.retain(|entry| entry.index > index);
            self.snapshot = snapshot;
        }
        self.append(persist.entries);
        if let Some(hard_state) = persist.hard_state {
            self.hard_state = hard_state;
        }
        if persist.must_sync {
            self.flushed_state = self.hard_state.clone();
        }
    }

    fn append(&mut self, entries: Vec<Entry>) {
        if let Some(first) = entries.first() {
            let first = first.index;
            self.entries.retain(|entry| entry.index < first);
            self.entries.extend(entries);
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

    /// The consenters in force.
    pub(super) fn config(&self) -> RaftConfig {
        self.ledger.iter().rev().find_map(|block| block.config.clone()).unwrap_or(self.first_config.clone())
    }

    /// How often the consenters were replaced.
    pub(super) fn version(&self) -> u64 {
        self.ledger.iter().filter(|block| block.config.is_some()).count() as u64
    }

    pub(super) fn membership(&self) -> Membership {
        Membership::new(self.config(), &self.ledger.last().unwrap().metadata).unwrap()
    }

    /// Number of the last configuration block.
    pub(super) fn last_config_number(&self) -> Option<usize> {
        self.ledger.iter().rposition(|block| block.is_config)
    }

    fn sequence(&self) -> u64 {
        self.ledger.iter().filter(|block| block.is_config).count() as u64
    }
}

pub(super) struct Node {
    pub(super) place: usize,
    /// Its raft id, 0 while it is no consenter.
    pub(super) id: u64,
    /// The raft id by which another consenter knows it, while it follows to find out why.
    pub(super) known_as: Option<u64>,
    pub(super) is_up: bool,
    pub(super) disk: Disk,
    pub(super) core: Option<Core>,
    pub(super) rules: Arc<SimRules>,
    pub(super) log_jobs: VecDeque<LogJob>,
    pub(super) ledger_jobs: VecDeque<LedgerJob>,
    pub(super) catching_up: Option<Snapshot>,
    /// Whom it talks to and listens to: machines by raft id.
    pub(super) peers: HashMap<u64, usize>,
    /// The ledger as the log reads it.
    pub(super) readable: Arc<Mutex<Vec<Arc<EncodedBlock>>>>,
    /// Counts starts: what belongs to an earlier one is void.
    pub(super) incarnation: u64,
    /// When its clock was zero, and how fast it runs, in thousandths.
    booted_at: Duration,
    clock_rate: u32,
    /// Nothing happens on it until then.
    pub(super) paused_until: Duration,
    /// Since when it knows no leader, in its own time.
    pub(super) leaderless_since: Option<Duration>,
    /// When it last asked for the newest configuration because another consenter has a later raft id.
    pub(super) asked_at: Option<Duration>,
}

impl Node {
    /// The machine at this place, with the genesis block that names the first `size` machines.
    pub(super) fn new(place: usize, size: usize, genesis: LedgerBlock, clock_rate: u32) -> Self {
        let first_config = consenters::first_config(size);
        let view = View { config: first_config.clone(), version: 0, ids: Vec::new(), active: Vec::new() };
        let disk = Disk {
            hard_state: HardState::default(),
            flushed_state: HardState::default(),
            snapshot: Snapshot::default(),
            entries: Vec::new(),
            ledger: vec![genesis],
            durable: 1,
            first_config,
        };
        Self {
            place,
            id: 0,
            known_as: None,
            is_up: false,
            disk,
            core: None,
            rules: Arc::new(SimRules { sequence: AtomicU64::new(0), view: Mutex::new(view) }),
            log_jobs: VecDeque::new(),
            ledger_jobs: VecDeque::new(),
            catching_up: None,
            peers: HashMap::new(),
            readable: Arc::default(),
            incarnation: 0,
            booted_at: Duration::ZERO,
            clock_rate,
            paused_until: Duration::ZERO,
            leaderless_since: None,
            asked_at: None,
        }
    }

    /// What its clock shows.
    pub(super) fn clock(&self, now: Duration) -> Duration {
        now.saturating_sub(self.booted_at) * self.clock_rate / 1000
    }

    /// How long something takes that takes `span` by its clock.
    pub(super) fn true_span(&self, span: Duration) -> Duration {
        span * 1000 / self.clock_rate
    }

    /// Starts from the disk: as a consenter if the ledger ends with a configuration that names it.
    pub(super) fn boot(&mut self, now: Duration, seed: u64) {
        self.incarnation += 1;
        self.booted_at = now;
        self.known_as = None;
        self.is_up = true;
        self.leaderless_since = None;
        self.asked_at = None;
        let disk = &mut self.disk;
        let membership = disk.membership();
        self.rules.follow(disk);
        *self.readable.lock() = disk.ledger.iter().map(|block| block.block.clone()).collect();
        let Some(position) = consenters::position_of(self.place, &membership.config) else { return };
        self.id = membership.ids()[position];
        let size = membership.ids().len();
        let is_untouched =
            disk.entries.is_empty() && disk.hard_state.term == 0 && disk.snapshot.get_metadata().index == 0;
        let is_new_group = is_untouched && disk.ledger.len() == 1;
        if is_new_group {
            (disk.hard_state, disk.entries) = bootstrap::first_entries(membership.ids());
            disk.flushed_state = disk.hard_state.clone();
        }
        let options = membership.config.options;
        let settings = Settings {
            channel: CHANNEL.to_owned(),
            id: self.id,
            tick_interval: TICK,
            election_ticks: options.election_tick as usize,
            heartbeat_ticks: options.heartbeat_tick as usize,
            max_inflight_blocks: options.max_inflight_blocks as usize,
            max_message_bytes: 500,
            snapshot_interval_bytes: u64::from(options.snapshot_interval_size_bytes),
            keep_bytes: 300,
            campaigns_first: is_new_group && bootstrap::first_campaigner(CHANNEL, size) == self.id,
            seed: seed ^ self.incarnation,
            run: (self.place as u32) << 16 | self.incarnation as u32,
        };
        let index = disk.snapshot.get_metadata().index;
        let entries: Vec<Entry> = disk.entries.iter().filter(|entry| entry.index > index).cloned().collect();
        let mut hard_state = disk.hard_state.clone();
        let last = entries.last().map_or(index, |entry| entry.index);
        hard_state.commit = hard_state.commit.clamp(index, last);
        let readable = self.readable.clone();
        let read_block = Arc::new(move |number: u64| readable.lock().get(number as usize).cloned());
        let log = Log::restore(hard_state, disk.snapshot.clone(), entries).with_ledger(read_block);
        let start = Start { settings, log, membership, tip: disk.tip() };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        self.core = Some(Core::new(start, self.rules.clone(), Arc::new(NoMetrics), &logger).unwrap());
    }

    /// Whether the ledger ends with a configuration in which it is a consenter, under the raft id that
    /// others know it by.
    pub(super) fn is_named(&self) -> bool {
        let membership = self.disk.membership();
        let position = consenters::position_of(self.place, &membership.config);
        position.is_some_and(|position| self.known_as.is_none_or(|id| membership.ids()[position] >= id))
    }

    /// Stops at once. Of what was being written `kept` jobs are on disk and `torn` entries of the next
    /// one, of the blocks that were not flushed `blocks`; what was written and not flushed is there or
    /// not.
    pub(super) fn crash(&mut self, kept: usize, torn: usize, blocks: usize, keeps_unflushed: bool) {
        self.stop();
        self.is_up = false;
        let mut jobs = std::mem::take(&mut self.log_jobs).into_iter();
        for job in jobs.by_ref().take(kept) {
            if let LogJob::Persist(persist) = job {
                self.disk.persist(persist);
            }
        }
        if let Some(LogJob::Persist(mut next)) = jobs.next()
            && next.snapshot.is_none()
        {
            // The state follows the entries in the log.
            next.entries.truncate(torn);
            self.disk.append(next.entries);
        }
        self.ledger_jobs.clear();
        let disk = &mut self.disk;
        if !keeps_unflushed {
            disk.hard_state = disk.flushed_state.clone();
        }
        disk.ledger.truncate((disk.durable + blocks).min(disk.ledger.len()));
        disk.durable = disk.ledger.len();
    }

    /// Orders no more; the machine stays up.
    pub(super) fn stop(&mut self) {
        self.incarnation += 1;
        self.core = None;
        self.id = 0;
        self.catching_up = None;
        self.peers.clear();
        self.paused_until = Duration::ZERO;
    }

    /// Takes over what the core knows of the others.
    pub(super) fn tell_filters(&mut self) {
        let Some(core) = &self.core else { return };
        let mut view = self.rules.view.lock();
        view.ids = core.membership().ids().to_vec();
        view.active = core.active_nodes().to_vec();
    }

    /// Writes an ordered block; returns its number.
    pub(super) fn write(&mut self, write: Write) -> u64 {
        let is_config = write.kind == BlockKind::Config;
        self.keep(LedgerBlock::new(write.block, write.consenter_metadata));
        if is_config {
            self.disk.durable = self.disk.ledger.len();
        }
        self.disk.tip().number
    }

    /// Puts the next block into the ledger.
    pub(super) fn keep(&mut self, block: LedgerBlock) {
        let (number, tip) = (block.block.number(), self.disk.tip());
        assert_eq!(number, tip.number + 1, "machine {} writes out of order", self.place);
        let previous = &block.block.header().previous_hash;
        assert_eq!(previous, tip.hash.as_slice(), "machine {} breaks the chain", self.place);
        self.readable.lock().push(block.block.clone());
        let is_config = block.is_config;
        self.disk.ledger.push(block);
        if is_config {
            self.rules.follow(&self.disk);
        }
    }
}

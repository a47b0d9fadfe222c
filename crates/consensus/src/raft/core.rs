//! The Raft consenter without its disk, network and clock.
//!
//! [`Core::input`] takes what happened; [`Core::advance`] works out what follows and gives it as
//! [`Effect`]s. Whoever drives it carries them out in their order and reports back. Entries are
//! sent while they are being written, messages that promise something go out after that, blocks
//! are applied when they are on a majority's disks and on this one's.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use channel::block::EncodedBlock;
use protos::{Message as _, etcdraft::BlockMetadata, orderer::BatchSize};
use raft::{
    Config, RawNode, StateRole,
    eraftpb::{Entry, HardState, Message, MessageType, Snapshot},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    chain::{OrderError, Submission},
    metrics::{Gauge, Metrics, Timer},
};

use super::{
    active::ActiveNodes,
    forwarder::Forwarding,
    leader::Leading,
    log::Log,
    membership::Membership,
    pending::{Numbered, Pending, Ticket},
};

mod apply;
mod forward;
mod lead;
mod ready;
mod role;

use forward::Patience;

/// Entries that stay in memory before a snapshot, so that followers a little behind need none.
const CATCH_UP_ENTRIES: u64 = 4;

/// How a channel's Raft group runs; fixed while the chain runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) channel: String,
    /// This node's raft id.
    pub(crate) id: u64,
    pub(crate) tick_interval: Duration,
    pub(crate) election_ticks: usize,
    pub(crate) heartbeat_ticks: usize,
    pub(crate) max_inflight_blocks: usize,
    /// Most bytes of entries in one message.
    pub(crate) max_message_bytes: u64,
    pub(crate) snapshot_interval_bytes: u64,
    /// Most bytes of blocks that are kept in memory although the ledger has them.
    pub(crate) keep_bytes: usize,
    /// Whether this node campaigns until a leader is seen, as one node of a new cluster does.
    pub(crate) campaigns_first: bool,
    /// From which election timeouts are drawn.
    pub(crate) seed: u64,
    /// Another number at each start.
    pub(crate) run: u32,
}

/// What the channel's live configuration says; asked anew each time.
pub(crate) trait Rules: Send + Sync {
    /// Counts the changes of the configuration.
    fn sequence(&self) -> u64;
    /// Limits of a batch, and how long it is waited for one to fill.
    fn batch(&self) -> (BatchSize, Duration);
    /// Runs the filters on a message that passed them under an earlier configuration.
    fn recheck(&self, submission: &Submission) -> Result<Submission, OrderError>;
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// A tick interval has passed.
    Tick,
    /// A message of another consenter; whether its sender counts what it is sent.
    Message { message: Message, counts_submissions: bool },
    /// The leader's word on who is up.
    ActiveNodes { from: u64, nodes: Vec<u64> },
    /// A message was taken in here.
    Submit(Submission, Ticket),
    /// A message was taken in by another node that numbers what it sends.
    Numbered { origin: u64, message: Numbered, permit: Option<OwnedSemaphorePermit> },
    /// The leader will not order a message of this node's.
    Refused { term: u64, sequence: u64, reason: OrderError },
    /// What the leader was sent from this number on did not reach its stream.
    NotForwarded { term: u64, from_sequence: u64 },
    /// All that was to be persisted up to this number is durable.
    Persisted(u64),
    /// All blocks up to this one are in the ledger, and if the last one is a configuration, it is
    /// in force.
    Written(u64),
    /// The snapshot with this index is on disk.
    SnapshotSaved(u64),
    /// A block that was pulled from others is in the ledger.
    Pulled(Arc<EncodedBlock>),
    /// The ledger has caught up with the snapshot.
    CaughtUp { snapshot: Snapshot, tip: Tip, membership: Membership },
    /// A message could not be sent.
    Unreachable(u64),
    /// Another consenter has connected.
    Connected(u64),
    /// A snapshot message was sent or not.
    SnapshotSent { to: u64, sent: bool },
    /// Hand the leadership to somebody else.
    TransferLeadership,
    /// Others have a configuration block that is not here, in what looks like a snapshot.
    Behind(Snapshot),
}

/// Something to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Write, in this order with others; report [`Input::Persisted`].
    Persist(Persist),
    /// Send to another consenter.
    Send(Message),
    /// Send a message that was taken in here to the leader.
    Forward(Forwarding),
    /// Tell another node that a message of its will not be ordered.
    Refuse { to: u64, term: u64, sequence: u64, reason: OrderError },
    /// Write the next block to the ledger; report [`Input::Written`].
    Write(Write),
    /// Save a snapshot after the ledger is durable up to here; report [`Input::SnapshotSaved`].
    SaveSnapshot(Snapshot),
    /// Bring the ledger up to the block in a snapshot; report [`Input::CaughtUp`].
    CatchUp(Snapshot),
    /// The consenters are others than before, or have other addresses.
    Reconfigure,
    /// This node was removed from the consenters: the chain ends here.
    Evicted,
    /// The channel's configuration names another consenter: the chain ends here.
    Sealed,
    /// The chain can not go on without breaking its promises.
    Fail(String),
}

/// What must be on disk before [`Input::Persisted`] is reported.
#[derive(Debug)]
pub(crate) struct Persist {
    pub(crate) number: u64,
    /// A snapshot of the leader's, to be saved before the rest.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) hard_state: Option<HardState>,
    pub(crate) entries: Vec<Entry>,
    /// Whether it must be flushed; if not, being written is enough.
    pub(crate) must_sync: bool,
}

/// What a block does besides being the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Nothing.
    Normal,
    /// Changes the configuration of this channel, or makes another one.
    Config,
}

/// A block for the ledger.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) block: Arc<EncodedBlock>,
    pub(crate) kind: BlockKind,
    /// What goes into the block's metadata.
    pub(crate) consenter_metadata: Bytes,
}

/// Number and header hash of the last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) number: u64,
    pub(crate) hash: [u8; 32],
}

/// Messages that wait for what comes before them to be durable.
#[derive(Debug)]
struct AwaitingPersist {
    number: u64,
    /// Whether it has nothing to persist itself.
    is_empty: bool,
    messages: Vec<Message>,
}

/// Why entries are not applied for the moment.
#[derive(Debug, PartialEq, Eq)]
enum Paused {
    No,
    /// Until this configuration block is in force.
    ForConfig(u64),
    /// Until the ledger has caught up with a snapshot.
    ForCatchUp,
}

/// The Raft consenter of one channel.
pub(crate) struct Core {
    settings: Settings,
    raft: RawNode<Log>,
    rules: Arc<dyn Rules>,
    metrics: Arc<dyn Metrics>,
    now: Duration,
    effects: Vec<Effect>,
    failed: bool,

    membership: Membership,
    tip: Tip,
    /// Raft index of the last entry that is part of the chain of blocks.
    applied: u64,
    applied_term: u64,
    to_apply: VecDeque<Entry>,
    paused: Paused,
    /// Index and number of the blocks that are on their way to the ledger.
    unwritten: VecDeque<(u64, u64)>,
    /// The last block in the ledger; those up to the tip are on their way.
    written: u64,

    awaiting_persist: VecDeque<AwaitingPersist>,
    /// Index of a snapshot of the leader's that is on its way to the disk. The library can not
    /// campaign meanwhile.
    installing: Option<u64>,
    /// A snapshot that came while the ledger was catching up with an earlier one.
    next_catch_up: Option<Snapshot>,
    sealed_by: Option<u64>,
    bytes_since_snapshot: u64,
    saving_snapshot: Option<Snapshot>,

    role: (u64, StateRole, u64),
    role_changes: u64,
    /// The other nodes that take each number once when they lead, by their last word.
    counting: BTreeSet<u64>,
    next_campaign: Option<Duration>,
    leading: Option<Leading>,
    abdicating: Option<lead::Abdication>,
    /// Since when this node, which leads no more, was handing over.
    abdicated_since: Option<Duration>,
    /// A configuration that removes this node has been put off for long enough.
    is_unseating_due: bool,
    /// Ticks since the leader was last heard of.
    silent_ticks: usize,
    /// A member that raft has let go without an entry in the log.
    unlogged_removal: Option<u64>,
    /// Whose turn it is when both other nodes' messages and own ones wait.
    others_first: bool,
    /// Number of the block in the last snapshot that this node made.
    snapshot_block: u64,
    active: ActiveNodes,
    pending: Pending,
    retry_at: Option<Duration>,
    /// What did not reach the leader's stream: term, first number, and when it is sent again.
    resend: Option<(u64, u64, Duration)>,
    /// Whether what is forwarded next goes on after a failure.
    resumes: bool,
    /// When messages came back from a leader of Fabric's that leads no more.
    returned_at: Duration,
    /// What a leader that does not count has passed over: term, up to which number, and when it is
    /// taken to be lost.
    passed_over: Option<(u64, u64, Duration)>,
    /// With a leader that does not count, when nothing comes back.
    patience: Patience,
    /// When a consenter that is removed is waited for no longer.
    leave_until: Option<Duration>,
}

/// What a chain starts from: its log as it was on disk, and what the ledger says.
pub(crate) struct Start {
    pub(crate) settings: Settings,
    pub(crate) log: Log,
    pub(crate) membership: Membership,
    pub(crate) tip: Tip,
}

impl Core {
    pub(crate) fn new(
        start: Start,
        rules: Arc<dyn Rules>,
        metrics: Arc<dyn Metrics>,
        logger: &slog::Logger,
    ) -> raft::Result<Self> {
        let Start { settings, log, membership, tip } = start;
        let config = Config {
            id: settings.id,
            election_tick: settings.election_ticks,
            heartbeat_tick: settings.heartbeat_ticks,
            max_size_per_msg: settings.max_message_bytes,
            max_inflight_msgs: settings.max_inflight_blocks,
            check_quorum: true,
            pre_vote: true,
            ..Config::default()
        };
        let applied = membership.metadata.raft_index;
        let snapshot = log.newest_snapshot().clone();
        // What is no block is found to be none when it is caught up with.
        let snapshot_block = EncodedBlock::decode(snapshot.data.clone()).map_or(0, |block| block.number());
        let run = settings.run;
        let mut core = Self {
            raft: RawNode::new(&config, log, logger)?,
            next_campaign: settings.campaigns_first.then_some(Duration::ZERO),
            settings,
            rules,
            metrics,
            now: Duration::ZERO,
            effects: Vec::new(),
            failed: false,
            membership,
            tip,
            applied,
            applied_term: 0,
            to_apply: VecDeque::new(),
            paused: Paused::No,
            unwritten: VecDeque::new(),
            written: tip.number,
            awaiting_persist: VecDeque::new(),
            installing: None,
            next_catch_up: None,
            sealed_by: None,
            bytes_since_snapshot: 0,
            saving_snapshot: None,
            role: (0, StateRole::Follower, 0),
            role_changes: 0,
            counting: BTreeSet::new(),
            leading: None,
            abdicating: None,
            abdicated_since: None,
            is_unseating_due: false,
            silent_ticks: 0,
            unlogged_removal: None,
            others_first: false,
            snapshot_block,
            active: ActiveNodes::default(),
            pending: Pending::new(run),
            retry_at: None,
            resend: None,
            resumes: false,
            returned_at: Duration::ZERO,
            passed_over: None,
            patience: Patience::default(),
            leave_until: None,
        };
        core.metrics.set(Gauge::ClusterSize, &core.settings.channel, core.membership.ids().len() as u64);
        core.metrics.set(Gauge::IsLeader, &core.settings.channel, 0);
        core.metrics.set(Gauge::ActiveNodes, &core.settings.channel, 0);
        core.metrics.set(Gauge::CommittedBlockNumber, &core.settings.channel, tip.number);
        core.metrics.set(Gauge::SnapshotBlockNumber, &core.settings.channel, snapshot_block);
        if snapshot.get_metadata().index > 0 {
            core.catch_up_with(snapshot);
        }
        core.effects.push(Effect::Reconfigure);
        Ok(core)
    }

    /// The leader's raft id, 0 when none is known.
    pub(crate) fn leader(&self) -> u64 {
        self.role.2
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.role.1 == StateRole::Leader
    }

    #[cfg(test)]
    pub(crate) fn term(&self) -> u64 {
        self.role.0
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    pub(crate) fn active_nodes(&self) -> &[u64] {
        self.active.current()
    }

    /// The report on active nodes that goes along with the next message to `node`.
    pub(crate) fn report_for(&mut self, node: u64) -> Option<Vec<u64>> {
        self.active.take_report(node)
    }

    /// When [`Core::advance`] must be called although nothing happened.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let batch = self.leading.as_ref().filter(|_| self.is_ordering()).and_then(|l| l.batch_deadline);
        let resend = self.resend.map(|(_, _, at)| at);
        let passed_over = self.passed_over.map(|(_, _, at)| at);
        let returned = self.pending.has_returned().then(|| self.returned_until());
        // What is overdue waits for something else than the time, such as a leader.
        let due =
            [resend, passed_over, self.leave_until, returned].into_iter().filter(|at| *at > Some(self.now));
        [batch, self.retry_at, self.next_campaign].into_iter().chain(due).flatten().min()
    }

    /// Takes note of something that happened. What follows is worked out by [`Core::advance`],
    /// once for many inputs.
    pub(crate) fn input(&mut self, now: Duration, input: Input) {
        self.now = now;
        if self.failed {
            return;
        }
        match input {
            Input::Tick => self.tick(),
            Input::Message { message, counts_submissions } => self.message(message, counts_submissions),
            Input::ActiveNodes { from, nodes } => {
                if from == self.leader() && !self.is_leader() {
                    self.active.told(nodes);
                }
            }
            Input::Submit(submission, ticket) => self.pending.insert(submission, ticket),
            Input::Numbered { origin, message, permit } => {
                let (term, sequence) = (message.term, message.sequence);
                let leading = self.leading.as_mut();
                if let Some(reason) = leading.and_then(|l| l.take_numbered(origin, message, permit)) {
                    self.effects.push(Effect::Refuse { to: origin, term, sequence, reason });
                }
            }
            Input::Refused { term, sequence, reason } => self.pending.refused(term, sequence, reason),
            Input::NotForwarded { term, from_sequence } => self.not_forwarded(term, from_sequence),
            Input::Persisted(number) => self.persisted(number),
            Input::Written(number) => self.block_written(number),
            Input::SnapshotSaved(index) => self.snapshot_saved(index),
            Input::Pulled(block) => self.block_pulled(&block),
            Input::CaughtUp { snapshot, tip, membership } => self.caught_up(&snapshot, tip, membership),
            Input::Unreachable(id) => {
                self.active.lost(id);
                self.raft.report_unreachable(id);
            }
            // Whoever was away learns at once that there is a leader, and answers with what it lacks. Others
            // connect to pull blocks.
            Input::Connected(id) => {
                if !self.active.has_answered(id) {
                    self.raft.ping();
                }
            }
            Input::SnapshotSent { to, sent } => {
                use raft::SnapshotStatus::{Failure, Finish};
                self.raft.report_snapshot(to, if sent { Finish } else { Failure });
            }
            Input::TransferLeadership => drop(self.transfer_leadership()),
            Input::Behind(snapshot) => self.catch_up_with(snapshot),
        }
    }

    /// Works out what follows from the inputs so far.
    pub(crate) fn advance(&mut self, now: Duration) -> Vec<Effect> {
        self.now = now;
        if !self.failed {
            self.campaign_first();
            loop {
                self.observe_role();
                self.lead();
                let had_ready = self.process_ready();
                let applied = self.apply();
                if self.failed || !(had_ready || applied) {
                    break;
                }
            }
            self.take_back_passed_over();
            self.release_returned();
            self.forward();
            self.retry();
        }
        std::mem::take(&mut self.effects)
    }

    /// The chain ends; whoever waits is told.
    pub(crate) fn abandon(&mut self, reason: &OrderError) {
        self.failed = true;
        self.pending.abandon(reason);
    }

    /// The chain can not go on; the next [`Core::advance`] says so.
    pub(crate) fn break_off(&mut self, reason: String) {
        self.fail(reason);
    }

    fn fail(&mut self, reason: String) {
        if !self.failed {
            self.failed = true;
            self.effects.push(Effect::Fail(reason));
        }
    }

    fn message(&mut self, message: Message, counts_submissions: bool) {
        let from = message.from;
        self.active.heard(from);
        if self.installing.is_some() && message.get_msg_type() == MessageType::MsgTimeoutNow {
            return;
        }
        // The library panics on this one. It is what a leader sends to a node that has lost its log.
        let (raft, last) = (&self.raft.raft, self.raft.raft.raft_log.last_index());
        let is_current =
            message.term > raft.term || message.term == raft.term && raft.state != StateRole::Leader;
        if message.get_msg_type() == MessageType::MsgHeartbeat && is_current && message.commit > last {
            return self.fail(format!(
                "node {from} has it from this node that its log goes up to index {}, but the log ends at {last}: \
                 the write-ahead log was lost, replaced or taken from an older backup; bring back the right one, \
                 or remove this node from the consenters, and the channel from this node, and then join it again",
                message.commit
            ));
        }
        if from == self.leader() {
            self.silent_ticks = 0;
        }
        if counts_submissions {
            self.counting.insert(from);
        } else {
            self.counting.remove(&from);
        }
        if let Err(error) = self.raft.step(message) {
            self.debug(format_args!("message of {from} not processed: {error}"));
        }
    }

    fn block_written(&mut self, number: u64) {
        self.written = self.written.max(number);
        self.pending.written(number);
        while let Some((index, block)) = self.unwritten.front().copied().filter(|(_, block)| *block <= number)
        {
            self.unwritten.pop_front();
            self.raft.mut_store().is_in_ledger(index, block, self.settings.keep_bytes);
        }
        if let Some(leading) = &mut self.leading {
            leading.written(number);
        }
        if matches!(self.paused, Paused::ForConfig(waited) if waited <= number) {
            self.paused = Paused::No;
            self.config_in_force();
        }
    }

    fn observe(&self, timer: Timer, took: Duration) {
        self.metrics.observe(timer, &self.settings.channel, took);
    }

    fn debug(&self, text: std::fmt::Arguments<'_>) {
        tracing::debug!(target: "orderer.consensus.etcdraft", channel = %self.settings.channel, node = self.settings.id, "{text}");
    }
    fn info(&self, text: std::fmt::Arguments<'_>) {
        tracing::info!(target: "orderer.consensus.etcdraft", channel = %self.settings.channel, node = self.settings.id, "{text}");
    }
    fn warn(&self, text: std::fmt::Arguments<'_>) {
        tracing::warn!(target: "orderer.consensus.etcdraft", channel = %self.settings.channel, node = self.settings.id, "{text}");
    }
    fn error(&self, text: std::fmt::Arguments<'_>) {
        tracing::error!(target: "orderer.consensus.etcdraft", channel = %self.settings.channel, node = self.settings.id, "{text}");
    }
}

/// Numbers as Fabric prints them: `[1 2 3]`.
pub(crate) fn list(ids: &[u64]) -> String {
    let texts: Vec<String> = ids.iter().map(u64::to_string).collect();
    format!("[{}]", texts.join(" "))
}

/// The consenter metadata of a block.
fn marshal(metadata: &BlockMetadata) -> Bytes {
    metadata.encode_to_vec().into()
}

/// Whether raft must be told what became of the message.
pub(crate) fn is_snapshot(message: &Message) -> bool {
    message.get_msg_type() == MessageType::MsgSnapshot
}

//! Opening a Raft chain: from configuration, ledger and log to a running group member.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use channel::consenters::{self, RaftConfigError};
use protos::orderer::BatchSize;
use storage::{
    snapshot::{SnapshotError, SnapshotStore},
    wal::{Wal, WalError},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{Chain, OrderError, Submission},
    channel_state::{ChannelError, ChannelState},
    metrics::Metrics,
    source::{BlockSources, ReplicationOptions},
    transport::Transport,
};

use super::{
    bootstrap,
    catch_up::CatchUp,
    convert::{entry_in, entry_out, hard_state_in, hard_state_out, snapshot_in},
    core::{Core, Rules, Settings, Start, Tip},
    disk::{Disk, LogFiles},
    driver::{Driver, Event, Inbox},
    eviction::EvictionCheck,
    forwarder::Forwarder,
    handle::{RaftChain, Shared},
    log::{Log, ReadBlock},
    logger::library_logger,
    recorded::Recorded,
};

/// Messages of other consenters that may wait to be processed; more are dropped, as by a network.
const MESSAGE_QUEUE: usize = 256;

/// Bytes of blocks that stay in the log's memory although the ledger has them, for followers that are
/// a little behind.
const KEEP_BYTES: usize = 2 << 20;

/// Of Fabric's orderer, too.
const DEFAULT_EVICTION_SUSPICION: Duration = Duration::from_secs(600);

/// What a node's configuration says about its Raft chains.
#[derive(Clone, Debug)]
pub struct RaftOptions {
    /// `Consensus.WALDir`: write-ahead logs, one directory a channel.
    pub wal_dir: PathBuf,
    /// `Consensus.SnapDir`: snapshots, one directory a channel.
    pub snap_dir: PathBuf,
    /// `Consensus.EvictionSuspicion`: how long without a leader until this node asks others whether
    /// it still is a consenter; 10 minutes when absent.
    pub eviction_suspicion: Option<Duration>,
    /// `Consensus.TickIntervalOverride`: in place of the channel's tick interval.
    pub tick_interval_override: Option<Duration>,
    /// The certificate that this node's cluster listener shows, DER: by it the node finds itself
    /// among the consenters.
    pub own_server_cert_der: Vec<u8>,
    /// `General.Cluster.RPCTimeout`: how long handing a message to the leader may take.
    pub rpc_timeout: Duration,
    /// How blocks are pulled that are in no log any more.
    pub replication: ReplicationOptions,
}

/// Why a Raft chain can not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The channel's configuration has no ordering section.
    #[error("channel {0} has no orderer configuration")]
    NoOrderer(String),
    /// The channel's Raft configuration can not be used.
    #[error("failed to read Raft metadata: {0}")]
    Config(#[from] RaftConfigError),
    /// The consenters and what the last block says of them do not fit.
    #[error("failed to read Raft metadata: {0}")]
    Membership(String),
    /// This node is none of the channel's consenters.
    #[error("without a system channel, a follower should have been created")]
    NotAConsenter,
    /// The ledger can not be read.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The write-ahead log can not be opened.
    #[error("failed to restore persisted raft data: failed to create or read WAL: {0}")]
    Wal(#[from] WalError),
    /// The snapshots can not be opened.
    #[error("failed to restore persisted raft data: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The write-ahead log holds something that no orderer writes.
    #[error("failed to restore persisted raft data: the WAL at {path} holds an unknown entry: {reason}")]
    Entry {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The raft library refuses its options or the log.
    #[error("failed to start raft: {0}")]
    Raft(String),
}

/// Starts the chain of a channel that this node is a consenter of. Must be called on a runtime.
///
/// # Errors
///
/// When configuration, ledger or log can not be used.
pub fn start(
    state: Arc<ChannelState>,
    options: &RaftOptions,
    transport: Arc<dyn Transport>,
    sources: Arc<dyn BlockSources>,
    metrics: Arc<dyn Metrics>,
) -> Result<Arc<dyn Chain>, StartError> {
    let channel = state.channel_id().to_owned();
    let bundle = state.bundle();
    let orderer = bundle.orderer().ok_or_else(|| StartError::NoOrderer(channel.clone()))?;
    let Recorded { membership, is_new } = Recorded::read(&state)?;
    let position = consenters::find_self(&membership.config.consenters, &options.own_server_cert_der)
        .ok_or(StartError::NotAConsenter)?;

    let last = state.last_block()?;
    let id = membership.ids()[position];
    let tip = Tip { number: last.number(), hash: last.header_hash() };

    let raft_options = membership.config.options;
    let tick_interval = match options.tick_interval_override {
        Some(interval) => {
            tracing::info!(target: "orderer.consensus.etcdraft", channel = %channel, node = id, "TickIntervalOverride is set, overriding channel configuration tick interval to {interval:?}");
            interval
        }
        None => raft_options.tick_interval,
    };
    let suspicion = options.eviction_suspicion.unwrap_or_else(|| {
        tracing::info!(target: "orderer.consensus.etcdraft", channel = %channel, node = id, "EvictionSuspicion not set, defaulting to 10m0s");
        DEFAULT_EVICTION_SUSPICION
    });
    let opened = open_log(&channel, id, options, is_new.then(|| (membership.ids(), tip.number + 1)))?;
    let settings = Settings {
        channel: channel.clone(),
        id,
        tick_interval,
        election_ticks: raft_options.election_tick as usize,
        heartbeat_ticks: raft_options.heartbeat_tick as usize,
        max_inflight_blocks: raft_options.max_inflight_blocks as usize,
        max_message_bytes: u64::from(orderer.batch_size.preferred_max_bytes),
        snapshot_interval_bytes: u64::from(raft_options.snapshot_interval_size_bytes),
        keep_bytes: KEEP_BYTES,
        campaigns_first: opened.is_new_group
            && bootstrap::first_campaigner(&channel, membership.ids().len()) == id,
        seed: rand::random(),
        run: rand::random(),
    };

    let shared = Arc::new(Shared::new(&channel, id, membership.ids().len()));
    let rules = Arc::new(ChannelRules(state.clone()));
    let ledger = state.ledger().clone();
    // A block that can not be read is as if it had been compacted: a snapshot is sent in its place.
    let read_block: ReadBlock = Arc::new(move |number| ledger.block(number).ok().flatten());
    let start = Start { settings, log: opened.log.with_ledger(read_block), membership, tip };
    let logger = library_logger(&channel, id);
    let core =
        Core::new(start, rules, metrics.clone(), &logger).map_err(|e| StartError::Raft(e.to_string()))?;
    let core = Box::new(core);

    let (messages, messages_in) = mpsc::channel(MESSAGE_QUEUE);
    let (taken, taken_in) = mpsc::unbounded_channel();
    let (events, events_in) = mpsc::unbounded_channel();
    let (forward, to_forward) = mpsc::unbounded_channel();

    let election_timeout = tick_interval.saturating_mul(raft_options.election_tick);
    let files = LogFiles { wal: opened.wal, snapshots: opened.snapshots, election_timeout };
    let disk = Disk::new(
        files,
        state.clone(),
        metrics.clone(),
        Arc::new({
            let events = events.clone();
            // When the driver is gone, nobody waits for the report.
            move |report| drop(events.send(Event::Disk(report)))
        }),
    );
    let forwarder = Forwarder {
        channel: channel.clone(),
        node: id,
        transport: transport.clone(),
        metrics: metrics.clone(),
        rpc_timeout: options.rpc_timeout,
        report: Box::new({
            let events = events.clone();
            move |failure| drop(events.send(Event::NotForwarded(failure)))
        }),
    };
    tokio::spawn(forwarder.run(to_forward));
    let stopping = CancellationToken::new();
    let eviction = EvictionCheck {
        state: state.clone(),
        sources: sources.clone(),
        events: events.clone(),
        leader: shared.watch_leader(),
        outdated: shared.outdated(),
        has_stopped: shared.watch_stopped(),
        stopping: stopping.clone(),
        node: id,
        replication: options.replication,
        suspicion,
        own_server_cert_der: options.own_server_cert_der.clone(),
    };
    tokio::spawn(eviction.run());
    let driver = Driver {
        core,
        catch_up: CatchUp {
            state: state.clone(),
            sources: sources.clone(),
            ledger: disk.ledger_idle_probe(),
            events: events.clone(),
            node: id,
            replication: options.replication,
            stopping,
            running: None,
        },
        disk,
        state,
        shared: shared.clone(),
        transport,
        metrics: metrics.clone(),
        forward,
        tick_interval,
        inbox: Inbox { messages: messages_in, taken: taken_in, events: events_in },
        unreachable: HashSet::new(),
    };
    tokio::spawn(driver.run());
    Ok(Arc::new(RaftChain { shared, metrics, patience: tick_interval, messages, taken, events }))
}

struct Opened {
    log: Log,
    wal: Wal,
    snapshots: SnapshotStore,
    is_new_group: bool,
}

/// Opens the log; `first` are the members and the ledger's height if nothing of this consenter was
/// ordered yet, in which case an empty log begins a new group.
fn open_log(
    channel: &str,
    id: u64,
    options: &RaftOptions,
    first: Option<(&[u64], u64)>,
) -> Result<Opened, StartError> {
    let info = |text: std::fmt::Arguments<'_>| {
        tracing::info!(target: "orderer.consensus.etcdraft", channel, node = id, "{text}");
    };
    let path = options.wal_dir.join(channel);
    let mut snapshots = SnapshotStore::open(&options.snap_dir.join(channel))?;
    let snapshot = snapshots.load_newest_good()?.map(snapshot_in).unwrap_or_default();
    let from = snapshot.get_metadata();
    let from = (from.index > 0).then_some((from.index, from.term));
    match Wal::exists(&path) {
        true => info(format_args!("Found WAL data at path '{}', replaying it", path.display())),
        false => info(format_args!("No WAL data found, creating new WAL at path '{}'", path.display())),
    }
    let (mut wal, contents) = Wal::open(&path, from)?;
    if let Some(repaired) = &contents.repaired {
        tracing::warn!(target: "orderer.consensus.etcdraft", channel, node = id, "{repaired}");
    }
    let unknown = |error: super::convert::ConvertError| StartError::Entry {
        path: path.clone(),
        reason: error.to_string(),
    };
    let mut entries: Vec<_> =
        contents.entries.into_iter().map(entry_in).collect::<Result<_, _>>().map_err(unknown)?;
    let mut hard_state = hard_state_in(&contents.hard_state);
    let is_untouched = entries.is_empty() && hard_state.term == 0 && from.is_none();
    let mut is_new_group = false;
    match first {
        Some((members, height)) if is_untouched => {
            if height > 1 {
                info(format_args!(
                    "Consensus-type migration detected, starting new raft node on an existing channel; height={height}"
                ));
            }
            info(format_args!("Starting raft node as part of a new channel"));
            (hard_state, entries) = bootstrap::first_entries(members);
            let written: Vec<_> = entries.iter().cloned().map(entry_out).collect();
            wal.append(Some(&hard_state_out(&hard_state)), &written)?;
            wal.sync()?;
            is_new_group = true;
        }
        None if is_untouched => info(format_args!("Starting raft node to join an existing channel")),
        _ => info(format_args!("Restarting raft node")),
    }
    // What is committed is written without a flush: it may lag behind the snapshot after a crash.
    let first_index = snapshot.get_metadata().index;
    let last_index = entries.last().map_or(first_index, |entry| entry.index);
    hard_state.commit = hard_state.commit.clamp(first_index, last_index);
    Ok(Opened { log: Log::restore(hard_state, snapshot, entries), wal, snapshots, is_new_group })
}

/// The live configuration of a channel.
struct ChannelRules(Arc<ChannelState>);

impl Rules for ChannelRules {
    fn sequence(&self) -> u64 {
        self.0.bundle().sequence()
    }

    fn batch(&self) -> (BatchSize, Duration) {
        self.0.batch_limits()
    }

    fn recheck(&self, submission: &Submission) -> Result<Submission, OrderError> {
        self.0.recheck(submission)
    }
}

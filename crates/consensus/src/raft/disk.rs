//! The disk work of a Raft chain: log and snapshots on one worker, blocks on another.
//!
//! Blocks are not flushed on the way of a transaction: the log holds them until the ledger is
//! durable, and is never cut off past that. One flush of the log serves all that waits for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use raft::eraftpb::Snapshot;
use storage::{snapshot::SnapshotStore, wal::Wal};

use crate::{
    channel_state::ChannelState,
    metrics::{Metrics, Timer},
};

use super::{
    convert::{conf_state_out, entry_out, hard_state_out, snapshot_out},
    core::{BlockKind, Persist, Write},
    worker::{IdleProbe, Worker},
};

/// Where the disk reports to.
pub(crate) type Reports = Arc<dyn Fn(Report) + Send + Sync>;

/// What the disk has done.
#[derive(Debug)]
pub(crate) enum Report {
    /// The log is durable up to this number.
    Persisted(u64),
    /// The ledger holds all blocks up to this one.
    Written(u64),
    /// The snapshot with this index is durable.
    SnapshotSaved(u64),
    /// Something failed: the chain can not go on.
    Failed(String),
}

enum LogJob {
    Persist(Box<Persist>),
    OwnSnapshot(Box<Snapshot>),
    /// Nothing was appended for a moment.
    Rest,
}

enum LedgerJob {
    Write(Write),
    Snapshot(Snapshot),
}

/// The two workers of a channel.
pub(crate) struct Disk {
    log: Worker<LogJob>,
    ledger: Worker<LedgerJob>,
    flusher: Worker<()>,
    state: Arc<ChannelState>,
}

/// What a worker writes the log with.
pub(crate) struct LogFiles {
    pub(crate) wal: Wal,
    pub(crate) snapshots: SnapshotStore,
    /// After half of this an election may be called: a flush that takes longer is reported.
    pub(crate) election_timeout: Duration,
}

impl Disk {
    pub(crate) fn new(
        mut files: LogFiles,
        state: Arc<ChannelState>,
        metrics: Arc<dyn Metrics>,
        reports: Reports,
    ) -> Self {
        let log = Worker::new({
            let (state, reports) = (state.clone(), reports.clone());
            move |jobs| {
                if let Err(error) = files.write(jobs, &state, &*metrics, &reports) {
                    reports(Report::Failed(format!("raft log: {error}")));
                }
            }
        });
        let ledger = Worker::new({
            let (state, log, reports) = (state.clone(), log.clone(), reports.clone());
            move |jobs: Vec<LedgerJob>| {
                let results = jobs.into_iter().try_for_each(|job| write_ledger(job, &state, &log, &reports));
                if let Err(error) = results {
                    reports(Report::Failed(format!("ledger: {error}")));
                }
            }
        });
        let flusher = Worker::new({
            let (state, log) = (state.clone(), log.clone());
            move |_| {
                if let Err(error) = state.ledger().flush() {
                    reports(Report::Failed(format!("ledger: {error}")));
                }
                log.push(LogJob::Rest);
            }
        });
        Self { log, ledger, flusher, state }
    }

    pub(crate) fn persist(&self, persist: Persist) {
        self.log.push(LogJob::Persist(Box::new(persist)));
    }

    pub(crate) fn write(&self, write: Write) {
        self.ledger.push(LedgerJob::Write(write));
    }

    /// Saves a snapshot after all blocks that were handed in before.
    pub(crate) fn save_snapshot(&self, snapshot: Snapshot) {
        self.ledger.push(LedgerJob::Snapshot(snapshot));
    }

    /// Makes the ledger durable in the background, if it is not.
    pub(crate) fn flush_ledger(&self) {
        if self.state.ledger().durable_height() < self.state.ledger().height() {
            self.flusher.push(());
        }
    }

    /// For waiting until all blocks that were handed in are written.
    pub(crate) fn ledger_idle_probe(&self) -> IdleProbe {
        self.ledger.idle_probe()
    }

    /// Waits until all is done.
    pub(crate) async fn finish(&self) {
        self.ledger.finish().await;
        self.log.finish().await;
        self.flusher.finish().await;
    }
}

#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error(transparent)]
    Wal(#[from] storage::wal::WalError),
    #[error(transparent)]
    Snapshot(#[from] storage::snapshot::SnapshotError),
}

impl LogFiles {
    fn write(
        &mut self,
        jobs: Vec<LogJob>,
        state: &ChannelState,
        metrics: &dyn Metrics,
        reports: &Reports,
    ) -> Result<(), LogError> {
        let started = Instant::now();
        let mut must_sync = false;
        let mut persisted = None;
        let mut own_snapshots = Vec::new();
        let mut rests = false;
        for job in jobs {
            match job {
                LogJob::Persist(persist) => {
                    must_sync |= persist.must_sync;
                    persisted = Some(persist.number);
                    self.append(*persist, state)?;
                }
                LogJob::OwnSnapshot(snapshot) => own_snapshots.push(*snapshot),
                LogJob::Rest => rests = true,
            }
        }
        if must_sync {
            self.wal.sync()?;
        }
        if rests && persisted.is_none() {
            self.wal.rest();
        }
        if let Some(number) = persisted {
            let took = started.elapsed();
            metrics.observe(Timer::DataPersistDuration, state.channel_id(), took);
            if took > self.election_timeout / 2 {
                tracing::warn!(
                    target: "orderer.consensus.etcdraft", channel = %state.channel_id(),
                    "WAL sync took {} seconds and the network is configured to start elections after {} seconds. Your disk is too slow and may cause loss of quorum and trigger leadership election.",
                    took.as_secs_f64(), self.election_timeout.as_secs_f64()
                );
            }
            reports(Report::Persisted(number));
        }
        for snapshot in own_snapshots {
            let index = snapshot.get_metadata().index;
            self.save(snapshot, state)?;
            if let Some(oldest_kept) = self.snapshots.purge()? {
                self.wal.release_to(oldest_kept)?;
            }
            reports(Report::SnapshotSaved(index));
        }
        Ok(())
    }

    fn append(&mut self, persist: Persist, state: &ChannelState) -> Result<(), LogError> {
        if let Some(snapshot) = persist.snapshot {
            self.save(snapshot, state)?;
        }
        let hard_state = persist.hard_state.as_ref().map(hard_state_out);
        let entries: Vec<_> = persist.entries.into_iter().map(entry_out).collect();
        Ok(self.wal.append(hard_state.as_ref(), &entries)?)
    }

    fn save(&mut self, snapshot: Snapshot, state: &ChannelState) -> Result<(), LogError> {
        let metadata = snapshot.get_metadata();
        let (index, term) = (metadata.index, metadata.term);
        let conf_state = conf_state_out(metadata.get_conf_state());
        tracing::info!(
            target: "orderer.consensus.etcdraft", channel = %state.channel_id(),
            "Persisting snapshot (term: {term}, index: {index}) to WAL and disk"
        );
        self.wal.save_snapshot(index, term, &conf_state)?;
        Ok(self.snapshots.save(&snapshot_out(snapshot))?)
    }
}

fn write_ledger(
    job: LedgerJob,
    state: &ChannelState,
    log: &Worker<LogJob>,
    reports: &Reports,
) -> Result<(), crate::channel_state::ChannelError> {
    match job {
        LedgerJob::Write(Write { block, kind, consenter_metadata }) => {
            let number = block.number();
            match kind {
                BlockKind::Normal => state.write_block(&block, &consenter_metadata)?,
                BlockKind::Config => state.write_config_block(&block, &consenter_metadata)?,
            };
            reports(Report::Written(number));
        }
        LedgerJob::Snapshot(snapshot) => {
            // The log may be cut off at the snapshot: what is before it must be durable elsewhere.
            state.ledger().flush()?;
            log.push(LogJob::OwnSnapshot(Box::new(snapshot)));
        }
    }
    Ok(())
}

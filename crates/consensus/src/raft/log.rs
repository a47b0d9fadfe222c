//! The raft log in memory: what the library reads its entries from.
//!
//! It holds what follows the last snapshot, less what is dropped by [`Log::compact`]. The
//! write-ahead log on disk holds the same and is written by the driver; entries are here before
//! they are there.

use std::collections::VecDeque;

use raft::{
    Error, GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{ConfState, Entry, HardState, Snapshot},
};

/// The log of one channel.
#[derive(Debug, Default)]
pub(crate) struct Log {
    hard_state: HardState,
    conf_state: ConfState,
    snapshot: Snapshot,
    /// Index and term of the entry before the first that is held.
    before: (u64, u64),
    entries: VecDeque<Entry>,
}

impl Log {
    /// A log as it was found on disk: entries follow the snapshot without a gap.
    pub(crate) fn restore(hard_state: HardState, snapshot: Snapshot, entries: Vec<Entry>) -> Self {
        let metadata = snapshot.get_metadata();
        Self {
            hard_state,
            conf_state: metadata.get_conf_state().clone(),
            before: (metadata.index, metadata.term),
            snapshot,
            entries: entries.into(),
        }
    }

    fn first(&self) -> u64 {
        self.before.0 + 1
    }

    /// Index of the last entry.
    pub(crate) fn last(&self) -> u64 {
        self.before.0 + self.entries.len() as u64
    }

    fn term_at(&self, index: u64) -> Result<u64, StorageError> {
        if index == self.before.0 {
            return Ok(self.before.1);
        }
        if index < self.before.0 {
            return Err(StorageError::Compacted);
        }
        let position = (index - self.first()) as usize;
        self.entries.get(position).map(|e| e.term).ok_or(StorageError::Unavailable)
    }

    /// Takes entries in, in place of any that were there from the first one's index on.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first_new) = entries.first().map(|e| e.index) else { return };
        // Raft never appends before what it has compacted or beyond the end.
        debug_assert!(first_new >= self.first() && first_new <= self.last() + 1);
        self.entries.truncate(first_new.saturating_sub(self.first()) as usize);
        self.entries.extend(entries.iter().cloned());
    }

    pub(crate) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    pub(crate) fn set_conf_state(&mut self, conf_state: ConfState) {
        self.conf_state = conf_state;
    }

    pub(crate) fn conf_state(&self) -> &ConfState {
        &self.conf_state
    }

    /// The newest snapshot; index 0 when there is none.
    pub(crate) fn newest_snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// A snapshot from the leader takes the place of the whole log.
    pub(crate) fn replace(&mut self, snapshot: Snapshot) {
        let metadata = snapshot.get_metadata();
        self.conf_state = metadata.get_conf_state().clone();
        self.before = (metadata.index, metadata.term);
        self.entries.clear();
        self.snapshot = snapshot;
    }

    /// A snapshot that this node made; its index is that of an entry that is held.
    pub(crate) fn set_snapshot(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
    }

    /// Drops the entries before `index`, never more than are held.
    pub(crate) fn compact(&mut self, index: u64) {
        while self.before.0 < index {
            let Some(entry) = self.entries.pop_front() else { return };
            self.before = (entry.index, entry.term);
        }
    }
}

impl Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.conf_state.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first() {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > self.last() + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let mut room = max_size.into().unwrap_or(u64::MAX);
        let from = (low - self.first()) as usize;
        let to = (high - self.first()) as usize;
        let mut out = Vec::new();
        for entry in self.entries.range(from..to) {
            let size = entry.data.len() as u64;
            if !out.is_empty() && size > room {
                break;
            }
            room = room.saturating_sub(size);
            out.push(entry.clone());
        }
        Ok(out)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.term_at(index).map_err(Error::Store)
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        let index = self.snapshot.get_metadata().index;
        if index == 0 || index < request_index {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        // The receiver must learn the members of today, or it could not be reached by those who
        // joined since.
        let mut snapshot = self.snapshot.clone();
        snapshot.mut_metadata().set_conf_state(self.conf_state.clone());
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(index: u64, term: u64, size: usize) -> Entry {
        Entry { index, term, data: vec![0; size].into(), ..Entry::default() }
    }

    fn indexes(log: &Log, low: u64, high: u64, max: Option<u64>) -> Result<Vec<u64>, Error> {
        log.entries(low, high, max, GetEntriesContext::empty(false))
            .map(|found| found.iter().map(|e| e.index).collect())
    }

    #[test]
    fn entries_are_found_replaced_and_dropped() {
        let mut log = Log::default();
        log.append(&(1..=6).map(|i| entry(i, 1, 100)).collect::<Vec<_>>());
        assert_eq!(indexes(&log, 1, 7, Some(250)).unwrap(), [1, 2]);
        assert_eq!(indexes(&log, 5, 7, Some(1)).unwrap(), [5], "one entry always fits");

        log.append(&[entry(4, 2, 1)]);
        assert_eq!((log.last(), log.term(4).unwrap()), (4, 2));
        assert_eq!(log.term(5), Err(Error::Store(StorageError::Unavailable)));

        log.compact(3);
        assert_eq!((log.first_index().unwrap(), log.term(3).unwrap()), (4, 1));
        assert_eq!(indexes(&log, 3, 5, None), Err(Error::Store(StorageError::Compacted)));
        log.compact(99);
        assert_eq!((log.first_index().unwrap(), log.last()), (5, 4));
    }

    #[test]
    fn a_snapshot_goes_out_with_the_members_of_today() {
        let mut log = Log::default();
        assert!(log.snapshot(0, 2).is_err(), "no snapshot yet");
        let mut snapshot = Snapshot::default();
        snapshot.mut_metadata().index = 9;
        snapshot.mut_metadata().term = 3;
        log.replace(snapshot);
        log.set_conf_state(ConfState { voters: vec![1, 4], ..Default::default() });
        let sent = log.snapshot(0, 2).unwrap();
        assert_eq!(sent.get_metadata().get_conf_state().voters, [1, 4]);
        assert_eq!((log.last(), log.term(9).unwrap()), (9, 3));
    }
}

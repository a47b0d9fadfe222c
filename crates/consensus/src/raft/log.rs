//! The raft log in memory: what the library reads its entries from.
//!
//! It holds what follows the last snapshot, less what is dropped by [`Log::compact`]. The
//! write-ahead log on disk holds the same and is written by the driver; entries are here before
//! they are there. Blocks that are in the ledger need not be here as well: of all but the newest
//! only the place is kept, and a follower that is behind gets them from the ledger.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use channel::block::{EncodedBlock, METADATA_SLOTS};

use raft::{
    Error, GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{ConfState, Entry, HardState, Snapshot},
};

/// Reads a block from the ledger.
pub(crate) type ReadBlock = Arc<dyn Fn(u64) -> Option<Arc<EncodedBlock>> + Send + Sync>;

/// The metadata of a block that has none yet: empty slots.
const EMPTY_SLOTS: [u8; 2 + 2 * METADATA_SLOTS] =
    [0x1a, 2 * METADATA_SLOTS as u8, 0x0a, 0, 0x0a, 0, 0x0a, 0, 0x0a, 0, 0x0a, 0];

/// A block's entry that the ledger holds, too.
#[derive(Debug)]
struct Kept {
    index: u64,
    number: u64,
    bytes: usize,
}

/// The log of one channel.
#[derive(Default)]
pub(crate) struct Log {
    ledger: Option<ReadBlock>,
    /// Blocks whose bytes are here although the ledger has them, oldest first, and their size.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// Blocks whose bytes are in the ledger only, in order.
    dropped: VecDeque<Kept>,
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
            ..Self::default()
        }
    }

    /// Lets the log read blocks back, and so drop them.
    pub(crate) fn with_ledger(self, ledger: ReadBlock) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// The entry at `index` is block `number` of the ledger; more than `keep_bytes` of such blocks need
    /// not stay in memory. Entries that could not be told from what the ledger gives back stay.
    pub(crate) fn is_in_ledger(&mut self, index: u64, number: u64, keep_bytes: usize) {
        let Some(entry) = index.checked_sub(self.first()).and_then(|at| self.entries.get(at as usize)) else {
            return;
        };
        if self.ledger.is_none() || !entry.data.ends_with(&EMPTY_SLOTS) {
            return;
        }
        let bytes = entry.data.len();
        self.kept.push_back(Kept { index, number, bytes });
        self.kept_bytes += bytes;
        while self.kept_bytes > keep_bytes {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.kept_bytes -= oldest.bytes;
            let at = oldest.index.checked_sub(self.first()).map(|at| at as usize);
            if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
                entry.data = Bytes::new();
                self.dropped.push_back(oldest);
            }
        }
    }

    /// The entry with its data, which may have to be read; none if that is not to be had any more.
    fn whole(&self, entry: &Entry) -> Option<Entry> {
        let position = self.dropped.binary_search_by_key(&entry.index, |dropped| dropped.index);
        let Some(dropped) = position.ok().and_then(|at| self.dropped.get(at)) else {
            return Some(entry.clone());
        };
        let block = self.ledger.as_ref()?(dropped.number)?;
        let mut data = BytesMut::with_capacity(dropped.bytes);
        data.extend_from_slice(block.parts()[0]);
        data.extend_from_slice(&EMPTY_SLOTS);
        (data.len() == dropped.bytes).then(|| Entry { data: data.freeze(), ..entry.clone() })
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
        self.kept.clear();
        self.kept_bytes = 0;
        self.dropped.clear();
        self.snapshot = snapshot;
    }

    /// A snapshot that this node made; its index is that of an entry that is held.
    pub(crate) fn set_snapshot(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
    }

    /// Drops the entries before `index`, never more than are held.
    pub(crate) fn compact(&mut self, index: u64) {
        while self.before.0 < index {
            let Some(entry) = self.entries.pop_front() else { break };
            self.before = (entry.index, entry.term);
        }
        let first = self.first();
        while self.dropped.front().is_some_and(|dropped| dropped.index < first) {
            self.dropped.pop_front();
        }
        while let Some(gone) = self.kept.front().filter(|kept| kept.index < first) {
            self.kept_bytes -= gone.bytes;
            self.kept.pop_front();
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
            let Some(entry) = self.whole(entry) else {
                // What is left can go out; if nothing is, a snapshot takes the place of entries.
                if out.is_empty() {
                    return Err(Error::Store(StorageError::Compacted));
                }
                break;
            };
            let size = entry.data.len() as u64;
            if !out.is_empty() && size > room {
                break;
            }
            room = room.saturating_sub(size);
            out.push(entry);
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
    fn blocks_of_the_ledger_are_dropped_and_read_back() {
        let block = |number: u64| {
            let data = vec![Bytes::from(format!("tx of block {number}"))];
            EncodedBlock::from_block(channel::block::new_block(number, Bytes::new(), data))
        };
        let mut log =
            Log::default().with_ledger(Arc::new(move |number| (number < 4).then(|| block(number).into())));
        let bytes_of = |number: u64| Bytes::from(block(number).parts().map(|part| part.to_vec()).concat());
        let entry = |index: u64| Entry { index, term: 1, data: bytes_of(index), ..Entry::default() };
        log.append(&(1..=6).map(entry).collect::<Vec<_>>());
        (1..=4).for_each(|index| log.is_in_ledger(index, index, bytes_of(1).len()));
        let held: Vec<bool> = log.entries.iter().map(|entry| !entry.data.is_empty()).collect();
        assert_eq!(held, [false, false, false, true, true, true]);
        let read = log.entries(1, 7, None, GetEntriesContext::empty(false)).unwrap();
        assert_eq!(
            read.iter().map(|e| e.data.clone()).collect::<Vec<_>>(),
            (1..=6).map(bytes_of).collect::<Vec<_>>()
        );
        // What the ledger does not give back is as if it had been compacted.
        log.is_in_ledger(5, 5, 0);
        assert_eq!(indexes(&log, 4, 7, None), Err(Error::Store(StorageError::Compacted)));
        assert_eq!(indexes(&log, 3, 7, None).unwrap(), [3]);
        log.compact(5);
        assert!(log.kept.is_empty() && log.dropped.is_empty());
        assert_eq!(indexes(&log, 6, 7, None).unwrap(), [6]);
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

//! Committed entries become blocks of the chain and members of the group.

use std::sync::Arc;

use channel::block::{self, EncodedBlock};
use raft::eraftpb::{Entry, EntryType, Snapshot};

use crate::metrics::Gauge;

use super::{
    super::{
        convert::MemberChange,
        membership::{Membership, MembershipFault},
    },
    BlockKind, CATCH_UP_ENTRIES, Core, Effect, Paused, Tip, Write, list, marshal,
};

/// Blocks that may be on their way to the ledger before applying waits for it.
const MAX_UNWRITTEN_BLOCKS: u64 = 16;

impl Core {
    /// Applies what is committed; returns whether there was anything to apply.
    pub(super) fn apply(&mut self) -> bool {
        let mut had_any = false;
        while !self.failed
            && self.paused == Paused::No
            && self.tip.number.saturating_sub(self.written) < MAX_UNWRITTEN_BLOCKS
        {
            let Some(entry) = self.to_apply.pop_front() else { break };
            had_any = true;
            self.apply_entry(entry);
        }
        had_any
    }

    fn apply_entry(&mut self, entry: Entry) {
        let index = entry.index;
        if entry.term > self.applied_term {
            self.applied_term = entry.term;
            self.entered_term(entry.term);
        }
        match entry.get_entry_type() {
            EntryType::EntryNormal if entry.data.is_empty() => {}
            EntryType::EntryNormal => self.apply_block(&entry),
            EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => self.apply_member_change(&entry),
        }
        if !self.failed {
            self.raft.advance_apply_to(index);
        }
    }

    fn apply_block(&mut self, entry: &Entry) {
        self.bytes_since_snapshot += entry.data.len() as u64;
        if entry.index <= self.applied {
            self.note_in_ledger(entry);
            self.debug(format_args!(
                "Received block with raft index ({}) <= applied raft index ({}), skip",
                entry.index, self.applied
            ));
            return;
        }
        let block = match EncodedBlock::decode(entry.data.clone()) {
            Ok(block) => Arc::new(block),
            Err(error) => {
                return self.fail(format!("the log holds no block at index {}: {error}", entry.index));
            }
        };
        let (number, expected) = (block.number(), self.tip.number + 1);
        if number > expected {
            return self.fail(format!("Got block [{number}], expect block [{expected}]"));
        }
        if number < expected {
            self.raft.mut_store().is_in_ledger(entry.index, number, self.settings.keep_bytes);
            self.info(format_args!(
                "Got block [{number}], expect block [{expected}], this node was forced to catch up"
            ));
            return;
        }
        if block.header().previous_hash != self.tip.hash.as_slice() {
            let (found, own) = (hex::encode(&block.header().previous_hash), hex::encode(self.tip.hash));
            let last = self.tip.number;
            return self.fail(format!("block [{number}] in the log follows a block [{last}] with hash {found}, but the one in the ledger has hash {own}"));
        }
        let is_config = block::is_config_block(block.block());
        if let Err(error) = self.account_for(&block, entry.index) {
            return self.fail(format!("configuration block [{number}]: {error}"));
        }
        self.debug(format_args!("Writing block [{number}] (Raft index: {}) to ledger", entry.index));
        self.tip = Tip { number, hash: block.header_hash() };
        self.applied = entry.index;
        self.seen_in_chain(number, is_config, block.data());
        self.unwritten.push_back((entry.index, number));
        let kind = if is_config { BlockKind::Config } else { BlockKind::Normal };
        let consenter_metadata = marshal(&self.membership.metadata);
        self.effects.push(Effect::Write(Write { block, kind, consenter_metadata }));
        self.metrics.set(Gauge::CommittedBlockNumber, &self.settings.channel, number);
        if is_config {
            self.paused = Paused::ForConfig(number);
        }
        self.snapshot_if_due(entry);
    }

    /// An entry that was applied before the last start need not be in memory.
    fn note_in_ledger(&mut self, entry: &Entry) {
        let block = EncodedBlock::decode(entry.data.clone()).ok();
        if let Some(number) = block.map(|block| block.number()).filter(|number| *number <= self.tip.number) {
            self.raft.mut_store().is_in_ledger(entry.index, number, self.settings.keep_bytes);
        }
    }

    /// Works out consenters and raft index as of this block.
    fn account_for(&mut self, block: &EncodedBlock, index: u64) -> Result<(), MembershipFault> {
        // Most blocks only move the index.
        if !block::is_plain_config_block(block.block()) {
            self.membership.metadata.raft_index = index;
            return Ok(());
        }
        let (after, sealed_for) = self.membership.after(block, index)?;
        let was = self.membership.config.options.snapshot_interval_size_bytes;
        let is = after.config.options.snapshot_interval_size_bytes;
        if was != is {
            self.info(format_args!("Update snapshot interval size to {is} bytes (was {was})"));
            self.settings.snapshot_interval_bytes = u64::from(is);
        }
        self.membership = after;
        if let Some(other) = sealed_for {
            self.info(format_args!("Block [{}] hands the channel over to {other}", block.number()));
            self.sealed_by = Some(block.number());
        }
        Ok(())
    }

    /// The configuration block that applying waited for is written and counts now.
    pub(super) fn config_in_force(&mut self) {
        if let Some(leading) = &mut self.leading {
            leading.config_in_force();
        }
        if self.sealed_by.is_some() {
            self.effects.push(Effect::Sealed);
            return;
        }
        match self.membership.lacking(self.raft.store().conf_state()) {
            // One who leaves stays reachable until raft has let it go.
            Some(MemberChange::Remove(id)) => self.info(format_args!(
                "Config block just committed removes node {id}, pause accepting transactions till config change is applied"
            )),
            Some(MemberChange::Add(id)) => self.info(format_args!(
                "Config block just committed adds node {id}, pause accepting transactions till config change is applied"
            )),
            None => self.effects.push(Effect::Reconfigure),
        }
    }

    fn apply_member_change(&mut self, entry: &Entry) {
        let change = match MemberChange::from_entry(entry) {
            Ok(change) => change,
            Err(error) => return self.fail(format!("membership change at index {}: {error}", entry.index)),
        };
        let conf_state = match self.raft.apply_conf_change(&change.for_library()) {
            Ok(conf_state) => conf_state,
            Err(error) => return self.fail(format!("membership change at index {}: {error}", entry.index)),
        };
        let mut voters = conf_state.voters.clone();
        voters.sort_unstable();
        self.raft.mut_store().set_conf_state(conf_state);
        let voters = list(&voters);
        match change {
            MemberChange::Add(id) => {
                self.info(format_args!(
                    "Applied config change to add node {id}, current nodes in channel: {voters}"
                ));
            }
            MemberChange::Remove(id) => {
                self.info(format_args!(
                    "Applied config change to remove node {id}, current nodes in channel: {voters}"
                ));
            }
        }
        let size = self.membership.ids().len();
        self.metrics.set(Gauge::ClusterSize, &self.settings.channel, size as u64);
        let own = self.settings.id;
        if change == MemberChange::Remove(own) && !self.membership.ids().contains(&own) {
            self.info(format_args!("This node is being removed from replica set"));
            self.effects.push(Effect::Evicted);
        } else {
            self.effects.push(Effect::Reconfigure);
        }
    }

    fn snapshot_if_due(&mut self, entry: &Entry) {
        let (bytes, limit) = (self.bytes_since_snapshot, self.settings.snapshot_interval_bytes);
        if bytes < limit {
            return;
        }
        if self.saving_snapshot.is_some() {
            self.warn(format_args!(
                "Snapshotting is in progress, it is very likely that SnapshotIntervalSize is too small"
            ));
            return;
        }
        let conf_state = self.raft.store().conf_state().clone();
        self.info(format_args!(
            "Accumulated {bytes} bytes since last snapshot, exceeding size limit ({limit} bytes), taking snapshot at block [{}] (index: {}), last snapshotted block number is {}, current nodes: {}",
            self.tip.number, entry.index, self.snapshot_block, list(&conf_state.voters)
        ));
        self.bytes_since_snapshot = 0;
        self.snapshot_block = self.tip.number;
        let mut snapshot = Snapshot { data: entry.data.clone(), ..Snapshot::default() };
        let metadata = snapshot.mut_metadata();
        metadata.index = entry.index;
        metadata.term = entry.term;
        metadata.set_conf_state(conf_state);
        self.saving_snapshot = Some(snapshot.clone());
        self.effects.push(Effect::SaveSnapshot(snapshot));
    }

    /// A snapshot of this node is on disk: the log before it need not be in memory any more.
    pub(super) fn snapshot_saved(&mut self, index: u64) {
        let Some(snapshot) = self.saving_snapshot.take_if(|s| s.get_metadata().index == index) else {
            return;
        };
        let log = self.raft.mut_store();
        // One of the leader's may have come in between.
        if log.newest_snapshot().get_metadata().index < index {
            log.set_snapshot(snapshot);
            log.compact(index.saturating_sub(CATCH_UP_ENTRIES));
        }
        self.metrics.set(Gauge::SnapshotBlockNumber, &self.settings.channel, self.snapshot_block);
        self.info(format_args!("Snapshot is taken at index {index}"));
    }

    /// Sees to it that the ledger reaches the block in a snapshot. One with index 0 stands for a
    /// block that others are known to have.
    pub(super) fn catch_up_with(&mut self, snapshot: Snapshot) {
        let index = snapshot.get_metadata().index;
        if index == 0 {
            self.info(format_args!("Received artificial snapshot to trigger catchup"));
        }
        if index != 0 && index <= self.applied {
            self.debug(format_args!(
                "Skip snapshot taken at index {index}, because it is behind current applied index {}",
                self.applied
            ));
            return;
        }
        if self.paused == Paused::ForCatchUp {
            self.next_catch_up = Some(snapshot);
            return;
        }
        let number = match EncodedBlock::decode(snapshot.data.clone()) {
            Ok(block) => block.number(),
            Err(error) => return self.fail(format!("the snapshot at index {index} holds no block: {error}")),
        };
        if number <= self.tip.number {
            self.warn(format_args!(
                "Snapshot is at block [{number}], local block number is {}, no sync needed",
                self.tip.number
            ));
            self.passed(&snapshot);
        } else {
            self.paused = Paused::ForCatchUp;
            self.effects.push(Effect::CatchUp(snapshot));
        }
    }

    /// The ledger has all blocks up to the one in the snapshot.
    pub(super) fn caught_up(&mut self, snapshot: &Snapshot, tip: Tip, membership: Membership) {
        self.tip = tip;
        self.written = tip.number;
        self.unwritten.clear();
        self.membership = membership;
        self.passed(snapshot);
        self.paused = Paused::No;
        self.metrics.set(Gauge::CommittedBlockNumber, &self.settings.channel, tip.number);
        if !self.membership.ids().contains(&self.settings.id) {
            self.info(format_args!("This node was removed from replica set while it was away"));
            self.effects.push(Effect::Evicted);
            return;
        }
        self.effects.push(Effect::Reconfigure);
        if let Some(next) = self.next_catch_up.take() {
            self.catch_up_with(next);
        }
    }

    /// All entries up to the snapshot's are accounted for.
    fn passed(&mut self, snapshot: &Snapshot) {
        let metadata = snapshot.get_metadata();
        self.applied = self.applied.max(metadata.index);
        if metadata.term > self.applied_term {
            self.applied_term = metadata.term;
            self.entered_term(metadata.term);
        }
    }
}

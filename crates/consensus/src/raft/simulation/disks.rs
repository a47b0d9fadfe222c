//! What is written to logs and ledgers, and blocks that are copied from one ledger to another.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use channel::block::EncodedBlock;
use protos::Message as _;
use raft::eraftpb::Snapshot;
use rand::Rng;

use crate::{chain::OrderError, raft::core::Input};

use super::{
    consenters::position_of,
    node::{LedgerBlock, LedgerJob, LogJob},
    world::{Event, World},
};

/// How long a consenter without a leader waits before it asks whether it still is one.
const SUSPICION: Duration = Duration::from_secs(4);

impl World {
    pub(super) fn log_work(&mut self, node: usize) {
        let count = self.nodes[node].log_jobs.len();
        if count == 0 {
            return;
        }
        let incarnation = self.nodes[node].incarnation;
        let mut inputs = Vec::new();
        for _ in 0..self.rng.random_range(1..=count) {
            inputs.extend(self.one_log_job(node));
        }
        if !self.nodes[node].log_jobs.is_empty() {
            let after = self.millis(10);
            self.plan(after, Event::Log { node, incarnation });
        }
        for input in inputs {
            if self.is_alive(node, incarnation) {
                self.input(node, input);
            }
        }
    }

    fn one_log_job(&mut self, node: usize) -> Option<Input> {
        let machine = &mut self.nodes[node];
        Some(match machine.log_jobs.pop_front()? {
            LogJob::Persist(persist) => {
                let number = persist.number;
                machine.disk.persist(persist);
                Input::Persisted(number)
            }
            LogJob::OwnSnapshot(snapshot) => {
                let index = snapshot.get_metadata().index;
                machine.disk.save_snapshot(snapshot);
                Input::SnapshotSaved(index)
            }
        })
    }

    pub(super) fn ledger_work(&mut self, node: usize) {
        if let Some(input) = self.one_ledger_job(node) {
            self.input(node, input);
        }
    }

    fn one_ledger_job(&mut self, node: usize) -> Option<Input> {
        let machine = &mut self.nodes[node];
        match machine.ledger_jobs.pop_front()? {
            LedgerJob::Write(write) => {
                let hash = write.block.header_hash();
                let number = machine.write(write);
                self.note_block(number as usize, hash);
                Some(Input::Written(number))
            }
            LedgerJob::Snapshot(snapshot) => {
                machine.disk.durable = machine.disk.ledger.len();
                machine.log_jobs.push_back(LogJob::OwnSnapshot(snapshot));
                let incarnation = machine.incarnation;
                let after = self.millis(10);
                self.plan(after, Event::Log { node, incarnation });
                None
            }
        }
    }

    fn note_block(&mut self, number: usize, hash: [u8; 32]) {
        if number == self.chain.len() {
            self.chain.push(hash);
        }
        assert_eq!(self.chain.get(number), Some(&hash), "a fork or a gap at block {number}");
    }

    /// The machine that can be reached and has the most blocks.
    fn best_source(&self, node: usize) -> Option<usize> {
        (0..self.nodes.len())
            .filter(|other| *other != node && !self.is_cut(node, *other) && self.nodes[*other].is_up)
            .max_by_key(|other| self.nodes[*other].disk.ledger.len())
    }

    /// Copies the next block from another machine.
    fn pull_one(&mut self, node: usize, source: usize) -> Arc<EncodedBlock> {
        let number = self.nodes[node].disk.ledger.len();
        let block = self.nodes[source].disk.ledger[number].clone();
        let pulled = block.block.clone();
        self.note_block(number, pulled.header_hash());
        self.nodes[node].keep(block);
        pulled
    }

    pub(super) fn catch_up(&mut self, node: usize) {
        let incarnation = self.nodes[node].incarnation;
        if !self.nodes[node].ledger_jobs.is_empty() {
            return self.plan(Duration::from_millis(5), Event::CatchUp { node, incarnation });
        }
        let Some(snapshot) = self.nodes[node].catching_up.take() else { return };
        let target = EncodedBlock::decode(snapshot.data.clone()).unwrap();
        let (first, last) = (self.nodes[node].disk.ledger.len(), target.number() as usize);
        let index = snapshot.get_metadata().index;
        if first == last && index != 0 {
            return self.keep_encapsulated(node, snapshot, target, index);
        }
        let source = self.best_source(node);
        let Some(source) = source.filter(|source| self.nodes[*source].disk.ledger.len() > last) else {
            self.nodes[node].catching_up = Some(snapshot);
            return self.plan(Duration::from_millis(300), Event::CatchUp { node, incarnation });
        };
        for _ in first..=last {
            let pulled = self.pull_one(node, source);
            self.input(node, Input::Pulled(pulled));
            if !self.is_alive(node, incarnation) {
                return;
            }
        }
        let (tip, membership) = (self.nodes[node].disk.tip(), self.nodes[node].disk.membership());
        self.input(node, Input::CaughtUp { snapshot, tip, membership });
    }

    /// The only block that is missing is in the snapshot.
    fn keep_encapsulated(&mut self, node: usize, snapshot: Snapshot, block: EncodedBlock, index: u64) {
        let before = self.nodes[node].disk.membership();
        let (membership, _) = before.after(&block, index).unwrap();
        let metadata = membership.metadata.encode_to_vec().into();
        let block = Arc::new(block);
        self.note_block(block.number() as usize, block.header_hash());
        self.nodes[node].keep(LedgerBlock::new(block.clone(), metadata));
        let incarnation = self.nodes[node].incarnation;
        self.input(node, Input::Pulled(block));
        if self.is_alive(node, incarnation) {
            let tip = self.nodes[node].disk.tip();
            self.input(node, Input::CaughtUp { snapshot, tip, membership });
        }
    }

    /// A consenter ends what it does and follows from now on, if others know it by a later raft id until
    /// it has that.
    pub(super) fn leave(&mut self, node: usize, known_as: Option<u64>) {
        let Some(core) = &mut self.nodes[node].core else { return };
        core.abandon(&OrderError::Stopped);
        while self.one_ledger_job(node).is_some() || !self.nodes[node].ledger_jobs.is_empty() {}
        while self.one_log_job(node).is_some() {}
        let machine = &mut self.nodes[node];
        machine.stop();
        machine.known_as = known_as;
        machine.disk.durable = machine.disk.ledger.len();
        let incarnation = machine.incarnation;
        let after = self.millis(300);
        self.plan(after, Event::Follow { node, incarnation });
    }

    /// A machine that is no consenter copies the others' blocks until it is one.
    pub(super) fn follow(&mut self, node: usize) {
        let mut is_named = self.nodes[node].is_named();
        if let Some(source) = self.best_source(node) {
            let (first, last) = (self.nodes[node].disk.ledger.len(), self.nodes[source].disk.ledger.len());
            for _ in first..last {
                if is_named {
                    break;
                }
                self.pull_one(node, source);
                is_named = self.nodes[node].is_named();
            }
        }
        if is_named {
            self.nodes[node].disk.durable = self.nodes[node].disk.ledger.len();
            return self.boot(node);
        }
        let incarnation = self.nodes[node].incarnation;
        let after = Duration::from_millis(100) + self.millis(400);
        self.plan(after, Event::Follow { node, incarnation });
    }

    /// A consenter without a leader for long asks for the newest configuration.
    pub(super) fn suspect(&mut self, node: usize) {
        let incarnation = self.nodes[node].incarnation;
        self.plan(Duration::from_millis(500), Event::Suspect { node, incarnation });
        let machine = &mut self.nodes[node];
        if machine.core.as_ref().is_none_or(|core| core.leader() != 0) {
            machine.leaderless_since = None;
            return;
        }
        let since = *machine.leaderless_since.get_or_insert(self.now);
        if self.now - since < SUSPICION {
            return;
        }
        self.nodes[node].leaderless_since = None;
        self.ask_for_newest(node);
    }

    /// Another consenter has a later raft id than this machine's configuration gives it.
    pub(super) fn is_outdated(&mut self, node: usize) {
        if self.nodes[node].asked_at.is_none_or(|at| self.now - at >= SUSPICION) {
            self.nodes[node].asked_at = Some(self.now);
            self.ask_for_newest(node);
        }
    }

    fn ask_for_newest(&mut self, node: usize) {
        let Some(source) = self.best_source(node) else { return };
        let Some(number) = self.nodes[source].disk.last_config_number() else { return };
        let place = self.nodes[node].place;
        if position_of(place, &self.nodes[source].disk.config()).is_none() {
            self.leave(node, None);
            while self.nodes[node].disk.ledger.len() <= number {
                self.pull_one(node, source);
            }
            return;
        }
        let block = &self.nodes[source].disk.ledger[number].block;
        let data = block.parts().into_iter().flat_map(|part| part.to_vec()).collect::<Vec<u8>>();
        self.input(node, Input::Behind(Snapshot { data: data.into(), ..Snapshot::default() }));
    }
}

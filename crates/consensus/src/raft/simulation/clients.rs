//! Who hands in messages, who changes the consenters, and what they are told.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::consenters::RaftConfig;
use futures::FutureExt;
use rand::Rng;

use crate::{
    chain::{Kind, OrderError, Receipt, Submission},
    raft::{
        core::{Input, Rules},
        pending::Ticket,
    },
};

use super::{
    consenters::{self, place_of, position_of},
    world::{Event, FAULTS_END, Waiting, World},
};

/// Most consenters that there are at one time.
const MOST_CONSENTERS: usize = 5;

impl World {
    pub(super) fn client(&mut self) {
        if self.now < FAULTS_END {
            let after = self.millis(40);
            self.plan(after, Event::Client);
        }
        let node = self.rng.random_range(0..self.nodes.len());
        let Some(core) = &self.nodes[node].core else { return };
        if core.leader() == 0 {
            return;
        }
        // Now and then somebody hands in what was handed in before.
        let repeats = self.chance(3);
        let number = if repeats { self.texts } else { self.texts + 1 };
        self.texts = number;
        let (kind, envelope) = if number.is_multiple_of(60) {
            (Kind::Config, consenters::transaction(number, None))
        } else if number.is_multiple_of(25) && !repeats {
            let Some((config, version)) = self.change_of_consenters(node) else { return };
            (Kind::Config, consenters::transaction(number, Some((&config, version))))
        } else {
            (Kind::Normal, Bytes::from(format!("tx {number}")))
        };
        self.hand_in(node, kind, envelope);
    }

    pub(super) fn hand_in(&mut self, node: usize, kind: Kind, envelope: Bytes) {
        *self.handed_in.entry(envelope.clone()).or_default() += 1;
        let config_sequence = self.nodes[node].rules.sequence();
        let submission = Submission { kind, size_bytes: 100, envelope: envelope.clone(), config_sequence };
        let (sender, receipt) = Receipt::channel();
        let incarnation = self.nodes[node].incarnation;
        self.waiting.push(Waiting { text: envelope, node, incarnation, receipt });
        self.input(node, Input::Submit(submission, Ticket { receipt: Some(sender), permit: None }));
    }

    /// New consenters or options, if the filters of this machine let them through.
    fn change_of_consenters(&mut self, node: usize) -> Option<(RaftConfig, u64)> {
        let view = self.nodes[node].rules.view.lock().clone();
        let mut config = view.config.clone();
        let place = self.rng.random_range(0..self.nodes.len());
        let position = position_of(place, &config);
        match (self.rng.random_range(0..10), position) {
            (0, _) => config.options.snapshot_interval_size_bytes = self.rng.random_range(300..1500),
            (1, Some(position)) => {
                let certificate = self.texts as u32;
                config.consenters[position] = consenters::consenter(place, certificate);
            }
            (_, Some(position)) => drop(config.consenters.remove(position)),
            (_, None) if config.consenters.len() < MOST_CONSENTERS => {
                let at = self.rng.random_range(0..=config.consenters.len());
                config.consenters.insert(at, consenters::consenter(place, self.texts as u32));
            }
            _ => return None,
        }
        debug_assert!(config.consenters.iter().all(|consenter| place_of(consenter) < self.nodes.len()));
        (!config.consenters.is_empty() && view.allows(&config, view.version))
            .then_some((config, view.version))
    }

    pub(super) fn look_at_receipts(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting { text, node, incarnation, mut receipt } = waiting;
            match receipt.outcome().now_or_never() {
                Some(Ok(_)) => *self.kept.entry((text, node, incarnation)).or_default() += 1,
                Some(Err(OrderError::Rejected { .. } | OrderError::Forwarding(_))) => {
                    *self.rejected.entry(text).or_default() += 1;
                }
                // What it waited on is over: the machine crashed or is no consenter any more.
                Some(Err(_)) => assert!(!self.is_alive(node, incarnation), "a receipt was dropped"),
                None => self.waiting.push(Waiting { text, node, incarnation, receipt }),
            }
        }
    }
}

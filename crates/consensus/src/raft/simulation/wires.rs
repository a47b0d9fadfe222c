//! Who can reach whom, and what becomes of what is sent.
#![allow(clippy::unwrap_used)]

use std::cmp::Ordering;

use raft::eraftpb::Message;
use rand::Rng;

use crate::raft::{
    core::{Input, is_snapshot},
    pending::Numbered,
};

use super::{
    consenters::place_of,
    world::{Event, World},
};

impl World {
    pub(super) fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&a) != self.cut.contains(&b)
    }

    /// The raft id under which `node` knows the machine that sent it something, if it listens to it.
    pub(super) fn hears(&self, node: usize, sender: usize) -> Option<u64> {
        self.nodes[node].core.as_ref()?;
        self.nodes[node].peers.iter().find(|(_, place)| **place == sender).map(|(id, _)| *id)
    }

    /// The consenters are others: from now on these are talked to and listened to.
    pub(super) fn reconfigure(&mut self, node: usize) {
        let machine = &mut self.nodes[node];
        let Some(core) = &machine.core else { return };
        let members = core.membership().members().map(|(id, consenter)| (id, place_of(consenter)));
        let peers = members.filter(|(id, _)| *id != machine.id).collect();
        machine.peers = peers;
        machine.tell_filters();
    }

    pub(super) fn send(&mut self, from: usize, message: Message) {
        let id = message.to;
        let is_snapshot = is_snapshot(&message);
        let place = self.nodes[from].peers.get(&id).copied();
        let is_lost = place.is_none_or(|to| self.is_cut(from, to)) || !self.is_healed && self.chance(4);
        let is_told = place.is_none() || is_lost && self.chance(50);
        let now = self.nodes[from].clock(self.now);
        let core = self.nodes[from].core.as_mut().unwrap();
        let active = if core.is_leader() { core.report_for(id) } else { None };
        if is_told {
            core.input(now, Input::Unreachable(id));
        }
        if is_snapshot {
            core.input(now, Input::SnapshotSent { to: id, sent: !is_told });
        }
        let Some(to) = place.filter(|_| !is_lost) else { return };
        let delay = if self.chance(3) { 400 } else { 10 };
        if !self.is_healed && self.chance(4) {
            let after = self.millis(800);
            let active = active.clone();
            self.plan(after, Event::Message { from, to, message: message.clone(), active });
        }
        let after = self.millis(delay);
        self.plan(after, Event::Message { from, to, message, active });
    }

    pub(super) fn message(&mut self, from: usize, to: usize, mut message: Message, active: Option<Vec<u64>>) {
        let Some(sender) = self.hears(to, from) else { return };
        match message.to.cmp(&self.nodes[to].id) {
            // The sender means what this machine was before.
            Ordering::Less => return,
            // The machine does not know what it is by now.
            Ordering::Greater => return self.leave(to, Some(message.to)),
            Ordering::Equal => {}
        }
        if message.from > sender {
            return self.is_outdated(to);
        }
        message.from = sender;
        self.input(to, Input::Message { message, counts_submissions: true });
        if let Some(nodes) = active {
            self.input(to, Input::ActiveNodes { from: sender, nodes });
        }
    }

    pub(super) fn submit(&mut self, from: usize, to: u64, message: Numbered) {
        let place = self.nodes[from].peers.get(&to).copied();
        let Some(to) = place.filter(|to| !self.is_cut(from, *to) && self.nodes[*to].core.is_some()) else {
            let (term, from_sequence) = (message.term, message.sequence);
            let now = self.nodes[from].clock(self.now);
            let core = self.nodes[from].core.as_mut().unwrap();
            core.input(now, Input::NotForwarded { term, from_sequence });
            return;
        };
        // A stream that breaks loses what is on its way, and nobody is told.
        let breaks = !self.is_healed && self.rng.random_range(0..100) < 4;
        let stream = self.streams.entry((from, to)).or_default();
        *stream += u64::from(breaks);
        let stream = *stream;
        let earliest = self.arrivals.get(&(from, to)).copied().unwrap_or_default();
        let at = (self.now + self.millis(20)).max(earliest);
        self.arrivals.insert((from, to), at);
        self.plan(at - self.now, Event::Submit { from, to, stream, message });
    }

    pub(super) fn submitted(&mut self, from: usize, to: usize, stream: u64, message: Numbered) {
        let Some(origin) = self.hears(to, from) else { return };
        if self.streams.get(&(from, to)).copied().unwrap_or(0) == stream {
            self.input(to, Input::Numbered { origin, message, permit: None });
        }
    }
}

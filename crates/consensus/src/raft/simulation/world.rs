//! Machines, and the order in which things happen to them.
#![allow(clippy::unwrap_used)]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use channel::block::{self, EncodedBlock};
use raft::eraftpb::Message;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    chain::{OrderError, Receipt},
    raft::{
        core::{Effect, Input},
        forwarder::Forwarding,
        pending::Numbered,
    },
};

use super::node::{LedgerBlock, LedgerJob, LogJob, Node, TICK};

pub(super) const FAULTS_END: Duration = Duration::from_secs(40);
const END: Duration = Duration::from_secs(150);

/// What is going to happen to a machine; in which life of it, where that matters.
pub(super) enum Event {
    Tick { node: usize, incarnation: u64 },
    Message { from: usize, to: usize, message: Message, active: Option<Vec<u64>> },
    Submit { from: usize, to: usize, stream: u64, message: Numbered },
    Refused { from: usize, to: usize, term: u64, sequence: u64, reason: OrderError },
    Log { node: usize, incarnation: u64 },
    Ledger { node: usize, incarnation: u64 },
    CatchUp { node: usize, incarnation: u64 },
    Wake { node: usize, incarnation: u64 },
    Follow { node: usize, incarnation: u64 },
    Suspect { node: usize, incarnation: u64 },
    Client,
    Fault,
    Restart { node: usize },
    Mend,
}

impl Event {
    /// On which machine it happens.
    fn place(&self) -> Option<usize> {
        match self {
            Self::Tick { node, .. }
            | Self::Log { node, .. }
            | Self::Ledger { node, .. }
            | Self::CatchUp { node, .. }
            | Self::Wake { node, .. }
            | Self::Follow { node, .. }
            | Self::Suspect { node, .. } => Some(*node),
            Self::Message { to, .. } | Self::Submit { to, .. } | Self::Refused { to, .. } => Some(*to),
            Self::Client | Self::Fault | Self::Restart { .. } | Self::Mend => None,
        }
    }
}

pub(super) struct Waiting {
    pub(super) text: Bytes,
    pub(super) node: usize,
    pub(super) incarnation: u64,
    pub(super) receipt: Receipt,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) rng: StdRng,
    pub(super) now: Duration,
    agenda: BinaryHeap<Reverse<(Duration, u64)>>,
    events: HashMap<u64, Event>,
    next_event: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) cut: HashSet<usize>,
    /// The life of each stream of submissions; what is on an earlier one is lost.
    pub(super) streams: HashMap<(usize, usize), u64>,
    /// When the last message of each stream arrives: they do not overtake each other.
    pub(super) arrivals: HashMap<(usize, usize), Duration>,
    /// Block hashes by number, as whoever wrote first has it.
    pub(super) chain: Vec<[u8; 32]>,
    /// Who led in which term.
    pub(super) leaders: HashMap<u64, usize>,
    pub(super) handed_in: BTreeMap<Bytes, usize>,
    /// By message, machine and which life of it promised it: those of another one may be the same
    /// occurrences.
    pub(super) kept: BTreeMap<(Bytes, usize, u64), usize>,
    pub(super) rejected: BTreeMap<Bytes, usize>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) is_healed: bool,
    pub(super) texts: u64,
}

impl World {
    /// Machines of which most order, with clients and faults.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let consenters = [1, 2, 3, 3, 3, 5][rng.random_range(0..6)];
        let size = consenters + rng.random_range(0..3);
        let mut world = Self::build(seed, rng, consenters, size);
        world.plan(Duration::from_secs(1), Event::Client);
        world.plan(Duration::from_secs(2), Event::Fault);
        world
    }

    /// Machines of which the first ones order, and nothing that is not asked for.
    pub(super) fn quiet(seed: u64, consenters: usize, size: usize) -> Self {
        let mut world = Self::build(seed, StdRng::seed_from_u64(seed), consenters, size);
        world.is_healed = true;
        world
    }

    fn build(seed: u64, mut rng: StdRng, consenters: usize, size: usize) -> Self {
        let genesis = block::new_block(0, Bytes::new(), vec![Bytes::from_static(b"t")]);
        let genesis = LedgerBlock::genesis(EncodedBlock::from_block(genesis));
        // Clocks differ in speed by up to a third.
        let rates: Vec<u32> = (0..size).map(|_| rng.random_range(860..=1140)).collect();
        let node = |place: usize| Node::new(place, consenters, genesis.clone(), rates[place]);
        let mut world = Self {
            seed,
            rng,
            now: Duration::ZERO,
            agenda: BinaryHeap::new(),
            events: HashMap::new(),
            next_event: 0,
            nodes: (0..size).map(node).collect(),
            cut: HashSet::new(),
            streams: HashMap::new(),
            arrivals: HashMap::new(),
            chain: vec![genesis.block.header_hash()],
            leaders: HashMap::new(),
            handed_in: BTreeMap::new(),
            kept: BTreeMap::new(),
            rejected: BTreeMap::new(),
            waiting: Vec::new(),
            is_healed: false,
            texts: 0,
        };
        (0..size).for_each(|node| world.boot(node));
        world
    }

    pub(super) fn plan(&mut self, after: Duration, event: Event) {
        let id = self.next_event;
        self.next_event += 1;
        self.agenda.push(Reverse((self.now + after, id)));
        self.events.insert(id, event);
    }

    pub(super) fn millis(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.rng.random_range(0..=most * 1000))
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// Starts a machine that is down, or what its ledger now makes it be.
    pub(super) fn boot(&mut self, node: usize) {
        let seed = self.seed.wrapping_mul(31).wrapping_add(node as u64);
        let now = self.now;
        self.nodes[node].boot(now, seed);
        let incarnation = self.nodes[node].incarnation;
        if self.nodes[node].core.is_none() {
            return self.plan(Duration::from_millis(100), Event::Follow { node, incarnation });
        }
        let tick = self.nodes[node].true_span(TICK);
        self.plan(tick, Event::Tick { node, incarnation });
        self.plan(Duration::from_millis(500), Event::Suspect { node, incarnation });
        self.advance(node);
    }

    pub(super) fn run_with_faults(&mut self) {
        self.run_until(FAULTS_END);
    }

    /// Everything works from here on.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.cut.clear();
        for node in 0..self.nodes.len() {
            self.nodes[node].paused_until = self.now;
            if !self.nodes[node].is_up {
                self.boot(node);
            }
        }
        while !self.is_settled() && self.now < END {
            self.run_until(self.now + Duration::from_secs(1));
        }
        self.run_until(self.now + Duration::from_secs(10));
    }

    /// Nobody waits, and all ledgers are equally long.
    pub(super) fn is_settled(&self) -> bool {
        let height = self.chain.len();
        self.waiting.is_empty() && self.nodes.iter().all(|node| node.disk.ledger.len() == height)
    }

    pub(super) fn run_until(&mut self, end: Duration) {
        while let Some(Reverse((at, id))) = self.agenda.peek().copied() {
            if at > end {
                break;
            }
            self.agenda.pop();
            self.now = at;
            let event = self.events.remove(&id).unwrap();
            // On a machine that stands still things happen later, in the same order.
            let resumes = event.place().map(|place| self.nodes[place].paused_until);
            match resumes.filter(|resumes| *resumes > at) {
                Some(resumes) => self.plan(resumes - at, event),
                None => self.happen(event),
            }
        }
        self.now = end;
    }

    pub(super) fn is_alive(&self, node: usize, incarnation: u64) -> bool {
        self.nodes[node].is_up && self.nodes[node].incarnation == incarnation
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { node, incarnation } if self.is_alive(node, incarnation) => {
                if self.chance(30) {
                    self.nodes[node].disk.durable = self.nodes[node].disk.ledger.len();
                }
                let tick = self.nodes[node].true_span(TICK);
                self.plan(tick, Event::Tick { node, incarnation });
                self.input(node, Input::Tick);
                self.nodes[node].tell_filters();
            }
            Event::Message { from, to, message, active } => self.message(from, to, message, active),
            Event::Submit { from, to, stream, message } => self.submitted(from, to, stream, message),
            Event::Refused { from, to, term, sequence, reason } if self.hears(to, from).is_some() => {
                self.input(to, Input::Refused { term, sequence, reason });
            }
            Event::Log { node, incarnation } if self.is_alive(node, incarnation) => self.log_work(node),
            Event::Ledger { node, incarnation } if self.is_alive(node, incarnation) => self.ledger_work(node),
            Event::CatchUp { node, incarnation } if self.is_alive(node, incarnation) => self.catch_up(node),
            Event::Wake { node, incarnation } if self.is_alive(node, incarnation) => self.advance(node),
            Event::Follow { node, incarnation } if self.is_alive(node, incarnation) => self.follow(node),
            Event::Suspect { node, incarnation } if self.is_alive(node, incarnation) => self.suspect(node),
            Event::Client => self.client(),
            Event::Fault => self.fault(),
            Event::Restart { node } if !self.nodes[node].is_up => self.boot(node),
            Event::Mend => self.cut.clear(),
            // It was for a life that is over.
            _ => {}
        }
        self.look_at_receipts();
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let now = self.nodes[node].clock(self.now);
        let Some(core) = &mut self.nodes[node].core else { return };
        core.input(now, input);
        // Several inputs may come together.
        if self.chance(25) {
            let (after, incarnation) = (self.millis(2), self.nodes[node].incarnation);
            self.plan(after, Event::Wake { node, incarnation });
        } else {
            self.advance(node);
        }
    }

    pub(super) fn advance(&mut self, node: usize) {
        let machine = &mut self.nodes[node];
        let now = machine.clock(self.now);
        let Some(core) = &mut machine.core else { return };
        let effects = core.advance(now);
        if core.is_leader() {
            let first = *self.leaders.entry(core.term()).or_insert(node);
            assert_eq!(first, node, "two leaders in term {}", core.term());
        }
        let deadline = core.deadline();
        let incarnation = machine.incarnation;
        if let Some(at) = deadline {
            let span = machine.true_span(at.saturating_sub(now));
            self.plan(span.max(Duration::from_millis(1)), Event::Wake { node, incarnation });
        }
        for effect in effects {
            // An effect may have ended the chain.
            if self.nodes[node].incarnation == incarnation {
                self.perform(node, effect);
            }
        }
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        let incarnation = self.nodes[node].incarnation;
        match effect {
            Effect::Persist(persist) => {
                self.nodes[node].log_jobs.push_back(LogJob::Persist(persist));
                let after = self.millis(10);
                self.plan(after, Event::Log { node, incarnation });
            }
            Effect::Write(write) => {
                self.nodes[node].ledger_jobs.push_back(LedgerJob::Write(write));
                let after = self.millis(10);
                self.plan(after, Event::Ledger { node, incarnation });
            }
            Effect::SaveSnapshot(snapshot) => {
                self.nodes[node].ledger_jobs.push_back(LedgerJob::Snapshot(snapshot));
                let after = self.millis(10);
                self.plan(after, Event::Ledger { node, incarnation });
            }
            Effect::CatchUp(snapshot) => {
                self.nodes[node].catching_up = Some(snapshot);
                let after = self.millis(300);
                self.plan(after, Event::CatchUp { node, incarnation });
            }
            Effect::Send(message) => self.send(node, message),
            Effect::Refuse { to, term, sequence, reason } => {
                // As on the wire: a status and a text.
                let reason = match reason {
                    OrderError::Rejected { .. } => reason,
                    other => OrderError::Rejected {
                        status: protos::common::Status::ServiceUnavailable,
                        text: other.to_string(),
                    },
                };
                if let Some(place) = self.nodes[node].peers.get(&to).copied()
                    && !self.is_cut(node, place)
                    && (self.is_healed || !self.chance(20))
                {
                    let after = self.millis(20);
                    self.plan(after, Event::Refused { from: node, to: place, term, sequence, reason });
                }
            }
            Effect::Forward(Forwarding { leader, message, .. }) => self.submit(node, leader, message),
            Effect::Reconfigure => self.reconfigure(node),
            Effect::Evicted => self.leave(node, None),
            Effect::Sealed => panic!("machine {node} ended"),
            Effect::Fail(reason) => panic!("machine {node} failed: {reason}"),
        }
    }
}

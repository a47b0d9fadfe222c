//! Nodes, wires, clients and the order in which things happen to them.
#![allow(clippy::unwrap_used)]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet},
    sync::atomic::Ordering,
    time::Duration,
};

use bytes::Bytes;
use channel::block::{self, EncodedBlock};
use futures::FutureExt;
use protos::{
    Message as _,
    common::{ChannelHeader, ConfigEnvelope, Envelope, Header, HeaderType, Payload},
};
use raft::eraftpb::Message;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    chain::{Kind, OrderError, Receipt, Submission},
    raft::{
        core::{Effect, Input},
        pending::{Numbered, Ticket},
    },
};

use super::node::{LedgerBlock, LedgerJob, LogJob, Node, TICK};

const FAULTS_END: Duration = Duration::from_secs(40);
const END: Duration = Duration::from_secs(100);

/// What is going to happen to a node; in which life of it, where that matters.
enum Event {
    Tick { node: usize, incarnation: u64 },
    Message { to: usize, message: Message },
    Submit { to: usize, origin: u64, stream: u64, message: Numbered },
    Refused { to: usize, term: u64, sequence: u64, reason: OrderError },
    Log { node: usize, incarnation: u64 },
    Ledger { node: usize, incarnation: u64 },
    CatchUp { node: usize, incarnation: u64 },
    Wake { node: usize, incarnation: u64 },
    Client,
    Fault,
    Restart { node: usize },
    Mend,
}

struct Waiting {
    text: Bytes,
    node: usize,
    incarnation: u64,
    receipt: Receipt,
}

pub(super) struct World {
    seed: u64,
    rng: StdRng,
    now: Duration,
    agenda: BinaryHeap<Reverse<(Duration, u64)>>,
    events: HashMap<u64, Event>,
    next_event: u64,
    nodes: Vec<Node>,
    cut: HashSet<usize>,
    /// The life of each stream of submissions; what is on an earlier one is lost.
    streams: HashMap<(u64, u64), u64>,
    /// When the last message of each stream arrives: they do not overtake each other.
    arrivals: HashMap<(u64, u64), Duration>,
    /// Block hashes by number, as whoever wrote first has it.
    chain: Vec<[u8; 32]>,
    handed_in: BTreeMap<Bytes, usize>,
    /// By message and the node that promised it: another node's may be the same occurrence.
    kept: BTreeMap<(Bytes, usize), usize>,
    rejected: BTreeMap<Bytes, usize>,
    waiting: Vec<Waiting>,
    is_healed: bool,
    texts: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let size = [1, 2, 3, 3, 3, 5][rng.random_range(0..6)];
        let genesis =
            EncodedBlock::from_block(block::new_block(0, Bytes::new(), vec![Bytes::from_static(b"t")]));
        let genesis = LedgerBlock { block: genesis.into(), metadata: Bytes::new(), is_config: false };
        let mut world = Self {
            seed,
            rng,
            now: Duration::ZERO,
            agenda: BinaryHeap::new(),
            events: HashMap::new(),
            next_event: 0,
            nodes: (1..=size as u64).map(|id| Node::new(id, size, genesis.clone())).collect(),
            cut: HashSet::new(),
            streams: HashMap::new(),
            arrivals: HashMap::new(),
            chain: vec![genesis.block.header_hash()],
            handed_in: BTreeMap::new(),
            kept: BTreeMap::new(),
            rejected: BTreeMap::new(),
            waiting: Vec::new(),
            is_healed: false,
            texts: 0,
        };
        (0..size).for_each(|node| world.boot(node));
        world.plan(Duration::from_secs(1), Event::Client);
        world.plan(Duration::from_secs(2), Event::Fault);
        world
    }

    fn plan(&mut self, after: Duration, event: Event) {
        let id = self.next_event;
        self.next_event += 1;
        self.agenda.push(Reverse((self.now + after, id)));
        self.events.insert(id, event);
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.rng.random_range(0..=most * 1000))
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn boot(&mut self, node: usize) {
        let (size, seed) = (self.nodes.len(), self.seed.wrapping_mul(31).wrapping_add(node as u64));
        self.nodes[node].boot(size, seed);
        let incarnation = self.nodes[node].incarnation;
        self.plan(TICK, Event::Tick { node, incarnation });
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
            if self.nodes[node].core.is_none() {
                self.boot(node);
            }
        }
        while !self.waiting.is_empty() && self.now < END {
            self.run_until(self.now + Duration::from_secs(1));
        }
        self.run_until(self.now + Duration::from_secs(10));
    }

    fn run_until(&mut self, end: Duration) {
        while let Some(Reverse((at, id))) = self.agenda.peek().copied() {
            if at > end {
                break;
            }
            self.agenda.pop();
            self.now = at;
            let event = self.events.remove(&id).unwrap();
            self.happen(event);
        }
        self.now = end;
    }

    fn is_alive(&self, node: usize, incarnation: u64) -> bool {
        self.nodes[node].core.is_some() && self.nodes[node].incarnation == incarnation
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { node, incarnation } if self.is_alive(node, incarnation) => {
                if self.chance(30) {
                    self.nodes[node].disk.durable = self.nodes[node].disk.ledger.len();
                }
                self.plan(TICK, Event::Tick { node, incarnation });
                self.input(node, Input::Tick);
            }
            Event::Message { to, message } => {
                let counts_submissions = true;
                self.input(to, Input::Message { message, counts_submissions });
            }
            Event::Submit { to, origin, stream, message } => {
                let id = self.nodes[to].id;
                if self.streams.get(&(origin, id)).copied().unwrap_or(0) == stream {
                    self.input(to, Input::Numbered { origin, message, permit: None });
                }
            }
            Event::Refused { to, term, sequence, reason } => {
                self.input(to, Input::Refused { term, sequence, reason });
            }
            Event::Log { node, incarnation } if self.is_alive(node, incarnation) => self.log_work(node),
            Event::Ledger { node, incarnation } if self.is_alive(node, incarnation) => self.ledger_work(node),
            Event::CatchUp { node, incarnation } if self.is_alive(node, incarnation) => self.catch_up(node),
            Event::Wake { node, incarnation } if self.is_alive(node, incarnation) => self.advance(node),
            Event::Client => self.client(),
            Event::Fault => self.fault(),
            Event::Restart { node } if self.nodes[node].core.is_none() => self.boot(node),
            Event::Mend => self.cut.clear(),
            // It was for a life that is over.
            _ => {}
        }
        self.look_at_receipts();
    }

    fn input(&mut self, node: usize, input: Input) {
        let now = self.now;
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

    fn advance(&mut self, node: usize) {
        let now = self.now;
        let Some(core) = &mut self.nodes[node].core else { return };
        let effects = core.advance(now);
        let deadline = core.deadline();
        let incarnation = self.nodes[node].incarnation;
        if let Some(at) = deadline {
            self.plan(
                at.saturating_sub(now).max(Duration::from_millis(1)),
                Event::Wake { node, incarnation },
            );
        }
        for effect in effects {
            self.perform(node, effect);
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
                let after = self.millis(20);
                if !self.is_cut(node, to as usize - 1) && (self.is_healed || !self.chance(20)) {
                    self.plan(after, Event::Refused { to: to as usize - 1, term, sequence, reason });
                }
            }
            Effect::Forward { to, message } => self.submit(node, to as usize - 1, message),
            Effect::Reconfigure => {}
            Effect::Evicted | Effect::Sealed => panic!("node {node} ended"),
            Effect::Fail(reason) => panic!("node {node} failed: {reason}"),
        }
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&a) != self.cut.contains(&b)
    }

    fn send(&mut self, from: usize, message: Message) {
        let to = message.to as usize - 1;
        let is_snapshot = crate::raft::core::is_snapshot(&message);
        let is_lost = self.is_cut(from, to) || !self.is_healed && self.chance(4);
        let is_told = is_lost && self.chance(50);
        let now = self.now;
        let core = self.nodes[from].core.as_mut().unwrap();
        if is_told {
            core.input(now, Input::Unreachable(to as u64 + 1));
        }
        if is_snapshot {
            core.input(now, Input::SnapshotSent { to: to as u64 + 1, sent: !is_told });
        }
        if is_lost {
            return;
        }
        let delay = if self.chance(3) { 400 } else { 10 };
        if !self.is_healed && self.chance(4) {
            let after = self.millis(800);
            self.plan(after, Event::Message { to, message: message.clone() });
        }
        let after = self.millis(delay);
        self.plan(after, Event::Message { to, message });
    }

    fn submit(&mut self, from: usize, to: usize, message: Numbered) {
        let (origin, target) = (self.nodes[from].id, self.nodes[to].id);
        if self.is_cut(from, to) || self.nodes[to].core.is_none() {
            let (term, from_sequence) = (message.term, message.sequence);
            let now = self.now;
            let core = self.nodes[from].core.as_mut().unwrap();
            core.input(now, Input::NotForwarded { term, from_sequence });
            return;
        }
        // A stream that breaks loses what is on its way, and nobody is told.
        let breaks = !self.is_healed && self.chance(4);
        let stream = self.streams.entry((origin, target)).or_default();
        *stream += u64::from(breaks);
        let stream = *stream;
        let earliest = self.arrivals.get(&(origin, target)).copied().unwrap_or_default();
        let at = (self.now + self.millis(20)).max(earliest);
        self.arrivals.insert((origin, target), at);
        self.plan(at - self.now, Event::Submit { to, origin, stream, message });
    }

    fn log_work(&mut self, node: usize) {
        let count = self.nodes[node].log_jobs.len();
        if count == 0 {
            return;
        }
        let mut inputs = Vec::new();
        for _ in 0..self.rng.random_range(1..=count) {
            match self.nodes[node].log_jobs.pop_front() {
                Some(LogJob::Persist(persist)) => {
                    inputs.push(Input::Persisted(persist.number));
                    self.nodes[node].disk.persist(persist);
                }
                Some(LogJob::OwnSnapshot(snapshot)) => {
                    inputs.push(Input::SnapshotSaved(snapshot.get_metadata().index));
                    self.nodes[node].disk.save_snapshot(snapshot);
                }
                None => {}
            }
        }
        if !self.nodes[node].log_jobs.is_empty() {
            let (after, incarnation) = (self.millis(10), self.nodes[node].incarnation);
            self.plan(after, Event::Log { node, incarnation });
        }
        inputs.into_iter().for_each(|input| self.input(node, input));
    }

    fn ledger_work(&mut self, node: usize) {
        match self.nodes[node].ledger_jobs.pop_front() {
            Some(LedgerJob::Write(write)) => {
                let (number, hash) = (write.block.number() as usize, write.block.header_hash());
                self.nodes[node].write(write);
                self.note_block(number, hash);
                self.input(node, Input::Written(number as u64));
            }
            Some(LedgerJob::Snapshot(snapshot)) => {
                let node_ = &mut self.nodes[node];
                node_.disk.durable = node_.disk.ledger.len();
                node_.log_jobs.push_back(LogJob::OwnSnapshot(snapshot));
                let (after, incarnation) = (self.millis(10), self.nodes[node].incarnation);
                self.plan(after, Event::Log { node, incarnation });
            }
            None => {}
        }
    }

    fn note_block(&mut self, number: usize, hash: [u8; 32]) {
        if number == self.chain.len() {
            self.chain.push(hash);
        }
        assert_eq!(self.chain.get(number), Some(&hash), "a fork or a gap at block {number}");
    }

    fn catch_up(&mut self, node: usize) {
        if !self.nodes[node].ledger_jobs.is_empty() {
            let incarnation = self.nodes[node].incarnation;
            return self.plan(Duration::from_millis(5), Event::CatchUp { node, incarnation });
        }
        let Some(snapshot) = self.nodes[node].catching_up.take() else { return };
        let last = EncodedBlock::decode(snapshot.data.clone()).unwrap().number() as usize;
        let reachable = (0..self.nodes.len()).filter(|other| *other != node && !self.is_cut(node, *other));
        let source = reachable.max_by_key(|other| self.nodes[*other].disk.ledger.len());
        let Some(source) = source.filter(|source| self.nodes[*source].disk.ledger.len() > last) else {
            self.nodes[node].catching_up = Some(snapshot);
            let incarnation = self.nodes[node].incarnation;
            return self.plan(Duration::from_millis(300), Event::CatchUp { node, incarnation });
        };
        let first = self.nodes[node].disk.ledger.len();
        let pulled: Vec<LedgerBlock> = self.nodes[source].disk.ledger[first..=last].to_vec();
        for block in pulled {
            self.note_block(block.block.number() as usize, block.block.header_hash());
            let arrived = block.block.clone();
            self.nodes[node].readable.lock().push(arrived.clone());
            self.nodes[node].disk.ledger.push(block);
            self.input(node, Input::Pulled(arrived));
        }
        let size = self.nodes.len();
        let disk = &self.nodes[node].disk;
        self.nodes[node].rules.0.store(disk.sequence(), Ordering::Relaxed);
        let (tip, membership) = (disk.tip(), disk.membership(size));
        self.input(node, Input::CaughtUp { snapshot, tip, membership });
    }

    fn client(&mut self) {
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
        let config_sequence = self.nodes[node].rules.0.load(Ordering::Relaxed);
        let kind = if number.is_multiple_of(60) { Kind::Config } else { Kind::Normal };
        let envelope = match kind {
            Kind::Normal => Bytes::from(format!("tx {number}")),
            Kind::Config => config_transaction(number),
        };
        *self.handed_in.entry(envelope.clone()).or_default() += 1;
        let submission = Submission { kind, size_bytes: 100, envelope: envelope.clone(), config_sequence };
        let (sender, receipt) = Receipt::channel();
        let incarnation = self.nodes[node].incarnation;
        self.waiting.push(Waiting { text: envelope, node, incarnation, receipt });
        self.input(node, Input::Submit(submission, Ticket { receipt: Some(sender), permit: None }));
    }

    fn look_at_receipts(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting { text, node, incarnation, mut receipt } = waiting;
            match receipt.outcome().now_or_never() {
                Some(Ok(_)) => *self.kept.entry((text, node)).or_default() += 1,
                Some(Err(OrderError::Rejected { .. })) => *self.rejected.entry(text).or_default() += 1,
                // The node crashed, and with it who waited.
                Some(Err(_)) => assert!(!self.is_alive(node, incarnation), "a receipt was dropped"),
                None => self.waiting.push(Waiting { text, node, incarnation, receipt }),
            }
        }
    }

    fn fault(&mut self) {
        if self.now >= FAULTS_END {
            return;
        }
        let after = self.millis(4000);
        self.plan(after, Event::Fault);
        let node = self.rng.random_range(0..self.nodes.len());
        match self.rng.random_range(0..5) {
            0 | 1 => {
                if self.nodes[node].core.is_some() {
                    let kept = self.rng.random_range(0..=self.nodes[node].log_jobs.len());
                    let blocks = self.rng.random_range(0..4);
                    self.nodes[node].crash(kept, blocks);
                    let after = self.millis(6000);
                    self.plan(after, Event::Restart { node });
                }
            }
            2 => {
                self.cut = (0..self.nodes.len()).filter(|_| self.rng.random_bool(0.4)).collect();
                let after = self.millis(8000);
                self.plan(after, Event::Mend);
            }
            3 => {
                for node in 0..self.nodes.len() {
                    if self.nodes[node].core.is_some() && self.chance(70) {
                        self.nodes[node].crash(0, 0);
                        let after = self.millis(1500);
                        self.plan(after, Event::Restart { node });
                    }
                }
            }
            _ => self.input(node, Input::TransferLeadership),
        }
    }

    pub(super) fn check(&self) {
        for waiting in &self.waiting {
            eprintln!("{:?} waits at node {}", waiting.text, self.nodes[waiting.node].id);
        }
        assert!(self.waiting.is_empty(), "{} wait in vain", self.waiting.len());
        let longest = self.nodes.iter().map(|node| node.disk.ledger.len()).max().unwrap();
        assert!(self.nodes.iter().all(|node| node.disk.ledger.len() == longest), "a node stays behind");
        let mut in_chain: BTreeMap<Bytes, usize> = BTreeMap::new();
        let ledger = &self.nodes[0].disk.ledger;
        for text in ledger.iter().skip(1).flat_map(|block| block.block.data()) {
            *in_chain.entry(text.clone()).or_default() += 1;
        }
        for ((text, _), count) in &self.kept {
            assert!(in_chain.get(text).unwrap_or(&0) >= count, "kept and missing: {text:?}");
        }
        for (text, count) in &in_chain {
            let rejected = self.rejected.get(text).unwrap_or(&0);
            let handed_in = self.handed_in[text];
            assert!(
                *count + rejected <= handed_in,
                "{text:?} was handed in {handed_in} times, is there {count} times, rejected {rejected} times"
            );
        }
        assert!(in_chain.len() > 20, "only {} messages were ordered", in_chain.len());
        // The metadata of consenters is the same everywhere, as Fabric's are.
        for node in &self.nodes {
            for (block, other) in ledger.iter().zip(&node.disk.ledger) {
                assert_eq!(block.metadata, other.metadata, "block {}", block.block.number());
            }
        }
    }
}

/// A configuration that changes nothing about the consenters.
fn config_transaction(number: u64) -> Bytes {
    let last_update = Envelope { payload: Bytes::new(), signature: Bytes::from(format!("update {number}")) };
    let config = ConfigEnvelope { config: None, last_update: Some(last_update) };
    let header = ChannelHeader { r#type: HeaderType::Config as i32, ..ChannelHeader::default() };
    let header = Header { channel_header: header.encode_to_vec().into(), signature_header: Bytes::new() };
    let payload = Payload { header: Some(header), data: config.encode_to_vec().into() };
    Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() }.encode_to_vec().into()
}

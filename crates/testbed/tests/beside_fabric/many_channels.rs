//! Many channels of the same nodes. The heartbeats of all of them, from one of our nodes to another node,
//! share a stream, of whatever kind the other one is.

use bytes::Bytes;
use cli::sandbox::material;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use testbed::ledgers;
use testbed::load::Load;
use testbed::network::NetworkOptions;
use testbed::wait;

use crate::mixed::{Mixed, with_seeds};

/// Channels that all nodes serve, besides the one that every network has.
const CHANNELS: usize = 11;
/// Heartbeats from one node to another that tell that their shared stream works: some of each channel.
const MANY_HEARTBEATS: f64 = 100.0;
/// A channel that one of its consenters does not serve.
const PARTIAL: &str = "partial";
const LIMIT: Duration = Duration::from_secs(60);

/// What all the channels are made of, with a light load on each.
struct Many<'a> {
    mixed: &'a mut Mixed,
    started: Instant,
    /// Which nodes serve each channel.
    channels: BTreeMap<String, Vec<usize>>,
    /// One to each node in each channel.
    loads: BTreeMap<(String, usize), Load>,
    /// By ours.
    acknowledged: BTreeMap<String, BTreeSet<Bytes>>,
}

impl<'a> Many<'a> {
    /// Joins the nodes to their channels. One channel is of all nodes but one, which is its consenter all
    /// the same, and refuses what the others send it.
    fn join(mixed: &'a mut Mixed) -> Self {
        let all = mixed.network.serving();
        let mut channels: BTreeMap<String, Vec<usize>> =
            (0..CHANNELS).map(|number| (format!("many{number}"), all.clone())).collect();
        let without = mixed.any();
        let mut partial = all.clone();
        partial.retain(|node| *node != without);
        println!("node {without} does not serve the channel {PARTIAL}");
        channels.insert(PARTIAL.to_owned(), partial);
        for (name, serving) in &channels {
            let genesis = material::genesis_block(mixed.network.layout(), name).unwrap();
            mixed.network.turn_to(name, serving);
            mixed.network.join_all(&genesis);
        }
        channels.insert("ch1".to_owned(), all);
        Self {
            mixed,
            started: Instant::now(),
            channels,
            loads: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
        }
    }

    /// Does this with each channel.
    fn each(&mut self, mut act: impl FnMut(&mut Self, &str)) {
        for (name, serving) in self.channels.clone() {
            self.mixed.network.turn_to(&name, &serving);
            act(self, &name);
        }
        self.mixed.network.turn_to("ch1", &self.channels["ch1"]);
    }

    fn load(&mut self) {
        self.each(|many, name| {
            let network = &many.mixed.network;
            for node in network.serving() {
                let start =
                    || Load::trickle(network.runtime(), &[network.endpoint(node).clone()], network.signer());
                many.loads.entry((name.to_owned(), node)).or_insert_with(start);
            }
        });
    }

    fn stop_load(&mut self, node: usize) {
        let is_fabric = self.mixed.is_fabric(node);
        for (name, _) in self.channels.clone() {
            let Some(load) = self.loads.remove(&(name.clone(), node)) else { continue };
            let acknowledged = load.stop(self.mixed.network.runtime());
            if !is_fabric {
                self.acknowledged.entry(name).or_default().extend(acknowledged);
            }
        }
    }

    /// Waits until each channel has ordered more through each of our nodes.
    fn progress(&mut self) {
        let mut ours = BTreeMap::new();
        for ((name, node), load) in &self.loads {
            if !self.mixed.is_fabric(*node) {
                ours.insert((name.clone(), *node), load.acknowledged_count() + 2);
            }
        }
        wait::until_or(LIMIT, || {
            ours.retain(|place, count| self.loads[place].acknowledged_count() < *count);
            ours.is_empty().then_some(())
        })
        .unwrap_or_else(|| panic!("nothing is ordered in and through {:?}", ours.keys()));
    }

    /// How often the leader of any channel has changed, as all nodes saw it.
    fn leader_changes(&self) -> f64 {
        self.sum_of_all("consensus_etcdraft_leader_changes")
    }

    fn sum_of_all(&self, name: &str) -> f64 {
        let network = &self.mixed.network;
        let nodes = 0..network.len();
        nodes.map(|node| sum(&network.metrics(node), |line| line.starts_with(name))).sum()
    }

    /// From one of our nodes to another, in any direction of leadership: how many heartbeats have left on
    /// the shared stream.
    fn shared_heartbeats(&mut self) -> BTreeMap<(usize, usize), f64> {
        let mut counts = BTreeMap::new();
        let nodes = 0..self.mixed.network.len();
        let metrics: Vec<String> = nodes.clone().map(|node| self.mixed.network.metrics(node)).collect();
        let leads =
            |node: usize| sum(&metrics[node], |line| line.starts_with("consensus_etcdraft_is_leader"));
        for (from, to) in nodes.clone().flat_map(|from| nodes.clone().map(move |to| (from, to))) {
            // A consenter has heartbeats for whom it leads, and for who leads it.
            if from == to || self.mixed.is_fabric(from) || leads(from) + leads(to) == 0.0 {
                continue;
            }
            let host = format!("host=\"{}\"", self.mixed.network.layout().nodes[to].address());
            let is_shared = |line: &str| {
                line.starts_with("cluster_comm_msg_send_time_count")
                    && line.contains(&host)
                    && line.contains("channel=\"-\"")
            };
            counts.insert((from, to), sum(&metrics[from], is_shared));
        }
        counts
    }

    /// Waits until all nodes know that all are up, and then until many heartbeats have gone wherever they
    /// must go while no channel got another leader.
    fn settles(&mut self) {
        self.each(|many, name| {
            let network = &many.mixed.network;
            let serving = network.serving();
            let count = Some(serving.len() as f64);
            let counts = || {
                serving.iter().map(|node| network.channel_metric(*node, "consensus_etcdraft_active_nodes"))
            };
            wait::until_or(LIMIT, || counts().all(|active| active == count).then_some(())).unwrap_or_else(
                || panic!("not all of {name} are active, by {serving:?}: {:?}", counts().collect::<Vec<_>>()),
            );
        });
        let (mut changes, mut before) = (self.leader_changes(), self.shared_heartbeats());
        let mut now = before.clone();
        wait::until_or(LIMIT, || {
            now = self.shared_heartbeats();
            if self.leader_changes() != changes || !now.keys().eq(before.keys()) {
                println!("{:?} leaders change", self.started.elapsed());
                (changes, before) = (self.leader_changes(), now.clone());
                return None;
            }
            now.iter().all(|(pair, count)| *count >= before[pair] + MANY_HEARTBEATS).then_some(())
        })
        .unwrap_or_else(|| panic!("no heartbeats, or no leaders that stay: {now:?}, from {before:?} on"));
        println!("{:?} heartbeats on shared streams: {now:?}", self.started.elapsed());
    }

    /// A node goes on as one of the other kind.
    fn swap(&mut self, node: usize) {
        let program = if self.mixed.is_fabric(node) { None } else { Some(self.mixed.fabric.clone()) };
        let is_killed = self.mixed.random.random_bool(0.3);
        println!(
            "{:?} {} node {node} becomes the other kind's, killed: {is_killed}",
            self.started.elapsed(),
            self.mixed.kind(node)
        );
        self.stop_load(node);
        match is_killed {
            true => self.mixed.network.node(node).kill(),
            false => _ = self.mixed.network.node(node).terminate(),
        }
        self.mixed.network.node(node).options_mut().program = program;
        self.mixed.start_all();
        self.each(|many, _| {
            if many.mixed.network.serving().contains(&node) {
                many.mixed.catches_up(node);
            }
        });
        self.load();
    }

    fn check(mut self) {
        (0..self.mixed.network.len()).for_each(|node| self.stop_load(node));
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let (mut kept, mut blocks, mut doubled) = (0, 0, 0);
        self.each(|many, name| {
            many.mixed.network.order_through_all();
            let found = ledgers::check_beside_others(&many.mixed.network, &acknowledged[name]);
            kept += acknowledged[name].len();
            blocks += found.blocks;
            doubled += found.doubled.len();
            found.doubled.iter().for_each(|(data, blocks)| {
                println!("{name}, doubled: {:?} in {blocks:?}", String::from_utf8_lossy(data).trim_end());
            });
        });
        println!(
            "{:?} all channels: {kept} acknowledged by ours, {blocks} blocks, {doubled} doubled",
            self.started.elapsed()
        );
    }
}

/// The sum of samples.
fn sum(metrics: &str, which: impl Fn(&str) -> bool) -> f64 {
    let samples = metrics.lines().filter(|line| which(line));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// Every node goes on as one of the other kind, and then again as what it was, one after the other and
/// under load.
#[test]
fn nodes_that_share_many_channels_are_replaced_in_both_directions() {
    let two_of_each = |random: &mut StdRng| {
        let of_fabric = rand::seq::index::sample(random, 4, 2).into_vec();
        let tick = Some(Duration::from_millis(100));
        (NetworkOptions { nodes: 4, tick, ..NetworkOptions::default() }, of_fabric)
    };
    with_seeds(
        "nodes_that_share_many_channels_are_replaced_in_both_directions",
        |mixed| {
            (0..mixed.network.len()).for_each(|node| mixed.stop_load(node));
            let mut many = Many::join(mixed);
            many.load();
            many.progress();
            many.settles();
            for _ in 0..2 {
                let mut nodes: Vec<usize> = (0..many.mixed.network.len()).collect();
                nodes.shuffle(&mut many.mixed.random);
                for node in nodes {
                    many.swap(node);
                    many.progress();
                }
                many.settles();
            }
            many.check();
        },
        two_of_each,
    );
}

//! A channel of both kinds of nodes under load, and what must hold of it in the end.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use storage::snapshot::SnapshotStore;
use storage::wal::Wal;
use testbed::ledgers;
use testbed::load::Load;
use testbed::network::{Network, NetworkOptions};
use testbed::wait;

const DEFAULT_SEEDS: u64 = 1;

pub(crate) fn fabric_orderer() -> Option<PathBuf> {
    let path = std::env::var_os("CAUSEWAY_FABRIC_ORDERER").map(PathBuf::from);
    if path.is_none() {
        println!("skipped: CAUSEWAY_FABRIC_ORDERER names no orderer of Fabric");
    }
    path
}

/// A channel of both, under load.
pub(crate) struct Mixed {
    pub(crate) network: Network,
    pub(crate) fabric: PathBuf,
    pub(crate) random: StdRng,
    /// One to each node; what ours answer counts, what Fabric's answer does not.
    pub(crate) loads: BTreeMap<usize, Load>,
    acknowledged: BTreeSet<Bytes>,
}

/// Runs a scenario with each seed, on a network whose nodes join one channel.
pub(crate) fn with_seeds(
    name: &str,
    scenario: impl Fn(&mut Mixed),
    options: impl Fn(&mut StdRng) -> (NetworkOptions, Vec<usize>),
) {
    with_seeds_on(Network::start, name, scenario, options);
}

/// As [`with_seeds`], on a network that is started otherwise.
pub(crate) fn with_seeds_on(
    start: impl Fn(&NetworkOptions) -> Network,
    name: &str,
    scenario: impl Fn(&mut Mixed),
    options: impl Fn(&mut StdRng) -> (NetworkOptions, Vec<usize>),
) {
    let Some(fabric) = fabric_orderer() else { return };
    let only = std::env::var("CAUSEWAY_SEED").ok().and_then(|seed| seed.parse().ok());
    let count = std::env::var("CAUSEWAY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(DEFAULT_SEEDS);
    let seeds = only.map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        println!("again alone: CAUSEWAY_SEED={seed} cargo xtask test -p testbed --test beside_fabric {name}");
        let mut random = StdRng::seed_from_u64(seed);
        let (mut options, of_fabric) = options(&mut random);
        options.programs = of_fabric.iter().map(|node| (*node, fabric.clone())).collect();
        println!(
            "{name}, seed {seed}: {} nodes, Fabric's: {of_fabric:?}",
            options.nodes + options.spare_nodes
        );
        let network = start(&options);
        let mut mixed = Mixed {
            network,
            fabric: fabric.clone(),
            random,
            loads: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
        };
        mixed.load();
        mixed.progress();
        scenario(&mut mixed);
        let (acknowledged, blocks, doubled) = mixed.check();
        println!(
            "{name}, seed {seed}: {acknowledged} acknowledged by ours, {blocks} blocks, {doubled} doubled"
        );
    }
}

/// Three to five nodes, some of them Fabric's, never all.
pub(crate) fn any_mix(random: &mut StdRng) -> (NetworkOptions, Vec<usize>) {
    let nodes = random.random_range(3..=5_u16);
    let count = random.random_range(1..usize::from(nodes));
    let of_fabric = rand::seq::index::sample(random, nodes.into(), count).into_vec();
    (NetworkOptions { nodes, ..NetworkOptions::default() }, of_fabric)
}

/// As [`any_mix`], and a spare node of each kind.
pub(crate) fn one_more_of_each(random: &mut StdRng) -> (NetworkOptions, Vec<usize>) {
    let (options, mut of_fabric) = any_mix(random);
    of_fabric.push(usize::from(options.nodes) + random.random_range(0..2));
    (NetworkOptions { spare_nodes: 2, ..options }, of_fabric)
}

impl Mixed {
    pub(crate) fn is_fabric(&mut self, node: usize) -> bool {
        self.network.node(node).options_mut().program.is_some()
    }

    pub(crate) fn kind(&mut self, node: usize) -> &'static str {
        if self.is_fabric(node) { "Fabric's" } else { "our" }
    }

    /// Sends to all nodes that serve and are not sent to yet.
    pub(crate) fn load(&mut self) {
        for node in self.network.serving() {
            let endpoint = self.network.endpoint(node).clone();
            let (runtime, signer) = (self.network.runtime(), self.network.signer());
            self.loads.entry(node).or_insert_with(|| Load::start(runtime, &[endpoint], signer));
        }
    }

    /// Waits until a node has what the others have now.
    pub(crate) fn catches_up(&mut self, node: usize) {
        let height = wait::until("a node to deliver", Duration::from_secs(60), || {
            self.network.serving().into_iter().filter_map(|other| self.network.height(other)).max()
        });
        wait::until("a node to catch up", Duration::from_secs(60), || {
            self.network.height(node).filter(|reached| *reached >= height)
        });
    }

    /// Sends to a node no more. What it acknowledged must be kept if it is one of ours.
    pub(crate) fn stop_load(&mut self, node: usize) {
        let Some(load) = self.loads.remove(&node) else { return };
        let acknowledged = load.stop(self.network.runtime());
        if !self.is_fabric(node) {
            self.acknowledged.extend(acknowledged);
        }
    }

    fn stop_all_load(&mut self) {
        (0..self.network.len()).for_each(|node| self.stop_load(node));
    }

    /// Waits until more of what was sent to ours, or while none of ours runs to Fabric's, is acknowledged.
    pub(crate) fn progress(&mut self) {
        let mut running: Vec<usize> = self.loads.keys().copied().collect();
        running.retain(|node| self.network.node(*node).is_running());
        let (of_fabric, ours): (Vec<usize>, Vec<usize>) =
            running.into_iter().partition(|node| self.is_fabric(*node));
        let watched = if ours.is_empty() { of_fabric } else { ours };
        let count = || watched.iter().map(|node| self.loads[node].acknowledged_count()).sum::<usize>();
        let before = count();
        wait::until("transactions to be acknowledged", Duration::from_secs(60), || {
            (count() >= before + 50).then_some(())
        });
    }

    pub(crate) fn any(&mut self) -> usize {
        let serving = self.network.serving();
        serving[self.random.random_range(0..serving.len())]
    }

    pub(crate) fn any_but(&mut self, other: usize) -> usize {
        wait::until("another node", Duration::from_secs(1), || Some(self.any()).filter(|node| *node != other))
    }

    /// Starts what was killed. Fabric's orderer does not start on a log whose last record a kill cut
    /// short (it looks for an error that its etcd wraps), so that is cut off for it.
    pub(crate) fn start_all(&mut self) {
        for node in 0..self.network.len() {
            if self.is_fabric(node) && !self.network.node(node).is_running() {
                cut_torn_logs(&self.network.node(node).directory().join("data/etcdraft"));
            }
        }
        self.network.start_all();
    }

    pub(crate) fn moment(&mut self) {
        std::thread::sleep(Duration::from_millis(self.random.random_range(0..300)));
    }

    pub(crate) fn check(&mut self) -> (usize, usize, usize) {
        self.network.heal();
        self.start_all();
        self.stop_all_load();
        // What Fabric's nodes acknowledge need not be in the chain yet.
        self.network.order_through_all();
        let found = ledgers::check_beside_others(&self.network, &self.acknowledged);
        for (data, blocks) in &found.doubled {
            println!("doubled: {:?} in {blocks:?}", String::from_utf8_lossy(data).trim_end());
        }
        if !found.without_metadata.is_empty() {
            println!("without consenter metadata at some node of Fabric's: {:?}", found.without_metadata);
        }
        (self.acknowledged.len(), found.blocks, found.doubled.len())
    }
}

/// Opens the logs of all channels once, which repairs them.
fn cut_torn_logs(raft: &Path) {
    for log in fs::read_dir(raft.join("wal")).into_iter().flatten().flatten() {
        let mut snapshots = SnapshotStore::open(&raft.join("snapshot").join(log.file_name())).unwrap();
        let snapshot = snapshots.load_newest_good().unwrap().and_then(|snapshot| snapshot.metadata);
        let from = snapshot.map(|metadata| (metadata.index(), metadata.term()));
        let (_, contents) = Wal::open(&log.path(), from).unwrap();
        contents.repaired.iter().for_each(|repaired| println!("{repaired}"));
    }
}

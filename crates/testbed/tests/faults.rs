//! The promises under faults: nothing acknowledged is lost, no fork, no gap, nothing doubled,
//! and the network orders again. Each scenario runs with several seeds (`CAUSEWAY_SEEDS`).
#![allow(clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testbed::load::Load;
use testbed::network::{Network, NetworkOptions};
use testbed::{ledgers, wait};

const DEFAULT_SEEDS: u64 = 2;

/// Runs a scenario under load with each seed: the scenario does its harm, then everything is
/// mended, and the chains are checked.
fn under_load(name: &str, options: &NetworkOptions, harm: impl Fn(&mut Network, &Load, &mut StdRng)) {
    let only = std::env::var("CAUSEWAY_SEED").ok().and_then(|seed| seed.parse().ok());
    let count = std::env::var("CAUSEWAY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(DEFAULT_SEEDS);
    let seeds = only.map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        println!("again alone: CAUSEWAY_SEED={seed} cargo xtask test -p testbed --test faults {name}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut network = Network::start(options);
        let load = Load::start(network.runtime(), &network.endpoints(), network.signer());
        progress(&load);
        harm(&mut network, &load, &mut random);
        network.heal();
        network.start_all();
        let mut acknowledged = load.stop(network.runtime());
        acknowledged.extend(network.order_through_all());
        let blocks = ledgers::check(&network, &acknowledged);
        println!("{name}, seed {seed}: {} acknowledged, {blocks} blocks", acknowledged.len());
    }
}

/// Waits until some more transactions are acknowledged.
fn progress(load: &Load) {
    let before = load.acknowledged_count();
    wait::until("transactions to be acknowledged", Duration::from_secs(60), || {
        (load.acknowledged_count() >= before + 50).then_some(())
    });
}

fn any(network: &Network, random: &mut StdRng) -> usize {
    random.random_range(0..network.len())
}

fn follower(network: &Network, random: &mut StdRng) -> usize {
    let leader = network.wait_for_leader();
    (leader + random.random_range(1..network.len())) % network.len()
}

/// A moment that the seed chooses, while the load goes on.
fn moment(random: &mut StdRng) {
    std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
}

#[test]
fn fault_kill_the_leader() {
    under_load("fault_kill_the_leader", &NetworkOptions::default(), |network, load, random| {
        for _ in 0..2 {
            let leader = network.wait_for_leader();
            moment(random);
            network.node(leader).kill();
            network.wait_for_leader_other_than(leader);
            progress(load);
            network.start_all();
        }
    });
}

#[test]
fn fault_kill_a_follower() {
    under_load("fault_kill_a_follower", &NetworkOptions::default(), |network, load, random| {
        let node = follower(network, random);
        moment(random);
        network.node(node).kill();
        progress(load);
        network.start_all();
        progress(load);
    });
}

#[test]
fn fault_kill_all() {
    under_load("fault_kill_all", &NetworkOptions::default(), |network, load, random| {
        for _ in 0..2 {
            moment(random);
            for node in 0..network.len() {
                network.node(node).kill();
            }
            network.start_all();
            progress(load);
        }
    });
}

#[test]
fn fault_pause_and_continue() {
    under_load("fault_pause_and_continue", &NetworkOptions::default(), |network, load, random| {
        let leader = network.wait_for_leader();
        moment(random);
        network.node(leader).pause();
        network.wait_for_leader_other_than(leader);
        progress(load);
        network.node(leader).resume();
        let node = any(network, random);
        moment(random);
        network.node(node).pause();
        moment(random);
        network.node(node).resume();
        progress(load);
    });
}

#[test]
fn fault_partitioned_leader() {
    let options = NetworkOptions { proxied: true, ..NetworkOptions::default() };
    under_load("fault_partitioned_leader", &options, |network, load, random| {
        for _ in 0..2 {
            let leader = network.wait_for_leader();
            moment(random);
            network.isolate(leader);
            network.wait_for_leader_other_than(leader);
            progress(load);
            network.heal();
            progress(load);
        }
    });
}

#[test]
fn fault_torn_log_and_block_file() {
    under_load("fault_torn_log_and_block_file", &NetworkOptions::default(), |network, load, random| {
        for tear in [tear_log, tear_block_file] {
            let node = any(network, random);
            moment(random);
            network.node(node).kill();
            let directory = network.node(node).directory().to_owned();
            tear(&directory, random);
            network.start_all();
            progress(load);
        }
    });
}

/// The disk is full, as far as one node can see: no file may grow beyond what it has now. The others
/// go on; with room again the node comes back. At most the tail that was being written is cut off.
#[test]
fn fault_full_disk() {
    under_load("fault_full_disk", &NetworkOptions::default(), |network, load, random| {
        let node = any(network, random);
        moment(random);
        network.node(node).kill();
        let directory = network.node(node).directory().to_owned();
        let largest =
            find(&directory, "").iter().map(|file| fs::metadata(file).unwrap().len()).max().unwrap();
        network.node(node).options_mut().file_size_limit_bytes =
            Some(largest + random.random_range(1..20_000));
        network.node(node).start();
        progress(load);
        // It refuses to go on, says so, and lives: there may be other channels on other disks.
        wait::until("the node to report its disk", Duration::from_secs(60), || {
            let health = network.health(node).unwrap_or_default();
            health.contains("File too large").then_some(())
        });
        assert!(network.node(node).is_running());
        progress(load);
        network.node(node).kill();
        network.node(node).options_mut().file_size_limit_bytes = None;
        network.start_all();
        progress(load);
    });
}

/// An orderly stop of the leader hands leadership over: the others order on without an election
/// timeout, which is far longer here than the whole test may take.
#[test]
fn orderly_stop_hands_leadership_over() {
    let options = NetworkOptions { tick: Some(Duration::from_secs(2)), ..NetworkOptions::default() };
    let mut network = Network::start(&options);
    let load = Load::start(network.runtime(), &network.endpoints(), network.signer());
    progress(&load);
    let leader = network.wait_for_leader();
    let stopped = Instant::now();
    assert!(network.node(leader).terminate().success());
    network.wait_for_leader_other_than(leader);
    progress(&load);
    let election_timeout = Duration::from_secs(20);
    assert!(stopped.elapsed() < election_timeout, "it took an election: {:?}", stopped.elapsed());
    network.start_all();
    let mut acknowledged = load.stop(network.runtime());
    acknowledged.extend(network.order_through_all());
    ledgers::check(&network, &acknowledged);
}

/// A write to the log that a crash cut short: the head of a record of which the rest is missing.
fn tear_log(node: &Path, random: &mut StdRng) {
    let segment = newest(&find(node, ".wal"));
    let mut frame = 400_u64.to_le_bytes().to_vec();
    frame.extend((0..400).map(|_| random.random::<u8>()));
    frame.truncate(random.random_range(1..300));
    OpenOptions::new().append(true).open(segment).unwrap().write_all(&frame).unwrap();
}

/// A write to the block file that a crash cut short: a length, and less than that many bytes.
fn tear_block_file(node: &Path, random: &mut StdRng) {
    let file = newest(&find(node, "blockfile_000000"));
    let mut record = vec![0xf4, 0x03];
    record.extend((0..500).map(|_| random.random::<u8>()));
    record.truncate(random.random_range(1..500));
    OpenOptions::new().append(true).open(file).unwrap().write_all(&record).unwrap();
}

fn newest(paths: &[PathBuf]) -> PathBuf {
    paths.iter().max().unwrap().clone()
}

/// The files below `folder` whose names end in `ending`.
fn find(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(find(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

//! Raft cores on simulated disks and wires, under a seeded scheduler.
//!
//! Messages are lost, doubled, delayed and overtake each other; streams of submissions break; machines
//! are cut off, stand still, and crash, losing what was not flushed and keeping any part of what was
//! being written; their clocks run at different speeds. Meanwhile clients hand in messages, and
//! consenters are added, removed, given other certificates and options. What must hold: no two leaders
//! in a term, no two blocks with one number, no gap, no message kept that is then missing, none rejected
//! that is there, none there more often than it was handed in; and after everything has healed,
//! everybody who waits is told, all ledgers are equal, and those order whom the configuration names,
//! under the raft ids that it gives them.
//!
//! `CAUSEWAY_SIMULATION_SEEDS` says how many seeds are run (otherwise 400 at most, and after the first
//! 40 no more than fit into a quarter of a minute); `CAUSEWAY_SIMULATION_SEED` runs one.

mod clients;
mod consenters;
mod disks;
mod faults;
mod node;
mod promises;
mod regressions;
mod wires;
mod world;

use std::time::{Duration, Instant};

use world::World;

/// Runs one seed to its end.
fn run(seed: u64) {
    let mut world = World::new(seed);
    world.run_with_faults();
    world.heal();
    world.check();
    world.check_progress();
}

/// Whether a seed breaks a promise; says at once which command shows it again.
fn fails(seed: u64) -> bool {
    let fails = std::panic::catch_unwind(|| run(seed)).is_err();
    if fails {
        eprintln!("CAUSEWAY_SIMULATION_SEED={seed} cargo test -p consensus seeds_keep_every_promise");
    }
    fails
}

#[test]
fn seeds_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("CAUSEWAY_SIMULATION_SEED") {
        return run(seed);
    }
    let wanted = number("CAUSEWAY_SIMULATION_SEEDS");
    let seeds = wanted.unwrap_or(400);
    let begun = Instant::now();
    let is_due = |seed: u64| wanted.is_some() || seed < 40 || begun.elapsed() < Duration::from_secs(15);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let runners: Vec<_> = (0..threads)
            .map(|first| {
                let is_due = &is_due;
                scope.spawn(move || {
                    let mine = (first..seeds).step_by(threads as usize).take_while(|seed| is_due(*seed));
                    mine.filter(|seed| fails(*seed)).collect::<Vec<_>>()
                })
            })
            .collect();
        runners.into_iter().flat_map(|runner| runner.join().unwrap_or_default()).collect()
    });
    assert!(failed.is_empty(), "{} of {seeds} seeds failed", failed.len());
}

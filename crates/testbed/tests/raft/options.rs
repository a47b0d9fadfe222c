//! `Consensus` of `orderer.yaml`, and the Raft options in a channel's config.

use std::fs;
use std::path::Path;

use protos::etcdraft::Options;
use testbed::channel_config::change_raft;
use testbed::material::set_key;
use testbed::network::{Network, NetworkOptions};
use testbed::wait;

use crate::{marks, restart_with, settings};

fn names(folder: &Path) -> Vec<String> {
    let entries: Vec<_> = fs::read_dir(folder).map(|entries| entries.flatten().collect()).unwrap_or_default();
    entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// What is wrong with the options, as an operator does it.
type Mistake = fn(&mut Options);

#[test]
fn options_are_checked_and_one_changes_at_run_time() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name).display().to_string();
    let (wal, snapshots) = (path("wal"), path("snapshots"));
    let environment = settings(&[("CONSENSUS_WALDIR", &wal), ("CONSENSUS_SNAPDIR", &snapshots)]);
    let genesis = |config: &mut _| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().tick_interval = "50ms".into())
    };
    let mut network = Network::start(&NetworkOptions {
        nodes: 1,
        tick: None,
        genesis,
        environment,
        ..NetworkOptions::default()
    });
    let wrong: [(Mistake, &str); 7] = [
        (
            |o| o.heartbeat_tick = 0,
            "none of HeartbeatTick (0), ElectionTick (10) and MaxInflightBlocks (5) can be zero",
        ),
        (
            |o| o.election_tick = 0,
            "none of HeartbeatTick (1), ElectionTick (0) and MaxInflightBlocks (5) can be zero",
        ),
        (
            |o| o.max_inflight_blocks = 0,
            "none of HeartbeatTick (1), ElectionTick (10) and MaxInflightBlocks (0) can be zero",
        ),
        (|o| o.heartbeat_tick = 10, "ElectionTick (10) must be greater than HeartbeatTick (10)"),
        (
            |o| o.tick_interval = "often".into(),
            "failed to parse TickInterval (often) to time duration: time: invalid duration \"often\"",
        ),
        (|o| o.tick_interval = "0s".into(), "TickInterval cannot be zero"),
        (
            |o| o.tick_interval = "500".into(),
            "failed to parse TickInterval (500) to time duration: time: missing unit in duration \"500\"",
        ),
    ];
    let prefix = "BAD_REQUEST: error applying config update to existing channel 'ch1': consensus metadata update for channel config update is invalid: invalid new config metadata: ";
    for (mistake, text) in wrong {
        let answer = network.try_update(0, |config| {
            change_raft(config, |raft| mistake(raft.options.as_mut().unwrap()));
        });
        assert_eq!(answer, format!("{prefix}{text}"));
    }
    assert_eq!(network.settled_height(), 1);

    // Snapshots by bytes, from the moment that the option changes.
    let (wal, snapshots) = (elsewhere.path().join("wal/ch1"), elsewhere.path().join("snapshots/ch1"));
    network.order_through(0);
    assert!(names(&snapshots).is_empty(), "{:?}", names(&snapshots));
    assert!(names(&wal).iter().any(|name| name.ends_with(".wal")), "{:?}", names(&wal));
    network.reconfigure(0, |config| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().snapshot_interval_size = 1024);
    });
    network.node(0).wait_for_log("Update snapshot interval size to 1024 bytes (was 16777216)", 0);
    for _ in 0..6 {
        network.order_through(0);
    }
    wait::until("snapshots, the newest four of them", std::time::Duration::from_secs(30), || {
        (names(&snapshots).iter().filter(|name| name.ends_with(".snap")).count() == 4).then_some(())
    });
    assert!(network.channel_metric(0, "consensus_etcdraft_snapshot_block_number").unwrap() >= 4.0);
    let log = network.node(0).log();
    for text in [
        "Accumulated ",
        "bytes since last snapshot, exceeding size limit (1024 bytes), taking snapshot at block [",
        "Persisting snapshot (term: ",
        "Snapshot is taken at index ",
        "EvictionSuspicion not set, defaulting to 10m0s",
    ] {
        assert!(log.contains(text), "{text}");
    }

    // The tick is the node's own affair where it says so.
    let marks = marks(&mut network);
    let directory = network.node(0).directory().to_owned();
    set_key(&directory, "Consensus", "TickIntervalOverride", "642ms");
    set_key(&directory, "Consensus", "EvictionSuspicion", "7m");
    restart_with(&mut network, &[0], &[]);
    let log = network.node(0).log()[marks[0]..].to_owned();
    assert!(
        log.contains("TickIntervalOverride is set, overriding channel configuration tick interval to 642ms")
    );
    assert!(!log.contains("EvictionSuspicion not set"));
    assert!(log.contains("Restarting raft node"));
    network.order_through(0);
}

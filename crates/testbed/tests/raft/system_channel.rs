//! Networks with a system channel: bootstrap from its genesis block, the channels that it creates, nodes
//! that come later, channels that a node is no consenter of, and the way out of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use channel::block::EncodedBlock;
use cli::client::participation::Question;
use cli::sandbox::layout::ORDERER_MSPID;
use cli::sandbox::material::genesis_block;
use identity::generate::Validity;
use protos::Message;
use protos::common::{Block, Config};
use protos::orderer::BatchSize;
use storage::ledger::{LedgerOptions, LedgerStore};
use testbed::channel_config::{change_value, orderer_group};
use testbed::load::Load;
use testbed::material::set_key;
use testbed::network::{Network, NetworkOptions};
use testbed::system_channel::SYSTEM_CHANNEL;
use testbed::{binary, forge, ledgers, wait};

use crate::{send_to, settings, wait_for_lines};

const ALL: &[usize] = &[0, 1, 2];
/// No genesis block is as large.
const MORE_THAN_GENESIS_BYTES: u64 = 40_000;

/// Looks for channels that a node has become a consenter of come every half second.
fn looking_often() -> Vec<(String, String)> {
    settings(&[("GENERAL_CLUSTER_REPLICATIONBACKGROUNDREFRESHINTERVAL", "500ms")])
}

/// Where a node keeps a channel's blocks.
fn ledger(network: &Network, node: usize, channel: &str) -> PathBuf {
    let layout = network.layout();
    layout.node_dir(&layout.nodes[node]).join("data/ledger/chains").join(channel)
}

/// How many bytes of a channel's blocks a node has.
fn ledger_bytes(network: &Network, node: usize, channel: &str) -> u64 {
    fs::metadata(ledger(network, node, channel).join("blockfile_000000")).map_or(0, |file| file.len())
}

fn newest_config(network: &Network, node: usize) -> Block {
    wait::until("a config block", Duration::from_secs(60), || network.config_block(node))
}

/// Kills all nodes at once and starts them again.
fn restart_all(network: &mut Network) -> Vec<usize> {
    let marks = crate::marks(network);
    (0..network.len()).for_each(|node| network.node(node).kill());
    network.start_all();
    marks
}

/// The node knows the channel, and refuses clients.
fn serves_nobody(network: &Network, node: usize, height: u64) {
    network.wait_for_place(node, &format!("config-tracker/inactive at {height}"));
    let channel = network.signer().channel();
    let refused = format!("SERVICE_UNAVAILABLE: channel {channel} is not serviced by me");
    assert_eq!(send_to(network, node), refused);
    let delivered = network.ask_for_newest(node, network.signer().identity());
    assert!(delivered.contains("answered SERVICE_UNAVAILABLE"), "{delivered}");
    assert_eq!(network.channel_metric(node, "participation_consensus_relation"), Some(3.0));
    assert_eq!(network.channel_metric(node, "participation_status"), Some(0.0));
}

#[test]
fn channels_are_created_through_the_system_channel() {
    let mut network = Network::start_with_system_channel(&NetworkOptions::default());
    for &node in ALL {
        assert_eq!(network.channels(node), ["[systemchannel]"]);
        network.wait_for_place(node, "consenter/active at 1");
        let lines = [
            "Bootstrapping the system channel",
            "Initialized the system channel 'systemchannel' from bootstrap block",
            "Starting with system channel: systemchannel, consensus type: etcdraft",
        ];
        wait_for_lines(&mut network, node, 0, &lines);
    }
    let leader = network.wait_for_leader();
    let (follower, other) = ((leader + 1) % 3, (leader + 2) % 3);

    // Nobody but the organisations' administrators creates a channel.
    let request = network.creation("ch1", None);
    let authority = forge::authority(&network.layout().root.join("client-org/ca"));
    let client = forge::client(&authority, "SandboxClientMSP", Validity::from_now(forge::now_unix()));
    let forged = network.creation_by(&[&client], "ch1", None);
    let answer = network.send(leader, forged);
    let refused = "BAD_REQUEST: error validating channel creation transaction for new channel 'ch1', could not successfully apply update to template configuration: error authorizing update";
    assert!(answer.starts_with(refused), "{answer}");
    network.turn_to("ch1", ALL);
    assert_eq!(send_to(&network, leader), "NOT_FOUND: channel does not exist");

    // One channel through a follower, one through the leader that dies as soon as it has answered.
    network.turn_to(SYSTEM_CHANNEL, ALL);
    network.create_channel(follower, "ch1", None);
    let acknowledged = network.order_through_all();
    let answer = network.send(other, request);
    assert!(
        answer.starts_with("BAD_REQUEST: error applying config update to existing channel 'ch1'"),
        "{answer}"
    );
    network.turn_to(SYSTEM_CHANNEL, ALL);
    let leader = network.wait_for_leader();
    let second = network.creation("ch2", None);
    assert_eq!(network.send(leader, second), "SUCCESS");
    network.node(leader).kill();
    network.start_all();

    // Some nodes may order a channel that others have no part in, and create it.
    network.create_channel(other, "apart", Some(&[leader, follower]));
    network.order_through_all();
    serves_nobody(&network, other, 1);

    // The genesis block counts once.
    let marks = restart_all(&mut network);
    for &node in ALL {
        let existing = "Not bootstrapping the system channel because of existing channels";
        wait_for_lines(&mut network, node, marks[node], &[existing, "Starting with system channel: "]);
        assert_eq!(network.channels(node), ["[systemchannel]", "apart", "ch1", "ch2"]);
    }
    for (channel, before) in [("ch1", acknowledged), ("ch2", Vec::new()), (SYSTEM_CHANNEL, Vec::new())] {
        network.turn_to(channel, ALL);
        network.wait_for_leader();
        let ordered = network.order_through_all();
        ledgers::check(&network, &before.into_iter().chain(ordered).collect());
    }
}

#[test]
fn a_channel_waits_inactive_until_the_node_is_its_consenter() {
    let options = NetworkOptions { environment: looking_often(), ..NetworkOptions::default() };
    let mut network = Network::start_with_system_channel(&options);
    network.create_channel(0, "ch1", None);
    let mut acknowledged = network.order_through_all();
    let (height, mark) = (network.settled_height(), network.node(2).log().len());
    network.remove_consenter(0, 2);
    network.leaves(2);
    wait_for_lines(&mut network, 2, mark, &["Adding ch1 to the set of chains to track"]);
    acknowledged.push(network.order_through(0));
    // It may or may not have got the block that removes it.
    network.wait_for_role(2, "config-tracker/inactive");
    let place = network.place(2);
    let has: u64 = place.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((height..=height + 1).contains(&has), "{place}");
    serves_nobody(&network, 2, has);

    // Nothing is pulled as long as it is none, over a restart, too.
    let looked = ["Found 1 inactive chains: [ch1]", "Successfully replicated 0 chains: []"];
    wait_for_lines(&mut network, 2, mark, &[looked, looked].concat());
    let mark = network.node(2).log().len();
    network.node(2).kill();
    network.start_all();
    wait_for_lines(&mut network, 2, mark, &looked);
    serves_nobody(&network, 2, has);

    network.add_consenter(0, 2);
    wait_for_lines(&mut network, 2, mark, &["Successfully replicated 1 chains: [ch1]"]);
    network.serves_again(2);
    acknowledged.push(network.order_through(2));
    network.wait_for_active(3);
    ledgers::check(&network, &acknowledged.into_iter().collect());

    // The system channel itself is no different; what it created meanwhile is known afterwards.
    network.turn_to(SYSTEM_CHANNEL, ALL);
    network.remove_consenter(0, 2);
    network.leaves(2);
    let tracked = "Adding systemchannel to the set of chains to track";
    wait_for_lines(&mut network, 2, mark, &[tracked]);
    let late = network.creation("late", None);
    let refused = "SERVICE_UNAVAILABLE: channel systemchannel is not serviced by me";
    assert_eq!(network.send(2, late), refused);
    network.create_channel(1, "late", None);
    assert_eq!(network.channels(2), ["[systemchannel]", "ch1"]);
    network.turn_to(SYSTEM_CHANNEL, &[0, 1]);
    network.add_consenter(1, 2);
    network.turn_to("late", &[0, 1]);
    wait::until("the channel", Duration::from_secs(60), || {
        network.channels(2).contains(&"late".to_owned()).then_some(())
    });
    serves_nobody(&network, 2, 1);
    network.turn_to(SYSTEM_CHANNEL, ALL);
    network.create_channel(2, "later", None);
    network.order_through_all();
}

#[test]
fn a_node_that_comes_later_pulls_the_channels_that_it_belongs_to() {
    let genesis = |config: &mut Config| {
        change_value(orderer_group(config), "BatchSize", |size: &mut BatchSize| size.max_message_count = 1);
    };
    let options = NetworkOptions { spare_nodes: 1, genesis, ..NetworkOptions::default() };
    let mut network = Network::start_with_system_channel(&options);
    let late = 3;
    network.create_channel(0, "apart", None);
    network.turn_to(SYSTEM_CHANNEL, ALL);
    network.create_channel(0, "mine", None);
    let load = Load::start(network.runtime(), &network.endpoints(), network.signer());
    wait::until("some blocks", Duration::from_secs(60), || (load.acknowledged_count() > 500).then_some(()));
    let mut acknowledged = load.stop(network.runtime());
    network.add_consenter(0, late);
    network.turn_to(SYSTEM_CHANNEL, ALL);
    network.add_consenter(0, late);
    let boot = newest_config(&network, 0);

    // Nobody answers: it can be stopped; otherwise it tries as often as it is told, and ends.
    (0..=late).for_each(|node| network.node(node).kill());
    network.bootstrap_with(late, &boot);
    network.node(late).start();
    network.node(late).wait_for_log("(1 of 12 attempts)", 0);
    assert!(network.node(late).terminate().success());
    network.node(late).options_mut().environment.extend(settings(&[
        ("GENERAL_CLUSTER_REPLICATIONMAXRETRIES", "3"),
        ("GENERAL_CLUSTER_REPLICATIONRETRYTIMEOUT", "100ms"),
    ]));
    let mark = network.node(late).log().len();
    network.node(late).start();
    assert!(!network.node(late).wait_for_end().success());
    let log = network.node(late).log().split_off(mark);
    assert!(log.contains("Failed pulling system channel systemchannel: "), "{log}");
    assert_eq!(log.matches(" of 3 attempts)").count(), 2, "{log}");
    assert!(!log.contains("panicked"), "{log}");

    // Killed while it pulls one channel or the other, it goes on at the next start.
    for &node in ALL {
        network.node(node).start();
    }
    network.wait_for_leader();
    for channel in [SYSTEM_CHANNEL, "mine"] {
        let (mark, before) = (network.node(late).log().len(), ledger_bytes(&network, late, channel));
        network.node(late).start();
        while ledger_bytes(&network, late, channel) <= before.max(MORE_THAN_GENESIS_BYTES) {
            assert!(network.node(late).is_running());
            std::thread::sleep(Duration::from_millis(1));
        }
        network.node(late).kill();
        let log = network.node(late).log().split_off(mark);
        assert!(log.contains("Will now replicate chains"), "{log}");
        assert!(!log.contains("Beginning to serve requests"), "it was too late to kill it: {log}");
    }
    let mark = network.node(late).log().len();
    network.node(late).start();
    wait_for_lines(
        &mut network,
        late,
        mark,
        &[
            "Will now replicate chains",
            "Discovered 2 channels: [apart mine]",
            "I do not belong to channel apart or am forbidden pulling it (not in the channel), skipping chain retrieval",
            "I need to pull channel mine",
            "Found myself in 1 channels out of 2 : [mine]",
            "Pulling channel mine",
            "Beginning to serve requests",
        ],
    );
    assert_eq!(network.channels(late), ["[systemchannel]", "apart", "mine"]);
    network.turn_to("apart", ALL);
    serves_nobody(&network, late, 1);
    network.turn_to(SYSTEM_CHANNEL, &[0, 1, 2, late]);
    network.wait_for_active(4);
    network.order_through(late);
    network.turn_to("mine", &[0, 1, 2, late]);
    network.wait_for_active(4);
    acknowledged.insert(network.order_through(late));
    ledgers::check(&network, &acknowledged);

    // Another channel of that name: it cannot be pulled, which does not keep the rest from being served.
    network.node(late).kill();
    let directory = network.node(late).directory().join("data/ledger");
    let store = LedgerStore::open(&directory, LedgerOptions::default()).unwrap();
    store.remove_channel("mine").unwrap();
    let other = genesis_block(network.layout(), "mine").unwrap();
    let other = EncodedBlock::from_block(Block::decode(other.as_slice()).unwrap());
    store.open_channel("mine").unwrap().append(&Arc::new(other)).unwrap();
    store.join_blocks().save(SYSTEM_CHANNEL, &boot.encode_to_vec()).unwrap();
    drop(store);
    let mark = network.node(late).log().len();
    network.start_all();
    wait_for_lines(&mut network, late, mark, &["Failed pulling channel mine: "]);
    serves_nobody(&network, late, 1);
    network.turn_to(SYSTEM_CHANNEL, &[0, 1, 2, late]);
    network.order_through(late);
    let kept = fs::read_dir(directory.join("pendingops/join")).unwrap().count();
    assert_eq!(kept, 1, "it is tried again at the next start");
}

#[test]
fn the_system_channel_is_removed_and_its_channels_stay() {
    let mut network = Network::start_with_system_channel(&NetworkOptions::default());
    let late = network.creation("late", None);
    network.create_channel(0, "apart", Some(&[0, 1]));
    network.turn_to(SYSTEM_CHANNEL, ALL);
    let system = newest_config(&network, 0).encode_to_vec();
    network.create_channel(0, "ch1", None);

    // The two ways to come by channels do not go together.
    let joined = genesis_block(network.layout(), "ch2").unwrap();
    for (question, answer) in [
        (Question::Join(&joined), "405 cannot join: system channel exists"),
        (Question::Join(&system), "405 cannot join: system channel exists"),
        (Question::Remove("ch1"), "405 cannot remove: system channel exists"),
        (Question::Remove("nowhere"), "405 cannot remove: system channel exists"),
    ] {
        assert_eq!(network.ask(0, question), answer, "{question:?}");
    }

    // No node shall begin a system channel again; then nobody creates channels any more.
    for &node in ALL {
        set_key(network.node(node).directory(), "General", "BootstrapMethod", "none");
        network.node(node).terminate();
        network.start_all();
        network.wait_for_role(node, "consenter/active");
    }
    network.turn_to(SYSTEM_CHANNEL, ALL);
    let layout = network.layout();
    let maintenance = Command::new(binary::causeway())
        .args(["config", "maintenance", "on", "--channel", SYSTEM_CHANNEL, "--mspid", ORDERER_MSPID])
        .args(["--orderer", &layout.nodes[0].address(), "--tls-ca", "tls-ca.pem", "--msp-dir", "admin/msp"])
        .current_dir(&layout.root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&maintenance.stdout);
    assert!(said.contains("3 of 3 orderers have it"), "{said}{maintenance:?}");
    let refused = network.send(0, network.creation("too-late", None));
    assert_eq!(refused, "SERVICE_UNAVAILABLE: channel creation is not permitted: maintenance mode");
    network.turn_to("ch1", ALL);
    let load = Load::start(network.runtime(), &network.endpoints(), network.signer());
    for &node in ALL {
        network.order_through_all();
        assert_eq!(network.ask(node, Question::Remove(SYSTEM_CHANNEL)), "204");
        let channels: &[_] = if node == 2 { &["ch1"] } else { &["apart", "ch1"] };
        assert_eq!(network.channels(node), channels);
        assert!(!ledger(&network, node, SYSTEM_CHANNEL).exists());
        wait_for_lines(&mut network, node, 0, &["removed system channel: systemchannel"]);
    }
    assert!(!ledger(&network, 2, "apart").exists());
    let mut acknowledged = network.order_through_all();
    let marks = restart_all(&mut network);
    for &node in ALL {
        wait_for_lines(&mut network, node, marks[node], &["Starting without a system channel"]);
        network.wait_for_role(node, "consenter/active");
    }
    acknowledged.extend(network.order_through_all());
    acknowledged.extend(load.stop(network.runtime()));
    ledgers::check(&network, &acknowledged.into_iter().collect());

    // From here on channels come and go through the API alone.
    let refused =
        "BAD_REQUEST: channel creation request not allowed because the orderer system channel is not defined";
    assert_eq!(network.send(0, late), refused);
    network.turn_to("apart", &[0, 1]);
    let config_block = newest_config(&network, 0).encode_to_vec();
    assert_eq!(network.join(2, &config_block).consensus_relation, "follower");
    network.leaves(2);
    network.order_through_all();
    let height = network.settled_height();
    network.wait_for_place(2, &format!("follower/active at {height}"));
    network.turn_to("ch2", ALL);
    network.join_all(&joined);
    network.order_through_all();
    network.turn_to("ch1", ALL);
    network.remove_channel(2);
    network.wait_for_place(2, "none");
    assert_eq!(network.channels(2), ["apart", "ch2"]);
}

#[test]
fn a_system_channel_is_joined_through_the_api() {
    let options = NetworkOptions { nodes: 2, spare_nodes: 1, ..NetworkOptions::default() };
    let mut network = Network::start_without_channel(&options);
    network.turn_to(SYSTEM_CHANNEL, &[0, 1]);
    let genesis = network.system_genesis(&[0, 1]).encode_to_vec();
    let elsewhere = genesis_block(network.layout(), "elsewhere").unwrap();
    network.join_all(&genesis);
    for node in [0, 1] {
        assert_eq!(network.place(node), "consenter/inactive at 1");
        for block in [&genesis, &elsewhere] {
            assert_eq!(network.ask(node, Question::Join(block)), "405 cannot join: system channel exists");
        }
        let pending = "SERVICE_UNAVAILABLE: system channel creation pending: server requires restart";
        assert_eq!(send_to(&network, node), pending);
        network.node(node).terminate();
    }
    network.start_all();
    network.wait_for_leader();
    for node in [0, 1] {
        network.wait_for_place(node, "consenter/active at 1");
        assert!(network.node(node).log().contains("Starting with system channel: systemchannel"));
    }
    network.create_channel(0, "apart", None);
    network.turn_to(SYSTEM_CHANNEL, &[0, 1]);
    network.create_channel(1, "mine", None);
    network.order_through_all();
    network.add_consenter(0, 2);
    network.turn_to(SYSTEM_CHANNEL, &[0, 1]);
    network.add_consenter(0, 2);

    // With a later block, changed one's mind, and again; a channel that is followed is in nobody's way.
    let boot = newest_config(&network, 0).encode_to_vec();
    let mut others = network.layout().clone();
    others.nodes.truncate(2);
    let followed = genesis_block(&others, "followed").unwrap();
    assert_eq!(network.ask(2, Question::Join(&followed)), "201");
    for block in [&boot, &genesis] {
        assert_eq!(network.ask(2, Question::Join(block)), "201");
        assert_eq!(network.channels(2), ["[systemchannel]", "followed"]);
        assert_eq!(network.ask(2, Question::Remove(SYSTEM_CHANNEL)), "204");
        network.wait_for_place(2, "none");
        assert_eq!(network.channels(2), ["followed"]);
    }
    assert_eq!(network.ask(2, Question::Remove("followed")), "204");
    wait::until("no channel", Duration::from_secs(60), || network.channels(2).is_empty().then_some(()));
    let height = network.settled_height();
    network.join(2, &boot);
    assert_eq!(network.place(2), "consenter/inactive at 0");
    let mark = network.node(2).log().len();
    network.node(2).kill();
    network.start_all();
    let lines = [
        "Join-block was found for the system channel: systemchannel, number: 3",
        "Will now replicate chains",
        "Found myself in 1 channels out of 2 : [mine]",
    ];
    wait_for_lines(&mut network, 2, mark, &lines);
    network.wait_for_place(2, &format!("consenter/active at {height}"));
    assert_eq!(network.channels(2), ["[systemchannel]", "apart", "mine"]);
    for channel in [SYSTEM_CHANNEL, "mine"] {
        network.turn_to(channel, ALL);
        network.wait_for_active(3);
        let ordered = network.order_through_all();
        ledgers::check(&network, &ordered.into_iter().collect());
    }
    network.turn_to("apart", &[0, 1]);
    serves_nobody(&network, 2, 1);
}

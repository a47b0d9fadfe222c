//! The lines of the log that scripts look for: Fabric's texts, at its levels, by its loggers.

use bytes::Bytes;
use channel::envelope::Draft;
use cli::sandbox::layout::CLIENT_MSPID;
use identity::generate::Validity;
use identity::signing::SigningIdentity;
use protos::Message;
use protos::common::HeaderType;
use testbed::channel_config::change_raft;
use testbed::forge;
use testbed::network::{Network, NetworkOptions};

const SERVER: &str = "INFO [orderer.common.server]";
const REGISTRAR: &str = "INFO [orderer.commmon.multichannel]";
const RAFT: &str = "INFO [orderer.consensus.etcdraft]";
const RAFT_WARNS: &str = "WARN [orderer.consensus.etcdraft]";
const FILTER_WARNS: &str = "WARN [orderer.common.msgprocessor]";
const BROADCAST_WARNS: &str = "WARN [orderer.common.broadcast]";

/// Level and logger, and a part of the text with the fields behind it.
pub(crate) type Line<'a> = (&'a str, &'a str);

/// A log without its colours.
fn plain(log: &str) -> String {
    let mut parts = log.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// Waits until a node has printed these lines since a mark; a line later in the table may stand earlier
/// in the log.
pub(crate) fn wait_for_all(network: &mut Network, node: usize, mark: usize, lines: &[Line<'_>]) {
    for (head, text) in lines {
        network.node(node).wait_for_log(text, mark);
        let log = plain(&network.node(node).log()[mark..]);
        let found: Vec<_> = log.lines().filter(|line| line.contains(text)).collect();
        assert!(found.iter().any(|line| line.contains(&format!(" {head} "))), "{head} {text}:\n{found:#?}");
    }
}

/// The same for lines that follow each other.
fn wait_for_sequence(network: &mut Network, node: usize, mark: usize, lines: &[Line<'_>]) {
    wait_for_all(network, node, mark, lines);
    let log = plain(&network.node(node).log()[mark..]);
    let mut rest = log.lines();
    for (head, text) in lines {
        let next = rest.find(|line| line.contains(&format!(" {head} ")) && line.contains(text));
        assert!(next.is_some(), "{head} {text} is not where it should be");
    }
}

fn transaction(signer: &SigningIdentity) -> Bytes {
    let draft = Draft::new(HeaderType::Message, "ch1", b"data".as_slice().into(), forge::now_unix());
    draft.with_tx_id().sign(signer).unwrap().encode_to_vec().into()
}

#[test]
fn every_line_that_scripts_look_for_is_printed_at_fabrics_level() {
    let mut network = Network::start(&NetworkOptions {
        consensus: &[("EvictionSuspicion", "1s")],
        environment: vec![(
            "FABRIC_LOGGING_SPEC".to_owned(),
            "orderer.consensus.etcdraft=debug:info".to_owned(),
        )],
        ..NetworkOptions::default()
    });
    network.wait_for_active(3);
    let leader = network.wait_for_leader();
    let (first, second) = ((leader + 1) % 3, (leader + 2) % 3);
    let id = |node: usize| node + 1;
    for node in 0..3 {
        let leads = format!("Raft leader changed: 0 -> {} channel=ch1 node={}", id(leader), id(node));
        let starts = format!("Starting raft node as part of a new channel channel=ch1 node={}", id(node));
        let lines = [
            (SERVER, "Cluster listener is not configured, defaulting to use the general listener on port "),
            (SERVER, "Setting up cluster"),
            (SERVER, "Starting without a system channel"),
            (SERVER, "Starting orderer:"),
            (SERVER, "Beginning to serve requests"),
            (REGISTRAR, "Channel Participation API enabled, registrar initializing with file repo "),
            (
                REGISTRAR,
                "Registrar initializing without a system channel, number of application channels: 0, with 0 consensus.Chain(s) and 0 follower.Chain(s)",
            ),
            (REGISTRAR, "Joining channel: "),
            (REGISTRAR, "Created and started channel ch1"),
            (RAFT, "TickIntervalOverride is set, overriding channel configuration tick interval to 50ms"),
            (RAFT, "Without system channel: after eviction Registrar.SwitchToFollower will be called"),
            (RAFT, "No WAL data found, creating new WAL at path '"),
            (RAFT, &starts),
            (RAFT, &leads),
            ("INFO [orderer.common.cluster]", "Allocating a new stub for node "),
        ];
        wait_for_all(&mut network, node, 0, &lines);
    }
    wait_for_all(&mut network, leader, 0, &[(RAFT, "Start accepting requests as Raft leader at block [0]")]);

    // Those who may not write or read, and changes that cannot be made.
    let stranger = forge::client(&forge::stranger(), CLIENT_MSPID, Validity::from_now(forge::now_unix()));
    let mark = network.node(leader).log().len();
    assert!(network.send(leader, transaction(&stranger)).starts_with("FORBIDDEN: "));
    assert!(network.ask_for_newest(leader, &stranger).contains("FORBIDDEN"));
    let answer = network.try_update(leader, |config| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().heartbeat_tick = 10);
    });
    assert!(answer.starts_with("BAD_REQUEST: "), "{answer}");
    let denied = |policy: &str| {
        format!(
            "SigFilter evaluation failed error=\"implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the '{policy}' sub-policies to be satisfied\" ConsensusState=STATE_NORMAL policyName=/Channel/{policy} signingIdentity=\"(mspid={CLIENT_MSPID} subject=CN=Forged@client,"
        )
    };
    let (writer, reader) = (denied("Writers"), denied("Readers"));
    let lines = [
        (FILTER_WARNS, writer.as_str()),
        (BROADCAST_WARNS, "[channel: ch1] Rejecting broadcast of normal message from 127.0.0.1:"),
        (FILTER_WARNS, &reader),
        ("WARN [common.deliver]", "[channel: ch1] Client 127.0.0.1:"),
        (BROADCAST_WARNS, "[channel: ch1] Rejecting broadcast of config message from 127.0.0.1:"),
        (
            BROADCAST_WARNS,
            "invalid new config metadata: ElectionTick (10) must be greater than HeartbeatTick (10)",
        ),
    ];
    wait_for_all(&mut network, leader, mark, &lines);

    // One is down: who is up is said, and changes that would cost the majority are refused.
    let mark = network.node(leader).log().len();
    network.node(first).kill();
    let active = format!("Current active nodes in cluster are: [{} {}]", id(leader), id(second));
    wait_for_all(&mut network, leader, mark, &[("DEBU [orderer.consensus.etcdraft]", &active)]);
    let gone = u32::from(network.layout().nodes[second].port);
    network.try_update(leader, |config| {
        change_raft(config, |raft| raft.consenters.retain(|consenter| consenter.port != gone));
    });
    let refused = "2 out of 3 nodes are alive, configuration will result in quorum loss";
    wait_for_all(&mut network, leader, mark, &[(BROADCAST_WARNS, refused)]);

    // Two are down.
    let mark = network.node(leader).log().len();
    network.node(second).kill();
    let steps_down = format!("{} stepped down to follower since quorum is not active", id(leader));
    let leaves = format!("Raft leader changed: {} -> 0 channel=ch1 node={}", id(leader), id(leader));
    let lines = [
        (RAFT_WARNS, steps_down.as_str()),
        (RAFT, &leaves),
        (RAFT_WARNS, "No leader is present, cluster size is 3"),
    ];
    wait_for_sequence(&mut network, leader, mark, &lines);
    let client = network.signer().transaction(b"data".as_slice().into()).unwrap().envelope;
    assert_eq!(network.send(leader, client), "SERVICE_UNAVAILABLE: no Raft leader");
    let unavailable = "with SERVICE_UNAVAILABLE: rejected by ";
    wait_for_all(&mut network, leader, mark, &[(BROADCAST_WARNS, unavailable)]);

    // One is removed while it is down, and finds out.
    network.start_all();
    network.wait_for_active(3);
    network.node(first).kill();
    let stays = network.wait_for_leader_other_than(first);
    network.remove_consenter(stays, first);
    let (mark, marks) = (network.node(first).log().len(), network.node(stays).log().len());
    network.start_all();
    let block = network.height(stays).unwrap() - 1;
    let found = format!("Last config block was found to be block [{block}]");
    let detected = format!("Detected our own eviction from the channel in block [{block}] channel=ch1");
    let pulled = format!("Pulling block [{block}]");
    let lines = [
        (RAFT, "Found WAL data at path '"),
        (RAFT, "Restarting raft node channel=ch1 node="),
        (RAFT, "Suspecting our own eviction from the channel for "),
        (RAFT, &found),
        (RAFT_WARNS, &detected),
        (RAFT, "Waiting for chain to halt"),
        (RAFT, "Raft node stopped channel=ch1"),
        (RAFT, "Stop garbage collecting channel=ch1"),
        (RAFT, "Periodic check is stopping. channel=ch1"),
        (RAFT, "Chain has been halted, pulling remaining blocks up to (and including) eviction block."),
        (RAFT, "Will now pull blocks "),
        (RAFT, &pulled),
        (RAFT, "Pulled all blocks up to eviction block. channel=ch1"),
    ];
    wait_for_sequence(&mut network, first, mark, &lines);
    let refuses = "error=\"certificate extracted from TLS connection isn't authorized\" grpc.code=Unknown";
    wait_for_all(&mut network, stays, marks, &[("INFO [comm.grpc.server]", refuses)]);
}

/// A node joins with a later block and becomes a consenter, snapshots are taken, the leader is removed.
#[test]
fn the_lines_of_joining_leading_and_leaving_are_fabrics_too() {
    let genesis = |config: &mut _| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().snapshot_interval_size = 1024);
    };
    let mut network =
        Network::start(&NetworkOptions { nodes: 2, spare_nodes: 1, genesis, ..NetworkOptions::default() });
    network.wait_for_active(2);
    let leader = network.wait_for_leader();
    let other = 1 - leader;
    let joining = 2;
    let large = network.signer().transaction(vec![7; 2000].into()).unwrap().envelope;
    assert_eq!(network.send(leader, large), "SUCCESS");
    let lines = [
        (RAFT, "bytes since last snapshot, exceeding size limit (1024 bytes), taking snapshot at block [1]"),
        (RAFT, "Persisting snapshot (term: "),
        (RAFT, "Snapshot is taken at index "),
    ];
    wait_for_sequence(&mut network, leader, 0, &lines);

    let config = network.reconfigure(leader, |config| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().max_inflight_blocks = 7);
    });
    network.join(joining, &config.encode_to_vec());
    network.wait_for_place(joining, "follower/active at 3");
    network.add_consenter(leader, joining);
    network.wait_for_active(3);
    let follower = "INFO [orderer.commmon.follower]";
    let puller = "INFO [orderer.common.cluster.puller]";
    let lines = [
        (follower, "Created with join-block number: 2, ledger height: 0 channel=ch1"),
        (REGISTRAR, "Created and started a follower.Chain for channel ch1"),
        (puller, " is at block sequence of 2 channel=ch1"),
        (puller, " with last block seq of 2 channel=ch1"),
        (puller, "Sending request for block [0] to 127.0.0.1:"),
        (puller, "Got block [0] of size "),
        (puller, "Got block [2] of size "),
        (follower, "Onboarding finished successfully, pulled blocks up to join-block channel=ch1"),
        (
            follower,
            "Block pulling finished successfully, going to switch from follower to a consensus.Chain channel=ch1",
        ),
        (RAFT, "Starting raft node to join an existing channel channel=ch1 node=3"),
        (REGISTRAR, "Created and started channel ch1"),
    ];
    wait_for_all(&mut network, joining, 0, &lines);

    let mark = network.node(leader).log().len();
    network.remove_consenter(other, leader);
    let own = leader + 1;
    let transferred = format!("Leader has been transferred from {own} to ");
    let lines = [
        (RAFT, "Detected eviction of ourselves from the configuration"),
        (RAFT, "Transferring leadership to "),
        (RAFT, "Will wait 500ms time to abdicate"),
        (RAFT, &transferred),
        (RAFT, "abdicateLeader took "),
        (RAFT, "Raft node stopped channel=ch1"),
    ];
    wait_for_sequence(&mut network, leader, mark, &lines);
    let deactivated = format!(
        "Deactivated node {own} who's endpoint is 127.0.0.1:{} as it's removed from membership",
        network.layout().nodes[leader].port
    );
    wait_for_all(&mut network, other, 0, &[("INFO [orderer.common.cluster]", &deactivated)]);
    network.remove_channel(leader);
    wait_for_all(&mut network, leader, mark, &[(REGISTRAR, "Removed channel: ch1")]);
}

//! The orderers' listener: shared with the clients, or of its own; and the settings that tune what goes
//! through it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use testbed::channel_config::change_raft;
use testbed::network::{Network, NetworkOptions};
use testbed::{ledgers, wait};

use crate::settings;

/// Clients see a certificate of a public authority, orderers those of their own one; nodes that come
/// later pull from the listener for clients.
#[test]
fn orderers_have_a_listener_and_certificates_of_their_own() {
    let mut network = Network::start(&NetworkOptions {
        nodes: 3,
        spare_nodes: 1,
        cluster_listener: true,
        ..NetworkOptions::default()
    });
    for node in 0..4 {
        let port = network.layout().nodes[node].port;
        let log = network.node(node).log();
        assert!(log.contains(&format!("Starting cluster listener on 127.0.0.1:{port}")), "node {node}");
    }
    network.wait_for_active(3);
    let genesis = network.chain(0, 1).remove(0);
    network.join(3, &protos::Message::encode_to_vec(&genesis));
    network.wait_for_place(3, "follower/active at 1");
    network.add_consenter(0, 3);
    network.wait_for_active(4);
    let acknowledged = network.order_through_all();
    ledgers::check(&network, &acknowledged.into_iter().collect());
}

/// Without TLS for clients the orderers still have theirs, on a port that must be another one.
#[test]
fn tls_for_the_orderers_alone() {
    let environment = settings(&[("GENERAL_TLS_ENABLED", "false")]);
    let network =
        Network::start(&NetworkOptions { cluster_listener: true, environment, ..NetworkOptions::default() });
    network.wait_for_active(3);
    network.order_through_all();
}

/// Each setting of `General.Cluster` that Fabric's sample file does not show does what it is for.
#[test]
fn settings_that_tune_the_cluster() {
    let mut environment = settings(&[
        ("GENERAL_CLUSTER_SENDBUFFERSIZE", "777"),
        ("GENERAL_CLUSTER_RPCTIMEOUT", "500ms"),
        ("GENERAL_CLUSTER_DIALTIMEOUT", "300ms"),
    ]);
    environment.push(("FABRIC_LOGGING_SPEC".to_owned(), "orderer.common.cluster=debug:info".to_owned()));
    let mut network = Network::start(&NetworkOptions { environment, ..NetworkOptions::default() });
    network.wait_for_active(3);
    let leader = network.wait_for_leader();
    let follower = (leader + 1) % 3;
    let host = format!("127.0.0.1:{}", network.layout().nodes[follower].port);
    for kind in ["consensus", "transaction"] {
        let name = "cluster_comm_egress_queue_capacity";
        let sample = format!("{name}{{channel=\"ch1\",host=\"{host}\",msg_type=\"{kind}\"}}");
        assert_eq!(network.metric(leader, &sample), Some(777.0), "SendBufferSize");
    }

    // A node that reads nothing any more: what is sent to it gets stuck.
    let mark = network.node(leader).log().len();
    network.node(follower).pause();
    let stuck = "was forcibly terminated because timeout (500ms) expired";
    let signer = network.signer().clone();
    wait::until("RPCTimeout", Duration::from_secs(30), || {
        // Fills what the network takes in on behalf of a reader that does not read.
        let large = signer.transaction(vec![7; 300_000].into()).unwrap().envelope;
        let answer = network.send(leader, large);
        assert_eq!(answer, "SUCCESS");
        network.node(leader).log()[mark..].contains(stuck).then_some(())
    });
    network.node(follower).resume();
    network.wait_for_active(3);

    // One that takes connections and then says nothing.
    network.node(follower).kill();
    let mark = network.node(leader).log().len();
    let silent = TcpListener::bind(&host).unwrap();
    let began = Instant::now();
    network.node(leader).wait_for_log("no connection within 300ms", mark);
    assert!(began.elapsed() < Duration::from_secs(5), "DialTimeout is in force");
    drop(silent);
    network.start_all();
    network.wait_for_active(3);
}

/// SendBufferSize: what does not fit is lost, the stream to the node is begun anew, and that is counted
/// and said.
#[test]
fn a_full_buffer() {
    let environment = settings(&[("GENERAL_CLUSTER_SENDBUFFERSIZE", "1")]);
    let genesis = |config: &mut _| {
        change_raft(config, |raft| raft.options.as_mut().unwrap().max_inflight_blocks = 100);
    };
    let mut network = Network::start(&NetworkOptions { environment, genesis, ..NetworkOptions::default() });
    network.wait_for_active(3);
    let leader = network.wait_for_leader();
    let follower = (leader + 1) % 3;
    let host = format!("127.0.0.1:{}", network.layout().nodes[follower].port);
    let dropped = format!("cluster_comm_msg_dropped_count{{channel=\"ch1\",host=\"{host}\"}}");
    let before = network.metric(leader, &dropped).unwrap();
    let mark = network.node(leader).log().len();
    network.node(follower).pause();
    let mut data = vec![7; 300_000];
    wait::until("messages to be dropped", Duration::from_secs(30), || {
        // Each one is another.
        data.push(7);
        let large = network.signer().transaction(data.clone().into()).unwrap().envelope;
        assert_eq!(network.send(leader, large), "SUCCESS");
        (network.metric(leader, &dropped)? > before).then_some(())
    });
    let id = follower + 1;
    let failed = format!("Failed to send StepRequest to {id}, because: send queue overflown");
    network.node(leader).wait_for_log(&failed, mark);
    network.node(follower).resume();
    let again = format!("Successfully sent StepRequest to {id} after failed attempt(s)");
    network.node(leader).wait_for_log(&again, mark);
    network.wait_for_active(3);
    let acknowledged = network.order_through_all();
    ledgers::check(&network, &acknowledged.into_iter().collect());
}

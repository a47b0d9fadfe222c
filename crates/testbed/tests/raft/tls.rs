//! The life of certificates: pinned by their keys, renewed, expired, and the warnings before that.

use identity::generate::Validity;
use protos::Message;
use protos::common::Config;
use testbed::channel_config::{self, change_value, config_of, orderer_group};
use testbed::network::{Network, NetworkOptions};
use testbed::{forge, ledgers};

use crate::log_lines::wait_for_all;
use crate::{marks, restart_with, settings, wait_for_lines};

const DAY: i64 = 86_400;
const EXPIRED: &str = "BAD_REQUEST: config update for existing channel did not pass initial checks: broadcast client identity expired";

fn days_from_now(first: i64, last: i64) -> Validity {
    let now = forge::now_unix();
    Validity { not_before_unix: now + first * DAY, not_after_unix: now + last * DAY }
}

#[test]
fn certificates_are_pinned_by_their_keys() {
    let mut network = Network::start(&NetworkOptions::default());
    network.order_through_all();
    // Renewed with the same keys, for two more days: nobody has to be told.
    let soon = days_from_now(-1, 2);
    for node in 0..3 {
        network.reissue(node, soon, true);
        network.node(node).kill();
    }
    let marks = marks(&mut network);
    network.start_all();
    network.wait_for_active(3);
    network.order_through_all();
    assert_eq!(channel_config::raft_of(&config_of(&network.config_block(0).unwrap())).consenters.len(), 3);
    assert_eq!(
        network.config_block(0).unwrap().header.unwrap().number,
        0,
        "the config is still the first one"
    );
    for (node, mark) in marks.into_iter().enumerate() {
        let expect = [
            "The server TLS certificate expires within 1 days and 23 hours",
            "The client TLS certificate expires within 1 days and 23 hours",
        ];
        wait_for_lines(&mut network, node, mark, &expect);
        let of_others = "for channel ch1 expires in less than 47h5";
        network.node(node).wait_for_log(of_others, mark);
    }

    // With another key, of the same authority, it is somebody else.
    let leader = network.wait_for_leader();
    let stranger = (leader + 1) % 3;
    network.node(stranger).kill();
    network.reissue(stranger, days_from_now(-1, 300), false);
    let mark = network.node(leader).log().len();
    network.start_all();
    let port = network.layout().nodes[stranger].port;
    let refused = format!(
        "public key of server certificate presented by 127.0.0.1:{port} doesn't match the expected public key"
    );
    network.node(leader).wait_for_log(&refused, mark);
    assert!(network.place(stranger).starts_with("follower/"), "nor does it take itself for a consenter");
    network.order_through(leader);

    // Once the channel knows the new key, it is a consenter again, under the same Raft id.
    let consenter = network.consenter(stranger);
    network.reconfigure(leader, |config| {
        channel_config::change_raft(config, |raft| raft.consenters[stranger] = consenter.clone());
    });
    network.wait_for_active(3);
    let acknowledged = network.order_through_all();
    ledgers::check(&network, &acknowledged.into_iter().collect());
    assert_eq!(raft_ids(&network), [1, 2, 3]);
}

fn raft_ids(network: &Network) -> Vec<u64> {
    let newest = network.height(0).and_then(|height| network.chain(0, height).pop()).unwrap();
    let metadata = channel::block::consenter_metadata(&newest).unwrap();
    protos::etcdraft::BlockMetadata::decode(metadata).unwrap().consenter_ids
}

/// All of the orderers' certificates have expired at once. Only a clock that is moved back for their
/// own listener helps, and only that of the listener that they use.
#[test]
fn expired_certificates_and_a_clock_that_is_moved_back() {
    let mut network = Network::start(&NetworkOptions { cluster_listener: true, ..NetworkOptions::default() });
    network.order_through_all();
    let all = [0, 1, 2];
    for node in all {
        network.node(node).kill();
        network.reissue(node, days_from_now(-5, -1), true);
    }
    let restart = |network: &mut Network, pairs: &[(&str, &str)]| {
        let marks = marks(network);
        restart_with(network, &all, &settings(pairs));
        marks
    };
    let is_refused = |network: &mut Network, marks: Vec<usize>| {
        for (node, mark) in marks.into_iter().enumerate() {
            let lines = [
                (
                    "ERRO [core.comm]",
                    "with error remote error: tls: bad certificate server=Orderer remoteaddress=127.0.0.1:",
                ),
                ("ERRO [comm.tls]", "Client TLS handshake failed after "),
                ("WARN [certmonitor]", "The client TLS certificate has expired"),
            ];
            wait_for_all(network, node, mark, &lines);
        }
        assert_eq!(network.leader(), None);
    };
    let marks = restart(&mut network, &[]);
    is_refused(&mut network, marks);
    // The clock of the other listener.
    let marks = restart(&mut network, &[("GENERAL_TLS_TLSHANDSHAKETIMESHIFT", "48h")]);
    is_refused(&mut network, marks);
    restart(&mut network, &[("GENERAL_CLUSTER_TLSHANDSHAKETIMESHIFT", "48h")]);
    network.wait_for_active(3);
    network.order_through_all();

    // On a shared listener it is the other way round.
    for node in all {
        network.node(node).kill();
        let port = network.layout().nodes[node].port.to_string();
        let tls = network.layout().node_dir(&network.layout().nodes[node]).join("tls");
        let path = |name: &str| tls.join(name).display().to_string();
        let (certificate, key) = (path("server.crt"), path("server.key"));
        let shared = settings(&[
            ("GENERAL_LISTENPORT", &port),
            ("GENERAL_TLS_CERTIFICATE", &certificate),
            ("GENERAL_TLS_PRIVATEKEY", &key),
            ("GENERAL_TLS_TLSHANDSHAKETIMESHIFT", "0s"),
        ]);
        let environment = &mut network.node(node).options_mut().environment;
        environment.retain(|(name, _)| !name.starts_with("ORDERER_GENERAL_CLUSTER_"));
        environment.extend(shared);
    }
    let marks = restart(&mut network, &[("GENERAL_CLUSTER_TLSHANDSHAKETIMESHIFT", "48h")]);
    is_refused(&mut network, marks);
    restart(&mut network, &[("GENERAL_TLS_TLSHANDSHAKETIMESHIFT", "48h")]);
    network.wait_for_active(3);

    // Renewed one by one; with all of them renewed the clock is right again.
    for node in all {
        network.node(node).kill();
        network.reissue(node, days_from_now(-5, 300), true);
        network.start_all();
        network.wait_for_active(3);
    }
    restart(&mut network, &[("GENERAL_TLS_TLSHANDSHAKETIMESHIFT", "0s")]);
    network.wait_for_active(3);
}

/// An administrator's certificate has expired: it is refused, until the checks are off or there is
/// another one.
#[test]
fn an_expired_administrator_is_refused_and_replaced() {
    let mut network = Network::start(&NetworkOptions { nodes: 1, ..NetworkOptions::default() });
    let authority = forge::authority(&network.layout().root.join("orderer-org/ca"));
    let mspid = cli::sandbox::layout::ORDERER_MSPID;
    // The authority itself is hardly older than this test.
    let now = forge::now_unix();
    let of_the_past = Validity { not_before_unix: now - 200, not_after_unix: now - 60 };
    let expired = forge::member(&authority, mspid, "admin", of_the_past);
    let renewed = forge::member(&authority, mspid, "admin", Validity::from_now(now));
    let update = |network: &Network, admin| {
        let from = config_of(&network.config_block(0).unwrap());
        let mut to = from.clone();
        let larger = |size: &mut protos::orderer::BatchSize| size.max_message_count += 1;
        let group = |config: &mut Config| change_value(orderer_group(config), "BatchSize", larger);
        group(&mut to);
        let update = channel_config::update("ch1", &from, &to, &[admin]);
        network.send(0, update.unwrap())
    };
    let answer = update(&network, &expired);
    assert_eq!(answer, EXPIRED);
    let answer = network.ask_for_newest(0, &expired);
    assert!(answer.contains("FORBIDDEN"), "{answer}");
    wait_for_all(&mut network, 0, 0, &[("WARN [common.deliver]", "deliver client identity expired")]);

    restart_with(&mut network, &[0], &settings(&[("GENERAL_AUTHENTICATION_NOEXPIRATIONCHECKS", "true")]));
    network.order_through(0);
    assert_eq!(update(&network, &expired), "SUCCESS");
    assert_eq!(network.ask_for_newest(0, &expired), "a block");
    restart_with(&mut network, &[0], &settings(&[("GENERAL_AUTHENTICATION_NOEXPIRATIONCHECKS", "false")]));
    network.order_through(0);
    assert_eq!(update(&network, &expired), EXPIRED);
    assert_eq!(update(&network, &renewed), "SUCCESS");
}

//! Config updates that administrators signed, that Fabric accepts, and that would stop the channel:
//! each is refused when it is sent, with a reason.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use cli::sandbox::layout::ORDERER_MSPID;
use identity::signing::SigningIdentity;
use protos::Message;
use protos::common::Config;
use protos::orderer::{BatchSize, ConsensusType};
use testbed::channel_config::{self, change_raft, change_value, config_of, orderer_group};
use testbed::network::{self, Network, NetworkOptions};
use testbed::probe;

fn change_orderer<M: Message + Default>(config: &mut Config, name: &str, change: impl FnOnce(&mut M)) {
    change_value(orderer_group(config), name, change);
}

fn update(from: &Config, to: &Config, admin: &SigningIdentity) -> Bytes {
    channel_config::update("ch1", from, to, &[admin]).unwrap()
}

type Change = Box<dyn Fn(&mut Config)>;

#[test]
fn updates_that_would_stop_the_channel_are_refused() {
    let mut network = Network::start(&NetworkOptions::default());
    let layout = network.layout().clone();
    let admin = network::signing_identity(&layout.admin_msp(), ORDERER_MSPID);
    let current = config_of(&network.chain(0, 1)[0]);
    let table: Vec<(&str, Change, &str)> = vec![
        (
            "no metadata",
            Box::new(|config| {
                change_orderer(config, "ConsensusType", |kind: &mut ConsensusType| kind.metadata.clear());
            }),
            "metadata",
        ),
        (
            "no consenters",
            Box::new(|config| change_raft(config, |raft| raft.consenters.clear())),
            "consenter",
        ),
        ("no options", Box::new(|config| change_raft(config, |raft| raft.options = None)), "option"),
        (
            "a negative tick interval",
            Box::new(|config| {
                change_raft(config, |raft| raft.options.as_mut().unwrap().tick_interval = "-1s".to_owned());
            }),
            "tick",
        ),
        (
            "elections faster than heartbeats",
            Box::new(|config| change_raft(config, |raft| raft.options.as_mut().unwrap().election_tick = 1)),
            "election",
        ),
        (
            "two consenters at once",
            Box::new(|config| change_raft(config, |raft| raft.consenters.truncate(1))),
            "",
        ),
        (
            "a consenter whose certificate is none",
            Box::new(|config| {
                change_raft(config, |raft| raft.consenters[0].server_tls_cert = "no PEM".into());
            }),
            "cert",
        ),
        (
            "consenters that are one",
            Box::new(|config| change_raft(config, |raft| raft.consenters[1] = raft.consenters[0].clone())),
            "duplicate",
        ),
        (
            "a kind of consensus that does not exist",
            Box::new(|config| {
                change_orderer(config, "ConsensusType", |kind: &mut ConsensusType| {
                    kind.r#type = "nosuch".to_owned();
                });
            }),
            "",
        ),
        (
            "blocks of no transactions",
            Box::new(|config| {
                change_orderer(config, "BatchSize", |size: &mut BatchSize| size.max_message_count = 0);
            }),
            "Attempted to set the batch size max message count to an invalid value: 0",
        ),
    ];
    let connection = network.connect(0);
    let send = |envelope: Bytes| network.runtime().block_on(probe::broadcast(&connection, envelope));
    for (name, change, expected) in table {
        let mut changed = current.clone();
        change(&mut changed);
        let answer = send(update(&current, &changed, &admin));
        assert!(answer.starts_with("BAD_REQUEST: "), "{name}: {answer}");
        assert!(answer.to_lowercase().contains(&expected.to_lowercase()), "{name}: {answer}");
    }
    assert_eq!(network.settled_height(), 1, "nothing may have been ordered");

    // What stops nobody is taken, and once only.
    let mut changed = current.clone();
    change_orderer(&mut changed, "BatchSize", |size: &mut BatchSize| size.max_message_count = 7);
    let right = update(&current, &changed, &admin);
    assert_eq!(send(right.clone()), "SUCCESS");
    let again = send(right);
    assert!(again.starts_with("BAD_REQUEST: error applying config update"), "{again}");
    // An administrator of nothing changes nothing.
    let client = network::signing_identity(&layout.client_msp(), cli::sandbox::layout::CLIENT_MSPID);
    let current = config_of(&network.chain(0, 2)[1]);
    let mut changed = current.clone();
    change_orderer(&mut changed, "BatchSize", |size: &mut BatchSize| size.max_message_count = 8);
    let unauthorized = send(update(&current, &changed, &client));
    assert!(unauthorized.starts_with("BAD_REQUEST: error applying config update"), "{unauthorized}");
    assert!(unauthorized.contains("Admins"), "{unauthorized}");
    network.check_unharmed();
}

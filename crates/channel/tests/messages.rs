//! What becomes of messages, beyond what the golden vectors have: the answers to malformed ones,
//! changes of a Raft channel, and the creation of channels.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::{
    bundle::Bundle,
    configtx::{compute_update, validate_config},
    consenters::{
        DEFAULT_SNAPSHOT_INTERVAL_BYTES, MembershipChange, RaftConfig, RaftState, find_self,
        membership_change,
    },
    envelope::{Draft, payload},
    processor::{
        Class, ProcessingContext, SystemContext, classify, process_config, process_config_update,
        process_normal,
    },
};
use identity::{certificate::pem_to_der, generate::Validity, signing::SigningIdentity};
use network::{Member, NOW_UNIX, Network, bundle, change_consensus, change_raft, group, set, with};
use protos::{
    Message,
    common::{
        ChannelHeader, ConfigEnvelope, ConfigGroup, ConfigSignature, ConfigUpdateEnvelope, ConfigValue,
        Consortium, Envelope, Header, HeaderType, Payload, Status,
    },
    etcdraft::BlockMetadata,
    orderer::consensus_type,
};

mod network;

fn context(bundle: &Bundle) -> ProcessingContext<'_> {
    ProcessingContext { bundle, now_unix: NOW_UNIX, check_expiration: true, raft: None, system: None }
}

fn message(kind: HeaderType, channel_id: &str, signer: &SigningIdentity) -> Envelope {
    Draft::new(kind, channel_id, Bytes::from_static(b"hello"), NOW_UNIX).sign(signer).unwrap()
}

fn config_in(message: &Envelope) -> ConfigEnvelope {
    ConfigEnvelope::decode(payload(message).unwrap().data).unwrap()
}

#[test]
fn messages_are_classified_by_their_headers() {
    let envelope = |header: Option<Header>| Envelope {
        payload: Payload { header, data: Bytes::new() }.encode_to_vec().into(),
        signature: Bytes::new(),
    };
    let of_type = |number| {
        let header = ChannelHeader {
            r#type: number,
            channel_id: "ch1".to_owned(),
            tx_id: "tx".to_owned(),
            ..ChannelHeader::default()
        };
        let channel_header = header.encode_to_vec().into();
        envelope(Some(Header { channel_header, signature_header: Bytes::new() }))
    };
    let table = [
        (0, Class::Normal),
        (1, Class::Config),
        (2, Class::ConfigUpdate),
        (3, Class::Normal),
        (4, Class::Config),
        (99, Class::Normal),
    ];
    for (number, class) in table {
        let classified = classify(&of_type(number)).unwrap();
        assert_eq!((classified.class, classified.header_type), (class, number));
        assert_eq!((classified.channel_id.as_str(), classified.tx_id.as_str()), ("ch1", "tx"));
    }
    let garbage = Bytes::from_static(b"\xff\xff");
    let bad_header = Header { channel_header: garbage.clone(), signature_header: Bytes::new() };
    let table = [
        (
            Envelope { payload: garbage, signature: Bytes::new() },
            "could not determine channel ID: error unmarshalling Payload: proto: cannot parse invalid wire-format data",
        ),
        (Envelope::default(), "could not determine channel ID: header not set"),
        (envelope(None), "could not determine channel ID: header not set"),
        (envelope(Some(Header::default())), "could not determine channel ID: channel header not set"),
        (
            envelope(Some(bad_header)),
            "could not determine channel ID: error unmarshalling channel header: error unmarshalling ChannelHeader: proto: cannot parse invalid wire-format data",
        ),
    ];
    for (envelope, expected) in table {
        let error = classify(&envelope).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.status()), (expected, Status::BadRequest));
    }
}

#[test]
fn an_expired_sender_is_refused_where_expiry_counts() {
    let network = Network::new();
    let bundle = bundle(&network.channel());
    let validity = Validity { not_before_unix: NOW_UNIX - 10, not_after_unix: NOW_UNIX + 10 };
    let sent = message(HeaderType::Message, "ch1", &network.users.identity("client", validity));
    let at = |now_unix, check_expiration| {
        let cx = ProcessingContext { now_unix, check_expiration, ..context(&bundle) };
        process_normal(&cx, &sent).map_err(|e| e.to_string())
    };
    let refused = || Err("broadcast client identity expired".to_owned());
    assert_eq!(at(NOW_UNIX + 10, true), refused(), "before anything is remembered");
    assert_eq!(at(NOW_UNIX + 9, true), Ok(0));
    assert_eq!(at(NOW_UNIX + 10, true), refused(), "though the sender is remembered");
    assert_eq!(at(NOW_UNIX + 10, false), Ok(0));
}

#[test]
fn without_a_policy_nobody_may_write() {
    let network = Network::new();
    let config = with(network.channel().config().unwrap(), |root| drop(root.policies.remove("Writers")));
    let bundle = Bundle::new("ch1", config).unwrap();
    let sent = message(HeaderType::Message, "ch1", &network.users.member("client"));
    let error = process_normal(&context(&bundle), &sent).unwrap_err();
    assert_eq!(error.to_string(), "could not find policy /Channel/Writers");
    assert_eq!(error.status(), Status::BadRequest);
}

#[test]
fn only_configuration_is_processed_again_as_such() {
    let network = Network::new();
    let bundle = bundle(&network.channel());
    let orderer = network.orderers.member("orderer");
    let error = process_config(&context(&bundle), &message(HeaderType::Message, "ch1", &orderer), &orderer);
    assert_eq!(error.unwrap_err().to_string(), "invalid type MESSAGE, expected CONFIG");
}

/// Plays a change of a Raft channel of consenters o1, o2 and o3 with raft ids 4, 5 and 6.
fn change(
    network: &Network,
    bundle: &Bundle,
    active: &[u64],
    change: impl FnOnce(&mut ConfigGroup),
) -> Result<Bundle, String> {
    let block_metadata = BlockMetadata { consenter_ids: vec![4, 5, 6], next_consenter_id: 7, raft_index: 9 };
    let raft = Some(RaftState { block_metadata: &block_metadata, active_nodes: active });
    let cx = ProcessingContext { raft, ..context(bundle) };
    let update = network.update(bundle, change);
    let (message, _) = process_config_update(&cx, &update, &network.orderers.member("orderer"))
        .map_err(|error| error.to_string())?;
    let config = config_in(&message);
    validate_config(bundle, &config).unwrap();
    Ok(Bundle::new(bundle.channel_id(), config.config.unwrap()).unwrap())
}

#[test]
fn a_raft_channel_changes_one_consenter_at_a_time() {
    let network = Network::new();
    let bundle = bundle(&network.channel());
    let fourth = network.orderers.consenter("o4");
    let next = change(&network, &bundle, &[4, 5, 6], |root| {
        change_raft(root, |raft| {
            raft.consenters.insert(0, fourth.clone());
            raft.options.as_mut().unwrap().snapshot_interval_size = 0;
        });
    });
    let raft = |bundle: &Bundle| RaftConfig::parse(&bundle.orderer().unwrap().consensus_metadata).unwrap();
    let (old, new) = (raft(&bundle), raft(&next.unwrap()));
    assert_eq!(membership_change(&old, &new), Ok(MembershipChange::Add { index: 0 }));
    assert_eq!(new.options.snapshot_interval_size_bytes, DEFAULT_SNAPSHOT_INTERVAL_BYTES);
    let der = |pem: &Bytes| pem_to_der(pem).unwrap();
    assert_eq!(find_self(&new.consenters, &der(&fourth.server_tls_cert)), Some(0));
    assert_eq!(find_self(&old.consenters, &der(&fourth.server_tls_cert)), None);
    assert_eq!(find_self(&new.consenters, b"no certificate"), None);
}

#[test]
fn what_would_stop_a_raft_channel_is_refused() {
    let network = Network::new();
    let bundle = bundle(&network.channel());
    let stranger = Member::new("StrangerMSP").consenter("s");
    let wrong = "error applying config update to existing channel 'ch1': consensus metadata update for channel config update is invalid: ";
    type Change<'a> = Box<dyn FnOnce(&mut ConfigGroup) + 'a>;
    let table: Vec<(&[u64], Change<'_>, &str)> = vec![
        (
            &[4, 5, 6],
            Box::new(|root| change_raft(root, |raft| raft.consenters.clear())),
            "invalid new config metadata: empty consenter set",
        ),
        (
            &[4, 5, 6],
            Box::new(|root| change_consensus(root, |consensus| consensus.metadata.clear())),
            "invalid new config metadata: nil Raft config metadata",
        ),
        (
            &[4, 5, 6],
            Box::new(|root| {
                change_raft(root, |raft| raft.options.as_mut().unwrap().tick_interval = "-1s".to_owned());
            }),
            "invalid new config metadata: TickInterval (-1s) cannot be negative",
        ),
        (
            &[4, 5],
            Box::new(|root| change_raft(root, |raft| drop(raft.consenters.remove(0)))),
            "2 out of 3 nodes are alive, configuration will result in quorum loss",
        ),
        (
            &[4, 5, 6],
            Box::new(|root| {
                // The consenters' certificates rest on this.
                let msp = protos::msp::FabricMspConfig { tls_root_certs: vec![], ..network.orderers.msp() };
                set(root, "Orderer/Orderer", "MSP", &network::msp_config(&msp));
            }),
            "invalid new config metadata: consenter o1:7050 has invalid certificate: verifying tls client cert with serial number ",
        ),
        (
            &[4, 5, 6],
            Box::new(move |root| change_raft(root, |raft| raft.consenters.push(stranger))),
            "invalid new config metadata: consenter s:7050 has invalid certificate: verifying tls client cert with serial number ",
        ),
    ];
    for (active, what, expected) in table {
        let refusal = change(&network, &bundle, active, what).unwrap_err();
        assert!(refusal.starts_with(&format!("{wrong}{expected}")), "{refusal}");
    }
}

#[test]
fn a_channel_moves_between_consensus_types_in_maintenance() {
    let network = Network::new();
    let normal = bundle(&network.channel());
    let active: &[u64] = &[4, 5, 6];
    let state = |state: consensus_type::State| {
        move |root: &mut ConfigGroup| change_consensus(root, |consensus| consensus.state = state as i32)
    };
    let to_type = |name: &'static str, metadata: Bytes| {
        move |root: &mut ConfigGroup| {
            change_consensus(root, |consensus| {
                consensus.r#type = name.to_owned();
                consensus.metadata = metadata;
            });
        }
    };
    let maintenance = change(&network, &normal, active, state(consensus_type::State::Maintenance)).unwrap();
    let sent = message(HeaderType::Message, "ch1", &network.orderers.member("admin"));
    let refusal = process_normal(&context(&maintenance), &sent).unwrap_err();
    assert_eq!(refusal.status(), Status::ServiceUnavailable);
    let kafka = change(&network, &maintenance, active, to_type("kafka", Bytes::new())).unwrap();
    let metadata = normal.orderer().unwrap().consensus_metadata.clone();
    let refusal = change(&network, &kafka, active, to_type("etcdraft", Bytes::new())).unwrap_err();
    assert!(
        refusal.ends_with(
            "but the channel could not be opened: invalid new config metadata: nil Raft config metadata"
        ),
        "{refusal}"
    );
    let raft = change(&network, &kafka, active, to_type("etcdraft", metadata)).unwrap();
    let done = change(&network, &raft, active, state(consensus_type::State::Normal)).unwrap();
    assert_eq!(done.sequence(), 4);
    assert_eq!(process_normal(&context(&done), &sent), Ok(4));
}

/// A request for the channel `new` with the organization Users, signed by its admin.
fn creation_request(network: &Network) -> Envelope {
    let stub = |version| ConfigGroup { version, ..ConfigGroup::default() };
    let policies = network.channel().config().unwrap().channel_group.unwrap();
    let mut read_set = stub(0);
    read_set.groups.insert("Application".to_owned(), stub(0));
    let users = ("Users".to_owned(), stub(0));
    group(&mut read_set, "Application").groups.extend([users.clone()]);
    let consortium = Consortium { name: "Consortium".to_owned() };
    let named = ConfigValue { value: consortium.encode_to_vec().into(), ..ConfigValue::default() };
    read_set.values.insert("Consortium".to_owned(), ConfigValue::default());
    let application = ConfigGroup {
        version: 1,
        groups: [users].into(),
        policies: policies.groups["Application"].policies.clone(),
        mod_policy: "Admins".to_owned(),
        ..ConfigGroup::default()
    };
    let write_set = ConfigGroup {
        groups: [("Application".to_owned(), application)].into(),
        values: [("Consortium".to_owned(), named)].into(),
        ..ConfigGroup::default()
    };
    let update = protos::common::ConfigUpdate {
        channel_id: "new".to_owned(),
        read_set: Some(read_set),
        write_set: Some(write_set),
        ..Default::default()
    };
    let config_update = Bytes::from(update.encode_to_vec());
    let admin = network.users.member("admin");
    let signature_header = Bytes::from(admin.signature_header().encode_to_vec());
    let signature = admin.sign(&[&signature_header[..], &config_update[..]].concat()).unwrap();
    let signatures = vec![ConfigSignature { signature_header, signature }];
    let data = ConfigUpdateEnvelope { config_update, signatures }.encode_to_vec().into();
    Draft::new(HeaderType::ConfigUpdate, "new", data, NOW_UNIX).sign(&admin).unwrap()
}

#[test]
fn a_system_channel_creates_channels_up_to_its_limit() {
    let network = Network::new();
    let orderer = network.orderers.member("orderer");
    let mut description = network.system_channel();
    description.orderer.as_mut().unwrap().max_channels = 2;
    let system = bundle(&description);
    let create = |channel_count| {
        let cx = ProcessingContext { system: Some(SystemContext { channel_count }), ..context(&system) };
        process_config_update(&cx, &creation_request(&network), &orderer)
    };
    let error = create(3).unwrap_err();
    assert_eq!(error.to_string(), "channel creation would exceed maximimum number of channels: 2");
    let (creation, sequence) = create(2).unwrap();
    assert_eq!(sequence, 0);
    let inner = Envelope::decode(payload(&creation).unwrap().data).unwrap();
    let config = config_in(&inner).config.unwrap();
    let new = Bundle::new("new", config).unwrap();
    assert_eq!(new.sequence(), 1);
    assert!(new.consortiums().is_none());
    let members: Vec<_> = new.application().unwrap().organizations.keys().collect();
    assert_eq!(members, ["Users"]);
    assert_eq!(new.orderer().unwrap().consensus_metadata, system.orderer().unwrap().consensus_metadata);
}

#[test]
fn a_creation_is_judged_by_the_system_channel_as_it_is_when_it_is_ordered() {
    let network = Network::new();
    let orderer = network.orderers.member("orderer");
    let system = bundle(&network.system_channel());
    let cx =
        |bundle| ProcessingContext { system: Some(SystemContext { channel_count: 1 }), ..context(bundle) };
    let (creation, _) = process_config_update(&cx(&system), &creation_request(&network), &orderer).unwrap();
    assert!(process_config(&cx(&system), &creation, &orderer).is_ok());
    assert_eq!(process_normal(&cx(&system), &creation), Ok(0));

    let changed = with(system.config().clone(), |root| {
        change_raft(root, |raft| raft.options.as_mut().unwrap().election_tick = 20);
    });
    let changed = Bundle::new("syschan", changed).unwrap();
    let refusal = process_normal(&cx(&changed), &creation).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "config proposed by the channel creation request did not match the config received with the channel creation request"
    );
    let (again, _) = process_config(&cx(&changed), &creation, &orderer).unwrap();
    assert_eq!(process_normal(&cx(&changed), &again), Ok(0));

    let without_users = with(system.config().clone(), |root| {
        group(root, "Consortiums").groups.insert("Consortium".to_owned(), ConfigGroup::default());
    });
    assert!(compute_update("syschan", system.config(), &without_users).is_ok());
    let without_users = Bundle::new("syschan", without_users).unwrap();
    assert!(process_config(&cx(&without_users), &creation, &orderer).is_err());
}

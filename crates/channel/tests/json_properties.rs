//! Any block, whatever is in it, survives its JSON form.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use bytes::Bytes;
use channel::json;
use proptest::{prelude::*, test_runner::RngSeed};
use protos::{
    Message, Timestamp, common,
    common::{
        Block, BlockData, BlockDataHashingStructure, BlockHeader, BlockMetadata, ChannelHeader, Config,
        ConfigEnvelope, ConfigGroup, ConfigPolicy, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope,
        ConfigValue, Consortium, Envelope, HashingAlgorithm, Header, HeaderType, ImplicitMetaPolicy,
        MspPrincipal, MspRole, OrdererAddresses, Payload, Policy, SignatureHeader, SignaturePolicy,
        SignaturePolicyEnvelope,
        signature_policy::{NOutOf, Type},
    },
    etcdraft, kvrwset,
    msp::{
        FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, IdemixMspConfig, MspConfig, SerializedIdentity,
    },
    orderer, peer, rwset,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9.]{0,6}", any::<String>()]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

fn list<T: std::fmt::Debug>(element: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(element, 0..3)
}

fn marshal(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn identity() -> impl Strategy<Value = SerializedIdentity> {
    (text(), bytes()).prop_map(|(mspid, id_bytes)| SerializedIdentity { mspid, id_bytes })
}

fn signature_header() -> impl Strategy<Value = SignatureHeader> {
    (identity(), bytes()).prop_map(|(creator, nonce)| SignatureHeader { creator: marshal(&creator), nonce })
}

fn principal() -> impl Strategy<Value = MspPrincipal> {
    let role =
        (text(), 0..7i32).prop_map(|(msp_identifier, role)| (0, marshal(&MspRole { msp_identifier, role })));
    let unit = (text(), text(), bytes()).prop_map(|(msp, unit, certifiers)| {
        let unit = common::OrganizationUnit {
            msp_identifier: msp,
            organizational_unit_identifier: unit,
            certifiers_identifier: certifiers,
        };
        (1, marshal(&unit))
    });
    let identity = identity().prop_map(|identity| (2, marshal(&identity)));
    let other = (3..6i32).prop_map(|kind| (kind, Bytes::new()));
    prop_oneof![role, unit, identity, other].prop_map(|(principal_classification, principal)| MspPrincipal {
        principal_classification,
        principal,
    })
}

fn rule() -> impl Strategy<Value = SignaturePolicy> {
    let leaf = prop::option::of(any::<i32>().prop_map(Type::SignedBy));
    let leaf = leaf.prop_map(|kind| SignaturePolicy { r#type: kind });
    leaf.prop_recursive(3, 8, 3, |rule| {
        (any::<i32>(), list(rule))
            .prop_map(|(n, rules)| SignaturePolicy { r#type: Some(Type::NOutOf(NOutOf { n, rules })) })
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let signature = (any::<i32>(), prop::option::of(rule()), list(principal())).prop_map(
        |(version, rule, identities)| (1, marshal(&SignaturePolicyEnvelope { version, rule, identities })),
    );
    let implicit = (text(), 0..4i32)
        .prop_map(|(sub_policy, rule)| (3, marshal(&ImplicitMetaPolicy { sub_policy, rule })));
    let other = any::<i32>().prop_map(|kind| (kind, Bytes::new()));
    prop_oneof![signature, implicit, other].prop_map(|(kind, value)| Policy { r#type: kind, value })
}

fn msp() -> impl Strategy<Value = Bytes> {
    let unit = || {
        prop::option::of((bytes(), text()).prop_map(|(certificate, unit)| FabricOuIdentifier {
            certificate,
            organizational_unit_identifier: unit,
        }))
    };
    let units = (any::<bool>(), unit(), unit()).prop_map(|(enable, client, peer)| FabricNodeOUs {
        enable,
        client_ou_identifier: client,
        peer_ou_identifier: peer,
        ..FabricNodeOUs::default()
    });
    let fabric = (text(), list(bytes()), list(bytes()), prop::option::of(units)).prop_map(
        |(name, root_certs, revocation_list, fabric_node_ous)| {
            let config =
                FabricMspConfig { name, root_certs, revocation_list, fabric_node_ous, ..Default::default() };
            MspConfig { r#type: 0, config: marshal(&config) }
        },
    );
    let idemix = (text(), bytes(), any::<i64>()).prop_map(|(name, ipk, epoch)| MspConfig {
        r#type: 1,
        config: marshal(&IdemixMspConfig { name, ipk, epoch, ..Default::default() }),
    });
    prop_oneof![fabric, idemix].prop_map(|config| marshal(&config))
}

/// As Go writes it, which is how we write what is marshaled inside: an entry always has a value.
fn capabilities() -> impl Strategy<Value = Bytes> {
    prop::collection::btree_set("[A-Z_0-9]{0,6}", 0..3).prop_map(|names| {
        let entries = names.iter().map(|name| {
            let length = name.len() as u8;
            [&[0x0a, length + 4, 0x0a, length], name.as_bytes(), &[0x12, 0]].concat()
        });
        entries.flatten().collect()
    })
}

fn addresses() -> impl Strategy<Value = Bytes> {
    list(text()).prop_map(|addresses| marshal(&OrdererAddresses { addresses }))
}

fn consensus() -> impl Strategy<Value = Bytes> {
    let consenter = (text(), any::<u32>(), bytes()).prop_map(|(host, port, cert)| etcdraft::Consenter {
        host,
        port,
        client_tls_cert: cert.clone(),
        server_tls_cert: cert,
    });
    let options = (text(), any::<u32>()).prop_map(|(tick_interval, election_tick)| etcdraft::Options {
        tick_interval,
        election_tick,
        ..Default::default()
    });
    let raft = (list(consenter), prop::option::of(options), any::<i32>()).prop_map(
        |(consenters, options, state)| orderer::ConsensusType {
            r#type: "etcdraft".to_owned(),
            metadata: marshal(&etcdraft::ConfigMetadata { consenters, options }),
            state,
        },
    );
    let other = (text(), 0..2i32).prop_map(|(kind, state)| orderer::ConsensusType {
        r#type: kind,
        metadata: Bytes::new(),
        state,
    });
    prop_oneof![raft, other].prop_map(|consensus| marshal(&consensus))
}

/// The values of a group: each of these names, with or without a value.
fn values(
    named: Vec<(&'static str, BoxedStrategy<Bytes>)>,
) -> impl Strategy<Value = BTreeMap<String, ConfigValue>> {
    let each = named.into_iter().map(|(name, content)| {
        (any::<u64>(), prop::option::of(content), text(), any::<bool>()).prop_map(
            move |(version, content, mod_policy, is_there)| {
                let value = content.unwrap_or_default();
                is_there.then(|| (name.to_owned(), ConfigValue { version, value, mod_policy }))
            },
        )
    });
    each.collect::<Vec<_>>().prop_map(|values| values.into_iter().flatten().collect())
}

fn group(
    named: Vec<(&'static str, BoxedStrategy<Bytes>)>,
    groups: impl Strategy<Value = BTreeMap<String, ConfigGroup>>,
) -> impl Strategy<Value = ConfigGroup> {
    let policy = (any::<u64>(), prop::option::of(policy()), text())
        .prop_map(|(version, policy, mod_policy)| ConfigPolicy { version, policy, mod_policy });
    let policies = prop::collection::btree_map(text(), policy, 0..3);
    (any::<u64>(), values(named), policies, groups, text()).prop_map(
        |(version, values, policies, groups, mod_policy)| ConfigGroup {
            version,
            groups,
            values,
            policies,
            mod_policy,
        },
    )
}

fn named_groups(
    group: impl Strategy<Value = ConfigGroup>,
) -> impl Strategy<Value = BTreeMap<String, ConfigGroup>> {
    prop::collection::btree_map(text(), group, 0..3)
}

fn no_groups() -> impl Strategy<Value = BTreeMap<String, ConfigGroup>> {
    Just(BTreeMap::new())
}

fn orderers() -> impl Strategy<Value = ConfigGroup> {
    let organization = group(vec![("MSP", msp().boxed()), ("Endpoints", addresses().boxed())], no_groups());
    let size = (any::<u32>(), any::<u32>()).prop_map(|(count, bytes)| {
        marshal(&orderer::BatchSize {
            max_message_count: count,
            absolute_max_bytes: bytes,
            preferred_max_bytes: 0,
        })
    });
    let restrictions =
        any::<u64>().prop_map(|max_count| marshal(&orderer::ChannelRestrictions { max_count }));
    group(
        vec![
            ("ConsensusType", consensus().boxed()),
            ("BatchSize", size.boxed()),
            ("BatchTimeout", text().prop_map(|timeout| marshal(&orderer::BatchTimeout { timeout })).boxed()),
            (
                "KafkaBrokers",
                list(text()).prop_map(|brokers| marshal(&orderer::KafkaBrokers { brokers })).boxed(),
            ),
            ("ChannelRestrictions", restrictions.boxed()),
            ("Capabilities", capabilities().boxed()),
        ],
        named_groups(organization),
    )
}

fn application() -> impl Strategy<Value = ConfigGroup> {
    let anchor = (text(), any::<i32>()).prop_map(|(host, port)| peer::AnchorPeer { host, port });
    let anchors = list(anchor).prop_map(|anchor_peers| marshal(&peer::AnchorPeers { anchor_peers }));
    // An entry without a name or without a policy is written differently by Go.
    let acls = prop::collection::btree_map(
        "[a-z/]{1,6}",
        "[A-Z]{1,4}".prop_map(|policy_ref| peer::ApiResource { policy_ref }),
        0..3,
    );
    let acls = acls.prop_map(|acls| marshal(&peer::AcLs { acls }));
    let organization = group(vec![("MSP", msp().boxed()), ("AnchorPeers", anchors.boxed())], no_groups());
    group(vec![("Capabilities", capabilities().boxed()), ("ACLs", acls.boxed())], named_groups(organization))
}

fn consortiums() -> impl Strategy<Value = ConfigGroup> {
    let organization = group(vec![("MSP", msp().boxed())], no_groups());
    let creation = policy().prop_map(|policy| marshal(&policy)).boxed();
    let consortium = group(vec![("ChannelCreationPolicy", creation)], named_groups(organization));
    group(vec![], named_groups(consortium))
}

fn channel_group() -> impl Strategy<Value = ConfigGroup> {
    let sections =
        (prop::option::of(orderers()), prop::option::of(application()), prop::option::of(consortiums()));
    let sections = sections.prop_map(|(orderers, application, consortiums)| {
        let sections = [("Orderer", orderers), ("Application", application), ("Consortiums", consortiums)];
        sections.into_iter().filter_map(|(name, group)| Some((name.to_owned(), group?))).collect()
    });
    let width = any::<u32>().prop_map(|width| marshal(&BlockDataHashingStructure { width }));
    group(
        vec![
            ("HashingAlgorithm", text().prop_map(|name| marshal(&HashingAlgorithm { name })).boxed()),
            ("BlockDataHashingStructure", width.boxed()),
            ("OrdererAddresses", addresses().boxed()),
            ("Consortium", text().prop_map(|name| marshal(&Consortium { name })).boxed()),
            ("Capabilities", capabilities().boxed()),
        ],
        sections,
    )
}

fn config() -> impl Strategy<Value = Config> {
    (any::<u64>(), prop::option::of(channel_group()))
        .prop_map(|(sequence, channel_group)| Config { sequence, channel_group })
}

/// An envelope of that type around the marshaled data.
fn envelope(kind: HeaderType, data: BoxedStrategy<Bytes>) -> impl Strategy<Value = Envelope> {
    let timestamp = (-62_135_596_800..253_402_300_800i64, 0..1_000_000_000i32)
        .prop_map(|(seconds, nanos)| Timestamp { seconds, nanos });
    let chaincode = (text(), text()).prop_map(|(name, version)| peer::ChaincodeHeaderExtension {
        chaincode_id: Some(peer::ChaincodeId { path: String::new(), name, version }),
    });
    let parts = (
        prop::option::of(timestamp),
        text(),
        text(),
        any::<u64>(),
        chaincode,
        signature_header(),
        bytes(),
        data,
    );
    parts.prop_map(move |(timestamp, channel_id, tx_id, epoch, chaincode, signature_header, bytes, data)| {
        let is_transaction = kind == HeaderType::EndorserTransaction;
        let channel_header = ChannelHeader {
            r#type: kind as i32,
            version: 1,
            timestamp,
            channel_id,
            tx_id,
            epoch,
            extension: if is_transaction { marshal(&chaincode) } else { Bytes::new() },
            tls_cert_hash: bytes.clone(),
        };
        let header =
            Header { channel_header: marshal(&channel_header), signature_header: marshal(&signature_header) };
        let payload = Payload { header: Some(header), data };
        Envelope { payload: marshal(&payload), signature: bytes }
    })
}

fn config_update() -> impl Strategy<Value = Envelope> {
    let update = (text(), prop::option::of(channel_group()), channel_group()).prop_map(
        |(channel_id, read_set, write_set)| ConfigUpdate {
            channel_id,
            read_set,
            write_set: Some(write_set),
            isolated_data: BTreeMap::new(),
        },
    );
    let signature = (signature_header(), bytes())
        .prop_map(|(header, signature)| ConfigSignature { signature_header: marshal(&header), signature });
    let data = (update, list(signature)).prop_map(|(update, signatures)| {
        marshal(&ConfigUpdateEnvelope { config_update: marshal(&update), signatures })
    });
    envelope(HeaderType::ConfigUpdate, data.boxed())
}

fn config_envelope() -> impl Strategy<Value = Envelope> {
    let data = (prop::option::of(config()), prop::option::of(config_update()))
        .prop_map(|(config, last_update)| marshal(&ConfigEnvelope { config, last_update }));
    envelope(HeaderType::Config, data.boxed())
}

fn reads_and_writes() -> impl Strategy<Value = Bytes> {
    let version =
        (any::<u64>(), any::<u64>()).prop_map(|(block_num, tx_num)| kvrwset::Version { block_num, tx_num });
    let read =
        (text(), prop::option::of(version)).prop_map(|(key, version)| kvrwset::KvRead { key, version });
    let write = (text(), any::<bool>(), bytes()).prop_map(|(key, is_delete, value)| kvrwset::KvWrite {
        key,
        is_delete,
        value,
    });
    let set = (list(read), list(write)).prop_map(|(reads, writes)| kvrwset::KvrwSet {
        reads,
        writes,
        ..Default::default()
    });
    let collection = (text(), bytes()).prop_map(|(collection_name, hashed_rwset)| {
        rwset::CollectionHashedReadWriteSet { collection_name, hashed_rwset, pvt_rwset_hash: Bytes::new() }
    });
    let namespace = (text(), set, list(collection)).prop_map(|(namespace, set, collection_hashed_rwset)| {
        rwset::NsReadWriteSet { namespace, rwset: marshal(&set), collection_hashed_rwset }
    });
    list(namespace).prop_map(|ns_rwset| marshal(&rwset::TxReadWriteSet { data_model: 0, ns_rwset }))
}

fn transaction() -> impl Strategy<Value = Envelope> {
    let response = (any::<i32>(), text(), bytes()).prop_map(|(status, message, payload)| peer::Response {
        status,
        message,
        payload,
    });
    let action = (reads_and_writes(), prop::option::of(response)).prop_map(|(results, response)| {
        marshal(&peer::ChaincodeAction { results, response, ..Default::default() })
    });
    let endorsement =
        (bytes(), bytes()).prop_map(|(endorser, signature)| peer::Endorsement { endorser, signature });
    let endorsed =
        (bytes(), action, list(endorsement)).prop_map(|(proposal_hash, extension, endorsements)| {
            let response = peer::ProposalResponsePayload { proposal_hash, extension };
            peer::ChaincodeEndorsedAction { proposal_response_payload: marshal(&response), endorsements }
        });
    let input = (list(bytes()), any::<bool>(), -1..6i32).prop_map(|(args, is_init, kind)| {
        let input = peer::ChaincodeInput { args, decorations: BTreeMap::new(), is_init };
        let spec = peer::ChaincodeSpec { r#type: kind, input: Some(input), ..Default::default() };
        marshal(&peer::ChaincodeInvocationSpec { chaincode_spec: Some(spec) })
    });
    let action =
        (signature_header(), input, prop::option::of(endorsed)).prop_map(|(header, input, action)| {
            let proposal = peer::ChaincodeProposalPayload { input, transient_map: BTreeMap::new() };
            let payload =
                peer::ChaincodeActionPayload { chaincode_proposal_payload: marshal(&proposal), action };
            peer::TransactionAction { header: marshal(&header), payload: marshal(&payload) }
        });
    let data = list(action).prop_map(|actions| marshal(&peer::Transaction { actions }));
    envelope(HeaderType::EndorserTransaction, data.boxed())
}

fn any_envelope() -> impl Strategy<Value = Envelope> {
    let value = (any::<u64>(), bytes(), text())
        .prop_map(|(version, value, mod_policy)| marshal(&ConfigValue { version, value, mod_policy }));
    let inner = config_envelope().prop_map(|envelope| marshal(&envelope));
    prop_oneof![
        config_update(),
        config_envelope(),
        transaction(),
        envelope(HeaderType::Message, value.boxed()),
        envelope(HeaderType::OrdererTransaction, inner.boxed()),
    ]
}

fn block() -> impl Strategy<Value = Block> {
    let header = (any::<u64>(), bytes(), bytes())
        .prop_map(|(number, previous_hash, data_hash)| BlockHeader { number, previous_hash, data_hash });
    let data = list(any_envelope())
        .prop_map(|envelopes| BlockData { data: envelopes.iter().map(marshal).collect() });
    let metadata = list(bytes()).prop_map(|metadata| BlockMetadata { metadata });
    (prop::option::of(header), prop::option::of(data), prop::option::of(metadata))
        .prop_map(|(header, data, metadata)| Block { header, data, metadata })
}

/// `message` after it was shown and read. Shown again it looks the same.
fn shown_and_read<M: Message + Default>(message_type: &str, message: &M) -> M {
    let text = json::decode(message_type, &message.encode_to_vec()).unwrap();
    let bytes = json::encode(message_type, &text).unwrap();
    assert_eq!(json::decode(message_type, &bytes).unwrap(), text);
    M::decode(bytes.as_slice()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What is marshaled inside is marshaled anew, so that it is the same from the second time on: an entry
    /// of a map may have been written without what is empty in it.
    #[test]
    fn a_block_survives_its_json_form(block in block()) {
        let block = shown_and_read("common.Block", &block);
        prop_assert_eq!(shown_and_read("common.Block", &block), block);
    }

    #[test]
    fn a_config_survives_its_json_form(config in config()) {
        prop_assert_eq!(shown_and_read("common.Config", &config), config);
    }
}

//! What a configuration must be, and what may follow it, beyond what the golden vectors have.
#![allow(clippy::unwrap_used)]

use channel::bundle::{Bundle, BundleError};
use network::{Network, bundle, group, msp_config, set, with};
use proptest::prelude::*;
use protos::{
    Message,
    common::{
        BlockDataHashingStructure, Capabilities, Capability, Config, ConfigGroup, ConfigPolicy, ConfigValue,
        HashingAlgorithm, OrdererAddresses, Policy,
    },
    msp::MspConfig,
    orderer::{BatchSize, BatchTimeout, ConsensusType},
};

mod network;

type Change<'a> = Box<dyn FnOnce(&mut ConfigGroup) + 'a>;

fn capabilities(names: &[&str]) -> Capabilities {
    Capabilities { capabilities: names.iter().map(|name| (name.to_string(), Capability {})).collect() }
}

fn addresses() -> OrdererAddresses {
    OrdererAddresses { addresses: vec!["o1:7050".to_owned()] }
}

fn add_group(root: &mut ConfigGroup, path: &str, name: &str) {
    group(root, path).groups.insert(name.to_owned(), ConfigGroup::default());
}

#[test]
fn rules_of_any_configuration() {
    let network = Network::new();
    let nameless = msp_config(&protos::msp::FabricMspConfig { name: String::new(), ..network.users.msp() });
    let table: Vec<(Change<'_>, &str)> = vec![
        (
            Box::new(|root| drop(group(root, "Orderer").values.remove("Capabilities"))),
            "cannot enable channel capabilities without orderer support first",
        ),
        (
            Box::new(|root| {
                root.values.remove("Capabilities");
                group(root, "Orderer").values.remove("Capabilities");
            }),
            "cannot enable application capabilities without orderer support first",
        ),
        (
            Box::new(|root| {
                add_group(root, "", "Extra");
                let extra = group(root, "Extra");
                extra.version = 3;
                extra.values.insert("V".to_owned(), ConfigValue::default());
            }),
            "initializing channelconfig failed: Disallowed channel group: version:3 values:<key:\"V\" > ",
        ),
        (
            Box::new(|root| drop(root.values.remove("HashingAlgorithm"))),
            "initializing channelconfig failed: Unknown hashing algorithm type: ",
        ),
        (
            Box::new(|root| set(root, "", "Extra", &HashingAlgorithm::default())),
            "initializing channelconfig failed: failed to deserialize values: Unexpected key Extra",
        ),
        (
            Box::new(|root| set(root, "Application", "Extra", &HashingAlgorithm::default())),
            "initializing channelconfig failed: could not create channel Application sub-group config: failed to deserialize values: Unexpected key Extra",
        ),
        (
            Box::new(|root| set(root, "Application/Users", "Endpoints", &addresses())),
            "initializing channelconfig failed: could not create channel Application sub-group config: failed to deserialize values: Unexpected key Endpoints",
        ),
        (
            Box::new(|root| set(root, "Orderer/Orderer", "AnchorPeers", &HashingAlgorithm::default())),
            "initializing channelconfig failed: could not create channel Orderer sub-group config: failed to deserialize values: Unexpected key AnchorPeers",
        ),
        (
            Box::new(|root| set(root, "", "Capabilities", &capabilities(&["V1_3"]))),
            "initializing channelconfig failed: Must set some OrdererAddresses",
        ),
        (
            Box::new(|root| {
                set(root, "", "Capabilities", &capabilities(&["V1_3"]));
                set(root, "", "OrdererAddresses", &addresses());
                set(root, "Orderer/Orderer", "Endpoints", &addresses());
            }),
            "initializing channelconfig failed: could not create channel Orderer sub-group config: Orderer Org Orderer cannot contain endpoints value until V1_4_2+ capabilities have been enabled",
        ),
        (
            Box::new(|root| add_group(root, "Orderer/Orderer", "Sub")),
            "initializing channelconfig failed: could not create channel Orderer sub-group config: OrdererOrg config does not allow sub-groups",
        ),
        (
            Box::new(|root| add_group(root, "Application/Users", "Sub")),
            "initializing channelconfig failed: could not create channel Application sub-group config: ApplicationOrg config does not allow sub-groups",
        ),
        (
            Box::new(|root| {
                set(root, "Application/Users", "MSP", &MspConfig { r#type: 2, ..MspConfig::default() });
            }),
            "initializing channelconfig failed: could not create channel Application sub-group config: Setup error: unsupported msp type 2",
        ),
        (
            Box::new(|root| set(root, "Application/Users", "MSP", &nameless)),
            "initializing channelconfig failed: could not create channel Application sub-group config: MSP for org Users has empty MSP ID",
        ),
        (
            Box::new(|root| {
                drop(group(root, "Application").policies.insert("Nil".to_owned(), ConfigPolicy::default()));
            }),
            "initializing policymanager failed: policy Nil at path Channel/Application was nil",
        ),
        (
            Box::new(|root| {
                let users = group(root, "Application").groups.remove("Users").unwrap();
                group(root, "Application").groups.insert("Some Users".to_owned(), users);
            }),
            "initializing configtx manager failed: error converting config to map: illegal characters in key: [Group]  : config ID 'Some Users' contains illegal characters",
        ),
    ];
    let good = network.channel().config().unwrap();
    for (change, expected) in table {
        let refusal = Bundle::new("ch1", with(good.clone(), change)).err().map(|e| e.to_string());
        assert_eq!(refusal.as_deref(), Some(expected));
    }
    let refusal = Bundle::new("Ch1", good).err().map(|e| e.to_string());
    let expected = "initializing configtx manager failed: bad channel ID: 'Ch1' contains illegal characters";
    assert_eq!(refusal.as_deref(), Some(expected));
    assert_eq!(Bundle::new("ch1", Config::default()).err(), Some(BundleError::NoChannelGroup));
}

#[test]
fn what_is_in_a_configuration_can_be_asked() {
    let network = Network::new();
    let mut description = network.channel();
    let orderer = description.orderer.as_mut().unwrap();
    orderer.addresses = vec!["global:1".to_owned()];
    orderer.organizations[0].orderer_endpoints = vec!["own:2".to_owned()];
    let bundle = Bundle::from_config_block(&description.block(0, vec![7; 24].into()).unwrap()).unwrap();
    assert_eq!((bundle.channel_id(), bundle.sequence()), ("ch1", 0));
    assert_eq!(bundle.orderer_addresses(), ["global:1"]);
    let orderer = bundle.orderer().unwrap();
    assert_eq!((orderer.consensus_type.as_str(), orderer.batch_timeout.as_secs()), ("etcdraft", 2));
    let organization = &orderer.organizations["Orderer"];
    assert_eq!(
        (organization.msp_id.as_str(), &organization.endpoints[..]),
        ("OrdererMSP", &["own:2".to_owned()][..])
    );
    assert_eq!(organization.msp.tls_root_certs().len(), 1);
    let application: Vec<_> = bundle.application().unwrap().organizations.keys().collect();
    assert_eq!(application, ["Users"]);
    assert!(bundle.consortiums().is_none() && bundle.unsupported_capability().is_none());
    assert!(bundle.writers_policy().is_ok() && bundle.readers_policy().is_ok());
    assert!(bundle.block_validation_policy().is_ok());
}

#[test]
fn rules_of_what_may_follow() {
    let network = Network::new();
    let (channel, system) = (network.channel(), network.system_channel());
    let current = bundle(&channel);
    let mut old = channel.clone();
    old.capabilities = Some(vec!["V1_3".to_owned()]);
    old.orderer.as_mut().unwrap().addresses = vec!["o1:7050".to_owned()];
    let old = bundle(&old);
    let solo = |config: Config| {
        with(config, |root| {
            set(
                root,
                "Orderer",
                "ConsensusType",
                &ConsensusType { r#type: "solo".to_owned(), ..Default::default() },
            );
        })
    };
    let table = [
        (&current, current.config().clone(), None),
        (&current, solo(current.config().clone()), None),
        (&old, solo(old.config().clone()), Some("attempted to change consensus type from etcdraft to solo")),
        (
            &current,
            with(current.config().clone(), |root| drop(root.groups.remove("Orderer"))),
            Some("current config has orderer section, but new config does not"),
        ),
        (
            &current,
            system.config().unwrap(),
            Some("current config has application section, but new config does not"),
        ),
        (
            &current,
            with(current.config().clone(), |root| {
                let system = system.config().unwrap().channel_group.unwrap();
                root.groups.insert("Consortiums".to_owned(), system.groups["Consortiums"].clone());
            }),
            Some("current config has no consortiums section, but new config does"),
        ),
        (
            &current,
            with(current.config().clone(), |root| {
                let renamed =
                    protos::msp::FabricMspConfig { name: "Other".to_owned(), ..network.orderers.msp() };
                set(root, "Orderer/Orderer", "MSP", &msp_config(&renamed));
            }),
            Some("orderer org Orderer attempted to change MSP ID from OrdererMSP to Other"),
        ),
    ];
    for (current, next, expected) in table {
        let next = Bundle::new("ch1", next).unwrap();
        let refusal = current.check_successor(&next).err().map(|e| e.to_string());
        assert_eq!(refusal.as_deref(), expected);
    }
    let current = bundle(&system);
    let renamed = protos::msp::FabricMspConfig { name: "Other".to_owned(), ..network.users.msp() };
    let next = with(current.config().clone(), |root| {
        set(root, "Consortiums/Consortium/Users", "MSP", &msp_config(&renamed));
    });
    let refusal = current.check_successor(&Bundle::new("syschan", next).unwrap()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "consortium Consortium org Users attempted to change MSP ID from UsersMSP to Other"
    );
}

/// Values under the names that mean something, sound ones and others.
fn values() -> impl Strategy<Value = (String, ConfigValue)> {
    let sound = prop_oneof![
        Just(HashingAlgorithm { name: "SHA256".to_owned() }.encode_to_vec()),
        Just(BlockDataHashingStructure { width: u32::MAX }.encode_to_vec()),
        Just(capabilities(&["V2_0"]).encode_to_vec()),
        Just(addresses().encode_to_vec()),
        Just(
            BatchSize { max_message_count: 1, absolute_max_bytes: 9, preferred_max_bytes: 9 }.encode_to_vec()
        ),
        Just(BatchTimeout { timeout: "2s".to_owned() }.encode_to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let names = prop::sample::select(vec![
        "HashingAlgorithm",
        "BlockDataHashingStructure",
        "OrdererAddresses",
        "Consortium",
        "Capabilities",
        "ConsensusType",
        "BatchSize",
        "BatchTimeout",
        "KafkaBrokers",
        "ChannelRestrictions",
        "Endpoints",
        "MSP",
        "AnchorPeers",
        "ACLs",
        "ChannelCreationPolicy",
    ]);
    (names, sound).prop_map(|(name, value)| {
        (name.to_owned(), ConfigValue { value: value.into(), ..ConfigValue::default() })
    })
}

fn policies() -> impl Strategy<Value = (String, ConfigPolicy)> {
    let value = prop::collection::vec(any::<u8>(), 0..8);
    ("[A-C]", prop::option::of((0..4i32, value))).prop_map(|(name, policy)| {
        let policy = policy.map(|(kind, value)| Policy { r#type: kind, value: value.into() });
        (name, ConfigPolicy { policy, ..ConfigPolicy::default() })
    })
}

fn groups(depth: u32) -> BoxedStrategy<ConfigGroup> {
    let names = prop::sample::select(vec!["Orderer", "Application", "Consortiums", "Org", "Bad Name"]);
    let below = match depth {
        0 => Just(Vec::new()).boxed(),
        _ => prop::collection::vec((names.prop_map(str::to_owned), groups(depth - 1)), 0..4).boxed(),
    };
    let parts = (below, prop::collection::vec(values(), 0..8), prop::collection::vec(policies(), 0..3));
    parts
        .prop_map(|(groups, values, policies)| ConfigGroup {
            groups: groups.into_iter().collect(),
            values: values.into_iter().collect(),
            policies: policies.into_iter().collect(),
            ..ConfigGroup::default()
        })
        .boxed()
}

proptest! {
    #[test]
    fn any_configuration_is_answered(root in groups(3), sound_root in any::<bool>()) {
        let mut config = Config { sequence: u64::MAX, channel_group: Some(root) };
        if sound_root {
            // Lets the rest be looked at.
            config = with(config, |root| {
                root.values.clear();
                root.groups.remove("Org");
                root.groups.remove("Bad Name");
                set(root, "", "HashingAlgorithm", &HashingAlgorithm { name: "SHA256".to_owned() });
                set(root, "", "BlockDataHashingStructure", &BlockDataHashingStructure { width: u32::MAX });
                set(root, "", "OrdererAddresses", &addresses());
            });
        }
        if let Err(error) = Bundle::new("ch1", config) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

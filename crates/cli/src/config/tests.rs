//! The pure parts on a generated channel.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::{
    bundle::Bundle,
    configtx::{compute_update, review_update},
    genesis::{
        ApplicationSection, Consensus, GenesisDescription, OrdererSection, Organization, PolicyRule,
        default_raft_options,
    },
};
use identity::{
    generate::{CertificateAuthority, Validity},
    signing::SigningIdentity,
};
use protos::{
    Message,
    common::{Config, ConfigUpdate},
    etcdraft::{ConfigMetadata, Consenter},
    msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, MspConfig},
    orderer::BatchSize,
};

use super::{
    approval::{Approval, approvals},
    assignment::{Assignment, SETTABLE},
    check::{Findings, check},
    difference::{all_settings, between, written},
    document,
    raft::{self, Certificates},
    tree::GroupPath,
    update::Update,
};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

struct Org {
    msp_id: String,
    ca: CertificateAuthority,
}

impl Org {
    fn new(msp_id: &str) -> Self {
        let ca = CertificateAuthority::new(&format!("ca.{msp_id}"), msp_id, NOW).unwrap();
        Self { msp_id: msp_id.to_owned(), ca }
    }

    fn admin(&self) -> SigningIdentity {
        let pair = self.ca.issue_identity("admin", Some("admin"), Validity::from_now(NOW)).unwrap();
        let (certificate, key) = (pair.certificate_pem, pair.private_key_pem);
        SigningIdentity::from_pem(&self.msp_id, certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    fn tls(&self, host: &str, validity: Validity) -> Certificates {
        let server = Bytes::from(self.ca.issue_tls(host, &[host], validity).unwrap().certificate_pem);
        Certificates { client: server.clone(), server }
    }

    fn describe(&self) -> Organization {
        let ca = Bytes::copy_from_slice(self.ca.certificate_pem().as_bytes());
        let ou = |role: &str| {
            Some(FabricOuIdentifier {
                certificate: ca.clone(),
                organizational_unit_identifier: role.to_owned(),
            })
        };
        let msp = FabricMspConfig {
            name: self.msp_id.clone(),
            root_certs: vec![ca.clone()],
            tls_root_certs: vec![ca.clone()],
            fabric_node_ous: Some(FabricNodeOUs {
                enable: true,
                client_ou_identifier: ou("client"),
                peer_ou_identifier: ou("peer"),
                admin_ou_identifier: ou("admin"),
                orderer_ou_identifier: ou("orderer"),
            }),
            ..FabricMspConfig::default()
        };
        let rule = |role| PolicyRule::Signature(format!("OR('{}.{role}')", self.msp_id));
        let policies = [("Readers", "member"), ("Writers", "member"), ("Admins", "admin")];
        Organization {
            name: self.msp_id.trim_end_matches("MSP").to_owned(),
            msp: MspConfig { r#type: 0, config: msp.encode_to_vec().into() },
            policies: policies.map(|(name, role)| (name.to_owned(), rule(role))).into(),
            orderer_endpoints: vec!["o1:7050".to_owned()],
            anchor_peers: Vec::new(),
            skip_as_foreign: false,
        }
    }
}

struct Network {
    orderers: Org,
    users: [Org; 2],
    config: Config,
}

impl Network {
    fn new() -> Self {
        let orderers = Org::new("OrdererMSP");
        let users = [Org::new("Org1MSP"), Org::new("Org2MSP")];
        let consenter = |host: &str| {
            let Certificates { client, server } = orderers.tls(host, Validity::from_now(NOW));
            Consenter { host: host.to_owned(), port: 7050, client_tls_cert: client, server_tls_cert: server }
        };
        let raft = ConfigMetadata {
            consenters: ["o1", "o2", "o3"].map(consenter).into(),
            options: Some(default_raft_options()),
        };
        let orderer = OrdererSection::new(Consensus::Etcdraft(raft), vec![orderers.describe()]);
        let mut organizations: Vec<_> = users.iter().map(Org::describe).collect();
        // Names may have dots.
        organizations[1].name = "org2.example.com".to_owned();
        let application = ApplicationSection::new(organizations);
        let channel = GenesisDescription::application_channel("ch1", orderer, application);
        Self { config: channel.config().unwrap(), orderers, users }
    }

    fn bundle(&self) -> Bundle {
        Bundle::new("ch1", self.config.clone()).unwrap()
    }

    /// The config after these assignments.
    fn set(&self, assignments: &[&str]) -> Result<Config, String> {
        let mut config = self.config.clone();
        for one in assignments {
            one.parse::<Assignment>().and_then(|one| one.apply(&mut config)).map_err(|e| e.to_string())?;
        }
        Ok(config)
    }

    fn changes(&self, to: &Config) -> Vec<String> {
        between(&self.config, to).into_iter().map(|change| change.text).collect()
    }

    fn update(&self, to: &Config) -> ConfigUpdate {
        compute_update("ch1", &self.config, to).unwrap()
    }

    fn check(&self, to: &Config) -> Findings {
        check(&self.bundle(), to, &self.update(to), NOW)
    }
}

#[test]
fn what_is_set_is_told_as_it_was_set() {
    let network = Network::new();
    for (assignment, told) in [
        ("orderer.batch_timeout=1s", "orderer.batch_timeout: 2s -> 1s"),
        ("orderer.batch_size.max_message_count=7", "orderer.batch_size.max_message_count: 500 -> 7"),
        (
            "orderer.batch_size.absolute_max_bytes=99 MB",
            "orderer.batch_size.absolute_max_bytes: 10485760 -> 103809024",
        ),
        (
            "orderer.batch_size.preferred_max_bytes=512KB",
            "orderer.batch_size.preferred_max_bytes: 2097152 -> 524288",
        ),
        ("orderer.max_channels=5", "orderer.max_channels: 0 -> 5"),
        ("orderer.kafka_brokers=k1:9092", "orderer.kafka_brokers = k1:9092 (new)"),
        ("orderer.capabilities+=V1_4_2", "orderer.capabilities: V1_4_2 added"),
        ("orderer.raft.tick_interval=100ms", "orderer.raft.tick_interval: 500ms -> 100ms"),
        ("orderer.raft.election_tick=20", "orderer.raft.election_tick: 10 -> 20"),
        ("orderer.raft.heartbeat_tick=2", "orderer.raft.heartbeat_tick: 1 -> 2"),
        ("orderer.raft.max_inflight_blocks=9", "orderer.raft.max_inflight_blocks: 5 -> 9"),
        (
            "orderer.raft.snapshot_interval_size=20 MB",
            "orderer.raft.snapshot_interval_size: 16777216 -> 20971520",
        ),
        ("orderer.policies.Readers=ALL Readers", "orderer.policies.Readers: ANY Readers -> ALL Readers"),
        (
            "orderer.organizations.Orderer.endpoints+=o2:7050",
            "orderer.organizations.Orderer.endpoints: o2:7050 added",
        ),
        (
            "orderer.organizations.Orderer.policies.Admins=OR('OrdererMSP.member')",
            "orderer.organizations.Orderer.policies.Admins: OR('OrdererMSP.admin') -> OR('OrdererMSP.member')",
        ),
        ("orderer.addresses=o1:7050, o2:7050", "channel.orderer_addresses = o1:7050, o2:7050 (new)"),
        ("channel.orderer_addresses=[::1]:7050", "channel.orderer_addresses = [::1]:7050 (new)"),
        (
            "channel.capabilities=V1_4_3",
            "channel.capabilities: V2_0 removed | channel.capabilities: V1_4_3 added",
        ),
        ("channel.policies.New=ANY Admins", "channel.policies.New = ANY Admins (new)"),
        (
            "application.acls.peer/Propose=/Channel/Application/Writers",
            "application.acls.peer/Propose = /Channel/Application/Writers (new)",
        ),
        (
            "application.capabilities=V2_0",
            "application.capabilities: V2_5 removed | application.capabilities: V2_0 added",
        ),
        (
            "application.policies.Endorsement=",
            "application.policies.Endorsement removed (was MAJORITY Endorsement)",
        ),
        (
            "application.organizations.org2.example.com.anchor_peers=peer0:7051",
            "application.organizations.org2.example.com.anchor_peers = peer0:7051 (new)",
        ),
        (
            "application.organizations.org2.example.com.policies.Writers=OR('Org2MSP.admin')",
            "application.organizations.org2.example.com.policies.Writers: OR('Org2MSP.member') -> OR('Org2MSP.admin')",
        ),
    ] {
        let changed = network.set(&[assignment]).unwrap();
        assert_eq!(network.changes(&changed).join(" | "), told, "{assignment}");
        let again = assignment.parse::<Assignment>().unwrap();
        let mut twice = changed.clone();
        if again.apply(&mut twice).is_ok() {
            assert_eq!(twice, changed, "{assignment}");
        }
    }
    assert_eq!(network.changes(&network.config), Vec::<String>::new());
}

#[test]
fn consortiums_are_set_on_a_system_channel() {
    let mut network = Network::new();
    let orderer = OrdererSection::new(Consensus::Solo, vec![network.orderers.describe()]);
    let system = GenesisDescription {
        application: None,
        consortiums: Some([("C".to_owned(), vec![network.users[0].describe()])].into()),
        ..GenesisDescription::application_channel("sys", orderer, ApplicationSection::new(Vec::new()))
    };
    network.config = system.config().unwrap();
    for (assignment, told) in [
        (
            "consortiums.C.channel_creation_policy=ALL Admins",
            "consortiums.C.channel_creation_policy: ANY Admins -> ALL Admins",
        ),
        (
            "consortiums.C.organizations.Org1.policies.Admins=OR('Org1MSP.member')",
            "consortiums.C.organizations.Org1.policies.Admins: OR('Org1MSP.admin') -> OR('Org1MSP.member')",
        ),
    ] {
        assert_eq!(network.changes(&network.set(&[assignment]).unwrap()), [told]);
    }
    let refusal = network.set(&["orderer.raft.election_tick=3"]).unwrap_err();
    assert!(refusal.contains("the channel is ordered by solo, not by etcdraft"), "{refusal}");
    let refusal = raft::remove(&mut network.config, "o1:7050").unwrap_err().to_string();
    assert!(refusal.contains("it has no consenters"), "{refusal}");
}

#[test]
fn wrong_assignments_are_refused_with_what_would_be_right() {
    let network = Network::new();
    for (assignment, expected) in [
        ("orderer.batch_timeout", "is not PATH=VALUE"),
        ("=1s", "is not PATH=VALUE"),
        ("orderer.batch_timeot=1s", "there is no setting orderer.batch_timeot; those that there are:"),
        ("batch_timeout=1s", "there is no setting batch_timeout"),
        ("orderer.raft.nothing=1", "there is no setting orderer.raft.nothing"),
        (
            "orderer.batch_timeout=soon",
            "orderer.batch_timeout takes a duration such as 500ms or 2s, not 'soon'",
        ),
        ("orderer.batch_timeout+=1s", "orderer.batch_timeout is a single value"),
        ("orderer.batch_size.max_message_count=-1", "takes a number, not '-1'"),
        (
            "orderer.batch_size.absolute_max_bytes=9 TB",
            "takes a bytes, not '9 TB'; write 524288, 512 KB or 2 MB",
        ),
        ("orderer.batch_size.absolute_max_bytes=5000 MB", "not '5000 MB'"),
        ("channel.orderer_addresses=o1", "takes a HOST:PORT, not 'o1'"),
        ("orderer.organizations.Orderer.endpoints-=x:1", "has no x:1; it has o1:7050"),
        ("orderer.organizations.Nobody.endpoints=x:1", "no group /Channel/Orderer/Nobody"),
        ("application.policies.Nothing=", "no policy Nothing"),
        ("application.policies.New=ANY", "application.policies.New"),
        ("application.policies.New=OR('Org1MSP.king')", "application.policies.New"),
        ("consortiums.C.channel_creation_policy=ANY Admins", "no group /Channel/Consortiums"),
    ] {
        let refusal = network.set(&[assignment]).unwrap_err();
        assert!(refusal.contains(expected), "{assignment}: {refusal}");
    }
}

#[test]
fn every_setting_that_is_listed_can_be_set() {
    let network = Network::new();
    for one in SETTABLE.iter().filter(|one| !one.path.starts_with("consortiums.")) {
        let organization = if one.path.starts_with("orderer.") { "Orderer" } else { "Org1" };
        let path = one.path.replace("ORG", organization).replace("NAME", "Admins").replace("RESOURCE", "x/Y");
        let value = match one.value {
            "duration" => "7s",
            "number" => "77",
            "bytes" => "7 MB",
            "list" => "V1_4_2,V2_0",
            "list of HOST:PORT" => "host:7777",
            "policy" => "OR('OrdererMSP.peer')",
            "policy path" => "/Channel/Readers",
            other => panic!("{} has a value of an unknown kind: {other}", one.path),
        };
        let changed = network.set(&[&format!("{path}={value}")]).unwrap();
        let changes = network.changes(&changed);
        assert!(
            !changes.is_empty() && changes.iter().all(|text| text.starts_with(&path)),
            "{path}: {changes:?}"
        );
    }
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations/config.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for one in SETTABLE {
        let row = format!("| `{}` | {} | {} |", one.path, one.value, one.meaning);
        assert!(guide.contains(&row), "docs/operations/config.md lacks the row\n{row}");
    }
}

#[test]
fn the_outline_tells_every_setting_once() {
    let network = Network::new();
    let settings = all_settings(&network.config);
    let mut paths: Vec<_> = settings.iter().map(|(path, _)| path.clone()).collect();
    assert!(paths.contains(&"orderer.raft.tick_interval".to_owned()));
    paths.sort();
    let count = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), count);
}

#[test]
fn consenters_come_go_and_rotate_in_words() {
    let network = Network::new();
    let valid = Validity::from_now(NOW);
    let mut added = network.config.clone();
    raft::add(&mut added, ("o4", 7050), network.orderers.tls("o4", valid)).unwrap();
    assert_eq!(network.changes(&added), ["consenter o4:7050 added (certificate expires 2037-01-12)"]);
    let findings = network.check(&added);
    assert_eq!(findings.refusals, []);
    assert_eq!(
        findings.warnings,
        ["4 consenters tolerate the loss of 1, no more than 3; an odd number is better"]
    );

    let mut removed = network.config.clone();
    raft::remove(&mut removed, "o2:7050").unwrap();
    assert_eq!(network.changes(&removed), ["consenter o2:7050 removed"]);
    assert_eq!(network.check(&removed).refusals, []);

    let mut rotated = network.config.clone();
    raft::rotate(&mut rotated, "o2:7050", network.orderers.tls("o2", valid), false).unwrap();
    let told = network.changes(&rotated);
    assert!(told.len() == 1 && told[0].starts_with("consenter o2:7050 certificate: o2 (serial "), "{told:?}");
    assert_eq!(network.check(&rotated).refusals, []);

    let error = |result: Result<(), raft::RaftChangeError>| result.unwrap_err().to_string();
    let mut config = network.config.clone();
    let tls = || network.orderers.tls("o1", valid);
    assert!(error(raft::add(&mut config, ("o1", 7050), tls())).contains("is a consenter already"));
    let absent = error(raft::remove(&mut config, "o9:7050"));
    assert!(absent.contains("the consenters are o1:7050, o2:7050, o3:7050"), "{absent}");
    let current = raft::consenters(&config).unwrap().remove(0);
    let same = Certificates { client: current.client_tls_cert, server: current.server_tls_cert };
    assert!(
        error(raft::rotate(&mut config, "o1:7050", same, true)).contains("has these certificates already")
    );
    for host in ["o1:7050", "o2:7050"] {
        raft::remove(&mut config, host).unwrap();
    }
    assert!(error(raft::remove(&mut config, "o3:7050")).contains("the only consenter"));
}

#[test]
fn what_orderers_would_refuse_is_found_with_its_remedy() {
    let network = Network::new();
    let valid = Validity::from_now(NOW);
    let with = |change: &dyn Fn(&mut Config)| {
        let mut config = network.config.clone();
        change(&mut config);
        config
    };
    let expired = Validity { not_before_unix: NOW - 20 * DAY, not_after_unix: NOW - 10 * DAY };
    let add =
        |config: &mut Config, host: &str, tls: Certificates| raft::add(config, (host, 7050), tls).unwrap();
    let stranger = Org::new("StrangerMSP");
    let cases: Vec<(Config, &str, &str)> = vec![
        (
            with(&|config| {
                add(config, "o4", network.orderers.tls("o4", valid));
                add(config, "o5", network.orderers.tls("o5", valid));
            }),
            "update of more than one consenter at a time is not supported",
            "one consenter at a time",
        ),
        (
            with(&|config| add(config, "o4", network.orderers.tls("o4", expired))),
            "certificate has expired",
            "issue a certificate that is valid now",
        ),
        (
            with(&|config| add(config, "o4", stranger.tls("o4", valid))),
            "certificate signed by unknown authority",
            "TLS root certificates of an orderer organisation",
        ),
        (
            with(&|config| add(config, "o4", network.orderers.tls("elsewhere", valid))),
            "x509: certificate is valid for elsewhere, not o4",
            "alternative name (SAN) o4",
        ),
        (
            with(&|config| {
                raft::set_maintenance(config, true).unwrap();
                "orderer.batch_timeout=1s".parse::<Assignment>().unwrap().apply(config).unwrap();
            }),
            "config update contain more then just the ConsensusType value",
            "causeway config maintenance on",
        ),
        (
            network.set(&["orderer.raft.election_tick=1"]).unwrap(),
            "ElectionTick (1) must be greater than HeartbeatTick (1)",
            "orderer.raft.election_tick above orderer.raft.heartbeat_tick",
        ),
        (
            network.set(&["orderer.batch_size.max_message_count=0"]).unwrap(),
            "Attempted to set the batch size max message count to an invalid value: 0",
            "correct the value",
        ),
        (
            network.set(&["orderer.capabilities=V9_9"]).unwrap(),
            "Orderer capability V9_9 is required but not supported",
            "capabilities that they know",
        ),
        (
            network
                .set(&[
                    "orderer.batch_size.absolute_max_bytes=1000",
                    "orderer.batch_size.preferred_max_bytes=500",
                ])
                .unwrap(),
            "orderer.batch_size.absolute_max_bytes would be 1000",
            "no config update can be ordered any more",
        ),
    ];
    for (config, reason, remedy) in cases {
        let refusals = network.check(&config).refusals;
        let found = refusals.iter().any(|one| one.reason.contains(reason) && one.remedy.contains(remedy));
        assert!(found, "{reason} / {remedy}: {refusals:?}");
    }
    let mut maintenance = network.config.clone();
    raft::set_maintenance(&mut maintenance, true).unwrap();
    assert_eq!(network.check(&maintenance), Findings::default());
    assert_eq!(network.changes(&maintenance), ["orderer.state: STATE_NORMAL -> STATE_MAINTENANCE"]);
}

#[test]
fn who_has_to_sign_is_told_until_enough_have() {
    let network = Network::new();
    let bundle = network.bundle();
    let to = network.set(&["channel.policies.Readers=ALL Readers", "orderer.batch_timeout=1s"]).unwrap();
    let mut update = Update::between("ch1", &network.config, &to).unwrap();
    let told = |update: &Update| -> Vec<Approval> {
        approvals(&bundle, &review_update(&bundle, update.content()).unwrap())
    };
    let missing =
        |update: &Update| told(update).into_iter().map(|one| (one.policy, one.missing)).collect::<Vec<_>>();
    let orderers = "1 of Orderer: OR('OrdererMSP.admin')";
    let users = "2 of Org1: OR('Org1MSP.admin'); org2.example.com: OR('Org2MSP.admin')";
    let entry = |policy: &str, missing: String| (policy.to_owned(), missing);
    assert_eq!(
        missing(&update),
        [
            entry("/Channel/Admins", format!("2 of Application ({users}); Orderer ({orderers})")),
            entry("/Channel/Orderer/Admins", orderers.to_owned()),
        ]
    );
    assert_eq!(told(&update)[0].rule, "MAJORITY Admins");
    let [org1, org2] = &network.users;
    assert!(update.sign(&network.orderers.admin()).unwrap());
    let admin = org1.admin();
    assert!(update.sign(&admin).unwrap() && !update.sign(&admin).unwrap());
    let still = "1 of Application (1 of org2.example.com: OR('Org2MSP.admin'))".to_owned();
    assert_eq!(
        missing(&update),
        [entry("/Channel/Admins", still), entry("/Channel/Orderer/Admins", String::new())]
    );
    update.sign(&org2.admin()).unwrap();
    assert!(told(&update).iter().all(|one| one.satisfied));
}

#[test]
fn updates_pass_through_files() {
    let network = Network::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("update.pb");
    let to = network.set(&["orderer.batch_timeout=1s", "application.policies.Endorsement="]).unwrap();
    let mut update = Update::between("ch1", &network.config, &to).unwrap();
    update.sign(&network.orderers.admin()).unwrap();
    update.write(&path).unwrap();
    assert_eq!(Update::read(&path).unwrap(), update);
    assert_eq!(
        written(&update.update()),
        [
            "application: its list of members changes; `causeway config diff` tells which come and go",
            "orderer.batch_timeout = 1s"
        ]
    );
    // As `configtxlator compute_update` writes it.
    std::fs::write(&path, network.update(&to).encode_to_vec()).unwrap();
    let bare = Update::read(&path).unwrap();
    assert_eq!((bare.channel(), bare.update(), bare.creators().count()), ("ch1", update.update(), 0));
    for wrong in [&b"{}"[..], b"", &network.config.encode_to_vec()] {
        std::fs::write(&path, wrong).unwrap();
        let refusal = Update::read(&path).unwrap_err().to_string();
        assert!(refusal.contains("holds no config update"), "{refusal}");
    }
    let none = Update::between("ch1", &network.config, &network.config).unwrap_err();
    assert!(none.to_string().starts_with("nothing would change"));
}

#[test]
fn an_edited_document_keeps_what_was_not_edited() {
    let mut network = Network::new();
    // A later release's field, which JSON cannot express.
    let orderer = network.config.channel_group.as_mut().unwrap().groups.get_mut("Orderer").unwrap();
    let value = orderer.values.get_mut("ChannelRestrictions").unwrap();
    value.value = Bytes::from_static(&[0x08, 5, 0x7a, 1, b'x']);
    let kept = value.value.clone();
    let shown = document::show(&network.config).unwrap();
    assert_eq!(document::edited(&network.config, &shown).unwrap(), network.config);

    let edited = shown.replacen("\"2s\"", "\"3s\"", 1);
    let result = document::edited(&network.config, &edited).unwrap();
    assert_eq!(network.changes(&result), ["orderer.batch_timeout: 2s -> 3s"]);
    let orderer = GroupPath::of(["Orderer"]);
    assert_eq!(orderer.find(&result).unwrap().values["ChannelRestrictions"].value, kept);

    let later = Config { sequence: 4, ..network.config.clone() };
    let refusal = document::edited(&later, &edited).unwrap_err().to_string();
    assert!(refusal.contains("the document is config 0, but the channel is at config 4"), "{refusal}");
    let refusal = document::edited(&network.config, &shown[..shown.len() / 2]).unwrap_err().to_string();
    assert!(refusal.contains("line "), "{refusal}");
    let refusal = document::edited(&network.config, "{}").unwrap_err().to_string();
    assert!(refusal.contains("no channel_group"), "{refusal}");
}

#[test]
fn bytes_without_words_are_told_to_differ() {
    let network = Network::new();
    let mut config = network.config.clone();
    let orderer = config.channel_group.as_mut().unwrap().groups.get_mut("Orderer").unwrap();
    let value = orderer.values.get_mut("BatchSize").unwrap();
    let unknown = [&BatchSize::decode(value.value.clone()).unwrap().encode_to_vec()[..], &[0x7a, 0]].concat();
    value.value = unknown.into();
    orderer.mod_policy = "/Channel/Admins".to_owned();
    assert_eq!(
        network.changes(&config),
        [
            "orderer.batch_size: other bytes, in which this program reads the same",
            "orderer.mod_policy: Admins -> /Channel/Admins"
        ]
    );
}

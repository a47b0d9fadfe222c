//! Reads the profile `Main` of a vector's `configtx.yaml` as a description of a channel: as much of
//! the format as the vectors use.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use channel::genesis::{
    self, ApplicationSection, Consensus, GenesisDescription, OrdererSection, Organization, Policies,
    PolicyRule,
};
use identity::local::{MspFiles, MspYaml, NamedFile, NodeOus, OrganizationalUnit};
use protos::{
    Message,
    etcdraft::{ConfigMetadata, Consenter},
    msp::MspConfig,
    orderer::BatchSize,
    peer::AnchorPeer,
};
use serde_json::Value;

mod yaml;

pub(crate) fn description(file: &Path, channel_id: &str) -> GenesisDescription {
    let yaml = yaml(file);
    let reader = Reader { directory: file.parent().unwrap().to_owned() };
    let profile = &yaml["Profiles"]["Main"];
    let consortium_members = |consortium: &Value| reader.organizations(consortium);
    GenesisDescription {
        channel_id: channel_id.to_owned(),
        consortium: profile["Consortium"].as_str().map(str::to_owned),
        capabilities: capabilities(profile),
        policies: policies(profile),
        orderer: Some(reader.orderer(&profile["Orderer"])),
        application: profile.get("Application").map(|section| ApplicationSection {
            acls: entries(&section["ACLs"]).map(|(name, policy)| (name, text(policy))).collect(),
            capabilities: capabilities(section),
            organizations: reader.organizations(section),
            policies: policies(section),
        }),
        consortiums: profile.get("Consortiums").map(|consortiums| {
            entries(consortiums).map(|(name, members)| (name, consortium_members(members))).collect()
        }),
    }
}

struct Reader {
    directory: PathBuf,
}

impl Reader {
    fn orderer(&self, section: &Value) -> OrdererSection {
        let consensus = match section["OrdererType"].as_str().unwrap() {
            "solo" => Consensus::Solo,
            "kafka" => Consensus::Kafka { brokers: texts(&section["Kafka"]["Brokers"]) },
            "etcdraft" => Consensus::Etcdraft(ConfigMetadata {
                consenters: list(&section["EtcdRaft"]["Consenters"])
                    .iter()
                    .map(|c| self.consenter(c))
                    .collect(),
                options: Some(raft_options(&section["EtcdRaft"]["Options"])),
            }),
            other => panic!("orderer type {other}"),
        };
        let defaults = genesis::default_batch_size();
        let size = &section["BatchSize"];
        OrdererSection {
            batch_size: BatchSize {
                max_message_count: number(&size["MaxMessageCount"], defaults.max_message_count),
                absolute_max_bytes: number(&size["AbsoluteMaxBytes"], defaults.absolute_max_bytes),
                preferred_max_bytes: number(&size["PreferredMaxBytes"], defaults.preferred_max_bytes),
            },
            batch_timeout: match section["BatchTimeout"].as_str() {
                None => Duration::from_secs(2),
                Some(text) => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
            },
            max_channels: number(&section["MaxChannels"], 0).into(),
            addresses: texts(&section["Addresses"]),
            capabilities: capabilities(section),
            policies: policies(section),
            ..OrdererSection::new(consensus, self.organizations(section))
        }
    }

    fn consenter(&self, consenter: &Value) -> Consenter {
        let certificate = |key: &str| fs::read(self.directory.join(text(&consenter[key]))).unwrap().into();
        Consenter {
            host: text(&consenter["Host"]),
            port: number(&consenter["Port"], 0),
            client_tls_cert: certificate("ClientTLSCert"),
            server_tls_cert: certificate("ServerTLSCert"),
        }
    }

    fn organizations(&self, section: &Value) -> Vec<Organization> {
        let organization = |organization: &Value| Organization {
            name: text(&organization["Name"]),
            msp: msp(&self.directory.join(text(&organization["MSPDir"])), &text(&organization["ID"])),
            policies: policies(organization),
            orderer_endpoints: texts(&organization["OrdererEndpoints"]),
            anchor_peers: list(&organization["AnchorPeers"])
                .iter()
                .map(|peer| AnchorPeer {
                    host: text(&peer["Host"]),
                    port: text(&peer["Port"]).parse().unwrap(),
                })
                .collect(),
            skip_as_foreign: false,
        };
        list(&section["Organizations"]).iter().map(organization).collect()
    }
}

fn msp(directory: &Path, id: &str) -> MspConfig {
    let config = yaml(&directory.join("config.yaml"));
    let unit = |role: &str| {
        let unit = &config["NodeOUs"][format!("{role}OUIdentifier")];
        Some(OrganizationalUnit {
            certificate: Some(fs::read(directory.join(text(&unit["Certificate"]))).unwrap().into()),
            identifier: text(&unit["OrganizationalUnitIdentifier"]),
        })
    };
    let node_ous = NodeOus {
        enable: config["NodeOUs"]["Enable"].as_bool().unwrap(),
        client: unit("Client"),
        peer: unit("Peer"),
        admin: unit("Admin"),
        orderer: unit("Orderer"),
    };
    let files = MspFiles {
        cacerts: files(&directory.join("cacerts")),
        tlscacerts: files(&directory.join("tlscacerts")),
        config_yaml: Some(MspYaml { organizational_unit_identifiers: vec![], node_ous: Some(node_ous) }),
        ..MspFiles::default()
    };
    MspConfig { r#type: 0, config: files.fabric_config(id).unwrap().encode_to_vec().into() }
}

fn files(directory: &Path) -> Vec<NamedFile> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, Bytes::from(fs::read(path).unwrap()))
    };
    paths.into_iter().map(named).collect()
}

fn yaml(file: &Path) -> Value {
    yaml::parse(&fs::read_to_string(file).unwrap())
}

fn raft_options(options: &Value) -> protos::etcdraft::Options {
    let defaults = genesis::default_raft_options();
    protos::etcdraft::Options {
        tick_interval: options["TickInterval"].as_str().unwrap_or(&defaults.tick_interval).to_owned(),
        election_tick: number(&options["ElectionTick"], defaults.election_tick),
        heartbeat_tick: number(&options["HeartbeatTick"], defaults.heartbeat_tick),
        max_inflight_blocks: number(&options["MaxInflightBlocks"], defaults.max_inflight_blocks),
        snapshot_interval_size: number(&options["SnapshotIntervalSize"], defaults.snapshot_interval_size),
    }
}

fn policies(section: &Value) -> Policies {
    let rule = |policy: &Value| match policy["Type"].as_str().unwrap() {
        "Signature" => PolicyRule::Signature(text(&policy["Rule"])),
        "ImplicitMeta" => PolicyRule::ImplicitMeta(text(&policy["Rule"])),
        other => panic!("policy type {other}"),
    };
    entries(&section["Policies"]).map(|(name, policy)| (name, rule(policy))).collect()
}

fn capabilities(section: &Value) -> Vec<String> {
    entries(&section["Capabilities"])
        .filter(|(_, on)| on == &&Value::Bool(true))
        .map(|(name, _)| name)
        .collect()
}

/// A number, or a size such as `99 MB`.
fn number(value: &Value, default: u32) -> u32 {
    let Some(text) = value.as_str() else { return default };
    let (number, factor) = match text.split_once(' ') {
        None => (text, 1),
        Some((number, unit)) => (number, BTreeMap::from([("KB", 1 << 10), ("MB", 1 << 20)])[unit]),
    };
    number.parse::<u32>().unwrap() * factor
}

fn entries(value: &Value) -> impl Iterator<Item = (String, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}

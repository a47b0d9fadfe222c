//! Each key of `configtx.yaml` with its type, as in Fabric's `internal/configtxgen/genesisconfig`.

use std::{collections::BTreeMap, path::PathBuf};

use orderer::settings::reader::Section;
use protos::{etcdraft::Options, orderer::BatchSize, peer::AnchorPeer};

use super::model::{
    Application, Consenter, Orderer, Organization, Policies, Policy, Profile, Raft, TopLevel,
};

/// Reads everything; what is wrong is noted by the reader, and the value is then of no use.
pub(super) fn top_level(section: Section<'_>) -> TopLevel {
    let top_level = TopLevel {
        profiles: named(&section, "Profiles", profile),
        organizations: organizations(&section),
        orderer: section.optional_section("Orderer").map(orderer),
    };
    // These are there to be referred to, but must be right.
    section.optional_section("Channel").map(profile);
    section.optional_section("Application").map(application);
    if let Some(levels) = section.named_entries("Capabilities") {
        levels.keys().for_each(|level| drop(true_names(&levels, level)));
    }
    section.finish();
    top_level
}

/// The sections of a section whose keys are names.
fn named<T>(section: &Section<'_>, key: &str, read: impl Fn(Section<'_>) -> T) -> BTreeMap<String, T> {
    let Some(all) = section.named_entries(key) else { return BTreeMap::new() };
    all.keys().filter_map(|name| Some((name.to_owned(), read(all.optional_section(name)?)))).collect()
}

fn profile(section: Section<'_>) -> Profile {
    let consortium = |section: Section<'_>| {
        let members = organizations(&section);
        section.finish();
        members
    };
    // Even without a single consortium the section makes a system channel.
    let consortiums = section.optional_section("Consortiums");
    let profile = Profile {
        consortium: section.text("Consortium").or_zero(),
        application: section.optional_section("Application").map(application),
        orderer: section.optional_section("Orderer").map(orderer),
        consortiums: consortiums.map(|_| named(&section, "Consortiums", consortium)),
        capabilities: capabilities(&section),
        policies: policies(&section),
    };
    section.finish();
    profile
}

fn application(section: Section<'_>) -> Application {
    let acls = section.named_entries("ACLs");
    let acls =
        acls.iter().flat_map(|acls| acls.keys().map(|name| (name.to_owned(), acls.text(name).or_zero())));
    let application = Application {
        acls: acls.collect(),
        organizations: organizations(&section),
        capabilities: capabilities(&section),
        policies: policies(&section),
    };
    section.finish();
    application
}

fn orderer(section: Section<'_>) -> Orderer {
    let size = section.section("BatchSize");
    let kafka = section.section("Kafka");
    let orderer = Orderer {
        kind: section.text("OrdererType").or_zero(),
        addresses: section.texts("Addresses"),
        batch_timeout: section.duration("BatchTimeout").or_zero(),
        batch_size: BatchSize {
            max_message_count: size.size("MaxMessageCount").or_zero(),
            absolute_max_bytes: size.size("AbsoluteMaxBytes").or_zero(),
            preferred_max_bytes: size.size("PreferredMaxBytes").or_zero(),
        },
        kafka_brokers: kafka.is_set("Brokers").then(|| kafka.texts("Brokers")),
        raft: section.optional_section("EtcdRaft").map(raft),
        organizations: organizations(&section),
        max_channels: section.number("MaxChannels").or_zero(),
        capabilities: capabilities(&section),
        policies: policies(&section),
    };
    size.finish();
    kafka.finish();
    section.finish();
    orderer
}

fn raft(section: Section<'_>) -> Raft {
    let raft = Raft {
        consenters: section.sections("Consenters").into_iter().map(consenter).collect(),
        options: section.optional_section("Options").map(options),
    };
    section.finish();
    raft
}

fn options(section: Section<'_>) -> Options {
    let options = Options {
        tick_interval: section.text("TickInterval").or_zero(),
        election_tick: section.size("ElectionTick").or_zero(),
        heartbeat_tick: section.size("HeartbeatTick").or_zero(),
        max_inflight_blocks: section.size("MaxInflightBlocks").or_zero(),
        snapshot_interval_size: section.size("SnapshotIntervalSize").or_zero(),
    };
    section.finish();
    options
}

fn consenter(section: Section<'_>) -> Consenter {
    let consenter = Consenter {
        host: section.text("Host").or_zero(),
        port: section.size("Port").or_zero(),
        client_tls_certificate: path(&section, "ClientTLSCert"),
        server_tls_certificate: path(&section, "ServerTLSCert"),
    };
    section.finish();
    consenter
}

fn organizations(section: &Section<'_>) -> Vec<Organization> {
    section.sections("Organizations").into_iter().map(organization).collect()
}

fn organization(section: Section<'_>) -> Organization {
    let organization = Organization {
        name: section.text("Name").or_zero(),
        id: section.text("ID").or_zero(),
        msp_directory: path(&section, "MSPDir"),
        msp_type: section.text("MSPType").or_zero(),
        policies: policies(&section),
        anchor_peers: section.sections("AnchorPeers").into_iter().map(anchor_peer).collect(),
        orderer_endpoints: section.texts("OrdererEndpoints"),
        skip_as_foreign: section.truth("SkipAsForeign").or_zero(),
    };
    // Fabric reads it and makes nothing of it.
    section.ignore("AdminPrincipal");
    section.finish();
    organization
}

fn anchor_peer(section: Section<'_>) -> AnchorPeer {
    let peer = AnchorPeer { host: section.text("Host").or_zero(), port: section.number("Port").or_zero() };
    section.finish();
    peer
}

fn policies(section: &Section<'_>) -> Policies {
    named(section, "Policies", |policy| {
        let read = Policy { kind: policy.text("Type").or_zero(), rule: policy.text("Rule").or_zero() };
        policy.finish();
        read
    })
}

fn capabilities(section: &Section<'_>) -> Option<Vec<String>> {
    true_names(section, "Capabilities")
}

/// The names in a section that are true; `None` if there are no names.
fn true_names(section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    let names = section.named_entries(key).filter(|names| names.keys().next().is_some())?;
    Some(names.keys().filter(|name| names.truth(name).or_zero()).map(str::to_owned).collect())
}

fn path(section: &Section<'_>, key: &str) -> PathBuf {
    section.text(key).or_zero().into()
}

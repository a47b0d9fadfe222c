//! A channel's config, told.

use std::collections::BTreeMap;

use channel::{
    bundle::{Bundle, Organization},
    consenters::RaftConfig,
};
use identity::certificate::Certificate;
use protos::{
    Message,
    common::{Capabilities, ConfigGroup},
    etcdraft::Consenter,
};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::policy;

/// What a channel's config says.
#[derive(Serialize)]
pub(super) struct ConfigReport {
    channel: String,
    sequence: u64,
    capabilities: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orderer_addresses: Vec<String>,
    policies: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orderer: Option<OrdererReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<SectionReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consortiums: Vec<String>,
    /// A capability that this program does not know: its nodes would not serve the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsupported: Option<String>,
}

#[derive(Serialize)]
struct OrdererReport {
    consensus_type: String,
    state: String,
    max_message_count: u32,
    absolute_max_bytes: u32,
    preferred_max_bytes: u32,
    batch_timeout_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    raft: Option<RaftReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kafka_brokers: Vec<String>,
    #[serde(flatten)]
    section: SectionReport,
}

#[derive(Serialize)]
struct SectionReport {
    capabilities: Vec<String>,
    policies: BTreeMap<String, String>,
    organizations: Vec<OrganizationReport>,
}

#[derive(Serialize)]
struct OrganizationReport {
    name: String,
    msp: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    endpoints: Vec<String>,
    policies: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RaftReport {
    tick_interval_ms: u128,
    election_tick: u32,
    heartbeat_tick: u32,
    max_inflight_blocks: u32,
    snapshot_interval_bytes: u32,
    consenters: Vec<ConsenterReport>,
}

#[derive(Serialize)]
struct ConsenterReport {
    address: String,
    tls_certificate: String,
    valid_until: String,
}

impl ConfigReport {
    /// Tells a config.
    pub(super) fn of(bundle: &Bundle) -> Self {
        let empty = ConfigGroup::default();
        let root = bundle.config().channel_group.as_ref().unwrap_or(&empty);
        let group = |name: &str| root.groups.get(name).unwrap_or(&empty);
        let orderer = bundle.orderer().map(|orderer| OrdererReport {
            consensus_type: orderer.consensus_type.clone(),
            state: orderer.consensus_state.to_string(),
            max_message_count: orderer.batch_size.max_message_count,
            absolute_max_bytes: orderer.batch_size.absolute_max_bytes,
            preferred_max_bytes: orderer.batch_size.preferred_max_bytes,
            batch_timeout_ms: orderer.batch_timeout.as_millis(),
            raft: RaftConfig::parse(&orderer.consensus_metadata).ok().map(|raft| RaftReport::of(&raft)),
            kafka_brokers: orderer.kafka_brokers.clone(),
            section: SectionReport::of(group("Orderer"), &orderer.organizations),
        });
        let application = bundle.application();
        Self {
            channel: bundle.channel_id().to_owned(),
            sequence: bundle.sequence(),
            capabilities: capabilities(root),
            orderer_addresses: bundle.orderer_addresses().to_vec(),
            policies: policies(root),
            orderer,
            application: application
                .map(|application| SectionReport::of(group("Application"), &application.organizations)),
            consortiums: bundle
                .consortiums()
                .map(|found| found.by_name.keys().cloned().collect())
                .unwrap_or_default(),
            unsupported: bundle.unsupported_capability().map(|capability| capability.to_string()),
        }
    }
}

impl SectionReport {
    fn of(group: &ConfigGroup, organizations: &BTreeMap<String, Organization>) -> Self {
        let organization = |organization: &Organization| OrganizationReport {
            name: organization.name.clone(),
            msp: organization.msp_id.clone(),
            endpoints: organization.endpoints.clone(),
            policies: group.groups.get(&organization.name).map(policies).unwrap_or_default(),
        };
        Self {
            capabilities: capabilities(group),
            policies: policies(group),
            organizations: organizations.values().map(organization).collect(),
        }
    }
}

impl RaftReport {
    fn of(raft: &RaftConfig) -> Self {
        Self {
            tick_interval_ms: raft.options.tick_interval.as_millis(),
            election_tick: raft.options.election_tick,
            heartbeat_tick: raft.options.heartbeat_tick,
            max_inflight_blocks: raft.options.max_inflight_blocks,
            snapshot_interval_bytes: raft.options.snapshot_interval_size_bytes,
            consenters: raft.consenters.iter().map(ConsenterReport::of).collect(),
        }
    }
}

impl ConsenterReport {
    fn of(consenter: &Consenter) -> Self {
        let address = format!("{}:{}", consenter.host, consenter.port);
        match Certificate::from_pem(&consenter.server_tls_cert) {
            Err(error) => Self {
                address,
                tls_certificate: format!("(cannot be read: {error})"),
                valid_until: String::new(),
            },
            Ok(certificate) => {
                let until = OffsetDateTime::from_unix_timestamp(certificate.not_after_unix()).ok();
                Self {
                    address,
                    tls_certificate: certificate.subject(),
                    valid_until: until.and_then(|until| until.format(&Rfc3339).ok()).unwrap_or_default(),
                }
            }
        }
    }
}

fn capabilities(group: &ConfigGroup) -> Vec<String> {
    let value = group.values.get("Capabilities").map(|value| value.value.clone()).unwrap_or_default();
    Capabilities::decode(value).map(|value| value.capabilities.into_keys().collect()).unwrap_or_default()
}

fn policies(group: &ConfigGroup) -> BTreeMap<String, String> {
    let told =
        |policy: &protos::common::ConfigPolicy| policy.policy.as_ref().map_or_else(String::new, policy::text);
    group.policies.iter().map(|(name, policy)| (name.clone(), told(policy))).collect()
}

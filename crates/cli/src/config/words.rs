//! Values of a config in words: each setting by its path, with what it is set to.

use bytes::Bytes;
use identity::certificate::Certificate;
use protos::{
    Message,
    common::{
        BlockDataHashingStructure, Capabilities, ConfigGroup, Consortium, HashingAlgorithm, OrdererAddresses,
        Policy,
    },
    etcdraft::{ConfigMetadata, Consenter},
    msp::{FabricMspConfig, MspConfig},
    orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType, KafkaBrokers, consensus_type},
    peer::{AcLs, AnchorPeers},
};
use time::{OffsetDateTime, macros::format_description};

use super::tree::{GroupPath, snake_case};
use crate::inspect::policy;

/// What a setting is set to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Words {
    /// One thing.
    One(String),
    /// Several, which come and go one by one.
    Many(Vec<String>),
    /// The consenters of a Raft channel, which are compared as Raft does.
    Consenters(Vec<Consenter>),
}

/// A setting by its path.
pub(super) type Setting = (String, Words);

impl Words {
    /// On one line.
    pub(super) fn line(&self) -> String {
        match self {
            Self::One(text) => text.clone(),
            Self::Many(texts) if texts.is_empty() => "(none)".to_owned(),
            Self::Many(texts) => texts.join(", "),
            Self::Consenters(consenters) => consenters.iter().map(consenter).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The settings of a group, those of the groups below it not counted, in the order of their paths.
pub(super) fn settings(path: &GroupPath, group: &ConfigGroup) -> Vec<Setting> {
    let mut settings: Vec<Setting> =
        group.values.iter().flat_map(|(key, value)| value_settings(path, key, &value.value)).collect();
    let policies = group.policies.iter().map(|(name, entry)| {
        let text = entry.policy.as_ref().map_or_else(|| "(nothing)".to_owned(), policy::text);
        (policy_path(path, name), Words::One(text))
    });
    settings.extend(policies);
    settings.sort_by(|(a, _), (b, _)| a.cmp(b));
    settings
}

pub(super) fn policy_path(group: &GroupPath, policy: &str) -> String {
    format!("{}.policies.{policy}", group.name())
}

pub(super) fn value_path(group: &GroupPath, key: &str) -> String {
    format!("{}.{}", group.name(), snake_case(key))
}

/// The settings that one value holds; one that cannot be read is told by its size and hash.
pub(super) fn value_settings(path: &GroupPath, key: &str, bytes: &Bytes) -> Vec<Setting> {
    let prefix = path.name();
    let known = match key {
        "HashingAlgorithm" => {
            read(bytes, |value: HashingAlgorithm| vec![("hashing_algorithm", one(value.name))])
        }
        "BlockDataHashingStructure" => read(bytes, |value: BlockDataHashingStructure| {
            vec![("block_data_hashing_structure.width", one(value.width))]
        }),
        "OrdererAddresses" => {
            read(bytes, |value: OrdererAddresses| vec![("orderer_addresses", Words::Many(value.addresses))])
        }
        "Consortium" => read(bytes, |value: Consortium| vec![("consortium", one(value.name))]),
        "Capabilities" => read(bytes, |value: Capabilities| {
            vec![("capabilities", Words::Many(value.capabilities.into_keys().collect()))]
        }),
        "ConsensusType" => ConsensusType::decode(bytes.clone()).ok().and_then(|value| consensus(&value)),
        "BatchSize" => read(bytes, |value: BatchSize| {
            vec![
                ("batch_size.max_message_count", one(value.max_message_count)),
                ("batch_size.absolute_max_bytes", one(value.absolute_max_bytes)),
                ("batch_size.preferred_max_bytes", one(value.preferred_max_bytes)),
            ]
        }),
        "BatchTimeout" => read(bytes, |value: BatchTimeout| vec![("batch_timeout", one(value.timeout))]),
        "KafkaBrokers" => {
            read(bytes, |value: KafkaBrokers| vec![("kafka_brokers", Words::Many(value.brokers))])
        }
        "ChannelRestrictions" => {
            read(bytes, |value: ChannelRestrictions| vec![("max_channels", one(value.max_count))])
        }
        "Endpoints" => {
            read(bytes, |value: OrdererAddresses| vec![("endpoints", Words::Many(value.addresses))])
        }
        "AnchorPeers" => read(bytes, |value: AnchorPeers| {
            let peers = value.anchor_peers.iter().map(|peer| format!("{}:{}", peer.host, peer.port));
            vec![("anchor_peers", Words::Many(peers.collect()))]
        }),
        "ChannelCreationPolicy" => {
            read(bytes, |value: Policy| vec![("channel_creation_policy", one(policy::text(&value)))])
        }
        "ACLs" => AcLs::decode(bytes.clone()).ok().map(|value| {
            let acl = |(resource, api): (String, protos::peer::ApiResource)| {
                (format!("acls.{resource}"), one(api.policy_ref))
            };
            value.acls.into_iter().map(acl).collect()
        }),
        "MSP" => MspConfig::decode(bytes.clone()).ok().and_then(|value| msp(&value)),
        _ => None,
    };
    let unreadable = || vec![(snake_case(key), Words::One(opaque(bytes)))];
    known
        .unwrap_or_else(unreadable)
        .into_iter()
        .map(|(name, words)| (format!("{prefix}.{name}"), words))
        .collect()
}

fn one(value: impl ToString) -> Words {
    Words::One(value.to_string())
}

fn read<M: Message + Default>(
    bytes: &Bytes,
    tell: impl FnOnce(M) -> Vec<(&'static str, Words)>,
) -> Option<Vec<Setting>> {
    let settings = tell(M::decode(bytes.clone()).ok()?);
    Some(settings.into_iter().map(|(name, words)| (name.to_owned(), words)).collect())
}

fn consensus(value: &ConsensusType) -> Option<Vec<Setting>> {
    let state = consensus_type::State::try_from(value.state);
    let state = state.map_or_else(|_| value.state.to_string(), |state| state.as_str_name().to_owned());
    let mut settings =
        vec![("consensus_type".to_owned(), one(&value.r#type)), ("state".to_owned(), one(state))];
    if value.r#type != channel::consenters::ETCDRAFT {
        if !value.metadata.is_empty() {
            settings.push(("consensus_metadata".to_owned(), Words::One(opaque(&value.metadata))));
        }
        return Some(settings);
    }
    let metadata = ConfigMetadata::decode(value.metadata.clone()).ok()?;
    settings.push(("consenters".to_owned(), Words::Consenters(metadata.consenters)));
    if let Some(options) = metadata.options {
        let mut add = |name: &str, words| settings.push((format!("raft.{name}"), words));
        add("tick_interval", one(options.tick_interval));
        add("election_tick", one(options.election_tick));
        add("heartbeat_tick", one(options.heartbeat_tick));
        add("max_inflight_blocks", one(options.max_inflight_blocks));
        add("snapshot_interval_size", one(options.snapshot_interval_size));
    }
    Some(settings)
}

fn msp(value: &MspConfig) -> Option<Vec<Setting>> {
    if value.r#type != 0 {
        return None;
    }
    let msp = FabricMspConfig::decode(value.config.clone()).ok()?;
    let certificates = |pems: &[Bytes]| Words::Many(pems.iter().map(|pem| certificate(pem)).collect());
    let units = match &msp.fabric_node_ous {
        Some(ous) if ous.enable => {
            let all = [
                &ous.client_ou_identifier,
                &ous.peer_ou_identifier,
                &ous.admin_ou_identifier,
                &ous.orderer_ou_identifier,
            ];
            all.into_iter().flatten().map(|ou| ou.organizational_unit_identifier.clone()).collect()
        }
        _ => Vec::new(),
    };
    let settings = [
        ("id", one(&msp.name)),
        ("root_certs", certificates(&msp.root_certs)),
        ("intermediate_certs", certificates(&msp.intermediate_certs)),
        ("tls_root_certs", certificates(&msp.tls_root_certs)),
        ("tls_intermediate_certs", certificates(&msp.tls_intermediate_certs)),
        ("admins", certificates(&msp.admins)),
        ("revocation_lists", Words::Many(msp.revocation_list.iter().map(opaque).collect())),
        ("node_ous", Words::Many(units)),
    ];
    let told = settings.into_iter().filter(|(_, words)| *words != Words::Many(Vec::new()));
    Some(told.map(|(name, words)| (format!("msp.{name}"), words)).collect())
}

/// A consenter with its certificate's end.
pub(super) fn consenter(consenter: &Consenter) -> String {
    format!("{} (certificate expires {})", address(consenter), expiry(&consenter.server_tls_cert))
}

/// `host:port` of a consenter.
pub(super) fn address(consenter: &Consenter) -> String {
    match consenter.host.contains(':') {
        true => format!("[{}]:{}", consenter.host, consenter.port),
        false => format!("{}:{}", consenter.host, consenter.port),
    }
}

/// A certificate by its subject, serial number and last day.
pub(super) fn certificate(pem: &[u8]) -> String {
    match Certificate::from_pem(pem) {
        Ok(certificate) => format!(
            "{} (serial {}, expires {})",
            certificate.common_name(),
            short(&certificate.serial_number_hex()),
            date(certificate.not_after_unix())
        ),
        Err(error) => format!("(a certificate that cannot be read: {error})"),
    }
}

/// The last day of a certificate.
pub(super) fn expiry(pem: &[u8]) -> String {
    Certificate::from_pem(pem).map_or_else(
        |error| format!("(cannot be read: {error})"),
        |certificate| date(certificate.not_after_unix()),
    )
}

/// The day of a time, UTC.
pub(super) fn date(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|time| time.format(format_description!("[year]-[month]-[day]")).ok())
        .unwrap_or_else(|| unix.to_string())
}

fn short(hex: &str) -> &str {
    hex.get(..16).unwrap_or(hex)
}

fn opaque(bytes: &Bytes) -> String {
    use sha2::{Digest as _, Sha256};
    let hash = hex::encode(Sha256::digest(bytes));
    format!("({} bytes, SHA-256 {})", bytes.len(), short(&hash))
}

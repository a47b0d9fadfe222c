//! The sections of a configuration: Orderer, Application and Consortiums.

use std::{collections::BTreeMap, fmt, time::Duration};

use bytes::Bytes;
use protos::{
    Message,
    common::{Capabilities, ConfigGroup, Policy},
    orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType, KafkaBrokers, consensus_type},
    peer::AcLs,
};

use super::{Organization, SectionError, organization::Msps};
use crate::{
    capabilities::{ApplicationCapabilities, ChannelCapabilities, OrdererCapabilities},
    duration, wire,
};

/// Decodes a configuration value.
pub(super) fn value<M: Message + Default>(bytes: &Bytes) -> Result<M, SectionError> {
    wire::decode(bytes).map_err(SectionError::Value)
}

/// Whether the channel takes transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsensusState {
    /// It does.
    Normal,
    /// Only the ordering organizations may read and write, so that the consensus type can change.
    Maintenance,
    /// A number that means nothing, which Fabric lets into configurations. No transactions are
    /// taken, and everybody may read and write.
    Other(i32),
}

impl From<i32> for ConsensusState {
    fn from(number: i32) -> Self {
        match consensus_type::State::try_from(number) {
            Ok(consensus_type::State::Normal) => Self::Normal,
            Ok(consensus_type::State::Maintenance) => Self::Maintenance,
            Err(_) => Self::Other(number),
        }
    }
}

impl fmt::Display for ConsensusState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("STATE_NORMAL"),
            Self::Maintenance => f.write_str("STATE_MAINTENANCE"),
            Self::Other(number) => number.fmt(f),
        }
    }
}

/// The ordering service's section of a configuration.
#[derive(Clone)]
pub struct OrdererConfig {
    /// `etcdraft`, `kafka`, `solo`, or a name that nobody knows.
    pub consensus_type: String,
    /// What the consensus type needs; for `etcdraft` a marshaled `etcdraft.ConfigMetadata`.
    pub consensus_metadata: Bytes,
    /// Whether the channel takes transactions.
    pub consensus_state: ConsensusState,
    /// Limits of a batch; none is zero.
    pub batch_size: BatchSize,
    /// How long a message waits for others to share a block with; above zero.
    pub batch_timeout: Duration,
    /// Addresses of Kafka brokers, `host:port`.
    pub kafka_brokers: Vec<String>,
    /// How many channels there may be; 0: no limit.
    pub max_channels: u64,
    /// Capabilities at orderer level.
    pub capabilities: OrdererCapabilities,
    /// The ordering organizations by their names.
    pub organizations: BTreeMap<String, Organization>,
}

impl OrdererConfig {
    pub(super) fn read(
        group: &ConfigGroup,
        channel: &ChannelCapabilities,
        msps: &mut Msps,
    ) -> Result<Self, SectionError> {
        let mut consensus = ConsensusType::default();
        let mut batch_size = BatchSize::default();
        let mut batch_timeout = BatchTimeout::default();
        let mut kafka_brokers = KafkaBrokers::default();
        let mut restrictions = ChannelRestrictions::default();
        let mut capabilities = Capabilities::default();
        for (key, element) in &group.values {
            let bytes = &element.value;
            match key.as_str() {
                "ConsensusType" => consensus = value(bytes)?,
                "BatchSize" => batch_size = value(bytes)?,
                "BatchTimeout" => batch_timeout = value(bytes)?,
                "KafkaBrokers" => kafka_brokers = value(bytes)?,
                "ChannelRestrictions" => restrictions = value(bytes)?,
                "Capabilities" => capabilities = value(bytes)?,
                _ => return Err(SectionError::UnexpectedKey(key.clone())),
            }
        }
        check_batch_size(&batch_size)?;
        let batch_timeout = positive_duration(&batch_timeout.timeout)?;
        if let Some(broker) = kafka_brokers.brokers.iter().find(|entry| !is_broker_address(entry)) {
            return Err(SectionError::KafkaBroker(broker.clone()));
        }
        let organization = |(name, group): (&String, &ConfigGroup)| {
            Ok((name.clone(), Organization::of_orderer(name, group, channel, msps)?))
        };
        Ok(Self {
            consensus_type: consensus.r#type,
            consensus_metadata: consensus.metadata,
            consensus_state: consensus.state.into(),
            batch_size,
            batch_timeout,
            kafka_brokers: kafka_brokers.brokers,
            max_channels: restrictions.max_count,
            capabilities: OrdererCapabilities::new(capabilities),
            organizations: group.groups.iter().map(organization).collect::<Result<_, SectionError>>()?,
        })
    }
}

fn check_batch_size(batch_size: &BatchSize) -> Result<(), SectionError> {
    let limits = [
        ("max message count", batch_size.max_message_count),
        ("absolute max bytes", batch_size.absolute_max_bytes),
        ("preferred max bytes", batch_size.preferred_max_bytes),
    ];
    if let Some((name, _)) = limits.into_iter().find(|(_, limit)| *limit == 0) {
        return Err(SectionError::BatchLimitZero(name));
    }
    let (preferred, absolute) = (batch_size.preferred_max_bytes, batch_size.absolute_max_bytes);
    if preferred > absolute {
        return Err(SectionError::PreferredAboveAbsolute { preferred, absolute });
    }
    Ok(())
}

fn positive_duration(text: &str) -> Result<Duration, SectionError> {
    let nanoseconds = duration::parse(text)?;
    match u64::try_from(nanoseconds) {
        Ok(positive) if positive > 0 => Ok(Duration::from_nanos(positive)),
        _ => Err(SectionError::BatchTimeoutNotPositive(duration::format(nanoseconds))),
    }
}

/// `host:port`, where the host has letters, digits, dots and dashes, the latter two not at its ends.
fn is_broker_address(entry: &str) -> bool {
    let Some((host, port)) = entry.split_once(':') else { return false };
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    let at_end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    // `u16::from_str` takes a plus sign, which Fabric does not.
    let is_port = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let host = host.as_bytes();
    // An empty host passes in Fabric: its pattern then matches nothing, which is as long.
    is_port
        && (host.is_empty() || host.iter().all(|b| inner(*b)) && at_end(host.first()) && at_end(host.last()))
}

/// The peer organizations' section of a configuration.
#[derive(Clone)]
pub struct ApplicationConfig {
    /// Capabilities at application level.
    pub capabilities: ApplicationCapabilities,
    /// The peer organizations by their names.
    pub organizations: BTreeMap<String, Organization>,
}

impl ApplicationConfig {
    pub(super) fn read(group: &ConfigGroup, msps: &mut Msps) -> Result<Self, SectionError> {
        let mut capabilities = Capabilities::default();
        for (key, element) in &group.values {
            match key.as_str() {
                "ACLs" => drop(value::<AcLs>(&element.value)?),
                "Capabilities" => capabilities = value(&element.value)?,
                _ => return Err(SectionError::UnexpectedKey(key.clone())),
            }
        }
        let capabilities = ApplicationCapabilities::new(capabilities);
        if !capabilities.acls() && group.values.contains_key("ACLs") {
            return Err(SectionError::AclsWithoutCapability);
        }
        let organization = |(name, group): (&String, &ConfigGroup)| {
            Ok((name.clone(), Organization::of_application(name, group, msps)?))
        };
        let organizations = group.groups.iter().map(organization).collect::<Result<_, SectionError>>()?;
        Ok(Self { capabilities, organizations })
    }
}

/// The consortiums of a system channel: who may create channels with whom.
#[derive(Clone)]
pub struct Consortiums {
    /// The consortiums by their names.
    pub by_name: BTreeMap<String, ConsortiumConfig>,
}

/// One consortium.
#[derive(Clone)]
pub struct ConsortiumConfig {
    /// Who may create a channel.
    pub channel_creation_policy: Policy,
    /// Its members by their names.
    pub organizations: BTreeMap<String, Organization>,
}

impl Consortiums {
    /// Values directly in this group are not looked at.
    pub(super) fn read(group: &ConfigGroup, msps: &mut Msps) -> Result<Self, SectionError> {
        let consortium =
            |(name, group): (&String, &ConfigGroup)| Ok((name.clone(), ConsortiumConfig::read(group, msps)?));
        Ok(Self { by_name: group.groups.iter().map(consortium).collect::<Result<_, SectionError>>()? })
    }
}

impl ConsortiumConfig {
    fn read(group: &ConfigGroup, msps: &mut Msps) -> Result<Self, SectionError> {
        let mut channel_creation_policy = Policy::default();
        for (key, element) in &group.values {
            match key.as_str() {
                "ChannelCreationPolicy" => channel_creation_policy = value(&element.value)?,
                _ => return Err(SectionError::UnexpectedKey(key.clone())),
            }
        }
        let organization = |(name, group): (&String, &ConfigGroup)| {
            Ok((name.clone(), Organization::of_consortium(name, group, msps)?))
        };
        let organizations = group.groups.iter().map(organization).collect::<Result<_, SectionError>>()?;
        Ok(Self { channel_creation_policy, organizations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_addresses() {
        let good = ["kafka0:9092", "10.0.0.1:0", "a.b-c.d:65535", "x:1", ":9092"];
        let bad = ["nohostport", "a:", "a:65536", "a:-1", "a:+1", "a:b:1", "-a:1", "a.:1", "a_b:1", "é:1"];
        assert_eq!(good.map(is_broker_address), [true; 5]);
        assert_eq!(bad.map(is_broker_address), [false; 10]);
    }
}

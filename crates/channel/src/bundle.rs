//! A channel's configuration, parsed and checked.
//!
//! A [`Bundle`] is made from a configuration once and then only read: whoever orders, delivers or
//! verifies takes the current one and works with it. A configuration change makes a new bundle, and
//! with the old one die the memories of its policies, so that nothing outlives its sequence number.

use std::{collections::BTreeMap, sync::Arc};

use identity::{
    msp::MspManager,
    policy::{CachedPolicy, Policy, PolicyError, PolicyManager},
};
use protos::common::{
    Block, BlockDataHashingStructure, Capabilities, Config, ConfigEnvelope, ConfigGroup, Consortium,
    Envelope, HashingAlgorithm, HeaderType, OrdererAddresses,
};

use crate::{
    capabilities::{ChannelCapabilities, UnsupportedCapability},
    configtx::elements,
    denial::{self, AccessPolicy},
    envelope::{self, EnvelopeError},
    names::{self, ChannelIdError},
    text,
    wire::{self, WireError},
};

mod organization;
mod sections;

pub use organization::Organization;
pub use sections::{ApplicationConfig, ConsensusState, ConsortiumConfig, Consortiums, OrdererConfig};

use organization::Msps;

/// Name of the root group.
pub const CHANNEL: &str = "Channel";
/// Name of the group that holds the ordering service's configuration.
pub const ORDERER: &str = "Orderer";
/// Name of the group that holds the peer organizations of an application channel.
pub const APPLICATION: &str = "Application";
/// Name of the group that makes a channel a system channel.
pub const CONSORTIUMS: &str = "Consortiums";

/// Why a configuration can not be used. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// There is no configuration.
    #[error("channelconfig Config cannot be nil")]
    NoConfig,
    /// The configuration is empty.
    #[error("config must contain a channel group")]
    NoChannelGroup,
    /// The channel has capabilities, its ordering service has none.
    #[error("cannot enable channel capabilities without orderer support first")]
    ChannelCapabilitiesAlone,
    /// The application has capabilities, the ordering service has none.
    #[error("cannot enable application capabilities without orderer support first")]
    ApplicationCapabilitiesAlone,
    /// A value or group breaks a rule.
    #[error("initializing channelconfig failed: {0}")]
    Section(#[from] SectionError),
    /// A policy does not compile.
    #[error("initializing policymanager failed: {0}")]
    Policy(#[from] PolicyError),
    /// The channel's name is illegal.
    #[error("initializing configtx manager failed: bad channel ID: {0}")]
    ChannelId(#[from] ChannelIdError),
    /// An element's name is illegal.
    #[error("initializing configtx manager failed: error converting config to map: {0}")]
    Key(#[from] elements::IllegalKey),
}

/// Why a group of a configuration can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// The value is not of the type that its key promises.
    #[error("failed to deserialize values: {0}")]
    Value(WireError),
    /// There is no value of this name in this kind of group.
    #[error("failed to deserialize values: Unexpected key {0}")]
    UnexpectedKey(String),
    /// Blocks are hashed with SHA-256; SHA3-256 may be named, but changes nothing.
    #[error("Unknown hashing algorithm type: {0}")]
    HashingAlgorithm(String),
    /// Block data is hashed as one piece.
    #[error("BlockDataHashStructure width only supported at MaxUint32 in this version")]
    HashingWidth,
    /// Without the capability for endpoints of organizations the channel has to list its orderers.
    #[error("Must set some OrdererAddresses")]
    NoOrdererAddresses,
    /// A sub-group of the channel that is neither Orderer, Application nor Consortiums.
    #[error("Disallowed channel group: {0}")]
    DisallowedGroup(String),
    /// A sub-group breaks a rule.
    #[error("could not create channel {group} sub-group config: {source}")]
    SubGroup {
        /// The sub-group's name.
        group: &'static str,
        /// What is wrong.
        source: Box<SectionError>,
    },
    /// A batch limit of zero.
    #[error("Attempted to set the batch size {0} to an invalid value: 0")]
    BatchLimitZero(&'static str),
    /// Batches would be allowed to grow beyond the largest message.
    #[error(
        "Attempted to set the batch size preferred max bytes ({preferred}) greater than the absolute max bytes ({absolute})."
    )]
    PreferredAboveAbsolute {
        /// Preferred size of a batch.
        preferred: u32,
        /// Largest size of a message.
        absolute: u32,
    },
    /// The batch timeout is not a duration.
    #[error("Attempted to set the batch timeout to a invalid value: {0}")]
    BatchTimeout(#[from] crate::duration::DurationError),
    /// The batch timeout is zero or negative.
    #[error("Attempted to set the batch timeout to a non-positive value: {0}")]
    BatchTimeoutNotPositive(String),
    /// A Kafka broker is not given as `host:port`.
    #[error("Invalid broker entry: {0}")]
    KafkaBroker(String),
    /// Access rules need an application capability.
    #[error("ACLs may not be specified without the required capability")]
    AclsWithoutCapability,
    /// Organizations have no groups below them.
    #[error("{0}")]
    OrganizationSubGroups(&'static str),
    /// Endpoints of organizations need a channel capability.
    #[error("Orderer Org {0} cannot contain endpoints value until V1_4_2+ capabilities have been enabled")]
    EndpointsWithoutCapability(String),
    /// The kind of MSP is neither X.509 nor Idemix.
    #[error("Setup error: unsupported msp type {0}")]
    MspType(i32),
    /// The MSP's definition is wrong.
    #[error("setting up the MSP manager failed: {0}")]
    Msp(#[from] identity::msp::MspError),
    /// The MSP has no name.
    #[error("MSP for org {0} has empty MSP ID")]
    EmptyMspId(String),
    /// Two organizations define the same MSP differently.
    #[error("Attempted to define two different versions of MSP: {0}")]
    TwoVersionsOfMsp(String),
}

/// Why a block does not give a channel's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigBlockError {
    /// The block has no transaction.
    #[error("envelope index out of bounds")]
    Empty,
    /// The transaction is not a sound envelope.
    #[error("block data does not carry an envelope at index 0: {0}")]
    Envelope(EnvelopeError),
    /// The transaction is no configuration.
    #[error("invalid type {}, expected CONFIG", text::header_type(*.0))]
    NotConfig(i32),
    /// The configuration does not decode.
    #[error("failed to unmarshal config envelope from payload: {0}")]
    Malformed(WireError),
    /// The configuration can not be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Why a configuration can not follow another one. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// The ordering service's configuration is gone.
    #[error("current config has orderer section, but new config does not")]
    OrdererRemoved,
    /// The application's configuration is gone.
    #[error("current config has application section, but new config does not")]
    ApplicationRemoved,
    /// The channel would stop being a system channel.
    #[error("current config has consortiums section, but new config does not")]
    ConsortiumsRemoved,
    /// The channel would become a system channel.
    #[error("current config has no consortiums section, but new config does")]
    ConsortiumsAdded,
    /// The channel's capabilities do not allow another consensus type.
    #[error("attempted to change consensus type from {from} to {to}")]
    ConsensusType {
        /// The type in force.
        from: String,
        /// The type wanted.
        to: String,
    },
    /// An organization would get another MSP.
    #[error("{kind} org {name} attempted to change MSP ID from {from} to {to}")]
    MspId {
        /// `orderer`, `application` or `consortium` with its name.
        kind: String,
        /// The organization's name.
        name: String,
        /// The MSP in force.
        from: String,
        /// The MSP wanted.
        to: String,
    },
}

/// A policy that the configuration should have, but has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("could not find policy {0}")]
pub struct MissingPolicy(
    /// The policy's path.
    pub &'static str,
);

/// The configuration of one channel at one sequence number, ready to be asked.
pub struct Bundle {
    channel_id: String,
    config: Config,
    capabilities: ChannelCapabilities,
    orderer_addresses: Vec<String>,
    orderer: Option<OrdererConfig>,
    application: Option<ApplicationConfig>,
    consortiums: Option<Consortiums>,
    msps: Arc<MspManager>,
    policies: PolicyManager,
    writers: Result<Arc<CachedPolicy>, MissingPolicy>,
    readers: Result<Arc<CachedPolicy>, MissingPolicy>,
}

impl Bundle {
    /// Parses a configuration and checks all that Fabric checks of any configuration
    /// (`common/channelconfig`), whether or not this program knows its capabilities.
    pub fn new(channel_id: &str, config: Config) -> Result<Bundle, BundleError> {
        let root = config.channel_group.as_ref().ok_or(BundleError::NoChannelGroup)?;
        check_capabilities_have_orderer(root)?;
        let values = ChannelValues::read(root)?;
        let mut msps = Msps::new(values.capabilities.msp_version());
        let mut orderer = None;
        let mut application = None;
        let mut consortiums = None;
        for (name, group) in &root.groups {
            match name.as_str() {
                ORDERER => {
                    let section = OrdererConfig::read(group, &values.capabilities, &mut msps);
                    orderer = Some(section.map_err(in_group(ORDERER))?);
                }
                APPLICATION => {
                    let section = ApplicationConfig::read(group, &mut msps);
                    application = Some(section.map_err(in_group(APPLICATION))?);
                }
                CONSORTIUMS => {
                    let section = Consortiums::read(group, &mut msps);
                    consortiums = Some(section.map_err(in_group(CONSORTIUMS))?);
                }
                _ => return Err(SectionError::DisallowedGroup(text::config_group(group)).into()),
            }
        }
        let msps = Arc::new(msps.into_manager());
        let policies = PolicyManager::new(CHANNEL, root, &msps)?;
        names::check_channel_id(channel_id)?;
        elements::check_keys(root)?;
        let state = orderer.as_ref().map(|orderer| orderer.consensus_state);
        let cached = |access: AccessPolicy| {
            let path = access.path(state);
            policies.cached_policy(path).map(Arc::new).ok_or(MissingPolicy(path))
        };
        Ok(Bundle {
            channel_id: channel_id.to_owned(),
            writers: cached(denial::WRITERS),
            readers: cached(denial::READERS),
            config,
            capabilities: values.capabilities,
            orderer_addresses: values.orderer_addresses,
            orderer,
            application,
            consortiums,
            msps,
            policies,
        })
    }

    /// Takes the configuration out of a config block or genesis block.
    ///
    /// A block that creates a channel (ORDERER_TRANSACTION) holds the configuration of another
    /// channel than the one it is in, and is refused here.
    pub fn from_config_block(block: &Block) -> Result<Bundle, ConfigBlockError> {
        let entry = block.data.as_ref().and_then(|data| data.data.first()).ok_or(ConfigBlockError::Empty)?;
        let envelope: Envelope =
            wire::decode(entry).map_err(|e| ConfigBlockError::Envelope(EnvelopeError::Envelope(e)))?;
        let header = envelope::channel_header(&envelope).map_err(ConfigBlockError::Envelope)?;
        if header.r#type != HeaderType::Config as i32 {
            return Err(ConfigBlockError::NotConfig(header.r#type));
        }
        let payload = envelope::payload(&envelope).map_err(ConfigBlockError::Envelope)?;
        let config: ConfigEnvelope = wire::decode(&payload.data).map_err(ConfigBlockError::Malformed)?;
        Ok(Bundle::new(&header.channel_id, config.config.ok_or(BundleError::NoConfig)?)?)
    }

    /// The channel's name.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// The configuration as it came.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The root group of the configuration.
    pub(crate) fn channel_group(&self) -> &ConfigGroup {
        self.config.channel_group.as_ref().expect("a bundle is made only of a config with a channel group")
    }

    /// Counts the changes of the configuration.
    pub fn sequence(&self) -> u64 {
        self.config.sequence
    }

    /// The MSPs of all organizations of the channel.
    pub fn msps(&self) -> &Arc<MspManager> {
        &self.msps
    }

    /// All policies, reachable by their paths.
    pub fn policies(&self) -> &PolicyManager {
        &self.policies
    }

    /// Capabilities at channel level.
    pub fn capabilities(&self) -> &ChannelCapabilities {
        &self.capabilities
    }

    /// The ordering service's section.
    pub fn orderer(&self) -> Option<&OrdererConfig> {
        self.orderer.as_ref()
    }

    /// The peer organizations' section.
    pub fn application(&self) -> Option<&ApplicationConfig> {
        self.application.as_ref()
    }

    /// The consortiums; present on a system channel only.
    pub fn consortiums(&self) -> Option<&Consortiums> {
        self.consortiums.as_ref()
    }

    /// Addresses of orderers (`host:port`) that are common to all organizations.
    pub fn orderer_addresses(&self) -> &[String] {
        &self.orderer_addresses
    }

    /// The first capability at orderer or channel level that this program does not know. With one
    /// it must not take part in the channel, since others may act on rules that it can not follow.
    pub fn unsupported_capability(&self) -> Option<UnsupportedCapability> {
        let orderer = self.orderer.as_ref().map_or(Ok(()), |o| o.capabilities.supported());
        orderer.and_then(|()| self.capabilities.supported()).err()
    }

    /// Who may send messages: `/Channel/Writers`, in maintenance `/Channel/Orderer/Writers`.
    pub fn writers_policy(&self) -> Result<&Arc<CachedPolicy>, MissingPolicy> {
        self.writers.as_ref().map_err(|missing| *missing)
    }

    /// Who may read blocks: `/Channel/Readers`, in maintenance `/Channel/Orderer/Readers`.
    pub fn readers_policy(&self) -> Result<&Arc<CachedPolicy>, MissingPolicy> {
        self.readers.as_ref().map_err(|missing| *missing)
    }

    /// Whose signatures make a block valid.
    pub fn block_validation_policy(&self) -> Result<Arc<dyn Policy>, MissingPolicy> {
        let path = "/Channel/Orderer/BlockValidation";
        self.policies.policy(path).ok_or(MissingPolicy(path))
    }

    /// Whether `next` may follow this configuration, apart from who signed for it.
    pub fn check_successor(&self, next: &Bundle) -> Result<(), SuccessionError> {
        if let Some(orderer) = &self.orderer {
            let next = next.orderer.as_ref().ok_or(SuccessionError::OrdererRemoved)?;
            let (from, to) = (&orderer.consensus_type, &next.consensus_type);
            if !self.capabilities.consensus_type_migration() && from != to {
                return Err(SuccessionError::ConsensusType { from: from.clone(), to: to.clone() });
            }
            check_msp_ids("orderer", &orderer.organizations, &next.organizations)?;
        }
        if let Some(application) = &self.application {
            let next = next.application.as_ref().ok_or(SuccessionError::ApplicationRemoved)?;
            check_msp_ids("application", &application.organizations, &next.organizations)?;
        }
        match (&self.consortiums, &next.consortiums) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(SuccessionError::ConsortiumsRemoved),
            (None, Some(_)) => Err(SuccessionError::ConsortiumsAdded),
            (Some(current), Some(next)) => current.by_name.iter().try_for_each(|(name, consortium)| {
                let next = next.by_name.get(name).map(|c| &c.organizations);
                next.map_or(Ok(()), |next| {
                    check_msp_ids(&format!("consortium {name}"), &consortium.organizations, next)
                })
            }),
        }
    }
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { channel_id, config, .. } = self;
        f.debug_struct("Bundle").field("channel_id", channel_id).field("sequence", &config.sequence).finish()
    }
}

fn in_group(group: &'static str) -> impl Fn(SectionError) -> SectionError {
    move |source| SectionError::SubGroup { group, source: Box::new(source) }
}

/// Capabilities are a promise of the whole channel, so the ordering service has to make it first.
fn check_capabilities_have_orderer(root: &ConfigGroup) -> Result<(), BundleError> {
    let has_capabilities = |group: Option<&ConfigGroup>| group.map(|g| g.values.contains_key("Capabilities"));
    if has_capabilities(root.groups.get(ORDERER)) != Some(false) {
        Ok(())
    } else if has_capabilities(Some(root)) == Some(true) {
        Err(BundleError::ChannelCapabilitiesAlone)
    } else if has_capabilities(root.groups.get(APPLICATION)) == Some(true) {
        Err(BundleError::ApplicationCapabilitiesAlone)
    } else {
        Ok(())
    }
}

/// The values directly under `/Channel`, as far as an orderer has use for them.
struct ChannelValues {
    capabilities: ChannelCapabilities,
    orderer_addresses: Vec<String>,
}

impl ChannelValues {
    fn read(root: &ConfigGroup) -> Result<Self, SectionError> {
        let mut hashing = HashingAlgorithm::default();
        let mut structure = BlockDataHashingStructure::default();
        let mut addresses = OrdererAddresses::default();
        let mut capabilities = Capabilities::default();
        for (key, value) in &root.values {
            let value = &value.value;
            match key.as_str() {
                "HashingAlgorithm" => hashing = sections::value(value)?,
                "BlockDataHashingStructure" => structure = sections::value(value)?,
                "OrdererAddresses" => addresses = sections::value(value)?,
                "Consortium" => drop(sections::value::<Consortium>(value)?),
                "Capabilities" => capabilities = sections::value(value)?,
                _ => return Err(SectionError::UnexpectedKey(key.clone())),
            }
        }
        let capabilities = ChannelCapabilities::new(capabilities);
        if !matches!(hashing.name.as_str(), "SHA256" | "SHA3_256") {
            return Err(SectionError::HashingAlgorithm(hashing.name));
        }
        if structure.width != u32::MAX {
            return Err(SectionError::HashingWidth);
        }
        if !capabilities.org_specific_orderer_endpoints() && addresses.addresses.is_empty() {
            return Err(SectionError::NoOrdererAddresses);
        }
        Ok(Self { capabilities, orderer_addresses: addresses.addresses })
    }
}

fn check_msp_ids(
    kind: &str,
    current: &BTreeMap<String, Organization>,
    next: &BTreeMap<String, Organization>,
) -> Result<(), SuccessionError> {
    for (name, organization) in current {
        let (from, to) = (&organization.msp_id, next.get(name).map(|o| &o.msp_id));
        if let Some(to) = to.filter(|to| *to != from) {
            return Err(SuccessionError::MspId {
                kind: kind.to_owned(),
                name: name.clone(),
                from: from.clone(),
                to: to.clone(),
            });
        }
    }
    Ok(())
}

//! Creation of channels through a system channel.
//!
//! The request is a configuration update for a channel that does not exist. It is applied to a
//! template that the system channel's configuration gives: its ordering section, and the members of
//! one of its consortiums under that consortium's creation policy. The outcome becomes the first
//! configuration of the new channel (`orderer/common/msgprocessor/systemchannel.go`).

use std::collections::BTreeMap;

use protos::{
    Message,
    common::{
        Config, ConfigEnvelope, ConfigGroup, ConfigPolicy, ConfigUpdate, ConfigUpdateEnvelope, ConfigValue,
        Consortium, Envelope, HeaderType,
    },
};

use crate::{
    bundle::{APPLICATION, Bundle, BundleError, CONSORTIUMS, ConsortiumConfig, ORDERER, SuccessionError},
    capabilities::UnsupportedCapability,
    configtx::{self, ConfigTxError, EnvelopeTypeError},
    consenters::{self, MetadataError},
    envelope::{self, EnvelopeError},
    wire::{self, WireError},
};

/// Why there is no template for a new channel. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The request's envelope does not decode.
    #[error("Failing initial channel config creation because of payload unmarshalling error: {0}")]
    Envelope(EnvelopeError),
    /// The request's data does not decode.
    #[error(
        "Failing initial channel config creation because of config update envelope unmarshalling error: {0}"
    )]
    UpdateEnvelope(WireError),
    /// The request's update does not decode.
    #[error("Failing initial channel config creation because of config update unmarshalling error: {0}")]
    Update(WireError),
    /// Update and envelope name different channels.
    #[error("Failing initial channel config creation: mismatched channel IDs: '{update}' != '{header}'")]
    ChannelIds {
        /// The channel that the update names.
        update: String,
        /// The channel that the envelope's header names.
        header: String,
    },
    /// The update writes nothing.
    #[error("Config update has an empty writeset")]
    NoWriteSet,
    /// The update has no members.
    #[error("Config update has missing application group")]
    NoApplication,
    /// The update does not change the template's members.
    #[error("Config update for channel creation does not set application group version to 1, was {0}")]
    ApplicationVersion(u64),
    /// The update names no consortium.
    #[error("Consortium config value missing")]
    NoConsortium,
    /// The consortium's name does not decode.
    #[error("Error reading unmarshalling consortium name: {0}")]
    ConsortiumName(WireError),
    /// This is no system channel.
    #[error("The ordering system channel does not appear to support creating channels")]
    NotSystemChannel,
    /// There is no such consortium.
    #[error("Unknown consortium name: {0}")]
    UnknownConsortium(String),
    /// A channel needs members, if the consortium has any.
    #[error("Proposed configuration has no application group members, but consortium contains members")]
    NoMembers,
    /// A member is not in the consortium.
    #[error("Attempted to include member {0} which is not in the consortium")]
    NotInConsortium(String),
    /// The system channel's configuration makes no template.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Why a transaction that creates a channel is refused. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreationError {
    /// The transaction does not hold a configuration.
    #[error("wrapped configtx envelope not a config transaction: {0}")]
    NotConfig(#[from] EnvelopeTypeError),
    /// The configuration does not come with the request that led to it.
    #[error("updated config does not include a config update")]
    NoUpdate,
    /// The request gives no template.
    #[error("error constructing new channel config from update: {0}")]
    Template(#[from] TemplateError),
    /// The request is not authorised.
    #[error("error proposing channel update to new channel config: {0}")]
    Update(#[from] ConfigTxError),
    /// The request leads to another configuration.
    #[error(
        "config proposed by the channel creation request did not match the config received with the channel creation request"
    )]
    OtherResult,
    /// The new configuration can not be used.
    #[error("config does not validly parse: {0}")]
    Bundle(#[from] BundleError),
    /// The new configuration can not follow the template.
    #[error("new bundle invalid: {0}")]
    Succession(#[from] SuccessionError),
    /// The new channel would have nobody to order it.
    #[error("config is missing orderer group")]
    NoOrderer,
    /// The new channel's consenters can not be used.
    #[error("consensus metadata update for channel creation is invalid: {0}")]
    Metadata(#[from] MetadataError),
    /// This program can not serve the new channel.
    #[error("config update is not compatible: {0}")]
    Capability(#[from] UnsupportedCapability),
}

/// The configuration, at sequence 0, that a request to create a channel is applied to.
pub fn template(system: &Bundle, request: &Envelope) -> Result<Bundle, TemplateError> {
    let channel_id = envelope::channel_header(request).map_err(TemplateError::Envelope)?.channel_id;
    let payload = envelope::payload(request).map_err(TemplateError::Envelope)?;
    let update: ConfigUpdateEnvelope = wire::decode(&payload.data).map_err(TemplateError::UpdateEnvelope)?;
    let update: ConfigUpdate = wire::decode(&update.config_update).map_err(TemplateError::Update)?;
    if update.channel_id != channel_id {
        return Err(TemplateError::ChannelIds { update: update.channel_id, header: channel_id });
    }
    let write_set = update.write_set.ok_or(TemplateError::NoWriteSet)?;
    let application = write_set.groups.get(APPLICATION).ok_or(TemplateError::NoApplication)?;
    if application.version != 1 {
        return Err(TemplateError::ApplicationVersion(application.version));
    }
    let consortium = write_set.values.get(CONSORTIUM).ok_or(TemplateError::NoConsortium)?;
    let consortium: Consortium = wire::decode(&consortium.value).map_err(TemplateError::ConsortiumName)?;
    let group = channel_group(system, consortium.name, application)?;
    Ok(Bundle::new(&channel_id, Config { sequence: 0, channel_group: Some(group) })?)
}

const CONSORTIUM: &str = "Consortium";
const ADMINS: &str = "Admins";

fn channel_group(
    system: &Bundle,
    consortium_name: String,
    requested: &ConfigGroup,
) -> Result<ConfigGroup, TemplateError> {
    let consortiums = system.consortiums().ok_or(TemplateError::NotSystemChannel)?;
    let Some(consortium) = consortiums.by_name.get(&consortium_name) else {
        return Err(TemplateError::UnknownConsortium(consortium_name));
    };
    let root = system.channel_group();
    let members = root.groups.get(CONSORTIUMS).and_then(|group| group.groups.get(&consortium_name));
    let members = members.map(|group| &group.groups);
    let application = application_group(system, consortium, members, requested)?;
    let mut values = root.values.clone();
    let consortium = ConfigValue {
        version: 0,
        value: Consortium { name: consortium_name }.encode_to_vec().into(),
        mod_policy: ADMINS.to_owned(),
    };
    values.insert(CONSORTIUM.to_owned(), consortium);
    let orderer = root.groups.get(ORDERER).cloned().unwrap_or_default();
    let mut group = ConfigGroup {
        version: 0,
        groups: BTreeMap::from([(ORDERER.to_owned(), orderer), (APPLICATION.to_owned(), application)]),
        values,
        policies: root.policies.clone(),
        mod_policy: String::new(),
    };
    if system.orderer().is_some_and(|o| o.capabilities.predictable_channel_template()) {
        group.mod_policy = root.mod_policy.clone();
        zero_versions(&mut group);
    }
    Ok(group)
}

fn application_group(
    system: &Bundle,
    consortium: &ConsortiumConfig,
    members: Option<&BTreeMap<String, ConfigGroup>>,
    requested: &ConfigGroup,
) -> Result<ConfigGroup, TemplateError> {
    // A request that brings its own `Admins` at version 0 was made for a template without that
    // policy; one that brings none, or changes it, was made for a template that has it.
    let admins = requested.policies.get(ADMINS);
    let as_admins = system.orderer().is_some_and(|o| o.capabilities.creation_policy_as_admins())
        && !requested.policies.is_empty()
        && admins.is_none_or(|policy| policy.version != 0);
    let policy_name = if as_admins { ADMINS } else { "ChannelCreationPolicy" };
    let policy = ConfigPolicy {
        version: 0,
        policy: Some(consortium.channel_creation_policy.clone()),
        mod_policy: policy_name.to_owned(),
    };
    let mut group = ConfigGroup {
        policies: BTreeMap::from([(policy_name.to_owned(), policy)]),
        mod_policy: policy_name.to_owned(),
        ..ConfigGroup::default()
    };
    // A consortium without members lets anybody in.
    let Some(members) = members.filter(|members| !members.is_empty()) else { return Ok(group) };
    if requested.groups.is_empty() {
        return Err(TemplateError::NoMembers);
    }
    for name in requested.groups.keys() {
        let member = members.get(name).ok_or_else(|| TemplateError::NotInConsortium(name.clone()))?;
        group.groups.insert(name.clone(), member.clone());
    }
    Ok(group)
}

fn zero_versions(group: &mut ConfigGroup) {
    group.version = 0;
    group.values.values_mut().for_each(|value| value.version = 0);
    group.policies.values_mut().for_each(|policy| policy.version = 0);
    group.groups.values_mut().for_each(zero_versions);
}

/// Checks the CONFIG envelope inside a transaction that creates a channel: that the system channel
/// as it is now derives the same configuration from the request, and that the configuration can be
/// used.
pub fn check_creation(system: &Bundle, config: &Envelope, now_unix: i64) -> Result<(), CreationError> {
    let config: ConfigEnvelope = configtx::envelope_data(config, HeaderType::Config)?;
    let request = config.last_update.as_ref().ok_or(CreationError::NoUpdate)?;
    let template = template(system, request)?;
    let derived = configtx::propose_update(&template, request)?;
    if derived != config {
        return Err(CreationError::OtherResult);
    }
    let next = Bundle::new(template.channel_id(), derived.config.unwrap_or_default())?;
    template.check_successor(&next)?;
    let orderer = next.orderer().ok_or(CreationError::NoOrderer)?;
    let system = system.orderer().ok_or(CreationError::NoOrderer)?;
    consenters::validate_new_channel(system, orderer, now_unix)?;
    next.unsupported_capability().map_or(Ok(()), |missing| Err(missing.into()))
}

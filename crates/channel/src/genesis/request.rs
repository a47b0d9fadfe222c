//! Config updates from descriptions of channels: the request that a system channel creates a channel,
//! and the one that names an organization's anchor peers.

use std::collections::BTreeMap;

use bytes::Bytes;
use protos::{
    Message,
    common::{
        Config, ConfigGroup, ConfigPolicy, ConfigUpdate, ConfigUpdateEnvelope, ConfigValue, Consortium,
        Envelope, HeaderType,
    },
};

use super::{GenesisDescription, GenesisError};
use crate::{
    bundle::{APPLICATION, CONSORTIUMS},
    configtx::{ComputeError, compute_update},
    envelope::Draft,
};

/// Why a description does not lead to a request. The texts are those of Fabric's `configtxgen`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The new channel's description is no config.
    #[error("could not generate default config template: error parsing configuration: {0}")]
    Template(GenesisError),
    /// The new channel has no application, and nothing else could be said of it.
    #[error(
        "could not generate default config template: channel template configs must contain an application section"
    )]
    TemplateWithoutApplication,
    /// The system channel's description is no config.
    #[error("could not parse system channel config: {0}")]
    SystemChannel(GenesisError),
    /// What is taken for the system channel has no consortiums.
    #[error(
        "could not create config template: supplied system channel group does not appear to be system channel (missing consortiums group)"
    )]
    NotSystemChannel,
    /// The system channel has other consortiums.
    #[error("could not create config template: supplied system channel group is missing '{0}' consortium")]
    UnknownConsortium(String),
    /// The new channel has no application.
    #[error(
        "could not create config template: supplied channel creation profile does not contain an application section"
    )]
    NoApplication,
    /// An organization of the new channel is not in the consortium.
    #[error(
        "could not create config template: consortium {consortium} does not contain member org {organization}"
    )]
    NotInConsortium {
        /// The consortium.
        consortium: String,
        /// The organization's name.
        organization: String,
    },
    /// The new channel is of no consortium.
    #[error("config update generation failure: cannot define a new channel with no Consortium value")]
    NoConsortium,
    /// The new channel's description is no config.
    #[error("config update generation failure: could not turn parse profile into channel group: {0}")]
    Channel(GenesisError),
    /// The new channel does not differ from its template.
    #[error("config update generation failure: could not compute update: {0}")]
    Compute(ComputeError),
    /// Anchor peers belong to the application.
    #[error("cannot update anchor peers without an application section")]
    AnchorsWithoutApplication,
    /// The channel's description is no config.
    #[error("error parsing profile as channel group: {0}")]
    AnchorsChannel(GenesisError),
    /// The channel has other organizations.
    #[error("org with name '{0}' does not exist in config")]
    UnknownOrganization(String),
    /// There is nothing to be said.
    #[error("org '{0}' does not have any anchor peers defined")]
    NoAnchorPeers(String),
    /// The anchor peers make no difference.
    #[error("could not compute update: {0}")]
    AnchorsCompute(ComputeError),
}

/// The update that asks a system channel to create the described channel. Of the description, only the
/// application counts: whatever else it says is taken for what the system channel has.
pub fn creation_update(channel: &GenesisDescription) -> Result<ConfigUpdate, RequestError> {
    let mut template = tree(channel).map_err(RequestError::Template)?;
    let application = template.groups.get_mut(APPLICATION).ok_or(RequestError::TemplateWithoutApplication)?;
    application.values.clear();
    application.policies.clear();
    creation_from(template, channel)
}

/// As [`creation_update`], where the description may also differ from the system channel's, `system`, in
/// what lies outside of the application.
pub fn creation_update_under(
    channel: &GenesisDescription,
    system: &GenesisDescription,
) -> Result<ConfigUpdate, RequestError> {
    let mut template = tree(system).map_err(RequestError::SystemChannel)?;
    let mut consortiums = template.groups.remove(CONSORTIUMS).ok_or(RequestError::NotSystemChannel)?;
    let name = channel.consortium.clone().unwrap_or_default();
    let Some(mut consortium) = consortiums.groups.remove(&name) else {
        return Err(RequestError::UnknownConsortium(name));
    };
    let section = channel.application.as_ref().ok_or(RequestError::NoApplication)?;
    let mut application = ConfigGroup {
        policies: BTreeMap::from([(ADMINS.to_owned(), ConfigPolicy::default())]),
        ..ConfigGroup::default()
    };
    for organization in &section.organizations {
        let member = consortium.groups.remove(&organization.name).ok_or_else(|| {
            let organization = organization.name.clone();
            RequestError::NotInConsortium { consortium: name.clone(), organization }
        })?;
        application.groups.insert(organization.name.clone(), member);
    }
    template.groups.insert(APPLICATION.to_owned(), application);
    template.values.insert(
        CONSORTIUM.to_owned(),
        ConfigValue { mod_policy: ADMINS.to_owned(), ..consortium_value(&name) },
    );
    creation_from(template, channel)
}

const ADMINS: &str = "Admins";
const CONSORTIUM: &str = "Consortium";

fn creation_from(template: ConfigGroup, channel: &GenesisDescription) -> Result<ConfigUpdate, RequestError> {
    let consortium = channel.consortium.as_ref().ok_or(RequestError::NoConsortium)?;
    let requested = tree(channel).map_err(RequestError::Channel)?;
    let mut update = compute_update(&channel.channel_id, &config(template), &config(requested))
        .map_err(RequestError::Compute)?;
    // The orderer finds the consortium here, whether it differs or not.
    if let Some(read_set) = &mut update.read_set {
        read_set.values.insert(CONSORTIUM.to_owned(), ConfigValue::default());
    }
    if let Some(write_set) = &mut update.write_set {
        write_set.values.insert(CONSORTIUM.to_owned(), consortium_value(consortium));
    }
    Ok(update)
}

fn consortium_value(name: &str) -> ConfigValue {
    let value = Consortium { name: name.to_owned() }.encode_to_vec().into();
    ConfigValue { value, ..ConfigValue::default() }
}

/// The update that adds an organization's anchor peers to a channel that was created as described, but
/// without them. Anything that has changed since makes the orderer refuse it.
pub fn anchor_peers_update(
    channel: &GenesisDescription,
    organization: &str,
) -> Result<ConfigUpdate, RequestError> {
    if channel.application.is_none() {
        return Err(RequestError::AnchorsWithoutApplication);
    }
    let mut original = tree(channel).map_err(RequestError::AnchorsChannel)?;
    let application = original.groups.get_mut(APPLICATION).ok_or(RequestError::AnchorsWithoutApplication)?;
    // That of a channel which a system channel has just created.
    application.version = 1;
    let updated = original.clone();
    let group = original.groups.get_mut(APPLICATION).and_then(|group| group.groups.get_mut(organization));
    let group = group.ok_or_else(|| RequestError::UnknownOrganization(organization.to_owned()))?;
    if group.values.remove("AnchorPeers").is_none() {
        return Err(RequestError::NoAnchorPeers(organization.to_owned()));
    }
    compute_update(&channel.channel_id, &config(original), &config(updated))
        .map_err(RequestError::AnchorsCompute)
}

fn tree(description: &GenesisDescription) -> Result<ConfigGroup, GenesisError> {
    super::tree::channel(description)
}

fn config(channel_group: ConfigGroup) -> Config {
    Config { sequence: 0, channel_group: Some(channel_group) }
}

/// The envelope that an update is signed and sent in, with no signature yet, made at
/// `timestamp_seconds` (Unix).
pub fn update_envelope(update: &ConfigUpdate, timestamp_seconds: i64) -> Envelope {
    let data = ConfigUpdateEnvelope { config_update: update.encode_to_vec().into(), signatures: vec![] };
    Draft::new(HeaderType::ConfigUpdate, &update.channel_id, data.encode_to_vec().into(), timestamp_seconds)
        .unsigned(Bytes::new())
}

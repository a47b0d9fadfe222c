//! Configuration updates: authorisation, application, and their computation.
//!
//! An update names what it has read and what it writes, each with versions. What it writes at
//! another version than it has read is its *delta*; contents are never compared. Each element of
//! the delta that exists must be one version ahead, and its current `mod_policy` must be satisfied
//! by the update's signatures. New elements need no policy of their own: they only come into being
//! when the group that holds them changes its list of members, which does need one
//! (`common/configtx`).

use std::collections::BTreeSet;

use bytes::Bytes;
use identity::policy::{PolicyError, SignedData};
use protos::common::{
    ChannelHeader, Config, ConfigEnvelope, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, Envelope,
    HeaderType, SignatureHeader,
};

use crate::{
    bundle::Bundle,
    envelope,
    names::{self, ModPolicyError},
    text,
    wire::{self, WireError},
};

mod compute;
pub(crate) mod elements;

pub use compute::{ComputeError, compute_update};
pub use elements::{IllegalKey, MissingMember};

use elements::Elements;

/// Why an update is not applied. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigTxError {
    /// The envelope is no configuration update.
    #[error("error converting envelope to config update: {0}")]
    NotAnUpdate(#[from] EnvelopeTypeError),
    /// The update does not fit the configuration, or not enough have signed it.
    #[error("error authorizing update: {0}")]
    Refused(#[from] UpdateError),
    /// What the update makes is no tree.
    #[error("could not turn configMap back to channelGroup: {0}")]
    Rebuild(#[from] MissingMember),
}

/// Why a committed configuration is not the next one of its channel. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is no configuration in the envelope.
    #[error("config envelope has nil config")]
    NoConfig,
    /// The configuration is not the one after the current one.
    #[error("config currently at sequence {current}, cannot validate config at sequence {next}")]
    Sequence {
        /// Sequence number in force.
        current: u64,
        /// The one that came.
        next: u64,
    },
    /// The update that comes with it is no configuration update.
    #[error(transparent)]
    NotAnUpdate(#[from] EnvelopeTypeError),
    /// The update that comes with it is not authorised.
    #[error(transparent)]
    Refused(#[from] UpdateError),
    /// The update that comes with it makes no tree.
    #[error("could not turn configMap back to channelGroup: {0}")]
    Rebuild(#[from] MissingMember),
    /// The update that comes with it leads elsewhere.
    #[error("ConfigEnvelope LastUpdate did not produce the supplied config result")]
    OtherResult,
}

/// Why an envelope does not hold what its place calls for. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeTypeError {
    /// The payload does not decode.
    #[error(transparent)]
    Payload(#[from] envelope::EnvelopeError),
    /// The channel header does not decode.
    #[error("error unmarshalling ChannelHeader: {0}")]
    ChannelHeader(WireError),
    /// There is no header.
    #[error("envelope must have a Header")]
    NoHeader,
    /// The header says that it is something else.
    #[error("invalid type {}, expected {expected}", text::header_type(*.found))]
    OtherType {
        /// The header type found.
        found: i32,
        /// The name of the one wanted.
        expected: &'static str,
    },
    /// The data does not decode.
    #[error("error unmarshalling message for type {expected}: {source}")]
    Data {
        /// The name of the header type.
        expected: &'static str,
        /// What is wrong.
        source: WireError,
    },
}

/// Why an update does not fit a configuration, or is not authorised. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The update does not decode.
    #[error("{0}")]
    Malformed(WireError),
    /// The update is for another channel.
    #[error("ConfigUpdate for channel '{update}' but envelope for channel '{channel}'")]
    OtherChannel {
        /// The channel that the update names.
        update: String,
        /// The channel at hand.
        channel: String,
    },
    /// A name in the read set is illegal.
    #[error("error mapping ReadSet: {0}")]
    ReadSetKey(IllegalKey),
    /// The read set is not what the configuration is.
    #[error("error validating ReadSet: {0}")]
    ReadSet(#[from] ReadSetError),
    /// A name in the write set is illegal.
    #[error("error mapping WriteSet: {0}")]
    WriteSetKey(IllegalKey),
    /// The changes are not allowed.
    #[error("error validating DeltaSet: {0}")]
    DeltaSet(#[from] DeltaSetError),
    /// The update names an element that is not there.
    #[error("full config did not verify: writeset contained key {0} which did not appear in proposed config")]
    WriteSetBeyondConfig(String),
}

/// Why an update has read something else than the configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadSetError {
    /// There is no such element.
    #[error("existing config does not contain element for {0} but was in the read set")]
    Unknown(String),
    /// The element has another version.
    #[error(
        "proposed update requires that key {key} be at version {read}, but it is currently at version {current}"
    )]
    Version {
        /// The element.
        key: String,
        /// The version that the update has read.
        read: u64,
        /// The version in force.
        current: u64,
    },
}

/// Why a change is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaSetError {
    /// Nothing would change.
    #[error("delta set was empty -- update would have no effect")]
    Empty,
    /// The new `mod_policy` can not be one.
    #[error("invalid mod_policy for element {key}: {source}")]
    ModPolicy {
        /// The element.
        key: String,
        /// What is wrong.
        source: ModPolicyError,
    },
    /// A new element does not start at version 0.
    #[error("attempted to set key {key} to version {version}, but key does not exist")]
    NewElementVersion {
        /// The element.
        key: String,
        /// The version that the update gives it.
        version: u64,
    },
    /// A changed element is not one version ahead.
    #[error("attempt to set key {key} to version {version}, but key is at version {current}")]
    Version {
        /// The element.
        key: String,
        /// The version that the update gives it.
        version: u64,
        /// The version in force.
        current: u64,
    },
    /// The element's `mod_policy` leads nowhere, so nobody can change it.
    #[error("unexpected missing policy {policy} for item {key}")]
    MissingPolicy {
        /// The element's `mod_policy`.
        policy: String,
        /// The element.
        key: String,
    },
    /// The signatures are not enough.
    #[error("policy for {key} not satisfied: {source}")]
    NotSatisfied {
        /// The element.
        key: String,
        /// What the policy says.
        source: PolicyError,
    },
}

/// Applies a CONFIG_UPDATE envelope to a channel's configuration: checks it against the versions
/// and policies in force and builds the configuration that follows. Whether that configuration is
/// sound is not asked here.
pub fn propose_update(bundle: &Bundle, update_envelope: &Envelope) -> Result<ConfigEnvelope, ConfigTxError> {
    let update: ConfigUpdateEnvelope = envelope_data(update_envelope, HeaderType::ConfigUpdate)?;
    let parsed = decode_update(&update)?;
    let elements = authorize(bundle, &update, &parsed)?;
    let group = elements::rebuild(&elements)?;
    let config = Config { sequence: bundle.sequence().wrapping_add(1), channel_group: Some(group) };
    Ok(ConfigEnvelope { config: Some(config), last_update: Some(update_envelope.clone()) })
}

/// Checks that a configuration that has been ordered follows from the one in force by the update
/// that comes with it.
pub fn validate_config(bundle: &Bundle, envelope: &ConfigEnvelope) -> Result<(), ConfigError> {
    let config = envelope.config.as_ref().ok_or(ConfigError::NoConfig)?;
    if config.sequence != bundle.sequence().wrapping_add(1) {
        return Err(ConfigError::Sequence { current: bundle.sequence(), next: config.sequence });
    }
    let no_update = Envelope::default();
    let last_update = envelope.last_update.as_ref().unwrap_or(&no_update);
    let update: ConfigUpdateEnvelope = envelope_data(last_update, HeaderType::ConfigUpdate)?;
    let parsed = decode_update(&update)?;
    let elements = authorize(bundle, &update, &parsed)?;
    if Some(&elements::rebuild(&elements)?) != config.channel_group.as_ref() {
        return Err(ConfigError::OtherResult);
    }
    Ok(())
}

/// Decodes the data of an envelope that must be of this type.
pub(crate) fn envelope_data<M: protos::Message + Default>(
    envelope: &Envelope,
    kind: HeaderType,
) -> Result<M, EnvelopeTypeError> {
    let expected = kind.as_str_name();
    let payload = envelope::payload(envelope)?;
    let header = payload.header.ok_or(EnvelopeTypeError::NoHeader)?;
    let header: ChannelHeader =
        wire::decode(&header.channel_header).map_err(EnvelopeTypeError::ChannelHeader)?;
    let found = header.r#type;
    if found != kind as i32 {
        return Err(EnvelopeTypeError::OtherType { found, expected });
    }
    wire::decode(&payload.data).map_err(|source| EnvelopeTypeError::Data { expected, source })
}

pub(crate) fn decode_update(update: &ConfigUpdateEnvelope) -> Result<ConfigUpdate, UpdateError> {
    wire::decode(&update.config_update).map_err(UpdateError::Malformed)
}

/// Checks an update and lays its delta over the configuration.
fn authorize<'a>(
    bundle: &'a Bundle,
    envelope: &ConfigUpdateEnvelope,
    update: &'a ConfigUpdate,
) -> Result<Elements<'a>, UpdateError> {
    if update.channel_id != bundle.channel_id() {
        return Err(UpdateError::OtherChannel {
            update: update.channel_id.clone(),
            channel: bundle.channel_id().to_owned(),
        });
    }
    // Its names were checked when the bundle was made.
    let mut current = elements::flatten(Some(bundle.channel_group())).map_err(UpdateError::ReadSetKey)?;
    let read = elements::flatten(update.read_set.as_ref()).map_err(UpdateError::ReadSetKey)?;
    check_read_set(&current, &read)?;
    let written = elements::flatten(update.write_set.as_ref()).map_err(UpdateError::WriteSetKey)?;
    let written_keys: BTreeSet<String> = written.keys().cloned().collect();
    let mut delta = written;
    delta.retain(|key, element| read.get(key).is_none_or(|r| r.version() != element.version()));
    let signed = signed_data(envelope)?;
    check_delta_set(bundle, &current, &delta, &signed)?;
    current.append(&mut delta);
    match written_keys.into_iter().find(|key| !current.contains_key(key)) {
        Some(key) => Err(UpdateError::WriteSetBeyondConfig(key)),
        None => Ok(current),
    }
}

fn check_read_set(current: &Elements<'_>, read: &Elements<'_>) -> Result<(), ReadSetError> {
    for (key, element) in read {
        let existing = current.get(key).ok_or_else(|| ReadSetError::Unknown(key.clone()))?;
        if existing.version() != element.version() {
            return Err(ReadSetError::Version {
                key: key.clone(),
                read: element.version(),
                current: existing.version(),
            });
        }
    }
    Ok(())
}

fn check_delta_set(
    bundle: &Bundle,
    current: &Elements<'_>,
    delta: &Elements<'_>,
    signed: &[SignedData],
) -> Result<(), DeltaSetError> {
    if delta.is_empty() {
        return Err(DeltaSetError::Empty);
    }
    for (key, element) in delta {
        let (key, version) = (|| key.clone(), element.version());
        names::check_mod_policy(element.mod_policy())
            .map_err(|source| DeltaSetError::ModPolicy { key: key(), source })?;
        let Some(existing) = current.get(&key()) else {
            if version != 0 {
                return Err(DeltaSetError::NewElementVersion { key: key(), version });
            }
            continue;
        };
        if version != existing.version().wrapping_add(1) {
            return Err(DeltaSetError::Version { key: key(), version, current: existing.version() });
        }
        let mod_policy = existing.mod_policy();
        let path = match mod_policy.starts_with('/') {
            true => mod_policy.to_owned(),
            false => format!("{}/{mod_policy}", existing.policy_scope(&key())),
        };
        // An element without `mod_policy` can not be changed; nor can one whose `mod_policy` is the
        // path of the root group, on which Fabric panics.
        let policy = bundle.policies().policy(&path).filter(|_| !mod_policy.is_empty());
        let policy = policy
            .ok_or_else(|| DeltaSetError::MissingPolicy { policy: mod_policy.to_owned(), key: key() })?;
        policy.evaluate(signed).map_err(|source| DeltaSetError::NotSatisfied { key: key(), source })?;
    }
    Ok(())
}

/// What the update's signatures cover: the signature's own header, then the update.
fn signed_data(envelope: &ConfigUpdateEnvelope) -> Result<Vec<SignedData>, UpdateError> {
    let signed = |signature: &ConfigSignature| {
        let header: SignatureHeader =
            wire::decode(&signature.signature_header).map_err(UpdateError::Malformed)?;
        let data = [&signature.signature_header[..], &envelope.config_update[..]].concat();
        Ok(SignedData {
            data: Bytes::from(data),
            identity: header.creator,
            signature: signature.signature.clone(),
        })
    };
    envelope.signatures.iter().map(signed).collect()
}

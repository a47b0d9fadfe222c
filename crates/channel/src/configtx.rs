//! Configuration updates: authorisation, application, and their computation.
//!
//! An update names what it has read and what it writes, each with versions. What it writes at
//! another version than it has read is its *delta*; contents are never compared. Each element of
//! the delta that exists must be one version ahead, and its current `mod_policy` must be satisfied
//! by the update's signatures. New elements need no policy of their own: they only come into being
//! when the group that holds them changes its list of members, which does need one
//! (`common/configtx`).

use std::sync::Arc;

use bytes::Bytes;
use identity::{
    msp::Identity,
    policy::{PolicyError, PolicyManager, SignedData},
};
use protos::common::{
    ChannelHeader, Config, ConfigEnvelope, ConfigGroup, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope,
    Envelope, HeaderType, SignatureHeader,
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
mod review;

pub use compute::{ComputeError, compute_update};
pub use elements::{IllegalKey, MissingMember};
pub use review::{Requirement, Review, review_update, sign_update};

use elements::{Element, Elements};

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
    /// A name in the configuration in force is illegal, which its bundle would not have let pass.
    #[error("error mapping config: {0}")]
    CurrentKey(IllegalKey),
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
    let elements = Current::of(bundle).authorize(&update, &parsed)?;
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
    let elements = Current::of(bundle).authorize(&update, &parsed)?;
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

/// What an update is held against.
struct Current<'a> {
    channel_id: &'a str,
    group: &'a ConfigGroup,
    policies: &'a PolicyManager,
}

impl<'a> Current<'a> {
    fn of(bundle: &'a Bundle) -> Self {
        Self { channel_id: bundle.channel_id(), group: bundle.channel_group(), policies: bundle.policies() }
    }

    /// Checks an update and lays its delta over the configuration.
    fn authorize(
        &self,
        envelope: &ConfigUpdateEnvelope,
        update: &'a ConfigUpdate,
    ) -> Result<Elements<'a>, UpdateError> {
        let Delta { mut elements, mut changes } = self.delta(update)?;
        // Verified once for all elements, of which a sender may name very many.
        let signers = self.policies.signers(&signed_data(envelope)?);
        check_delta_set(&elements, &changes, |key, existing| self.check_signers(key, existing, &signers))?;
        elements.append(&mut changes);
        Ok(elements)
    }

    /// What an update changes of this configuration.
    fn delta(&self, update: &'a ConfigUpdate) -> Result<Delta<'a>, UpdateError> {
        if update.channel_id != self.channel_id {
            return Err(UpdateError::OtherChannel {
                update: update.channel_id.clone(),
                channel: self.channel_id.to_owned(),
            });
        }
        let elements = elements::flatten(Some(self.group)).map_err(UpdateError::CurrentKey)?;
        let read = elements::flatten(update.read_set.as_ref()).map_err(UpdateError::ReadSetKey)?;
        check_read_set(&elements, &read)?;
        let mut changes = elements::flatten(update.write_set.as_ref()).map_err(UpdateError::WriteSetKey)?;
        changes.retain(|key, element| read.get(key).is_none_or(|read| read.version() != element.version()));
        Ok(Delta { elements, changes })
    }

    /// The policy that an element's `mod_policy` leads to.
    fn mod_policy_path(key: &str, element: Element<'_>) -> Option<String> {
        let mod_policy = element.mod_policy();
        match mod_policy.chars().next()? {
            '/' => Some(mod_policy.to_owned()),
            _ => Some(format!("{}/{mod_policy}", element.policy_scope(key))),
        }
    }

    /// Whether the `mod_policy` of an element lets these signers change it. Nobody can change an
    /// element whose `mod_policy` is empty or leads nowhere.
    fn check_signers(
        &self,
        key: &str,
        existing: Element<'_>,
        signers: &[Arc<Identity>],
    ) -> Result<(), DeltaSetError> {
        let missing =
            || DeltaSetError::MissingPolicy { policy: existing.mod_policy().to_owned(), key: key.to_owned() };
        let path = Self::mod_policy_path(key, existing).ok_or_else(missing)?;
        let verdict = self.policies.policy(&path).ok_or_else(missing)?.evaluate_identities(signers);
        verdict.map_err(|source| DeltaSetError::NotSatisfied { key: key.to_owned(), source })
    }
}

/// An update held against a configuration.
struct Delta<'a> {
    /// The configuration's elements.
    elements: Elements<'a>,
    /// Those that the update changes or adds.
    changes: Elements<'a>,
}

/// Checks versions and names of the changes, and asks `may_change` of each element that exists.
fn check_delta_set(
    elements: &Elements<'_>,
    changes: &Elements<'_>,
    mut may_change: impl FnMut(&str, Element<'_>) -> Result<(), DeltaSetError>,
) -> Result<(), DeltaSetError> {
    if changes.is_empty() {
        return Err(DeltaSetError::Empty);
    }
    for (key, element) in changes {
        let version = element.version();
        names::check_mod_policy(element.mod_policy())
            .map_err(|source| DeltaSetError::ModPolicy { key: key.clone(), source })?;
        match elements.get(key) {
            None if version != 0 => {
                return Err(DeltaSetError::NewElementVersion { key: key.clone(), version });
            }
            None => {}
            Some(existing) if version != existing.version().wrapping_add(1) => {
                let current = existing.version();
                return Err(DeltaSetError::Version { key: key.clone(), version, current });
            }
            Some(existing) => may_change(key, *existing)?,
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use identity::msp::MspManager;
    use proptest::{prelude::*, test_runner::RngSeed};
    use protos::{
        Message,
        common::{
            ConfigPolicy, ConfigValue, Policy, SignaturePolicy, SignaturePolicyEnvelope, policy::PolicyType,
            signature_policy,
        },
    };

    use super::*;

    /// A policy that asks for nobody's signature, in as many forms as there are numbers.
    fn open_policy(form: usize) -> Policy {
        let nothing = |rules| SignaturePolicy {
            r#type: Some(signature_policy::Type::NOutOf(signature_policy::NOutOf { n: 0, rules })),
        };
        let rule = nothing(vec![nothing(vec![]); form]);
        let envelope = SignaturePolicyEnvelope { version: 0, rule: Some(rule), identities: vec![] };
        Policy { r#type: PolicyType::Signature as i32, value: envelope.encode_to_vec().into() }
    }

    /// A group in which every `mod_policy` is one that anybody satisfies.
    fn group(depth: u32) -> BoxedStrategy<ConfigGroup> {
        let name = || "[a-c]";
        let version = || 0..3u64;
        let mod_policy = || prop_oneof![Just("P".to_owned()), Just("/Channel/P".to_owned())];
        let value = (version(), 0..3u8, mod_policy()).prop_map(|(version, content, mod_policy)| {
            ConfigValue { version, value: vec![content].into(), mod_policy }
        });
        let policy = (version(), 0..3usize, mod_policy()).prop_map(|(version, form, mod_policy)| {
            ConfigPolicy { version, policy: Some(open_policy(form)), mod_policy }
        });
        let groups = match depth {
            0 => Just(BTreeMap::new()).boxed(),
            _ => prop::collection::btree_map(name(), group(depth - 1), 0..3).boxed(),
        };
        let values = prop::collection::btree_map(name(), value, 0..3);
        let others = prop::collection::btree_map(name(), policy.clone(), 0..3);
        let parts = (version(), groups, values, others, policy, mod_policy());
        parts
            .prop_map(|(version, groups, values, mut policies, own, mod_policy)| {
                policies.insert("P".to_owned(), own);
                ConfigGroup { version, groups, values, policies, mod_policy }
            })
            .boxed()
    }

    fn config(group: &ConfigGroup) -> Config {
        Config { sequence: 0, channel_group: Some(group.clone()) }
    }

    fn apply(current: &ConfigGroup, update: &ConfigUpdate) -> Result<ConfigGroup, UpdateError> {
        let policies = PolicyManager::new("Channel", current, &Arc::new(MspManager::default())).unwrap();
        let current = Current { channel_id: "ch", group: current, policies: &policies };
        current.authorize(&ConfigUpdateEnvelope::default(), update).map(|e| elements::rebuild(&e).unwrap())
    }

    /// What an update may change of an element; for a group the names of its members.
    fn content(element: Element<'_>) -> String {
        match element {
            Element::Group(g) => {
                format!("{:?}", (&g.mod_policy, g.groups.keys(), g.values.keys(), g.policies.keys()))
            }
            Element::Value(v) => format!("{:?}", (&v.mod_policy, &v.value)),
            Element::Policy(p) => format!("{:?}", (&p.mod_policy, &p.policy)),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn a_computed_update_leads_to_what_it_was_computed_for(original in group(2), updated in group(2)) {
            let update = match compute_update("ch", &config(&original), &config(&updated)) {
                Ok(update) => update,
                Err(error) => {
                    prop_assert_eq!(error, ComputeError::NoDifference);
                    return Ok(());
                }
            };
            let result = apply(&original, &update).unwrap();
            let before = elements::flatten(Some(&original)).unwrap();
            let wanted = elements::flatten(Some(&updated)).unwrap();
            let after = elements::flatten(Some(&result)).unwrap();
            prop_assert_eq!(after.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
            for (key, element) in &after {
                prop_assert_eq!(content(*element), content(wanted[key]), "{}", key);
                let version = match before.get(key) {
                    None => 0,
                    Some(old) => old.version() + u64::from(content(*old) != content(*element)),
                };
                prop_assert_eq!(element.version(), version, "{}", key);
            }
            let nothing_left = compute_update("ch", &config(&result), &config(&updated));
            prop_assert_eq!(nothing_left, Err(ComputeError::NoDifference));
        }

        #[test]
        fn an_update_does_not_apply_twice(original in group(2), updated in group(2)) {
            let Ok(update) = compute_update("ch", &config(&original), &config(&updated)) else { return Ok(()) };
            let result = apply(&original, &update).unwrap();
            prop_assert!(apply(&result, &update).is_err());
        }
    }

    #[test]
    fn who_may_change_an_element_is_asked_where_it_stands() {
        // mod_policy of /Channel/a's value v; whether a policy is found. Policies exist only at
        // /Channel/P, /Channel/a/P and /Channel/a/b/P.
        let table = [
            ("P", true),
            ("b/P", true),
            ("/Channel/P", true),
            ("/Channel/a/b/P", true),
            ("a/P", false),
            ("Q", false),
            ("/Channel", false),
            ("/Channel/", false),
            ("/a/P", false),
            ("/P", false),
            ("", false),
        ];
        let with_policy = |groups: BTreeMap<String, ConfigGroup>| {
            let own = ConfigPolicy { policy: Some(open_policy(0)), ..ConfigPolicy::default() };
            ConfigGroup {
                groups,
                policies: BTreeMap::from([("P".to_owned(), own)]),
                ..ConfigGroup::default()
            }
        };
        let inside = |name: &str, group| BTreeMap::from([(name.to_owned(), group)]);
        for (mod_policy, found) in table {
            let mut a = with_policy(inside("b", with_policy(BTreeMap::new())));
            let value = |version, mod_policy: &str| ConfigValue {
                version,
                mod_policy: mod_policy.to_owned(),
                ..ConfigValue::default()
            };
            a.values.insert("v".to_owned(), value(0, mod_policy));
            let current = with_policy(inside("a", a));
            let written = ConfigGroup {
                values: BTreeMap::from([("v".to_owned(), value(1, "P"))]),
                ..ConfigGroup::default()
            };
            let set = |a| Some(ConfigGroup { groups: inside("a", a), ..ConfigGroup::default() });
            let update = ConfigUpdate {
                channel_id: "ch".to_owned(),
                read_set: set(ConfigGroup::default()),
                write_set: set(written),
                ..ConfigUpdate::default()
            };
            let expected = DeltaSetError::MissingPolicy {
                policy: mod_policy.to_owned(),
                key: "[Value]  /Channel/a/v".to_owned(),
            };
            let refusal = apply(&current, &update).err();
            assert_eq!(refusal, (!found).then_some(UpdateError::DeltaSet(expected)), "{mod_policy}");
        }
    }
}

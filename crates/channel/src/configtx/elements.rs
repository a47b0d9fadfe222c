//! A configuration tree as a flat map, in which updates are compared and laid over each other.

use std::collections::BTreeMap;

use protos::common::{ConfigGroup, ConfigPolicy, ConfigValue};

use crate::{
    bundle::CHANNEL,
    names::{self, ConfigKeyError},
};

/// A name in the tree is illegal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illegal characters in key: {prefix}: {source}")]
pub struct IllegalKey {
    prefix: &'static str,
    source: ConfigKeyError,
}

/// A group names a member that is in neither the configuration nor the update.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("missing {kind} at path: {key}")]
pub struct MissingMember {
    kind: &'static str,
    key: String,
}

/// Something with a version and a `mod_policy`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Element<'a> {
    Group(&'a ConfigGroup),
    Value(&'a ConfigValue),
    Policy(&'a ConfigPolicy),
}

const GROUP: &str = "[Group]  ";
const VALUE: &str = "[Value]  ";
const POLICY: &str = "[Policy] ";

impl<'a> Element<'a> {
    pub(super) fn version(self) -> u64 {
        match self {
            Self::Group(group) => group.version,
            Self::Value(value) => value.version,
            Self::Policy(policy) => policy.version,
        }
    }

    pub(super) fn mod_policy(self) -> &'a str {
        match self {
            Self::Group(group) => &group.mod_policy,
            Self::Value(value) => &value.mod_policy,
            Self::Policy(policy) => &policy.mod_policy,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Group(_) => GROUP,
            Self::Value(_) => VALUE,
            Self::Policy(_) => POLICY,
        }
    }

    /// The path of the group in whose sight a relative `mod_policy` is looked up: for a group
    /// itself, for values and policies the group that they are in. `key` is the element's own.
    pub(super) fn policy_scope(self, key: &str) -> &str {
        let path = key.strip_prefix(self.prefix()).unwrap_or(key);
        match self {
            Self::Group(_) => path,
            Self::Value(_) | Self::Policy(_) => path.rsplit_once('/').map_or(path, |(group, _)| group),
        }
    }
}

/// The elements of a tree by keys such as `[Value]  /Channel/Orderer/BatchSize`.
pub(super) type Elements<'a> = BTreeMap<String, Element<'a>>;

/// Flattens a tree; without one there are no elements.
pub(super) fn flatten(root: Option<&ConfigGroup>) -> Result<Elements<'_>, IllegalKey> {
    let mut elements = Elements::new();
    if let Some(root) = root {
        add_group(&mut elements, "", CHANNEL, root)?;
    }
    Ok(elements)
}

/// Checks every name in a tree.
pub(crate) fn check_keys(root: &ConfigGroup) -> Result<(), IllegalKey> {
    flatten(Some(root)).map(drop)
}

// The recursion is as deep as the tree, whose depth the protobuf decoder limits.
fn add_group<'a>(
    elements: &mut Elements<'a>,
    parent: &str,
    name: &str,
    group: &'a ConfigGroup,
) -> Result<(), IllegalKey> {
    let path = add(elements, parent, name, Element::Group(group))?;
    for (name, member) in &group.groups {
        add_group(elements, &path, name, member)?;
    }
    for (name, value) in &group.values {
        add(elements, &path, name, Element::Value(value))?;
    }
    for (name, policy) in &group.policies {
        add(elements, &path, name, Element::Policy(policy))?;
    }
    Ok(())
}

/// Adds one element and gives its path.
fn add<'a>(
    elements: &mut Elements<'a>,
    parent: &str,
    name: &str,
    element: Element<'a>,
) -> Result<String, IllegalKey> {
    let prefix = element.prefix();
    names::check_config_key(name).map_err(|source| IllegalKey { prefix, source })?;
    let path = format!("{parent}/{name}");
    elements.insert(format!("{prefix}{path}"), element);
    Ok(path)
}

/// Channels of the first Fabric releases have elements without `mod_policy`, which nobody could
/// ever change. The first update that finds this key, because the channel has come so far or goes
/// there now, gives all of them this policy (`common/configtx/configmap.go`).
const REPAIRS_MOD_POLICIES: &str = "[Value]  /Channel/Orderer/Capabilities";
const REPAIRED_MOD_POLICY: &str = "Admins";

/// Builds the tree again, from the root down over each group's own list of members; elements that
/// no group lists are left out.
pub(super) fn rebuild(elements: &Elements<'_>) -> Result<ConfigGroup, MissingMember> {
    let repairs = elements.contains_key(REPAIRS_MOD_POLICIES);
    rebuild_group(elements, &format!("/{CHANNEL}"), repairs)
}

fn rebuild_group(elements: &Elements<'_>, path: &str, repairs: bool) -> Result<ConfigGroup, MissingMember> {
    let missing = |kind, key| Err(MissingMember { kind, key });
    let mod_policy = |mod_policy: &str| match mod_policy {
        "" if repairs => REPAIRED_MOD_POLICY.to_owned(),
        set => set.to_owned(),
    };
    let key = format!("{GROUP}{path}");
    let Some(Element::Group(listed)) = elements.get(&key) else { return missing("group", key) };
    let mut group = ConfigGroup {
        version: listed.version,
        mod_policy: mod_policy(&listed.mod_policy),
        ..ConfigGroup::default()
    };
    for name in listed.groups.keys() {
        let member = rebuild_group(elements, &format!("{path}/{name}"), repairs)?;
        group.groups.insert(name.clone(), member);
    }
    for name in listed.values.keys() {
        let key = format!("{VALUE}{path}/{name}");
        let Some(Element::Value(value)) = elements.get(&key) else { return missing("value", key) };
        let member = ConfigValue { mod_policy: mod_policy(&value.mod_policy), ..(*value).clone() };
        group.values.insert(name.clone(), member);
    }
    for name in listed.policies.keys() {
        let key = format!("{POLICY}{path}/{name}");
        let Some(Element::Policy(policy)) = elements.get(&key) else { return missing("policy", key) };
        let member = ConfigPolicy { mod_policy: mod_policy(&policy.mod_policy), ..(*policy).clone() };
        group.policies.insert(name.clone(), member);
    }
    Ok(group)
}

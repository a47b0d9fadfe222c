//! The update that turns one configuration into another (`internal/configtxlator/update`).

use std::collections::BTreeMap;

use protos::common::{Config, ConfigGroup, ConfigPolicy, ConfigUpdate, ConfigValue};

/// Why there is no update between two configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// The first configuration is empty.
    #[error("no channel group included for original config")]
    NoOriginal,
    /// The second configuration is empty.
    #[error("no channel group included for updated config")]
    NoUpdated,
    /// Both are the same; versions do not count.
    #[error("no differences detected between original and updated config")]
    NoDifference,
}

/// Computes the update for a channel that turns `original` into `updated`. Versions and the
/// sequence number in `updated` are not looked at.
pub fn compute_update(
    channel_id: &str,
    original: &Config,
    updated: &Config,
) -> Result<ConfigUpdate, ComputeError> {
    let original = original.channel_group.as_ref().ok_or(ComputeError::NoOriginal)?;
    let updated = updated.channel_group.as_ref().ok_or(ComputeError::NoUpdated)?;
    let difference = compare_groups(original, updated).ok_or(ComputeError::NoDifference)?;
    Ok(ConfigUpdate {
        channel_id: channel_id.to_owned(),
        read_set: Some(difference.read),
        write_set: Some(difference.write),
        isolated_data: BTreeMap::new(),
    })
}

/// Something of which an update says what it was and what it shall be.
struct Difference<T> {
    read: T,
    write: T,
}

/// A value or policy.
trait Leaf: Clone {
    fn version(&self) -> u64;
    fn has_content_of(&self, other: &Self) -> bool;
    fn at_version(&self, version: u64) -> Self;
    /// Nothing but a version: what is mentioned, but not changed.
    fn stub(version: u64) -> Self;
}

impl Leaf for ConfigValue {
    fn version(&self) -> u64 {
        self.version
    }

    fn has_content_of(&self, other: &Self) -> bool {
        self.mod_policy == other.mod_policy && self.value == other.value
    }

    fn at_version(&self, version: u64) -> Self {
        Self { version, ..self.clone() }
    }

    fn stub(version: u64) -> Self {
        Self { version, ..Self::default() }
    }
}

impl Leaf for ConfigPolicy {
    fn version(&self) -> u64 {
        self.version
    }

    fn has_content_of(&self, other: &Self) -> bool {
        self.mod_policy == other.mod_policy && self.policy == other.policy
    }

    fn at_version(&self, version: u64) -> Self {
        Self { version, ..self.clone() }
    }

    fn stub(version: u64) -> Self {
        Self { version, ..Self::default() }
    }
}

/// The members of a group that are of one kind.
struct Members<T> {
    read: BTreeMap<String, T>,
    write: BTreeMap<String, T>,
    /// Unchanged ones; mentioned only if the group's list of members changes.
    same: BTreeMap<String, T>,
    /// Whether members came or went.
    list_changed: bool,
}

impl<T> Members<T> {
    fn new<U>(original: &BTreeMap<String, U>, updated: &BTreeMap<String, U>) -> Self {
        let list_changed = !original.keys().eq(updated.keys());
        Self { read: BTreeMap::new(), write: BTreeMap::new(), same: BTreeMap::new(), list_changed }
    }

    fn is_changed(&self) -> bool {
        self.list_changed || !self.read.is_empty() || !self.write.is_empty()
    }

    /// Lists the members in both sets, since the list itself is about to change.
    fn mention_all(mut self) -> Self
    where
        T: Clone,
    {
        self.read.extend(self.same.clone());
        self.write.append(&mut self.same);
        self
    }
}

fn compare_leaves<T: Leaf>(original: &BTreeMap<String, T>, updated: &BTreeMap<String, T>) -> Members<T> {
    let mut members = Members::new(original, updated);
    for (name, leaf) in updated {
        match original.get(name) {
            None => drop(members.write.insert(name.clone(), leaf.at_version(0))),
            Some(old) if leaf.has_content_of(old) => {
                members.same.insert(name.clone(), T::stub(old.version()));
            }
            Some(old) => {
                members.write.insert(name.clone(), leaf.at_version(old.version().wrapping_add(1)));
            }
        }
    }
    members
}

fn compare_members(
    original: &BTreeMap<String, ConfigGroup>,
    updated: &BTreeMap<String, ConfigGroup>,
) -> Members<ConfigGroup> {
    let mut members = Members::new(original, updated);
    for (name, group) in updated {
        let Some(old) = original.get(name) else {
            members.write.insert(name.clone(), new_group(group));
            continue;
        };
        match compare_groups(old, group) {
            None => drop(members.same.insert(name.clone(), stub(old.version))),
            Some(difference) => {
                members.read.insert(name.clone(), difference.read);
                members.write.insert(name.clone(), difference.write);
            }
        }
    }
    members
}

fn stub(version: u64) -> ConfigGroup {
    ConfigGroup { version, ..ConfigGroup::default() }
}

/// A group that did not exist: all of it, at version 0.
fn new_group(group: &ConfigGroup) -> ConfigGroup {
    let leaves_of = |group: &ConfigGroup| compare_groups(&ConfigGroup::default(), group).map(|d| d.write);
    ConfigGroup { version: 0, mod_policy: group.mod_policy.clone(), ..leaves_of(group).unwrap_or_default() }
}

/// `None` if nothing in or below the groups differs but versions.
fn compare_groups(original: &ConfigGroup, updated: &ConfigGroup) -> Option<Difference<ConfigGroup>> {
    let policies = compare_leaves(&original.policies, &updated.policies);
    let values = compare_leaves(&original.values, &updated.values);
    let groups = compare_members(&original.groups, &updated.groups);
    let itself_changed = policies.list_changed
        || values.list_changed
        || groups.list_changed
        || original.mod_policy != updated.mod_policy;
    if !itself_changed {
        let below_changed = policies.is_changed() || values.is_changed() || groups.is_changed();
        return below_changed
            .then(|| difference(original.version, original.version, "", policies, values, groups));
    }
    Some(difference(
        original.version,
        original.version.wrapping_add(1),
        &updated.mod_policy,
        policies.mention_all(),
        values.mention_all(),
        groups.mention_all(),
    ))
}

fn difference(
    read_version: u64,
    write_version: u64,
    mod_policy: &str,
    policies: Members<ConfigPolicy>,
    values: Members<ConfigValue>,
    groups: Members<ConfigGroup>,
) -> Difference<ConfigGroup> {
    Difference {
        read: ConfigGroup {
            version: read_version,
            policies: policies.read,
            values: values.read,
            groups: groups.read,
            mod_policy: String::new(),
        },
        write: ConfigGroup {
            version: write_version,
            policies: policies.write,
            values: values.write,
            groups: groups.write,
            mod_policy: mod_policy.to_owned(),
        },
    }
}

//! What differs between two configs, in words.

use std::collections::{BTreeMap, BTreeSet};

use protos::{
    common::{Config, ConfigGroup, ConfigPolicy, ConfigUpdate, ConfigValue},
    etcdraft::Consenter,
};
use serde::Serialize;

use super::{
    tree::GroupPath,
    words::{
        Setting, Words, address, certificate, expiry, policy_path, settings, value_path, value_settings,
    },
};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// The setting's path.
    pub(super) path: String,
    /// What it was; absent if it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    /// What it becomes; absent if it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
    /// The same in words.
    pub(super) text: String,
}

impl Change {
    fn new(path: &str, before: Option<String>, after: Option<String>, text: String) -> Self {
        Self { path: path.to_owned(), before, after, text }
    }

    fn one(path: &str, before: Option<String>, after: Option<String>) -> Self {
        let text = match (&before, &after) {
            (Some(before), Some(after)) => format!("{path}: {before} -> {after}"),
            (None, Some(after)) => format!("{path} = {after} (new)"),
            (Some(before), None) => format!("{path} removed (was {before})"),
            (None, None) => format!("{path} unchanged"),
        };
        Self::new(path, before, after, text)
    }
}

/// All differences but versions, in the order of their paths. Empty exactly when no update leads from
/// one to the other.
pub(super) fn between(from: &Config, to: &Config) -> Vec<Change> {
    let nothing = ConfigGroup::default();
    let root = |config: &Config| config.channel_group.clone();
    let (from, to) = (root(from), root(to));
    let mut changes = Vec::new();
    group(
        &GroupPath::root(),
        from.as_ref().unwrap_or(&nothing),
        to.as_ref().unwrap_or(&nothing),
        &mut changes,
    );
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

fn group(path: &GroupPath, from: &ConfigGroup, to: &ConfigGroup, changes: &mut Vec<Change>) {
    for (key, pair) in pairs(&from.values, &to.values) {
        value(path, key, pair, changes);
    }
    for (name, pair) in pairs(&from.policies, &to.policies) {
        policy(path, name, pair, changes);
    }
    mod_policy(&path.name(), &from.mod_policy, &to.mod_policy, changes);
    for (name, pair) in pairs(&from.groups, &to.groups) {
        let path = path.join(name);
        match pair {
            (Some(from), Some(to)) => group(&path, from, to, changes),
            (None, Some(added)) => {
                let name = path.name();
                changes.push(Change::new(&name, None, Some("a group".to_owned()), format!("{name} added")));
                new_group(&path, added, changes);
            }
            _ => {
                let name = path.name();
                changes.push(Change::new(&name, Some("a group".to_owned()), None, format!("{name} removed")));
            }
        }
    }
}

/// All that a new group holds.
fn new_group(path: &GroupPath, added: &ConfigGroup, changes: &mut Vec<Change>) {
    for (name, words) in settings(path, added) {
        let value = words.line();
        let text = format!("{name} = {value}");
        changes.push(Change::new(&name, None, Some(value), text));
    }
    for (name, inner) in &added.groups {
        new_group(&path.join(name), inner, changes);
    }
}

type Pair<'a, T> = (Option<&'a T>, Option<&'a T>);

/// The members of either side, by name.
fn pairs<'a, T>(from: &'a BTreeMap<String, T>, to: &'a BTreeMap<String, T>) -> Vec<(&'a str, Pair<'a, T>)> {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    names.into_iter().map(|name| (name.as_str(), (from.get(name), to.get(name)))).collect()
}

fn value(path: &GroupPath, key: &str, (from, to): Pair<'_, ConfigValue>, changes: &mut Vec<Change>) {
    let told = |value: Option<&ConfigValue>| -> BTreeMap<String, Words> {
        value.map(|value| value_settings(path, key, &value.value)).unwrap_or_default().into_iter().collect()
    };
    let before = changes.len();
    compare(&told(from), &told(to), changes);
    let name = value_path(path, key);
    if let (Some(from), Some(to)) = (from, to) {
        if from.value != to.value && changes.len() == before {
            changes.push(rewritten(&name));
        }
        mod_policy(&name, &from.mod_policy, &to.mod_policy, changes);
    } else if changes.len() == before {
        // A value may come or go without holding any setting.
        changes.push(Change::one(&name, from.map(|_| empty()), to.map(|_| empty())));
    }
}

fn empty() -> String {
    "(empty)".to_owned()
}

fn rewritten(path: &str) -> Change {
    let text = format!("{path}: other bytes, in which this program reads the same");
    Change::new(path, None, None, text)
}

fn policy(path: &GroupPath, name: &str, (from, to): Pair<'_, ConfigPolicy>, changes: &mut Vec<Change>) {
    let full = policy_path(path, name);
    let told = |policy: Option<&ConfigPolicy>| {
        let text =
            policy?.policy.as_ref().map_or_else(|| "(nothing)".to_owned(), crate::inspect::policy::text);
        Some(text)
    };
    let (before, after) = (told(from), told(to));
    if before != after {
        changes.push(Change::one(&full, before, after));
    } else if from.map(|policy| &policy.policy) != to.map(|policy| &policy.policy) {
        changes.push(rewritten(&full));
    }
    if let (Some(from), Some(to)) = (from, to) {
        mod_policy(&full, &from.mod_policy, &to.mod_policy, changes);
    }
}

fn mod_policy(path: &str, from: &str, to: &str, changes: &mut Vec<Change>) {
    if from != to {
        let told = |policy: &str| Some(if policy.is_empty() { empty() } else { policy.to_owned() });
        changes.push(Change::one(&format!("{path}.mod_policy"), told(from), told(to)));
    }
}

fn compare(from: &BTreeMap<String, Words>, to: &BTreeMap<String, Words>, changes: &mut Vec<Change>) {
    for (path, pair) in pairs(from, to) {
        match pair {
            (Some(from), Some(to)) if from == to => {}
            (Some(Words::Many(from)), Some(Words::Many(to))) => many(path, from, to, changes),
            (Some(Words::Consenters(from)), Some(Words::Consenters(to))) => {
                consenters(path, from, to, changes)
            }
            (from, to) => changes.push(Change::one(path, from.map(Words::line), to.map(Words::line))),
        }
    }
}

fn many(path: &str, from: &[String], to: &[String], changes: &mut Vec<Change>) {
    let (gone, new) = (missing_in(from, to), missing_in(to, from));
    for item in &gone {
        changes.push(Change::new(path, Some(item.clone()), None, format!("{path}: {item} removed")));
    }
    for item in &new {
        changes.push(Change::new(path, None, Some(item.clone()), format!("{path}: {item} added")));
    }
    if gone.is_empty() && new.is_empty() {
        let line = |items: &[String]| Some(items.join(", "));
        changes.push(Change::one(path, line(from), line(to)));
    }
}

fn missing_in(items: &[String], others: &[String]) -> Vec<String> {
    items.iter().filter(|item| !others.contains(item)).cloned().collect()
}

/// Compares consenter sets as Raft does: a consenter is known by its client certificate.
fn consenters(path: &str, from: &[Consenter], to: &[Consenter], changes: &mut Vec<Change>) {
    let before = changes.len();
    let mut gone: Vec<&Consenter> = Vec::new();
    // Each matches once: two consenters may, wrongly, have one certificate.
    let mut new: Vec<&Consenter> = to.iter().collect();
    for old in from {
        match new.iter().position(|new| new.client_tls_cert == old.client_tls_cert) {
            None => gone.push(old),
            Some(at) => same_consenter(path, old, new.remove(at), changes),
        }
    }
    for new in new {
        match gone.iter().position(|old| address(old) == address(new)) {
            Some(at) => same_consenter(path, gone.remove(at), new, changes),
            None => {
                let text = format!(
                    "consenter {} added (certificate expires {})",
                    address(new),
                    expiry(&new.server_tls_cert)
                );
                changes.push(Change::new(path, None, Some(address(new)), text));
            }
        }
    }
    for old in gone {
        let text = format!("consenter {} removed", address(old));
        changes.push(Change::new(path, Some(address(old)), None, text));
    }
    if changes.len() == before {
        let order = |set: &[Consenter]| Some(set.iter().map(address).collect::<Vec<_>>().join(", "));
        changes.push(Change::one(path, order(from), order(to)));
    }
}

fn same_consenter(path: &str, old: &Consenter, new: &Consenter, changes: &mut Vec<Change>) {
    let name = format!("consenter {}", address(old));
    let mut change = |what: &str, before: String, after: String| {
        let text = format!("{name}{what}: {before} -> {after}");
        changes.push(Change::new(path, Some(before), Some(after), text));
    };
    if address(old) != address(new) {
        change("", address(old), address(new));
    }
    let server = old.server_tls_cert != new.server_tls_cert;
    let client = old.client_tls_cert != new.client_tls_cert;
    let one_pair = |consenter: &Consenter| consenter.server_tls_cert == consenter.client_tls_cert;
    if server && client && one_pair(old) && one_pair(new) {
        change(" certificate", certificate(&old.server_tls_cert), certificate(&new.server_tls_cert));
        return;
    }
    if server {
        change(" server certificate", certificate(&old.server_tls_cert), certificate(&new.server_tls_cert));
    }
    if client {
        change(" client certificate", certificate(&old.client_tls_cert), certificate(&new.client_tls_cert));
    }
}

/// All settings of a config, in the order of their paths.
pub(super) fn all_settings(config: &Config) -> Vec<Setting> {
    fn add(path: &GroupPath, group: &ConfigGroup, all: &mut Vec<Setting>) {
        all.extend(settings(path, group));
        for (name, inner) in &group.groups {
            add(&path.join(name), inner, all);
        }
    }
    let mut all = Vec::new();
    if let Some(root) = &config.channel_group {
        add(&GroupPath::root(), root, &mut all);
    }
    all
}

/// What an update writes, as far as it can be told without the config that it is for.
pub(super) fn written(update: &ConfigUpdate) -> Vec<String> {
    let nothing = ConfigGroup::default();
    let (read, write) = (update.read_set.as_ref(), update.write_set.as_ref());
    let mut lines = Vec::new();
    written_group(&GroupPath::root(), read.unwrap_or(&nothing), write.unwrap_or(&nothing), &mut lines);
    lines
}

fn written_group(path: &GroupPath, read: &ConfigGroup, write: &ConfigGroup, lines: &mut Vec<String>) {
    let mut settings: Vec<Setting> = Vec::new();
    for (key, value) in &write.values {
        if read.values.get(key).is_none_or(|read| read.version != value.version) {
            settings.extend(value_settings(path, key, &value.value));
        }
    }
    for (name, policy) in &write.policies {
        if read.policies.get(name).is_none_or(|read| read.version != policy.version) {
            let text =
                policy.policy.as_ref().map_or_else(|| "(nothing)".to_owned(), crate::inspect::policy::text);
            settings.push((policy_path(path, name), Words::One(text)));
        }
    }
    lines.extend(settings.into_iter().map(|(path, words)| format!("{path} = {}", words.line())));
    // The update lists the members that stay; those that go are known to the channel alone.
    if read.version != write.version {
        lines.push(format!(
            "{}: its list of members changes; `causeway config diff` tells which come and go",
            path.name()
        ));
    }
    let nothing = ConfigGroup::default();
    for (name, group) in &write.groups {
        let path = path.join(name);
        let before = read.groups.get(name);
        if before.is_none() {
            lines.push(format!("{} added", path.name()));
        }
        written_group(&path, before.unwrap_or(&nothing), group, lines);
    }
}

//! Places in a config tree, and the names that people give them.
//!
//! A group `/Channel/Orderer` is `orderer` to people, and its value `BatchTimeout` is
//! `orderer.batch_timeout`. The same names are read by `--set` and printed by `show` and `diff`.

use bytes::Bytes;
use channel::value;
use protos::{
    Message,
    common::{Config, ConfigGroup, ConfigValue},
};

pub(super) const ORDERER: &str = "Orderer";
pub(super) const APPLICATION: &str = "Application";
pub(super) const CONSORTIUMS: &str = "Consortiums";
/// Who may change what is added, unless it is said otherwise.
pub(super) const ADMINS: &str = "Admins";

/// The tree cannot be changed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TreeError {
    #[error("the channel's config has no group {}", group_path(.0))]
    NoGroup(Vec<String>),
    #[error("{value} in {} cannot be read; `causeway config edit` shows it", group_path(.group))]
    Unreadable { group: Vec<String>, value: &'static str },
}

/// A group by the names on the way to it from the channel's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct GroupPath(Vec<String>);

impl GroupPath {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn of<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    pub(super) fn join(&self, name: &str) -> Self {
        Self(self.0.iter().map(String::as_str).chain([name]).map(str::to_owned).collect())
    }

    /// As policies and errors of the orderer have it: `/Channel/Orderer`.
    pub(super) fn absolute(&self) -> String {
        group_path(&self.0)
    }

    /// As people have it: `orderer`, `application.organizations.Org1`.
    pub(super) fn name(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(String::as_str).collect();
        match names.as_slice() {
            [] => "channel".to_owned(),
            [ORDERER] => "orderer".to_owned(),
            [APPLICATION] => "application".to_owned(),
            [CONSORTIUMS] => "consortiums".to_owned(),
            [ORDERER, organization] => format!("orderer.organizations.{organization}"),
            [APPLICATION, organization] => format!("application.organizations.{organization}"),
            [CONSORTIUMS, consortium] => format!("consortiums.{consortium}"),
            [CONSORTIUMS, consortium, organization] => {
                format!("consortiums.{consortium}.organizations.{organization}")
            }
            other => format!("channel.{}", other.join(".")),
        }
    }

    /// The group in a config.
    pub(super) fn find<'a>(&self, config: &'a Config) -> Option<&'a ConfigGroup> {
        self.0.iter().try_fold(config.channel_group.as_ref()?, |group, name| group.groups.get(name))
    }

    /// The group in a config that is to be changed.
    pub(super) fn find_mut<'a>(&self, config: &'a mut Config) -> Result<&'a mut ConfigGroup, TreeError> {
        let missing = || TreeError::NoGroup(self.0.clone());
        let root = config.channel_group.as_mut().ok_or_else(missing)?;
        self.0.iter().try_fold(root, |group, name| group.groups.get_mut(name)).ok_or_else(missing)
    }

    /// Changes a value of the group; one that is not there is made, under `mod_policy`.
    pub(super) fn change_value<M: Message + Default + Clone + PartialEq>(
        &self,
        config: &mut Config,
        key: &'static str,
        mod_policy: &str,
        change: impl FnOnce(&mut M),
    ) -> Result<(), TreeError> {
        let group = self.find_mut(config)?;
        let existing = group.values.get(key);
        let bytes = existing.map(|existing| existing.value.clone()).unwrap_or_default();
        let changed = value::rewrite(&bytes, change);
        let changed = changed.map_err(|_| TreeError::Unreadable { group: self.0.clone(), value: key })?;
        if existing.is_none() && changed.is_empty() {
            return Ok(());
        }
        let made = || ConfigValue { mod_policy: mod_policy.to_owned(), ..ConfigValue::default() };
        group.values.entry(key.to_owned()).or_insert_with(made).value = changed;
        Ok(())
    }

    /// A value of the group, decoded; `None`: it is not there, or cannot be read.
    pub(super) fn value<M: Message + Default>(&self, config: &Config, key: &str) -> Option<M> {
        M::decode(Bytes::clone(&self.find(config)?.values.get(key)?.value)).ok()
    }
}

fn group_path(names: &[String]) -> String {
    names.iter().fold("/Channel".to_owned(), |path, name| format!("{path}/{name}"))
}

/// `BatchTimeout` as people have it: `batch_timeout`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut after_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_values_have_names() {
        for (names, absolute, name) in [
            (&[][..], "/Channel", "channel"),
            (&["Orderer"], "/Channel/Orderer", "orderer"),
            (&["Application", "Org1"], "/Channel/Application/Org1", "application.organizations.Org1"),
            (&["Consortiums", "C"], "/Channel/Consortiums/C", "consortiums.C"),
            (
                &["Consortiums", "C", "Org1"],
                "/Channel/Consortiums/C/Org1",
                "consortiums.C.organizations.Org1",
            ),
            (&["Other", "X"], "/Channel/Other/X", "channel.Other.X"),
        ] {
            let path = GroupPath::of(names.iter().copied());
            assert_eq!((path.absolute().as_str(), path.name().as_str()), (absolute, name));
        }
        for (name, snake) in [
            ("BatchTimeout", "batch_timeout"),
            ("ACLs", "acls"),
            ("MSP", "msp"),
            ("KafkaBrokers", "kafka_brokers"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }
}

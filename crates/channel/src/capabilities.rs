//! Capability levels of a channel and what they switch on.
//!
//! A capability is a string in a config value; each string implies a set of behaviours, and a
//! behaviour is on when any string that implies it is present. Strings do not imply each other:
//! a map that holds only an unknown string switches everything off.

use std::collections::BTreeSet;

use identity::msp::MspVersion;
use protos::common::Capabilities;

/// A capability that this program does not know, but that the channel requires.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
// Fabric wraps this error into itself, and tools match on the result.
#[error(
    "config requires unsupported {level} capabilities: \
     {Level} capability {name} is required but not supported: \
     {Level} capability {name} is required but not supported", Level = capitalised(.level)
)]
pub struct UnsupportedCapability {
    /// `orderer` or `channel`.
    pub level: &'static str,
    /// The capability's name as the configuration has it.
    pub name: String,
}

fn capitalised(level: &str) -> String {
    let mut letters = level.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The strings of one `Capabilities` value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names(BTreeSet<String>);

impl Names {
    fn new(value: Capabilities) -> Self {
        Self(value.capabilities.into_keys().collect())
    }

    fn any(&self, wanted: &[&str]) -> bool {
        wanted.iter().any(|name| self.0.contains(*name))
    }

    fn first_unknown(&self, level: &'static str, known: &[&str]) -> Result<(), UnsupportedCapability> {
        match self.0.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(UnsupportedCapability { level, name: name.clone() }),
            None => Ok(()),
        }
    }
}

/// What the `Capabilities` value of `/Channel` switches on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelCapabilities(Names);

impl ChannelCapabilities {
    /// Reads the decoded value; an absent one is the empty one.
    pub fn new(value: Capabilities) -> Self {
        Self(Names::new(value))
    }

    /// Whether all required capabilities are known.
    pub fn supported(&self) -> Result<(), UnsupportedCapability> {
        self.0.first_unknown("channel", &["V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0"])
    }

    /// How the channel's MSPs behave.
    pub fn msp_version(&self) -> MspVersion {
        if self.0.any(&["V1_4_3", "V2_0"]) {
            MspVersion::V1_4_3
        } else if self.0.any(&["V1_3", "V1_4_2"]) {
            MspVersion::V1_3
        } else if self.0.any(&["V1_1"]) {
            MspVersion::V1_1
        } else {
            MspVersion::V1_0
        }
    }

    /// Whether the consensus type may change at all.
    pub fn consensus_type_migration(&self) -> bool {
        self.0.any(&["V1_4_2", "V1_4_3", "V2_0"])
    }

    /// Whether orderer organizations may list their own endpoints, which makes the channel's
    /// common list optional.
    pub fn org_specific_orderer_endpoints(&self) -> bool {
        self.consensus_type_migration()
    }
}

/// What the `Capabilities` value of `/Channel/Orderer` switches on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrdererCapabilities(Names);

impl OrdererCapabilities {
    const KNOWN: &[&str] = &["V1_1", "V1_4_2", "V2_0"];

    /// Reads the decoded value; an absent one is the empty one.
    pub fn new(value: Capabilities) -> Self {
        Self(Names::new(value))
    }

    /// Whether all required capabilities are known.
    pub fn supported(&self) -> Result<(), UnsupportedCapability> {
        self.0.first_unknown("orderer", Self::KNOWN)
    }

    /// Whether a new channel's template has all versions at zero and the system channel's
    /// `mod_policy`, instead of what the system channel happens to have.
    pub fn predictable_channel_template(&self) -> bool {
        self.0.any(Self::KNOWN)
    }

    /// Whether a Kafka orderer posts messages again that it had to validate again.
    pub fn resubmission(&self) -> bool {
        self.0.any(Self::KNOWN)
    }

    /// Whether messages by expired identities are refused.
    pub fn expiration_check(&self) -> bool {
        self.0.any(Self::KNOWN)
    }

    /// Whether there is a maintenance mode, and in it a change of the consensus type.
    pub fn consensus_type_migration(&self) -> bool {
        self.0.any(&["V1_4_2", "V2_0"])
    }

    /// Whether a new channel's creation policy may stand under the name `Admins`.
    pub fn creation_policy_as_admins(&self) -> bool {
        self.0.any(&["V2_0"])
    }
}

/// What the `Capabilities` value of `/Channel/Application` switches on. Most of it is the peers'
/// business; an orderer neither knows nor refuses unknown strings here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationCapabilities(Names);

impl ApplicationCapabilities {
    /// Reads the decoded value; an absent one is the empty one.
    pub fn new(value: Capabilities) -> Self {
        Self(Names::new(value))
    }

    /// Whether the `ACLs` value is allowed.
    pub fn acls(&self) -> bool {
        self.0.any(&["V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"])
    }
}

#[cfg(test)]
mod tests {
    use protos::common::Capability;

    use super::*;

    fn value(names: &[&str]) -> Capabilities {
        Capabilities { capabilities: names.iter().map(|n| (n.to_string(), Capability {})).collect() }
    }

    #[test]
    fn channel_levels() {
        let table = [
            (&[][..], MspVersion::V1_0, false),
            (&["V9_9"], MspVersion::V1_0, false),
            (&["V1_1"], MspVersion::V1_1, false),
            (&["V1_3"], MspVersion::V1_3, false),
            (&["V1_4_2"], MspVersion::V1_3, true),
            (&["V1_4_3"], MspVersion::V1_4_3, true),
            (&["V2_0"], MspVersion::V1_4_3, true),
            (&["V1_1", "V2_0"], MspVersion::V1_4_3, true),
        ];
        for (names, version, migration) in table {
            let channel = ChannelCapabilities::new(value(names));
            assert_eq!(
                (channel.msp_version(), channel.consensus_type_migration()),
                (version, migration),
                "{names:?}"
            );
        }
    }

    #[test]
    fn orderer_levels() {
        let table = [
            (&[][..], false, false, false),
            (&["V9_9"], false, false, false),
            (&["V1_1"], true, false, false),
            (&["V1_4_2"], true, true, false),
            (&["V2_0"], true, true, true),
        ];
        for (names, expiration, migration, admins) in table {
            let orderer = OrdererCapabilities::new(value(names));
            assert_eq!(
                (
                    orderer.expiration_check(),
                    orderer.consensus_type_migration(),
                    orderer.creation_policy_as_admins()
                ),
                (expiration, migration, admins),
                "{names:?}"
            );
        }
    }

    #[test]
    fn unknown_strings_are_named() {
        assert_eq!(ChannelCapabilities::new(value(&["V1_1", "V2_0"])).supported(), Ok(()));
        let unknown =
            OrdererCapabilities::new(value(&["V2_0", "V3_0"])).supported().map_err(|e| e.to_string());
        assert_eq!(
            unknown,
            Err("config requires unsupported orderer capabilities: \
                 Orderer capability V3_0 is required but not supported: \
                 Orderer capability V3_0 is required but not supported"
                .to_owned())
        );
    }
}

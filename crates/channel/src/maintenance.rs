//! Maintenance mode and the move from one consensus type to another.
//!
//! A channel's consensus type can only change in maintenance, which is entered and left by an
//! update that changes nothing else (`orderer/common/msgprocessor/maintenancefilter.go`).

use protos::{
    common::{ConfigGroup, ConfigUpdate},
    etcdraft::ConfigMetadata,
};

use crate::{
    bundle::{CHANNEL, ConsensusState, ORDERER, OrdererConfig},
    consenters::{self, ETCDRAFT, MetadataError},
    wire::{self, WireError},
};

/// What a channel's consensus type may change to.
const PERMITTED_TYPES: [&str; 3] = [ETCDRAFT, "kafka", "solo"];

/// Why a configuration breaks the rules of maintenance mode. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaintenanceError {
    /// The ordering service's capabilities know no maintenance.
    #[error("next config attempted to change ConsensusType.State to {0}, but capability is disabled")]
    StateWithoutCapability(ConsensusState),
    /// The ordering service's capabilities know no change of the type.
    #[error(
        "next config attempted to change ConsensusType.Type from {from} to {to}, but capability is disabled"
    )]
    TypeWithoutCapability {
        /// The type in force.
        from: String,
        /// The type wanted.
        to: String,
    },
    /// Something else changes together with the state.
    #[error(transparent)]
    NotStateAlone(#[from] NotStateAlone),
    /// The type changes together with the state.
    #[error(
        "attempted to change ConsensusType.Type from {from} to {to}, but ConsensusType.State is changing from {from_state} to {to_state}"
    )]
    TypeWithState {
        /// The type in force.
        from: String,
        /// The type wanted.
        to: String,
        /// The state in force.
        from_state: ConsensusState,
        /// The state wanted.
        to_state: ConsensusState,
    },
    /// The metadata changes together with the state.
    #[error(
        "attempted to change ConsensusType.Metadata, but ConsensusType.State is changing from {from} to {to}"
    )]
    MetadataWithState {
        /// The state in force.
        from: ConsensusState,
        /// The state wanted.
        to: ConsensusState,
    },
    /// The type changes outside of maintenance.
    #[error(
        "attempted to change consensus type from {from} to {to}, but current config ConsensusType.State is not in maintenance mode"
    )]
    TypeOutsideMaintenance {
        /// The type in force.
        from: String,
        /// The type wanted.
        to: String,
    },
    /// Nobody orders by this type.
    #[error("attempted to change consensus type from {from} to {to}, transition not supported")]
    TransitionNotSupported {
        /// The type in force.
        from: String,
        /// The type wanted.
        to: String,
    },
    /// The metadata of the new type does not decode.
    #[error("failed to unmarshal etcdraft metadata configuration: {0}")]
    MetadataMalformed(WireError),
    /// The channel could not be opened as an etcdraft channel. Fabric accepts the change and fails
    /// at the restart that is to complete it, when there is no way back any more.
    #[error(
        "attempted to change consensus type from {from} to {to}, but the channel could not be opened: {source}"
    )]
    MetadataUnusable {
        /// The type in force.
        from: String,
        /// The type wanted.
        to: String,
        /// What is wrong with the metadata.
        source: Box<MetadataError>,
    },
}

/// What changes besides the state of the consensus type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStateAlone {
    /// Nothing in any group.
    #[error("config update contains no changes")]
    NoChanges,
    /// A value of the channel.
    #[error("config update contains changes to values in group {CHANNEL}")]
    ChannelValues,
    /// Another group of the channel.
    #[error("config update contains changes to more than one group")]
    OtherGroup,
    /// Another group, and the right one not at all.
    #[error("update does not contain the {ORDERER} group")]
    NoOrdererGroup,
    /// An ordering organization.
    #[error("config update contains changes to groups within the {ORDERER} group")]
    OrdererGroups,
    /// Not even the consensus type.
    #[error("config update does not contain the {CONSENSUS_TYPE} value")]
    NoConsensusType,
    /// Another value of the ordering service.
    #[error("config update contain more then just the {CONSENSUS_TYPE} value in the {ORDERER} group")]
    OtherValue,
}

const CONSENSUS_TYPE: &str = "ConsensusType";

/// Checks that a configuration may follow another one as far as consensus type and maintenance are
/// concerned; `update` is what leads from one to the other.
pub fn check(
    current: &OrdererConfig,
    next: &OrdererConfig,
    update: &ConfigUpdate,
    now_unix: i64,
) -> Result<(), MaintenanceError> {
    let (from_state, to_state) = (current.consensus_state, next.consensus_state);
    let types = || (current.consensus_type.clone(), next.consensus_type.clone());
    let type_changes = current.consensus_type != next.consensus_type;
    if !current.capabilities.consensus_type_migration() {
        if to_state != ConsensusState::Normal {
            return Err(MaintenanceError::StateWithoutCapability(to_state));
        }
        if type_changes {
            let (from, to) = types();
            return Err(MaintenanceError::TypeWithoutCapability { from, to });
        }
        return Ok(());
    }
    if from_state != to_state {
        check_state_changes_alone(update)?;
        if type_changes {
            let (from, to) = types();
            return Err(MaintenanceError::TypeWithState { from, to, from_state, to_state });
        }
        if current.consensus_metadata != next.consensus_metadata {
            return Err(MaintenanceError::MetadataWithState { from: from_state, to: to_state });
        }
    }
    match type_changes {
        true => check_type_change(current, next, now_unix),
        false => Ok(()),
    }
}

/// The state does not change at the same time.
fn check_type_change(
    current: &OrdererConfig,
    next: &OrdererConfig,
    now_unix: i64,
) -> Result<(), MaintenanceError> {
    let (from, to) = (current.consensus_type.clone(), next.consensus_type.clone());
    if current.consensus_state == ConsensusState::Normal {
        return Err(MaintenanceError::TypeOutsideMaintenance { from, to });
    }
    if !PERMITTED_TYPES.contains(&to.as_str()) {
        return Err(MaintenanceError::TransitionNotSupported { from, to });
    }
    if to == ETCDRAFT {
        wire::decode::<ConfigMetadata>(&next.consensus_metadata)
            .map_err(MaintenanceError::MetadataMalformed)?;
        consenters::check_first_metadata(next, now_unix)
            .map_err(|source| MaintenanceError::MetadataUnusable { from, to, source: source.into() })?;
    }
    Ok(())
}

fn check_state_changes_alone(update: &ConfigUpdate) -> Result<(), NotStateAlone> {
    let nothing = ConfigGroup::default();
    let channel = update.write_set.as_ref().unwrap_or(&nothing);
    if channel.groups.is_empty() {
        return Err(NotStateAlone::NoChanges);
    }
    if !channel.values.is_empty() {
        return Err(NotStateAlone::ChannelValues);
    }
    if channel.groups.len() > 1 {
        return Err(NotStateAlone::OtherGroup);
    }
    let orderer = channel.groups.get(ORDERER).ok_or(NotStateAlone::NoOrdererGroup)?;
    if !orderer.groups.is_empty() {
        return Err(NotStateAlone::OrdererGroups);
    }
    if !orderer.values.contains_key(CONSENSUS_TYPE) {
        return Err(NotStateAlone::NoConsensusType);
    }
    if orderer.values.len() > 1 {
        return Err(NotStateAlone::OtherValue);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use protos::common::ConfigValue;

    use super::*;

    /// A write set with these groups, values in the Orderer group, groups in it, channel values.
    fn update(groups: &[&str], values: &[&str], inner: &[&str], channel_values: &[&str]) -> ConfigUpdate {
        let values_of =
            |names: &[&str]| names.iter().map(|n| (n.to_string(), ConfigValue::default())).collect();
        let group = |name: &&str| {
            let mut group = ConfigGroup::default();
            if *name == ORDERER {
                group.values = values_of(values);
                group.groups = inner.iter().map(|n| (n.to_string(), ConfigGroup::default())).collect();
            }
            (name.to_string(), group)
        };
        let write_set = ConfigGroup {
            groups: groups.iter().map(group).collect(),
            values: values_of(channel_values),
            ..ConfigGroup::default()
        };
        ConfigUpdate { write_set: Some(write_set), ..ConfigUpdate::default() }
    }

    #[test]
    fn the_state_changes_alone() {
        let state = ["ConsensusType"];
        let table = [
            (update(&[ORDERER], &state, &[], &[]), Ok(())),
            (ConfigUpdate::default(), Err(NotStateAlone::NoChanges)),
            (update(&[], &[], &[], &["Capabilities"]), Err(NotStateAlone::NoChanges)),
            (update(&[ORDERER], &state, &[], &["Capabilities"]), Err(NotStateAlone::ChannelValues)),
            (update(&[ORDERER, "Application"], &state, &[], &[]), Err(NotStateAlone::OtherGroup)),
            (update(&["Application"], &state, &[], &[]), Err(NotStateAlone::NoOrdererGroup)),
            (update(&[ORDERER], &state, &["Org"], &[]), Err(NotStateAlone::OrdererGroups)),
            (update(&[ORDERER], &["BatchSize"], &[], &[]), Err(NotStateAlone::NoConsensusType)),
            (update(&[ORDERER], &["BatchSize", "ConsensusType"], &[], &[]), Err(NotStateAlone::OtherValue)),
        ];
        for (update, expected) in table {
            assert_eq!(check_state_changes_alone(&update), expected, "{update:?}");
        }
    }
}

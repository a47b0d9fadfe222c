//! Changes of the consenter set: one consenter comes, goes, or changes its certificate.

use protos::etcdraft::{BlockMetadata, Consenter};

use super::RaftConfig;

/// Why a consenter set can not follow another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Raft changes one member at a time.
    #[error(
        "update of more than one consenter at a time is not supported, requested changes: add {added} node(s), remove {removed} node(s)"
    )]
    TooManyChanges {
        /// How many would be added.
        added: usize,
        /// How many would be removed.
        removed: usize,
    },
    /// The last block's metadata is of another set than the one in force.
    #[error("block metadata has {ids} consenter ids for {consenters} consenters")]
    IdsMismatch {
        /// Ids in the metadata.
        ids: usize,
        /// Consenters in the configuration.
        consenters: usize,
    },
}

/// How a consenter set differs from the one before it. Host, port and server certificate of a
/// consenter may change at any time without being a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipChange {
    /// Not at all, or in order only.
    None,
    /// One is new.
    Add {
        /// Its position in the new set.
        index: usize,
    },
    /// One is gone.
    Remove {
        /// Its position in the old set.
        index: usize,
    },
    /// One has a new client certificate and stays the same node.
    Rotate {
        /// Its position in the old set.
        old_index: usize,
        /// Its position in the new set.
        new_index: usize,
    },
}

impl MembershipChange {
    pub(super) fn between(old: &[Consenter], new: &[Consenter]) -> Result<Self, MembershipError> {
        let missing_in = |set: &[Consenter], other: &[Consenter]| -> Vec<usize> {
            let is_missing = |consenter: &Consenter| position(other, consenter).is_none();
            set.iter().enumerate().filter(|(_, c)| is_missing(c)).map(|(index, _)| index).collect()
        };
        let added = missing_in(new, old);
        let removed = missing_in(old, new);
        match (&added[..], &removed[..]) {
            ([], []) => Ok(Self::None),
            (&[index], []) => Ok(Self::Add { index }),
            ([], &[index]) => Ok(Self::Remove { index }),
            (&[new_index], &[old_index]) => Ok(Self::Rotate { old_index, new_index }),
            _ => Err(MembershipError::TooManyChanges { added: added.len(), removed: removed.len() }),
        }
    }

    /// Position in the new set of the consenter whose certificates are new.
    pub(super) fn newcomer(self) -> Option<usize> {
        match self {
            Self::Add { index } | Self::Rotate { new_index: index, .. } => Some(index),
            Self::None | Self::Remove { .. } => None,
        }
    }

    /// Whether the new set, of `new_size` consenters with raft ids `old_ids` before, would be left
    /// without a majority by the nodes that are up now, while starting others first would avoid it.
    pub fn loses_quorum(self, new_size: usize, old_ids: &[u64], active: &[u64]) -> bool {
        let quorum = new_size / 2 + 1;
        let active_without = |index: usize| active.iter().filter(|id| old_ids.get(index) != Some(id)).count();
        // Up to two consenters stop when one does, whatever the change.
        let tolerates_faults = new_size > 2;
        match self {
            Self::None => false,
            Self::Add { .. } => tolerates_faults && active.len() < quorum,
            Self::Rotate { old_index, .. } => tolerates_faults && active_without(old_index) < quorum,
            Self::Remove { index } => active_without(index) < quorum,
        }
    }
}

/// The difference between two consenter sets, of which at most one consenter may be part.
pub fn membership_change(old: &RaftConfig, new: &RaftConfig) -> Result<MembershipChange, MembershipError> {
    MembershipChange::between(&old.consenters, &new.consenters)
}

fn position(set: &[Consenter], consenter: &Consenter) -> Option<usize> {
    set.iter().position(|other| other.client_tls_cert == consenter.client_tls_cert)
}

/// The raft ids that follow when the consenter set changes. An id stays with its consenter wherever
/// that moves in the list, and with one whose certificate is rotated; a new consenter gets the next
/// id; ids are not used again.
pub fn apply_to_block_metadata(
    old: &BlockMetadata,
    old_consenters: &[Consenter],
    new_consenters: &[Consenter],
) -> Result<BlockMetadata, MembershipError> {
    if old.consenter_ids.len() != old_consenters.len() {
        let (ids, consenters) = (old.consenter_ids.len(), old_consenters.len());
        return Err(MembershipError::IdsMismatch { ids, consenters });
    }
    let change = MembershipChange::between(old_consenters, new_consenters)?;
    let newcomer_id = match change {
        MembershipChange::Rotate { old_index, .. } => old.consenter_ids[old_index],
        _ => old.next_consenter_id,
    };
    let id_of = |consenter: &Consenter| {
        position(old_consenters, consenter).map_or(newcomer_id, |index| old.consenter_ids[index])
    };
    let is_addition = matches!(change, MembershipChange::Add { .. });
    Ok(BlockMetadata {
        consenter_ids: new_consenters.iter().map(id_of).collect(),
        next_consenter_id: old.next_consenter_id.wrapping_add(u64::from(is_addition)),
        raft_index: old.raft_index,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Consenters whose client certificates are these names.
    fn set(names: &str) -> Vec<Consenter> {
        let consenter = |name: &str| Consenter {
            client_tls_cert: bytes::Bytes::copy_from_slice(name.as_bytes()),
            ..Consenter::default()
        };
        names.split_whitespace().map(consenter).collect()
    }

    #[test]
    fn ids_follow_consenters() {
        // old set, its ids, next id; new set, its ids, next id
        let table = [
            ("a b c", vec![1, 2, 3], 4, "a b c", Ok((vec![1, 2, 3], 4))),
            ("a b c", vec![1, 2, 3], 4, "c a b", Ok((vec![3, 1, 2], 4))),
            ("a b c", vec![1, 2, 3], 4, "a b c d", Ok((vec![1, 2, 3, 4], 5))),
            ("a b c", vec![1, 5, 3], 9, "d a b c", Ok((vec![9, 1, 5, 3], 10))),
            ("a b c", vec![1, 2, 3], 4, "a c", Ok((vec![1, 3], 4))),
            ("a b c", vec![1, 2, 3], 4, "a c x", Ok((vec![1, 3, 2], 4))),
            ("a", vec![7], 8, "x", Ok((vec![7], 8))),
            ("a b c", vec![1, 2, 3], 4, "a b c d e", Err((2, 0))),
            ("a b c", vec![1, 2, 3], 4, "a", Err((0, 2))),
            ("a b c", vec![1, 2, 3], 4, "", Err((0, 3))),
            ("a b c", vec![1, 2, 3], 4, "x y c", Err((2, 2))),
            ("a b c", vec![1, 2, 3], 4, "a b x y", Err((2, 1))),
        ];
        for (old_set, old_ids, next, new_set, expected) in table {
            let old = BlockMetadata { consenter_ids: old_ids, next_consenter_id: next, raft_index: 11 };
            let new = apply_to_block_metadata(&old, &set(old_set), &set(new_set));
            let expected = expected
                .map(|(ids, next)| BlockMetadata {
                    consenter_ids: ids,
                    next_consenter_id: next,
                    raft_index: 11,
                })
                .map_err(|(added, removed)| MembershipError::TooManyChanges { added, removed });
            assert_eq!(new, expected, "{old_set} -> {new_set}");
        }
    }

    #[test]
    fn foreign_block_metadata_is_refused() {
        let metadata = BlockMetadata { consenter_ids: vec![1], next_consenter_id: 2, raft_index: 0 };
        assert_eq!(
            apply_to_block_metadata(&metadata, &set("a b"), &set("a b")),
            Err(MembershipError::IdsMismatch { ids: 1, consenters: 2 })
        );
    }

    #[test]
    fn quorum_is_kept() {
        // old set, new set, ids up, loses
        let table = [
            ("a b c", "a b c d", vec![1, 2, 3], false),
            ("a b c", "a b c d", vec![1, 2], true),
            ("a", "a b", vec![1], false),
            ("a b", "a b c", vec![1], true),
            ("a b c", "a b", vec![1, 2], false),
            ("a b c", "a c", vec![1, 2], true),
            ("a b c", "x b c", vec![2, 3], false),
            ("a b c", "x b c", vec![1, 2], true),
            ("a b", "a x", vec![1], false),
            ("a b c", "c b a", vec![1], false),
        ];
        for (old_set, new_set, active, loses) in table {
            let (old, new) = (set(old_set), set(new_set));
            let change = MembershipChange::between(&old, &new).unwrap();
            assert_eq!(
                change.loses_quorum(new.len(), &[1, 2, 3], &active),
                loses,
                "{old_set} -> {new_set} {active:?}"
            );
        }
    }
}

//! The first entries of a new cluster, and who campaigns first.

use raft::eraftpb::{Entry, EntryType, HardState};
use sha2::{Digest, Sha256};

use super::convert::MemberChange;

/// What a new cluster's log begins with on every node: the members 1..=N, committed in term 1. All
/// nodes write the same, so that indexes agree with those of Fabric's orderers.
pub(crate) fn first_entries(members: &[u64]) -> (HardState, Vec<Entry>) {
    let entry = |(position, id): (usize, &u64)| {
        let mut entry = Entry::default();
        entry.set_entry_type(EntryType::EntryConfChange);
        entry.term = 1;
        entry.index = position as u64 + 1;
        entry.data = MemberChange::Add(*id).entry_data();
        entry
    };
    let hard_state = HardState { term: 1, commit: members.len() as u64, ..HardState::default() };
    (hard_state, members.iter().enumerate().map(entry).collect())
}

/// The node that campaigns first in a new cluster of nodes 1..=`size`, so that a channel has a
/// leader within seconds: drawn from the channel's name, the same on every node.
pub(crate) fn first_campaigner(channel: &str, size: usize) -> u64 {
    let digest = Sha256::digest(channel.as_bytes());
    unsigned_varint(&digest[24..]).unwrap_or(0) % size.max(1) as u64 + 1
}

fn unsigned_varint(bytes: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (position, byte) in bytes.iter().enumerate() {
        // Eight bytes hold 56 bits at most: no shift can overflow.
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_campaigner_is_fabrics() {
        for (channel, picks) in [
            ("systemchannel", [1, 2, 2, 4]),
            ("testchannel", [1, 1, 2, 1]),
            ("testchannel1", [1, 1, 1, 1]),
            ("testchannel2", [1, 2, 2, 4]),
            ("testchannel3", [1, 2, 1, 4]),
            ("mychannel", [1, 1, 2, 1]),
            ("participation-trophy", [1, 1, 1, 3]),
            ("another-participation-trophy", [1, 1, 2, 1]),
            ("foo", [1, 2, 2, 2]),
            ("bar", [1, 1, 1, 3]),
            ("three-orderer-channel", [1, 1, 2, 3]),
            ("single-orderer-channel", [1, 1, 3, 1]),
        ] {
            let got: Vec<u64> = (1..=4).map(|size| first_campaigner(channel, size)).collect();
            assert_eq!(got, picks, "{channel}");
        }
    }

    #[test]
    fn a_new_log_begins_with_its_members() {
        let (hard_state, entries) = first_entries(&[1, 2, 3]);
        assert_eq!((hard_state.term, hard_state.commit), (1, 3));
        let indexes: Vec<(u64, u64)> = entries.iter().map(|e| (e.index, e.term)).collect();
        assert_eq!(indexes, [(1, 1), (2, 1), (3, 1)]);
    }
}

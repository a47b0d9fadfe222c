//! Between the wire's raft messages and the raft library's.
//!
//! The library's own types never decode foreign bytes: its codec follows unknown groups without a
//! limit of depth (RUSTSEC-2024-0437). What comes in is decoded by prost and copied field by field;
//! the data of entries is shared, not copied. What goes out has every field present, as etcd's has.

use protos::raftpb;
use raft::eraftpb::{
    ConfChange, ConfChangeType, ConfState, Entry, EntryType, HardState, Message, MessageType, Snapshot,
};

/// Why a message of another node is no raft message.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ConvertError {
    #[error("unknown message type {0}")]
    MessageType(i32),
    #[error("a message of type {0} is not for the network")]
    NotForTheNetwork(&'static str),
    #[error("unknown entry type {0}")]
    EntryType(i32),
    #[error("entry {index} of term {term} does not follow index {after} in a message of term {message_term}")]
    EntryOrder { index: u64, term: u64, after: u64, message_term: u64 },
    #[error("a snapshot message without a snapshot")]
    NoSnapshot,
    #[error("unknown kind of membership change {0}")]
    ConfChangeType(i32),
    #[error("a membership change does not decode: {0}")]
    ConfChange(#[from] protos::DecodeError),
    #[error("joint membership changes are not used by orderers")]
    JointChange,
}

/// A message of another node, for the library.
pub(crate) fn message_in(m: raftpb::Message) -> Result<Message, ConvertError> {
    use raftpb::MessageType as Wire;
    let number = m.r#type.unwrap_or_default();
    let kind = match Wire::try_from(number).map_err(|_| ConvertError::MessageType(number))? {
        Wire::MsgApp => MessageType::MsgAppend,
        Wire::MsgAppResp => MessageType::MsgAppendResponse,
        Wire::MsgVote => MessageType::MsgRequestVote,
        Wire::MsgVoteResp => MessageType::MsgRequestVoteResponse,
        Wire::MsgSnap => MessageType::MsgSnapshot,
        Wire::MsgHeartbeat => MessageType::MsgHeartbeat,
        Wire::MsgHeartbeatResp => MessageType::MsgHeartbeatResponse,
        Wire::MsgTimeoutNow => MessageType::MsgTimeoutNow,
        Wire::MsgPreVote => MessageType::MsgRequestPreVote,
        Wire::MsgPreVoteResp => MessageType::MsgRequestPreVoteResponse,
        other => return Err(ConvertError::NotForTheNetwork(other.as_str_name())),
    };
    let term = m.term.unwrap_or_default();
    let mut after = m.index.unwrap_or_default();
    let mut entries = Vec::with_capacity(m.entries.len());
    for entry in m.entries {
        let entry = entry_in(entry)?;
        if Some(entry.index) != after.checked_add(1) || entry.term > term {
            let (index, term_of_entry) = (entry.index, entry.term);
            return Err(ConvertError::EntryOrder { index, term: term_of_entry, after, message_term: term });
        }
        after = entry.index;
        entries.push(entry);
    }
    let mut out = Message::default();
    out.set_msg_type(kind);
    out.to = m.to.unwrap_or_default();
    out.from = m.from.unwrap_or_default();
    out.term = term;
    out.log_term = m.log_term.unwrap_or_default();
    out.index = m.index.unwrap_or_default();
    out.set_entries(entries.into());
    out.commit = m.commit.unwrap_or_default();
    out.reject = m.reject.unwrap_or_default();
    out.reject_hint = m.reject_hint.unwrap_or_default();
    out.context = m.context.unwrap_or_default();
    match (kind, m.snapshot) {
        (MessageType::MsgSnapshot, Some(snapshot)) => out.set_snapshot(snapshot_in(snapshot)),
        (MessageType::MsgSnapshot, None) => return Err(ConvertError::NoSnapshot),
        _ => {}
    }
    Ok(out)
}

/// A message of the library, for another node. What etcd does not know is left out: it serves
/// features that are not used here, or only hastens what heartbeats bring anyway.
pub(crate) fn message_out(mut m: Message) -> raftpb::Message {
    let snapshot = m.has_snapshot().then(|| snapshot_out(m.take_snapshot()));
    raftpb::Message {
        // The numbers are the same in both libraries.
        r#type: Some(m.get_msg_type() as i32),
        to: Some(m.to),
        from: Some(m.from),
        term: Some(m.term),
        log_term: Some(m.log_term),
        index: Some(m.index),
        entries: m.take_entries().into_iter().map(entry_out).collect(),
        commit: Some(m.commit),
        snapshot,
        reject: Some(m.reject),
        reject_hint: Some(m.reject_hint),
        context: (!m.context.is_empty()).then_some(m.context),
    }
}

/// An entry from the network or the write-ahead log.
pub(crate) fn entry_in(e: raftpb::Entry) -> Result<Entry, ConvertError> {
    let mut out = Entry::default();
    out.set_entry_type(match raftpb::EntryType::try_from(e.r#type.unwrap_or_default()) {
        Ok(raftpb::EntryType::EntryNormal) => EntryType::EntryNormal,
        Ok(raftpb::EntryType::EntryConfChange) => EntryType::EntryConfChange,
        Ok(raftpb::EntryType::EntryConfChangeV2) => EntryType::EntryConfChangeV2,
        Err(_) => return Err(ConvertError::EntryType(e.r#type.unwrap_or_default())),
    });
    out.term = e.term.unwrap_or_default();
    out.index = e.index.unwrap_or_default();
    out.data = e.data.unwrap_or_default();
    Ok(out)
}

/// An entry for the network or the write-ahead log.
pub(crate) fn entry_out(e: Entry) -> raftpb::Entry {
    raftpb::Entry {
        r#type: Some(e.get_entry_type() as i32),
        term: Some(e.term),
        index: Some(e.index),
        data: (!e.data.is_empty()).then_some(e.data),
    }
}

/// A snapshot from the network or from disk.
pub(crate) fn snapshot_in(s: raftpb::Snapshot) -> Snapshot {
    let metadata = s.metadata.unwrap_or_default();
    let mut out = Snapshot { data: s.data.unwrap_or_default(), ..Snapshot::default() };
    let target = out.mut_metadata();
    target.index = metadata.index.unwrap_or_default();
    target.term = metadata.term.unwrap_or_default();
    target.set_conf_state(conf_state_in(metadata.conf_state.unwrap_or_default()));
    out
}

/// A snapshot for the network or for disk.
pub(crate) fn snapshot_out(mut s: Snapshot) -> raftpb::Snapshot {
    let metadata = s.mut_metadata();
    raftpb::Snapshot {
        metadata: Some(raftpb::SnapshotMetadata {
            conf_state: Some(conf_state_out(metadata.get_conf_state())),
            index: Some(metadata.index),
            term: Some(metadata.term),
        }),
        data: (!s.data.is_empty()).then_some(s.data),
    }
}

/// The membership of a snapshot.
pub(crate) fn conf_state_in(c: raftpb::ConfState) -> ConfState {
    ConfState {
        voters: c.voters,
        learners: c.learners,
        voters_outgoing: c.voters_outgoing,
        learners_next: c.learners_next,
        auto_leave: c.auto_leave.unwrap_or_default(),
        ..ConfState::default()
    }
}

/// The membership for a snapshot.
pub(crate) fn conf_state_out(c: &ConfState) -> raftpb::ConfState {
    raftpb::ConfState {
        voters: c.voters.clone(),
        learners: c.learners.clone(),
        voters_outgoing: c.voters_outgoing.clone(),
        learners_next: c.learners_next.clone(),
        auto_leave: Some(c.auto_leave),
    }
}

/// The hard state from the write-ahead log.
pub(crate) fn hard_state_in(h: &raftpb::HardState) -> HardState {
    HardState {
        term: h.term.unwrap_or_default(),
        vote: h.vote.unwrap_or_default(),
        commit: h.commit.unwrap_or_default(),
        ..HardState::default()
    }
}

/// The hard state for the write-ahead log.
pub(crate) fn hard_state_out(h: &HardState) -> raftpb::HardState {
    raftpb::HardState { term: Some(h.term), vote: Some(h.vote), commit: Some(h.commit) }
}

/// A change of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberChange {
    /// This raft id joins.
    Add(u64),
    /// This raft id leaves.
    Remove(u64),
}

impl MemberChange {
    /// As an entry's data: etcd's encoding, zero fields present.
    pub(crate) fn entry_data(self) -> bytes::Bytes {
        let (kind, id) = match self {
            Self::Add(id) => (raftpb::ConfChangeType::ConfChangeAddNode, id),
            Self::Remove(id) => (raftpb::ConfChangeType::ConfChangeRemoveNode, id),
        };
        let change =
            raftpb::ConfChange { id: Some(0), r#type: Some(kind as i32), node_id: Some(id), context: None };
        protos::Message::encode_to_vec(&change).into()
    }

    /// From a committed entry.
    pub(crate) fn from_entry(entry: &Entry) -> Result<Self, ConvertError> {
        if entry.get_entry_type() != EntryType::EntryConfChange {
            return Err(ConvertError::JointChange);
        }
        let change: raftpb::ConfChange = protos::Message::decode(entry.data.clone())?;
        let id = change.node_id.unwrap_or_default();
        let kind = change.r#type.unwrap_or_default();
        match raftpb::ConfChangeType::try_from(kind) {
            Ok(raftpb::ConfChangeType::ConfChangeAddNode) => Ok(Self::Add(id)),
            Ok(raftpb::ConfChangeType::ConfChangeRemoveNode) => Ok(Self::Remove(id)),
            _ => Err(ConvertError::ConfChangeType(kind)),
        }
    }

    /// For the library.
    pub(crate) fn for_library(self) -> ConfChange {
        let mut out = ConfChange::default();
        match self {
            Self::Add(id) => {
                out.set_change_type(ConfChangeType::AddNode);
                out.node_id = id;
            }
            Self::Remove(id) => {
                out.set_change_type(ConfChangeType::RemoveNode);
                out.node_id = id;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use protos::Message as _;

    fn append(index: u64, term: u64, entries: &[(u64, u64)]) -> raftpb::Message {
        let entry = |&(index, term): &(u64, u64)| raftpb::Entry {
            r#type: Some(0),
            term: Some(term),
            index: Some(index),
            data: Some(bytes::Bytes::from_static(b"block")),
        };
        raftpb::Message {
            r#type: Some(raftpb::MessageType::MsgApp as i32),
            to: Some(2),
            from: Some(1),
            term: Some(term),
            index: Some(index),
            entries: entries.iter().map(entry).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn messages_survive_both_ways() {
        let wire = append(6, 3, &[(7, 2), (8, 3)]);
        let out = message_out(message_in(wire.clone()).unwrap());
        assert_eq!(out.entries, wire.entries);
        assert_eq!((out.to, out.from, out.term, out.index), (Some(2), Some(1), Some(3), Some(6)));
        assert_eq!(out.reject, Some(false), "zero fields are written, as etcd writes them");
    }

    #[test]
    fn messages_that_would_confuse_the_library_are_refused() {
        for entries in [&[(8, 3)][..], &[(7, 3), (9, 3)], &[(7, 4)], &[(7, 3), (7, 3)]] {
            let refused = message_in(append(6, 3, entries));
            assert!(matches!(refused, Err(ConvertError::EntryOrder { .. })), "{entries:?}");
        }
        for kind in [
            raftpb::MessageType::MsgHup,
            raftpb::MessageType::MsgProp,
            raftpb::MessageType::MsgUnreachable,
            raftpb::MessageType::MsgTransferLeader,
            raftpb::MessageType::MsgReadIndex,
        ] {
            let message = raftpb::Message { r#type: Some(kind as i32), ..append(6, 3, &[]) };
            assert!(matches!(message_in(message), Err(ConvertError::NotForTheNetwork(_))), "{kind:?}");
        }
        let snapshot =
            raftpb::Message { r#type: Some(raftpb::MessageType::MsgSnap as i32), ..append(6, 3, &[]) };
        assert_eq!(message_in(snapshot), Err(ConvertError::NoSnapshot));
    }

    #[test]
    fn member_changes_have_etcds_encoding() {
        assert_eq!(hex::encode(MemberChange::Add(1).entry_data()), "080010001801");
        let mut entry = Entry::default();
        entry.set_entry_type(EntryType::EntryConfChange);
        for change in [MemberChange::Add(300), MemberChange::Remove(2)] {
            entry.data = change.entry_data();
            assert_eq!(MemberChange::from_entry(&entry), Ok(change));
        }
        // The form without zero fields is accepted too.
        entry.data = raftpb::ConfChange { node_id: Some(4), ..Default::default() }.encode_to_vec().into();
        assert_eq!(MemberChange::from_entry(&entry), Ok(MemberChange::Add(4)));
    }
}

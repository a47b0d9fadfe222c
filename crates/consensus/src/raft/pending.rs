//! The messages that were taken in here and are not in the chain yet.
//!
//! A message that was accepted is kept: it stays here until it is seen in a committed block. It is
//! handed to the leader of one term at a time, marked with that term, and leaders order it in that
//! term only. So once an entry of a later term has been applied here and the message was not seen,
//! it can never be committed any more, and is handed to the new leader without any danger of
//! being ordered twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use protos::{
    Message as _,
    common::{ConfigEnvelope, Envelope, Payload},
};
use tokio::sync::OwnedSemaphorePermit;

use crate::chain::{Kind, OrderError, ReceiptSender, Submission};

/// Who is told of the outcome of a message, and the room that it takes meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    pub(crate) receipt: Option<ReceiptSender>,
    /// The room that it takes until it is in a written block.
    #[expect(dead_code, reason = "held, and freed by being dropped")]
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Which leader has the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    term: u64,
    /// Its number among what this node sent in that term; 0 when it was ordered here.
    sequence: u64,
    /// Whether that leader looks at no numbers, and forwards what it has when it leads no more.
    forgets: bool,
}

#[derive(Debug)]
struct Item {
    submission: Submission,
    ticket: Ticket,
    sent: Option<Sent>,
}

/// A message with the place that its sender gives it among all that it sent in a term.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) submission: Submission,
    pub(crate) term: u64,
    /// Counts from 1 in the lower half; the upper half tells the runs of the sender's apart.
    pub(crate) sequence: u64,
    /// All before this one are in the chain.
    pub(crate) oldest: u64,
}

impl Numbered {
    /// Which run of its sender's a number belongs to.
    pub(crate) fn run_of(sequence: u64) -> u64 {
        sequence >> 32
    }

    /// The first number of a run.
    pub(crate) fn first_of(run: u64) -> u64 {
        run << 32 | 1
    }
}

/// The table of pending messages.
#[derive(Debug)]
pub(crate) struct Pending {
    items: BTreeMap<u64, Item>,
    /// The messages by what they are recognised by in a block. The same bytes may have been taken in more
    /// than once; then only the first one is handed to anybody, until it is in the chain or refused: were
    /// two of them under way, nobody could tell which of them is in a block.
    by_key: HashMap<Bytes, Vec<u64>>,
    unsent: BTreeSet<u64>,
    /// What a leader had that forgets and leads no more: it may still reach the next one.
    returned: BTreeSet<u64>,
    next_id: u64,
    /// The term in which sequence numbers are given, and the last one given.
    numbering: (u64, u64),
    /// The messages by the numbers that they have in that term.
    numbered: BTreeMap<u64, u64>,
    /// The highest of them that was seen in the chain.
    highest_seen: u64,
    /// Tells this run of the node's from others.
    run: u64,
    /// Receipts whose block waits to be written.
    awaiting_write: BTreeMap<u64, Vec<Ticket>>,
}

impl Pending {
    /// An empty table; `run` is another one at each start of the node.
    pub(crate) fn new(run: u32) -> Self {
        Self {
            items: BTreeMap::new(),
            by_key: HashMap::new(),
            unsent: BTreeSet::new(),
            returned: BTreeSet::new(),
            next_id: 0,
            numbering: (0, 0),
            numbered: BTreeMap::new(),
            highest_seen: 0,
            run: u64::from(run),
            awaiting_write: BTreeMap::new(),
        }
    }

    /// Takes a message in; it is not with any leader yet.
    pub(crate) fn insert(&mut self, submission: Submission, ticket: Ticket) {
        let id = self.next_id;
        self.next_id += 1;
        let same = self.by_key.entry(key(submission.kind, &submission.envelope)).or_default();
        same.push(id);
        if same.len() == 1 {
            self.unsent.insert(id);
        }
        self.items.insert(id, Item { submission, ticket, sent: None });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The next message for this node's own cutter, which leads in `term`.
    pub(crate) fn take_for_ordering(&mut self, term: u64) -> Option<(u64, Submission)> {
        let id = self.unsent.pop_first()?;
        let item = self.items.get_mut(&id)?;
        item.sent = Some(Sent { term, sequence: 0, forgets: false });
        Some((id, item.submission.clone()))
    }

    /// The next message for the leader of `term`, another node; whether that one looks at no numbers.
    pub(crate) fn take_for_forwarding(&mut self, term: u64, forgets: bool) -> Option<Numbered> {
        let id = self.unsent.pop_first()?;
        if self.numbering.0 != term {
            self.numbering = (term, Numbered::first_of(self.run));
            self.numbered.clear();
            self.highest_seen = 0;
        } else {
            self.numbering.1 += 1;
        }
        let sequence = self.numbering.1;
        self.numbered.insert(sequence, id);
        let item = self.items.get_mut(&id)?;
        item.sent = Some(Sent { term, sequence, forgets });
        let oldest = *self.numbered.first_key_value()?.0;
        Some(Numbered { submission: item.submission.clone(), term, sequence, oldest })
    }

    /// All that the leader of `term` was sent from this number on and that is not in the chain yet, in
    /// order, to be sent to it once more. A leader that counts takes each of them once.
    pub(crate) fn sent_again(&self, term: u64, from_sequence: u64) -> Vec<Numbered> {
        let Some(oldest) = self.numbered.keys().next().copied().filter(|_| self.numbering.0 == term) else {
            return Vec::new();
        };
        let again = self.numbered.range(from_sequence..).filter_map(|(sequence, id)| {
            let submission = self.items.get(id)?.submission.clone();
            Some(Numbered { submission, term, sequence: *sequence, oldest })
        });
        again.collect()
    }

    /// The number of the newest message that the leader of `term` ordered, if it has passed over earlier
    /// ones.
    pub(crate) fn passed_over(&self, term: u64) -> Option<u64> {
        let oldest = *self.numbered.first_key_value()?.0;
        (self.numbering.0 == term && oldest < self.highest_seen).then_some(self.highest_seen)
    }

    /// Takes what the leader of `term` was sent up to this number, and that is not in the chain, to be
    /// lost: it is to be handed in again, under new numbers. Gives what it is.
    pub(crate) fn take_back(&mut self, term: u64, up_to: u64) -> Vec<(u64, Submission)> {
        if self.numbering.0 != term {
            return Vec::new();
        }
        let kept = up_to.checked_add(1).map_or_else(BTreeMap::new, |next| self.numbered.split_off(&next));
        let lost = std::mem::replace(&mut self.numbered, kept);
        let taken = lost.into_values().filter_map(|id| {
            let item = self.items.get_mut(&id)?;
            item.sent = None;
            self.unsent.insert(id);
            Some((id, item.submission.clone()))
        });
        taken.collect()
    }

    /// An entry of `term` has been applied: what earlier leaders had and was not seen is lost, and
    /// has to be handed in again; if the leader forgets, only after [`Pending::release`]. Whether there
    /// is such.
    pub(crate) fn entered_term(&mut self, term: u64) -> bool {
        let mut any_returned = false;
        for (id, item) in &mut self.items {
            if let Some(sent) = item.sent.take_if(|sent| sent.term < term) {
                any_returned |= sent.forgets;
                if sent.forgets { &mut self.returned } else { &mut self.unsent }.insert(*id);
            }
        }
        any_returned
    }

    /// Whether there is what waits for [`Pending::release`].
    pub(crate) fn has_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    /// What a leader had that forgets is to be handed in again.
    pub(crate) fn release(&mut self) {
        self.unsent.append(&mut self.returned);
    }

    /// A block of the chain: what of it was taken in here is found and waits for the block to be written.
    /// Returns how many were found.
    pub(crate) fn committed(&mut self, number: u64, is_config: bool, data: &[Bytes]) -> usize {
        if self.items.is_empty() {
            return 0;
        }
        let kind = if is_config { Kind::Config } else { Kind::Normal };
        let mut found = Vec::new();
        for envelope in data {
            let Some(item) = self.take_first(&key(kind, envelope)) else { continue };
            if let Some(sent) = item.sent.filter(|sent| sent.term == self.numbering.0) {
                self.highest_seen = self.highest_seen.max(sent.sequence);
            }
            found.push(item.ticket);
        }
        let count = found.len();
        if count > 0 {
            self.awaiting_write.entry(number).or_default().extend(found);
        }
        count
    }

    /// All blocks up to `number` are in the ledger.
    pub(crate) fn written(&mut self, number: u64) {
        while let Some(entry) = self.awaiting_write.first_entry() {
            if *entry.key() > number {
                return;
            }
            let (block, tickets) = entry.remove_entry();
            tickets.into_iter().filter_map(|t| t.receipt).for_each(|receipt| receipt.resolve(Ok(block)));
        }
    }

    /// A message that will not be ordered.
    pub(crate) fn reject(&mut self, id: u64, reason: OrderError) {
        // Only what was handed to somebody is rejected, and that is the first of its like.
        let Some(key) = self.items.get(&id).map(|item| key(item.submission.kind, &item.submission.envelope))
        else {
            return;
        };
        let Some(item) = self.take_first(&key) else { return };
        if let Some(receipt) = item.ticket.receipt {
            receipt.resolve(Err(reason));
        }
    }

    /// The leader of `term` will not order what it was sent under this number.
    pub(crate) fn refused(&mut self, term: u64, sequence: u64, reason: OrderError) {
        let Some(id) = self.numbered.get(&sequence).copied() else { return };
        // By now another leader may have it, this node among them.
        let is_its = |sent: Sent| (sent.term, sent.sequence) == (term, sequence);
        if self.items.get(&id).and_then(|item| item.sent).is_some_and(is_its) {
            self.reject(id, reason);
        }
    }

    /// Takes the first message out that is recognised by this; it is the turn of the next one.
    fn take_first(&mut self, key: &Bytes) -> Option<Item> {
        let mut same = self.by_key.remove(key)?;
        let id = same.remove(0);
        if let Some(next) = same.first() {
            self.unsent.insert(*next);
            self.by_key.insert(key.clone(), same);
        }
        self.unsent.remove(&id);
        self.returned.remove(&id);
        let item = self.items.remove(&id)?;
        if let Some(sent) = item.sent.filter(|sent| sent.term == self.numbering.0) {
            self.numbered.remove(&sent.sequence);
        }
        Some(item)
    }

    /// The chain ends: nobody will be told more.
    pub(crate) fn abandon(&mut self, reason: &OrderError) {
        let items = std::mem::take(&mut self.items).into_values().map(|item| item.ticket);
        let written = std::mem::take(&mut self.awaiting_write).into_values().flatten();
        for receipt in items.chain(written).filter_map(|ticket| ticket.receipt) {
            receipt.resolve(Err(reason.clone()));
        }
        self.by_key.clear();
        self.unsent.clear();
        self.returned.clear();
    }
}

/// What a message is recognised by: its bytes; of a configuration the update in it, because the
/// leader wraps the update anew when the configuration moved in between.
fn key(kind: Kind, envelope: &Bytes) -> Bytes {
    match kind {
        Kind::Normal => envelope.clone(),
        Kind::Config => last_update(envelope).unwrap_or_else(|| envelope.clone()),
    }
}

fn last_update(envelope: &Bytes) -> Option<Bytes> {
    let envelope = Envelope::decode(envelope.clone()).ok()?;
    let payload = Payload::decode(envelope.payload).ok()?;
    let config = ConfigEnvelope::decode(payload.data).ok()?;
    Some(config.last_update?.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chain::Receipt;
    use futures::FutureExt;

    fn message(text: &'static str) -> Submission {
        Submission {
            kind: Kind::Normal,
            envelope: Bytes::from_static(text.as_bytes()),
            size_bytes: 1,
            config_sequence: 0,
        }
    }

    fn take(pending: &mut Pending, text: &'static str) -> Receipt {
        let (sender, receipt) = Receipt::channel();
        pending.insert(message(text), Ticket { receipt: Some(sender), permit: None });
        receipt
    }

    fn block(pending: &mut Pending, number: u64, data: &[&'static str]) {
        let data: Vec<Bytes> = data.iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
        pending.committed(number, false, &data);
    }

    #[test]
    fn a_receipt_resolves_when_its_block_is_written() {
        let mut pending = Pending::new(0);
        let receipt = take(&mut pending, "a");
        block(&mut pending, 7, &["x", "a"]);
        assert!(pending.is_empty());
        pending.written(6);
        let mut committed = receipt.committed().boxed();
        assert_eq!(committed.as_mut().now_or_never(), None);
        pending.written(7);
        assert_eq!(committed.now_or_never(), Some(Ok(7)));
    }

    #[test]
    fn each_of_two_identical_messages_needs_an_occurrence() {
        let mut pending = Pending::new(0);
        let (first, second) = (take(&mut pending, "a"), take(&mut pending, "a"));
        block(&mut pending, 1, &["a"]);
        block(&mut pending, 2, &["a", "a"]);
        pending.written(2);
        assert_eq!(first.committed().now_or_never(), Some(Ok(1)));
        assert_eq!(second.committed().now_or_never(), Some(Ok(2)));
        assert!(pending.is_empty());
    }

    #[test]
    fn of_identical_messages_one_is_under_way_at_a_time() {
        let mut pending = Pending::new(0);
        let receipts = [take(&mut pending, "a"), take(&mut pending, "b"), take(&mut pending, "a")];
        let sent = |pending: &mut Pending| -> Vec<u64> {
            std::iter::from_fn(|| pending.take_for_forwarding(3, false)).map(|n| n.sequence).collect()
        };
        assert_eq!(sent(&mut pending), [1, 2]);
        // The refusal of the first one may get lost: then the second one must not be under way.
        pending.refused(3, 1, OrderError::NoLeader);
        assert_eq!(sent(&mut pending), [3]);
        block(&mut pending, 7, &["b", "a"]);
        pending.written(7);
        let outcomes = receipts.map(|receipt| receipt.committed().now_or_never());
        assert_eq!(outcomes, [Some(Err(OrderError::NoLeader)), Some(Ok(7)), Some(Ok(7))]);
        assert!(pending.is_empty());
    }

    #[test]
    fn what_a_leader_of_an_earlier_term_had_is_handed_in_again_once() {
        let mut pending = Pending::new(0);
        let _receipts: Vec<Receipt> = ["a", "b", "c"].map(|text| take(&mut pending, text)).into();
        assert_eq!(pending.take_for_forwarding(3, false).unwrap().sequence, 1);
        assert_eq!(pending.take_for_forwarding(3, false).unwrap().sequence, 2);
        pending.entered_term(3);
        assert_eq!(pending.take_for_forwarding(3, false).unwrap().submission.envelope, "c");
        assert!(pending.unsent.is_empty());
        block(&mut pending, 1, &["a"]);
        pending.entered_term(4);
        let again: Vec<_> = std::iter::from_fn(|| pending.take_for_forwarding(5, false)).collect();
        let again: Vec<_> =
            again.iter().map(|n| (n.submission.envelope.clone(), n.sequence, n.oldest)).collect();
        assert_eq!(again, [("b".into(), 1, 1), ("c".into(), 2, 1)]);
    }

    #[test]
    fn a_refusal_of_an_earlier_leader_comes_too_late() {
        let mut pending = Pending::new(0);
        let _receipts = [take(&mut pending, "a"), take(&mut pending, "b")];
        let sequences = [(); 2].map(|()| pending.take_for_forwarding(3, false).unwrap().sequence);
        pending.refused(3, sequences[1], OrderError::NoLeader);
        pending.entered_term(4);
        assert_eq!(pending.take_for_ordering(4).map(|(id, _)| id), Some(0));
        pending.refused(3, sequences[0], OrderError::NoLeader);
        assert!(!pending.is_empty());
        block(&mut pending, 1, &["a"]);
        assert!(pending.is_empty());
    }

    #[test]
    fn what_got_lost_goes_out_again_with_the_same_numbers() {
        let mut pending = Pending::new(7);
        let _receipts: Vec<Receipt> = ["a", "b", "c"].map(|text| take(&mut pending, text)).into();
        let first = pending.take_for_forwarding(3, false).unwrap().sequence;
        assert_eq!((first, Numbered::run_of(first)), (Numbered::first_of(7), 7));
        while pending.take_for_forwarding(3, false).is_some() {}
        block(&mut pending, 1, &["a"]);
        let numbers = |again: Vec<Numbered>| again.iter().map(|n| (n.sequence, n.oldest)).collect::<Vec<_>>();
        assert_eq!(numbers(pending.sent_again(3, 0)), [(first + 1, first + 1), (first + 2, first + 1)]);
        assert_eq!(numbers(pending.sent_again(3, first + 2)), [(first + 2, first + 1)]);
        assert_eq!(numbers(pending.sent_again(4, 0)), []);
    }

    #[test]
    fn what_a_leader_passed_over_goes_out_again_under_new_numbers() {
        let mut pending = Pending::new(0);
        let _receipts: Vec<Receipt> = ["a", "b", "c", "d"].map(|text| take(&mut pending, text)).into();
        while pending.take_for_forwarding(3, false).is_some() {}
        block(&mut pending, 1, &["a"]);
        assert_eq!(pending.passed_over(3), None, "what comes next may be on its way");
        block(&mut pending, 2, &["c"]);
        assert_eq!((pending.passed_over(3), pending.passed_over(4)), (Some(3), None));
        let lost: Vec<_> = pending.take_back(3, 3).into_iter().map(|(_, s)| s.envelope).collect();
        assert_eq!(lost, ["b"]);
        let again = pending.take_for_forwarding(3, false).unwrap();
        assert_eq!((&again.submission.envelope[..], again.sequence), (&b"b"[..], 5));
        assert_eq!(pending.passed_over(3), None);
        assert!(pending.take_for_forwarding(3, false).is_none());
        assert_eq!(pending.take_back(3, u64::MAX).len(), 2, "all that is not in the chain");
    }

    #[test]
    fn what_a_leader_had_that_forgets_waits_to_be_released() {
        let mut pending = Pending::new(0);
        let _receipts: Vec<Receipt> = ["a", "b"].map(|text| take(&mut pending, text)).into();
        while pending.take_for_forwarding(3, true).is_some() {}
        assert!(pending.entered_term(4));
        assert!(pending.take_for_forwarding(4, true).is_none());
        block(&mut pending, 1, &["a"]);
        pending.release();
        assert_eq!(pending.take_for_forwarding(4, true).unwrap().submission.envelope, "b");
        assert!(pending.take_for_forwarding(4, true).is_none());
    }

    #[test]
    fn an_end_tells_everybody() {
        let mut pending = Pending::new(0);
        let (waiting, written, rejected) =
            (take(&mut pending, "a"), take(&mut pending, "b"), take(&mut pending, "c"));
        block(&mut pending, 1, &["b"]);
        let (id, _) =
            (0..3).find_map(|_| pending.take_for_ordering(1).filter(|(_, s)| s.envelope == "c")).unwrap();
        pending.reject(id, OrderError::NoLeader);
        pending.abandon(&OrderError::Stopped);
        assert_eq!(rejected.committed().now_or_never(), Some(Err(OrderError::NoLeader)));
        for receipt in [waiting, written] {
            assert_eq!(receipt.committed().now_or_never(), Some(Err(OrderError::Stopped)));
        }
    }
}

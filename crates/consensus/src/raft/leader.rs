//! What a leader has in hand: messages to be cut, and blocks that are proposed and not yet written.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    cutter::{Batch, BlockCutter, Message},
};
use protos::orderer::BatchSize;
use tokio::sync::OwnedSemaphorePermit;

use crate::chain::{OrderError, Submission};

use super::pending::Numbered;

/// Who took a message in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// This node, which has it in its table under this id.
    Own(u64),
    /// Another node, which gave it this number.
    Other { origin: u64, sequence: u64 },
}

/// A message in the leader's hands.
#[derive(Debug)]
pub(crate) struct Ordered {
    pub(crate) submission: Submission,
    pub(crate) source: Source,
    /// The room that it takes in the queue.
    #[expect(dead_code, reason = "held, and freed by being dropped")]
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// The pipeline of one term of leadership.
#[derive(Debug)]
pub(crate) struct Leading {
    pub(crate) term: u64,
    /// Number and previous hash of the next block; known once all earlier entries are applied.
    next: Option<(u64, Bytes)>,
    /// Messages of other nodes that wait for their turn.
    queue: VecDeque<Ordered>,
    /// A configuration that removes this node, until what else waits had its chance.
    pub(crate) unseating: Option<Ordered>,
    /// The number expected next from each run of a node that numbers what it sends. A run, drawn at
    /// random, keeps its number when the node gets another raft id.
    expected: HashMap<u64, u64>,
    /// What was not ordered, by number, until its sender knows.
    refused: BTreeMap<u64, OrderError>,
    cutter: BlockCutter<()>,
    /// When what is in the cutter becomes a block although it is not full; and since when the
    /// first message of it waits.
    pub(crate) batch_deadline: Option<Duration>,
    filling_since: Option<Duration>,
    /// Numbers of the blocks that are proposed and not yet written here.
    in_flight: VecDeque<u64>,
    /// A configuration is proposed and not yet in force.
    is_config_in_flight: bool,
    is_closed: bool,
}

/// A block that is to be proposed.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) block: EncodedBlock,
    /// How long its messages were collected.
    pub(crate) filled_for: Duration,
}

impl Leading {
    pub(crate) fn new(term: u64) -> Self {
        Self {
            term,
            next: None,
            queue: VecDeque::new(),
            unseating: None,
            expected: HashMap::new(),
            refused: BTreeMap::new(),
            cutter: BlockCutter::new(),
            batch_deadline: None,
            filling_since: None,
            in_flight: VecDeque::new(),
            is_config_in_flight: false,
            is_closed: false,
        }
    }

    /// Whether blocks are made.
    pub(crate) fn is_serving(&self) -> bool {
        self.next.is_some()
    }

    /// Begins to make blocks after the given last one.
    pub(crate) fn serve(&mut self, last_number: u64, last_hash: [u8; 32]) {
        self.next = Some((last_number + 1, Bytes::copy_from_slice(&last_hash)));
    }

    /// A configuration block was made: no other before it counts.
    pub(crate) fn config_proposed(&mut self) {
        self.is_config_in_flight = true;
    }

    pub(crate) fn config_in_force(&mut self) {
        self.is_config_in_flight = false;
    }

    pub(crate) fn is_config_in_flight(&self) -> bool {
        self.is_config_in_flight
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Gives up: no block is made any more in this term.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.next = None;
        self.queue.clear();
        self.unseating = None;
        self.cutter.cut();
        self.batch_deadline = None;
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// A block up to this number is written here.
    pub(crate) fn written(&mut self, number: u64) {
        while self.in_flight.front().is_some_and(|first| *first <= number) {
            self.in_flight.pop_front();
        }
    }

    /// A message that another node took in. What was sent in another term, was received before, or
    /// came before something that got lost is not taken: its sender will send it again if it is
    /// still needed. Returns the reason when the message was refused before.
    pub(crate) fn take_numbered(
        &mut self,
        origin: u64,
        message: Numbered,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Option<OrderError> {
        let Numbered { submission, term, sequence, oldest } = message;
        if term != self.term {
            return None;
        }
        let run = Numbered::run_of(sequence);
        let expected = self.expected.entry(run).or_insert(Numbered::first_of(run));
        if !self.refused.is_empty() {
            let is_done = |number: u64| Numbered::run_of(number) == run && number < oldest;
            self.refused.retain(|number, _| !is_done(*number));
        }
        *expected = (*expected).max(oldest);
        if sequence == *expected {
            *expected = expected.saturating_add(1);
            self.queue.push_back(Ordered { submission, source: Source::Other { origin, sequence }, permit });
            return None;
        }
        self.refused.get(&sequence).cloned()
    }

    /// Remembers that a message of another node will not be ordered.
    pub(crate) fn refuse(&mut self, sequence: u64, reason: OrderError) {
        self.refused.insert(sequence, reason);
    }

    pub(crate) fn next_queued(&mut self) -> Option<Ordered> {
        self.queue.pop_front()
    }

    /// Adds a message to the batch; gives the blocks that are full.
    pub(crate) fn order(
        &mut self,
        now: Duration,
        submission: Submission,
        limits: &BatchSize,
        timeout: Duration,
    ) -> Vec<Created> {
        let filling_since = *self.filling_since.get_or_insert(now);
        let message = Message { bytes: submission.envelope, size_bytes: submission.size_bytes, tag: () };
        let (batches, is_pending) = self.cutter.ordered(message, limits);
        if is_pending {
            if !batches.is_empty() {
                self.filling_since = Some(now);
            }
            self.batch_deadline.get_or_insert(now + timeout);
        } else {
            self.batch_deadline = None;
            self.filling_since = None;
        }
        batches
            .into_iter()
            .filter_map(|batch| self.create(batch, now.saturating_sub(filling_since)))
            .collect()
    }

    /// Makes a block of what is collected, if anything is.
    pub(crate) fn cut(&mut self, now: Duration) -> Option<Created> {
        self.batch_deadline = None;
        let filled_for = now.saturating_sub(self.filling_since.take().unwrap_or(now));
        let batch = self.cutter.cut();
        if batch.is_empty() { None } else { self.create(batch, filled_for) }
    }

    /// A block of its own for a configuration.
    pub(crate) fn alone(&mut self, submission: Submission) -> Option<Created> {
        let message = Message { bytes: submission.envelope, size_bytes: submission.size_bytes, tag: () };
        self.create(vec![message], Duration::ZERO)
    }

    fn create(&mut self, batch: Batch<()>, filled_for: Duration) -> Option<Created> {
        let (number, previous_hash) = self.next.take()?;
        let data = batch.into_iter().map(|message| message.bytes).collect();
        let block = EncodedBlock::from_block(block::new_block(number, previous_hash, data));
        self.next = Some((number + 1, Bytes::copy_from_slice(&block.header_hash())));
        self.in_flight.push_back(number);
        Some(Created { block, filled_for })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chain::Kind;

    fn numbered(term: u64, sequence: u64, oldest: u64) -> Numbered {
        let submission = Submission {
            kind: Kind::Normal,
            envelope: Bytes::new(),
            size_bytes: sequence as usize,
            config_sequence: 0,
        };
        Numbered { submission, term, sequence, oldest }
    }

    #[test]
    fn numbered_messages_are_taken_once_and_in_order() {
        let mut leading = Leading::new(4);
        for (term, sequence, oldest) in [
            (4, 1, 1),
            (4, 1, 1),
            (3, 2, 1),
            (4, 3, 1),
            (4, 2, 1),
            (4, 2, 1),
            (4, 9, 8),
            (4, 8, 8),
            (4, 9, 8),
        ] {
            leading.take_numbered(2, numbered(term, sequence, oldest), None);
        }
        let other_run = Numbered::first_of(1);
        leading.take_numbered(3, numbered(4, other_run, other_run), None);
        // The node has another raft id by now, and is the same.
        leading.take_numbered(4, numbered(4, other_run, other_run), None);
        let taken: Vec<usize> =
            std::iter::from_fn(|| leading.next_queued()).map(|m| m.submission.size_bytes).collect();
        assert_eq!(taken, [1, 2, 8, 9, other_run as usize]);
    }

    #[test]
    fn blocks_are_linked_and_a_timer_runs_while_messages_wait() {
        let limits = BatchSize { max_message_count: 2, absolute_max_bytes: 1000, preferred_max_bytes: 1000 };
        let second = Duration::from_secs(1);
        let mut leading = Leading::new(1);
        leading.serve(6, [9; 32]);
        let message = || numbered(1, 1, 1).submission;
        assert!(leading.order(second, message(), &limits, second).is_empty());
        assert_eq!(leading.batch_deadline, Some(2 * second));
        let first = leading.order(2 * second, message(), &limits, second).pop().unwrap();
        assert_eq!((first.block.number(), first.block.data().len(), first.filled_for), (7, 2, second));
        assert_eq!(leading.batch_deadline, None);
        let second_block = leading.alone(message()).unwrap().block;
        assert_eq!(second_block.header().previous_hash, first.block.header_hash().as_slice());
        assert_eq!(leading.in_flight(), 2);
        leading.written(7);
        assert_eq!(leading.in_flight(), 1);
    }
}

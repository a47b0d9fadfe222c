//! Cutting a stream of messages into batches; one batch becomes one block.
//!
//! Sans-I/O: the batch timer belongs to the caller. Source: Fabric's
//! `orderer/common/blockcutter/blockcutter.go`.

use bytes::Bytes;
use protos::orderer::BatchSize;

/// An envelope on its way into a block, with whatever its owner wants to find again there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<T> {
    /// The marshaled envelope.
    pub bytes: Bytes,
    /// Payload and signature, bytes; the measure that `preferred_max_bytes` is about.
    pub size_bytes: usize,
    /// The owner's mark, for example who waits for the message.
    pub tag: T,
}

/// The messages of one block, in order.
pub type Batch<T> = Vec<Message<T>>;

/// Collects messages until they make a batch.
#[derive(Debug)]
pub struct BlockCutter<T> {
    pending: Batch<T>,
    pending_bytes: usize,
}

impl<T> Default for BlockCutter<T> {
    fn default() -> Self {
        Self { pending: Vec::new(), pending_bytes: 0 }
    }
}

impl<T> BlockCutter<T> {
    /// A cutter with nothing pending.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a message; gives the batches (none, one or two) that are complete now and whether
    /// messages are left pending, for which the batch timer has to run.
    ///
    /// A message larger than `preferred_max_bytes` gets a batch of its own; the limit in the config
    /// at the moment of each call counts.
    pub fn ordered(&mut self, message: Message<T>, limits: &BatchSize) -> (Vec<Batch<T>>, bool) {
        let preferred_max_bytes = limits.preferred_max_bytes as usize;
        let mut batches = Vec::new();

        let is_alone = message.size_bytes > preferred_max_bytes;
        let overflows = self.pending_bytes.saturating_add(message.size_bytes) > preferred_max_bytes;
        if (is_alone || overflows) && !self.is_empty() {
            batches.push(self.cut());
        }
        if is_alone {
            batches.push(vec![message]);
            return (batches, false);
        }

        self.pending_bytes += message.size_bytes;
        self.pending.push(message);
        if self.pending.len() >= limits.max_message_count as usize {
            batches.push(self.cut());
        }
        (batches, !self.is_empty())
    }

    /// Takes all that is pending; empty when nothing is.
    pub fn cut(&mut self) -> Batch<T> {
        self.pending_bytes = 0;
        std::mem::take(&mut self.pending)
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds messages of these sizes; a batch is written as the list of its messages' positions.
    fn run(limits: (u32, u32), sizes: &[usize]) -> Vec<(Vec<Vec<usize>>, bool)> {
        let limits = BatchSize {
            max_message_count: limits.0,
            preferred_max_bytes: limits.1,
            absolute_max_bytes: 1000,
        };
        let mut cutter = BlockCutter::new();
        let feed = |(tag, size_bytes): (usize, &usize)| {
            let (batches, pending) =
                cutter.ordered(Message { bytes: Bytes::new(), size_bytes: *size_bytes, tag }, &limits);
            (batches.iter().map(|batch| batch.iter().map(|m| m.tag).collect()).collect(), pending)
        };
        sizes.iter().enumerate().map(feed).collect()
    }

    #[test]
    fn cuts_follow_count_and_size() {
        for (limits, sizes, last) in [
            ((3, 100), &[1, 1][..], (vec![], true)),
            ((3, 100), &[1, 1, 1], (vec![vec![0, 1, 2]], false)),
            ((3, 100), &[101], (vec![vec![0]], false)),
            ((3, 100), &[100], (vec![], true)), // exactly the preferred size is not alone
            ((3, 100), &[1, 101], (vec![vec![0], vec![1]], false)),
            ((3, 100), &[60, 60], (vec![vec![0]], true)), // overflow cuts first
            ((3, 100), &[60, 40], (vec![], true)),
            ((1, 100), &[5], (vec![vec![0]], false)),
            ((3, 100), &[60, 60, 40, 1], (vec![vec![1, 2]], true)),
            ((0, 0), &[0], (vec![vec![0]], false)),
        ] {
            assert_eq!(run(limits, sizes).last(), Some(&last), "{limits:?} {sizes:?}");
        }
    }

    #[test]
    fn a_lower_count_cuts_what_is_left_over_and_the_new_message() {
        let limits = |max_message_count| BatchSize {
            max_message_count,
            preferred_max_bytes: 100,
            absolute_max_bytes: 1000,
        };
        let message = |size_bytes| Message { bytes: Bytes::new(), size_bytes, tag: size_bytes };
        let mut cutter = BlockCutter::new();
        assert_eq!(cutter.ordered(message(60), &limits(10)), (vec![], true));
        let (batches, pending) = cutter.ordered(message(61), &limits(1));
        assert_eq!((batches, pending), (vec![vec![message(60)], vec![message(61)]], false));
    }

    #[test]
    fn cut_takes_everything_and_starts_anew() {
        let limits = BatchSize { max_message_count: 10, preferred_max_bytes: 100, absolute_max_bytes: 1000 };
        let mut cutter = BlockCutter::new();
        assert!(cutter.cut().is_empty());
        for tag in 0..2 {
            cutter.ordered(Message { bytes: Bytes::new(), size_bytes: 50, tag }, &limits);
        }
        assert_eq!(cutter.cut().len(), 2);
        let (batches, _) = cutter.ordered(Message { bytes: Bytes::new(), size_bytes: 100, tag: 2 }, &limits);
        assert!(batches.is_empty(), "the bytes of a cut batch must not count any more");
    }
}

//! Signs the transactions of a run before it starts.

use std::{
    num::NonZero,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;
use channel::envelope::EnvelopeError;
use protos::{
    Message,
    common::{Envelope, Payload},
};
use rand::RngCore;

use crate::{client::transaction::Signer, terminal::Progress};

/// The least content of a transaction: which run it belongs to and its number in it.
pub(super) const MINIMUM_CONTENT_BYTES: usize = 16;

/// The signed transactions of a run. Their content starts with the run and the transaction's number.
pub(super) struct Prepared {
    run: u64,
    envelopes: Vec<Bytes>,
}

impl Prepared {
    /// Signs `count` transactions with `size` bytes of content each, on all cores.
    pub(super) fn sign(
        signer: &Signer,
        count: usize,
        size: usize,
        silent: bool,
    ) -> Result<Self, EnvelopeError> {
        let run = rand::random();
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let share = count.div_ceil(cores).max(1);
        let signed = AtomicU64::new(0);
        let mut progress = Progress::new("signed", Some(count as u64), silent);
        let mut envelopes = Vec::with_capacity(count);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..count)
                .step_by(share)
                .map(|first| {
                    let numbers = first..(first + share).min(count);
                    let signed = &signed;
                    scope.spawn(move || {
                        numbers
                            .map(|number| {
                                signed.fetch_add(1, Ordering::Relaxed);
                                Ok(signer.transaction(content(run, number as u64, size))?.envelope)
                            })
                            .collect::<Result<Vec<Bytes>, EnvelopeError>>()
                    })
                })
                .collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                progress.update(signed.load(Ordering::Relaxed));
                thread::sleep(Duration::from_millis(20));
            }
            for worker in workers {
                let part = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                envelopes.extend(part?);
            }
            Ok::<(), EnvelopeError>(())
        })?;
        progress.finish();
        Ok(Self { run, envelopes })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.envelopes.len()
    }

    /// The encoded envelope of a number.
    pub(super) fn envelope(&self, number: usize) -> Option<&Bytes> {
        self.envelopes.get(number)
    }

    /// The number of a transaction found in a block; `None` when it is not of this run.
    pub(super) fn number_of(&self, entry: &Bytes) -> Option<usize> {
        let payload = Envelope::decode(entry.clone()).ok()?.payload;
        let content = Payload::decode(payload).ok()?.data;
        let (run, rest) = content.split_first_chunk::<8>()?;
        let (number, _) = rest.split_first_chunk::<8>()?;
        if u64::from_be_bytes(*run) != self.run {
            return None;
        }
        usize::try_from(u64::from_be_bytes(*number)).ok().filter(|number| *number < self.envelopes.len())
    }
}

fn content(run: u64, number: u64, size: usize) -> Bytes {
    let mut content = Vec::with_capacity(size.max(MINIMUM_CONTENT_BYTES));
    content.extend_from_slice(&run.to_be_bytes());
    content.extend_from_slice(&number.to_be_bytes());
    content.resize(size.max(MINIMUM_CONTENT_BYTES), 0);
    rand::rng().fill_bytes(&mut content[MINIMUM_CONTENT_BYTES..]);
    content.into()
}

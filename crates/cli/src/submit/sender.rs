//! Sends transactions in their order and finds out what became of each.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;

use super::payloads::Transaction;
use crate::{
    client::{
        broadcast::{Answers, BroadcastError},
        connection::Connection,
        deliver::{Blocks, Position, fetch},
        transaction::transaction_ids,
    },
    target::Target,
};

/// Between two rounds over all orderers.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How long the chain is watched for transactions whose answer did not come.
const SEARCH_TIME: Duration = Duration::from_secs(5);

/// What became of a transaction.
pub(super) enum Fate {
    /// The orderer answered SUCCESS.
    Acknowledged,
    /// The answer did not come, but the transaction is in the chain.
    FoundInChain { block: u64 },
    /// The orderer refused it, for this reason.
    Refused(String),
    /// It was sent, the answer did not come and the chain does not hold it (yet), for this reason.
    Unknown(String),
    /// No orderer took it, for this reason.
    NotSent(String),
}

/// A transaction with what became of it.
pub(super) struct Settled {
    pub(super) transaction: Transaction,
    pub(super) fate: Fate,
}

/// How a stream came to its end.
enum StreamEnd {
    /// Everything was sent and answered.
    Done,
    /// The source of transactions failed.
    Source(String),
    /// The stream is of no more use; another one may be tried.
    Failed(String),
}

/// Sends to the first orderer that takes the transactions.
pub(super) struct Sender {
    target: Target,
    window: usize,
    timeout: Duration,
    current: usize,
    /// Where the search for lost transactions starts: the height when the first stream was opened.
    search_from: Option<u64>,
}

impl Sender {
    pub(super) fn new(target: Target, window: usize, timeout: Duration) -> Self {
        Self { target, window, timeout, current: 0, search_from: None }
    }

    /// Sends all that `source` gives and calls `settled` for each, once. An error of the source ends it.
    pub(super) async fn send_all(
        &mut self,
        mut source: mpsc::Receiver<Result<Transaction, String>>,
        mut settled: impl FnMut(Settled),
    ) -> Result<(), String> {
        // Taken from the source, certainly not ordered.
        let mut pending = VecDeque::new();
        let mut deadline = Instant::now() + self.timeout;
        loop {
            let mut progressed = false;
            let end = match self.connect().await {
                Err(reason) => StreamEnd::Failed(reason),
                Ok(connection) => {
                    let mut count = |item| {
                        progressed = true;
                        settled(item);
                    };
                    self.stream(&connection, &mut pending, &mut source, &mut count).await
                }
            };
            let reason = match end {
                StreamEnd::Done => return Ok(()),
                StreamEnd::Source(reason) => return Err(reason),
                StreamEnd::Failed(reason) => reason,
            };
            if progressed {
                deadline = Instant::now() + self.timeout;
            }
            if Instant::now() >= deadline {
                while let Some(transaction) = pending.pop_front() {
                    settled(Settled { transaction, fate: Fate::NotSent(reason.clone()) });
                }
                while let Some(next) = source.recv().await {
                    settled(Settled { transaction: next?, fate: Fate::NotSent(reason.clone()) });
                }
                return Ok(());
            }
            self.current = (self.current + 1) % self.target.endpoints.len();
            if self.current == 0 && !progressed {
                time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    async fn connect(&mut self) -> Result<Connection, String> {
        let connection =
            self.target.endpoints[self.current].connect().await.map_err(|error| error.to_string())?;
        if self.search_from.is_none() {
            // Without the right to read the channel nothing can be searched; sending does not need it.
            let newest = fetch(&connection, &self.target.signer, Position::Newest).await.ok();
            self.search_from = newest.and_then(|block| block.header).map(|header| header.number + 1);
        }
        Ok(connection)
    }

    async fn stream(
        &self,
        connection: &Connection,
        pending: &mut VecDeque<Transaction>,
        source: &mut mpsc::Receiver<Result<Transaction, String>>,
        settled: &mut impl FnMut(Settled),
    ) -> StreamEnd {
        let (requests, receiver) = mpsc::channel(self.window);
        let mut answers = Answers::open(connection, ReceiverStream::new(receiver));
        let mut in_flight: VecDeque<Transaction> = VecDeque::new();
        let mut exhausted = false;
        let mut source_error = None;
        // Of several on their way, only the first that is refused is certain not to be ordered. So one goes
        // ahead, and the others when the orderer takes it: a channel that has no leader yet costs nothing.
        let mut taken = false;
        loop {
            if exhausted && pending.is_empty() && in_flight.is_empty() {
                return source_error.map_or(StreamEnd::Done, StreamEnd::Source);
            }
            let room = in_flight.len() < if taken { self.window } else { 1 };
            tokio::select! {
                biased;
                answer = answers.next(), if !in_flight.is_empty() => {
                    // The branch is taken only when something is in flight.
                    let Some(transaction) = in_flight.pop_front() else { continue };
                    match answer {
                        Ok(()) => {
                            taken = true;
                            settled(Settled { transaction, fate: Fate::Acknowledged });
                        }
                        Err(error) => {
                            return self.fail(error, transaction, in_flight, pending, settled).await;
                        }
                    }
                }
                next = next_of(pending, source), if room && !(exhausted && pending.is_empty()) => match next {
                    Some(Ok(transaction)) => {
                        // A closed channel means that the stream has ended; its answer says why.
                        let _ = requests.send(transaction.envelope.clone()).await;
                        in_flight.push_back(transaction);
                    }
                    Some(Err(reason)) => {
                        source_error = Some(reason);
                        exhausted = true;
                    }
                    None => exhausted = true,
                },
            }
        }
    }

    /// Settles what a failed stream leaves: `first` got the error as its answer, `rest` got none.
    async fn fail(
        &self,
        error: BroadcastError,
        first: Transaction,
        rest: VecDeque<Transaction>,
        pending: &mut VecDeque<Transaction>,
        settled: &mut impl FnMut(Settled),
    ) -> StreamEnd {
        let reason = error.to_string();
        let mut unclear = rest;
        match &error {
            BroadcastError::Refused { info, .. } if certainly_not_ordered(info) => pending.push_front(first),
            BroadcastError::Refused { status, .. }
                if *status == protos::common::Status::ServiceUnavailable as i32 =>
            {
                unclear.push_front(first);
            }
            BroadcastError::Refused { .. } => {
                settled(Settled { transaction: first, fate: Fate::Refused(reason.clone()) })
            }
            BroadcastError::Broken { .. } | BroadcastError::Ended { .. } => unclear.push_front(first),
        }
        if !unclear.is_empty() {
            let found = self.search(&unclear).await;
            for transaction in unclear {
                let fate = match found.get(&transaction.id) {
                    Some(block) => Fate::FoundInChain { block: *block },
                    None => Fate::Unknown(reason.clone()),
                };
                settled(Settled { transaction, fate });
            }
        }
        StreamEnd::Failed(reason)
    }

    /// Looks for transactions in the chain, at any orderer; gives the blocks of those found.
    async fn search(&self, wanted: &VecDeque<Transaction>) -> HashMap<String, u64> {
        let mut found = HashMap::new();
        let Some(mut next) = self.search_from else { return found };
        let deadline = time::Instant::now() + SEARCH_TIME;
        let turns = (self.current..).map(|turn| &self.target.endpoints[turn % self.target.endpoints.len()]);
        for endpoint in turns {
            if found.len() == wanted.len() || time::Instant::now() >= deadline {
                break;
            }
            let start = Position::Number(next);
            let Ok(connection) = endpoint.connect().await else {
                time::sleep(RETRY_PAUSE).await;
                continue;
            };
            let Ok(mut blocks) = Blocks::follow(&connection, &self.target.signer, start) else {
                continue;
            };
            while found.len() < wanted.len()
                && let Ok(Ok(Some(block))) = time::timeout_at(deadline, blocks.next()).await
                && let Some(header) = &block.header
            {
                next = header.number + 1;
                let ids = transaction_ids(&block);
                found.extend(
                    ids.filter(|id| wanted.iter().any(|t| t.id == *id)).map(|id| (id, header.number)),
                );
            }
        }
        found
    }
}

async fn next_of(
    pending: &mut VecDeque<Transaction>,
    source: &mut mpsc::Receiver<Result<Transaction, String>>,
) -> Option<Result<Transaction, String>> {
    match pending.pop_front() {
        Some(transaction) => Some(Ok(transaction)),
        None => source.recv().await,
    }
}

/// Whether an orderer that says this certainly did not order the transaction and another may.
fn certainly_not_ordered(info: &str) -> bool {
    ["no Raft leader", "chain is not started", "is not serviced by me"].iter().any(|text| info.contains(text))
}

//! Sends messages to the leader, one after the other.

use std::{sync::Arc, time::Duration};

use protos::orderer::SubmitRequest;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    metrics::{Counter, Metrics},
    transport::Transport,
};

use super::pending::Numbered;

/// A message on its way to the leader.
#[derive(Debug)]
pub(crate) struct Forwarding {
    pub(crate) leader: u64,
    pub(crate) message: Numbered,
    /// Whether it begins what is sent again after a message that did not reach the stream.
    pub(crate) resumes: bool,
}

/// What did not reach the leader's stream: all from this number on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotForwarded {
    pub(crate) term: u64,
    pub(crate) from_sequence: u64,
}

/// Carries messages to whoever leads.
pub(crate) struct Forwarder {
    pub(crate) channel: String,
    pub(crate) node: u64,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) rpc_timeout: Duration,
    pub(crate) report: Box<dyn Fn(NotForwarded) + Send + Sync>,
}

impl Forwarder {
    /// Runs until nobody hands in any more.
    pub(crate) async fn run(self, mut messages: UnboundedReceiver<Forwarding>) {
        let mut broken: Option<NotForwarded> = None;
        while let Some(Forwarding { leader, message, resumes }) = messages.recv().await {
            let (term, sequence) = (message.term, message.sequence);
            // What was queued behind a message that failed comes again after it.
            if !resumes && broken.is_some_and(|at| at.term == term) {
                continue;
            }
            broken = None;
            if let Err(reason) = self.send(leader, message).await {
                tracing::warn!(
                    target: "orderer.consensus.etcdraft", channel = %self.channel, node = self.node,
                    "Failed to forward a transaction to the leader {leader}: {reason}"
                );
                self.metrics.add(Counter::ProposalFailures, &self.channel, 1);
                let failure = NotForwarded { term, from_sequence: sequence };
                broken = Some(failure);
                (self.report)(failure);
            }
        }
    }

    async fn send(&self, leader: u64, message: Numbered) -> Result<(), String> {
        let request = SubmitRequest {
            channel: self.channel.clone(),
            last_validation_seq: message.submission.config_sequence,
            payload: message.submission.envelope,
            term: message.term,
            sequence: message.sequence,
            oldest: message.oldest,
        };
        let sent = self.transport.send_submit(&self.channel, leader, request);
        match tokio::time::timeout(self.rpc_timeout, sent).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("timed out ({:?}) waiting on forwarding to {leader}", self.rpc_timeout)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        chain::{Kind, Submission},
        metrics::NoMetrics,
        transport::{Peer, TransportError},
    };
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use protos::orderer::ConsensusRequest;
    use tokio::sync::mpsc;

    /// Takes every message but the first one of each number in `failing`.
    #[derive(Default)]
    struct Wire {
        failing: Mutex<Vec<u64>>,
        taken: Mutex<Vec<u64>>,
    }

    #[async_trait]
    impl Transport for Wire {
        fn configure(&self, _: &str, _: Vec<Peer>) {}

        fn send_consensus(&self, _: &str, _: u64, _: ConsensusRequest) -> Result<(), TransportError> {
            Ok(())
        }

        async fn send_submit(&self, _: &str, _: u64, request: SubmitRequest) -> Result<(), TransportError> {
            let mut failing = self.failing.lock();
            if let Some(position) = failing.iter().position(|sequence| *sequence == request.sequence) {
                failing.remove(position);
                return Err(TransportError::ShutDown);
            }
            self.taken.lock().push(request.sequence);
            Ok(())
        }

        fn forget(&self, _: &str) {}
    }

    /// What reaches the leader of what is forwarded, as (number, resumes), when these numbers fail once.
    async fn forward(failing: &[u64], forwarded: &[(u64, bool)]) -> Vec<u64> {
        let wire = Arc::new(Wire { failing: Mutex::new(failing.to_vec()), ..Wire::default() });
        let (sender, receiver) = mpsc::unbounded_channel();
        for &(sequence, resumes) in forwarded {
            let submission = Submission {
                kind: Kind::Normal,
                envelope: bytes::Bytes::new(),
                size_bytes: 0,
                config_sequence: 0,
            };
            let message = Numbered { submission, term: 3, sequence, oldest: 1 };
            sender.send(Forwarding { leader: 2, message, resumes }).unwrap();
        }
        drop(sender);
        let forwarder = Forwarder {
            channel: "ch".to_owned(),
            node: 1,
            transport: wire.clone(),
            metrics: Arc::new(NoMetrics),
            rpc_timeout: Duration::from_secs(1),
            report: Box::new(|_| {}),
        };
        forwarder.run(receiver).await;
        let taken = wire.taken.lock();
        taken.clone()
    }

    #[tokio::test]
    async fn nothing_goes_out_behind_a_failure_until_it_resumes() {
        let forwarded = [(1, false), (2, false), (3, false), (2, true), (3, false), (4, false)];
        assert_eq!(forward(&[2], &forwarded).await, [1, 2, 3, 4]);
    }

    /// The message that failed may have arrived all the same and be in the chain: it does not come again.
    #[tokio::test]
    async fn it_resumes_without_the_message_that_failed() {
        let forwarded = [(1, false), (2, false), (3, false), (3, true), (4, false)];
        assert_eq!(forward(&[2], &forwarded).await, [1, 3, 4]);
    }
}

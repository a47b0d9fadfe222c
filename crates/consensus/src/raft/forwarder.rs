//! Sends messages to the leader, one after the other.

use std::{sync::Arc, time::Duration};

use protos::orderer::SubmitRequest;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    metrics::{Counter, Metrics},
    transport::Transport,
};

use super::pending::Numbered;

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
    pub(crate) async fn run(self, mut messages: UnboundedReceiver<(u64, Numbered)>) {
        let mut broken: Option<NotForwarded> = None;
        while let Some((leader, message)) = messages.recv().await {
            let (term, sequence) = (message.term, message.sequence);
            // What was queued behind a message that failed comes again after it.
            if broken.is_some_and(|at| at.term == term && sequence > at.from_sequence) {
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

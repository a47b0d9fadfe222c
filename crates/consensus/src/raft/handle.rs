//! The chain as the rest of the node sees it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use channel::envelope;
use parking_lot::Mutex;
use protos::{
    Message as _,
    common::HeaderType,
    etcdraft::ClusterMetadata,
    orderer::{ConsensusRequest, SubmitRequest},
    raftpb,
};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use crate::{
    chain::{Chain, ClusterError, ConsensusRelation, Kind, OrderError, Receipt, Status, Submission},
    metrics::{Counter, Metrics},
};

use super::{
    convert::message_in,
    core::Core,
    driver::{Event, Incoming, Refused, Taken},
    pending::{Numbered, Ticket},
};

/// Bytes of messages taken in here that may wait to be ordered, in KiB; as many again of those that
/// other nodes took in.
const ROOM_KIB: u32 = 8 * 1024;

/// What driver and handle share.
pub(crate) struct Shared {
    pub(crate) channel: String,
    pub(crate) id: u64,
    /// The leader, 0 when none is known.
    leader: watch::Sender<u64>,
    errored: watch::Sender<bool>,
    cluster_size: Mutex<usize>,
    status: Mutex<Status>,
    failure: Mutex<Option<String>>,
    has_stopped: watch::Sender<bool>,
    /// Told when another consenter turns out to have a later raft id than it has here.
    outdated: Arc<Notify>,
    /// Room for messages taken in here, and for those of other nodes.
    own_room: Arc<Semaphore>,
    others_room: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(channel: &str, id: u64, cluster_size: usize) -> Self {
        Self {
            channel: channel.to_owned(),
            id,
            leader: watch::Sender::new(0),
            errored: watch::Sender::new(true),
            cluster_size: Mutex::new(cluster_size),
            status: Mutex::new(Status::Active),
            failure: Mutex::default(),
            has_stopped: watch::Sender::new(false),
            outdated: Arc::default(),
            own_room: Arc::new(Semaphore::new(ROOM_KIB as usize)),
            others_room: Arc::new(Semaphore::new(ROOM_KIB as usize)),
        }
    }

    /// Takes over what the core knows of the leader. Without one, a cluster of up to two goes on
    /// delivering, so that it can grow.
    pub(crate) fn observe(&self, core: &Core) {
        let leader = core.leader();
        if !self.leader.send_if_modified(|known| std::mem::replace(known, leader) != leader) {
            return;
        }
        if leader != 0 {
            self.errored.send_replace(false);
        } else if *self.cluster_size.lock() > 2 {
            self.errored.send_replace(true);
        }
    }

    pub(crate) fn set_cluster_size(&self, size: usize) {
        *self.cluster_size.lock() = size;
    }

    /// Nothing is taken any more.
    pub(crate) fn stop(&self, status: Status) {
        *self.status.lock() = status;
        self.errored.send_replace(true);
        self.leader.send_replace(0);
        self.own_room.close();
        self.others_room.close();
    }

    /// The chain cannot go on, for this reason.
    pub(crate) fn fail(&self, reason: &str) {
        *self.failure.lock() = Some(reason.to_owned());
    }

    /// All is done.
    pub(crate) fn stopped(&self) {
        self.has_stopped.send_replace(true);
    }

    fn is_stopping(&self) -> bool {
        self.own_room.is_closed()
    }

    /// Follows the end of the chain.
    pub(crate) fn watch_stopped(&self) -> watch::Receiver<bool> {
        self.has_stopped.subscribe()
    }

    /// Is told when the configuration here cannot be the newest.
    pub(crate) fn outdated(&self) -> Arc<Notify> {
        self.outdated.clone()
    }

    /// Follows who leads; 0 when nobody does.
    pub(crate) fn watch_leader(&self) -> watch::Receiver<u64> {
        self.leader.subscribe()
    }
}

/// A Raft chain.
pub(crate) struct RaftChain {
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<dyn Metrics>,
    /// How long it is waited for a leader while there is none.
    pub(crate) patience: Duration,
    pub(crate) messages: mpsc::Sender<Box<Incoming>>,
    pub(crate) taken: mpsc::UnboundedSender<Box<Taken>>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

impl RaftChain {
    /// A change of leadership in good order is over in a moment, so that much is waited.
    async fn leader(&self) -> Result<(), OrderError> {
        if *self.shared.leader.borrow() != 0 {
            return Ok(());
        }
        let mut leader = self.shared.leader.subscribe();
        let known = tokio::time::timeout(self.patience, leader.wait_for(|leader| *leader != 0)).await;
        if self.shared.is_stopping() {
            return Err(OrderError::Stopped);
        }
        match known {
            Ok(Ok(_)) => Ok(()),
            _ => {
                self.metrics.add(Counter::ProposalFailures, &self.shared.channel, 1);
                Err(OrderError::NoLeader)
            }
        }
    }

    async fn take(&self, submission: Submission) -> Result<Receipt, OrderError> {
        self.leader().await?;
        let room = self.shared.own_room.clone().acquire_many_owned(room_kib(&submission));
        let permit = room.await.map_err(|_| OrderError::Stopped)?;
        let (sender, receipt) = Receipt::channel();
        let ticket = Ticket { receipt: Some(sender), permit: Some(permit) };
        self.taken.send(Box::new(Taken::Own(submission, ticket))).map_err(|_| OrderError::Stopped)?;
        Ok(receipt)
    }
}

fn room_kib(submission: &Submission) -> u32 {
    u32::try_from(submission.envelope.len() / 1024 + 1).unwrap_or(ROOM_KIB).min(ROOM_KIB)
}

#[async_trait]
impl Chain for RaftChain {
    async fn wait_ready(&self) -> Result<(), OrderError> {
        if self.shared.is_stopping() { Err(OrderError::Stopped) } else { Ok(()) }
    }

    async fn order(&self, submission: Submission) -> Result<Receipt, OrderError> {
        let counter = match submission.kind {
            Kind::Normal => Counter::NormalProposalsReceived,
            Kind::Config => Counter::ConfigProposalsReceived,
        };
        self.metrics.add(counter, &self.shared.channel, 1);
        self.take(submission).await
    }

    fn errored(&self) -> watch::Receiver<bool> {
        self.shared.errored.subscribe()
    }

    fn relation_and_status(&self) -> (ConsensusRelation, Status) {
        (ConsensusRelation::Consenter, *self.shared.status.lock())
    }

    fn failure(&self) -> Option<String> {
        self.shared.failure.lock().clone()
    }

    fn consensus_message(&self, sender: u64, request: ConsensusRequest) -> Result<(), ClusterError> {
        if self.shared.is_stopping() {
            return Err(OrderError::Stopped.into());
        }
        let has_refusals = !request.refusals.is_empty();
        for refusal in request.refusals {
            let status = refusal.status();
            let reason = OrderError::Rejected { status, text: refusal.info };
            let refused = Refused { term: refusal.term, sequence: refusal.sequence, reason };
            let _ = self.events.send(Event::Refused(refused));
        }
        if has_refusals && request.payload.is_empty() {
            return Ok(());
        }
        let malformed = |error: protos::DecodeError| ClusterError::MalformedMessage(error.to_string());
        let message = raftpb::Message::decode(request.payload).map_err(malformed)?;
        let active_nodes = match request.metadata.is_empty() {
            true => None,
            false => Some(
                ClusterMetadata::decode(request.metadata)
                    .map_err(|error| ClusterError::MalformedMetadata(error.to_string()))?
                    .active_nodes,
            ),
        };
        let mut message = message_in(message).map_err(|error| ClusterError::Step(error.to_string()))?;
        // Raft ids only ever grow: whoever writes to an earlier one of this node's is behind himself.
        if message.to < self.shared.id {
            return Ok(());
        }
        if message.to > self.shared.id {
            tracing::warn!(
                target: "orderer.consensus.etcdraft", channel = %self.shared.channel, node = self.shared.id,
                "Received msg to {}, my ID is probably wrong due to out of date, cowardly halting", message.to
            );
            // Nothing more is taken, so that it is said once.
            self.shared.stop(Status::Inactive);
            let _ = self.events.send(Event::KnownAs(message.to));
            return Ok(());
        }
        // Whoever was removed and added again does not take answers to who it was, and stops its chain
        // when it is one of Fabric's.
        if message.from > sender {
            self.shared.outdated.notify_one();
            return Ok(());
        }
        // Who sent it is known from the connection; what the message says does not count.
        message.from = sender;
        let incoming =
            Incoming { from: sender, message, active_nodes, counts_submissions: request.counts_submissions };
        // Raft sends again what gets lost.
        let _ = self.messages.try_send(Box::new(incoming));
        Ok(())
    }

    fn connected(&self, sender: u64) {
        // Without a driver there is nobody to lead.
        let _ = self.events.send(Event::Connected(sender));
    }

    async fn forwarded(&self, sender: u64, request: SubmitRequest) -> Result<(), ClusterError> {
        if request.payload.is_empty() {
            return Err(ClusterError::NoEnvelope(request.channel));
        }
        let malformed = |error: envelope::EnvelopeError| ClusterError::MalformedEnvelope(error.to_string());
        let (envelope, canonical) = envelope::decode_canonical(request.payload).map_err(malformed)?;
        let header = envelope::channel_header(&envelope).map_err(malformed)?;
        let is_config =
            [HeaderType::Config as i32, HeaderType::OrdererTransaction as i32].contains(&header.r#type);
        let submission = Submission {
            kind: if is_config { Kind::Config } else { Kind::Normal },
            size_bytes: envelope::size_bytes(&envelope),
            envelope: canonical,
            config_sequence: request.last_validation_seq,
        };
        if request.term == 0 {
            // From one of Fabric's orderers, which will not send it again: it is ours now.
            self.take(submission).await?;
            return Ok(());
        }
        let room = self.shared.others_room.clone().acquire_many_owned(room_kib(&submission));
        let permit = room.await.map_err(|_| OrderError::Stopped)?;
        let (term, sequence, oldest) = (request.term, request.sequence, request.oldest);
        let message = Numbered { submission, term, sequence, oldest };
        self.taken
            .send(Box::new(Taken::Numbered { origin: sender, message, permit }))
            .map_err(|_| OrderError::Stopped.into())
    }

    async fn halt(&self) {
        let (halted, is_halted) = oneshot::channel();
        if self.events.send(Event::Halt(halted)).is_ok() {
            // Either answer means that the driver is through.
            let _ = is_halted.await;
        }
        let _ = self.shared.has_stopped.subscribe().wait_for(|stopped| *stopped).await;
    }
}

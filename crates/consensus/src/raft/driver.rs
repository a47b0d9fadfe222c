//! Drives a Raft chain: carries what happens to the core and what follows from it to disk, network
//! and whoever waits.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use identity::certificate::pem_to_der;
use protos::{
    Message as _,
    etcdraft::ClusterMetadata,
    orderer::{ConsensusRequest, Refusal},
};
use raft::eraftpb::{Message, MessageType, Snapshot};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    chain::{OrderError, Status, Submission},
    channel_state::ChannelState,
    metrics::{Gauge, Metrics},
    transport::{Peer, Transport},
};

use super::{
    catch_up::CatchUp,
    convert::message_out,
    core::{Core, Effect, Input, Tip, is_snapshot},
    disk::{Disk, Report},
    forwarder::{Forwarding, NotForwarded},
    handle::Shared,
    membership::Membership,
    pending::{Numbered, Ticket},
};

/// How long a leader that stops waits for another one to take over.
const HANDOVER_LIMIT: Duration = Duration::from_millis(450);

/// Most messages of each kind that are taken in before what follows from them is worked out.
const BATCH: usize = 1024;

/// A message of another consenter, with what comes along.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) from: u64,
    pub(crate) message: Message,
    pub(crate) active_nodes: Option<Vec<u64>>,
    pub(crate) counts_submissions: bool,
}

/// The leader's word on a message of this node's.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) term: u64,
    pub(crate) sequence: u64,
    pub(crate) reason: OrderError,
}

/// A message to be ordered.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Taken in here.
    Own(Submission, Ticket),
    /// Taken in by another node, which numbers what it sends.
    Numbered { origin: u64, message: Numbered, permit: OwnedSemaphorePermit },
}

/// The ledger reaches the block in a snapshot.
#[derive(Debug)]
pub(crate) struct CaughtUp {
    pub(crate) snapshot: Snapshot,
    pub(crate) tip: Tip,
    pub(crate) membership: Membership,
}

/// What happens less often.
#[derive(Debug)]
pub(crate) enum Event {
    Disk(Report),
    NotForwarded(NotForwarded),
    Refused(Refused),
    Pulled(Arc<channel::block::EncodedBlock>),
    CaughtUp(Box<CaughtUp>),
    CatchUpFailed(String),
    /// Others have this configuration block.
    Behind(Box<Snapshot>),
    /// Another consenter has connected.
    Connected(u64),
    /// This node is a consenter under this later raft id, as a message says that was sent to it.
    KnownAs(u64),
    /// This node is no consenter any more, as whoever found out will tell the node.
    FoundEvicted,
    Halt(oneshot::Sender<()>),
}

/// The receiving ends. A queue takes room for tens of items even while it is empty, in every channel: what
/// is large is boxed.
pub(crate) struct Inbox {
    pub(crate) messages: mpsc::Receiver<Box<Incoming>>,
    pub(crate) taken: mpsc::UnboundedReceiver<Box<Taken>>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
}

/// Why a chain ended.
#[derive(Debug)]
enum End {
    Halted,
    /// The later raft id that others know this node by, if it was added again.
    Evicted(Option<u64>),
    /// The same; who found out tells the node when the chain has ended.
    FoundEvicted,
    Sealed,
    Failed(String),
}

/// Everything that a chain runs with.
pub(crate) struct Driver {
    pub(crate) core: Box<Core>,
    pub(crate) disk: Disk,
    pub(crate) state: Arc<ChannelState>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) forward: mpsc::UnboundedSender<Forwarding>,
    pub(crate) catch_up: CatchUp,
    pub(crate) tick_interval: Duration,
    pub(crate) inbox: Inbox,
    /// Nodes to which the last message could not be sent.
    pub(crate) unreachable: HashSet<u64>,
}

impl Driver {
    /// Runs the chain to its end.
    pub(crate) async fn run(mut self) {
        let mut waiting = Vec::new();
        let end = self.run_until_end(&mut waiting).await;
        self.end(end).await;
        for halted in waiting {
            // Whoever asked need not wait any more.
            let _ = halted.send(());
        }
    }

    async fn run_until_end(&mut self, halts: &mut Vec<oneshot::Sender<()>>) -> End {
        let started = Instant::now();
        let mut ticker =
            tokio::time::interval_at(common_tick(started, self.tick_interval), self.tick_interval);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut handover_until = None;
        loop {
            if let Some(end) = self.advance(started.elapsed()) {
                return end;
            }
            self.shared.observe(&self.core);
            if let Some(until) = handover_until
                && (!self.core.is_leader() || !self.core.is_transferring() || started.elapsed() >= until)
            {
                return End::Halted;
            }
            let deadline = [self.core.deadline(), handover_until].into_iter().flatten().min();
            let alarm = tokio::time::sleep_until(started + deadline.unwrap_or_default());
            let mut event = None;
            tokio::select! {
                _ = ticker.tick() => self.tick(started.elapsed()),
                Some(message) = self.inbox.messages.recv() => self.message(started.elapsed(), message),
                Some(taken) = self.inbox.taken.recv() => self.taken(started.elapsed(), *taken),
                received = self.inbox.events.recv() => event = received,
                () = alarm, if deadline.is_some() => {}
            }
            // What else has come meanwhile goes along.
            let now = started.elapsed();
            for _ in 0..BATCH {
                let Ok(message) = self.inbox.messages.try_recv() else { break };
                self.message(now, message);
            }
            for _ in 0..BATCH {
                let Ok(taken) = self.inbox.taken.try_recv() else { break };
                self.taken(now, *taken);
            }
            while let Some(next) = event {
                match next {
                    Event::Halt(halted) => {
                        halts.push(halted);
                        if handover_until.is_none() {
                            self.core.input(now, Input::TransferLeadership);
                            handover_until = Some(now + HANDOVER_LIMIT);
                        }
                    }
                    next => {
                        if let Some(end) = self.event(now, next) {
                            return end;
                        }
                    }
                }
                event = self.inbox.events.try_recv().ok();
            }
        }
    }

    /// Lets the core work and does what it says, until nothing more follows.
    fn advance(&mut self, now: Duration) -> Option<End> {
        // The library's own checks panic; that must end this chain, never the process.
        let advanced = catch_unwind(AssertUnwindSafe(|| self.core.advance(now)));
        let effects = match advanced {
            Ok(effects) => effects,
            Err(panic) => return Some(End::Failed(panic_text(&*panic))),
        };
        effects.into_iter().find_map(|effect| self.perform(now, effect))
    }

    fn perform(&mut self, now: Duration, effect: Effect) -> Option<End> {
        match effect {
            Effect::Persist(persist) => self.disk.persist(persist),
            Effect::Send(message) => self.send(now, message),
            // The forwarder ends with the driver.
            Effect::Forward(forwarding) => drop(self.forward.send(forwarding)),
            Effect::Refuse { to, term, sequence, reason } => self.refuse(to, term, sequence, reason),
            Effect::Write(write) => self.disk.write(write),
            Effect::SaveSnapshot(snapshot) => self.disk.save_snapshot(snapshot),
            Effect::CatchUp(snapshot) => self.catch_up.begin(snapshot, self.core.membership().clone()),
            Effect::Reconfigure => self.reconfigure(),
            Effect::Evicted => return Some(End::Evicted(None)),
            Effect::Sealed => return Some(End::Sealed),
            Effect::Fail(reason) => return Some(End::Failed(reason)),
        }
        None
    }

    fn input(&mut self, now: Duration, input: Input) {
        let result = catch_unwind(AssertUnwindSafe(|| self.core.input(now, input)));
        if let Err(panic) = result {
            self.core.break_off(panic_text(&*panic));
        }
    }

    fn tick(&mut self, now: Duration) {
        self.input(now, Input::Tick);
        self.disk.flush_ledger();
        self.tell_filters();
    }

    fn message(&mut self, now: Duration, incoming: Box<Incoming>) {
        let Incoming { from, message, active_nodes, counts_submissions } = *incoming;
        self.input(now, Input::Message { message, counts_submissions });
        if let Some(nodes) = active_nodes {
            self.input(now, Input::ActiveNodes { from, nodes });
            self.show_active_nodes();
        }
    }

    fn taken(&mut self, now: Duration, taken: Taken) {
        let input = match taken {
            Taken::Own(submission, ticket) => Input::Submit(submission, ticket),
            Taken::Numbered { origin, message, permit } => {
                Input::Numbered { origin, message, permit: Some(permit) }
            }
        };
        self.input(now, input);
    }

    fn event(&mut self, now: Duration, event: Event) -> Option<End> {
        let input = match event {
            Event::Disk(Report::Persisted(number)) => Input::Persisted(number),
            Event::Disk(Report::Written(number)) => Input::Written(number),
            Event::Disk(Report::SnapshotSaved(index)) => Input::SnapshotSaved(index),
            Event::Disk(Report::Failed(reason)) => return Some(End::Failed(reason)),
            Event::NotForwarded(NotForwarded { term, from_sequence }) => {
                Input::NotForwarded { term, from_sequence }
            }
            Event::Refused(Refused { term, sequence, reason }) => Input::Refused { term, sequence, reason },
            Event::Pulled(block) => Input::Pulled(block),
            Event::CaughtUp(caught_up) => {
                let CaughtUp { snapshot, tip, membership } = *caught_up;
                Input::CaughtUp { snapshot, tip, membership }
            }
            Event::CatchUpFailed(reason) => return Some(End::Failed(reason)),
            Event::Behind(snapshot) => Input::Behind(*snapshot),
            Event::Connected(id) => Input::Connected(id),
            Event::KnownAs(id) => return Some(End::Evicted(Some(id))),
            Event::FoundEvicted => return Some(End::FoundEvicted),
            // Taken care of by the loop.
            Event::Halt(_) => return None,
        };
        self.input(now, input);
        None
    }

    fn send(&mut self, now: Duration, message: Message) {
        let to = message.to;
        let is_snapshot = is_snapshot(&message);
        let is_heartbeat =
            [MessageType::MsgHeartbeat, MessageType::MsgHeartbeatResponse].contains(&message.get_msg_type());
        let report = if self.core.is_leader() { self.core.report_for(to) } else { None };
        let metadata = report.map(|active_nodes| ClusterMetadata { active_nodes }.encode_to_vec());
        let channel = self.state.channel_id();
        let request = ConsensusRequest {
            channel: channel.to_owned(),
            payload: message_out(message).encode_to_vec().into(),
            metadata: metadata.unwrap_or_default().into(),
            counts_submissions: true,
            refusals: Vec::new(),
        };
        let result = match is_heartbeat {
            true => self.transport.send_heartbeat(channel, to, request),
            false => self.transport.send_consensus(channel, to, request),
        };
        let node = self.shared.id;
        let sent = result.is_ok();
        match result {
            Ok(()) if self.unreachable.remove(&to) => tracing::info!(
                target: "orderer.consensus.etcdraft", channel, node,
                "Successfully sent StepRequest to {to} after failed attempt(s)"
            ),
            Ok(()) => {}
            Err(error) if self.unreachable.insert(to) => tracing::error!(
                target: "orderer.consensus.etcdraft", channel, node,
                "Failed to send StepRequest to {to}, because: {error}"
            ),
            Err(error) => tracing::debug!(
                target: "orderer.consensus.etcdraft", channel, node,
                "Failed to send StepRequest to {to}, because: {error}"
            ),
        }
        if !sent {
            self.input(now, Input::Unreachable(to));
        }
        if is_snapshot {
            self.input(now, Input::SnapshotSent { to, sent });
        }
    }

    /// When this gets lost, the other node asks again by sending its message again.
    fn refuse(&self, to: u64, term: u64, sequence: u64, reason: OrderError) {
        let (status, info) = match reason {
            OrderError::Rejected { status, text } => (status, text),
            other => (protos::common::Status::ServiceUnavailable, other.to_string()),
        };
        let request = ConsensusRequest {
            channel: self.state.channel_id().to_owned(),
            refusals: vec![Refusal { term, sequence, status: status as i32, info }],
            ..ConsensusRequest::default()
        };
        let _ = self.transport.send_consensus(self.state.channel_id(), to, request);
    }

    fn reconfigure(&mut self) {
        let own = self.shared.id;
        let members = self.core.membership().members().filter(|(id, _)| *id != own);
        let peers = members.filter_map(|(id, consenter)| {
            let peer = Peer {
                id,
                host: consenter.host.clone(),
                port: u16::try_from(consenter.port).ok()?,
                client_tls_cert_der: pem_to_der(&consenter.client_tls_cert)?,
                server_tls_cert_der: pem_to_der(&consenter.server_tls_cert)?,
            };
            Some(peer)
        });
        self.transport.configure(self.state.channel_id(), peers.collect());
        self.shared.set_cluster_size(self.core.membership().ids().len());
        self.tell_filters();
    }

    /// Changes of the consenters are checked against who is up.
    fn tell_filters(&self) {
        let metadata = self.core.membership().metadata.clone();
        self.state.set_raft_view(metadata, self.core.active_nodes().to_vec());
    }

    /// What the leader said of who is up. Whoever sees it in the metric may count on the filters to know it.
    fn show_active_nodes(&self) {
        self.tell_filters();
        if !self.core.is_leader() {
            let count = self.core.active_nodes().len() as u64;
            self.metrics.set(Gauge::ActiveNodes, self.state.channel_id(), count);
        }
    }

    async fn end(mut self, end: End) {
        let (channel, node) = (self.state.channel_id().to_owned(), self.shared.id);
        let status = match &end {
            End::Failed(reason) => {
                tracing::error!(
                    target: "orderer.consensus.etcdraft", channel, node,
                    "The chain is stopped, because going on could break the channel: {reason}"
                );
                self.shared.fail(reason);
                Status::Failed
            }
            End::Halted | End::Evicted(_) | End::FoundEvicted | End::Sealed => Status::Inactive,
        };
        self.shared.stop(status);
        self.core.abandon(&OrderError::Stopped);
        self.inbox.messages.close();
        self.inbox.taken.close();
        self.inbox.events.close();
        // With this the eviction check ends, too.
        self.catch_up.stop().await;
        self.disk.finish().await;
        self.transport.forget(&channel);
        tracing::info!(target: "orderer.consensus.etcdraft", channel, node, "Raft node stopped");
        tracing::info!(target: "orderer.consensus.etcdraft", channel, node, "Stop garbage collecting");
        tracing::info!(target: "orderer.consensus.etcdraft", channel, node, "Stop serving requests");
        tracing::info!(target: "orderer.consensus.etcdraft", channel, node, "Periodic check is stopping.");
        if matches!(end, End::Evicted(_) | End::FoundEvicted) {
            self.metrics.set(Gauge::ActiveNodes, &channel, 0);
        }
        self.shared.stopped();
        if let End::Evicted(known_as) = end {
            let events = self.state.events().clone();
            let switched = tokio::task::spawn_blocking(move || events.switch_to_follower(&channel, known_as));
            // Only a panic in there could fail; it is reported by its own hook.
            let _ = switched.await;
        }
    }
}

/// The first tick after `now`. The channels of a node with the same interval tick at the same moments:
/// the node wakes once for all of them, and what they send leaves together.
fn common_tick(now: Instant, interval: Duration) -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let epoch = *EPOCH.get_or_init(|| now);
    let nanoseconds = interval.as_nanos().max(1);
    let into_tick = now.saturating_duration_since(epoch).as_nanos() % nanoseconds;
    // Below an interval of a configuration, which counts nanoseconds in 63 bits.
    now + Duration::from_nanos(u64::try_from(nanoseconds - into_tick).unwrap_or(u64::MAX))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    format!("the raft library found itself in an impossible state: {text}")
}

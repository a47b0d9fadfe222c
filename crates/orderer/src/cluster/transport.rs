//! The consenters' transport over the cluster service.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use consensus::transport::{Peer, Transport, TransportError};
use parking_lot::Mutex;
use protos::orderer::{ConsensusRequest, StepRequest, SubmitRequest, step_request::Payload};

use super::{
    connections::{Connections, Destination},
    heartbeats::{self, HeartbeatLane},
    members::Members,
    stream::{Kind, OutgoingStream, StreamOptions},
};
use crate::{
    metrics::Metrics,
    tls::{dialer::Dialer, trust::TrustPool},
};

/// How the cluster is spoken to.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Queues and limits of each stream.
    pub streams: StreamOptions,
}

/// Sends to the other consenters of every channel.
pub struct ClusterTransport {
    options: ClusterOptions,
    connections: Arc<Connections>,
    members: Arc<Members>,
    metrics: Arc<Metrics>,
    channels: ArcSwap<HashMap<String, Arc<Stubs>>>,
    /// The streams that the heartbeats of all channels share. Held while channels are reconfigured.
    lanes: Mutex<Lanes>,
}

type Lanes = HashMap<Destination, Weak<OutgoingStream>>;

/// The other consenters of a channel, by raft id.
type Stubs = HashMap<u64, Arc<Stub>>;

/// The streams to one consenter of one channel.
struct Stub {
    peer: Peer,
    heartbeats: HeartbeatLane,
    consensus: OutgoingStream,
    transaction: OutgoingStream,
}

impl ClusterTransport {
    /// A transport without channels. Whom it configures is put into `members`, too, so that they
    /// are known when they call.
    pub fn new(
        dialer: Dialer,
        roots: Arc<TrustPool>,
        members: Arc<Members>,
        options: ClusterOptions,
        metrics: Arc<Metrics>,
    ) -> Self {
        let count = metrics.cluster_comm_egress_tls_connection_count.with([]);
        let connections = Arc::new(Connections::new(dialer, roots, count));
        let channels = ArcSwap::default();
        Self { options, connections, members, metrics, channels, lanes: Mutex::default() }
    }

    fn stub(&self, channel: &str, id: u64) -> Result<Arc<Stub>, TransportError> {
        let channels = self.channels.load();
        let stubs =
            channels.get(channel).ok_or_else(|| TransportError::UnknownChannel(channel.to_owned()))?;
        let unknown = || TransportError::UnknownNode { id, channel: channel.to_owned() };
        stubs.get(&id).cloned().ok_or_else(unknown)
    }

    fn allocate(&self, channel: &str, peer: &Peer, lanes: &mut Lanes) -> Arc<Stub> {
        tracing::info!(target: "orderer.common.cluster",
            "Allocating a new stub for node {} with endpoint of {}:{} for channel {channel}",
            peer.id, peer.host, peer.port);
        let heard = self.members.heard(channel, peer.id);
        let stream = |channel: &str, kind, queue_length| {
            let options = StreamOptions { queue_length, ..self.options.streams.clone() };
            let connections = self.connections.clone();
            OutgoingStream::new(channel, peer, kind, options, connections, heard.clone(), &self.metrics)
        };
        let length = self.options.streams.queue_length;
        let (consensus, transaction) =
            (stream(channel, Kind::Consensus, length), stream(channel, Kind::Transaction, length));
        let shared = lanes.entry(Destination::of(peer)).or_default();
        let lane = shared.upgrade().unwrap_or_else(|| {
            Arc::new(stream(heartbeats::NO_CHANNEL, Kind::Heartbeat, heartbeats::QUEUE_LENGTH))
        });
        *shared = Arc::downgrade(&lane);
        self.connect(peer);
        let heartbeats = HeartbeatLane::new(lane, heard.clone());
        Arc::new(Stub { peer: peer.clone(), heartbeats, consensus, transaction })
    }

    /// Lets a consenter know that this node is there: it may have given up on it. A connection is all that
    /// is safe to begin with, as one of Fabric's stops its chain when it is written to under a former raft id.
    fn connect(&self, peer: &Peer) {
        let (connections, destination) = (self.connections.clone(), Destination::of(peer));
        tokio::spawn(async move {
            if let Err(reason) = connections.get(&destination).await {
                tracing::debug!(target: "orderer.common.cluster",
                    "No connection to {} yet: {reason}", destination.endpoint());
            }
        });
    }

    /// Replaces a channel's stubs and closes the connections that nobody needs any more.
    fn install(&self, channel: &str, stubs: Option<Stubs>) {
        let mut next = HashMap::clone(&self.channels.load());
        let before = match stubs {
            Some(stubs) => next.insert(channel.to_owned(), Arc::new(stubs)),
            None => next.remove(channel),
        };
        if before.is_none_or(|stubs| stubs.is_empty()) {
            self.channels.store(Arc::new(next));
            return;
        }
        let stubs = next.values().flat_map(|stubs| stubs.values());
        let wanted: HashSet<_> = stubs.map(|stub| Destination::of(&stub.peer)).collect();
        self.channels.store(Arc::new(next));
        self.connections.retain(|destination| wanted.contains(destination));
    }
}

#[async_trait]
impl Transport for ClusterTransport {
    fn configure(&self, channel: &str, peers: Vec<Peer>) {
        let mut lanes = self.lanes.lock();
        let nodes: Vec<_> = peers.iter().map(|p| format!("{}={}:{}", p.id, p.host, p.port)).collect();
        tracing::info!(target: "orderer.common.cluster", "Entering, channel: {channel}, nodes: {nodes:?}");
        self.members.set(channel, &peers);
        let current = self.channels.load().get(channel).cloned().unwrap_or_default();
        let mut stubs = Stubs::new();
        for peer in &peers {
            let stub = match current.get(&peer.id) {
                Some(stub) if stub.peer == *peer => stub.clone(),
                other => {
                    if let Some(stub) =
                        other.filter(|s| s.peer.server_tls_cert_der != peer.server_tls_cert_der)
                    {
                        tracing::info!(target: "orderer.common.cluster",
                            "Deactivating node {} in channel {channel} with endpoint of {}:{} due to TLS certificate change",
                            peer.id, stub.peer.host, stub.peer.port);
                    }
                    self.allocate(channel, peer, &mut lanes)
                }
            };
            stubs.insert(peer.id, stub);
        }
        for (id, stub) in current.iter() {
            if !stubs.contains_key(id) {
                tracing::info!(target: "orderer.common.cluster",
                    "Deactivated node {id} who's endpoint is {}:{} as it's removed from membership",
                    stub.peer.host, stub.peer.port);
                stub.consensus.finish();
                stub.transaction.finish();
            } else if !stubs.get(id).is_some_and(|kept| Arc::ptr_eq(kept, stub)) {
                stub.consensus.shut_down();
                stub.transaction.shut_down();
            }
        }
        drop(current);
        self.install(channel, Some(stubs));
        lanes.retain(|_, lane| lane.strong_count() > 0);
        tracing::info!(target: "orderer.common.cluster", "Exiting");
    }

    fn send_consensus(
        &self,
        channel: &str,
        to: u64,
        request: ConsensusRequest,
    ) -> Result<(), TransportError> {
        let request = StepRequest { payload: Some(Payload::ConsensusRequest(request)) };
        self.stub(channel, to)?.consensus.try_send(request)
    }

    fn send_heartbeat(
        &self,
        channel: &str,
        to: u64,
        request: ConsensusRequest,
    ) -> Result<(), TransportError> {
        let stub = self.stub(channel, to)?;
        let request = StepRequest { payload: Some(Payload::ConsensusRequest(request)) };
        stub.heartbeats.stream().unwrap_or(&stub.consensus).try_send(request)
    }

    async fn send_submit(
        &self,
        channel: &str,
        to: u64,
        request: SubmitRequest,
    ) -> Result<(), TransportError> {
        let request = StepRequest { payload: Some(Payload::SubmitRequest(request)) };
        self.stub(channel, to)?.transaction.send(request).await
    }

    fn forget(&self, channel: &str) {
        let mut lanes = self.lanes.lock();
        self.members.forget(channel);
        if let Some(stubs) = self.channels.load().get(channel) {
            for stub in stubs.values() {
                stub.consensus.shut_down();
                stub.transaction.shut_down();
            }
        }
        self.install(channel, None);
        lanes.retain(|_, lane| lane.strong_count() > 0);
    }
}

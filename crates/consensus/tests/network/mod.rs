//! Networks of Raft chains in one process: real chains, ledgers and logs, wires in memory.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod organization;

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use channel::{block::EncodedBlock, bundle::Bundle};
use consensus::{
    chain::{Chain, OrderError},
    channel_state::{ChannelEvents, ChannelOptions, ChannelState, NoEvents},
    follower::{self, FollowerParts},
    metrics::NoMetrics,
    raft::{self, RaftOptions},
    source::{BlockSource, BlockSources, BlockStream, ReplicationOptions, SourceError},
    transport::{Peer, Transport, TransportError},
};
use protos::{
    etcdraft::Consenter,
    orderer::{ConsensusRequest, SubmitRequest},
};
use storage::ledger::{LedgerOptions, LedgerStore};
use tempfile::TempDir;

use organization::{NodeIdentity, Org};

pub const CHANNEL: &str = "testchannel";

/// The wires: who can be reached, and which are cut.
#[derive(Default)]
pub struct Wires {
    chains: RwLock<BTreeMap<u64, Arc<dyn Chain>>>,
    states: RwLock<BTreeMap<u64, Arc<ChannelState>>>,
    cut: Mutex<HashSet<(u64, u64)>>,
    /// Nodes to which messages get lost without anybody noticing.
    muted: Mutex<HashSet<u64>>,
    /// Term and sender of the last heartbeat.
    leader: Mutex<(u64, u64)>,
}

impl Wires {
    fn reach(&self, from: u64, to: u64) -> Result<Arc<dyn Chain>, TransportError> {
        let lost = || TransportError::NotConnected {
            id: to,
            endpoint: "memory".to_owned(),
            state: "TRANSIENT_FAILURE",
        };
        if self.cut.lock().unwrap().contains(&(from, to)) {
            return Err(lost());
        }
        self.chains.read().unwrap().get(&to).cloned().ok_or_else(lost)
    }

    /// Loses what is sent to a node, or does so no more.
    pub fn mute(&self, node: u64, is_muted: bool) {
        let mut muted = self.muted.lock().unwrap();
        if is_muted {
            muted.insert(node)
        } else {
            muted.remove(&node)
        };
    }

    /// Cuts or mends all wires of a node.
    pub fn isolate(&self, node: u64, others: &[u64], is_cut: bool) {
        let mut cut = self.cut.lock().unwrap();
        for other in others {
            for wire in [(node, *other), (*other, node)] {
                if is_cut {
                    cut.insert(wire)
                } else {
                    cut.remove(&wire)
                };
            }
        }
    }
}

struct Wire {
    own: u64,
    wires: Arc<Wires>,
}

/// Who sends heartbeats leads.
fn note_leader(wires: &Wires, own: u64, request: &ConsensusRequest) {
    let message = <protos::raftpb::Message as protos::Message>::decode(request.payload.clone()).unwrap();
    if message.r#type == Some(protos::raftpb::MessageType::MsgHeartbeat as i32) {
        *wires.leader.lock().unwrap() = (message.term(), own);
    }
}

#[async_trait]
impl Transport for Wire {
    fn configure(&self, _: &str, _: Vec<Peer>) {}
    fn send_consensus(&self, _: &str, to: u64, request: ConsensusRequest) -> Result<(), TransportError> {
        let chain = self.wires.reach(self.own, to)?;
        note_leader(&self.wires, self.own, &request);
        if self.wires.muted.lock().unwrap().contains(&to) {
            return Ok(());
        }
        chain.consensus_message(self.own, request).map_err(|e| TransportError::Aborted(e.to_string()))
    }
    async fn send_submit(&self, _: &str, to: u64, request: SubmitRequest) -> Result<(), TransportError> {
        let chain = self.wires.reach(self.own, to)?;
        chain.forwarded(self.own, request).await.map_err(|e| TransportError::Aborted(e.to_string()))
    }
    fn forget(&self, _: &str) {}
}

/// Blocks from the ledgers of the other nodes.
struct Neighbours {
    own: u64,
    wires: Arc<Wires>,
}

impl BlockSources for Neighbours {
    fn for_channel(&self, _: &str, _: &Bundle) -> Arc<dyn BlockSource> {
        Arc::new(Self { own: self.own, wires: self.wires.clone() })
    }
}

impl Neighbours {
    fn states(&self) -> Vec<(u64, Arc<ChannelState>)> {
        let cut = self.wires.cut.lock().unwrap();
        let states = self.wires.states.read().unwrap();
        let reachable = states.iter().filter(|(id, _)| **id != self.own && !cut.contains(&(self.own, **id)));
        reachable.map(|(id, state)| (*id, state.clone())).collect()
    }
}

#[async_trait]
impl BlockSource for Neighbours {
    async fn heights(&self) -> Vec<(String, u64)> {
        self.states().iter().map(|(id, state)| (id.to_string(), state.height())).collect()
    }
    async fn pull(&self, first: u64, last_inclusive: Option<u64>) -> Result<BlockStream, SourceError> {
        let unreachable = || SourceError::Unreachable { first, reason: "nobody has it".to_owned() };
        let states = self.states();
        let (_, state) = states.iter().max_by_key(|(_, state)| state.height()).ok_or_else(unreachable)?;
        let end = last_inclusive.map_or(state.height(), |last| last + 1).min(state.height());
        let blocks: Vec<Result<Arc<EncodedBlock>, SourceError>> =
            (first..end).map(|number| Ok(state.ledger().block(number).unwrap().unwrap())).collect();
        if blocks.is_empty() {
            return Err(unreachable());
        }
        Ok(Box::pin(futures::stream::iter(blocks)))
    }
}

pub struct Node {
    pub id: u64,
    pub identity: NodeIdentity,
    pub state: Arc<ChannelState>,
    pub chain: Arc<dyn Chain>,
    dir: Arc<TempDir>,
}

pub struct Network {
    pub org: Org,
    pub wires: Arc<Wires>,
    pub nodes: BTreeMap<u64, Node>,
    stopped: BTreeMap<u64, (NodeIdentity, Arc<TempDir>)>,
    /// How long nodes that are started from now on bear to have no leader.
    pub eviction_suspicion: Duration,
    /// Which nodes were told to switch, and to what.
    pub switches: tokio::sync::mpsc::UnboundedReceiver<&'static str>,
    switch: tokio::sync::mpsc::UnboundedSender<&'static str>,
}

impl Network {
    pub fn start(size: u64, batch: (u32, Duration), snapshot_interval_bytes: u32) -> Self {
        let org = Org::new();
        let identities: Vec<NodeIdentity> = (1..=size).map(|number| org.node(number)).collect();
        let genesis = org.genesis(CHANNEL, organization::raft(&identities, snapshot_interval_bytes), batch);
        let (switch, switches) = tokio::sync::mpsc::unbounded_channel();
        let mut network = Self {
            org,
            wires: Arc::default(),
            nodes: BTreeMap::new(),
            stopped: BTreeMap::new(),
            eviction_suspicion: Duration::from_secs(600),
            switches,
            switch,
        };
        for (id, identity) in (1..).zip(identities) {
            let dir = Arc::new(tempfile::tempdir().unwrap());
            let store = LedgerStore::open(dir.path(), LedgerOptions::default()).unwrap();
            store.open_channel(CHANNEL).unwrap().append(&genesis).unwrap();
            drop(store);
            network.boot(id, identity, dir);
        }
        network
    }

    fn boot(&mut self, id: u64, identity: NodeIdentity, dir: Arc<TempDir>) {
        let state = open_with(dir.path(), &identity, Arc::new(Switches(self.switch.clone())));
        let options = RaftOptions {
            wal_dir: dir.path().join("etcdraft/wal"),
            snap_dir: dir.path().join("etcdraft/snapshot"),
            eviction_suspicion: Some(self.eviction_suspicion),
            tick_interval_override: None,
            own_server_cert_der: identity.server_cert_der(),
            rpc_timeout: Duration::from_secs(7),
            replication: ReplicationOptions::default(),
        };
        let wire = Arc::new(Wire { own: id, wires: self.wires.clone() });
        let neighbours = Arc::new(Neighbours { own: id, wires: self.wires.clone() });
        let chain = raft::start(state.clone(), &options, wire, neighbours, Arc::new(NoMetrics)).unwrap();
        self.wires.chains.write().unwrap().insert(id, chain.clone());
        self.wires.states.write().unwrap().insert(id, state.clone());
        self.nodes.insert(id, Node { id, identity, state, chain, dir });
    }

    /// Who leads: the sender of the newest heartbeat, if it runs.
    pub async fn leader(&self) -> u64 {
        for _ in 0..3000 {
            let (_, leader) = *self.wires.leader.lock().unwrap();
            if self.nodes.contains_key(&leader) {
                return leader;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody sends heartbeats");
    }

    /// Stops a node in good order.
    pub async fn stop(&mut self, id: u64) {
        let node = self.nodes.remove(&id).unwrap();
        node.chain.halt().await;
        self.wires.chains.write().unwrap().remove(&id);
        self.wires.states.write().unwrap().remove(&id);
        self.stopped.insert(id, (node.identity, node.dir));
    }

    /// Starts it again on its own files.
    pub fn restart(&mut self, id: u64) {
        let (identity, dir) = self.stopped.remove(&id).unwrap();
        self.boot(id, identity, dir);
    }

    /// Waits until all running nodes have as many blocks.
    pub async fn wait_height(&self, height: u64) {
        for node in self.nodes.values() {
            let mut watch = node.state.watch_height();
            let reached = watch.wait_for(|reached| *reached >= height);
            if tokio::time::timeout(Duration::from_secs(30), reached).await.is_err() {
                panic!(
                    "node {} has {} blocks, not {height}: {:?}",
                    node.id,
                    node.state.height(),
                    node.chain.relation_and_status()
                );
            }
        }
    }

    /// All nodes have the same chain, as far as it goes; returns its entries in order.
    pub fn check_chains(&self) -> Vec<bytes::Bytes> {
        let longest = self.nodes.values().max_by_key(|node| node.state.height()).unwrap();
        let mut entries = Vec::new();
        let mut previous = None;
        for number in 0..longest.state.height() {
            let block = longest.state.ledger().block(number).unwrap().unwrap();
            if let Some(previous) = previous {
                assert_eq!(block.header().previous_hash, &previous as &[u8], "block {number}");
            }
            previous = Some(block.header_hash());
            for node in self.nodes.values().filter(|node| node.state.height() > number) {
                let other = node.state.ledger().block(number).unwrap().unwrap();
                assert_eq!(other.header_hash(), block.header_hash(), "block {number} of node {}", node.id);
            }
            entries.extend(block.data().iter().cloned());
        }
        entries
    }
}

/// Tells when the node is to switch.
pub struct Switches(tokio::sync::mpsc::UnboundedSender<&'static str>);

impl ChannelEvents for Switches {
    fn switch_to_follower(&self, _: &str, _: Option<u64>) {
        // A test may be over before all is told.
        let _ = self.0.send("follower");
    }
    fn switch_to_consenter(&self, _: &str) {
        let _ = self.0.send("consenter");
    }
}

impl Network {
    /// Changes the consenters by a configuration update that this node takes in.
    pub async fn reconfigure(
        &self,
        through: u64,
        change: impl FnOnce(&mut Vec<Consenter>),
    ) -> Result<u64, OrderError> {
        let node = &self.nodes[&through];
        let update = self.org.consenter_update(&node.state.bundle(), change);
        let mut made = Org::config_submission(&node.state, &update);
        // Followers refuse until the leader has told them who is up.
        for _ in 0..500 {
            if made.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            made = Org::config_submission(&node.state, &update);
        }
        let submission = made.unwrap();
        let receipt = node.chain.order(submission).await?;
        tokio::time::timeout(Duration::from_secs(30), receipt.committed()).await.unwrap()
    }

    /// Joins a node with the newest configuration block of another: it pulls all blocks as a
    /// follower and then takes part.
    pub async fn join(&mut self, id: u64, identity: NodeIdentity) {
        let join_block = self.nodes.values().next().unwrap().state.last_config_block().unwrap();
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let store = LedgerStore::open(dir.path(), LedgerOptions::default()).unwrap();
        let (switch, mut switched) = tokio::sync::mpsc::unbounded_channel();
        let follower = follower::start(FollowerParts {
            channel_id: CHANNEL.to_owned(),
            ledger: store.open_channel(CHANNEL).unwrap(),
            join_block: Some(join_block),
            known_as: None,
            own_server_cert_der: identity.server_cert_der(),
            signer: identity.signer.clone(),
            options: ChannelOptions::default(),
            events: Arc::new(Switches(switch)),
            sources: Arc::new(Neighbours { own: id, wires: self.wires.clone() }),
            replication: ReplicationOptions::default(),
        })
        .unwrap();
        assert_eq!(
            tokio::time::timeout(Duration::from_secs(30), switched.recv()).await.unwrap(),
            Some("consenter")
        );
        follower.halt().await;
        drop((follower, store));
        self.boot(id, identity, dir);
    }
}

pub fn open(dir: &Path, identity: &NodeIdentity) -> Arc<ChannelState> {
    open_with(dir, identity, Arc::new(NoEvents))
}

fn open_with(dir: &Path, identity: &NodeIdentity, events: Arc<dyn ChannelEvents>) -> Arc<ChannelState> {
    let store = LedgerStore::open(dir, LedgerOptions::default()).unwrap();
    let ledger = store.open_channel(CHANNEL).unwrap();
    ChannelState::open(CHANNEL, ledger, identity.signer.clone(), ChannelOptions::default(), events).unwrap()
}

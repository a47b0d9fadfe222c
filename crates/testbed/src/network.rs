//! A network of ordering nodes that serve one channel.

use crate::material::{PublicAuthority, set_genesis, set_key};
use crate::node::{Node, NodeOptions};
use crate::proxy::Proxy;
use crate::system_channel::SYSTEM_CHANNEL;
use crate::{ports, wait};
use ::http::{Method, StatusCode};
use bytes::Bytes;
use cli::client::broadcast::Answers;
use cli::client::connection::{Connection, Endpoint};
use cli::client::deliver::{Blocks, DeliverError, Position};
use cli::client::http::{self, HttpRequest};
use cli::client::participation::{self, ChannelInfo};
use cli::client::tls::{ClientIdentity, Tls};
use cli::client::transaction::Signer;
use cli::sandbox::layout::{CLIENT_MSPID, Layout, ORDERER_MSPID};
use cli::sandbox::material;
use identity::signing::SigningIdentity;
use protos::common::{Block, Config};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Ports a node may use: what [`Layout`] names, and one behind the proxy.
const PORTS_PER_NODE: u16 = 10;
/// From a node's advertised port to the one that it listens on behind its proxy, or for clients only.
pub(crate) const BEHIND_PROXY: u16 = 5;

/// How a network is made.
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// How many nodes the channel begins with.
    pub nodes: u16,
    /// How many more there are that are not part of the channel, but may be added.
    pub spare_nodes: u16,
    /// The program of some nodes, in the place of the one under test.
    pub programs: BTreeMap<usize, PathBuf>,
    /// What is different in the channel's first config.
    pub genesis: fn(&mut Config),
    /// Raft's tick, instead of the channel's 500 ms: elections in tests need not take seconds.
    pub tick: Option<Duration>,
    /// Whether there is a [`Proxy`] in front of each node, so that it can be cut off.
    pub proxied: bool,
    /// Whether the orderers have a listener of their own, at the port that the channel's config names.
    /// The one for clients then has a certificate of another authority.
    pub cluster_listener: bool,
    /// Keys of `Consensus` in every node's `orderer.yaml`; variables do not reach those that the file
    /// does not have.
    pub consensus: &'static [(&'static str, &'static str)],
    /// More variables for every node.
    pub environment: Vec<(String, String)>,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            nodes: 3,
            spare_nodes: 0,
            programs: BTreeMap::new(),
            genesis: |_| {},
            tick: Some(Duration::from_millis(50)),
            proxied: false,
            cluster_listener: false,
            consensus: &[],
            environment: Vec::new(),
        }
    }
}

/// One node with where it is reached.
pub struct Member {
    /// The process.
    pub node: Node,
    /// Where clients reach it, past its proxy if it has one.
    pub endpoint: Endpoint,
    /// Its channel participation API.
    pub admin: Endpoint,
    /// The port of its metrics and health checks, without TLS.
    pub operations_port: u16,
}

/// Running nodes, their wires and a client's means to talk to them.
pub struct Network {
    // Dropped in this order: processes before the directory they write to.
    members: Vec<Member>,
    /// Which of them serve the channel.
    serving: BTreeSet<usize>,
    proxies: Vec<Proxy>,
    signer: Signer,
    runtime: Runtime,
    layout: Option<Layout>,
    _directory: Option<TempDir>,
}

impl Network {
    /// Makes the material, starts all nodes, joins them to the channel and waits for a leader.
    ///
    /// # Panics
    /// When any of that fails.
    pub fn start(options: &NetworkOptions) -> Self {
        let mut network = Self::start_without_channel(options);
        let genesis = fs::read(network.layout().genesis_block()).expect("the material has a genesis block");
        network.join_all(&genesis);
        network.wait_for_leader();
        network
    }

    /// As [`Network::start`], but no node joins the channel.
    ///
    /// # Panics
    /// When any of that fails.
    pub fn start_without_channel(options: &NetworkOptions) -> Self {
        let mut network = Self::prepare(options);
        network.start_all();
        network
    }

    /// Makes the material, and starts nothing.
    ///
    /// # Panics
    /// When that fails.
    pub(crate) fn prepare(options: &NetworkOptions) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let all_nodes = options.nodes + options.spare_nodes;
        let base_port = ports::block(all_nodes * PORTS_PER_NODE);
        let layout =
            Layout::new(directory.path(), "ch1", all_nodes, base_port).expect("the ports are below 65536");
        let mut first_layout = layout.clone();
        first_layout.nodes.truncate(options.nodes.into());
        // What was made for all is kept, but for the genesis block.
        for layout in [&layout, &first_layout] {
            material::generate(layout).unwrap_or_else(|e| panic!("cannot make the network's material: {e}"));
        }
        set_genesis(&first_layout, options);
        let mut roots = vec![layout.tls_ca()];
        let public = options.cluster_listener.then(|| PublicAuthority::new(directory.path()));
        roots.extend(public.iter().map(|public| public.root.clone()));
        let tls = |folder: &Path| {
            let (certificate, key) = (folder.join("client.crt"), folder.join("client.key"));
            let identity = ClientIdentity { certificate: &certificate, key: &key };
            Tls::load(&roots, Some(identity)).unwrap_or_else(|e| panic!("client TLS: {e}"))
        };
        let plain = ("ORDERER_GENERAL_TLS_ENABLED".to_owned(), "false".to_owned());
        let is_plain = options.environment.contains(&plain);
        let (client, admin) = (tls(&layout.client_tls()), tls(&layout.admin_tls()));
        let members = layout.nodes.iter().enumerate().map(|(index, node)| {
            let directory = layout.node_dir(node);
            if let Some(tick) = options.tick {
                set_key(&directory, "Consensus", "TickIntervalOverride", &format!("{}ms", tick.as_millis()));
            }
            for (key, value) in options.consensus {
                set_key(&directory, "Consensus", key, value);
            }
            let mut environment = vec![("ORDERER_METRICS_PROVIDER".to_owned(), "prometheus".to_owned())];
            let mut port = node.port;
            if options.proxied {
                port += BEHIND_PROXY;
                environment.push(("ORDERER_GENERAL_LISTENPORT".to_owned(), port.to_string()));
            }
            if let Some(public) = &public {
                port += BEHIND_PROXY;
                environment.extend(public.cluster_listener(&directory, node.port, port));
            }
            environment.extend(options.environment.iter().cloned());
            Member {
                node: Node::new(NodeOptions {
                    program: options.programs.get(&index).cloned(),
                    directory,
                    environment,
                    ..NodeOptions::default()
                }),
                endpoint: endpoint(format!("127.0.0.1:{port}"), (!is_plain).then_some(&client)),
                admin: endpoint(node.admin_address(), Some(&admin)),
                operations_port: node.operations_port,
            }
        });
        let members: Vec<_> = members.collect();
        let proxies = if options.proxied {
            layout.nodes.iter().map(|node| Proxy::new(node.port, node.port + BEHIND_PROXY)).collect()
        } else {
            Vec::new()
        };
        let signer = Signer::new(signing_identity(&layout.client_msp(), CLIENT_MSPID), &layout.channel);
        let mut network = Self::new(members, signer);
        network.proxies = proxies;
        network.layout = Some(layout);
        network._directory = Some(directory);
        network.serving = (0..options.nodes.into()).collect();
        network
    }

    /// A network of nodes made elsewhere, not started yet.
    ///
    /// # Panics
    /// When no runtime can be made for its clients.
    pub fn new(members: Vec<Member>, signer: Signer) -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        let serving = (0..members.len()).collect();
        Self { members, serving, proxies: Vec::new(), signer, runtime, layout: None, _directory: None }
    }

    /// The nodes that serve the channel.
    pub fn serving(&self) -> Vec<usize> {
        self.serving.iter().copied().collect()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no nodes at all.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A node.
    pub fn node(&mut self, node: usize) -> &mut Node {
        &mut self.members[node].node
    }

    /// Where everything is, in a network made by [`Network::start`].
    ///
    /// # Panics
    /// In any other.
    pub fn layout(&self) -> &Layout {
        self.layout.as_ref().expect("the network was made by Network::start")
    }

    /// The runtime that clients of this network run on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// What is asked of the nodes, or sent to them, is of this channel from now on, which these nodes serve:
    /// by the orderers' administrator where it is the system channel, otherwise by a client.
    ///
    /// # Panics
    /// When the network was not made by [`Network::start`].
    pub fn turn_to(&mut self, channel: &str, serving: &[usize]) {
        let layout = self.layout();
        let identity = match channel {
            SYSTEM_CHANNEL => signing_identity(&layout.admin_msp(), ORDERER_MSPID),
            _ => signing_identity(&layout.client_msp(), CLIENT_MSPID),
        };
        self.signer = Signer::new(identity, channel);
        self.serving = serving.iter().copied().collect();
    }

    /// Signs for the channel.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Where clients reach a node, past its proxy.
    pub fn endpoint(&self, node: usize) -> &Endpoint {
        &self.members[node].endpoint
    }

    /// Where clients reach all nodes that serve the channel.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.serving.iter().map(|&node| self.members[node].endpoint.clone()).collect()
    }

    /// Clients use this TLS with a node from now on.
    pub fn set_tls(&mut self, node: usize, tls: Tls) {
        self.members[node].endpoint.tls = Some(tls);
    }

    /// Where a node's channel participation API is.
    pub fn admin(&self, node: usize) -> &Endpoint {
        &self.members[node].admin
    }

    /// Starts every node that is not running and waits until each serves.
    pub fn start_all(&mut self) {
        let mut started = Vec::new();
        for Member { node, .. } in &mut self.members {
            if !node.is_running() {
                node.kill();
                let mark = node.log().len();
                node.start();
                started.push((node, mark));
            }
        }
        for (node, mark) in started {
            node.wait_for_log("Beginning to serve requests", mark);
        }
    }

    /// Joins all nodes that are to serve the channel, by its genesis block or a config block.
    ///
    /// # Panics
    /// When one of them refuses.
    pub fn join_all(&mut self, config_block: &[u8]) {
        for node in self.serving() {
            self.join(node, config_block);
        }
    }

    /// Joins a node to the channel; from then on it is one of those that serve it. Gives its answer.
    ///
    /// # Panics
    /// When it refuses.
    pub fn join(&mut self, node: usize, config_block: &[u8]) -> ChannelInfo {
        let admin = &self.members[node].admin;
        let joined = self.runtime.block_on(participation::join(admin, config_block));
        self.serving.insert(node);
        joined.unwrap_or_else(|e| panic!("{} cannot join: {e}", admin.address))
    }

    /// Removes the channel from a node.
    ///
    /// # Panics
    /// When the node refuses.
    pub fn remove_channel(&mut self, node: usize) {
        let path = format!("/participation/v1/channels/{}", self.signer.channel());
        let request = HttpRequest { method: Method::DELETE, ..HttpRequest::get(&path) };
        let answer = self.runtime.block_on(http::send(&self.members[node].admin, request));
        let answer = answer.unwrap_or_else(|e| panic!("node {node} cannot be asked: {e}"));
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "node {node} keeps the channel: {text}");
        self.serving.remove(&node);
    }

    /// A node serves the channel as one that had left it.
    pub fn serves_again(&mut self, node: usize) {
        self.serving.insert(node);
    }

    /// A node serves the channel no more.
    pub fn leaves(&mut self, node: usize) {
        self.serving.remove(&node);
    }

    /// The node that leads the channel, by its own metrics.
    pub fn leader(&self) -> Option<usize> {
        let leads = |node: &usize| self.channel_metric(*node, "consensus_etcdraft_is_leader") == Some(1.0);
        self.serving.iter().copied().find(leads)
    }

    /// All metrics of a node, empty when it does not answer.
    pub fn metrics(&self, node: usize) -> String {
        http_get(self.members[node].operations_port, "/metrics").unwrap_or_default()
    }

    /// The value of a sample, given as it stands in the text: `name` or `name{label="value"}`.
    pub fn metric(&self, node: usize, sample: &str) -> Option<f64> {
        let metrics = self.metrics(node);
        metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
    }

    /// The value of a metric whose only label is the channel.
    pub fn channel_metric(&self, node: usize, name: &str) -> Option<f64> {
        self.metric(node, &format!("{name}{{channel=\"{}\"}}", self.signer.channel()))
    }

    /// What a node says of its health.
    pub fn health(&self, node: usize) -> Option<String> {
        http_get(self.members[node].operations_port, "/healthz")
    }

    /// Waits until a node leads.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_for_leader(&self) -> usize {
        wait::until("a leader", Duration::from_secs(60), || self.leader())
    }

    /// Waits until a node leads that is not `old`.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_for_leader_other_than(&self, old: usize) -> usize {
        wait::until("another leader", Duration::from_secs(60), || self.leader().filter(|&node| node != old))
    }

    /// Cuts a node off from the others, both ways. Clients still reach it.
    ///
    /// # Panics
    /// When the network has no proxies, or the node is not running.
    pub fn isolate(&self, node: usize) {
        assert!(!self.proxies.is_empty(), "this network has no wires to cut");
        let pid = self.members[node].node.pid().expect("the node is running");
        for (index, proxy) in self.proxies.iter().enumerate() {
            if index == node { proxy.cut() } else { proxy.refuse(pid) }
        }
    }

    /// Mends all wires.
    pub fn heal(&self) {
        self.proxies.iter().for_each(Proxy::heal);
    }

    /// Orders one transaction through each node that serves, trying until it is acknowledged, and returns their data:
    /// the network orders again.
    ///
    /// # Panics
    /// After a minute without.
    pub fn order_through_all(&self) -> Vec<Bytes> {
        self.serving.iter().map(|node| self.order_through(*node)).collect()
    }

    /// Orders one transaction through a node, trying until it is acknowledged, and returns its data.
    ///
    /// # Panics
    /// After a minute without.
    pub fn order_through(&self, node: usize) -> Bytes {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        wait::until(&format!("node {node} to order"), Duration::from_secs(60), || {
            // Unanswered ones may be ordered all the same, so each try is a transaction of its own.
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let data = Bytes::from(format!("through node {node}, {number}"));
            let envelope = self.signer.transaction(data.clone()).expect("the client can sign").envelope;
            self.broadcast(node, envelope).then_some(data)
        })
    }

    /// What must hold after whatever a node was sent: all nodes run, order, and have not panicked.
    ///
    /// # Panics
    /// When one of these does not hold.
    pub fn check_unharmed(&mut self) {
        for Member { node, .. } in &mut self.members {
            let name = node.directory().display().to_string();
            assert!(node.is_running(), "{name} has ended");
            let log = node.log();
            let panic = log.lines().find(|line| line.contains("panicked"));
            assert_eq!(panic, None, "{name}");
        }
        self.order_through_all();
    }

    /// A connection to a node, with the client's certificate.
    ///
    /// # Panics
    /// When there is none.
    pub fn connect(&self, node: usize) -> Connection {
        let connected = self.runtime.block_on(self.endpoint(node).connect());
        connected.unwrap_or_else(|e| panic!("node {node}: {e}"))
    }

    /// Waits until all nodes that serve the channel have the same height, and returns it.
    ///
    /// # Panics
    /// After a minute without.
    pub fn settled_height(&self) -> u64 {
        wait::until("all nodes to have the same height", Duration::from_secs(60), || {
            let heights: Vec<_> = self.serving.iter().map(|&node| self.height(node)).collect();
            let first = heights[0]?;
            heights.iter().all(|height| *height == Some(first)).then_some(first)
        })
    }

    /// The number of blocks that a node has, when it answers.
    pub fn height(&self, node: usize) -> Option<u64> {
        Some(self.newest_block(node)?.header?.number + 1)
    }

    /// The first `height` blocks of a node.
    ///
    /// # Panics
    /// When the node does not deliver them.
    pub fn chain(&self, node: usize, height: u64) -> Vec<Block> {
        self.read(node, Position::Oldest, Position::Number(height - 1))
            .unwrap_or_else(|e| panic!("node {node} does not deliver its chain: {e}"))
    }

    /// One block of a node, if it has it and delivers at the moment.
    pub fn block(&self, node: usize, number: u64) -> Option<Block> {
        let position = Position::Number(number);
        self.read(node, position, position).ok()?.pop()
    }

    /// The newest block of a node, if it delivers at the moment.
    pub fn newest_block(&self, node: usize) -> Option<Block> {
        self.read(node, Position::Newest, Position::Newest).ok()?.pop()
    }

    /// Hands an envelope to a node; whether it was acknowledged.
    pub fn broadcast(&self, node: usize, envelope: Bytes) -> bool {
        self.runtime.block_on(order_one(self.endpoint(node), envelope))
    }

    fn read(&self, node: usize, start: Position, stop: Position) -> Result<Vec<Block>, DeliverError> {
        let endpoint = self.endpoint(node);
        self.runtime.block_on(async {
            let connection = connect(endpoint).await?;
            let mut blocks = Blocks::read(&connection, &self.signer, start, stop)?;
            let mut read = Vec::new();
            while let Some(block) = blocks.next().await? {
                read.push(block);
            }
            Ok(read)
        })
    }
}

async fn connect(endpoint: &Endpoint) -> Result<Connection, DeliverError> {
    endpoint
        .connect()
        .await
        .map_err(|e| DeliverError::Broken { address: endpoint.address.clone(), reason: e.to_string() })
}

async fn order_one(endpoint: &Endpoint, envelope: Bytes) -> bool {
    let ordered = async {
        let connection = endpoint.connect().await.ok()?;
        let mut answers = Answers::open(&connection, tokio_stream::once(envelope));
        answers.next().await.ok()
    };
    matches!(tokio::time::timeout(Duration::from_secs(10), ordered).await, Ok(Some(())))
}

/// An endpoint whose certificate names its address.
pub fn endpoint(address: String, tls: Option<&Tls>) -> Endpoint {
    Endpoint { address, tls: tls.cloned(), server_name: None }
}

/// A client's side of mutual TLS.
///
/// # Panics
/// When the files cannot be used.
pub fn client_tls(ca: &Path, certificate: &Path, key: &Path) -> Tls {
    let identity = ClientIdentity { certificate, key };
    Tls::load(&[ca.to_owned()], Some(identity)).unwrap_or_else(|e| panic!("client TLS: {e}"))
}

/// The identity of an MSP directory with one certificate and one key.
pub fn signing_identity(msp: &Path, mspid: &str) -> SigningIdentity {
    let only_file = |folder: &str| {
        let mut files = fs::read_dir(msp.join(folder)).unwrap_or_else(|e| panic!("{}: {e}", msp.display()));
        let file = files.next().expect("the folder holds a file").expect("the folder can be read");
        fs::read(file.path()).expect("the file can be read")
    };
    SigningIdentity::from_pem(mspid, &only_file("signcerts"), &only_file("keystore"))
        .unwrap_or_else(|e| panic!("{}: {e}", msp.display()))
}

/// The body that `GET path` gives at a port without TLS.
pub fn http_get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    // A paused node accepts and never answers.
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    // To a newer version Fabric's orderers answer in chunks, whose lengths would stand amid the text.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

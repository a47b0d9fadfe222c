//! Where a sandbox keeps its things and which ports its nodes have.
//!
//! ```text
//! DIR/sandbox.json              this layout; written last, so that its presence means "complete"
//! DIR/CHANNEL.block             the channel's genesis block
//! DIR/tls-ca.pem                root of all TLS certificates (nodes and clients)
//! DIR/orderer-org/ca/           CA certificate and key of the orderers' organisation (SandboxOrdererMSP)
//! DIR/client-org/ca/            CA certificate and key of the clients' organisation (SandboxClientMSP)
//! DIR/client/msp/               MSP directory of a client that may write to and read from the channel
//! DIR/client/tls/               client.crt and client.key, for mutual TLS
//! DIR/admin/msp/, DIR/admin/tls/  an administrator of the orderers: client.crt and client.key open the admin API
//! DIR/nodeN/orderer.yaml        a node's settings; its directory is FABRIC_CFG_PATH
//! DIR/nodeN/msp/                a node's identity
//! DIR/nodeN/tls/                server.crt, server.key, ca.crt
//! DIR/nodeN/data/               its ledger, WAL and snapshots
//! DIR/nodeN/orderer.log         what it printed
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The MSP of the orderers' organisation.
pub(crate) const ORDERER_MSPID: &str = "SandboxOrdererMSP";
/// The MSP of the clients' organisation.
pub(crate) const CLIENT_MSPID: &str = "SandboxClientMSP";
/// The host that every node listens on; TLS certificates name it and `localhost`.
pub(crate) const HOST: &str = "127.0.0.1";

/// Ports between the nodes' blocks of ports.
const PORT_STRIDE: u16 = 10;

/// A sandbox: its directory, channel and nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    #[serde(skip)]
    pub(crate) root: PathBuf,
    pub(crate) channel: String,
    pub(crate) nodes: Vec<Node>,
}

/// One node's name and ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// `node1`, `node2`...; also the node's directory.
    pub(crate) name: String,
    /// Broadcast, Deliver and the cluster service, with TLS.
    pub(crate) port: u16,
    /// The channel participation API, with mutual TLS.
    pub(crate) admin_port: u16,
    /// Metrics, health and version, without TLS.
    pub(crate) operations_port: u16,
}

impl Layout {
    /// A sandbox of `nodes` nodes; node N has the ports `base_port + 10 * (N - 1)` and the two after it.
    /// `None` when the ports do not all fit below 65536.
    pub(crate) fn new(root: &Path, channel: &str, nodes: u16, base_port: u16) -> Option<Self> {
        let nodes = (0..nodes)
            .map(|index| {
                let port = index.checked_mul(PORT_STRIDE)?.checked_add(base_port)?;
                Some(Node {
                    name: format!("node{}", index + 1),
                    port,
                    admin_port: port.checked_add(1)?,
                    operations_port: port.checked_add(2)?,
                })
            })
            .collect::<Option<_>>()?;
        Some(Self { root: root.to_owned(), channel: channel.to_owned(), nodes })
    }

    /// The file that holds this layout.
    pub(crate) fn description(&self) -> PathBuf {
        self.root.join("sandbox.json")
    }

    /// The channel's genesis block.
    pub(crate) fn genesis_block(&self) -> PathBuf {
        self.root.join(format!("{}.block", self.channel))
    }

    /// The root of all TLS certificates, PEM.
    pub(crate) fn tls_ca(&self) -> PathBuf {
        self.root.join("tls-ca.pem")
    }

    /// The client's MSP directory ([`CLIENT_MSPID`]).
    pub(crate) fn client_msp(&self) -> PathBuf {
        self.root.join("client").join("msp")
    }

    /// The directory of the client's `client.crt` and `client.key`.
    pub(crate) fn client_tls(&self) -> PathBuf {
        self.root.join("client").join("tls")
    }

    /// The administrator's MSP directory ([`ORDERER_MSPID`]).
    pub(crate) fn admin_msp(&self) -> PathBuf {
        self.root.join("admin").join("msp")
    }

    /// The directory of the administrator's `client.crt` and `client.key`.
    pub(crate) fn admin_tls(&self) -> PathBuf {
        self.root.join("admin").join("tls")
    }

    /// A node's directory, which holds its `orderer.yaml`, `msp`, `tls` and `data`.
    pub(crate) fn node_dir(&self, node: &Node) -> PathBuf {
        self.root.join(&node.name)
    }

    /// Where a node's output goes.
    pub(crate) fn node_log(&self, node: &Node) -> PathBuf {
        self.node_dir(node).join("orderer.log")
    }
}

impl Node {
    /// The address of the node's gRPC services.
    pub(crate) fn address(&self) -> String {
        format!("{HOST}:{}", self.port)
    }

    /// The address of the node's channel participation API.
    pub(crate) fn admin_address(&self) -> String {
        format!("{HOST}:{}", self.admin_port)
    }
}

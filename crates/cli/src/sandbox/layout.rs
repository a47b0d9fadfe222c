//! Where a sandbox keeps its things and which ports its nodes have.
//!
//! ```text
//! DIR/sandbox.json              this layout; written last, so that its presence means "complete"
//! DIR/CHANNEL.block             the channel's genesis block
//! DIR/tls-ca.pem                root of all TLS certificates (nodes and clients)
//! DIR/tls-ca/                   the same with its key, as cryptogen names them: tlsca.sandbox-cert.pem, priv_sk
//! DIR/orderer-org/ca/           CA certificate and key of the orderers' organisation (SandboxOrdererMSP)
//! DIR/client-org/ca/            CA certificate and key of the clients' organisation (SandboxClientMSP)
//! DIR/client/msp/               MSP directory of a client that may write to and read from the channel
//! DIR/client/tls/               client.crt and client.key, for mutual TLS
//! DIR/admin/msp/, DIR/admin/tls/  an administrator of the orderers: client.crt and client.key open the admin API
//! DIR/client-admin/msp/         MSP directory of an administrator of the clients' organisation
//! DIR/nodeN/orderer.yaml        a node's settings; its directory is FABRIC_CFG_PATH
//! DIR/nodeN/msp/                a node's identity
//! DIR/nodeN/tls/                server.crt, server.key, ca.crt
//! DIR/nodeN/data/               its ledger, WAL and snapshots
//! DIR/nodeN/orderer.log         what it printed
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The MSP of the orderers' organisation.
pub const ORDERER_MSPID: &str = "SandboxOrdererMSP";
/// The MSP of the clients' organisation.
pub const CLIENT_MSPID: &str = "SandboxClientMSP";
/// The host that every node listens on; TLS certificates name it and `localhost`.
pub const HOST: &str = "127.0.0.1";

/// The file that describes a sandbox.
const DESCRIPTION: &str = "sandbox.json";
/// Ports between the nodes' blocks of ports.
const PORT_STRIDE: u16 = 10;

/// A sandbox: its directory, channel and nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The sandbox's directory.
    #[serde(skip)]
    pub root: PathBuf,
    /// The channel that its nodes order.
    pub channel: String,
    /// The nodes, in the order of their names.
    pub nodes: Vec<Node>,
}

/// Why a directory's description cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum LayoutError {
    /// There is no sandbox.
    #[error("there is no sandbox in {dir}: {file} is missing; `causeway sandbox --dir {dir}` makes one", dir = dir.display(), file = DESCRIPTION)]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not a sandbox's description.
    #[error("{path} does not describe a sandbox; remove the directory to make a new one", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// One node's name and ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `node1`, `node2`...; also the node's directory.
    pub name: String,
    /// Broadcast, Deliver and the cluster service, with TLS.
    pub port: u16,
    /// The channel participation API, with mutual TLS.
    pub admin_port: u16,
    /// Metrics, health and version, without TLS.
    pub operations_port: u16,
}

impl Layout {
    /// A sandbox of `nodes` nodes; node N has the ports `base_port + 10 * (N - 1)` and the two after it.
    /// `None` when the ports do not all fit below 65536.
    pub fn new(root: &Path, channel: &str, nodes: u16, base_port: u16) -> Option<Self> {
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

    /// Whether there is a sandbox in this directory.
    pub fn exists(root: &Path) -> bool {
        root.join(DESCRIPTION).exists()
    }

    /// Reads the description of the sandbox in this directory.
    pub fn load(root: &Path) -> Result<Self, LayoutError> {
        let path = root.join(DESCRIPTION);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LayoutError::Missing { dir: root.to_owned() });
            }
            Err(source) => return Err(LayoutError::Io { path, source }),
        };
        let mut layout: Self =
            serde_json::from_slice(&text).map_err(|source| LayoutError::Format { path, source })?;
        layout.root = root.to_owned();
        Ok(layout)
    }

    /// Writes the description; from then on the directory holds a complete sandbox.
    pub fn save(&self) -> Result<(), LayoutError> {
        let path = self.root.join(DESCRIPTION);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| LayoutError::Format { path: path.clone(), source })?;
        fs::write(&path, text).map_err(|source| LayoutError::Io { path, source })
    }

    /// The channel's genesis block.
    pub fn genesis_block(&self) -> PathBuf {
        self.root.join(format!("{}.block", self.channel))
    }

    /// The root of all TLS certificates, PEM.
    pub fn tls_ca(&self) -> PathBuf {
        self.root.join("tls-ca.pem")
    }

    /// The client's MSP directory ([`CLIENT_MSPID`]).
    pub fn client_msp(&self) -> PathBuf {
        self.root.join("client").join("msp")
    }

    /// The directory of the client's `client.crt` and `client.key`.
    pub fn client_tls(&self) -> PathBuf {
        self.root.join("client").join("tls")
    }

    /// The client's TLS certificate.
    pub fn client_certificate(&self) -> PathBuf {
        self.client_tls().join("client.crt")
    }

    /// The private key of the client's TLS certificate.
    pub fn client_key(&self) -> PathBuf {
        self.client_tls().join("client.key")
    }

    /// The administrator's MSP directory ([`ORDERER_MSPID`]).
    pub fn admin_msp(&self) -> PathBuf {
        self.root.join("admin").join("msp")
    }

    /// The MSP directory of the clients' administrator ([`CLIENT_MSPID`]).
    pub fn client_admin_msp(&self) -> PathBuf {
        self.root.join("client-admin").join("msp")
    }

    /// The directory of the administrator's `client.crt` and `client.key`.
    pub fn admin_tls(&self) -> PathBuf {
        self.root.join("admin").join("tls")
    }

    /// The administrator's TLS certificate.
    pub fn admin_certificate(&self) -> PathBuf {
        self.admin_tls().join("client.crt")
    }

    /// The private key of the administrator's TLS certificate.
    pub fn admin_key(&self) -> PathBuf {
        self.admin_tls().join("client.key")
    }

    /// A node's directory, which holds its `orderer.yaml`, `msp`, `tls` and `data`.
    pub fn node_dir(&self, node: &Node) -> PathBuf {
        self.root.join(&node.name)
    }

    /// Where a node's output goes.
    pub fn node_log(&self, node: &Node) -> PathBuf {
        self.node_dir(node).join("orderer.log")
    }
}

impl Node {
    /// The address of the node's gRPC services.
    pub fn address(&self) -> String {
        format!("{HOST}:{}", self.port)
    }

    /// The address of the node's metrics and health checks.
    pub fn operations_address(&self) -> String {
        format!("{HOST}:{}", self.operations_port)
    }

    /// The address of the node's channel participation API.
    pub fn admin_address(&self) -> String {
        format!("{HOST}:{}", self.admin_port)
    }
}

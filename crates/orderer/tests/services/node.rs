//! A node in this process, with a directory and ports of its own.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use orderer::{
    logging::Logging,
    node::{Node, NodeError},
    registrar::Participation,
    settings::{self, Settings},
};
use protos::common::Block;
use tempfile::TempDir;

use crate::{
    client::Client,
    material::{Org, TlsFiles, consenter},
};

pub(crate) const CHANNEL: &str = "testchannel";
/// Longest wait for anything in these tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A node and what clients need to reach it.
pub(crate) struct TestNode {
    pub(crate) org: Arc<Org>,
    pub(crate) tls: TlsFiles,
    pub(crate) directory: TempDir,
    pub(crate) node: Node,
}

/// Settings of a node in a directory, with `extra` lines below `General`.
pub(crate) fn settings(directory: &TempDir, org: &Org, extra: &str) -> (Settings, TlsFiles) {
    let tls = org.tls_files(directory.path(), "server");
    org.enrol_node(&directory.path().join("msp"));
    std::fs::write(directory.path().join("tlsca.pem"), org.tls_ca.certificate_pem()).unwrap();
    let text = format!(
        "
General:
  ListenAddress: 127.0.0.1
  BootstrapMethod: none
  LocalMSPDir: msp
  LocalMSPID: TestMSP
  MaxRecvMsgSize: 1000000
{extra}
FileLedger:
  Location: ledger
Operations:
  ListenAddress: 127.0.0.1:0
Admin:
  ListenAddress: 127.0.0.1:0
Consensus:
  WALDir: {root}/wal
  SnapDir: {root}/snap
",
        root = directory.path().display()
    );
    let file = directory.path().join("orderer.yaml");
    let loaded = settings::parse(&text, &BTreeMap::new(), &file, &|path| std::fs::read(path)).unwrap();
    let mut settings = loaded.settings;
    // In the file, 0 means Fabric's default port.
    settings.general.listen_port = 0;
    (settings, tls)
}

/// The TLS section that most tests use; with `mutual`, clients must show a certificate.
pub(crate) fn tls_section(mutual: bool) -> String {
    format!(
        "  TLS:
    Enabled: true
    PrivateKey: server.key
    Certificate: server.crt
    ClientAuthRequired: {mutual}
    ClientRootCAs: [tlsca.pem]"
    )
}

pub(crate) async fn start(settings: &Settings) -> Result<Node, NodeError> {
    let logging = Logging::new("error", "", Box::new(std::io::sink())).unwrap();
    Node::start(settings, logging).await
}

impl TestNode {
    /// A node without channels.
    pub(crate) async fn new(extra: &str) -> Self {
        Self::of(Arc::new(Org::new()), extra).await
    }

    /// A node of an organisation that others share.
    pub(crate) async fn of(org: Arc<Org>, extra: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let (settings, tls) = settings(&directory, &org, extra);
        let node = start(&settings).await.unwrap();
        Self { org, tls, directory, node }
    }

    /// A node that orders [`CHANNEL`] alone, a block for every message, and has a leader.
    pub(crate) async fn ordering() -> Self {
        let node = Self::new(&tls_section(false)).await;
        node.join_alone(CHANNEL).await;
        node
    }

    pub(crate) fn port(&self) -> u16 {
        self.node.addresses().general.port()
    }

    pub(crate) async fn join(&self, genesis: Block) {
        self.participation().join(genesis).await.unwrap();
    }

    pub(crate) async fn join_alone(&self, channel_id: &str) {
        let consenters = vec![consenter(self.port(), &self.tls.pair.certificate_pem)];
        self.join(self.org.genesis(channel_id, consenters, 1)).await;
        self.has_leader(channel_id).await;
    }

    /// Waits until the channel is here and has a leader.
    pub(crate) async fn has_leader(&self, channel_id: &str) {
        let led = async {
            let handle = loop {
                match self.node.registrar().channels().get(channel_id) {
                    Some(handle) => break handle,
                    None => tokio::task::yield_now().await,
                }
            };
            handle.chain().await.errored().wait_for(|errored| !errored).await.map(drop)
        };
        tokio::time::timeout(LIMIT, led).await.expect("no leader in time").unwrap();
    }

    /// Waits until the channel has this many blocks here.
    pub(crate) async fn reaches(&self, channel_id: &str, height: u64) {
        let reached = async {
            while self.participation().info(channel_id).map_or(0, |info| info.height) < height {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, reached).await.expect("the blocks did not come in time");
    }

    pub(crate) fn participation(&self) -> Arc<dyn Participation> {
        self.node.registrar().clone()
    }

    pub(crate) fn height(&self, channel_id: &str) -> u64 {
        self.participation().info(channel_id).unwrap().height
    }

    /// A client with a TLS certificate of the organisation.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.org, self.directory.path(), self.port()).await.unwrap()
    }
}

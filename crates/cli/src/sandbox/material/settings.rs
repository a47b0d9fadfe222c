//! The text of configuration files.

use std::path::Path;

use crate::{
    material::Folder,
    sandbox::layout::{HOST, Node},
};

/// `orderer.yaml` of a node that lives in `folder`. Fabric reads some paths relative to this file
/// and some relative to where the node was started; so all of them are absolute.
pub(super) fn text(folder: &Folder, node: &Node) -> String {
    let path = |name: &str| quoted(&folder.path().join(name));
    let mspid = crate::sandbox::layout::ORDERER_MSPID;
    let (server_key, server_certificate, ca) =
        (path("tls/server.key"), path("tls/server.crt"), path("tls/ca.crt"));
    format!(
        "\
# A node of a sandbox, made by `causeway sandbox`.
General:
  ListenAddress: {HOST}
  ListenPort: {port}
  TLS:
    Enabled: true
    PrivateKey: {server_key}
    Certificate: {server_certificate}
    RootCAs:
      - {ca}
    # With true, clients must present a certificate of the sandbox.
    ClientAuthRequired: false
    ClientRootCAs:
      - {ca}
  BootstrapMethod: none
  LocalMSPDir: {msp}
  LocalMSPID: {mspid}
FileLedger:
  Location: {ledger}
ChannelParticipation:
  Enabled: true
  MaxRequestBodySize: 1 MB
Admin:
  ListenAddress: {HOST}:{admin_port}
  TLS:
    Enabled: true
    PrivateKey: {server_key}
    Certificate: {server_certificate}
    RootCAs:
      - {ca}
    ClientAuthRequired: true
    ClientRootCAs:
      - {ca}
Operations:
  ListenAddress: {HOST}:{operations_port}
  TLS:
    Enabled: false
Metrics:
  Provider: prometheus
Consensus:
  WALDir: {wal}
  SnapDir: {snapshots}
",
        port = node.port,
        admin_port = node.admin_port,
        operations_port = node.operations_port,
        msp = path("msp"),
        ledger = path("data/ledger"),
        wal = path("data/etcdraft/wal"),
        snapshots = path("data/etcdraft/snapshot"),
    )
}

/// A path as a YAML scalar; JSON's strings are also YAML's.
fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}

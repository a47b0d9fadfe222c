//! Settings of nodes that stand on somebody else's certificates.

use std::fs;
use std::path::{Path, PathBuf};

/// What differs between the nodes of a network that was not generated here.
pub struct Settings<'a> {
    /// The node's directory in a cryptogen tree: `msp` and `tls` are below it.
    pub crypto: &'a Path,
    /// Its MSP.
    pub mspid: &'a str,
    /// Address and port of its gRPC services, with TLS.
    pub listen: (&'a str, u16),
    /// Port of its channel participation API, without TLS.
    pub admin_port: u16,
    /// Port of its metrics, without TLS.
    pub operations_port: u16,
    /// Raft's tick, ms.
    pub tick_ms: u32,
}

/// Makes `directory` the directory of such a node. Returns the location of its ledgers.
///
/// # Panics
/// When files cannot be written.
pub fn write(directory: &Path, settings: &Settings<'_>) -> PathBuf {
    let Settings { crypto, mspid, listen: (address, port), admin_port, operations_port, tick_ms } = settings;
    let crypto = crypto.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", crypto.display()));
    let (crypto, data) = (crypto.display(), directory.join("data"));
    let location = data.display();
    let text = format!(
        "\
General:
  ListenAddress: {address}
  ListenPort: {port}
  TLS:
    Enabled: true
    PrivateKey: {crypto}/tls/server.key
    Certificate: {crypto}/tls/server.crt
    RootCAs: [{crypto}/tls/ca.crt]
    ClientAuthRequired: false
  LocalMSPDir: {crypto}/msp
  LocalMSPID: {mspid}
  BootstrapMethod: none
FileLedger:
  Location: {location}/ledger
Operations:
  ListenAddress: 127.0.0.1:{operations_port}
Metrics:
  Provider: prometheus
Admin:
  ListenAddress: 127.0.0.1:{admin_port}
ChannelParticipation:
  Enabled: true
  MaxRequestBodySize: 1 MB
Consensus:
  WALDir: {location}/wal
  SnapDir: {location}/snapshots
  TickIntervalOverride: {tick_ms}ms
"
    );
    fs::create_dir_all(&data).unwrap_or_else(|e| panic!("{location}: {e}"));
    fs::write(directory.join("orderer.yaml"), text)
        .unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    data.join("ledger")
}

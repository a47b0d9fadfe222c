//! What `configtx.yaml` says, nested as in the file; certificates are still the paths of their files.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use protos::{etcdraft::Options, orderer::BatchSize, peer::AnchorPeer};

/// As much of the whole file as is used: `Channel`, `Application` and `Capabilities` exist for anchors only.
#[derive(Debug, Clone)]
pub(super) struct TopLevel {
    pub(super) profiles: BTreeMap<String, Profile>,
    pub(super) organizations: Vec<Organization>,
    pub(super) orderer: Option<Orderer>,
}

/// A channel, or the part of one that somebody asks for.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    pub(super) consortium: String,
    pub(super) application: Option<Application>,
    pub(super) orderer: Option<Orderer>,
    pub(super) consortiums: Option<BTreeMap<String, Vec<Organization>>>,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) policies: Policies,
}

/// Policies by name.
pub(super) type Policies = BTreeMap<String, Policy>;

#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// `ImplicitMeta` or `Signature`.
    pub(super) kind: String,
    pub(super) rule: String,
}

#[derive(Debug, Clone)]
pub(super) struct Application {
    pub(super) organizations: Vec<Organization>,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) policies: Policies,
    pub(super) acls: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub(super) struct Organization {
    /// Key of its group.
    pub(super) name: String,
    /// MSP id.
    pub(super) id: String,
    pub(super) msp_directory: PathBuf,
    /// `bccsp` or `idemix`.
    pub(super) msp_type: String,
    pub(super) policies: Policies,
    pub(super) anchor_peers: Vec<AnchorPeer>,
    pub(super) orderer_endpoints: Vec<String>,
    pub(super) skip_as_foreign: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Orderer {
    /// `solo`, `kafka` or `etcdraft`.
    pub(super) kind: String,
    pub(super) addresses: Vec<String>,
    pub(super) batch_timeout: Duration,
    pub(super) batch_size: BatchSize,
    /// `None`: nothing was said.
    pub(super) kafka_brokers: Option<Vec<String>>,
    pub(super) raft: Option<Raft>,
    pub(super) organizations: Vec<Organization>,
    pub(super) max_channels: u64,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) policies: Policies,
}

#[derive(Debug, Clone)]
pub(super) struct Raft {
    pub(super) consenters: Vec<Consenter>,
    pub(super) options: Option<Options>,
}

#[derive(Debug, Clone)]
pub(super) struct Consenter {
    pub(super) host: String,
    pub(super) port: u32,
    pub(super) client_tls_certificate: PathBuf,
    pub(super) server_tls_certificate: PathBuf,
}

//! What a change of the consensus metadata must satisfy
//! (`orderer/consensus/etcdraft`, `ValidateConsensusMetadata`).

use std::{collections::BTreeSet, fmt, sync::Arc};

use bytes::Bytes;
use identity::{
    certificate::{Certificate, CertificateError, pem_to_der},
    chain::{ChainError, ExtendedKeyUsage, Trust},
};
use protos::etcdraft::{ConfigMetadata, Consenter};

use super::{ETCDRAFT, MembershipChange, MembershipError, RaftConfig, RaftConfigError, RaftState};
use crate::{
    bundle::OrdererConfig,
    wire::{self, WireError},
};

/// Why new consensus metadata is refused. The texts are Fabric's, where it refuses the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The metadata does not decode.
    #[error("failed to unmarshal new etcdraft metadata configuration: {0}")]
    Malformed(WireError),
    /// A TLS root or intermediate of an ordering organization is no certificate.
    #[error(
        "failed to create x509 verify options from old and new orderer config: parsing tls {kind} certs: {source}"
    )]
    Authority {
        /// `root` or `intermediate`.
        kind: &'static str,
        /// What is wrong.
        source: Box<ConsenterError>,
    },
    /// The options can not be used.
    #[error("invalid new config metadata: {0}")]
    Options(RaftConfigError),
    /// There would be nobody to order. Fabric accepts this when the metadata is removed altogether,
    /// and all its nodes panic on the block.
    #[error("invalid new config metadata: empty consenter set")]
    NoConsenters,
    /// A consenter's certificates can not be used.
    #[error("invalid new config metadata: consenter {host}:{port} has invalid certificate: {source}")]
    Consenter {
        /// The consenter's host.
        host: String,
        /// The consenter's port.
        port: u32,
        /// What is wrong.
        source: Box<ConsenterError>,
    },
    /// Two consenters have a certificate in common.
    #[error(
        "invalid new config metadata: duplicate consenter: server cert: {server_cert}, client cert: {client_cert}"
    )]
    Duplicate {
        /// Server certificate of the second one, PEM.
        server_cert: String,
        /// Client certificate of the second one, PEM.
        client_cert: String,
    },
    /// The set changes by more than one consenter.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// A consenter that was not there before has certificates that can not be used now.
    #[error("consenter {host}:{port} has invalid certificates: {source}")]
    NewConsenter {
        /// The consenter's host.
        host: String,
        /// The consenter's port.
        port: u32,
        /// What is wrong.
        source: Box<ConsenterError>,
    },
    /// The nodes that are up would not be enough.
    #[error("{active} out of {total} nodes are alive, configuration will result in quorum loss")]
    QuorumLoss {
        /// How many are up.
        active: usize,
        /// How many there are before the change.
        total: usize,
    },
    /// A new channel would be ordered by somebody who does not order the system channel.
    #[error("new channel has consenter that is not part of system consenter set")]
    NotSystemConsenter,
}

/// Which of a consenter's two certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateRole {
    /// The one it calls others with.
    Client,
    /// The one it is called at with.
    Server,
}

impl fmt::Display for CertificateRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// What is wrong with a TLS certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsenterError {
    /// The bytes are no PEM.
    #[error("{}no PEM data found in cert[{}]", of(.place), spaced_hex(.bytes))]
    NotPem {
        /// Whose certificate, if it is a consenter's.
        place: Option<Place>,
        /// The bytes.
        bytes: Bytes,
    },
    /// The PEM holds no certificate.
    #[error("{}{source} TLS certificate has invalid ASN1 structure {}", of(.place), String::from_utf8_lossy(.der))]
    NotCertificate {
        /// Whose certificate, if it is a consenter's.
        place: Option<Place>,
        /// The content of the PEM.
        der: Vec<u8>,
        /// What is wrong.
        source: CertificateError,
    },
    /// No ordering organization vouches for the certificate.
    #[error("verifying tls {role} cert with serial number {serial_number}: {source}")]
    Chain {
        /// Which certificate.
        role: CertificateRole,
        /// Its serial number, decimal.
        serial_number: String,
        /// What is wrong.
        source: ChainError,
    },
}

/// Whose certificate: role, host and port.
pub type Place = (CertificateRole, String, u32);

fn of(place: &Option<Place>) -> String {
    match place {
        Some((role, host, port)) => format!("parsing tls {role} cert of {host}:{port}: "),
        None => String::new(),
    }
}

fn spaced_hex(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.join(" ")
}

/// Checks the consensus metadata of a configuration that is to follow another one of an etcdraft
/// channel; also when it has not changed, since what its certificates rest on may have.
///
/// Without `raft`, which a node has that takes part in ordering the channel, only the question
/// whether enough nodes are up stays open.
pub fn validate_metadata(
    current: &OrdererConfig,
    next: &OrdererConfig,
    raft: Option<&RaftState<'_>>,
    now_unix: i64,
) -> Result<(), MetadataError> {
    if current.consensus_type != ETCDRAFT {
        return Ok(());
    }
    if next.consensus_type != ETCDRAFT && next.consensus_metadata.is_empty() {
        return Ok(());
    }
    let tls = Tls::new(next, now_unix)?;
    let new = check_metadata(next, &tls)?;
    let old_consenters = consenters_in_force(current)?;
    let change = MembershipChange::between(&old_consenters, &new.consenters)?;
    if let Some(newcomer) = change.newcomer().and_then(|index| new.consenters.get(index)) {
        tls.check(newcomer, Expiry::Counts).map_err(|source| MetadataError::NewConsenter {
            host: newcomer.host.clone(),
            port: newcomer.port,
            source: source.into(),
        })?;
    }
    let Some(RaftState { block_metadata, active_nodes }) = raft else { return Ok(()) };
    if change.loses_quorum(new.consenters.len(), &block_metadata.consenter_ids, active_nodes) {
        return Err(MetadataError::QuorumLoss { active: active_nodes.len(), total: old_consenters.len() });
    }
    Ok(())
}

/// Checks the consensus metadata of a channel that is created through a system channel.
pub fn validate_new_channel(
    system: &OrdererConfig,
    new: &OrdererConfig,
    now_unix: i64,
) -> Result<(), MetadataError> {
    if system.consensus_type != ETCDRAFT {
        return Ok(());
    }
    let consenters = check_first_metadata(new, now_unix)?.consenters;
    let old_consenters = consenters_in_force(system)?;
    let known: BTreeSet<&Bytes> = old_consenters.iter().map(|c| &c.client_tls_cert).collect();
    match consenters.iter().all(|c| known.contains(&c.client_tls_cert)) {
        true => Ok(()),
        false => Err(MetadataError::NotSystemConsenter),
    }
}

/// The consenters of a configuration whose options nobody asks for any more.
fn consenters_in_force(config: &OrdererConfig) -> Result<Vec<Consenter>, MetadataError> {
    let metadata: ConfigMetadata =
        wire::decode(&config.consensus_metadata).map_err(MetadataError::Malformed)?;
    Ok(metadata.consenters)
}

/// Checks metadata by itself, as that of a channel which becomes an etcdraft channel.
pub(crate) fn check_first_metadata(
    config: &OrdererConfig,
    now_unix: i64,
) -> Result<RaftConfig, MetadataError> {
    check_metadata(config, &Tls::new(config, now_unix)?)
}

fn check_metadata(config: &OrdererConfig, tls: &Tls) -> Result<RaftConfig, MetadataError> {
    let raft = RaftConfig::parse(&config.consensus_metadata).map_err(|error| match error {
        RaftConfigError::Malformed(error) => MetadataError::Malformed(error),
        other => MetadataError::Options(other),
    })?;
    if raft.consenters.is_empty() {
        return Err(MetadataError::NoConsenters);
    }
    for consenter in &raft.consenters {
        tls.check(consenter, Expiry::Ignored).map_err(|source| MetadataError::Consenter {
            host: consenter.host.clone(),
            port: consenter.port,
            source: source.into(),
        })?;
    }
    check_duplicates(&raft.consenters)?;
    Ok(raft)
}

/// No certificate may belong to two consenters; one may have the same as client and server.
fn check_duplicates(consenters: &[Consenter]) -> Result<(), MetadataError> {
    let mut seen = BTreeSet::new();
    for consenter in consenters {
        let (server, client) = (&consenter.server_tls_cert, &consenter.client_tls_cert);
        if seen.contains(server) || seen.contains(client) {
            return Err(MetadataError::Duplicate {
                server_cert: String::from_utf8_lossy(server).into_owned(),
                client_cert: String::from_utf8_lossy(client).into_owned(),
            });
        }
        seen.extend([server, client]);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    /// A consenter that is already there keeps running on an expired certificate. As in Fabric its
    /// chain is then not looked at either.
    Ignored,
    Counts,
}

/// The TLS authorities of the ordering organizations, at one time.
struct Tls {
    trust: Trust,
    now_unix: i64,
}

impl Tls {
    fn new(config: &OrdererConfig, now_unix: i64) -> Result<Self, MetadataError> {
        let mut trust = Trust::default();
        let parse = |kind, pem| {
            parse(pem, None).map_err(|source| MetadataError::Authority { kind, source: source.into() })
        };
        for organization in config.organizations.values() {
            for pem in organization.msp.tls_root_certs() {
                trust.add_root(parse("root", pem)?);
            }
            for pem in organization.msp.tls_intermediate_certs() {
                trust.add_intermediate(parse("intermediate", pem)?);
            }
        }
        Ok(Self { trust, now_unix })
    }

    fn check(&self, consenter: &Consenter, expiry: Expiry) -> Result<(), ConsenterError> {
        let place = |role| Some((role, consenter.host.clone(), consenter.port));
        let client = parse(&consenter.client_tls_cert, place(CertificateRole::Client))?;
        let server = parse(&consenter.server_tls_cert, place(CertificateRole::Server))?;
        self.verify(CertificateRole::Client, &client, expiry)?;
        self.verify(CertificateRole::Server, &server, expiry)
    }

    fn verify(
        &self,
        role: CertificateRole,
        certificate: &Arc<Certificate>,
        expiry: Expiry,
    ) -> Result<(), ConsenterError> {
        let usages = [ExtendedKeyUsage::ClientAuth, ExtendedKeyUsage::ServerAuth];
        match self.trust.verify(certificate, self.now_unix, &usages) {
            Ok(_) => Ok(()),
            Err(ChainError::OutsideValidity { .. }) if expiry == Expiry::Ignored => Ok(()),
            Err(source) => {
                Err(ConsenterError::Chain { role, serial_number: certificate.serial_number(), source })
            }
        }
    }
}

fn parse(pem: &Bytes, place: Option<Place>) -> Result<Arc<Certificate>, ConsenterError> {
    let Some(der) = pem_to_der(pem) else {
        return Err(ConsenterError::NotPem { place, bytes: pem.clone() });
    };
    match Certificate::from_der(&der) {
        Ok(certificate) => Ok(Arc::new(certificate)),
        Err(source) => Err(ConsenterError::NotCertificate { place, der, source }),
    }
}

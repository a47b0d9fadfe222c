//! The Raft part of a config: consenters that come, go or change their certificates.

use bytes::Bytes;
use channel::{consenters::ETCDRAFT, value};
use identity::certificate::{Certificate, CertificateError};
use protos::{
    Message,
    common::Config,
    etcdraft::{ConfigMetadata, Consenter},
    orderer::{ConsensusType, consensus_type},
};

use super::{
    tree::{ADMINS, GroupPath, ORDERER, TreeError},
    words::address,
};

const CONSENSUS_TYPE: &str = "ConsensusType";

/// Why the consenters or the consensus type cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RaftChangeError {
    #[error("the channel is ordered by {0}, not by etcdraft: it has no consenters")]
    NotRaft(String),
    #[error("{0} is a consenter already; `causeway config rotate-certificate` changes its certificates")]
    Present(String),
    #[error("{address} is no consenter; the consenters are {present}")]
    Absent { address: String, present: String },
    #[error(
        "several consenters have the address {0}; change the one that is meant with `causeway config edit`"
    )]
    Ambiguous(String),
    #[error("{0} is the only consenter: a channel without any could never be changed again")]
    Last(String),
    #[error("{address} has these certificates already: there is nothing to rotate")]
    SameCertificates { address: String },
    #[error(
        "this certificate of {address} has the key of its old one: nodes know each other by their keys, so it can be \
         put in place without a config update (--force makes one)"
    )]
    SameKey { address: String },
    #[error("{file} does not hold a certificate: {source}")]
    Certificate { file: String, source: CertificateError },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A node's TLS certificates, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificates {
    pub(super) client: Bytes,
    pub(super) server: Bytes,
}

fn orderer() -> GroupPath {
    GroupPath::of([ORDERER])
}

/// Changes consenters and options.
pub(super) fn change_metadata(
    config: &mut Config,
    change: impl FnOnce(&mut ConfigMetadata),
) -> Result<(), TreeError> {
    let consensus: ConsensusType = orderer().value(config, CONSENSUS_TYPE).unwrap_or_default();
    // What does not decode here fails to in `change_value`, too.
    let metadata = value::rewrite(&consensus.metadata, change).unwrap_or_else(|_| consensus.metadata.clone());
    orderer().change_value(config, CONSENSUS_TYPE, ADMINS, |consensus: &mut ConsensusType| {
        consensus.metadata = metadata;
    })
}

/// The consenters in force.
pub(super) fn consenters(config: &Config) -> Result<Vec<Consenter>, RaftChangeError> {
    let consensus: ConsensusType = orderer().value(config, CONSENSUS_TYPE).unwrap_or_default();
    if consensus.r#type != ETCDRAFT {
        return Err(RaftChangeError::NotRaft(consensus.r#type));
    }
    let unreadable = |_| TreeError::Unreadable { group: vec![ORDERER.to_owned()], value: CONSENSUS_TYPE };
    Ok(ConfigMetadata::decode(consensus.metadata).map_err(unreadable)?.consenters)
}

/// Whether consenters come, go or change.
pub(super) fn set_changes(from: &Config, to: &Config) -> bool {
    consenters(from).ok() != consenters(to).ok()
}

/// Adds a consenter at the end of the list.
pub(super) fn add(
    config: &mut Config,
    (host, port): (&str, u16),
    certificates: Certificates,
) -> Result<(), RaftChangeError> {
    let consenter = Consenter {
        host: host.to_owned(),
        port: port.into(),
        client_tls_cert: certificates.client,
        server_tls_cert: certificates.server,
    };
    if consenters(config)?.iter().any(|present| address(present) == address(&consenter)) {
        return Err(RaftChangeError::Present(address(&consenter)));
    }
    Ok(change_metadata(config, |metadata| metadata.consenters.push(consenter))?)
}

/// Removes a consenter.
pub(super) fn remove(config: &mut Config, wanted: &str) -> Result<(), RaftChangeError> {
    let consenters = consenters(config)?;
    let at = position(&consenters, wanted)?;
    if consenters.len() == 1 {
        return Err(RaftChangeError::Last(wanted.to_owned()));
    }
    Ok(change_metadata(config, |metadata| drop(metadata.consenters.remove(at)))?)
}

/// Gives a consenter new certificates; `even_so` also where its key stays.
pub(super) fn rotate(
    config: &mut Config,
    wanted: &str,
    certificates: Certificates,
    even_so: bool,
) -> Result<(), RaftChangeError> {
    let consenters = consenters(config)?;
    let at = position(&consenters, wanted)?;
    let old = &consenters[at];
    if old.client_tls_cert == certificates.client && old.server_tls_cert == certificates.server {
        return Err(RaftChangeError::SameCertificates { address: wanted.to_owned() });
    }
    let same_key = |a: &Bytes, b: &Bytes| {
        let keys = Certificate::from_pem(a).ok().zip(Certificate::from_pem(b).ok());
        keys.is_some_and(|(a, b)| a.public_key_der() == b.public_key_der())
    };
    if !even_so
        && same_key(&old.client_tls_cert, &certificates.client)
        && same_key(&old.server_tls_cert, &certificates.server)
    {
        return Err(RaftChangeError::SameKey { address: wanted.to_owned() });
    }
    Ok(change_metadata(config, |metadata| {
        if let Some(consenter) = metadata.consenters.get_mut(at) {
            consenter.client_tls_cert = certificates.client;
            consenter.server_tls_cert = certificates.server;
        }
    })?)
}

/// Enters or leaves maintenance.
pub(super) fn set_maintenance(config: &mut Config, on: bool) -> Result<(), RaftChangeError> {
    use consensus_type::State;
    let state = if on { State::Maintenance } else { State::Normal } as i32;
    Ok(orderer().change_value(config, CONSENSUS_TYPE, ADMINS, |consensus: &mut ConsensusType| {
        consensus.state = state;
    })?)
}

fn position(consenters: &[Consenter], wanted: &str) -> Result<usize, RaftChangeError> {
    let mut found = consenters.iter().enumerate().filter(|(_, consenter)| address(consenter) == wanted);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some(_), Some(_)) => Err(RaftChangeError::Ambiguous(wanted.to_owned())),
        (None, _) => Err(RaftChangeError::Absent {
            address: wanted.to_owned(),
            present: consenters.iter().map(address).collect::<Vec<_>>().join(", "),
        }),
    }
}

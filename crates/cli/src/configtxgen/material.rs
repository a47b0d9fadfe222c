//! From a profile to the description of a channel: reads the certificates that it names.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use channel::genesis::{self, GenesisDescription, PoliciesError, PolicyRule, error_chain};
use identity::local::LocalMspError;
use protos::{
    Message,
    etcdraft::{self, ConfigMetadata},
    msp::{IdemixMspConfig, IdemixMspSignerConfig, MspConfig},
};
use tracing::warn;

use super::{LOG, model};
use crate::{
    failure,
    msp_directory::{self, MspDirectoryError, what_instead_of_certificate},
};

/// Material that a channel cannot be described with. The texts are Fabric's where it has one.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaterialError {
    #[error("{}1 - Error loading MSP configuration for org{} {name}: {source}", error_chain(.group), colon(.group))]
    Organization { group: String, name: String, source: Box<MspError> },
    #[error(transparent)]
    Policies(genesis::GenesisError),
    #[error(
        "could not create orderer group: cannot marshal metadata for orderer type etcdraft: cannot load {role} cert for consenter {host}:{port}: {source} ({key})"
    )]
    Consenter {
        role: &'static str,
        key: &'static str,
        host: String,
        port: u32,
        source: Box<CertificateFileError>,
    },
}

/// Fabric has none where organizations of the application are concerned.
fn colon(group: &str) -> &'static str {
    if group.starts_with("/Channel/Application/") { "" } else { ":" }
}

/// Why there is no MSP.
#[derive(Debug, thiserror::Error)]
pub(super) enum MspError {
    #[error("{0} (MSPDir)")]
    Directory(#[from] MspDirectoryError),
    #[error("{0} (MSPDir)")]
    Msp(#[from] LocalMspError),
    #[error("unknown MSP type '{0}'; set MSPType to bccsp or idemix, or leave it out")]
    UnknownType(String),
    #[error("failed to read {what} file: could not read file {}: {} (MSPDir)", .file.display(), failure::system_reason(.source))]
    Idemix { what: &'static str, file: PathBuf, source: io::Error },
    #[error("{} is no signer's configuration: {source}", .file.display())]
    IdemixSigner { file: PathBuf, source: protos::DecodeError },
}

/// Why there is no consenter's certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateFileError {
    #[error("open {}: {}", .file.display(), failure::system_reason(.source))]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{} holds {found}; name the PEM file of the consenter's TLS certificate", .file.display())]
    NotACertificate { file: PathBuf, found: String },
}

/// The channel that a profile describes.
pub(super) fn describe(
    profile: &model::Profile,
    channel_id: &str,
) -> Result<GenesisDescription, MaterialError> {
    let orderer = profile.orderer.as_ref().map(orderer_section).transpose()?;
    let application = profile.application.as_ref().map(application_section).transpose()?;
    let consortium = |(name, members): (&String, &Vec<model::Organization>)| {
        let path = format!("/Channel/Consortiums/{name}");
        Ok((name.clone(), organizations(members, &path)?))
    };
    let consortiums = profile.consortiums.as_ref().map(|all| all.iter().map(consortium).collect());
    Ok(GenesisDescription {
        channel_id: channel_id.to_owned(),
        consortium: Some(profile.consortium.clone()).filter(|name| !name.is_empty()),
        capabilities: profile.capabilities.clone(),
        policies: policies(&profile.policies, "/Channel")?,
        orderer,
        application,
        consortiums: consortiums.transpose()?,
    })
}

fn orderer_section(section: &model::Orderer) -> Result<genesis::OrdererSection, MaterialError> {
    let path = "/Channel/Orderer";
    let policies = policies(&section.policies, path)?;
    let consensus = match (&*section.kind, &section.raft) {
        ("kafka", _) => {
            genesis::Consensus::Kafka { brokers: section.kafka_brokers.clone().unwrap_or_default() }
        }
        ("etcdraft", Some(raft)) => genesis::Consensus::Etcdraft(ConfigMetadata {
            consenters: raft.consenters.iter().map(consenter).collect::<Result<_, _>>()?,
            options: raft.options.clone(),
        }),
        // A complete section has no other type.
        _ => genesis::Consensus::Solo,
    };
    Ok(genesis::OrdererSection {
        batch_size: section.batch_size,
        batch_timeout: section.batch_timeout,
        max_channels: section.max_channels,
        addresses: section.addresses.clone(),
        capabilities: section.capabilities.clone(),
        policies,
        ..genesis::OrdererSection::new(consensus, organizations(&section.organizations, path)?)
    })
}

fn application_section(section: &model::Application) -> Result<genesis::ApplicationSection, MaterialError> {
    let path = "/Channel/Application";
    Ok(genesis::ApplicationSection {
        acls: section.acls.clone(),
        capabilities: section.capabilities.clone(),
        policies: policies(&section.policies, path)?,
        organizations: organizations(&section.organizations, path)?,
    })
}

fn policies(policies: &model::Policies, path: &str) -> Result<genesis::Policies, MaterialError> {
    let wrong = |reason: PoliciesError| {
        MaterialError::Policies(genesis::GenesisError::Policies { group: path.to_owned(), reason })
    };
    let rule = |(name, policy): (&String, &model::Policy)| {
        Ok((name.clone(), PolicyRule::of_type(&policy.kind, &policy.rule).map_err(wrong)?))
    };
    policies.iter().map(rule).collect()
}

/// The organizations of the group at `path`. Where two have one name the last one counts, as in Fabric.
fn organizations(
    organizations: &[model::Organization],
    path: &str,
) -> Result<Vec<genesis::Organization>, MaterialError> {
    let mut by_name = BTreeMap::new();
    for organization in organizations {
        let described = describe_organization(organization, path)?;
        if by_name.insert(&organization.name, described).is_some() {
            let name = &organization.name;
            warn!(target: LOG, "Organization {name} is listed more than once in {path}; the last one counts. Remove the others");
        }
    }
    Ok(by_name.into_values().collect())
}

/// An organization in the group at `path`, such as `/Channel/Orderer`.
pub(super) fn describe_organization(
    organization: &model::Organization,
    path: &str,
) -> Result<genesis::Organization, MaterialError> {
    let name = organization.name.clone();
    if organization.skip_as_foreign {
        return Ok(genesis::Organization {
            name,
            msp: MspConfig::default(),
            policies: genesis::Policies::new(),
            orderer_endpoints: vec![],
            anchor_peers: vec![],
            skip_as_foreign: true,
        });
    }
    let path = format!("{path}/{name}");
    let msp = msp(organization).map_err(|source| MaterialError::Organization {
        group: path.clone(),
        name: name.clone(),
        source: Box::new(source),
    })?;
    Ok(genesis::Organization {
        name,
        msp,
        policies: policies(&organization.policies, &path)?,
        orderer_endpoints: organization.orderer_endpoints.clone(),
        anchor_peers: organization.anchor_peers.clone(),
        skip_as_foreign: false,
    })
}

fn msp(organization: &model::Organization) -> Result<MspConfig, MspError> {
    let directory = &organization.msp_directory;
    match &*organization.msp_type {
        "bccsp" => {
            let config = msp_directory::read(directory)?.fabric_config(&organization.id)?;
            Ok(MspConfig { r#type: X509, config: config.encode_to_vec().into() })
        }
        "idemix" => idemix(directory, &organization.id),
        other => Err(MspError::UnknownType(other.to_owned())),
    }
}

/// Types of MSPs on the wire.
const X509: i32 = 0;
const IDEMIX: i32 = 1;

/// An Idemix MSP from the directory that Fabric's `idemixgen` makes.
fn idemix(directory: &Path, id: &str) -> Result<MspConfig, MspError> {
    let key = |what, name| {
        let file = directory.join("msp").join(name);
        fs::read(&file).map(Bytes::from).map_err(|source| MspError::Idemix { what, file, source })
    };
    let config = IdemixMspConfig {
        name: id.to_owned(),
        ipk: key("issuer public key", "IssuerPublicKey")?,
        revocation_pk: key("revocation public key", "RevocationPublicKey")?,
        ..IdemixMspConfig::default()
    };
    let mut encoded = BytesMut::from(&config.encode_to_vec()[..]);
    let file = directory.join("user").join("SignerConfig");
    if let Ok(signer) = fs::read(&file) {
        if let Err(source) = IdemixMspSignerConfig::decode(&signer[..]) {
            return Err(MspError::IdemixSigner { file, source });
        }
        warn!(
            target: LOG,
            "{} becomes part of the channel's config, with the signer's secret key in it; move it elsewhere",
            file.display()
        );
        // As it stands in the file: it may have fields that are not known here.
        const SIGNER_FIELD: u8 = 3 << 3 | 2;
        encoded.put_u8(SIGNER_FIELD);
        // Fails where a buffer ends, which this one does not.
        let _ = protos::encode_length_delimiter(signer.len(), &mut encoded);
        encoded.put_slice(&signer);
    }
    Ok(MspConfig { r#type: IDEMIX, config: encoded.freeze() })
}

fn consenter(consenter: &model::Consenter) -> Result<etcdraft::Consenter, MaterialError> {
    let certificate = |role, key, file: &Path| {
        read_certificate(file).map_err(|source| MaterialError::Consenter {
            role,
            key,
            host: consenter.host.clone(),
            port: consenter.port,
            source: Box::new(source),
        })
    };
    Ok(etcdraft::Consenter {
        host: consenter.host.clone(),
        port: consenter.port,
        client_tls_cert: certificate("client", "ClientTLSCert", &consenter.client_tls_certificate)?,
        server_tls_cert: certificate("server", "ServerTLSCert", &consenter.server_tls_certificate)?,
    })
}

fn read_certificate(file: &Path) -> Result<Bytes, CertificateFileError> {
    let content = fs::read(file)
        .map_err(|source| CertificateFileError::Unreadable { file: file.to_owned(), source })?;
    match what_instead_of_certificate(&content) {
        Some(found) => Err(CertificateFileError::NotACertificate { file: file.to_owned(), found }),
        None => Ok(content.into()),
    }
}

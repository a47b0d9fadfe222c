//! MSP directories: certificates by purpose, and what `config.yaml` says of organizational units.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use identity::{
    certificate::{Certificate, CertificateError, pem_label},
    local::{MspFiles, MspYaml, NamedFile, NodeOus, OrganizationalUnit},
};
use orderer::settings::{
    units,
    yaml::{self, Entry, Node, Value, YamlError},
};
use tracing::warn;

use crate::failure;

/// Fabric's logger for what concerns MSPs.
const LOG: &str = "msp";

/// What is wrong with an MSP directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MspDirectoryError {
    /// Fabric's text.
    #[error("could not load a valid ca certificate from directory {directory}: stat {directory}: {}", failure::system_reason(.source))]
    NoCaDirectory { directory: String, source: io::Error },
    #[error(
        "could not load a valid ca certificate from directory {directory}: no file in it holds PEM; put the CA's certificate there"
    )]
    NoCa { directory: String },
    #[error("could not read directory {}: {}", .directory.display(), failure::system_reason(.source))]
    Directory { directory: PathBuf, source: io::Error },
    #[error("could not read file {}: {}", .file.display(), failure::system_reason(.source))]
    File { file: PathBuf, source: io::Error },
    #[error("{} holds {found} where a certificate should be; replace the file", .file.display())]
    NotACertificate { file: PathBuf, found: String },
    #[error("failed unmarshalling configuration file at [{}]: {source}", .file.display())]
    Yaml { file: PathBuf, source: YamlError },
    #[error("failed loading OrganizationalUnit certificate at [{}]: could not read file: {}", .file.display(), failure::system_reason(.source))]
    UnitCertificate { file: PathBuf, source: io::Error },
}

/// Reads what an MSP is defined by; keys and signing certificates are left alone. Files that hold no PEM
/// are passed over with a warning, as Fabric does.
pub(crate) fn read(directory: &Path) -> Result<MspFiles, MspDirectoryError> {
    let cacerts = directory.join("cacerts");
    let shown = || cacerts.display().to_string();
    if let Err(source) = fs::metadata(&cacerts) {
        return Err(MspDirectoryError::NoCaDirectory { directory: shown(), source });
    }
    let certificates = |name: &str| {
        let directory = directory.join(name);
        let files = pem_files(&directory)?;
        files.iter().try_for_each(|file| check_certificate(&directory, file))?;
        Ok(files)
    };
    let files = MspFiles {
        cacerts: certificates("cacerts")?,
        intermediatecerts: certificates("intermediatecerts")?,
        admincerts: certificates("admincerts")?,
        crls: pem_files(&directory.join("crls"))?,
        tlscacerts: certificates("tlscacerts")?,
        tlsintermediatecerts: certificates("tlsintermediatecerts")?,
        config_yaml: config_yaml(directory)?,
        ..MspFiles::default()
    };
    if files.cacerts.is_empty() {
        return Err(MspDirectoryError::NoCa { directory: shown() });
    }
    Ok(files)
}

/// The PEM files of a directory in the order of their names; none if there is no directory.
fn pem_files(directory: &Path) -> Result<Vec<NamedFile>, MspDirectoryError> {
    let unreadable = |source| MspDirectoryError::Directory { directory: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(unreadable)?.file_name());
    }
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let path = directory.join(&name);
        // A file is often a link into a mounted secret: what it leads to counts.
        match fs::metadata(&path)
            .and_then(|found| if found.is_dir() { Ok(None) } else { fs::read(&path).map(Some) })
        {
            Ok(None) => {}
            Ok(Some(content)) if pem_label(&content).is_some() => {
                files.push((name.to_string_lossy().into_owned(), Bytes::from(content)));
            }
            Ok(Some(_)) => {
                let path = path.display();
                warn!(target: LOG, "Failed reading file {path}: no pem content for file {path}");
            }
            Err(error) => {
                let path = path.display();
                warn!(target: LOG, "Failed reading file {path}: could not read file: {}", failure::system_reason(&error));
            }
        }
    }
    Ok(files)
}

fn check_certificate(directory: &Path, (name, content): &NamedFile) -> Result<(), MspDirectoryError> {
    let found = what_instead_of_certificate(content);
    found
        .map_or(Ok(()), |found| Err(MspDirectoryError::NotACertificate { file: directory.join(name), found }))
}

/// What the bytes are if they are no certificate at all. A certificate that only an orderer would
/// refuse still is one.
pub(crate) fn what_instead_of_certificate(content: &[u8]) -> Option<String> {
    match (pem_label(content), Certificate::from_pem(content)) {
        (None, _) => Some("no PEM".to_owned()),
        (Some(label), Err(CertificateError::Malformed | CertificateError::TrailingData)) => match &*label {
            "CERTIFICATE" => Some("a damaged CERTIFICATE".to_owned()),
            other => Some(format!("a {other}")),
        },
        _ => None,
    }
}

/// `config.yaml` with the certificates that it names. Unlike elsewhere in Fabric, keys that do not exist
/// are ignored here, and their case counts.
fn config_yaml(directory: &Path) -> Result<Option<MspYaml>, MspDirectoryError> {
    let file = directory.join("config.yaml");
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|source| MspDirectoryError::File { file: file.clone(), source })?,
    };
    let malformed = |source| MspDirectoryError::Yaml { file: file.clone(), source };
    let tree = yaml::parse(&text).map_err(malformed)?;
    let mut units = Vec::new();
    if let Some(Node { value: Value::Sequence(items), .. }) = value_of(&tree, "OrganizationalUnitIdentifiers")
    {
        for item in items {
            let path = directory.join(text_of(item, "Certificate"));
            let content = fs::read(&path)
                .map_err(|source| MspDirectoryError::UnitCertificate { file: path, source })?;
            let identifier = text_of(item, "OrganizationalUnitIdentifier").to_owned();
            units.push(OrganizationalUnit { certificate: Some(content.into()), identifier });
        }
    }
    let node_ous = value_of(&tree, "NodeOUs").filter(|node| matches!(node.value, Value::Mapping(_)));
    let unit = |section: &Node, role: &str| {
        let unit = value_of(section, &format!("{role}OUIdentifier"))?;
        let identifier = text_of(unit, "OrganizationalUnitIdentifier").to_owned();
        let certificate = pinned_certificate(directory, text_of(unit, "Certificate"), role);
        Some(OrganizationalUnit { certificate, identifier })
    };
    let node_ous = node_ous.map(|section| NodeOus {
        enable: units::truth(text_of(section, "Enable")).unwrap_or_default(),
        client: unit(section, "Client"),
        peer: unit(section, "Peer"),
        admin: unit(section, "Admin"),
        orderer: unit(section, "Orderer"),
    });
    Ok(Some(MspYaml { organizational_unit_identifiers: units, node_ous }))
}

/// The certificate that a node's unit is pinned to; one that cannot be read leaves it unpinned.
fn pinned_certificate(directory: &Path, name: &str, role: &str) -> Option<Bytes> {
    if name.is_empty() {
        return None;
    }
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(content) => Some(content.into()),
        Err(error) => {
            let (path, reason) = (path.display(), failure::system_reason(&error));
            warn!(target: LOG, "Failed loading {role}OU certificate at [{path}]: [could not read file {path}: {reason}]");
            None
        }
    }
}

fn value_of<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Mapping(entries) = &node.value else { return None };
    entries.iter().find(|Entry { key: found, .. }| found == key).map(|entry| &entry.node)
}

/// The text under a key; empty if there is none.
fn text_of<'a>(node: &'a Node, key: &str) -> &'a str {
    match value_of(node, key) {
        Some(Node { value: Value::Scalar { text, .. }, .. }) => text,
        _ => "",
    }
}

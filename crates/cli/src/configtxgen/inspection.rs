//! Printing what files hold, and organizations, as JSON.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use channel::{
    genesis::{GenesisError, Place},
    json::{self, JsonError},
};
use tracing::info;

use super::{
    LOG,
    material::{self, MaterialError},
    model::TopLevel,
};
use crate::failure;

/// Why nothing can be shown. The texts are those of Fabric's tool.
#[derive(Debug, thiserror::Error)]
pub(super) enum InspectionError {
    #[error("could not read block {}: {}", .file.display(), failure::system_reason(.source))]
    ReadBlock { file: PathBuf, source: io::Error },
    #[error("error unmarshalling to block: error unmarshalling Block: {0}")]
    Block(JsonError),
    #[error("malformed block contents: {0}")]
    BlockContents(JsonError),
    #[error("could not read channel create tx: open {}: {}", .file.display(), failure::system_reason(.source))]
    ReadTransaction { file: PathBuf, source: io::Error },
    #[error("Error unmarshalling envelope: error unmarshalling Envelope: {0}")]
    Transaction(JsonError),
    #[error("malformed transaction contents: {0}")]
    TransactionContents(JsonError),
    #[error("organization {name} not found; there are: {known}")]
    NoOrganization { name: String, known: String },
    #[error("bad org definition for org {name}: {source}")]
    Material { name: String, source: MaterialError },
    #[error(
        "bad org definition for org {name}: error adding policies to orderer org group '{name}': {reason}"
    )]
    Policies { name: String, reason: String },
    #[error("malformed org definition for org: {name}: {source}")]
    Organization { name: String, source: JsonError },
    #[error("cannot write to standard output: {}", failure::system_reason(.0))]
    Output(io::Error),
}

/// Prints the block in a file.
pub(super) fn block(file: &Path) -> Result<(), InspectionError> {
    info!(target: LOG, "Inspecting block");
    let content =
        fs::read(file).map_err(|source| InspectionError::ReadBlock { file: file.to_owned(), source })?;
    info!(target: LOG, "Parsing genesis block");
    print(&json::decode("common.Block", &content).map_err(|error| match error {
        JsonError::Unmarshal(_) => InspectionError::Block(error),
        error => InspectionError::BlockContents(error),
    })?)
}

/// Prints the transaction in a file.
pub(super) fn transaction(file: &Path) -> Result<(), InspectionError> {
    info!(target: LOG, "Inspecting transaction");
    let content = fs::read(file)
        .map_err(|source| InspectionError::ReadTransaction { file: file.to_owned(), source })?;
    info!(target: LOG, "Parsing transaction");
    print(&json::decode("common.Envelope", &content).map_err(|error| match error {
        JsonError::Unmarshal(_) => InspectionError::Transaction(error),
        error => InspectionError::TransactionContents(error),
    })?)
}

/// Prints an organization as one that runs orderers.
pub(super) fn organization(top_level: &TopLevel, name: &str) -> Result<(), InspectionError> {
    let Some(found) = top_level.organizations.iter().find(|organization| organization.name == name) else {
        let known: Vec<&str> =
            top_level.organizations.iter().map(|organization| &*organization.name).collect();
        return Err(InspectionError::NoOrganization { name: name.to_owned(), known: known.join(", ") });
    };
    let name = || name.to_owned();
    let described = material::describe_organization(found, "")
        .map_err(|source| InspectionError::Material { name: name(), source })?;
    let group = described.group(Place::Orderer, "").map_err(|error| {
        let reason = match error {
            GenesisError::Policies { reason, .. } => reason.to_string(),
            error => error.to_string(),
        };
        InspectionError::Policies { name: name(), reason }
    })?;
    let text = json::decode_organization(&group);
    print(&text.map_err(|source| InspectionError::Organization { name: name(), source })?)
}

fn print(text: &str) -> Result<(), InspectionError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(InspectionError::Output)
}

//! What is made of a profile: blocks and transactions.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use channel::genesis::{self, GenesisDescription, GenesisError, RequestError};
use protos::{Message, common::ConfigUpdate};
use tracing::{info, warn};

use super::{
    LOG,
    advice::advice,
    material::{self, MaterialError},
    model::Profile,
    output::{self, OutputError},
};

/// Bytes of a nonce that makes a transaction id unique.
const NONCE_BYTES: usize = 24;

/// Why nothing was made. The texts are those of Fabric's tool.
#[derive(Debug, thiserror::Error)]
pub(super) enum GenerationError {
    #[error("could not create bootstrapper: could not create channel group: {0}")]
    BlockMaterial(MaterialError),
    #[error("could not create bootstrapper: could not create channel group: {0}")]
    ChannelGroup(GenesisError),
    #[error("could not create bootstrapper: {0}")]
    Foreign(GenesisError),
    #[error(transparent)]
    Incomplete(GenesisError),
    #[error("error writing genesis block: {0}")]
    WriteBlock(OutputError),
    #[error("could not generate default config template: error parsing configuration: {0}")]
    CreationMaterial(MaterialError),
    #[error("could not parse system channel config: {0}")]
    SystemMaterial(MaterialError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("error writing channel create tx: {0}")]
    WriteCreation(OutputError),
    #[error("must specify an organization to update the anchor peer for")]
    NoOrganization,
    #[error("error parsing profile as channel group: {0}")]
    AnchorsMaterial(MaterialError),
    #[error("Error writing channel anchor peer update: {0}")]
    WriteAnchors(OutputError),
}

/// Writes a channel's first block.
pub(super) fn block(profile: &Profile, channel_id: &str, file: &Path) -> Result<(), GenerationError> {
    let channel = material::describe(profile, channel_id).map_err(GenerationError::BlockMaterial)?;
    let (now_unix, nonce) = (now_unix(), rand::random::<[u8; NONCE_BYTES]>());
    let block = channel.block(now_unix, nonce.to_vec().into());
    if matches!(block, Ok(_) | Err(GenesisError::NoOrderer | GenesisError::NoApplication)) {
        info!(target: LOG, "Generating genesis block");
    }
    let block = block.map_err(|error| match error {
        GenesisError::NoOrderer | GenesisError::NoApplication => GenerationError::Incomplete(error),
        GenesisError::Foreign(_) => GenerationError::Foreign(error),
        error => GenerationError::ChannelGroup(error),
    })?;
    let kind = if channel.consortiums.is_some() { "system" } else { "application" };
    info!(target: LOG, "Creating {kind} channel genesis block");
    for text in advice(&channel, &block, now_unix) {
        warn!(target: LOG, "{text}");
    }
    info!(target: LOG, "Writing genesis block");
    output::write(file, &block.encode_to_vec()).map_err(GenerationError::WriteBlock)
}

/// Writes the transaction that asks a system channel, described by `base` if that matters, to create a
/// channel.
pub(super) fn creation(
    profile: &Profile,
    base: Option<&Profile>,
    channel_id: &str,
    file: &Path,
) -> Result<(), GenerationError> {
    info!(target: LOG, "Generating new channel configtx");
    let describe = |profile| material::describe(profile, channel_id);
    let update = match base {
        None => genesis::creation_update(&describe(profile).map_err(GenerationError::CreationMaterial)?)?,
        Some(base) => {
            let system: GenesisDescription = describe(base).map_err(GenerationError::SystemMaterial)?;
            let channel = describe(profile).map_err(GenerationError::CreationMaterial)?;
            genesis::creation_update_under(&channel, &system)?
        }
    };
    info!(target: LOG, "Writing new channel tx");
    output::write(file, &envelope(&update)).map_err(GenerationError::WriteCreation)
}

/// Writes the transaction that adds an organization's anchor peers.
pub(super) fn anchor_peers(
    profile: &Profile,
    channel_id: &str,
    organization: &str,
    file: &Path,
) -> Result<(), GenerationError> {
    info!(target: LOG, "Generating anchor peer update");
    if organization.is_empty() {
        return Err(GenerationError::NoOrganization);
    }
    if profile.application.is_none() {
        return Err(RequestError::AnchorsWithoutApplication.into());
    }
    let channel = material::describe(profile, channel_id).map_err(GenerationError::AnchorsMaterial)?;
    let update = genesis::anchor_peers_update(&channel, organization)?;
    info!(target: LOG, "Writing anchor peer update");
    output::write(file, &envelope(&update)).map_err(GenerationError::WriteAnchors)
}

fn envelope(update: &ConfigUpdate) -> Vec<u8> {
    genesis::update_envelope(update, now_unix()).encode_to_vec()
}

fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

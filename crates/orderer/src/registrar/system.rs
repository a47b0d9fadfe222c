//! The system channel: bootstrap from a file, and the channels that it creates.

use std::{fs, path::Path, sync::Arc};

use channel::{
    block::{self, EncodedBlock},
    consenters::{ETCDRAFT, RaftConfig},
};
use prost::Message;
use protos::common::Block;
use storage::ledger::{LedgerStore, StoreError};

use super::{LOG, Registrar, SERVER_LOG, open::OpenError};

/// Why the system channel could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The file is not there or cannot be read.
    #[error(
        "unable to bootstrap orderer. Error reading genesis block file {path}: {source}; set General.BootstrapFile to the genesis block, or General.BootstrapMethod to none"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file holds no block, or one that cannot begin a system channel.
    #[error(
        "failed validating bootstrap block {path}: {reason}; General.BootstrapFile must be the genesis block of a system channel"
    )]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the system channel from its genesis block, if this node has no channels yet. A later config
/// block of a system channel is kept as what that channel is joined with.
///
/// # Errors
///
/// When the file is not a genesis block of a system channel.
pub fn bootstrap(store: &LedgerStore, file: &Path) -> Result<(), BootstrapError> {
    if !store.channels()?.is_empty() {
        tracing::info!(target: SERVER_LOG, "Not bootstrapping the system channel because of existing channels");
        return Ok(());
    }
    let path = file.display().to_string();
    let bytes = fs::read(file).map_err(|source| BootstrapError::Unreadable { path: path.clone(), source })?;
    let invalid = |reason: String| BootstrapError::Invalid { path: path.clone(), reason };
    let boot = Block::decode(bytes.as_slice()).map_err(|error| invalid(error.to_string()))?;
    let bundle =
        channel::bundle::Bundle::from_config_block(&boot).map_err(|error| invalid(error.to_string()))?;
    if bundle.consortiums().is_none() {
        let reason = "the block isn't a system channel block because it lacks ConsortiumsConfig";
        return Err(invalid(reason.to_owned()));
    }
    if let Some(orderer) = bundle.orderer().filter(|orderer| orderer.consensus_type == ETCDRAFT) {
        RaftConfig::parse(&orderer.consensus_metadata).map_err(|error| invalid(error.to_string()))?;
    }
    let number = boot.header.as_ref().map_or(0, |header| header.number);
    if number > 0 {
        tracing::info!(target: SERVER_LOG,
            "Not bootstrapping the system channel because the bootstrap block number is {number} (>0), replication is needed");
        let name = block::channel_id(&boot).map_err(|error| invalid(error.to_string()))?;
        return Ok(store.join_blocks().save(&name, &bytes)?);
    }
    tracing::info!(target: SERVER_LOG, "Bootstrapping the system channel");
    let name = block::channel_id(&boot).map_err(|error| invalid(error.to_string()))?;
    write_genesis(store, &name, &EncodedBlock::from_block(boot))?;
    tracing::info!(target: SERVER_LOG, "Initialized the system channel '{name}' from bootstrap block");
    Ok(())
}

/// Writes block 0 durably, unless it is there already.
pub(super) fn write_genesis(
    store: &LedgerStore,
    channel_id: &str,
    genesis: &EncodedBlock,
) -> Result<(), StoreError> {
    let ledger = store.open_channel(channel_id)?;
    if ledger.height() == 0 {
        ledger.append(&Arc::new(genesis.clone()))?;
        ledger.flush()?;
    }
    Ok(())
}

impl Registrar {
    /// Makes the channel that a block of the system channel creates. Doing it again does nothing.
    pub(super) fn create_channel(&self, genesis: &EncodedBlock) -> Result<(), OpenError> {
        let name =
            block::channel_id(genesis.block()).map_err(|error| OpenError::Genesis(error.to_string()))?;
        if self.channels.get(&name).is_some() {
            return Ok(());
        }
        write_genesis(&self.parts.store, &name, genesis)?;
        self.open_existing(&name)?;
        tracing::info!(target: LOG, "Created and started new channel {name}");
        Ok(())
    }
}

//! The config that a channel has, from its orderers and verified.

use std::time::Duration;

use channel::{
    block::{self, BlockError},
    bundle::{Bundle, ConfigBlockError, MissingPolicy},
};
use protos::{
    Message,
    common::{Block, Config, ConfigEnvelope},
    etcdraft,
};
use tokio::time::timeout;

use crate::{
    client::{
        chain::{AnchorError, ChainFault, verifier_from},
        connection::{ConnectError, Connection, Endpoint},
        deliver::{DeliverError, Position, fetch},
        transaction::Signer,
    },
    failure::explain,
    target::Target,
};

/// How long an orderer may take to give a config and what verifies it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub(super) enum LiveError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    #[error("block {number} from {address} is not what the channel's orderers made: {fault}")]
    Fault { address: String, number: u64, fault: ChainFault },
    #[error("block {number} from {address} cannot be used: {source}")]
    Block { address: String, number: u64, source: BlockError },
    #[error("block {number} from {address} holds no usable config: {source}")]
    Config { address: String, number: u64, source: ConfigBlockError },
    #[error("block {number} from {address} is of channel {found}, not of {wanted}")]
    OtherChannel { address: String, number: u64, found: String, wanted: String },
    #[error(transparent)]
    Policy(#[from] MissingPolicy),
    #[error("{address} did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TimedOut { address: String },
    #[error("no orderer gave the channel's config:{}", list(.0))]
    Nobody(Vec<(String, LiveError)>),
}

fn list(failures: &[(String, LiveError)]) -> String {
    match failures {
        [(_, only)] => format!(" {}", explain(only)),
        _ => failures.iter().fold(String::new(), |text, (address, failure)| {
            format!("{text}\n  {address}: {}", explain(failure))
        }),
    }
}

/// A config that was in force at some block.
pub(super) struct Live {
    pub(super) bundle: Bundle,
    /// The config with the update that led to it.
    pub(super) envelope: ConfigEnvelope,
    /// The number of the block that holds it.
    pub(super) block: u64,
    /// The orderer that gave it.
    pub(super) address: String,
    /// What the consenters recorded with the block that was asked for; `None` where it is not Raft's.
    pub(super) raft: Option<etcdraft::BlockMetadata>,
}

impl Live {
    pub(super) fn config(&self) -> &Config {
        self.bundle.config()
    }
}

/// Fetches the config in force at a position, from the first orderer that gives it.
///
/// The config block must be signed as the config before it demands, and the block that names it as the
/// config itself does.
pub(super) async fn config_at(target: &Target, position: Position) -> Result<Live, LiveError> {
    let mut failures = Vec::new();
    for endpoint in &target.endpoints {
        match read(endpoint, &target.signer, position).await {
            Ok(live) => return Ok(live),
            Err(failure) => failures.push((endpoint.address.clone(), failure)),
        }
    }
    Err(LiveError::Nobody(failures))
}

/// The same from one orderer.
pub(super) async fn read(
    endpoint: &Endpoint,
    signer: &Signer,
    position: Position,
) -> Result<Live, LiveError> {
    let reading = async { read_verified(&endpoint.connect().await?, signer, position).await };
    timeout(ANSWER_TIMEOUT, reading)
        .await
        .unwrap_or_else(|_| Err(LiveError::TimedOut { address: endpoint.address.clone() }))
}

async fn read_verified(
    connection: &Connection,
    signer: &Signer,
    position: Position,
) -> Result<Live, LiveError> {
    let address = || connection.address().to_owned();
    let newest = fetch(connection, signer, position).await?;
    let newest_number = number(&newest);
    let in_newest = |source| LiveError::Block { address: address(), number: newest_number, source };
    let number = block::last_config_index(&newest).map_err(in_newest)?;
    let config_block = match number == newest_number {
        true => newest.clone(),
        false => fetch(connection, signer, Position::Number(number)).await?,
    };
    let mut verifier = verifier_from(connection, signer, number).await?;
    verifier.check(&config_block).map_err(|fault| LiveError::Fault { address: address(), number, fault })?;
    let bundle = Bundle::from_config_block(&config_block).map_err(|source| LiveError::Config {
        address: address(),
        number,
        source,
    })?;
    if bundle.channel_id() != signer.channel() {
        let (found, wanted) = (bundle.channel_id().to_owned(), signer.channel().to_owned());
        return Err(LiveError::OtherChannel { address: address(), number, found, wanted });
    }
    if newest_number > number {
        let policy = bundle.block_validation_policy()?;
        block::verify_signatures(&newest, policy.as_ref()).map_err(in_newest)?;
    }
    let envelope = block::config_envelope(&config_block).map_err(|source| LiveError::Block {
        address: address(),
        number,
        source,
    })?;
    let raft = block::consenter_metadata(&newest).ok().filter(|metadata| !metadata.is_empty());
    let raft = raft.and_then(|metadata| etcdraft::BlockMetadata::decode(metadata).ok());
    Ok(Live { bundle, envelope, block: number, address: address(), raft })
}

fn number(block: &Block) -> u64 {
    block.header.as_ref().map_or(0, |header| header.number)
}

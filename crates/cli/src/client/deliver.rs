//! Receiving blocks on a Deliver stream.

use bytes::Bytes;
use channel::envelope::EnvelopeError;
use protos::{
    common::{Block, Status as Answer},
    orderer::{
        DeliverResponse, SeekInfo, SeekNewest, SeekOldest, SeekPosition, SeekSpecified, deliver_response,
        seek_info::SeekBehavior, seek_position,
    },
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use super::{
    broadcast::{reason, status_name},
    connection::{Connection, Responses},
    transaction::Signer,
};

/// Why no further block came.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum DeliverError {
    #[error("the request for blocks could not be signed")]
    Signing(#[from] EnvelopeError),
    #[error("{address} answered {}{}", status_name(*status), explanation(*status, channel))]
    Refused { address: String, channel: String, status: i32 },
    #[error("the stream of blocks from {address} broke: {reason}")]
    Broken { address: String, reason: String },
    #[error("{address} sent an answer without a block or a status")]
    Empty { address: String },
}

/// Deliver answers with a number only; this says what it means.
fn explanation(status: i32, channel: &str) -> String {
    match Answer::try_from(status) {
        Ok(Answer::NotFound) => {
            format!(": it does not serve channel {channel}, or the channel has no such block")
        }
        Ok(Answer::Forbidden) => format!(
            ": this identity may not read channel {channel}; it must satisfy the policy /Channel/Readers and not be expired"
        ),
        Ok(Answer::BadRequest) => {
            ": it did not take the request; a connection with mutual TLS needs --client-cert and --client-key, \
             and the clocks of both machines must agree"
                .to_owned()
        }
        Ok(Answer::ServiceUnavailable) => format!(": channel {channel} has no leader there now; try again"),
        _ => String::new(),
    }
}

/// A position in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Block 0.
    Oldest,
    /// The highest block there is.
    Newest,
    /// The block of this number.
    Number(u64),
}

impl From<Position> for SeekPosition {
    fn from(position: Position) -> Self {
        let r#type = match position {
            Position::Oldest => seek_position::Type::Oldest(SeekOldest {}),
            Position::Newest => seek_position::Type::Newest(SeekNewest {}),
            Position::Number(number) => seek_position::Type::Specified(SeekSpecified { number }),
        };
        Self { r#type: Some(r#type) }
    }
}

/// Blocks as an orderer delivers them, not verified.
pub struct Blocks {
    address: String,
    channel: String,
    stream: Responses<DeliverResponse>,
    /// Held open: an orderer ends the answers when the requests end.
    _requests: tokio::sync::mpsc::Sender<Bytes>,
}

impl Blocks {
    /// Follows the channel from `start` on; blocks that do not exist yet are waited for.
    pub fn follow(connection: &Connection, signer: &Signer, start: Position) -> Result<Self, DeliverError> {
        let stop = Position::Number(u64::MAX);
        Self::open(connection, signer, start, stop, SeekBehavior::BlockUntilReady)
    }

    /// Reads the blocks from `start` to `stop` that exist now.
    pub fn read(
        connection: &Connection,
        signer: &Signer,
        start: Position,
        stop: Position,
    ) -> Result<Self, DeliverError> {
        Self::open(connection, signer, start, stop, SeekBehavior::FailIfNotReady)
    }

    fn open(
        connection: &Connection,
        signer: &Signer,
        start: Position,
        stop: Position,
        behavior: SeekBehavior,
    ) -> Result<Self, DeliverError> {
        let seek = SeekInfo {
            start: Some(start.into()),
            stop: Some(stop.into()),
            behavior: behavior as i32,
            ..Default::default()
        };
        let request = signer.seek(&seek, connection.certificate_hash())?;
        let (requests, receiver) = tokio::sync::mpsc::channel(1);
        let first = tokio_stream::once(request);
        Ok(Self {
            address: connection.address().to_owned(),
            channel: signer.channel().to_owned(),
            stream: connection.deliver_stream(first.chain(ReceiverStream::new(receiver))),
            _requests: requests,
        })
    }

    /// The next block; `None` when the last one that was asked for has been delivered.
    pub async fn next(&mut self) -> Result<Option<Block>, DeliverError> {
        let address = || self.address.clone();
        match self.stream.message().await {
            Ok(Some(DeliverResponse { r#type: Some(deliver_response::Type::Block(block)) })) => {
                Ok(Some(block))
            }
            Ok(Some(DeliverResponse { r#type: Some(deliver_response::Type::Status(status)) })) => {
                if status == Answer::Success as i32 {
                    return Ok(None);
                }
                Err(DeliverError::Refused { address: address(), channel: self.channel.clone(), status })
            }
            Ok(Some(DeliverResponse { r#type: None })) => Err(DeliverError::Empty { address: address() }),
            Ok(None) => {
                Err(DeliverError::Broken { address: address(), reason: "the orderer ended it".to_owned() })
            }
            Err(status) => Err(DeliverError::Broken { address: address(), reason: reason(&status) }),
        }
    }
}

/// The one block at `position`.
pub async fn fetch(
    connection: &Connection,
    signer: &Signer,
    position: Position,
) -> Result<Block, DeliverError> {
    let mut blocks = Blocks::read(connection, signer, position, position)?;
    let block = blocks.next().await?;
    block.ok_or_else(|| DeliverError::Empty { address: connection.address().to_owned() })
}

//! Sending envelopes on a Broadcast stream.

use bytes::Bytes;
use protos::{common::Status as Answer, orderer::BroadcastResponse};
use tokio_stream::Stream;
use tonic::Status;

use super::connection::{Connection, Responses};

/// Why an envelope was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum BroadcastError {
    /// The orderer refused it; nothing was ordered.
    #[error("{address} answered {}{}", status_name(*status), if info.is_empty() { String::new() } else { format!(": {info}") })]
    Refused { address: String, status: i32, info: String },
    /// The stream broke before the answer came: the envelope may or may not have been ordered.
    #[error("the stream to {address} broke: {reason}")]
    Broken { address: String, reason: String },
    /// The orderer ended the stream without an answer: the envelope may or may not have been ordered.
    #[error("{address} ended the stream without an answer")]
    Ended { address: String },
}

/// The name of a status as Fabric prints it.
pub fn status_name(status: i32) -> String {
    Answer::try_from(status).map_or_else(|_| status.to_string(), |status| status.as_str_name().to_owned())
}

/// The answers of one Broadcast stream: one an envelope, in their order.
pub struct Answers {
    address: String,
    stream: Responses<BroadcastResponse>,
}

impl Answers {
    /// Opens a stream on which `envelopes` (encoded) are sent.
    pub fn open(connection: &Connection, envelopes: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self { address: connection.address().to_owned(), stream: connection.broadcast_stream(envelopes) }
    }

    /// Waits for the next answer: `Ok` is SUCCESS. After an error the stream is of no more use.
    pub async fn next(&mut self) -> Result<(), BroadcastError> {
        match self.stream.message().await {
            Ok(Some(response)) if response.status == Answer::Success as i32 => Ok(()),
            Ok(Some(BroadcastResponse { status, info })) => {
                Err(BroadcastError::Refused { address: self.address.clone(), status, info })
            }
            Ok(None) => Err(BroadcastError::Ended { address: self.address.clone() }),
            Err(status) => Err(broken(&self.address, &status)),
        }
    }
}

fn broken(address: &str, status: &Status) -> BroadcastError {
    BroadcastError::Broken { address: address.to_owned(), reason: reason(status) }
}

/// What went wrong, the innermost cause last.
pub(super) fn reason(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    if text.is_empty() { status.code().description().to_owned() } else { text }
}

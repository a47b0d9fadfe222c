//! The channel participation API of a node's admin listener.

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, StatusCode};
use serde::Deserialize;

use super::{
    connection::Endpoint,
    http::{HttpAnswer, HttpError, HttpRequest, send},
};

const CHANNELS: &str = "/participation/v1/channels";

/// What a node says about a channel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChannelInfo {
    /// The channel.
    pub name: String,
    /// `consenter`, `follower`, `config-tracker` or `other`.
    #[serde(rename = "consensusRelation")]
    pub consensus_relation: String,
    /// `active`, `onboarding`, `inactive` or `failed`.
    pub status: String,
    /// Number of blocks.
    pub height: u64,
}

/// Why a node did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum ParticipationError {
    /// There was no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The node refuses.
    #[error("{address} answered {status}: {text}")]
    Refused {
        /// The node's admin address.
        address: String,
        /// The status.
        status: StatusCode,
        /// The reason that the node gives.
        text: String,
    },
    /// It is not the participation API that answers.
    #[error("the answer of {address} is not one of the channel participation API: {source}")]
    Answer {
        /// The node's admin address.
        address: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Joins the node to the channel of this genesis or config block.
pub async fn join(admin: &Endpoint, config_block: &[u8]) -> Result<ChannelInfo, ParticipationError> {
    let boundary = boundary_for(config_block);
    let mut body = BytesMut::new();
    body.put(format!("--{boundary}\r\n").as_bytes());
    body.put(&b"Content-Disposition: form-data; name=\"config-block\"; filename=\"config.block\"\r\n"[..]);
    body.put(&b"Content-Type: application/octet-stream\r\n\r\n"[..]);
    body.put(config_block);
    body.put(format!("\r\n--{boundary}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let request = HttpRequest {
        method: Method::POST,
        path: CHANNELS,
        content_type: Some(&content_type),
        body: body.freeze(),
    };
    let answer = send(admin, request).await?;
    parse(admin, accepted(admin, StatusCode::CREATED, answer)?)
}

/// What the node says about one channel; `None` when it does not take part in it.
pub async fn channel(admin: &Endpoint, channel: &str) -> Result<Option<ChannelInfo>, ParticipationError> {
    let answer = send(admin, HttpRequest::get(&format!("{CHANNELS}/{channel}"))).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    parse(admin, accepted(admin, StatusCode::OK, answer)?).map(Some)
}

/// A boundary that does not occur in the content.
fn boundary_for(content: &[u8]) -> String {
    let mut boundary = String::from("causeway-part");
    while content.windows(boundary.len()).any(|window| window == boundary.as_bytes()) {
        boundary.push('-');
    }
    boundary
}

fn accepted(admin: &Endpoint, expected: StatusCode, answer: HttpAnswer) -> Result<Bytes, ParticipationError> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    if answer.status == expected {
        return Ok(answer.body);
    }
    let text = serde_json::from_slice::<Refusal>(&answer.body)
        .map_or_else(|_| String::from_utf8_lossy(&answer.body).trim().to_owned(), |refusal| refusal.error);
    Err(ParticipationError::Refused { address: admin.address.clone(), status: answer.status, text })
}

fn parse(admin: &Endpoint, body: Bytes) -> Result<ChannelInfo, ParticipationError> {
    serde_json::from_slice(&body)
        .map_err(|source| ParticipationError::Answer { address: admin.address.clone(), source })
}

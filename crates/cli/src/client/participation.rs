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

/// What can be asked of the API.
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// To join the channel of this genesis or config block.
    Join(&'a [u8]),
    /// For the channels that the node takes part in.
    List,
    /// For what it says about one of them.
    Channel(&'a str),
    /// To leave a channel and to forget it.
    Remove(&'a str),
}

impl Question<'_> {
    /// The request's method.
    pub fn method(&self) -> Method {
        match self {
            Self::Join(_) => Method::POST,
            Self::List | Self::Channel(_) => Method::GET,
            Self::Remove(_) => Method::DELETE,
        }
    }

    /// The request's path.
    pub fn path(&self) -> String {
        match self {
            Self::Join(_) | Self::List => CHANNELS.to_owned(),
            Self::Channel(channel) | Self::Remove(channel) => format!("{CHANNELS}/{}", escaped(channel)),
        }
    }
}

/// Asks, and gives the answer as it comes.
pub async fn ask(admin: &Endpoint, question: Question<'_>) -> Result<HttpAnswer, HttpError> {
    let (content_type, body) = match question {
        Question::Join(block) => {
            let (content_type, body) = form(block);
            (Some(content_type), body)
        }
        _ => (None, Bytes::new()),
    };
    let request = HttpRequest {
        method: question.method(),
        path: &question.path(),
        content_type: content_type.as_deref(),
        body,
    };
    send(admin, request).await
}

/// Joins the node to the channel of this genesis or config block.
pub async fn join(admin: &Endpoint, config_block: &[u8]) -> Result<ChannelInfo, ParticipationError> {
    let answer = ask(admin, Question::Join(config_block)).await?;
    parse(admin, accepted(admin, StatusCode::CREATED, answer)?)
}

/// What the node says about one channel; `None` when it does not take part in it.
pub async fn channel(admin: &Endpoint, channel: &str) -> Result<Option<ChannelInfo>, ParticipationError> {
    let answer = ask(admin, Question::Channel(channel)).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    parse(admin, accepted(admin, StatusCode::OK, answer)?).map(Some)
}

/// The form that joins a node, and its type.
fn form(config_block: &[u8]) -> (String, Bytes) {
    let boundary = boundary_for(config_block);
    let mut body = BytesMut::new();
    body.put(format!("--{boundary}\r\n").as_bytes());
    body.put(&b"Content-Disposition: form-data; name=\"config-block\"; filename=\"config.block\"\r\n"[..]);
    body.put(&b"Content-Type: application/octet-stream\r\n\r\n"[..]);
    body.put(config_block);
    body.put(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.freeze())
}

/// The text with what may not stand in a path escaped. Channels have names without such characters; the node
/// is to be the one who says so.
fn escaped(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ if b"-._~!$&'()*+,;=:@/".contains(&byte) => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
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

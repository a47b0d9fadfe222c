//! Fabric's JSON form of its messages, as `configtxlator` and `configtxgen` print and read it.
//!
//! Bytes fields that hold another message are shown as that message, however deep.

use protos::common::ConfigGroup;

/// Why a message cannot be shown as JSON, or JSON not be made a message. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// There is no such message type.
    #[error("message of type {0} unknown")]
    UnknownType(String),
    /// The bytes are not the wire form of the message.
    #[error("{0}")]
    Unmarshal(String),
    /// Something inside of the message does not decode, or is of a kind that has no JSON form.
    #[error("{0}")]
    Render(String),
    /// The text is no JSON, or not of this message.
    #[error("{text} (line {line}, column {column})")]
    Parse {
        /// What is wrong.
        text: String,
        /// Line of the text, from 1.
        line: usize,
        /// Column in that line, in characters from 1.
        column: usize,
    },
}

/// The JSON form of a message: indented by tabs, keys sorted, with a newline at the end.
/// `message_type` is the full name, such as `common.Block`.
pub fn decode(message_type: &str, bytes: &[u8]) -> Result<String, JsonError> {
    let _ = bytes;
    Err(JsonError::UnknownType(message_type.to_owned()))
}

/// The message that `json` is the JSON form of. Maps are encoded in the order of their keys, so
/// that the same text always gives the same bytes.
pub fn encode(message_type: &str, json: &str) -> Result<Vec<u8>, JsonError> {
    let _ = json;
    Err(JsonError::UnknownType(message_type.to_owned()))
}

/// The JSON form of an ordering organisation's group, as `configtxgen -printOrg` prints it.
pub fn decode_organization(group: &ConfigGroup) -> Result<String, JsonError> {
    let _ = group;
    Err(JsonError::UnknownType("common.ConfigGroup".to_owned()))
}

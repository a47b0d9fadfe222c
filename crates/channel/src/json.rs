//! Fabric's JSON form of its messages, as `configtxlator` and `configtxgen` print and read it.
//!
//! Bytes fields that hold another message are shown as that message, however deep.

use bytes::Bytes;
use protos::{Message as _, common::ConfigGroup};

mod document;
mod expansion;
mod levels;
mod message;
mod read;
mod render;
mod scalar;
mod schema;

use document::{Json, Problem};
use expansion::Role;
use levels::ORDERER_ORGANIZATION;
use message::Message;
use schema::MessageType;

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

/// How deep messages may nest, in fields and marshaled in bytes. Fabric's own lie a tenth as deep.
const MAX_DEPTH: usize = 200;

/// The full names of the message types that have a JSON form.
pub fn message_types() -> impl Iterator<Item = &'static str> {
    schema::message_types()
}

/// The JSON form of a message: indented by tabs, keys sorted, with a newline at the end.
/// `message_type` is the full name, such as `common.Block`. Unknown fields are left out.
pub fn decode(message_type: &str, bytes: &[u8]) -> Result<String, JsonError> {
    show(named(message_type)?, Role::Itself, bytes)
}

/// The message that `json` is the JSON form of. Maps are encoded in the order of their keys, so
/// that the same text always gives the same bytes.
pub fn encode(message_type: &str, json: &str) -> Result<Vec<u8>, JsonError> {
    let message_type = named(message_type)?;
    let problem = |problem: Problem| {
        let (line, column) = document::position(json, problem.at);
        JsonError::Parse { text: problem.text, line, column }
    };
    let no_object = |p: Problem| problem(p.within("error unmarshaling intermediate JSON"));
    let root = document::parse(json).map_err(no_object)?;
    match root.json {
        Json::Null => Ok(Vec::new()),
        Json::Object(members) => read::message(members, root.at, message_type, Role::Itself, 0)
            .map(|message| message.encode())
            .map_err(problem),
        json => Err(no_object(scalar::cannot_unmarshal(root.at, &json, "map[string]interface {}"))),
    }
}

/// The JSON form of an ordering organisation's group, as `configtxgen -printOrg` prints it.
pub fn decode_organization(group: &ConfigGroup) -> Result<String, JsonError> {
    show(schema::known_type("common.ConfigGroup"), Role::Group(&ORDERER_ORGANIZATION), &group.encode_to_vec())
}

fn named(message_type: &str) -> Result<&'static MessageType, JsonError> {
    schema::message_type(message_type).ok_or_else(|| JsonError::UnknownType(message_type.to_owned()))
}

fn show(message_type: &'static MessageType, role: Role<'_>, bytes: &[u8]) -> Result<String, JsonError> {
    let message = Message::decode(message_type, &Bytes::copy_from_slice(bytes), 0)
        .map_err(|error| JsonError::Unmarshal(error.to_string()))?;
    render::render(&message, role).map_err(JsonError::Render)
}

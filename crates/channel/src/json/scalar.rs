//! Numbers, text, bytes and enumerations in the JSON form. The words for what is wrong are those of
//! Go's decoder.

use base64::{
    DecodeError, Engine,
    alphabet::STANDARD,
    engine::{GeneralPurpose, general_purpose::PAD},
};
use bytes::Bytes;
use protos::Timestamp;

use super::{
    document::{self, Json, Node, Problem},
    message::{Key, Value},
    schema::{self, Kind},
};

/// Standard base64 as Go reads it, which does not look at the bits that the last character has too
/// many.
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// A value that is no message. `null` is the default.
pub(super) fn value(kind: Kind, node: Node<'_>) -> Result<Value, Problem> {
    let at = node.at;
    match (kind, node.json) {
        (kind, Json::Null) => Ok(Value::default_of(kind)),
        (Kind::Bool, Json::Bool(value)) => Ok(Value::Bool(value)),
        (Kind::String, Json::String(text)) => Ok(Value::String(text)),
        (Kind::Bytes, Json::String(text)) => bytes(&text).map_err(|text| Problem { text, at }),
        (Kind::Bytes, Json::List(nodes)) => {
            nodes.into_iter().map(byte).collect::<Result<Bytes, _>>().map(Value::Bytes)
        }
        (Kind::Enum(name), Json::String(text)) => match schema::enum_type(name).number_of(&text) {
            Some(number) => Ok(Value::Signed(i64::from(number))),
            None => {
                let quoted = format!("{text:?}");
                Err(Problem { text: format!("unknown value {quoted:?} for enum {name}"), at })
            }
        },
        (Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Enum(_), Json::Number(text)) => {
            number(kind, text).map_err(|text| Problem { text, at })
        }
        (Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64, Json::String(text)) => {
            quoted_number(kind, &text).map_err(|text| Problem { text, at })
        }
        (kind, json) => Err(cannot_unmarshal(at, &json, go_type(kind))),
    }
}

/// The key of a map's entry, which JSON always has as text.
pub(super) fn key(kind: Kind, text: String) -> Result<Key, String> {
    let value = match kind {
        Kind::String => Value::String(text),
        Kind::Bool => Value::Bool(text.parse().map_err(|_| format!("{text:?} is neither true nor false"))?),
        kind => quoted_number(kind, &text)?,
    };
    Key::new(value).ok_or_else(|| "no key of a map".to_owned())
}

/// Seconds since 1970 and nanoseconds of a date and time in RFC 3339.
pub(super) fn timestamp(text: &str) -> Result<(i64, i64), String> {
    // The parser of protobuf's crate is content with less: a date alone, a blank instead of the T.
    let is_complete = text.as_bytes().get(10) == Some(&b'T')
        && text.as_bytes().last().is_some_and(|last| *last == b'Z' || text[11..].contains(['+', '-']));
    match text.parse::<Timestamp>() {
        Ok(time) if is_complete => Ok((time.seconds, i64::from(time.nanos))),
        _ => Err(format!("bad Timestamp: {text:?} is no date and time such as 2006-01-02T15:04:05.000Z")),
    }
}

/// The value is of another type than the field.
pub(super) fn cannot_unmarshal(at: usize, found: &Json<'_>, wanted: &str) -> Problem {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::List(_) => "array",
        Json::Object(_) => "object",
    };
    Problem { text: format!("json: cannot unmarshal {found} into Go value of type {wanted}"), at }
}

fn bytes(text: &str) -> Result<Value, String> {
    // Go skips line breaks.
    let text = text.replace(['\r', '\n'], "");
    let decoded = BASE64.decode(&text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })?;
    Ok(Value::Bytes(decoded.into()))
}

/// One of the bytes of a list, which Go takes as well.
fn byte(node: Node<'_>) -> Result<u8, Problem> {
    match node.json {
        Json::Null => Ok(0),
        Json::Number(text) => text.parse().map_err(|_| Problem {
            text: format!("json: cannot unmarshal number {text} into Go value of type uint8"),
            at: node.at,
        }),
        json => Err(cannot_unmarshal(node.at, &json, "uint8")),
    }
}

/// A number in quotes, as 64-bit ones are written.
fn quoted_number(kind: Kind, text: &str) -> Result<Value, String> {
    match document::parse(text) {
        Ok(Node { json: Json::Number(text), .. }) => number(kind, text),
        Ok(Node { json: Json::Null, .. }) => Ok(Value::default_of(kind)),
        Ok(Node { at, json }) => Err(cannot_unmarshal(at, &json, go_type(kind)).text),
        Err(_) if text.is_empty() => Err("unexpected end of JSON input".to_owned()),
        Err(problem) => Err(problem.text),
    }
}

fn number(kind: Kind, text: &str) -> Result<Value, String> {
    let value = match kind {
        Kind::Int32 | Kind::Enum(_) => text.parse::<i32>().ok().map(|value| Value::Signed(value.into())),
        Kind::Int64 => text.parse::<i64>().ok().map(Value::Signed),
        Kind::Uint32 => text.parse::<u32>().ok().map(|value| Value::Unsigned(value.into())),
        _ => text.parse::<u64>().ok().map(Value::Unsigned),
    };
    value.ok_or_else(|| {
        format!("json: cannot unmarshal number {text} into Go value of type {}", go_type(kind))
    })
}

fn go_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::String => "string",
        Kind::Bytes => "[]uint8",
        Kind::Enum(_) => "protoreflect.EnumNumber",
        Kind::Message(_) => "map[string]json.RawMessage",
    }
}

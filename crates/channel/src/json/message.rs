//! Messages of any type, between their wire form and their JSON form.
//!
//! The wire form is read as Go's protobuf runtime reads it: a field with an unknown number or of
//! another wire type is skipped, the last of several values counts, messages merge. It is written
//! as Go writes it deterministically: fields by number, maps by key.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    MAX_DEPTH,
    schema::{self, Field, Kind, MessageType, Shape},
};
use crate::wire::{self, LENGTH_DELIMITED};

/// Wire type of integers, booleans and enumerations.
const VARINT: u8 = 0;

/// Why bytes are not the wire form of a message of some type. The texts are Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error(transparent)]
    Wire(#[from] wire::WireError),
    #[error("string field contains invalid UTF-8")]
    Utf8,
    #[error("messages are nested more than {MAX_DEPTH} deep")]
    Depth,
}

/// A message with the fields that are set.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) message_type: &'static MessageType,
    /// By field number. Lists and maps here are never empty.
    fields: BTreeMap<u32, Value>,
}

/// The value of a field.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Bool(bool),
    /// Of the signed kinds and enumerations.
    Signed(i64),
    Unsigned(u64),
    String(String),
    Bytes(Bytes),
    Message(Message),
    List(Vec<Value>),
    Map(BTreeMap<Key, Value>),
}

/// The key of a map's entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    String(String),
}

impl Message {
    pub(super) fn new(message_type: &'static MessageType) -> Self {
        Self { message_type, fields: BTreeMap::new() }
    }

    pub(super) fn get(&self, field: &Field) -> Option<&Value> {
        self.fields.get(&field.number)
    }

    /// The value of the field of that name, if there is one and it is set.
    pub(super) fn get_named(&self, name: &str) -> Option<&Value> {
        self.message_type.field_named(name).and_then(|field| self.get(field))
    }

    /// Sets a field, and unsets the others of its `oneof`. Outside of a `oneof` a default value is
    /// the same as none.
    pub(super) fn set(&mut self, field: &Field, value: Value) {
        if field.oneof.is_some() {
            let rivals = self.message_type.fields.iter().filter(|rival| rival.oneof == field.oneof);
            rivals.for_each(|rival| drop(self.fields.remove(&rival.number)));
        } else if value.is_default() {
            self.fields.remove(&field.number);
            return;
        }
        self.fields.insert(field.number, value);
    }

    /// Reads the wire form. Byte fields share the memory of `bytes`. `depth` is the number of
    /// messages around this one.
    pub(super) fn decode(
        message_type: &'static MessageType,
        bytes: &Bytes,
        depth: usize,
    ) -> Result<Self, DecodeError> {
        let mut message = Self::new(message_type);
        message.merge(bytes, depth)?;
        Ok(message)
    }

    fn merge(&mut self, bytes: &Bytes, depth: usize) -> Result<(), DecodeError> {
        if depth >= MAX_DEPTH {
            return Err(DecodeError::Depth);
        }
        for wire_field in wire::fields(bytes) {
            let wire_field = wire_field?;
            let Some(field) = self.message_type.field(wire_field.number) else { continue };
            let content = bytes.slice(wire_field.content);
            self.merge_field(field, wire_field.wire_type, content, depth)?;
        }
        Ok(())
    }

    fn merge_field(
        &mut self,
        field: &Field,
        wire_type: u8,
        content: Bytes,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let expected = field.kind.wire_type();
        match field.shape {
            Shape::Map { keys } if wire_type == LENGTH_DELIMITED => {
                let (key, value) = entry(keys, field.kind, &content, depth)?;
                let map = self.fields.entry(field.number).or_insert_with(|| Value::Map(BTreeMap::new()));
                if let Value::Map(map) = map {
                    map.insert(key, value);
                }
            }
            Shape::List if wire_type == expected => {
                let value = Value::decode(field.kind, &content, depth)?;
                self.append(field, [value]);
            }
            Shape::List if wire_type == LENGTH_DELIMITED => {
                let mut values = Vec::new();
                let mut at = 0;
                while at < content.len() {
                    let (number, end) = wire::varint_at(&content, at)?;
                    values.push(Value::from_varint(field.kind, number));
                    at = end;
                }
                self.append(field, values);
            }
            Shape::One if wire_type == expected => match (field.kind, self.fields.get_mut(&field.number)) {
                (Kind::Message(_), Some(Value::Message(message))) => message.merge(&content, depth + 1)?,
                _ => self.set(field, Value::decode(field.kind, &content, depth)?),
            },
            _ => {}
        }
        Ok(())
    }

    fn append(&mut self, field: &Field, values: impl IntoIterator<Item = Value>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some()
            && let Value::List(list) =
                self.fields.entry(field.number).or_insert_with(|| Value::List(Vec::new()))
        {
            list.extend(values);
        }
    }

    /// The wire form.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, value) in &self.fields {
            match value {
                Value::List(values) => encode_list(*number, values, &mut out),
                Value::Map(entries) => {
                    for (key, value) in entries {
                        let mut entry = Vec::new();
                        encode_field(1, &key.as_value(), &mut entry);
                        encode_field(2, value, &mut entry);
                        encode_bytes(*number, &entry, &mut out);
                    }
                }
                value => encode_field(*number, value, &mut out),
            }
        }
        out
    }
}

impl Kind {
    fn wire_type(self) -> u8 {
        match self {
            Self::String | Self::Bytes | Self::Message(_) => LENGTH_DELIMITED,
            _ => VARINT,
        }
    }
}

impl Value {
    /// What a field of this kind has when it is not set.
    pub(super) fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::String => Self::String(String::new()),
            Kind::Bytes => Self::Bytes(Bytes::new()),
            Kind::Message(name) => Self::Message(Message::new(schema::known_type(name))),
            number => Self::from_varint(number, 0),
        }
    }

    fn is_default(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Signed(value) => *value == 0,
            Self::Unsigned(value) => *value == 0,
            Self::String(value) => value.is_empty(),
            Self::Bytes(value) => value.is_empty(),
            Self::Message(_) => false,
            Self::List(values) => values.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }

    fn decode(kind: Kind, content: &Bytes, depth: usize) -> Result<Self, DecodeError> {
        Ok(match kind {
            Kind::String => {
                let text = std::str::from_utf8(content).map_err(|_| DecodeError::Utf8)?;
                Self::String(text.to_owned())
            }
            Kind::Bytes => Self::Bytes(content.clone()),
            Kind::Message(name) => {
                Self::Message(Message::decode(schema::known_type(name), content, depth + 1)?)
            }
            number => Self::from_varint(number, wire::varint_at(content, 0)?.0),
        })
    }

    /// A number of that kind. What is too large for it loses its upper bits, as in Go.
    fn from_varint(kind: Kind, number: u64) -> Self {
        match kind {
            Kind::Bool => Self::Bool(number != 0),
            Kind::Uint32 => Self::Unsigned(u64::from(number as u32)),
            Kind::Int64 => Self::Signed(number as i64),
            Kind::Int32 | Kind::Enum(_) => Self::Signed(i64::from(number as i32)),
            _ => Self::Unsigned(number),
        }
    }
}

impl Key {
    /// `value`, if it is of a kind that keys may have.
    pub(super) fn new(value: Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(value)),
            Value::Signed(value) => Some(Self::Signed(value)),
            Value::Unsigned(value) => Some(Self::Unsigned(value)),
            Value::String(value) => Some(Self::String(value)),
            _ => None,
        }
    }

    fn as_value(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Signed(value) => Value::Signed(*value),
            Self::Unsigned(value) => Value::Unsigned(*value),
            Self::String(value) => Value::String(value.clone()),
        }
    }

    /// As the name of a member of a JSON object.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Signed(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::String(value) => value.clone(),
        }
    }
}

/// Reads an entry of a map. What is missing in it has its default.
fn entry(keys: Kind, values: Kind, content: &Bytes, depth: usize) -> Result<(Key, Value), DecodeError> {
    let mut key = Value::default_of(keys);
    let mut value = Value::default_of(values);
    for wire_field in wire::fields(content) {
        let wire_field = wire_field?;
        let part = content.slice(wire_field.content);
        match wire_field.number {
            1 if wire_field.wire_type == keys.wire_type() => key = Value::decode(keys, &part, depth)?,
            2 if wire_field.wire_type == values.wire_type() => match &mut value {
                Value::Message(message) => message.merge(&part, depth + 1)?,
                value => *value = Value::decode(values, &part, depth)?,
            },
            _ => {}
        }
    }
    // Proof: protobuf has no maps with other keys than integers, booleans and strings.
    Ok((Key::new(key).unwrap_or(Key::Unsigned(0)), value))
}

/// Numbers are packed into one field, all else has a field each.
fn encode_list(number: u32, values: &[Value], out: &mut Vec<u8>) {
    let mut packed = Vec::new();
    for value in values {
        match value.as_varint() {
            Some(value) => wire::put_varint(value, &mut packed),
            None => encode_field(number, value, out),
        }
    }
    if !packed.is_empty() {
        encode_bytes(number, &packed, out);
    }
}

fn encode_field(number: u32, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => encode_bytes(number, text.as_bytes(), out),
        Value::Bytes(bytes) => encode_bytes(number, bytes, out),
        Value::Message(message) => encode_bytes(number, &message.encode(), out),
        value => {
            wire::put_varint(u64::from(number) << 3 | u64::from(VARINT), out);
            wire::put_varint(value.as_varint().unwrap_or_default(), out);
        }
    }
}

fn encode_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    wire::put_varint(u64::from(number) << 3 | u64::from(LENGTH_DELIMITED), out);
    wire::put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

impl Value {
    fn as_varint(&self) -> Option<u64> {
        match self {
            Self::Bool(value) => Some(u64::from(*value)),
            Self::Signed(value) => Some(*value as u64),
            Self::Unsigned(value) => Some(*value),
            _ => None,
        }
    }
}

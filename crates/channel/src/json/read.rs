//! From the JSON form of a message to the message. The words for what is wrong are Fabric's.

use std::fmt;

use super::{
    MAX_DEPTH,
    document::{Json, Members, Node, Problem},
    expansion::{self, Role, Shown},
    message::{DecodeError, Key, Message, Value},
    scalar,
    schema::{self, Field, Kind, MessageType, Shape},
};

/// Reads the message that an object is. `at` is where the object begins, `depth` the number of
/// messages around it.
pub(super) fn message(
    members: Members<'_>,
    at: usize,
    message_type: &'static MessageType,
    role: Role<'_>,
    depth: usize,
) -> Result<Message, Problem> {
    check_depth(at, depth)?;
    fill(members, message_type, role, depth)
        .map_err(|problem| problem.within(expansion::go_name(role, message_type)))
}

fn fill(
    mut members: Members<'_>,
    message_type: &'static MessageType,
    role: Role<'_>,
    depth: usize,
) -> Result<Message, Problem> {
    let mut expanded = Vec::new();
    for field in &message_type.fields {
        // Not by its other name: by that Fabric takes the plain form.
        if expansion::expands(role, message_type, field)
            && let Some(member) = members.remove(field.name)
        {
            expanded.push((field, member.node));
        }
    }
    let mut message = Message::new(message_type);
    plain_fields(&mut message, members, depth)?;
    expanded.sort_by_key(|(field, _)| expansion::turn(role, message_type, field));
    for (field, node) in expanded {
        if let Some(value) = (Expanded { owner: &message, role, field, depth }).value(node)? {
            message.set(field, value);
        }
    }
    Ok(message)
}

/// A field whose values are written as messages.
struct Expanded<'a> {
    /// The message that has the field, with the fields that this one may depend on.
    owner: &'a Message,
    role: Role<'a>,
    field: &'a Field,
    /// The number of messages around the owner.
    depth: usize,
}

impl Expanded<'_> {
    /// `None` leaves the field unset.
    fn value(&self, node: Node<'_>) -> Result<Option<Value>, Problem> {
        let name = self.field.name;
        match (self.field.shape, node.json) {
            (Shape::One, Json::Null) => Ok(None),
            (Shape::One, json) => {
                let place = format_args!("field {name}");
                self.element(Node { at: node.at, json }, "", place, place).map(Some)
            }
            (Shape::List, Json::List(nodes)) => {
                let values = nodes.into_iter().enumerate().map(|(index, node)| {
                    let element = format_args!("slice field {name} value at index {index}");
                    self.element(node, "", element, format_args!("slice field {name} at index {index}"))
                });
                values.collect::<Result<_, _>>().map(|values| Some(Value::List(values)))
            }
            (Shape::Map { .. }, Json::Object(members)) => {
                let entries = members.into_iter().map(|(key, member)| {
                    let element = format_args!("map field {name} value for {key}");
                    let place = format_args!("map field {name} with key {key}");
                    let value = self.element(member.node, &key, element, place)?;
                    Ok((Key::String(key), value))
                });
                entries.collect::<Result<_, _>>().map(|entries| Some(Value::Map(entries)))
            }
            (Shape::List, json) => Err(self.unassignable(node.at, "slice", "[]interface{}", &json)),
            (Shape::Map { .. }, json) => {
                Err(self.unassignable(node.at, "map", "map[string]interface{}", &json))
            }
        }
    }

    /// The field itself, or its element of that key. `element` and `place` are what it is called
    /// when it is no object, and when something in it is wrong.
    fn element(
        &self,
        node: Node<'_>,
        key: &str,
        element: fmt::Arguments<'_>,
        place: fmt::Arguments<'_>,
    ) -> Result<Value, Problem> {
        let Json::Object(members) = node.json else {
            let (owner, found) = (self.owner_name(), node.json.go_type());
            let text = format!(
                "expected {element} for message {owner} to be assignable from map[string]interface {{}} \
                 but was not.  Is {found}"
            );
            return Err(Problem { text, at: node.at });
        };
        self.content(members, node.at, key).map_err(|problem| {
            problem.within(format!("error in PopulateFrom for {place} for message {}", self.owner_name()))
        })
    }

    fn content(&self, members: Members<'_>, at: usize, key: &str) -> Result<Value, Problem> {
        let shown =
            expansion::shown(self.owner, self.role, self.field, key).map_err(|text| Problem { text, at })?;
        let depth = self.depth + 1;
        match (shown, self.field.kind) {
            (Shown::Nested(role), Kind::Message(name)) => {
                message(members, at, schema::known_type(name), role, depth).map(Value::Message)
            }
            (Shown::Nested(_), _) => Err(Problem { text: "no message".to_owned(), at }),
            (Shown::Marshaled(message_type), _) => {
                let nested = message(members, at, message_type, Role::Itself, depth)?;
                Ok(Value::Bytes(nested.encode().into()))
            }
        }
    }

    fn unassignable(&self, at: usize, shape: &str, expected: &str, found: &Json<'_>) -> Problem {
        let (name, owner, found) = (self.field.name, self.owner_name(), found.go_type());
        let text = format!(
            "expected {shape} field {name} for message {owner} to be assignable from {expected} \
             but was not. Got {found}"
        );
        Problem { text, at }
    }

    fn owner_name(&self) -> String {
        expansion::go_name(self.role, self.owner.message_type)
    }
}

/// Sets the fields that are written in protobuf's own JSON form, in which bytes are base64.
fn plain_fields(message: &mut Message, mut members: Members<'_>, depth: usize) -> Result<(), Problem> {
    for field in &message.message_type.fields {
        let by_name = members.remove(field.name);
        let member = members.remove(field.json_name).or(by_name);
        if let Some(member) = member.filter(|member| member.node.json != Json::Null) {
            message.set(field, plain_field(field, member.node, depth)?);
        }
    }
    match members.first_key_value() {
        None => Ok(()),
        Some((name, member)) => {
            let text = format!("unknown field {name:?} in {}", message.message_type.name);
            Err(Problem { text, at: member.at })
        }
    }
}

fn plain_field(field: &Field, node: Node<'_>, depth: usize) -> Result<Value, Problem> {
    match (field.shape, node.json) {
        (Shape::List, Json::List(nodes)) => {
            let values = nodes.into_iter().map(|node| plain(field.kind, node, depth));
            values.collect::<Result<_, _>>().map(Value::List)
        }
        (Shape::Map { keys }, Json::Object(members)) => {
            let entries = members.into_iter().map(|(key, member)| {
                let key = scalar::key(keys, key).map_err(|text| Problem { text, at: member.at })?;
                Ok((key, plain(field.kind, member.node, depth)?))
            });
            entries.collect::<Result<_, _>>().map(Value::Map)
        }
        (Shape::One, json) => plain(field.kind, Node { at: node.at, json }, depth),
        (Shape::List, json) => Err(scalar::cannot_unmarshal(node.at, &json, "[]json.RawMessage")),
        (Shape::Map { .. }, json) => {
            Err(scalar::cannot_unmarshal(node.at, &json, "map[string]json.RawMessage"))
        }
    }
}

fn plain(kind: Kind, node: Node<'_>, depth: usize) -> Result<Value, Problem> {
    let Kind::Message(name) = kind else { return scalar::value(kind, node) };
    let message_type = schema::known_type(name);
    let mut message = Message::new(message_type);
    match node.json {
        Json::Null => {}
        Json::String(text) if message_type.is_timestamp() => {
            let (seconds, nanos) = scalar::timestamp(&text).map_err(|text| Problem { text, at: node.at })?;
            for (name, value) in [("seconds", seconds), ("nanos", nanos)] {
                if let Some(field) = message_type.field_named(name) {
                    message.set(field, Value::Signed(value));
                }
            }
        }
        json if message_type.is_timestamp() => {
            return Err(scalar::cannot_unmarshal(node.at, &json, "string"));
        }
        Json::Object(members) => {
            check_depth(node.at, depth + 1)?;
            plain_fields(&mut message, members, depth + 1)?;
        }
        json => return Err(scalar::cannot_unmarshal(node.at, &json, "map[string]json.RawMessage")),
    }
    Ok(Value::Message(message))
}

fn check_depth(at: usize, depth: usize) -> Result<(), Problem> {
    match depth < MAX_DEPTH {
        true => Ok(()),
        false => Err(Problem { text: DecodeError::Depth.to_string(), at }),
    }
}

//! From a message to its JSON form.

use base64::{Engine, engine::general_purpose::STANDARD};
use protos::Timestamp;

use super::{
    expansion::{self, Role, Shown},
    message::{Message, Value},
    schema::{self, Field, Kind, Shape},
};

/// The JSON form of a message: indented by tabs, keys sorted, with a newline at the end.
pub(super) fn render(message: &Message, role: Role<'_>) -> Result<String, String> {
    let mut renderer = Renderer { out: String::new(), indent: 0 };
    renderer.message(message, role, 0)?;
    renderer.out.push('\n');
    Ok(renderer.out)
}

struct Renderer {
    out: String,
    indent: usize,
}

impl Renderer {
    fn message(&mut self, message: &Message, role: Role<'_>, depth: usize) -> Result<(), String> {
        self.members(message, role, depth)
            .map_err(|error| format!("{}: {error}", expansion::go_name(role, message.message_type)))
    }

    /// `depth` is the number of messages around this one. Of several mistakes the one is told that Fabric finds
    /// first, which does not go by the names of the fields.
    fn members(&mut self, message: &Message, role: Role<'_>, depth: usize) -> Result<(), String> {
        let message_type = message.message_type;
        let mut mistakes = Vec::new();
        self.brackets('{', '}', shown_fields(message), |this, field| {
            this.name(field.name);
            let (turn, shown) = if expansion::expands(role, message_type, field) {
                let turn = Some(expansion::turn(role, message_type, field));
                (turn, this.expanded(message, role, field, depth))
            } else {
                (None, this.plain_field(field, message.get(field)))
            };
            mistakes.extend(shown.err().map(|error| (turn, field.number, error)));
            Ok(())
        })?;
        mistakes.into_iter().min().map_or(Ok(()), |(.., error)| Err(error))
    }

    /// A field whose values are shown as messages.
    fn expanded(
        &mut self,
        message: &Message,
        role: Role<'_>,
        field: &Field,
        depth: usize,
    ) -> Result<(), String> {
        let go_name = || expansion::go_name(role, message.message_type);
        let name = field.name;
        match message.get(field) {
            None => self.missing(field),
            Some(Value::Map(entries)) => self.brackets('{', '}', entries, |this, (key, value)| {
                let key = key.text();
                this.name(&key);
                this.element(message, role, field, &key, value, depth).map_err(|error| {
                    let go_name = go_name();
                    format!(
                        "error in PopulateTo for map field {name} and key {key} for message {go_name}: {error}"
                    )
                })
            })?,
            Some(Value::List(values)) => {
                self.brackets('[', ']', values.iter().enumerate(), |this, (index, value)| {
                    this.element(message, role, field, "", value, depth).map_err(|error| {
                        let go_name = go_name();
                        format!("error in PopulateTo for slice field {name} at index {index} for message {go_name}: {error}")
                    })
                })?;
            }
            Some(value) => self.element(message, role, field, "", value, depth).map_err(|error| {
                format!("error in PopulateTo for field {name} for message {}: {error}", go_name())
            })?,
        }
        Ok(())
    }

    fn element(
        &mut self,
        message: &Message,
        role: Role<'_>,
        field: &Field,
        key: &str,
        value: &Value,
        depth: usize,
    ) -> Result<(), String> {
        match (expansion::shown(message, role, field, key)?, value) {
            (Shown::Nested(role), Value::Message(nested)) => self.message(nested, role, depth + 1),
            (Shown::Marshaled(message_type), Value::Bytes(bytes)) => {
                let nested =
                    Message::decode(message_type, bytes, depth + 1).map_err(|error| error.to_string())?;
                self.message(&nested, Role::Itself, depth + 1)
            }
            // Not reached: only fields of these kinds expand.
            (_, value) => self.plain(field.kind, value),
        }
    }

    /// A field in protobuf's own JSON form, in which bytes are base64.
    fn plain_field(&mut self, field: &Field, value: Option<&Value>) -> Result<(), String> {
        match value {
            None => {
                self.missing(field);
                Ok(())
            }
            Some(Value::List(values)) => {
                self.brackets('[', ']', values, |this, value| this.plain(field.kind, value))
            }
            Some(Value::Map(entries)) => {
                // Numbers as keys are sorted as text, too.
                let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key.text(), value)).collect();
                entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                self.brackets('{', '}', entries, |this, (key, value)| {
                    this.name(&key);
                    this.plain(field.kind, value)
                })
            }
            Some(value) => self.plain(field.kind, value),
        }
    }

    fn plain(&mut self, kind: Kind, value: &Value) -> Result<(), String> {
        match value {
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Signed(value) => match kind {
                Kind::Int64 => self.string(&value.to_string()),
                // Proof: no other kind of field has an enumeration's name.
                Kind::Enum(name) => match schema::enum_type(name).name_of(*value as i32) {
                    Some(name) => self.string(name),
                    None => self.out.push_str(&value.to_string()),
                },
                _ => self.out.push_str(&value.to_string()),
            },
            Value::Unsigned(value) => match kind {
                Kind::Uint64 => self.string(&value.to_string()),
                _ => self.out.push_str(&value.to_string()),
            },
            Value::String(text) => self.string(text),
            Value::Bytes(bytes) => self.string(&STANDARD.encode(bytes)),
            Value::Message(message) if message.message_type.is_timestamp() => {
                let text = timestamp(message)?;
                self.string(&text);
            }
            Value::Message(message) => {
                let fields = shown_fields(message);
                return self.brackets('{', '}', fields, |this, field| {
                    this.name(field.name);
                    this.plain_field(field, message.get(field))
                });
            }
            // Not reached: there are no lists of lists, nor maps of maps.
            Value::List(_) | Value::Map(_) => {}
        }
        Ok(())
    }

    /// A field that is not set.
    fn missing(&mut self, field: &Field) {
        let text = match (field.shape, field.kind) {
            (Shape::List, _) => "[]",
            (Shape::Map { .. }, _) => "{}",
            (Shape::One, Kind::Message(_) | Kind::Bytes) => "null",
            (Shape::One, Kind::Bool) => "false",
            (Shape::One, Kind::String) => "\"\"",
            (Shape::One, Kind::Int64 | Kind::Uint64) => "\"0\"",
            (Shape::One, Kind::Int32 | Kind::Uint32) => "0",
            (Shape::One, Kind::Enum(name)) => {
                match schema::enum_type(name).name_of(0) {
                    Some(name) => self.string(name),
                    None => self.out.push('0'),
                }
                return;
            }
        };
        self.out.push_str(text);
    }

    /// A list or an object: each of its parts on a line, or nothing at all between the brackets.
    fn brackets<T>(
        &mut self,
        open: char,
        close: char,
        parts: impl IntoIterator<Item = T>,
        mut show: impl FnMut(&mut Self, T) -> Result<(), String>,
    ) -> Result<(), String> {
        self.out.push(open);
        self.indent += 1;
        let mut is_empty = true;
        for part in parts {
            if !is_empty {
                self.out.push(',');
            }
            is_empty = false;
            self.new_line();
            show(self, part)?;
        }
        self.indent -= 1;
        if !is_empty {
            self.new_line();
        }
        self.out.push(close);
        Ok(())
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n('\t', self.indent));
    }

    fn name(&mut self, name: &str) {
        self.string(name);
        self.out.push_str(": ");
    }

    /// Escapes what Go escapes, so that the text can stand in HTML and JavaScript.
    fn string(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    self.out.push_str(&format!("\\u{:04x}", u32::from(character)));
                }
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }
}

/// The fields by name. Those in a `oneof` only if they are set.
fn shown_fields(message: &Message) -> Vec<&'static Field> {
    let mut fields: Vec<_> = message
        .message_type
        .fields
        .iter()
        .filter(|field| field.oneof.is_none() || message.get(field).is_some())
        .collect();
    fields.sort_by_key(|field| field.name);
    fields
}

/// RFC 3339, in UTC.
fn timestamp(message: &Message) -> Result<String, String> {
    let part = |name| match message.get_named(name) {
        Some(Value::Signed(value)) => *value,
        _ => 0,
    };
    let (seconds, nanos) = (part("seconds"), part("nanos") as i32);
    if !(0..1_000_000_000).contains(&nanos) {
        return Err("ns out of range [0, 1000000000)".to_owned());
    }
    Ok(Timestamp { seconds, nanos }.to_string())
}

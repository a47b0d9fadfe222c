//! The message types that have a JSON form: their fields, as the `.proto` files say.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use protos::{
    Message,
    descriptor::{
        DescriptorProto, EnumDescriptorProto, FABRIC, FieldDescriptorProto, FileDescriptorSet,
        field_descriptor_proto::{Label, Type},
    },
};

/// The only message type of Google's that Fabric's messages have.
const TIMESTAMP: &str = "google.protobuf.Timestamp";

static FILES: LazyLock<FileDescriptorSet> = LazyLock::new(|| {
    // Proof: it is what `protos`' own build has written.
    FileDescriptorSet::decode(FABRIC).expect("protos describes its messages")
});

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(&FILES));

/// All message types, and the names of all enumerations' values.
struct Schema {
    messages: BTreeMap<String, MessageType>,
    enums: HashMap<String, EnumType>,
}

/// A type of message.
#[derive(Debug)]
pub(super) struct MessageType {
    /// With its package, such as `common.Block`.
    pub(super) name: String,
    /// The package that Go's generated code has it in, such as `msp` for `common.MSPRole`.
    pub(super) go_package: &'static str,
    /// In the order of the `.proto` file.
    pub(super) fields: Vec<Field>,
}

/// A type of enumeration.
#[derive(Debug)]
pub(super) struct EnumType {
    values: Vec<(&'static str, i32)>,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// The name in the `.proto` file, which is that in the JSON form.
    pub(super) name: &'static str,
    /// The other name that JSON may use, `camelCase`.
    pub(super) json_name: &'static str,
    pub(super) shape: Shape,
    /// Of the field, or of each element, or of the map's values.
    pub(super) kind: Kind,
    /// The place of its `oneof` in the message, if it is in one.
    pub(super) oneof: Option<i32>,
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    /// With keys of one of the scalar kinds.
    Map {
        keys: Kind,
    },
}

/// What a value is. Fabric's messages have no other kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    String,
    Bytes,
    /// With its full name.
    Enum(&'static str),
    /// With its full name.
    Message(&'static str),
}

/// The type of that full name, if it has a JSON form of its own.
pub(super) fn message_type(name: &str) -> Option<&'static MessageType> {
    SCHEMA.messages.get(name).filter(|_| name != TIMESTAMP)
}

/// The type of that full name, which the schema or this module's neighbours name.
pub(super) fn known_type(name: &'static str) -> &'static MessageType {
    // Proof: protox has resolved the types of all fields, and they are in the same set of files. The
    // types that `expansion` and `levels` name are looked up by a test.
    SCHEMA.messages.get(name).expect("the schema has the types that it is asked for")
}

/// The type of a field of kind [`Kind::Enum`].
pub(super) fn enum_type(name: &'static str) -> &'static EnumType {
    // Proof: as for the types of fields that are messages.
    SCHEMA.enums.get(name).expect("the schema has the types of its fields")
}

/// The full names of all message types.
pub(super) fn message_types() -> impl Iterator<Item = &'static str> {
    SCHEMA.messages.keys().map(String::as_str).filter(|name| *name != TIMESTAMP)
}

impl MessageType {
    pub(super) fn is_timestamp(&self) -> bool {
        self.name == TIMESTAMP
    }

    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }

    pub(super) fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// Whether its values are messages that are no timestamps.
    pub(super) fn holds_messages(&self) -> bool {
        matches!(self.kind, Kind::Message(name) if name != TIMESTAMP)
    }
}

impl EnumType {
    pub(super) fn name_of(&self, number: i32) -> Option<&'static str> {
        self.values.iter().find(|(_, n)| *n == number).map(|(name, _)| *name)
    }

    pub(super) fn number_of(&self, name: &str) -> Option<i32> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, number)| *number)
    }
}

impl Schema {
    fn new(files: &'static FileDescriptorSet) -> Self {
        let mut schema = Self { messages: BTreeMap::new(), enums: HashMap::new() };
        for file in &files.file {
            let folder = file.name().rsplit_once('/').map_or("", |(folder, _)| folder);
            let go_package = folder.rsplit('/').next().unwrap_or_default();
            file.enum_type.iter().for_each(|e| schema.add_enum(file.package(), e));
            file.message_type.iter().for_each(|m| schema.add_message(file.package(), go_package, m));
        }
        schema
    }

    fn add_enum(&mut self, scope: &str, described: &'static EnumDescriptorProto) {
        let name = format!("{scope}.{}", described.name());
        let values = described.value.iter().map(|v| (v.name(), v.number())).collect();
        self.enums.insert(name, EnumType { values });
    }

    fn add_message(&mut self, scope: &str, go_package: &'static str, described: &'static DescriptorProto) {
        let name = format!("{scope}.{}", described.name());
        let is_entry =
            |m: &&'static DescriptorProto| m.options.as_ref().is_some_and(|options| options.map_entry());
        described.enum_type.iter().for_each(|e| self.add_enum(&name, e));
        for nested in described.nested_type.iter().filter(|m| !is_entry(m)) {
            self.add_message(&name, go_package, nested);
        }
        let fields = described.field.iter().map(|field| {
            let entry = described.nested_type.iter().filter(is_entry).find(|entry| {
                field.type_name().strip_prefix('.').is_some_and(|t| t == format!("{name}.{}", entry.name()))
            });
            Field::new(field, entry)
        });
        let fields = fields.collect();
        self.messages.insert(name.clone(), MessageType { name, go_package, fields });
    }
}

impl Field {
    /// `entry` describes the entries, if the field is a map.
    fn new(described: &'static FieldDescriptorProto, entry: Option<&'static DescriptorProto>) -> Self {
        let (shape, kind) = match entry.map(|entry| entry.field.as_slice()) {
            Some([keys, values]) => (Shape::Map { keys: Kind::new(keys) }, Kind::new(values)),
            _ if described.label() == Label::Repeated => (Shape::List, Kind::new(described)),
            _ => (Shape::One, Kind::new(described)),
        };
        Self {
            number: described.number().unsigned_abs(),
            name: described.name(),
            json_name: described.json_name(),
            shape,
            kind,
            oneof: described.oneof_index,
        }
    }
}

impl Kind {
    fn new(field: &'static FieldDescriptorProto) -> Self {
        let type_name = || field.type_name().trim_start_matches('.');
        match field.r#type() {
            Type::Bool => Self::Bool,
            Type::Int32 => Self::Int32,
            Type::Int64 => Self::Int64,
            Type::Uint32 => Self::Uint32,
            Type::Uint64 => Self::Uint64,
            Type::String => Self::String,
            Type::Bytes => Self::Bytes,
            Type::Enum => Self::Enum(type_name()),
            Type::Message => Self::Message(type_name()),
            // Proof: the .proto files are ours and a test loads the schema.
            other => unreachable!("no message of Fabric's has a field of type {other:?}"),
        }
    }
}

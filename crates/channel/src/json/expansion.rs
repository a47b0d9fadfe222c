//! Which fields the JSON form shows as messages, and as which (`protolator/protoext`).

use bytes::Bytes;
use protos::common::{HeaderType, msp_principal::Classification, policy::PolicyType};

use super::{
    levels::{CHANNEL, Level},
    message::{Message, Value},
    schema::{self, Field, Kind, MessageType, Shape},
};

/// What a message is where it stands. By this and its type its fields expand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'a> {
    /// What its type says.
    Itself,
    /// A group of a config tree.
    Group(&'static Level),
    /// The value of that name in such a group.
    Value { level: &'static Level, name: &'a str },
    /// What was read and written in a namespace.
    Namespace,
    /// What was read and written in a collection.
    Collection,
}

/// What a field, or an element of it, is shown as.
pub(super) enum Shown<'a> {
    /// The message that it is, in a role.
    Nested(Role<'a>),
    /// The message of this type that is marshaled in it.
    Marshaled(&'static MessageType),
}

/// How to find out what a field is shown as.
#[derive(Clone, Copy)]
enum Expansion {
    /// As this message.
    Holds(&'static str),
    /// Depends on the other fields.
    Depends(fn(&Message) -> Result<&'static str, String>),
    /// As the root of a config tree.
    Tree,
    /// As reads and writes by namespace.
    Namespaces,
    /// Not at all: Fabric knows no key of this map.
    Nothing,
}

use Expansion::{Depends, Holds, Namespaces, Nothing, Tree};

/// The fields that expand, by the type of the message.
const EXPANSIONS: &[(&str, &str, Expansion)] = &[
    ("common.BlockData", "data", Holds("common.Envelope")),
    ("common.Envelope", "payload", Holds("common.Payload")),
    ("common.Payload", "data", Depends(payload_data)),
    ("common.Header", "channel_header", Holds("common.ChannelHeader")),
    ("common.Header", "signature_header", Holds("common.SignatureHeader")),
    ("common.ChannelHeader", "extension", Depends(channel_header_extension)),
    ("common.SignatureHeader", "creator", Holds("msp.SerializedIdentity")),
    ("common.Config", "channel_group", Tree),
    ("common.ConfigUpdateEnvelope", "config_update", Holds("common.ConfigUpdate")),
    ("common.ConfigSignature", "signature_header", Holds("common.SignatureHeader")),
    ("common.ConfigUpdate", "read_set", Tree),
    ("common.ConfigUpdate", "write_set", Tree),
    ("common.ConfigUpdate", "isolated_data", Nothing),
    ("common.Policy", "value", Depends(policy_value)),
    ("common.MSPPrincipal", "principal", Depends(principal)),
    ("msp.MSPConfig", "config", Depends(msp_config)),
    ("orderer.ConsensusType", "metadata", Depends(consensus_metadata)),
    ("protos.TransactionAction", "header", Holds("common.SignatureHeader")),
    ("protos.TransactionAction", "payload", Holds("protos.ChaincodeActionPayload")),
    ("protos.ChaincodeActionPayload", "chaincode_proposal_payload", Holds("protos.ChaincodeProposalPayload")),
    ("protos.ChaincodeProposalPayload", "input", Holds("protos.ChaincodeInvocationSpec")),
    ("protos.ChaincodeEndorsedAction", "proposal_response_payload", Holds("protos.ProposalResponsePayload")),
    ("protos.ProposalResponsePayload", "extension", Holds("protos.ChaincodeAction")),
    ("protos.ChaincodeAction", "results", Holds("rwset.TxReadWriteSet")),
    ("protos.ChaincodeAction", "events", Holds("protos.ChaincodeEvent")),
    ("rwset.TxReadWriteSet", "ns_rwset", Namespaces),
];

fn expansion(message_type: &MessageType, field: &Field) -> Option<Expansion> {
    EXPANSIONS
        .iter()
        .find(|(name, field_name, _)| *name == message_type.name && *field_name == field.name)
        .map(|(_, _, expansion)| *expansion)
}

/// Whether a field is shown by [`shown`]. What is in a `oneof` never is, however deep: Fabric leaves
/// it to the plain JSON form of protobuf.
pub(super) fn expands(role: Role<'_>, message_type: &MessageType, field: &Field) -> bool {
    let has_text_keys = !matches!(field.shape, Shape::Map { keys } if keys != Kind::String);
    field.oneof.is_none()
        && match (role, field.name) {
            _ if field.holds_messages() => has_text_keys,
            (Role::Value { .. }, "value") | (Role::Namespace, "rwset") => true,
            (Role::Itself, _) => expansion(message_type, field).is_some(),
            _ => false,
        }
}

/// When a field has its turn, among those that expand. What depends on other fields must be read after them;
/// the rest is Fabric's order, in which the first mistake is found.
pub(super) fn turn(role: Role<'_>, message_type: &MessageType, field: &Field) -> (u8, u8) {
    let by_kind = match (role, expansion(message_type, field)) {
        (Role::Group(_), _) if field.name != "policies" => 3,
        (Role::Value { .. } | Role::Namespace, _) if !field.holds_messages() => 1,
        (Role::Namespace, _) | (Role::Itself, Some(Tree | Namespaces)) => 3,
        (Role::Itself, Some(Depends(_))) => 2,
        (Role::Itself, Some(Holds(_) | Nothing)) => 1,
        _ => 0,
    };
    let by_shape = match field.shape {
        Shape::One => 0,
        Shape::Map { .. } => 1,
        Shape::List => 2,
    };
    (by_kind, by_shape)
}

/// What a field of `message` is shown as, or its element of that key if it is a map.
pub(super) fn shown<'a>(
    message: &Message,
    role: Role<'_>,
    field: &Field,
    key: &'a str,
) -> Result<Shown<'a>, String> {
    let marshaled = |name| Ok(Shown::Marshaled(schema::known_type(name)));
    match (role, field.name) {
        (Role::Group(level), "values") => match level.values {
            Ok(_) => Ok(Shown::Nested(Role::Value { level, name: key })),
            Err(text) => Err(text.to_owned()),
        },
        (Role::Group(level), "groups") => Ok(Shown::Nested(Role::Group(level.group(key)?))),
        (Role::Value { level, name }, "value") => {
            marshaled(level.values.as_ref().map_err(|text| (*text).to_owned())?.type_of(name)?)
        }
        (Role::Namespace, "rwset") => marshaled("kvrwset.KVRWSet"),
        (Role::Namespace, "collection_hashed_rwset") => Ok(Shown::Nested(Role::Collection)),
        (Role::Itself, _) => match expansion(message.message_type, field) {
            Some(Holds(name)) => marshaled(name),
            Some(Depends(choose)) => marshaled(choose(message)?),
            Some(Tree) => Ok(Shown::Nested(Role::Group(&CHANNEL))),
            Some(Namespaces) if number(message, "data_model") == 0 => Ok(Shown::Nested(Role::Namespace)),
            Some(Nothing) => Err(format!("Unknown map key: {key}")),
            Some(Namespaces) | None => Ok(Shown::Nested(Role::Itself)),
        },
        _ => Ok(Shown::Nested(Role::Itself)),
    }
}

/// The name of Fabric's Go type for a message, which its errors begin with.
pub(super) fn go_name(role: Role<'_>, message_type: &MessageType) -> String {
    match role {
        Role::Group(level) => format!("*{}", level.go_name),
        Role::Value { level, .. } => {
            format!("*{}", level.values.as_ref().map_or(level.go_name, |values| values.go_name))
        }
        Role::Namespace => "*rwsetext.DynamicNsReadWriteSet".to_owned(),
        Role::Collection => "*rwsetext.DynamicCollectionHashedReadWriteSet".to_owned(),
        Role::Itself => {
            // Types with special fields are wrapped in types of a package of their own.
            let expands = EXPANSIONS.iter().any(|(name, ..)| *name == message_type.name);
            let name = message_type.name.split_once('.').map_or("", |(_, name)| name).replace('.', "_");
            format!("*{}{}.{name}", message_type.go_package, if expands { "ext" } else { "" })
        }
    }
}

/// The value of a field of `message` that is a number or an enumeration.
fn number(message: &Message, field: &str) -> i32 {
    match message.get_named(field) {
        Some(Value::Signed(value)) => *value as i32,
        _ => 0,
    }
}

fn payload_data(payload: &Message) -> Result<&'static str, String> {
    let Some(Value::Message(header)) = payload.get_named("header") else {
        return Err("cannot determine payload type when header is missing".to_owned());
    };
    let bytes = match header.get_named("channel_header") {
        Some(Value::Bytes(bytes)) => bytes.clone(),
        _ => Bytes::new(),
    };
    let header = Message::decode(schema::known_type("common.ChannelHeader"), &bytes, 0)
        .map_err(|error| format!("corrupt channel header: {error}"))?;
    let kind = number(&header, "type");
    match HeaderType::try_from(kind) {
        Ok(HeaderType::Config) => Ok("common.ConfigEnvelope"),
        Ok(HeaderType::OrdererTransaction) => Ok("common.Envelope"),
        Ok(HeaderType::ConfigUpdate) => Ok("common.ConfigUpdateEnvelope"),
        Ok(HeaderType::Message) => Ok("common.ConfigValue"),
        Ok(HeaderType::EndorserTransaction) => Ok("protos.Transaction"),
        _ => Err(format!("decoding type {kind} is unimplemented")),
    }
}

fn channel_header_extension(header: &Message) -> Result<&'static str, String> {
    match HeaderType::try_from(number(header, "type")) {
        Ok(HeaderType::EndorserTransaction) => Ok("protos.ChaincodeHeaderExtension"),
        _ => Err("channel header extension only valid for endorser transactions".to_owned()),
    }
}

fn policy_value(policy: &Message) -> Result<&'static str, String> {
    let kind = number(policy, "type");
    match PolicyType::try_from(kind) {
        Ok(PolicyType::Signature) => Ok("common.SignaturePolicyEnvelope"),
        Ok(PolicyType::ImplicitMeta) => Ok("common.ImplicitMetaPolicy"),
        _ => Err(format!("unable to decode policy type: {kind}")),
    }
}

fn principal(principal: &Message) -> Result<&'static str, String> {
    let classification = number(principal, "principal_classification");
    match Classification::try_from(classification) {
        Ok(Classification::Role) => Ok("common.MSPRole"),
        Ok(Classification::OrganizationUnit) => Ok("common.OrganizationUnit"),
        Ok(Classification::Identity) => Ok("msp.SerializedIdentity"),
        Ok(other) => Err(format!("unable to decode MSP type: {}", other.as_str_name())),
        Err(_) => Err(format!("unable to decode MSP type: {classification}")),
    }
}

fn msp_config(config: &Message) -> Result<&'static str, String> {
    match number(config, "type") {
        0 => Ok("msp.FabricMSPConfig"),
        1 => Ok("msp.IdemixMSPConfig"),
        other => Err(format!("unable to decode MSP type: {other}")),
    }
}

fn consensus_metadata(consensus: &Message) -> Result<&'static str, String> {
    match consensus.get_named("type") {
        Some(Value::String(kind)) if kind == "etcdraft" => Ok("etcdraft.ConfigMetadata"),
        // For all others Fabric has the empty message, which its own code cannot show.
        _ => Err("*emptypb.Empty: programming error: proto does not have field advertised by proto package"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Types are looked up by name: every name must be that of a type, every field one of its message.
    #[test]
    fn every_name_is_in_the_schema() {
        for (name, field, expansion) in EXPANSIONS {
            let message_type = schema::message_type(name).unwrap();
            let field = message_type.field_named(field).unwrap();
            match expansion {
                Holds(held) => assert!(schema::message_type(held).is_some(), "{held}"),
                Tree => assert_eq!(field.kind, Kind::Message("common.ConfigGroup")),
                Namespaces => assert_eq!(field.kind, Kind::Message("rwset.NsReadWriteSet")),
                Nothing => assert_eq!(field.kind, Kind::Bytes),
                Depends(_) => {}
            }
        }
        for name in ["kvrwset.KVRWSet", "common.ConfigGroup"] {
            assert!(schema::message_type(name).is_some(), "{name}");
        }
        for name in CHANNEL.all_types() {
            assert!(schema::message_type(name).is_some(), "{name}");
        }
    }

    /// All types that the other fields can lead to.
    #[test]
    fn what_depends_on_others_is_in_the_schema() {
        let with = |name: &str, field: &str, value: Value| {
            let message_type = schema::message_type(name).unwrap();
            let mut message = Message::new(message_type);
            message.set(message_type.field_named(field).unwrap(), value);
            message
        };
        let mut found = Vec::new();
        for kind in 0..10 {
            let channel_header = with("common.ChannelHeader", "type", Value::Signed(kind));
            let header =
                with("common.Header", "channel_header", Value::Bytes(channel_header.encode().into()));
            let payload = with("common.Payload", "header", Value::Message(header));
            let principal_of = with("common.MSPPrincipal", "principal_classification", Value::Signed(kind));
            found.extend(payload_data(&payload));
            found.extend(channel_header_extension(&channel_header));
            found.extend(policy_value(&with("common.Policy", "type", Value::Signed(kind))));
            found.extend(msp_config(&with("msp.MSPConfig", "type", Value::Signed(kind))));
            found.extend(principal(&principal_of));
        }
        let raft = with("orderer.ConsensusType", "type", Value::String("etcdraft".to_owned()));
        found.extend(consensus_metadata(&raft));
        assert_eq!(found.len(), 5 + 1 + 2 + 2 + 3 + 1);
        for name in found {
            assert!(schema::message_type(name).is_some(), "{name}");
        }
    }
}

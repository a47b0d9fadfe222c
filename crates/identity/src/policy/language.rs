//! The text form of policies.
//!
//! Fabric reads a signature policy in three passes over a general expression language, each pass
//! writing the text of the next. What is accepted, how identities are numbered (those of nested
//! gates first) and what the errors say all follow from that, so the passes are kept.

mod expression;

use protos::{
    Message,
    common::{
        ImplicitMetaPolicy, MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope,
        implicit_meta_policy::Rule,
        msp_principal::Classification,
        msp_role::MspRoleType,
        signature_policy::{NOutOf, Type},
    },
};

use self::expression::{Functions, Value};

/// Why a policy's text can not be read. The text is Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LanguageError(pub(super) String);

/// Reads a signature policy such as `OR('Org1MSP.member', AND('Org2MSP.peer', 'Org3MSP.admin'))`.
pub fn parse(text: &str) -> Result<SignaturePolicyEnvelope, LanguageError> {
    let invalid = || LanguageError(format!("invalid policy string '{text}'"));
    let gates = match expression::evaluate(text, &mut Gates)? {
        Value::Text(gates) => gates,
        _ => return Err(invalid()),
    };
    let numbered = match expression::evaluate(&gates, &mut Numbering)? {
        Value::Text(numbered) => numbered,
        _ => return Err(invalid()),
    };
    let mut builder = Builder::default();
    match expression::evaluate(&numbered, &mut builder)? {
        Value::Policy(rule) => {
            Ok(SignaturePolicyEnvelope { version: 0, rule: Some(rule), identities: builder.principals })
        }
        _ => Err(invalid()),
    }
}

/// Reads an implicit meta policy such as `MAJORITY Admins`.
pub fn parse_implicit_meta(text: &str) -> Result<ImplicitMetaPolicy, LanguageError> {
    let tokens: Vec<&str> = text.split(' ').collect();
    let [rule, sub_policy] = tokens.as_slice() else {
        let count = tokens.len();
        return Err(LanguageError(format!("expected two space separated tokens, but got {count}")));
    };
    let rule = match *rule {
        "ANY" => Rule::Any,
        "ALL" => Rule::All,
        "MAJORITY" => Rule::Majority,
        other => {
            return Err(LanguageError(format!(
                "unknown rule type '{other}', expected ALL, ANY, or MAJORITY"
            )));
        }
    };
    Ok(ImplicitMetaPolicy { sub_policy: (*sub_policy).to_owned(), rule: rule.into() })
}

/// First pass: `AND` and `OR` become `outof`.
struct Gates;

impl Functions for Gates {
    fn knows(&self, name: &str) -> bool {
        ["And", "and", "AND", "Or", "or", "OR", "OutOf", "outof", "OUTOF"].contains(&name)
    }

    fn call(&mut self, name: &str, mut arguments: Vec<Value>) -> Result<Value, LanguageError> {
        match name.to_ascii_lowercase().as_str() {
            "and" => arguments.insert(0, Value::Number(arguments.len() as f64)),
            "or" => arguments.insert(0, Value::Number(1.0)),
            _ => {}
        }
        if arguments.len() < 2 {
            return Err(LanguageError(format!(
                "expected at least two arguments to NOutOf. Given {}",
                arguments.len()
            )));
        }
        let mut text = "outof(".to_owned();
        for (at, argument) in arguments.into_iter().enumerate() {
            match argument {
                // As in Go fractions are cut off.
                Value::Number(count) if at == 0 => text.push_str(&(count as i64).to_string()),
                Value::Text(count) if at == 0 => text.push_str(&count),
                Value::Text(argument) => text.push_str(&format!(", {}", quote_principal(argument))),
                other => return Err(unexpected_type(&other)),
            }
        }
        Ok(Value::Text(text + ")"))
    }
}

/// Second pass: every gate gets a place for the context of the third.
struct Numbering;

impl Functions for Numbering {
    fn knows(&self, name: &str) -> bool {
        name == "outof"
    }

    fn call(&mut self, _: &str, arguments: Vec<Value>) -> Result<Value, LanguageError> {
        let mut text = "outof(ID".to_owned();
        for argument in arguments {
            match argument {
                Value::Text(argument) => text.push_str(&format!(", {}", quote_principal(argument))),
                Value::Number(count) => text.push_str(&format!(", {}", count as i64)),
                other => return Err(unexpected_type(&other)),
            }
        }
        Ok(Value::Text(text + ")"))
    }
}

/// Third pass: gates become rules, and principals get their numbers.
#[derive(Default)]
struct Builder {
    principals: Vec<MspPrincipal>,
}

impl Functions for Builder {
    fn knows(&self, name: &str) -> bool {
        name == "outof"
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        (name == "ID").then_some(Value::Context)
    }

    fn call(&mut self, _: &str, arguments: Vec<Value>) -> Result<Value, LanguageError> {
        let [context, count, operands @ ..] = arguments.as_slice() else {
            return Err(too_few_arguments(arguments.len()));
        };
        if operands.is_empty() {
            return Err(too_few_arguments(arguments.len()));
        }
        let unrecognized = |expected: &str, got: &Value| {
            LanguageError(format!("unrecognized type, expected {expected}, got {}", got.type_name()))
        };
        if !matches!(context, Value::Context) {
            return Err(unrecognized("the context", context));
        }
        let Value::Number(count) = count else { return Err(unrecognized("a number", count)) };
        // One more than there are is allowed: a policy that nobody satisfies.
        let (needed, given) = (*count as i64, operands.len() as i64);
        let needed = i32::try_from(needed)
            .ok()
            .filter(|needed| (0..=given + 1).contains(&i64::from(*needed)))
            .ok_or_else(|| LanguageError(format!("invalid t-out-of-n predicate, t {needed}, n {given}")))?;
        let mut rules = Vec::with_capacity(operands.len());
        for operand in operands {
            rules.push(match operand {
                Value::Policy(rule) => rule.clone(),
                Value::Text(text) => self.signed_by(text)?,
                other => return Err(unrecognized("a principal or a policy", other)),
            });
        }
        Ok(Value::Policy(SignaturePolicy { r#type: Some(Type::NOutOf(NOutOf { n: needed, rules })) }))
    }
}

impl Builder {
    fn signed_by(&mut self, text: &str) -> Result<SignaturePolicy, LanguageError> {
        let (mspid, role) =
            principal(text).ok_or_else(|| LanguageError(format!("error parsing principal {text}")))?;
        let role = MspRole { msp_identifier: mspid.to_owned(), role: role.into() };
        let number = i32::try_from(self.principals.len())
            .map_err(|_| LanguageError("too many principals in policy".to_owned()))?;
        self.principals.push(MspPrincipal {
            principal_classification: Classification::Role.into(),
            principal: role.encode_to_vec().into(),
        });
        Ok(SignaturePolicy { r#type: Some(Type::SignedBy(number)) })
    }
}

/// The MSP id and the role of a principal such as `Org1MSP.member`.
fn principal(text: &str) -> Option<(&str, MspRoleType)> {
    let (mspid, role) = text.rsplit_once('.')?;
    let role = match role {
        "member" => MspRoleType::Member,
        "admin" => MspRoleType::Admin,
        "client" => MspRoleType::Client,
        "peer" => MspRoleType::Peer,
        "orderer" => MspRoleType::Orderer,
        _ => return None,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    (!mspid.is_empty() && mspid.chars().all(allowed)).then_some((mspid, role))
}

/// Principals stay strings in the text of the next pass, everything else becomes part of it.
fn quote_principal(text: String) -> String {
    if principal(&text).is_some() { format!("'{text}'") } else { text }
}

fn unexpected_type(value: &Value) -> LanguageError {
    LanguageError(format!("unexpected type {}", value.type_name()))
}

fn too_few_arguments(count: usize) -> LanguageError {
    LanguageError(format!("at least 3 arguments expected, got {count}"))
}

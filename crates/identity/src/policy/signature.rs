//! Policies that say which principals must have signed.

use std::sync::Arc;

use bytes::Bytes;
use protos::{
    Message,
    common::{self, MspPrincipal, SignaturePolicyEnvelope, signature_policy::Type},
};

use super::{CompileError, Policy, PolicyError, SignedData, signers};
use crate::msp::{Identity, MspManager};

/// A compiled signature policy.
pub struct SignaturePolicy {
    rule: Rule,
    principals: Vec<MspPrincipal>,
    msps: Arc<MspManager>,
}

enum Rule {
    /// Index of a principal.
    SignedBy(usize),
    OutOf {
        needed: i32,
        rules: Vec<Rule>,
    },
}

impl SignaturePolicy {
    /// Compiles a marshaled `SignaturePolicyEnvelope`.
    pub fn from_bytes(bytes: &Bytes, msps: &Arc<MspManager>) -> Result<Self, CompileError> {
        let envelope = SignaturePolicyEnvelope::decode(bytes.clone())
            .map_err(|_| CompileError::Format("SignaturePolicy"))?;
        Self::compile(envelope, msps)
    }

    /// Compiles an envelope; `msps` read the identities.
    pub fn compile(envelope: SignaturePolicyEnvelope, msps: &Arc<MspManager>) -> Result<Self, CompileError> {
        if envelope.version != 0 {
            return Err(CompileError::Version(envelope.version));
        }
        let rule = envelope.rule.as_ref().ok_or(CompileError::Empty)?;
        let rule = Rule::compile(rule, envelope.identities.len())?;
        Ok(Self { rule, principals: envelope.identities, msps: msps.clone() })
    }
}

impl Rule {
    /// The depth is bounded by that of protobuf messages.
    fn compile(rule: &common::SignaturePolicy, identities: usize) -> Result<Self, CompileError> {
        match rule.r#type.as_ref().ok_or(CompileError::UnknownRule)? {
            Type::SignedBy(index) => usize::try_from(*index)
                .ok()
                .filter(|index| *index < identities)
                .map(Rule::SignedBy)
                .ok_or(CompileError::IdentityIndex { index: *index, identities }),
            Type::NOutOf(out_of) => {
                let rules = out_of.rules.iter().map(|rule| Rule::compile(rule, identities));
                Ok(Rule::OutOf { needed: out_of.n, rules: rules.collect::<Result<_, _>>()? })
            }
        }
    }

    /// Takes the first unused identity that fits, without ever taking one back, and looks at all
    /// rules even when enough are satisfied: both decide which identities are left for what follows.
    fn is_satisfied(
        &self,
        principals: &[MspPrincipal],
        identities: &[Arc<Identity>],
        used: &mut Vec<bool>,
    ) -> bool {
        match self {
            Rule::SignedBy(principal) => {
                let fits = |at: &usize| {
                    !used[*at] && identities[*at].satisfies_principal(&principals[*principal]).is_ok()
                };
                let found = (0..identities.len()).find(fits);
                if let Some(at) = found {
                    used[at] = true;
                }
                found.is_some()
            }
            Rule::OutOf { needed, rules } => {
                let mut satisfied = 0;
                for rule in rules {
                    let mut used_by_rule = used.clone();
                    if rule.is_satisfied(principals, identities, &mut used_by_rule) {
                        satisfied += 1;
                        *used = used_by_rule;
                    }
                }
                satisfied >= *needed
            }
        }
    }
}

impl Policy for SignaturePolicy {
    fn evaluate(&self, signed: &[SignedData]) -> Result<(), PolicyError> {
        self.evaluate_identities(&signers(signed, &self.msps))
    }

    fn evaluate_identities(&self, identities: &[Arc<Identity>]) -> Result<(), PolicyError> {
        let mut used = vec![false; identities.len()];
        if self.rule.is_satisfied(&self.principals, identities, &mut used) {
            return Ok(());
        }
        Err(PolicyError::NotSatisfied)
    }
}

//! Policies that count how many sub-groups' policies are satisfied.

use std::sync::Arc;

use bytes::Bytes;
use protos::{
    Message,
    common::{self, implicit_meta_policy},
};

use super::{CompileError, Policy, PolicyError, SignedData, signers};
use crate::msp::{Identity, MspManager};

/// A compiled implicit meta policy.
pub struct ImplicitMetaPolicy {
    threshold: usize,
    sub_policy: String,
    /// One for each sub-group; `None` where the group has no policy of that name.
    sub_policies: Vec<Option<Arc<dyn Policy>>>,
    msps: Arc<MspManager>,
}

impl ImplicitMetaPolicy {
    /// Compiles a marshaled `ImplicitMetaPolicy`; `sub_policies` gives for a name the policy of each
    /// direct sub-group.
    pub(super) fn compile(
        bytes: &Bytes,
        sub_policies: impl FnOnce(&str) -> Vec<Option<Arc<dyn Policy>>>,
        msps: &Arc<MspManager>,
    ) -> Result<Self, CompileError> {
        let common::ImplicitMetaPolicy { sub_policy, rule } =
            common::ImplicitMetaPolicy::decode(bytes.clone())
                .map_err(|_| CompileError::Format("ImplicitMetaPolicy"))?;
        let sub_policies = sub_policies(&sub_policy);
        let threshold = match implicit_meta_policy::Rule::try_from(rule) {
            _ if sub_policies.is_empty() => 0,
            Ok(implicit_meta_policy::Rule::Any) => 1,
            Ok(implicit_meta_policy::Rule::All) => sub_policies.len(),
            Ok(implicit_meta_policy::Rule::Majority) => sub_policies.len() / 2 + 1,
            Err(_) => 0,
        };
        Ok(Self { threshold, sub_policy, sub_policies, msps: msps.clone() })
    }
}

impl Policy for ImplicitMetaPolicy {
    fn evaluate(&self, signed: &[SignedData]) -> Result<(), PolicyError> {
        // The signatures are verified once for all sub-policies.
        self.evaluate_identities(&signers(signed, &self.msps))
    }

    fn evaluate_identities(&self, identities: &[Arc<Identity>]) -> Result<(), PolicyError> {
        let mut satisfied = 0;
        for policy in self.sub_policies.iter().flatten() {
            if policy.evaluate_identities(identities).is_ok() {
                satisfied += 1;
                // Checked only here: under a rule of unknown number (threshold 0) Fabric refuses as soon
                // as one sub-policy is satisfied, and orderers must agree even on that.
                if satisfied == self.threshold {
                    return Ok(());
                }
            }
        }
        if satisfied == self.threshold {
            return Ok(());
        }
        let (threshold, sub_policy) = (self.threshold, self.sub_policy.clone());
        Err(PolicyError::ImplicitNotSatisfied { satisfied, threshold, sub_policy })
    }
}

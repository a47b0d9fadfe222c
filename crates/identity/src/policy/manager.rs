//! The policies of a config tree.

use std::{collections::BTreeMap, sync::Arc};

use protos::common::{ConfigGroup, Policy as ConfigPolicy, policy::PolicyType};

use super::{CachedPolicy, ImplicitMetaPolicy, Policy, PolicyError, SignaturePolicy, SignedData};
use crate::msp::{Identity, MspManager};

/// The compiled policies of a config group and of all groups below it.
pub struct PolicyManager {
    /// The path of the group, without leading slash: `Channel/Orderer`.
    path: String,
    /// The policies of this group and, under `<group>/<policy>`, of those below.
    policies: BTreeMap<String, Arc<dyn Policy>>,
    sub_managers: BTreeMap<String, PolicyManager>,
    msps: Arc<MspManager>,
}

impl PolicyManager {
    /// Compiles all policies of `group` and below; `root_name` is the group's own name (`Channel`).
    pub fn new(root_name: &str, group: &ConfigGroup, msps: &Arc<MspManager>) -> Result<Self, PolicyError> {
        let mut sub_managers = BTreeMap::new();
        for (name, group) in &group.groups {
            sub_managers.insert(name.clone(), Self::new(&format!("{root_name}/{name}"), group, msps)?);
        }
        let mut manager =
            Self { path: root_name.to_owned(), policies: BTreeMap::new(), sub_managers, msps: msps.clone() };
        for (name, entry) in &group.policies {
            let policy = manager.compile(name, entry.policy.as_ref())?;
            manager.policies.insert(name.clone(), policy);
        }
        for (group, sub_manager) in &manager.sub_managers {
            let below = sub_manager.policies.iter();
            manager.policies.extend(below.map(|(name, policy)| (format!("{group}/{name}"), policy.clone())));
        }
        Ok(manager)
    }

    fn compile(&self, name: &str, policy: Option<&ConfigPolicy>) -> Result<Arc<dyn Policy>, PolicyError> {
        let (name, path) = (|| name.to_owned(), || self.path.clone());
        let policy = policy.ok_or_else(|| PolicyError::Nil { name: name(), path: path() })?;
        match PolicyType::try_from(policy.r#type) {
            Ok(PolicyType::ImplicitMeta) => {
                let of_sub_groups =
                    |policy: &str| self.sub_managers.values().map(|m| m.policy(policy)).collect();
                ImplicitMetaPolicy::compile(&policy.value, of_sub_groups, &self.msps)
                    .map(|policy| Arc::new(policy) as Arc<dyn Policy>)
                    .map_err(|source| PolicyError::ImplicitMeta { name: name(), path: path(), source })
            }
            Ok(PolicyType::Signature) => SignaturePolicy::from_bytes(&policy.value, &self.msps)
                .map(|policy| Arc::new(policy) as Arc<dyn Policy>)
                .map_err(|source| PolicyError::Signature { name: name(), path: path(), source }),
            _ => {
                let policy_type = policy.r#type;
                Err(PolicyError::UnknownType { name: name(), path: path(), policy_type })
            }
        }
    }

    /// The policy at an absolute (`/Channel/Writers`) or relative (`Orderer/Admins`) path.
    pub fn policy(&self, path: &str) -> Option<Arc<dyn Policy>> {
        self.policies.get(self.relative(path)?).cloned()
    }

    /// The policy at a path; where there is none, one that refuses everything and says so.
    pub fn policy_or_reject(&self, path: &str) -> Arc<dyn Policy> {
        self.policy(path)
            .unwrap_or_else(|| Arc::new(RejectAll { name: self.relative(path).unwrap_or(path).to_owned() }))
    }

    /// Whether there is a policy at this path.
    pub fn has_policy(&self, path: &str) -> bool {
        self.relative(path).is_some_and(|path| self.policies.contains_key(path))
    }

    /// The policies below a sub-group, given by the names of the groups on the way.
    pub fn sub_manager(&self, relative: &[&str]) -> Option<&PolicyManager> {
        relative.iter().try_fold(self, |manager, name| manager.sub_managers.get(*name))
    }

    /// The policy at a path with a memory of its single signers.
    pub fn cached_policy(&self, path: &str) -> Option<CachedPolicy> {
        self.policy(path).map(|policy| CachedPolicy::new(policy, self.msps.clone()))
    }

    /// The identities whose signatures are good, in order, each once; for
    /// [`Policy::evaluate_identities`] of several policies over the same signatures.
    pub fn signers(&self, signed: &[SignedData]) -> Vec<Arc<Identity>> {
        super::signers(signed, &self.msps)
    }

    /// A path as the keys of `policies` have it. As in Fabric an absolute path may have any character
    /// behind this manager's own path; with none at all (on which Fabric panics) nothing is found.
    fn relative<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some(absolute) = path.strip_prefix('/') else { return Some(path) };
        let mut behind = absolute.strip_prefix(self.path.as_str())?.chars();
        behind.next()?;
        Some(behind.as_str())
    }
}

/// Stands for a policy that is not there.
struct RejectAll {
    name: String,
}

impl Policy for RejectAll {
    fn evaluate(&self, _: &[SignedData]) -> Result<(), PolicyError> {
        self.evaluate_identities(&[])
    }

    fn evaluate_identities(&self, _: &[Arc<Identity>]) -> Result<(), PolicyError> {
        Err(PolicyError::NoSuchPolicy(self.name.clone()))
    }
}

//! Who has to sign an update, in words.

use std::sync::Arc;

use channel::{bundle::Bundle, configtx::Review};
use identity::msp::Identity;
use protos::{
    Message,
    common::{ConfigPolicy, ImplicitMetaPolicy, implicit_meta_policy::Rule, policy::PolicyType},
};
use serde::Serialize;

use super::tree::GroupPath;
use crate::inspect::policy;

/// A policy that decides on a part of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Approval {
    /// The policy's path.
    pub(super) policy: String,
    /// What it asks for.
    pub(super) rule: String,
    /// The elements whose change it decides on.
    pub(super) elements: Vec<String>,
    /// Whether enough have signed.
    pub(super) satisfied: bool,
    /// What is missing; empty when it is satisfied.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) missing: String,
}

impl Approval {
    /// On one line.
    pub(super) fn line(&self) -> String {
        let verdict = match self.satisfied {
            true => "satisfied".to_owned(),
            false => format!("NOT satisfied, missing: {}", self.missing),
        };
        format!("{} ({}): {verdict}", self.policy, self.rule)
    }
}

/// The policies that an update needs, each once, in the order of their paths.
pub(super) fn approvals(bundle: &Bundle, review: &Review) -> Vec<Approval> {
    let mut approvals: Vec<Approval> = Vec::new();
    for requirement in &review.requirements {
        let policy = requirement.policy.clone().unwrap_or_else(|| "(none)".to_owned());
        let element = requirement.element.clone();
        if let Some(known) = approvals.iter_mut().find(|known| known.policy == policy) {
            known.elements.push(element);
            continue;
        }
        let satisfied = requirement.verdict.is_ok();
        let found = policy_at(bundle, &policy);
        let rule = found.map_or_else(
            || "there is no such policy, so that nobody can make this change".to_owned(),
            |(_, found)| rule(found),
        );
        let missing = match satisfied {
            true => String::new(),
            false => missing(bundle, &policy, &review.signers),
        };
        approvals.push(Approval { policy, rule, elements: vec![element], satisfied, missing });
    }
    approvals.sort_by(|a, b| a.policy.cmp(&b.policy));
    approvals
}

fn rule(entry: &ConfigPolicy) -> String {
    entry.policy.as_ref().map_or_else(|| "(nothing)".to_owned(), policy::text)
}

/// The group in which a policy stands, and the policy.
fn policy_at<'a>(bundle: &'a Bundle, path: &str) -> Option<(GroupPath, &'a ConfigPolicy)> {
    let (group, name) =
        path.strip_prefix("/Channel/").map_or((None, ""), |inner| match inner.rsplit_once('/') {
            Some((groups, name)) => (Some(GroupPath::of(groups.split('/'))), name),
            None => (Some(GroupPath::root()), inner),
        });
    let group = group?;
    let found = group.find(bundle.config())?.policies.get(name)?;
    Some((group, found))
}

/// Whose signatures an unsatisfied policy lacks.
fn missing(bundle: &Bundle, path: &str, signers: &[Arc<Identity>]) -> String {
    let Some((group, entry)) = policy_at(bundle, path) else { return format!("the policy {path}") };
    let implicit = entry.policy.as_ref().filter(|policy| policy.r#type == PolicyType::ImplicitMeta as i32);
    let Some(Ok(meta)) = implicit.map(|policy| ImplicitMetaPolicy::decode(policy.value.clone())) else {
        return rule(entry);
    };
    let names = group.find(bundle.config()).map(|found| found.groups.keys().cloned().collect::<Vec<_>>());
    let names = names.unwrap_or_default();
    let needed = match Rule::try_from(meta.rule) {
        Ok(Rule::Any) => 1,
        Ok(Rule::Majority) => names.len() / 2 + 1,
        _ => names.len(),
    };
    let mut satisfied = 0;
    let mut open = Vec::new();
    for name in &names {
        let inner = group.join(name);
        let path = format!("{}/{}", inner.absolute(), meta.sub_policy);
        match bundle.policies().policy(&path) {
            // A group without the policy can not be counted, but counts among all.
            None => {}
            Some(policy) if policy.evaluate_identities(signers).is_ok() => satisfied += 1,
            Some(_) => open.push(match policy_at(bundle, &path) {
                Some((_, entry)) if entry.policy.as_ref().is_some_and(is_implicit) => {
                    format!("{name} ({})", missing(bundle, &path, signers))
                }
                Some((_, entry)) => format!("{name}: {}", rule(entry)),
                None => name.clone(),
            }),
        }
    }
    format!("{} of {}", needed.saturating_sub(satisfied), open.join("; "))
}

fn is_implicit(policy: &protos::common::Policy) -> bool {
    policy.r#type == PolicyType::ImplicitMeta as i32
}

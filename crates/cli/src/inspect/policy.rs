//! Policies in the words in which they are written.

use protos::{
    Message,
    common::{
        ImplicitMetaPolicy, MspPrincipal, MspRole, Policy, SignaturePolicy, SignaturePolicyEnvelope,
        implicit_meta_policy::Rule, msp_principal::Classification, msp_role::MspRoleType, policy::PolicyType,
        signature_policy,
    },
};

/// A policy as configtx.yaml has it, as in `MAJORITY Admins` or `OR('Org1MSP.admin', 'Org2MSP.admin')`.
pub(crate) fn text(policy: &Policy) -> String {
    let unreadable = || format!("(a policy of type {} that cannot be read)", policy.r#type);
    match PolicyType::try_from(policy.r#type) {
        Ok(PolicyType::Signature) => match SignaturePolicyEnvelope::decode(policy.value.clone()) {
            Ok(SignaturePolicyEnvelope { rule: Some(rule), identities, .. }) => rule_text(&rule, &identities),
            _ => unreadable(),
        },
        Ok(PolicyType::ImplicitMeta) => match ImplicitMetaPolicy::decode(policy.value.clone()) {
            Ok(meta) => {
                let rule = Rule::try_from(meta.rule)
                    .map_or_else(|_| meta.rule.to_string(), |rule| rule.as_str_name().to_owned());
                format!("{rule} {}", meta.sub_policy)
            }
            Err(_) => unreadable(),
        },
        _ => unreadable(),
    }
}

fn rule_text(policy: &SignaturePolicy, identities: &[MspPrincipal]) -> String {
    match &policy.r#type {
        Some(signature_policy::Type::SignedBy(index)) => {
            let principal = usize::try_from(*index).ok().and_then(|index| identities.get(index));
            principal.map_or_else(|| format!("(no identity {index})"), principal_text)
        }
        Some(signature_policy::Type::NOutOf(n_of)) => {
            let rules: Vec<String> = n_of.rules.iter().map(|rule| rule_text(rule, identities)).collect();
            let rules = rules.join(", ");
            match usize::try_from(n_of.n) {
                Ok(1) => format!("OR({rules})"),
                Ok(n) if n == n_of.rules.len() => format!("AND({rules})"),
                _ => format!("OutOf({}, {rules})", n_of.n),
            }
        }
        None => "(nothing)".to_owned(),
    }
}

fn principal_text(principal: &MspPrincipal) -> String {
    if principal.principal_classification == Classification::Role as i32
        && let Ok(role) = MspRole::decode(principal.principal.clone())
    {
        let name = MspRoleType::try_from(role.role)
            .map_or_else(|_| role.role.to_string(), |role| role.as_str_name().to_lowercase());
        return format!("'{}.{name}'", role.msp_identifier);
    }
    let kind = Classification::try_from(principal.principal_classification).map_or_else(
        |_| principal.principal_classification.to_string(),
        |kind| kind.as_str_name().to_lowercase(),
    );
    format!("({kind})")
}

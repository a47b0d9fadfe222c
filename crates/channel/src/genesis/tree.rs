//! The groups, values and policies of a first config.

use std::time::Duration;

use protos::{
    Message,
    common::{
        BlockDataHashingStructure, Capabilities, Capability, ConfigGroup, ConfigPolicy, ConfigValue,
        Consortium, HashingAlgorithm, OrdererAddresses, Policy, SignaturePolicy, SignaturePolicyEnvelope,
        policy::PolicyType, signature_policy,
    },
    orderer::{BatchTimeout, ChannelRestrictions, ConsensusType, KafkaBrokers},
    peer::{AcLs, AnchorPeers, ApiResource},
};

use super::{
    ApplicationSection, Consensus, GenesisDescription, GenesisError, OrdererSection, Organization, Place,
    Policies, PoliciesError, channel_creation_policy, policy,
};
use crate::{
    bundle::{APPLICATION, CONSORTIUMS, ORDERER},
    duration,
};

/// Who may change nearly everything: the admins of the group that holds it.
const ADMINS: &str = "Admins";
/// Who may change what belongs to the ordering service but lies outside its group.
const ORDERER_ADMINS: &str = "/Channel/Orderer/Admins";

const MANDATORY: &[&str] = &["Admins", "Readers", "Writers"];
const MANDATORY_FOR_ORDERERS: &[&str] = &["BlockValidation", "Admins", "Readers", "Writers"];

pub(super) fn channel(description: &GenesisDescription) -> Result<ConfigGroup, GenesisError> {
    let path = "/Channel";
    let mut group = group(ADMINS);
    add_policies(&mut group, path, &description.policies, MANDATORY)?;
    add_value(&mut group, "HashingAlgorithm", &HashingAlgorithm { name: "SHA256".to_owned() });
    // Fabric hashes block data as one string, not as a tree; this width says so.
    add_value(&mut group, "BlockDataHashingStructure", &BlockDataHashingStructure { width: u32::MAX });
    let addresses = description.orderer.as_ref().map(|section| &section.addresses);
    if let Some(addresses) = addresses.filter(|addresses| !addresses.is_empty()) {
        let addresses = OrdererAddresses { addresses: addresses.clone() };
        add_value_for(&mut group, "OrdererAddresses", &addresses, ORDERER_ADMINS);
    }
    if let Some(name) = &description.consortium {
        add_value(&mut group, "Consortium", &Consortium { name: name.clone() });
    }
    add_capabilities(&mut group, &description.capabilities);

    if let Some(section) = &description.orderer {
        group.groups.insert(ORDERER.to_owned(), orderer(&format!("{path}/{ORDERER}"), section)?);
    }
    if let Some(section) = &description.application {
        group.groups.insert(APPLICATION.to_owned(), application(&format!("{path}/{APPLICATION}"), section)?);
    }
    if let Some(consortiums) = &description.consortiums {
        let path = format!("{path}/{CONSORTIUMS}");
        let mut all = self::group(ORDERER_ADMINS);
        let accept =
            ConfigPolicy { version: 0, policy: Some(accept_all()), mod_policy: ORDERER_ADMINS.to_owned() };
        all.policies.insert(ADMINS.to_owned(), accept);
        for (name, members) in consortiums {
            all.groups.insert(name.clone(), consortium(&format!("{path}/{name}"), members)?);
        }
        group.groups.insert(CONSORTIUMS.to_owned(), all);
    }
    Ok(group)
}

fn orderer(path: &str, section: &OrdererSection) -> Result<ConfigGroup, GenesisError> {
    let mut group = group(ADMINS);
    add_policies(&mut group, path, &section.policies, MANDATORY_FOR_ORDERERS)?;
    add_value(&mut group, "BatchSize", &section.batch_size);
    add_value(
        &mut group,
        "BatchTimeout",
        &BatchTimeout { timeout: duration::format(nanoseconds(section.batch_timeout)) },
    );
    add_value(&mut group, "ChannelRestrictions", &ChannelRestrictions { max_count: section.max_channels });
    add_capabilities(&mut group, &section.capabilities);
    let metadata = match &section.consensus {
        Consensus::Solo => Vec::new(),
        Consensus::Kafka { brokers } => {
            add_value(&mut group, "KafkaBrokers", &KafkaBrokers { brokers: brokers.clone() });
            Vec::new()
        }
        Consensus::Etcdraft(metadata) => metadata.encode_to_vec(),
    };
    // The state is STATE_NORMAL, which is 0.
    let consensus_type = ConsensusType {
        r#type: section.consensus.name().to_owned(),
        metadata: metadata.into(),
        ..ConsensusType::default()
    };
    add_value(&mut group, "ConsensusType", &consensus_type);
    add_organizations(&mut group, path, Place::Orderer, &section.organizations)?;
    Ok(group)
}

fn application(path: &str, section: &ApplicationSection) -> Result<ConfigGroup, GenesisError> {
    let mut group = group(ADMINS);
    add_policies(&mut group, path, &section.policies, MANDATORY)?;
    if !section.acls.is_empty() {
        let resource = |policy_ref: &String| ApiResource { policy_ref: policy_ref.clone() };
        let acls = section.acls.iter().map(|(name, policy)| (name.clone(), resource(policy))).collect();
        add_value(&mut group, "ACLs", &AcLs { acls });
    }
    add_capabilities(&mut group, &section.capabilities);
    add_organizations(&mut group, path, Place::Application, &section.organizations)?;
    Ok(group)
}

fn consortium(path: &str, members: &[Organization]) -> Result<ConfigGroup, GenesisError> {
    let mut group = group(ORDERER_ADMINS);
    add_value_for(&mut group, "ChannelCreationPolicy", &channel_creation_policy(), ORDERER_ADMINS);
    add_organizations(&mut group, path, Place::Consortium, members)?;
    Ok(group)
}

/// Adds a group for each organization.
fn add_organizations(
    parent: &mut ConfigGroup,
    path: &str,
    place: Place,
    organizations: &[Organization],
) -> Result<(), GenesisError> {
    for organization in organizations {
        let group = self::organization(path, place, organization)?;
        if parent.groups.insert(organization.name.clone(), group).is_some() {
            let (group, name) = (path.to_owned(), organization.name.clone());
            return Err(GenesisError::DuplicateOrganization { group, name });
        }
    }
    Ok(())
}

/// The group of an organization below the group at `path`.
pub(super) fn organization(
    path: &str,
    place: Place,
    organization: &Organization,
) -> Result<ConfigGroup, GenesisError> {
    let mut group = group(ADMINS);
    if organization.skip_as_foreign {
        return Ok(group);
    }
    add_policies(&mut group, &format!("{path}/{}", organization.name), &organization.policies, MANDATORY)?;
    add_value(&mut group, "MSP", &organization.msp);
    match place {
        Place::Orderer if !organization.orderer_endpoints.is_empty() => {
            let addresses = OrdererAddresses { addresses: organization.orderer_endpoints.clone() };
            add_value(&mut group, "Endpoints", &addresses);
        }
        Place::Application if !organization.anchor_peers.is_empty() => {
            let peers = AnchorPeers { anchor_peers: organization.anchor_peers.clone() };
            add_value(&mut group, "AnchorPeers", &peers);
        }
        _ => {}
    }
    Ok(group)
}

fn group(mod_policy: &str) -> ConfigGroup {
    ConfigGroup { mod_policy: mod_policy.to_owned(), ..ConfigGroup::default() }
}

fn add_value(group: &mut ConfigGroup, name: &str, value: &impl Message) {
    add_value_for(group, name, value, ADMINS);
}

fn add_value_for(group: &mut ConfigGroup, name: &str, value: &impl Message, mod_policy: &str) {
    let value =
        ConfigValue { version: 0, value: value.encode_to_vec().into(), mod_policy: mod_policy.to_owned() };
    group.values.insert(name.to_owned(), value);
}

fn add_capabilities(group: &mut ConfigGroup, names: &Option<Vec<String>>) {
    if let Some(names) = names {
        let capabilities = names.iter().map(|name| (name.clone(), Capability {})).collect();
        add_value(group, "Capabilities", &Capabilities { capabilities });
    }
}

fn add_policies(
    group: &mut ConfigGroup,
    path: &str,
    policies: &Policies,
    mandatory: &'static [&'static str],
) -> Result<(), GenesisError> {
    let wrong = |reason| GenesisError::Policies { group: path.to_owned(), reason };
    if policies.is_empty() {
        return Err(wrong(PoliciesError::None));
    }
    if let Some(policy) = mandatory.iter().find(|name| !policies.contains_key(**name)) {
        return Err(wrong(PoliciesError::Missing(policy)));
    }
    for (name, rule) in policies {
        let policy = rule.compile().map_err(wrong)?;
        let policy = ConfigPolicy { version: 0, policy: Some(policy), mod_policy: ADMINS.to_owned() };
        group.policies.insert(name.clone(), policy);
    }
    Ok(())
}

/// Satisfied by no signature at all. The channel's implicit policies count this one too, so that
/// with it the admins of the ordering service alone govern a system channel.
fn accept_all() -> Policy {
    let rule = signature_policy::Type::NOutOf(signature_policy::NOutOf { n: 0, rules: vec![] });
    let rule = SignaturePolicyEnvelope {
        version: 0,
        rule: Some(SignaturePolicy { r#type: Some(rule) }),
        identities: vec![],
    };
    policy(PolicyType::Signature, &rule)
}

/// Go's durations end after 292 years, which is as long as for ever.
fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

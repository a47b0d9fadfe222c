//! Whether an identity satisfies a principal.

use protos::{
    Message,
    common::{
        CombinedPrincipal, MspIdentityAnonymity, MspPrincipal, MspRole, OrganizationUnit,
        msp_identity_anonymity::MspIdentityAnonymityType, msp_principal::Classification,
        msp_role::MspRoleType,
    },
    msp::SerializedIdentity,
};

use super::{
    Identity, MspVersion,
    error::{During, MspError},
    validation::Role,
};

impl Identity {
    /// Whether the identity satisfies a principal; a combined one: all of its parts.
    pub fn satisfies_principal(&self, principal: &MspPrincipal) -> Result<(), MspError> {
        if principal.principal_classification == Classification::Combined as i32 {
            return flatten(principal, self.msp.version)?.iter().try_for_each(|part| self.satisfies(part));
        }
        self.satisfies(principal)
    }

    fn satisfies(&self, principal: &MspPrincipal) -> Result<(), MspError> {
        let kind = principal.principal_classification;
        match Classification::try_from(kind) {
            Ok(Classification::Role) => self.satisfies_role(principal),
            Ok(Classification::OrganizationUnit) => self.satisfies_unit(principal),
            Ok(Classification::Identity) => self.satisfies_identity(principal),
            Ok(Classification::Anonymity) if self.msp.version >= MspVersion::V1_3 => {
                satisfies_anonymity(principal)
            }
            _ => Err(MspError::PrincipalType(kind)),
        }
    }

    fn check_same_msp(&self, expected: &str) -> Result<(), MspError> {
        if expected == self.msp.name {
            return Ok(());
        }
        Err(MspError::MemberOfOther { expected: expected.to_owned(), actual: self.msp.name.clone() })
    }

    fn satisfies_role(&self, principal: &MspPrincipal) -> Result<(), MspError> {
        let role =
            MspRole::decode(principal.principal.clone()).map_err(|_| MspError::PrincipalFormat("MSPRole"))?;
        self.check_same_msp(&role.msp_identifier)?;
        let by_unit = self.msp.version >= MspVersion::V1_4_3 && self.msp.node_ous.enforced;
        let standing = self.standing();
        match MspRoleType::try_from(role.role) {
            Ok(MspRoleType::Member) => standing.validity.clone(),
            // Listed administrators were validated when the MSP was set up.
            Ok(MspRoleType::Admin) if self.msp.is_listed_admin(&self.certificate) => Ok(()),
            Ok(MspRoleType::Admin) if by_unit => self.msp.check_role(standing, Role::Admin),
            Ok(MspRoleType::Admin) => Err(MspError::NotAdmin),
            Ok(MspRoleType::Client) => self.msp.check_role(standing, Role::Client),
            Ok(MspRoleType::Peer) => self.msp.check_role(standing, Role::Peer),
            Ok(MspRoleType::Orderer) if by_unit => self.msp.check_role(standing, Role::Orderer),
            _ => Err(MspError::RoleType(role.role)),
        }
    }

    fn satisfies_unit(&self, principal: &MspPrincipal) -> Result<(), MspError> {
        let wanted = OrganizationUnit::decode(principal.principal.clone())
            .map_err(|_| MspError::PrincipalFormat("OrganizationUnit"))?;
        self.check_same_msp(&wanted.msp_identifier)?;
        let standing = self.standing();
        standing.validity.clone()?;
        let found = standing.units.iter().any(|unit| {
            unit.name == wanted.organizational_unit_identifier
                && unit.certifiers_identifier == wanted.certifiers_identifier
        });
        if found { Ok(()) } else { Err(MspError::NoMatch) }
    }

    fn satisfies_identity(&self, principal: &MspPrincipal) -> Result<(), MspError> {
        let read = || {
            let wanted = SerializedIdentity::decode(principal.principal.clone())
                .map_err(|_| MspError::SerializedIdentity)?;
            if wanted.mspid != self.msp.name {
                let (expected, received) = (self.msp.name.clone(), wanted.mspid);
                return Err(MspError::OtherMsp { expected, received });
            }
            self.msp.read_identity(&wanted.id_bytes)
        };
        let wanted = read().during("invalid identity principal, not a certificate")?;
        if *wanted != *self.certificate {
            return Err(MspError::NoMatch);
        }
        // The same certificate, so what is known of this identity holds for it.
        self.validate()
    }
}

fn satisfies_anonymity(principal: &MspPrincipal) -> Result<(), MspError> {
    let anonymity = MspIdentityAnonymity::decode(principal.principal.clone())
        .map_err(|_| MspError::PrincipalFormat("MSPIdentityAnonymity"))?
        .anonymity_type;
    match MspIdentityAnonymityType::try_from(anonymity) {
        Ok(MspIdentityAnonymityType::Nominal) => Ok(()),
        Ok(MspIdentityAnonymityType::Anonymous) => Err(MspError::Anonymous),
        Err(_) => Err(MspError::AnonymityType(anonymity)),
    }
}

/// The parts of a combined principal, in order. Combinations nest as deep as somebody likes, so
/// this must not recurse.
fn flatten(principal: &MspPrincipal, version: MspVersion) -> Result<Vec<MspPrincipal>, MspError> {
    let mut parts = Vec::new();
    let mut waiting = vec![principal.clone()];
    while let Some(principal) = waiting.pop() {
        if principal.principal_classification != Classification::Combined as i32 {
            parts.push(principal);
            continue;
        }
        if version < MspVersion::V1_3 {
            return Err(MspError::PrincipalType(principal.principal_classification));
        }
        let combined = CombinedPrincipal::decode(principal.principal)
            .map_err(|_| MspError::PrincipalFormat("CombinedPrincipal"))?;
        if combined.principals.is_empty() {
            return Err(MspError::NoPrincipals);
        }
        waiting.extend(combined.principals.into_iter().rev());
    }
    Ok(parts)
}

//! Whether a certificate is a member's, and in which role.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    MspVersion, OuIdentifier,
    error::{During, MspError},
    x509::{NodeOu, X509Msp},
};
use crate::certificate::Certificate;

/// A role that node OUs can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Peer,
    Admin,
    Orderer,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Client => "CLIENT",
            Role::Peer => "PEER",
            Role::Admin => "ADMIN",
            Role::Orderer => "ORDERER",
        }
    }
}

/// What there is to know about a certificate; worked out once per identity.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The subject's units; none when there is no chain that certifies them.
    pub(super) units: Vec<OuIdentifier>,
    /// Whether it is a member's.
    pub(super) validity: Result<(), MspError>,
}

impl X509Msp {
    /// Works out units and validity of a certificate.
    pub(super) fn standing(&self, certificate: &Arc<Certificate>) -> Standing {
        let chain = match self.identity_chain(certificate) {
            Ok(chain) => chain,
            Err(error) => {
                let validity = Err(error).during("could not obtain certification chain");
                return Standing { units: Vec::new(), validity };
            }
        };
        let certifiers_identifier = self.chain_identifier(&chain[1..]);
        let unit = |name| OuIdentifier { name, certifiers_identifier: Bytes::clone(&certifiers_identifier) };
        let units: Vec<_> = certificate.organizational_units().into_iter().map(unit).collect();
        let validity = self
            .check_revocation(certificate, &chain[1])
            .during("could not validate identity against certification chain")
            .and_then(|()| self.check_units(&units).during("could not validate identity's OUs"));
        Standing { units, validity }
    }

    /// Whether the issuer has revoked the certificate.
    pub(super) fn check_revocation(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Result<(), MspError> {
        if issuer.subject_key_identifier().is_none() {
            return Err(MspError::NoSubjectKeyIdentifier)
                .during("could not obtain Subject Key Identifier for signer cert");
        }
        for list in &self.revocation_lists {
            if list.revokes(certificate, issuer)? {
                return Err(MspError::Revoked);
            }
        }
        Ok(())
    }

    fn check_units(&self, units: &[OuIdentifier]) -> Result<(), MspError> {
        let required = |unit: &OuIdentifier| {
            self.required_units
                .get(&unit.name)
                .is_some_and(|certifiers| certifiers.contains(&unit.certifiers_identifier))
        };
        if !self.required_units.is_empty() && !units.iter().any(required) {
            return Err(match units {
                [] => MspError::NoOu,
                _ => MspError::OuNotListed { units: print_units(units), msp: self.name.clone() },
            });
        }
        if self.node_ous.enforced { self.check_one_role(units) } else { Ok(()) }
    }

    /// Exactly one of the units must tell a role.
    fn check_one_role(&self, units: &[OuIdentifier]) -> Result<(), MspError> {
        let known = &self.node_ous;
        let modern = self.version == MspVersion::V1_4_3;
        // Where two roles share a unit, Fabric takes the last one (v1.4.3) or the first (before).
        let by_priority = if modern {
            [&known.orderer, &known.admin, &known.peer, &known.client]
        } else {
            [&known.client, &known.peer, &None, &None]
        };
        let mut roles = 0;
        for unit in units {
            let role_unit = by_priority.iter().find_map(|ou| ou.as_ref().filter(|ou| ou.name == unit.name));
            let Some(role_unit) = role_unit else { continue };
            if role_unit.certifiers_identifier.as_ref().is_some_and(|id| *id != unit.certifiers_identifier) {
                return Err(MspError::OuCertifier { units: print_units(units), msp: self.name.clone() });
            }
            roles += 1;
            if roles > 1 {
                break;
            }
        }
        let (units, msp) = (print_units(units), self.name.clone());
        match (roles, modern) {
            (1, _) => Ok(()),
            (0, true) => {
                Err(MspError::OuWithoutRole { roles: "client, peer, orderer, or admin role", units, msp })
            }
            (0, false) => Err(MspError::OuWithoutRole { roles: "client or peer", units, msp }),
            (_, true) => Err(MspError::OuSeveralRoles {
                roles: "have a client, a peer, an orderer, or an admin OU role",
                units,
                msp,
            }),
            (_, false) => {
                Err(MspError::OuSeveralRoles { roles: "be a client or a peer identity", units, msp })
            }
        }
    }

    /// Whether one of the units is the role's. Who certified it has been seen to by validation.
    pub(super) fn has_role_unit(&self, standing: &Standing, role: Role) -> Result<(), MspError> {
        if !self.node_ous.enforced {
            return Err(MspError::NodeOusOff);
        }
        let ou: &Option<NodeOu> = match role {
            Role::Client => &self.node_ous.client,
            Role::Peer => &self.node_ous.peer,
            Role::Admin => &self.node_ous.admin,
            Role::Orderer => &self.node_ous.orderer,
        };
        let (role, msp) = (role.name(), || self.name.clone());
        let ou = ou.as_ref().ok_or_else(|| MspError::RoleOuUndefined { role, msp: msp() })?;
        if standing.units.iter().any(|unit| unit.name == ou.name) {
            Ok(())
        } else {
            Err(MspError::RoleOuMissing { role, msp: msp() })
        }
    }

    /// Whether it is a member with this role.
    pub(super) fn check_role(&self, standing: &Standing, role: Role) -> Result<(), MspError> {
        standing
            .validity
            .clone()
            .during(format!("The identity is not valid under this MSP [{}]", self.name))?;
        let what = match role {
            Role::Admin => "an admin".to_owned(),
            role => format!("a [{}]", role.name()),
        };
        self.has_role_unit(standing, role)
            .during(format!("The identity is not {what} under this MSP [{}]", self.name))
    }
}

/// The units as Fabric prints them: name and the first eight bytes of the certifiers identifier.
fn print_units(units: &[OuIdentifier]) -> String {
    let print = |unit: &OuIdentifier| {
        let id = &unit.certifiers_identifier;
        format!("{}({})", unit.name, hex::encode_upper(&id[..id.len().min(8)]))
    };
    format!("[{}]", units.iter().map(print).collect::<Vec<_>>().join(" "))
}

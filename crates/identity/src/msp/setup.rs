//! Building an X.509 MSP from its definition.

use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use protos::msp::{
    FabricCryptoConfig, FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, SigningIdentityInfo,
};

use super::{
    MspVersion,
    error::{During, MspError, decimal_bytes},
    revocation::RevocationList,
    x509::{NodeOu, NodeOus, X509Msp, unique_chain},
};
use crate::{
    certificate::Certificate, chain::Trust, msp::validation::Role, public_key::HashFamily,
    signing::SigningIdentity,
};

impl X509Msp {
    /// Takes the definition step by step, in Fabric's order, which decides what error is found first.
    pub(super) fn setup(config: &FabricMspConfig, version: MspVersion) -> Result<Self, MspError> {
        let mut msp = Self::with_cas(config, version)?;
        let admins_first = version < MspVersion::V1_4_3;
        if admins_first {
            msp.set_up_admins(config)?;
        }
        let lists = config.revocation_list.iter().map(|list| RevocationList::parse(list));
        msp.revocation_lists = lists.collect::<Result<_, _>>()?;
        msp.check_cas()?;
        if let Some(signer) = &config.signing_identity {
            msp.check_signing_identity(signer)?;
        }
        msp.set_up_tls(config)?;
        for unit in &config.organizational_unit_identifiers {
            msp.add_required_unit(unit)?;
        }
        match (&config.fabric_node_ous, version) {
            (None, _) | (_, MspVersion::V1_0) => {}
            (Some(node_ous), MspVersion::V1_4_3) => msp.node_ous = msp.optional_node_ous(node_ous)?,
            (Some(node_ous), _) => msp.node_ous = msp.client_and_peer_ous(node_ous)?,
        }
        if !admins_first {
            msp.set_up_admins(config)?;
            if msp.admins.is_empty() && !(msp.node_ous.enforced && msp.node_ous.admin.is_some()) {
                return Err(MspError::NoAdmins);
            }
        }
        msp.check_admins()?;
        Ok(msp)
    }

    /// The MSP with nothing but its CAs.
    fn with_cas(config: &FabricMspConfig, version: MspVersion) -> Result<Self, MspError> {
        let crypto = config.crypto_config.clone().unwrap_or_default();
        let FabricCryptoConfig { signature_hash_family, identity_identifier_hash_function } = crypto;
        if config.root_certs.is_empty() {
            return Err(MspError::NoRoot);
        }
        // Bringing CAs to low S needs their issuers, so the CAs as they stand are trusted first.
        let mut msp = Self {
            name: config.name.clone(),
            version,
            signature_hash: match signature_hash_family.as_str() {
                "" | "SHA2" => Ok(HashFamily::Sha2),
                "SHA3" => Ok(HashFamily::Sha3),
                _ => Err(signature_hash_family),
            },
            identifier_hash: &digest::SHA256,
            trust: trust_in(
                &config_certificates(&config.root_certs)?,
                &config_certificates(&config.intermediate_certs)?,
            ),
            roots: Vec::new(),
            intermediates: Vec::new(),
            inner_cas: Default::default(),
            revocation_lists: Vec::new(),
            admins: Vec::new(),
            required_units: Default::default(),
            node_ous: NodeOus::default(),
            tls_roots: config.tls_root_certs.clone(),
            tls_intermediates: config.tls_intermediate_certs.clone(),
        };
        let identities = |certificates: &[Bytes], hash: &Result<&'static digest::Algorithm, MspError>| {
            let read = |pem: &Bytes| {
                let certificate = msp.config_identity(pem)?;
                // Only now, because a certificate that is wrong is reported before the hash is.
                hash.clone().during("failed getting hash function options")?;
                Ok(certificate)
            };
            certificates.iter().map(read).collect::<Result<Vec<_>, MspError>>()
        };
        let hash = identifier_hash(&identity_identifier_hash_function);
        let roots = identities(&config.root_certs, &hash)?;
        let intermediates = identities(&config.intermediate_certs, &hash)?;
        msp.identifier_hash = hash?;
        msp.trust = trust_in(&roots, &intermediates);
        msp.roots = roots;
        msp.intermediates = intermediates;
        Ok(msp)
    }

    /// Every CA must be one and be valid; notes which of them have issued others.
    fn check_cas(&mut self) -> Result<(), MspError> {
        for ca in self.roots.iter().chain(&self.intermediates) {
            check_ca_form(ca)?;
            self.validate_ca(ca, &self.trust).during(not_valid(ca))?;
        }
        for intermediate in &self.intermediates {
            let chain = unique_chain(&self.trust, intermediate)
                .during(format!("failed getting validation chain, (SN: {})", intermediate.serial_number()))?;
            self.inner_cas.extend(chain.iter().skip(1).map(|ca| ca.der().to_vec()));
        }
        Ok(())
    }

    fn validate_ca(&self, ca: &Arc<Certificate>, trust: &Trust) -> Result<(), MspError> {
        let chain = unique_chain(trust, ca).during("could not obtain certification chain")?;
        match chain.get(1) {
            None => Ok(()),
            Some(issuer) => self.check_revocation(ca, issuer),
        }
    }

    fn set_up_tls(&mut self, config: &FabricMspConfig) -> Result<(), MspError> {
        let roots = config_certificates(&config.tls_root_certs)?;
        let intermediates = config_certificates(&config.tls_intermediate_certs)?;
        let trust = trust_in(&roots, &intermediates);
        for ca in roots.iter().chain(&intermediates) {
            check_ca_form(ca)?;
            self.validate_ca(ca, &trust).during(not_valid(ca))?;
        }
        Ok(())
    }

    /// A signing identity has no business in a channel's config; where there is one it must be whole.
    fn check_signing_identity(&self, signer: &SigningIdentityInfo) -> Result<(), MspError> {
        let certificate = self.config_identity(&signer.public_signer)?;
        let key = signer.private_signer.as_ref().filter(|key| !key.key_material.is_empty());
        let key = key.ok_or(MspError::NoKeyMaterial)?;
        SigningIdentity::from_pem(&self.name, certificate.to_pem().as_bytes(), &key.key_material)
            .map(drop)
            .map_err(MspError::KeyMaterial)
    }

    fn add_required_unit(&mut self, unit: &FabricOuIdentifier) -> Result<(), MspError> {
        let name = &unit.organizational_unit_identifier;
        let certifiers = self.certifiers_identifier(&unit.certificate).during(format!(
            "failed getting certificate for [certificate:{:?} organizational_unit_identifier:{name:?} ]",
            String::from_utf8_lossy(&unit.certificate)
        ))?;
        let known = self.required_units.entry(name.clone()).or_default();
        if !known.contains(&certifiers) {
            known.push(certifiers);
        }
        Ok(())
    }

    fn client_and_peer_ous(&self, config: &FabricNodeOUs) -> Result<NodeOus, MspError> {
        let named = |ou: &Option<FabricOuIdentifier>, what| {
            ou.as_ref()
                .filter(|ou| !ou.organizational_unit_identifier.is_empty())
                .cloned()
                .ok_or(MspError::NodeOuMissing(what))
        };
        let client = named(&config.client_ou_identifier, "ClientOU")?;
        let peer = named(&config.peer_ou_identifier, "PeerOU")?;
        Ok(NodeOus {
            enforced: config.enable,
            client: Some(self.node_ou(&client)?),
            peer: Some(self.node_ou(&peer)?),
            ..NodeOus::default()
        })
    }

    fn optional_node_ous(&self, config: &FabricNodeOUs) -> Result<NodeOus, MspError> {
        let ou = |ou: &Option<FabricOuIdentifier>| ou.as_ref().map(|ou| self.node_ou(ou)).transpose();
        let client = ou(&config.client_ou_identifier)?;
        let peer = ou(&config.peer_ou_identifier)?;
        let admin = ou(&config.admin_ou_identifier)?;
        let orderer = ou(&config.orderer_ou_identifier)?;
        let any = client.is_some() || peer.is_some() || admin.is_some() || orderer.is_some();
        Ok(NodeOus { enforced: config.enable && any, client, peer, admin, orderer })
    }

    fn node_ou(&self, config: &FabricOuIdentifier) -> Result<NodeOu, MspError> {
        let pinned = !config.certificate.is_empty();
        Ok(NodeOu {
            name: config.organizational_unit_identifier.clone(),
            certifiers_identifier: pinned
                .then(|| self.certifiers_identifier(&config.certificate))
                .transpose()?,
        })
    }

    /// The identifier of the chain that starts with this CA of the MSP.
    fn certifiers_identifier(&self, pem: &[u8]) -> Result<Bytes, MspError> {
        let ca = Self::config_certificate(pem).map_err(|source| MspError::CertifierUnreadable {
            certificate: decimal_bytes(pem),
            source: Box::new(source),
        })?;
        let ca = self.sanitize(ca).map_err(|source| MspError::CertifierNotSanitized(Box::new(source)))?;
        if self.roots.contains(&ca) {
            return Ok(self.chain_identifier(&[ca]));
        }
        if !self.intermediates.contains(&ca) {
            return Err(MspError::CertifierUnknown(ca.subject()));
        }
        let chain = self
            .validation_chain(&ca, 0)
            .map_err(|source| MspError::CertifierChain { subject: ca.subject(), source: Box::new(source) })?;
        Ok(self.chain_identifier(&chain))
    }

    fn set_up_admins(&mut self, config: &FabricMspConfig) -> Result<(), MspError> {
        let admins = config.admins.iter().map(|pem| self.config_identity(pem));
        self.admins = admins.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Listed administrators must be members; where roles are told apart they must be of a fitting one.
    fn check_admins(&self) -> Result<(), MspError> {
        for (index, admin) in self.admins.iter().enumerate() {
            let standing = self.standing(admin);
            let invalid = |result: Result<(), MspError>| result.during(format!("admin {index} is invalid"));
            if !self.node_ous.enforced {
                invalid(standing.validity)?;
            } else if self.version < MspVersion::V1_4_3 {
                invalid(self.check_role(&standing, Role::Client))?;
            } else if let (Err(client), Err(admin)) =
                (self.has_role_unit(&standing, Role::Client), self.has_role_unit(&standing, Role::Admin))
            {
                return Err(MspError::AdminWithoutOu {
                    index,
                    client: Box::new(client),
                    admin: Box::new(admin),
                });
            }
        }
        Ok(())
    }
}

fn config_certificates(pems: &[Bytes]) -> Result<Vec<Arc<Certificate>>, MspError> {
    pems.iter().map(|pem| X509Msp::config_certificate(pem)).collect()
}

fn trust_in(roots: &[Arc<Certificate>], intermediates: &[Arc<Certificate>]) -> Trust {
    let mut trust = Trust::default();
    roots.iter().for_each(|ca| trust.add_root(ca.clone()));
    intermediates.iter().for_each(|ca| trust.add_intermediate(ca.clone()));
    trust
}

fn identifier_hash(name: &str) -> Result<&'static digest::Algorithm, MspError> {
    Ok(match name {
        "" | "SHA256" => &digest::SHA256,
        "SHA384" => &digest::SHA384,
        "SHA3_256" => &digest::SHA3_256,
        "SHA3_384" => &digest::SHA3_384,
        _ => return Err(MspError::HashFunction(name.to_owned())),
    })
}

fn check_ca_form(ca: &Certificate) -> Result<(), MspError> {
    if !ca.is_ca() {
        return Err(MspError::NotCa(ca.serial_number_hex()));
    }
    if ca.subject_key_identifier().is_none() {
        return Err(MspError::NoSubjectKeyIdentifier).during(format!(
            "CA Certificate problem with Subject Key Identifier extension, (SN: {})",
            ca.serial_number_hex()
        ));
    }
    Ok(())
}

fn not_valid(ca: &Certificate) -> String {
    format!("CA Certificate is not valid, (SN: {})", ca.serial_number())
}

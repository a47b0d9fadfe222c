//! The rules of one X.509 MSP: what it trusts, and how it reads certificates and finds their chains.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use aws_lc_rs::digest;
use bytes::Bytes;

use super::{
    MspVersion,
    error::{During, MspError, decimal_bytes},
    revocation::RevocationList,
};
use crate::{
    certificate::{Certificate, CertificateError},
    chain::{Chain, ChainError, Trust},
    public_key::{HashFamily, PublicKey},
};

/// A set-up MSP.
pub(super) struct X509Msp {
    pub(super) name: String,
    pub(super) version: MspVersion,
    /// `Err`: the name of a family that is not known. That is an error only when it is used.
    pub(super) signature_hash: Result<HashFamily, String>,
    pub(super) identifier_hash: &'static digest::Algorithm,
    pub(super) trust: Trust,
    pub(super) roots: Vec<Arc<Certificate>>,
    pub(super) intermediates: Vec<Arc<Certificate>>,
    /// DER of the CAs that have issued an intermediate of this MSP.
    pub(super) inner_cas: HashSet<Vec<u8>>,
    pub(super) revocation_lists: Vec<RevocationList>,
    pub(super) admins: Vec<Arc<Certificate>>,
    /// Units that members need one of, each with the certifiers that count.
    pub(super) required_units: HashMap<String, Vec<Bytes>>,
    pub(super) node_ous: NodeOus,
    pub(super) tls_roots: Vec<Bytes>,
    pub(super) tls_intermediates: Vec<Bytes>,
}

/// How roles are told by organizational unit.
#[derive(Default)]
pub(super) struct NodeOus {
    pub(super) enforced: bool,
    pub(super) client: Option<NodeOu>,
    pub(super) peer: Option<NodeOu>,
    pub(super) admin: Option<NodeOu>,
    pub(super) orderer: Option<NodeOu>,
}

/// The unit of one role.
pub(super) struct NodeOu {
    pub(super) name: String,
    /// `None`: whoever certified it.
    pub(super) certifiers_identifier: Option<Bytes>,
}

impl X509Msp {
    /// Reads a certificate of the MSP's definition.
    pub(super) fn config_certificate(pem: &[u8]) -> Result<Arc<Certificate>, MspError> {
        Certificate::from_pem(pem).map(Arc::new).map_err(|error| match error {
            CertificateError::NotPem => MspError::ConfigNotPem(decimal_bytes(pem)),
            error => MspError::ConfigCertificate(error),
        })
    }

    /// Reads an identity of the MSP's definition and brings it to its one form.
    pub(super) fn config_identity(&self, pem: &[u8]) -> Result<Arc<Certificate>, MspError> {
        let certificate = Self::config_certificate(pem)?;
        check_key(&certificate)?;
        self.sanitize(certificate)
    }

    /// Reads an identity that somebody sent and brings it to its one form.
    pub(super) fn read_identity(&self, pem: &[u8]) -> Result<Arc<Certificate>, MspError> {
        let certificate = Certificate::from_pem(pem).map(Arc::new).map_err(|error| match error {
            CertificateError::NotPem => MspError::NotPem,
            error => MspError::Certificate(error),
        })?;
        check_key(&certificate).during("failed to import certificate's public key")?;
        self.sanitize(certificate)
    }

    /// Brings the signature of an ECDSA-signed certificate to low S, for which its issuer is looked up.
    pub(super) fn sanitize(&self, certificate: Arc<Certificate>) -> Result<Arc<Certificate>, MspError> {
        if !certificate.is_ecdsa_signed() {
            return Ok(certificate);
        }
        if certificate.is_ca() && certificate.check_signature_from(&certificate).is_ok() {
            let root = Arc::new(certificate.with_low_s(&certificate)?);
            // Validated as its own root, so that time and critical extensions count here as well.
            let mut trust = Trust::default();
            trust.add_root(root.clone());
            unique_chain(&trust, &root)?;
            return Ok(root);
        }
        let chain = unique_chain(&self.trust, &certificate)?;
        let parent = chain.get(1).ok_or_else(|| MspError::NoParent(certificate.subject()))?;
        Ok(Arc::new(certificate.with_low_s(parent)?))
    }

    /// The chain of an identity: not a CA, issued by a CA that has issued no other CA of this MSP.
    pub(super) fn identity_chain(&self, certificate: &Arc<Certificate>) -> Result<Chain, MspError> {
        if certificate.is_ca() {
            return Err(MspError::CaAsIdentity);
        }
        self.validation_chain(certificate, 1)
    }

    /// The one chain above a certificate; the CA at `issuer_position` must not be an inner one.
    pub(super) fn validation_chain(
        &self,
        certificate: &Arc<Certificate>,
        issuer_position: usize,
    ) -> Result<Chain, MspError> {
        let chain = unique_chain(&self.trust, certificate).during("failed getting validation chain")?;
        if chain.len() < 2 {
            return Err(MspError::ShortChain(chain.len()));
        }
        if self.inner_cas.contains(chain[issuer_position].der()) {
            return Err(MspError::InnerIssuer(decimal_bytes(certificate.der())));
        }
        Ok(chain)
    }

    /// Hash over the certificates of (a part of) a chain.
    pub(super) fn chain_identifier(&self, chain: &[Arc<Certificate>]) -> Bytes {
        let mut context = digest::Context::new(self.identifier_hash);
        chain.iter().for_each(|certificate| context.update(certificate.der()));
        Bytes::copy_from_slice(context.finish().as_ref())
    }

    /// What identifies a certificate within the MSP: the hash of its DER, hexadecimal.
    pub(super) fn identity_identifier(&self, certificate: &Certificate) -> String {
        hex::encode(digest::digest(self.identifier_hash, certificate.der()))
    }

    /// Whether the certificate is one of the listed administrators'.
    pub(super) fn is_listed_admin(&self, certificate: &Certificate) -> bool {
        self.admins.iter().any(|admin| **admin == *certificate)
    }
}

/// The one chain from a certificate to a root at the second after the certificate's start, so that
/// it never matters what time it is now.
pub(super) fn unique_chain(trust: &Trust, certificate: &Arc<Certificate>) -> Result<Chain, MspError> {
    let mut chains = trust.verify(certificate, certificate.not_before_unix().saturating_add(1), &[])?;
    if chains.len() != 1 {
        return Err(MspError::SeveralChains(chains.len()));
    }
    let chain = chains.remove(0);
    check_legacy_name_constraints(&chain)?;
    Ok(chain)
}

/// As Go did until 1.14: a common name that looks like a host name counts as a name to be constrained.
fn check_legacy_name_constraints(chain: &Chain) -> Result<(), ChainError> {
    let [leaf, above @ ..] = chain.as_slice() else { return Ok(()) };
    let constrained = above.iter().any(|ca| ca.extensions().name_constraints.is_some());
    if constrained && leaf.extensions().alternative_names.is_none() && is_host_name(leaf.common_name()) {
        return Err(ChainError::NameConstraintsWithoutSans);
    }
    Ok(())
}

fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.split('.').enumerate().all(|(at, label)| {
        (at == 0 && label == "*")
            || !label.is_empty()
                && !label.starts_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_:".contains(c))
    })
}

fn check_key(certificate: &Certificate) -> Result<(), MspError> {
    match certificate.public_key() {
        PublicKey::Ecdsa(_) | PublicKey::Rsa(_) => Ok(()),
        PublicKey::Ed25519(_) | PublicKey::Unknown => Err(MspError::UnsupportedKey),
    }
}

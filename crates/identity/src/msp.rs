//! Membership service providers: who is a member of which organisation, in which role.

use std::sync::Arc;

use bytes::Bytes;
use protos::{
    common::MspPrincipal,
    msp::{MspConfig, SerializedIdentity},
};

use crate::certificate::Certificate;

/// Behaviour version of an MSP, chosen by the channel's capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MspVersion {
    /// No node OUs.
    V1_0,
    /// Client and peer OUs.
    V1_1,
    /// Combined and anonymity principals.
    V1_3,
    /// Admin and orderer OUs.
    V1_4_3,
}

/// What is wrong with an MSP's definition, an identity or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MspError {
    /// No MSP of that name.
    #[error("MSP {0} is not defined on channel")]
    UnknownMsp(String),
}

/// One MSP, ready to judge identities.
pub struct Msp {
    identifier: String,
    tls_root_certs: Vec<Bytes>,
    tls_intermediate_certs: Vec<Bytes>,
}

impl Msp {
    /// Builds an MSP from its definition, checking what Fabric checks.
    pub fn setup(_config: &MspConfig, _version: MspVersion) -> Result<Msp, MspError> {
        unimplemented!()
    }

    /// The MSP id.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// TLS root certificates, PEM, as configured.
    pub fn tls_root_certs(&self) -> &[Bytes] {
        &self.tls_root_certs
    }

    /// TLS intermediate certificates, PEM, as configured.
    pub fn tls_intermediate_certs(&self) -> &[Bytes] {
        &self.tls_intermediate_certs
    }

    /// Reads a marshaled `SerializedIdentity` of this MSP.
    pub fn deserialize_identity(&self, _serialized: &[u8]) -> Result<Arc<Identity>, MspError> {
        unimplemented!()
    }
}

/// The MSPs of a channel.
#[derive(Default)]
pub struct MspManager {
    msps: Vec<Arc<Msp>>,
}

impl MspManager {
    /// A manager of these MSPs; of two with one id the later one counts.
    pub fn new(msps: Vec<Arc<Msp>>) -> Self {
        Self { msps }
    }

    /// The MSP with this id.
    pub fn msp(&self, id: &str) -> Option<&Arc<Msp>> {
        self.msps.iter().find(|m| m.identifier() == id)
    }

    /// All MSPs, ordered by id.
    pub fn msps(&self) -> impl Iterator<Item = &Arc<Msp>> {
        self.msps.iter()
    }

    /// Reads a marshaled `SerializedIdentity` with the MSP that it names.
    pub fn deserialize_identity(&self, _serialized: &[u8]) -> Result<Arc<Identity>, MspError> {
        unimplemented!()
    }

    /// Whether some MSP's kind recognises the form of this identity.
    pub fn is_well_formed(&self, _identity: &SerializedIdentity) -> Result<(), MspError> {
        unimplemented!()
    }
}

/// An organizational unit and who certified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OuIdentifier {
    /// The unit's name.
    pub name: String,
    /// Hash over the certificates of the chain above the identity.
    pub certifiers_identifier: Bytes,
}

/// An identity that its MSP could read. Reading is not yet validation.
pub struct Identity {
    mspid: String,
    certificate: Certificate,
}

impl Identity {
    /// The MSP that the identity belongs to.
    pub fn mspid(&self) -> &str {
        &self.mspid
    }

    /// The certificate, its signature brought to low S.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether the MSP counts this identity as a member.
    pub fn validate(&self) -> Result<(), MspError> {
        unimplemented!()
    }

    /// Whether the identity satisfies a principal.
    pub fn satisfies_principal(&self, _principal: &MspPrincipal) -> Result<(), MspError> {
        unimplemented!()
    }

    /// Verifies a signature over `message` by this identity's key.
    pub fn verify(&self, _message: &[u8], _signature: &[u8]) -> Result<(), MspError> {
        unimplemented!()
    }

    /// The organizational units of the subject, each with the certifiers identifier of the chain.
    pub fn organizational_units(&self) -> Vec<OuIdentifier> {
        unimplemented!()
    }

    /// Last second of validity, Unix time.
    pub fn not_after_unix(&self) -> i64 {
        self.certificate.not_after_unix()
    }
}

/// When a serialized identity's certificate expires, Unix time; `None` when it can not be read.
pub fn expires_at_unix(_serialized_identity: &[u8]) -> Option<i64> {
    unimplemented!()
}

//! Identities that an MSP could read.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    OuIdentifier,
    error::{During, MspError},
    validation::Standing,
    x509::X509Msp,
};
use crate::certificate::Certificate;

/// An identity that its MSP could read. Reading is not yet validation.
pub struct Identity {
    pub(super) msp: Arc<X509Msp>,
    pub(super) certificate: Arc<Certificate>,
    identifier: String,
    standing: OnceLock<Standing>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("mspid", &self.mspid())
            .field("subject", &self.certificate.subject())
            .finish_non_exhaustive()
    }
}

impl Identity {
    pub(super) fn new(msp: &Arc<X509Msp>, certificate: Arc<Certificate>) -> Self {
        Self {
            identifier: msp.identity_identifier(&certificate),
            msp: msp.clone(),
            certificate,
            standing: OnceLock::new(),
        }
    }

    /// The MSP that the identity belongs to.
    pub fn mspid(&self) -> &str {
        &self.msp.name
    }

    /// What identifies the identity within its MSP: hexadecimal hash of the certificate.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The certificate, its signature brought to low S.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether the MSP counts this identity as a member.
    pub fn validate(&self) -> Result<(), MspError> {
        self.standing().validity.clone()
    }

    /// Verifies a signature over `message` by this identity's key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), MspError> {
        let hash = match &self.msp.signature_hash {
            Ok(hash) => *hash,
            Err(family) => {
                return Err(MspError::HashFamily(family.clone()))
                    .during("failed getting hash function options");
            }
        };
        Ok(self.certificate.public_key().verify_message(hash, message, signature)?)
    }

    /// The organizational units of the subject, each with the certifiers identifier of the chain.
    pub fn organizational_units(&self) -> &[OuIdentifier] {
        &self.standing().units
    }

    /// Last second of validity, Unix time.
    pub fn not_after_unix(&self) -> i64 {
        self.certificate.not_after_unix()
    }

    pub(super) fn standing(&self) -> &Standing {
        self.standing.get_or_init(|| self.msp.standing(&self.certificate))
    }
}

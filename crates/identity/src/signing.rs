//! Signing as a member of an MSP.

use std::sync::Arc;

use bytes::Bytes;
use protos::common::SignatureHeader;

use crate::certificate::{Certificate, CertificateError};

/// Why a signing identity can not be made or can not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The certificate does not parse.
    #[error("signing certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The private key is not a PKCS#8 or SEC1 ECDSA key on P-256 or P-384.
    #[error("private key: expected PEM with a PKCS#8 or SEC1 ECDSA key on P-256 or P-384")]
    PrivateKey,
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate of {0}")]
    KeyMismatch(String),
    /// The cryptographic library refused to sign.
    #[error("signing failed")]
    Sign,
}

/// A certificate with its private key, as member of an MSP. Cheap to clone.
#[derive(Clone)]
pub struct SigningIdentity {
    inner: Arc<Inner>,
}

struct Inner {
    mspid: String,
    serialized: Bytes,
    certificate: Certificate,
}

impl SigningIdentity {
    /// Takes a certificate and its private key (PKCS#8 or SEC1; P-256, P-384), both PEM.
    pub fn from_pem(
        _mspid: &str,
        _certificate_pem: &[u8],
        _private_key_pem: &[u8],
    ) -> Result<Self, SigningError> {
        unimplemented!()
    }

    /// The MSP that this identity belongs to.
    pub fn mspid(&self) -> &str {
        &self.inner.mspid
    }

    /// The marshaled `SerializedIdentity`, as it goes into creator fields.
    pub fn serialized(&self) -> &Bytes {
        &self.inner.serialized
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.inner.certificate
    }

    /// Signs the SHA-256 digest of `message`; DER, low S.
    pub fn sign(&self, _message: &[u8]) -> Result<Bytes, SigningError> {
        unimplemented!()
    }

    /// A new signature header: this creator and 24 random bytes of nonce.
    pub fn signature_header(&self) -> SignatureHeader {
        unimplemented!()
    }
}

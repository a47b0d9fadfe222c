//! Signing as a member of an MSP.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{self, Digest},
    rand,
    signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair},
};
use bytes::Bytes;
use protos::{Message, common::SignatureHeader, msp::SerializedIdentity};

use crate::{
    certificate::{Certificate, CertificateError, pem_to_der},
    ecdsa::{Curve, Signature},
    public_key::PublicKey,
};

pub use crate::{asn1::Asn1Error, ecdsa::SignatureFormError, public_key::SignatureError};

/// Why a signing identity can not be made or can not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The certificate does not parse.
    #[error("signing certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate's key is of a kind that can not sign.
    #[error("signing certificate of {0}: its key must be ECDSA on P-256, P-384 or P-521")]
    CertificateKey(String),
    /// The private key can not be read, or lies on another curve than the certificate's key.
    #[error("private key: expected PEM with a PKCS#8 or SEC1 ECDSA key on the curve of the certificate")]
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
    curve: Curve,
    key: EcdsaKeyPair,
}

/// Without the key.
impl fmt::Debug for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningIdentity")
            .field("mspid", &self.inner.mspid)
            .field("subject", &self.inner.certificate.subject())
            .finish_non_exhaustive()
    }
}

const NONCE_BYTES: usize = 24;

impl SigningIdentity {
    /// Takes a certificate and its private key (PKCS#8 or SEC1; P-256, P-384, P-521), both PEM.
    pub fn from_pem(
        mspid: &str,
        certificate_pem: &[u8],
        private_key_pem: &[u8],
    ) -> Result<Self, SigningError> {
        let certificate = Certificate::from_pem(certificate_pem)?;
        let unfit = || SigningError::CertificateKey(certificate.subject());
        let PublicKey::Ecdsa(public_key) = certificate.public_key() else { return Err(unfit()) };
        let curve = public_key.curve();
        let algorithm = algorithm(curve).ok_or_else(unfit)?;
        let der = pem_to_der(private_key_pem).ok_or(SigningError::PrivateKey)?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &der)
            .or_else(|_| EcdsaKeyPair::from_private_key_der(algorithm, &der))
            .map_err(|_| SigningError::PrivateKey)?;
        if key.public_key().as_ref() != public_key.point() {
            return Err(SigningError::KeyMismatch(certificate.subject()));
        }
        let serialized = SerializedIdentity {
            mspid: mspid.to_owned(),
            // Written anew, so that one certificate gives one creator.
            id_bytes: certificate.to_pem().into(),
        };
        let serialized = serialized.encode_to_vec().into();
        Ok(Self { inner: Arc::new(Inner { mspid: mspid.to_owned(), serialized, certificate, curve, key }) })
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
    pub fn sign(&self, message: &[u8]) -> Result<Bytes, SigningError> {
        let Inner { curve, key, .. } = &*self.inner;
        let digest = digest::digest(&digest::SHA256, message);
        let digest = fit_to_curve(*curve, digest).ok_or(SigningError::Sign)?;
        let signature = key.sign_digest(&digest).map_err(|_| SigningError::Sign)?;
        let signature = Signature::parse(signature.as_ref()).map_err(|_| SigningError::Sign)?;
        Ok(signature.to_low_s_der(*curve).into())
    }

    /// A new signature header: this creator and 24 random bytes of nonce.
    pub fn signature_header(&self) -> SignatureHeader {
        let mut nonce = vec![0; NONCE_BYTES];
        // The library aborts the process rather than give bytes that are not random; it never errs.
        rand::fill(&mut nonce).expect("the random generator works");
        SignatureHeader { creator: self.inner.serialized.clone(), nonce: nonce.into() }
    }
}

fn algorithm(curve: Curve) -> Option<&'static EcdsaSigningAlgorithm> {
    match curve {
        Curve::P224 => None,
        Curve::P256 => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        Curve::P384 => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        Curve::P521 => Some(&signature::ECDSA_P521_SHA256_ASN1_SIGNING),
    }
}

/// Fabric signs SHA-256 digests whatever the curve; the library wants SHA-384 with P-384. ECDSA reads
/// the digest as a number, so leading zeros make the one into the other.
fn fit_to_curve(curve: Curve, sha256: Digest) -> Option<Digest> {
    if curve != Curve::P384 {
        return Some(sha256);
    }
    let mut padded = [0; digest::SHA384_OUTPUT_LEN];
    padded[digest::SHA384_OUTPUT_LEN - digest::SHA256_OUTPUT_LEN..].copy_from_slice(sha256.as_ref());
    Digest::import_less_safe(&padded, &digest::SHA384).ok()
}

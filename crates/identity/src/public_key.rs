//! Public keys of certificates, and the signatures that they verify.

use aws_lc_rs::{
    digest,
    signature::{self, ParsedPublicKey, VerificationAlgorithm},
};
use x509_parser::{
    der_parser::oid,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
        OID_SIG_ED25519, Oid,
    },
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo},
};

use crate::{
    certificate::CertificateError,
    ecdsa::{Curve, Signature, SignatureFormError},
};

const OID_EC_P224: Oid<'static> = oid!(1.3.132.0.33);

/// A certificate's public key.
#[derive(Debug, Clone)]
pub(crate) enum PublicKey {
    Ecdsa(EcdsaKey),
    /// PKCS#1 RSAPublicKey.
    Rsa(Vec<u8>),
    Ed25519(Vec<u8>),
    /// Anything else: parsed along, usable for nothing.
    Unknown,
}

/// An ECDSA public key, made ready for verifying.
#[derive(Debug, Clone)]
pub(crate) struct EcdsaKey {
    curve: Curve,
    point: Vec<u8>,
    /// `None` on P-224, which the cryptographic library does not know: certificates with such keys are
    /// read and judged, but nothing that they sign verifies.
    verifier: Option<ParsedPublicKey>,
}

/// Which digest a message is signed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HashFamily {
    Sha2,
    Sha3,
}

/// Why a message's signature does not count. Texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("could not determine the validity of the signature: Invalid signature. Cannot be empty.")]
    Empty,
    /// The signature is not in its DER form.
    #[error(
        "could not determine the validity of the signature: Failed verifing with opts [<nil>]: Failed unmashalling signature [{0}]"
    )]
    Form(#[from] SignatureFormError),
    /// S is above half the group order.
    #[error(
        "could not determine the validity of the signature: Failed verifing with opts [<nil>]: Invalid S. Must be smaller than half the order [{s}][{limit}]."
    )]
    HighS {
        /// The signature's S, decimal.
        s: String,
        /// The largest S that is accepted, decimal.
        limit: String,
    },
    /// Keys of this kind can not verify messages.
    #[error("could not determine the validity of the signature: Unsupported 'VerifyKey' provided [{0}]")]
    UnsupportedKey(&'static str),
    /// It does not belong to this message and key.
    #[error("The signature is invalid")]
    Invalid,
}

impl PublicKey {
    /// Takes the key out of a certificate. A key of an unknown kind is no error, a malformed one is.
    pub(crate) fn from_info(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, CertificateError> {
        let bits = info.subject_public_key.data.as_ref();
        let algorithm = &info.algorithm.algorithm;
        if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            return EcdsaKey::new(&info.algorithm, bits).map(PublicKey::Ecdsa);
        }
        Ok(if *algorithm == OID_PKCS1_RSAENCRYPTION {
            PublicKey::Rsa(bits.to_vec())
        } else if *algorithm == OID_SIG_ED25519 {
            PublicKey::Ed25519(bits.to_vec())
        } else {
            PublicKey::Unknown
        })
    }

    /// The curve of an ECDSA key.
    pub(crate) fn curve(&self) -> Option<Curve> {
        match self {
            PublicKey::Ecdsa(key) => Some(key.curve),
            _ => None,
        }
    }

    /// What names this key: two keys are one when these bytes are equal.
    pub(crate) fn is_same(&self, other: &PublicKey) -> bool {
        match (self, other) {
            (PublicKey::Ecdsa(a), PublicKey::Ecdsa(b)) => a.point == b.point,
            (PublicKey::Rsa(a), PublicKey::Rsa(b)) | (PublicKey::Ed25519(a), PublicKey::Ed25519(b)) => a == b,
            _ => false,
        }
    }

    /// Verifies a signature over a message as Fabric's MSPs do: the digest is of 256 bits
    /// whatever the curve, S must be low.
    pub(crate) fn verify_message(
        &self,
        hash: HashFamily,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if signature.is_empty() {
            return Err(SignatureError::Empty);
        }
        match self {
            PublicKey::Ecdsa(key) => key.verify_message(hash, message, signature),
            PublicKey::Rsa(_) => Err(SignatureError::UnsupportedKey("*sw.rsaPublicKey")),
            PublicKey::Ed25519(_) => Err(SignatureError::UnsupportedKey("ed25519.PublicKey")),
            PublicKey::Unknown => Err(SignatureError::UnsupportedKey("unknown")),
        }
    }
}

impl EcdsaKey {
    fn new(algorithm: &AlgorithmIdentifier<'_>, point: &[u8]) -> Result<Self, CertificateError> {
        let curve =
            algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok()).ok_or(CertificateError::Malformed)?;
        let curve = match curve {
            c if c == OID_EC_P256 => Curve::P256,
            c if c == OID_NIST_EC_P384 => Curve::P384,
            c if c == OID_NIST_EC_P521 => Curve::P521,
            c if c == OID_EC_P224 => Curve::P224,
            _ => return Err(CertificateError::UnsupportedCurve),
        };
        // Only uncompressed points: `04 ‖ X ‖ Y`.
        if point.first() != Some(&4) {
            return Err(CertificateError::InvalidPoint);
        }
        let algorithm: Option<&'static dyn VerificationAlgorithm> = match curve {
            Curve::P224 => None,
            Curve::P256 => Some(&signature::ECDSA_P256_SHA256_ASN1),
            Curve::P384 => Some(&signature::ECDSA_P384_SHA256_ASN1),
            Curve::P521 => Some(&signature::ECDSA_P521_SHA256_ASN1),
        };
        let verifier = algorithm
            .map(|algorithm| ParsedPublicKey::new(algorithm, point))
            .transpose()
            .map_err(|_| CertificateError::InvalidPoint)?;
        Ok(Self { curve, point: point.to_vec(), verifier })
    }

    pub(crate) fn curve(&self) -> Curve {
        self.curve
    }

    /// The uncompressed point.
    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }

    fn verify_message(
        &self,
        hash: HashFamily,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let signature = Signature::parse(signature)?;
        if !signature.is_low_s(self.curve) {
            let (s, limit) = signature.s_and_limit(self.curve);
            return Err(SignatureError::HighS { s, limit });
        }
        let verifier =
            self.verifier.as_ref().ok_or(SignatureError::UnsupportedKey("*ecdsa.PublicKey on P-224"))?;
        // Encoded anew, because the library minds bytes behind the numbers and Fabric does not.
        let signature = signature.to_der();
        match hash {
            HashFamily::Sha2 => verifier.verify_sig(message, &signature),
            HashFamily::Sha3 => {
                let digest = digest::digest(&digest::SHA3_256, message);
                // ECDSA takes any 32 bytes for a digest; only the library ties the name to the key.
                digest::Digest::import_less_safe(digest.as_ref(), &digest::SHA256)
                    .and_then(|digest| verifier.verify_digest_sig(&digest, &signature))
            }
        }
        .map_err(|_| SignatureError::Invalid)
    }
}

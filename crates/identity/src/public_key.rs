//! Public keys of certificates, and the signatures that they verify.

use aws_lc_rs::{
    digest,
    signature::{
        self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, UnparsedPublicKey,
        VerificationAlgorithm,
    },
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
    /// `None` on P-224, which the cryptographic library does not know.
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
        let verifier = match verifier_algorithm(curve, CertificateHash::Sha256) {
            Some(algorithm) => {
                Some(ParsedPublicKey::new(algorithm, point).map_err(|_| CertificateError::InvalidPoint)?)
            }
            None => None,
        };
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateHash {
    Sha256,
    Sha384,
    Sha512,
}

/// How a certificate or revocation list is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateSignatureAlgorithm {
    Ecdsa(CertificateHash),
    /// ECDSA over SHA-1: counts as ECDSA, verifies nowhere.
    EcdsaSha1,
    Rsa(CertificateHash),
    RsaPss(CertificateHash),
    /// RSA over MD5 or SHA-1.
    RsaInsecure(&'static str),
    Ed25519,
    Unknown,
}

/// Why a certificate's or revocation list's signature does not verify. Texts are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateSignatureError {
    /// The parent is no CA, or its key usage forbids signing certificates.
    #[error("x509: invalid signature: parent certificate cannot sign this kind of certificate")]
    ParentMayNotSign,
    /// An algorithm that is not known.
    #[error("x509: cannot verify signature: algorithm unimplemented")]
    Unimplemented,
    /// An algorithm on a broken hash.
    #[error("x509: cannot verify signature: insecure algorithm {0}")]
    Insecure(&'static str),
    /// The signature is of another kind than the parent's key.
    #[error("x509: signature algorithm specifies an {0} public key, but have public key of another type")]
    KeyMismatch(&'static str),
    /// An ECDSA signature that does not fit.
    #[error("x509: ECDSA verification failure")]
    Ecdsa,
    /// An RSA signature that does not fit.
    #[error("crypto/rsa: verification error")]
    Rsa,
    /// An Ed25519 signature that does not fit.
    #[error("x509: Ed25519 verification failure")]
    Ed25519,
}

impl CertificateSignatureAlgorithm {
    pub(crate) fn from_identifier(identifier: &AlgorithmIdentifier<'_>) -> Self {
        use x509_parser::oid_registry::*;
        const ECDSA_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);
        let oid = &identifier.algorithm;
        let known = [
            (OID_SIG_ECDSA_WITH_SHA256, Self::Ecdsa(CertificateHash::Sha256)),
            (OID_SIG_ECDSA_WITH_SHA384, Self::Ecdsa(CertificateHash::Sha384)),
            (OID_SIG_ECDSA_WITH_SHA512, Self::Ecdsa(CertificateHash::Sha512)),
            (ECDSA_SHA1, Self::EcdsaSha1),
            (OID_PKCS1_SHA256WITHRSA, Self::Rsa(CertificateHash::Sha256)),
            (OID_PKCS1_SHA384WITHRSA, Self::Rsa(CertificateHash::Sha384)),
            (OID_PKCS1_SHA512WITHRSA, Self::Rsa(CertificateHash::Sha512)),
            (OID_PKCS1_SHA1WITHRSA, Self::RsaInsecure("SHA1-RSA")),
            (OID_PKCS1_MD5WITHRSAENC, Self::RsaInsecure("MD5-RSA")),
            (OID_SIG_ED25519, Self::Ed25519),
        ];
        if let Some((_, algorithm)) = known.into_iter().find(|(known, _)| known == oid) {
            return algorithm;
        }
        if *oid == OID_PKCS1_RSASSAPSS {
            // The hash stands in the parameters; its OID's last arc tells it.
            let hash = identifier.parameters.as_ref().and_then(|p| {
                let parameters = x509_parser::signature_algorithm::RsaSsaPssParams::try_from(p).ok()?;
                let hash = parameters.hash_algorithm_oid();
                [
                    (OID_NIST_HASH_SHA256, CertificateHash::Sha256),
                    (OID_NIST_HASH_SHA384, CertificateHash::Sha384),
                    (OID_NIST_HASH_SHA512, CertificateHash::Sha512),
                ]
                .into_iter()
                .find_map(|(oid, found)| (oid == *hash).then_some(found))
            });
            return hash.map_or(Self::Unknown, Self::RsaPss);
        }
        Self::Unknown
    }

    pub(crate) fn is_ecdsa(self) -> bool {
        matches!(self, Self::Ecdsa(_) | Self::EcdsaSha1)
    }

    /// Verifies `signature` over `signed` by `key`.
    pub(crate) fn verify(
        self,
        key: &PublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), CertificateSignatureError> {
        use CertificateSignatureError as Error;
        let check = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8], failure: Error| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signature).map_err(|_| failure)
        };
        match (self, key) {
            (Self::Unknown, _) | (_, PublicKey::Unknown) => Err(Error::Unimplemented),
            (Self::EcdsaSha1, _) => Err(Error::Insecure("ECDSA-SHA1")),
            (Self::RsaInsecure(name), _) => Err(Error::Insecure(name)),
            (Self::Ecdsa(hash), PublicKey::Ecdsa(key)) => {
                let algorithm = verifier_algorithm(key.curve, hash).ok_or(Error::Unimplemented)?;
                check(algorithm, &key.point, Error::Ecdsa)
            }
            (Self::Rsa(hash), PublicKey::Rsa(key)) => check(rsa_algorithm(hash), key, Error::Rsa),
            (Self::RsaPss(hash), PublicKey::Rsa(key)) => check(rsa_pss_algorithm(hash), key, Error::Rsa),
            (Self::Ed25519, PublicKey::Ed25519(key)) => check(&signature::ED25519, key, Error::Ed25519),
            (Self::Ecdsa(_), _) => Err(Error::KeyMismatch("ECDSA")),
            (Self::Rsa(_) | Self::RsaPss(_), _) => Err(Error::KeyMismatch("RSA")),
            (Self::Ed25519, _) => Err(Error::KeyMismatch("Ed25519")),
        }
    }
}

fn verifier_algorithm(curve: Curve, hash: CertificateHash) -> Option<&'static EcdsaVerificationAlgorithm> {
    use CertificateHash::{Sha256, Sha384, Sha512};
    Some(match (curve, hash) {
        (Curve::P224, _) => return None,
        (Curve::P256, Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
    })
}

fn rsa_algorithm(hash: CertificateHash) -> &'static RsaParameters {
    match hash {
        CertificateHash::Sha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        CertificateHash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        CertificateHash::Sha512 => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

fn rsa_pss_algorithm(hash: CertificateHash) -> &'static RsaParameters {
    match hash {
        CertificateHash::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
        CertificateHash::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
        CertificateHash::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
    }
}

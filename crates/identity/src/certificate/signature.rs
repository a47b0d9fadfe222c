//! The signatures of certificates and revocation lists.

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::{der_parser::oid, x509::AlgorithmIdentifier};

use crate::{ecdsa::Curve, public_key::PublicKey};

/// The hashes that are not broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// How a certificate or revocation list is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    Ecdsa(Hash),
    /// ECDSA over SHA-1: counts as ECDSA, verifies nowhere.
    EcdsaSha1,
    Rsa(Hash),
    RsaPss(Hash),
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

impl SignatureAlgorithm {
    pub(crate) fn from_identifier(identifier: &AlgorithmIdentifier<'_>) -> Self {
        use x509_parser::oid_registry::*;
        const ECDSA_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);
        let oid = &identifier.algorithm;
        let known = [
            (OID_SIG_ECDSA_WITH_SHA256, Self::Ecdsa(Hash::Sha256)),
            (OID_SIG_ECDSA_WITH_SHA384, Self::Ecdsa(Hash::Sha384)),
            (OID_SIG_ECDSA_WITH_SHA512, Self::Ecdsa(Hash::Sha512)),
            (ECDSA_SHA1, Self::EcdsaSha1),
            (OID_PKCS1_SHA256WITHRSA, Self::Rsa(Hash::Sha256)),
            (OID_PKCS1_SHA384WITHRSA, Self::Rsa(Hash::Sha384)),
            (OID_PKCS1_SHA512WITHRSA, Self::Rsa(Hash::Sha512)),
            (OID_PKCS1_SHA1WITHRSA, Self::RsaInsecure("SHA1-RSA")),
            (OID_PKCS1_MD5WITHRSAENC, Self::RsaInsecure("MD5-RSA")),
            (OID_SIG_ED25519, Self::Ed25519),
        ];
        if let Some((_, algorithm)) = known.into_iter().find(|(known, _)| known == oid) {
            return algorithm;
        }
        if *oid == OID_PKCS1_RSASSAPSS {
            // The hash stands in the parameters.
            let hash = identifier.parameters.as_ref().and_then(|p| {
                let parameters = x509_parser::signature_algorithm::RsaSsaPssParams::try_from(p).ok()?;
                let hash = parameters.hash_algorithm_oid();
                [
                    (OID_NIST_HASH_SHA256, Hash::Sha256),
                    (OID_NIST_HASH_SHA384, Hash::Sha384),
                    (OID_NIST_HASH_SHA512, Hash::Sha512),
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
                let algorithm = ecdsa_algorithm(key.curve(), hash).ok_or(Error::Unimplemented)?;
                check(algorithm, key.point(), Error::Ecdsa)
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

fn ecdsa_algorithm(curve: Curve, hash: Hash) -> Option<&'static EcdsaVerificationAlgorithm> {
    use Hash::{Sha256, Sha384, Sha512};
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

fn rsa_algorithm(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Sha256 => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

fn rsa_pss_algorithm(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
        Hash::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
    }
}

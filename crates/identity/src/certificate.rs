//! X.509 certificates as Fabric reads them.

mod extensions;
mod host;
mod name;
mod signature;

use bytes::Bytes;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

pub(crate) use self::{
    extensions::{AlternativeName, Extensions, NameConstraints},
    name::Name,
    signature::SignatureAlgorithm,
};
pub use self::{host::HostError, signature::CertificateSignatureError};
use crate::{
    asn1,
    ecdsa::{Signature, SignatureFormError},
    pem,
    public_key::PublicKey,
};

/// Why bytes are not a certificate that can be used. Texts are Fabric's and Go's where these have one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no PEM block in the bytes.
    #[error("could not decode the PEM structure")]
    NotPem,
    /// The DER is not an X.509 certificate.
    #[error("x509: malformed certificate")]
    Malformed,
    /// Bytes follow the certificate.
    #[error("x509: trailing data")]
    TrailingData,
    /// The algorithm that the signed part names is not the one of the signature.
    #[error("x509: inner and outer signature algorithm identifiers don't match")]
    AlgorithmMismatch,
    /// A serial number below zero.
    #[error("x509: negative serial number")]
    NegativeSerial,
    /// An extension occurs twice.
    #[error("x509: certificate contains duplicate extensions")]
    DuplicateExtensions,
    /// An extension that is known does not parse.
    #[error("x509: invalid extension {0}")]
    InvalidExtension(String),
    /// An ECDSA key on a curve that nobody uses.
    #[error("x509: unsupported elliptic curve")]
    UnsupportedCurve,
    /// An ECDSA key that is not an uncompressed point of its curve.
    #[error("x509: failed to unmarshal elliptic curve point")]
    InvalidPoint,
}

/// A parsed X.509 certificate. Two are equal when their DER is.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Bytes,
    signed_part: Bytes,
    signature_algorithm: SignatureAlgorithm,
    signature_algorithm_der: Bytes,
    signature: Bytes,
    version: u32,
    serial: Vec<u8>,
    subject: Name,
    issuer: Name,
    not_before_unix: i64,
    not_after_unix: i64,
    public_key_der: Bytes,
    public_key: PublicKey,
    extensions: Extensions,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl Certificate {
    /// Reads the first PEM block, whatever its label (see [`pem_to_der`]).
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        Self::parse(pem_to_der(pem).ok_or(CertificateError::NotPem)?.into())
    }

    /// Parses DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Self::parse(Bytes::copy_from_slice(der))
    }

    fn parse(der: Bytes) -> Result<Self, CertificateError> {
        let malformed = |_| CertificateError::Malformed;
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::TrailingData);
        }
        // The parser gives no access to these bytes. Like the key below they are slices of `der`.
        let (whole, _) = asn1::expect(asn1::SEQUENCE, &der).map_err(malformed)?;
        let (signed_part, behind) = asn1::expect(asn1::SEQUENCE, whole.content).map_err(malformed)?;
        let (algorithm, _) = asn1::expect(asn1::SEQUENCE, behind).map_err(malformed)?;
        let tbs = &parsed.tbs_certificate;
        if tbs.signature != parsed.signature_algorithm {
            return Err(CertificateError::AlgorithmMismatch);
        }
        if tbs.raw_serial().first().is_some_and(|byte| byte & 0x80 != 0) {
            return Err(CertificateError::NegativeSerial);
        }
        let version = tbs.version().0.saturating_add(1);
        Ok(Self {
            signed_part: der.slice_ref(signed_part.raw),
            signature_algorithm: SignatureAlgorithm::from_identifier(&parsed.signature_algorithm),
            signature_algorithm_der: der.slice_ref(algorithm.raw),
            signature: Bytes::copy_from_slice(&parsed.signature_value.data),
            version,
            serial: asn1::strip_zeros(tbs.raw_serial()).to_vec(),
            subject: Name::new(tbs.subject()),
            issuer: Name::new(tbs.issuer()),
            not_before_unix: tbs.validity().not_before.timestamp(),
            not_after_unix: tbs.validity().not_after.timestamp(),
            public_key_der: der.slice_ref(tbs.public_key().raw),
            public_key: PublicKey::from_info(tbs.public_key())?,
            extensions: if version == 3 { Extensions::new(tbs.extensions())? } else { Extensions::default() },
            der,
        })
    }

    /// The DER as it was given.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// A `CERTIFICATE` PEM block with 64-column lines.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.der)
    }

    /// DER of the SubjectPublicKeyInfo.
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }

    /// First second of validity, Unix time.
    pub fn not_before_unix(&self) -> i64 {
        self.not_before_unix
    }

    /// Last second of validity, Unix time.
    pub fn not_after_unix(&self) -> i64 {
        self.not_after_unix
    }

    /// Subject in Go's form: `CN=leaf,OU=client,O=Org1,L=San Francisco,ST=California,C=US`.
    pub fn subject(&self) -> String {
        self.subject.to_string()
    }

    /// DER of the subject.
    pub(crate) fn subject_der(&self) -> &[u8] {
        self.subject.raw()
    }

    /// Issuer in Go's form.
    pub fn issuer(&self) -> String {
        self.issuer.to_string()
    }

    /// The subject's common name, empty when it has none.
    pub fn common_name(&self) -> &str {
        self.subject.common_name()
    }

    /// Serial number, decimal.
    pub fn serial_number(&self) -> String {
        asn1::decimal(&self.serial)
    }

    /// Serial number, lower-case hexadecimal without leading zeros.
    pub fn serial_number_hex(&self) -> String {
        let digits = hex::encode(&self.serial);
        match digits.trim_start_matches('0') {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        }
    }

    /// Organizational units of the subject, in order.
    pub fn organizational_units(&self) -> Vec<String> {
        self.subject.organizational_units().map(str::to_owned).collect()
    }

    /// Whether the basic constraints say that this is a CA.
    pub fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.is_some_and(|b| b.ca)
    }

    /// The subject key identifier, if there is that extension.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.extensions.subject_key_identifier.as_deref()
    }

    /// Whether `parent` signed this certificate and was allowed to. Rules and order are those of
    /// Go's `CheckSignatureFrom`.
    pub fn check_signature_from(&self, parent: &Certificate) -> Result<(), CertificateSignatureError> {
        let may_sign = match parent.extensions.basic_constraints {
            Some(constraints) => constraints.ca,
            None => parent.version != 3,
        };
        if !may_sign || !parent.extensions.may_sign_certificates() {
            return Err(CertificateSignatureError::ParentMayNotSign);
        }
        self.signature_algorithm.verify(&parent.public_key, &self.signed_part, &self.signature)
    }

    /// This certificate with its signature by `issuer` brought to low S, so that there is one form
    /// of it. Only ECDSA signatures have two forms; others stay as they are.
    pub(crate) fn with_low_s(&self, issuer: &Certificate) -> Result<Certificate, SignatureFormError> {
        let Some(curve) = issuer.public_key.curve().filter(|_| self.signature_algorithm.is_ecdsa()) else {
            return Ok(self.clone());
        };
        let low = Signature::parse(&self.signature)?.to_low_s_der(curve);
        if low == self.signature {
            return Ok(self.clone());
        }
        let mut bits = vec![0];
        bits.extend_from_slice(&low);
        let mut content = self.signed_part.to_vec();
        content.extend_from_slice(&self.signature_algorithm_der);
        asn1::write(asn1::BIT_STRING, &bits, &mut content);
        let mut der = Vec::with_capacity(content.len() + 4);
        asn1::write(asn1::SEQUENCE, &content, &mut der);
        Ok(Certificate { der: der.into(), signature: low.into(), ..self.clone() })
    }

    /// Whether the certificate is signed with ECDSA.
    pub(crate) fn is_ecdsa_signed(&self) -> bool {
        self.signature_algorithm.is_ecdsa()
    }

    /// Whether the certificate's own ECDSA signature is in the one DER form.
    pub(crate) fn has_canonical_signature(&self) -> Result<bool, SignatureFormError> {
        Ok(Signature::parse(&self.signature)?.to_der() == self.signature)
    }

    pub(crate) fn serial(&self) -> &[u8] {
        &self.serial
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    pub(crate) fn subject_name(&self) -> &Name {
        &self.subject
    }

    pub(crate) fn issuer_name(&self) -> &Name {
        &self.issuer
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

/// The content of the first PEM block. As in Fabric the label is not checked, and
/// text before and after the block is tolerated.
pub fn pem_to_der(pem: &[u8]) -> Option<Vec<u8>> {
    pem::decode(pem).map(|block| block.der)
}

/// What the first PEM block calls itself, such as `CERTIFICATE`; errors tell it.
pub fn pem_label(pem: &[u8]) -> Option<String> {
    pem::decode(pem).map(|block| block.label)
}

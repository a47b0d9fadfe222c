//! Making CAs, certificates and keys with the profile of Fabric's cryptogen: P-256, SHA-256, low S.

mod profile;
mod subject;

use aws_lc_rs::{
    digest, rand,
    signature::{self, EcdsaKeyPair, KeyPair as _},
};

pub use self::subject::SubjectAttributes;
use self::{
    profile::{SignedPart, TlsName, Use},
    subject::Subject,
};
use crate::{
    certificate::{Certificate, CertificateError, pem_to_der},
    ecdsa::{Curve, Signature},
    pem,
};

/// Why key material could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// A TLS certificate is asked for a host that no certificate can name.
    #[error("{host:?} is no host that a certificate can name; give a DNS name in ASCII or an IP address")]
    Host {
        /// The host.
        host: String,
    },
    /// A validity that no certificate can have.
    #[error("{not_before_unix} to {not_after_unix} is no validity of a certificate: years have four digits", not_before_unix = .0.not_before_unix, not_after_unix = .0.not_after_unix)]
    Validity(Validity),
    /// No key could be made.
    #[error("making a key: the cryptographic library failed")]
    Key,
    /// An existing CA's certificate does not parse.
    #[error("CA certificate: {0}")]
    CaCertificate(#[from] CertificateError),
    /// An existing CA's key does not parse.
    #[error("CA private key: expected PEM with a PKCS#8 ECDSA key on P-256")]
    CaKey,
    /// An existing CA's key belongs to another certificate.
    #[error("the CA private key does not belong to the CA certificate of {0}")]
    CaKeyMismatch(String),
    /// An existing certificate is no CA's.
    #[error("the certificate of {0} is no CA's; give one that has the CA attribute")]
    NotCa(String),
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct KeyPair {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS#8 PEM.
    pub private_key_pem: String,
}

/// When a certificate is valid, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before_unix: i64,
    /// Last second.
    pub not_after_unix: i64,
}

impl Validity {
    /// Cryptogen's validity: from five minutes before `now` (on the minute) for 3650 days.
    pub fn from_now(now_unix: i64) -> Self {
        let minute = now_unix.saturating_add(30).div_euclid(60).saturating_mul(60);
        let not_before_unix = minute.saturating_sub(300);
        Self { not_before_unix, not_after_unix: not_before_unix.saturating_add(3650 * 86_400) }
    }
}

/// A certificate authority with its private key.
pub struct CertificateAuthority {
    /// DER of its name.
    name: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    attributes: SubjectAttributes,
    key: Key,
    certificate_pem: String,
}

impl CertificateAuthority {
    /// A new self-signed CA for `organization` (a domain such as `example.com`).
    pub fn new(common_name: &str, organization: &str, now_unix: i64) -> Result<Self, GenerateError> {
        Self::with_attributes(common_name, organization, SubjectAttributes::default(), now_unix)
    }

    /// A new self-signed CA; `attributes` are its own and those of what it will issue.
    pub fn with_attributes(
        common_name: &str,
        organization: &str,
        attributes: SubjectAttributes,
        now_unix: i64,
    ) -> Result<Self, GenerateError> {
        let key = Key::generate()?;
        let subject =
            Subject { attributes: &attributes, organization: Some(organization), role_ou: None, common_name };
        let name = subject.to_der();
        let key_identifier = digest::digest(&digest::SHA256, key.public()).as_ref().to_vec();
        let signed_part = SignedPart {
            serial: serial()?,
            issuer: &name,
            issuer_key_identifier: None,
            validity: Validity::from_now(now_unix),
            subject: &name,
            public_key: key.public(),
            purpose: Use::Authority { key_identifier: &key_identifier },
        };
        let certificate_pem = key.certify(&signed_part)?;
        Ok(Self { name, key_identifier: Some(key_identifier), attributes, key, certificate_pem })
    }

    /// A CA whose certificate and key (PKCS#8 PEM, P-256) exist.
    pub fn from_pem(certificate_pem: &str, private_key_pem: &str) -> Result<Self, GenerateError> {
        let certificate = Certificate::from_pem(certificate_pem.as_bytes())?;
        if !certificate.is_ca() {
            return Err(GenerateError::NotCa(certificate.subject()));
        }
        let key = Key::from_pem(private_key_pem)?;
        if !certificate.public_key_der().ends_with(key.public()) {
            return Err(GenerateError::CaKeyMismatch(certificate.subject()));
        }
        Ok(Self {
            name: certificate.subject_der().to_vec(),
            key_identifier: certificate.subject_key_identifier().map(<[u8]>::to_vec),
            attributes: SubjectAttributes::default(),
            key,
            certificate_pem: certificate_pem.to_owned(),
        })
    }

    /// The same CA, with the attributes of what it will issue.
    pub fn issuing(self, attributes: SubjectAttributes) -> Self {
        Self { attributes, ..self }
    }

    /// The CA's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key, PKCS#8 PEM.
    pub fn private_key_pem(&self) -> &str {
        &self.key.pem
    }

    /// An enrolment certificate; `role_ou` is the node OU (`client`, `peer`, `admin`, `orderer`).
    pub fn issue_identity(
        &self,
        common_name: &str,
        role_ou: Option<&str>,
        validity: Validity,
    ) -> Result<KeyPair, GenerateError> {
        self.certify(common_name, role_ou, validity, Use::Identity, Key::generate()?)
    }

    /// A TLS certificate for servers and clients; `sans` are DNS names or IP addresses.
    pub fn issue_tls(
        &self,
        common_name: &str,
        sans: &[impl AsRef<str>],
        validity: Validity,
    ) -> Result<KeyPair, GenerateError> {
        self.certify_tls(common_name, sans, validity, Key::generate()?)
    }

    /// As [`Self::issue_tls`], for a key that exists (PKCS#8 PEM, P-256): a renewed certificate.
    pub fn renew_tls(
        &self,
        common_name: &str,
        sans: &[impl AsRef<str>],
        validity: Validity,
        private_key_pem: &str,
    ) -> Result<KeyPair, GenerateError> {
        self.certify_tls(common_name, sans, validity, Key::from_pem(private_key_pem)?)
    }

    fn certify_tls(
        &self,
        common_name: &str,
        sans: &[impl AsRef<str>],
        validity: Validity,
        key: Key,
    ) -> Result<KeyPair, GenerateError> {
        let name =
            |host: &str| TlsName::parse(host).ok_or_else(|| GenerateError::Host { host: host.to_owned() });
        let mut names = sans.iter().map(|san| name(san.as_ref())).collect::<Result<Vec<_>, _>>()?;
        // Go's order.
        names.sort_by_key(|name| matches!(name, TlsName::Address(_)));
        self.certify(common_name, None, validity, Use::Tls { names: &names }, key)
    }

    fn certify(
        &self,
        common_name: &str,
        role_ou: Option<&str>,
        validity: Validity,
        purpose: Use<'_>,
        key: Key,
    ) -> Result<KeyPair, GenerateError> {
        let subject = Subject { attributes: &self.attributes, organization: None, role_ou, common_name };
        let certificate_pem = self.key.certify(&SignedPart {
            serial: serial()?,
            issuer: &self.name,
            issuer_key_identifier: self.key_identifier.as_deref(),
            validity,
            subject: &subject.to_der(),
            public_key: key.public(),
            purpose,
        })?;
        Ok(KeyPair { certificate_pem, private_key_pem: key.pem })
    }
}

fn serial() -> Result<[u8; 16], GenerateError> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| GenerateError::Key)?;
    Ok(serial)
}

/// A P-256 key that signs with low S, as Fabric demands of certificates.
struct Key {
    pair: EcdsaKeyPair,
    pem: String,
}

impl Key {
    fn generate() -> Result<Self, GenerateError> {
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| GenerateError::Key)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| GenerateError::Key)?;
        Ok(Self { pem: pem::encode("PRIVATE KEY", pkcs8.as_ref()), pair })
    }

    fn from_pem(pem: &str) -> Result<Self, GenerateError> {
        let der = pem_to_der(pem.as_bytes()).ok_or(GenerateError::CaKey)?;
        let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &der)
            .map_err(|_| GenerateError::CaKey)?;
        Ok(Self { pair, pem: pem.to_owned() })
    }

    /// The public key, an uncompressed point.
    fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The certificate over this, signed by the key; PEM.
    fn certify(&self, signed_part: &SignedPart<'_>) -> Result<String, GenerateError> {
        let signed = signed_part.to_der().ok_or(GenerateError::Validity(signed_part.validity))?;
        let signature =
            self.pair.sign(&rand::SystemRandom::new(), &signed).map_err(|_| GenerateError::Key)?;
        let signature = Signature::parse(signature.as_ref()).map_err(|_| GenerateError::Key)?;
        let der = profile::certificate(&signed, &signature.to_low_s_der(Curve::P256));
        Ok(pem::encode("CERTIFICATE", &der))
    }
}

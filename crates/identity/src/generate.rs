//! Making CAs, certificates and keys with the profile of Fabric's cryptogen: P-256, SHA-256, low S.

use std::net::IpAddr;

use aws_lc_rs::{
    digest, rand,
    signature::{self, EcdsaKeyPair, KeyPair as _},
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SanType,
    SerialNumber, SigningKey, string::PrintableString,
};
use time::OffsetDateTime;

use crate::{
    certificate::{Certificate, CertificateError, pem_to_der},
    ecdsa::{Curve, Signature},
    pem,
};

/// Why key material could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// The certificate library refused the request.
    #[error("making a certificate for {name}: {reason}")]
    Certificate {
        /// Common name of the certificate.
        name: String,
        /// What the library says.
        reason: String,
    },
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
    issuer: Issuer<'static, Key>,
    certificate_pem: String,
    private_key_pem: String,
}

impl CertificateAuthority {
    /// A new self-signed CA for `organization` (a domain such as `example.com`).
    pub fn new(common_name: &str, organization: &str, now_unix: i64) -> Result<Self, GenerateError> {
        let failed = |reason| failure(common_name, reason);
        let key = Key::generate()?;
        let private_key_pem = key.pem.clone();
        let mut params = params(common_name, Some(organization), None, Validity::from_now(now_unix))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key_identifier = digest::digest(&digest::SHA256, key.der_bytes());
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier.as_ref().to_vec());
        let certificate = params.self_signed(&key).map_err(failed)?;
        let certificate_pem = pem::encode("CERTIFICATE", certificate.der());
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, private_key_pem })
    }

    /// A CA whose certificate and key (PKCS#8 PEM, P-256) exist.
    pub fn from_pem(certificate_pem: &str, private_key_pem: &str) -> Result<Self, GenerateError> {
        let certificate = Certificate::from_pem(certificate_pem.as_bytes())?;
        if !certificate.is_ca() {
            return Err(GenerateError::NotCa(certificate.subject()));
        }
        let key = Key::from_pem(private_key_pem)?;
        if !certificate.public_key_der().ends_with(key.der_bytes()) {
            return Err(GenerateError::CaKeyMismatch(certificate.subject()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate.der().into(), key)
            .map_err(|reason| failure(certificate.common_name(), reason))?;
        Ok(Self {
            issuer,
            certificate_pem: certificate_pem.to_owned(),
            private_key_pem: private_key_pem.to_owned(),
        })
    }

    /// The CA's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key, PKCS#8 PEM.
    pub fn private_key_pem(&self) -> &str {
        &self.private_key_pem
    }

    /// An enrolment certificate; `role_ou` is the node OU (`client`, `peer`, `admin`, `orderer`).
    pub fn issue_identity(
        &self,
        common_name: &str,
        role_ou: Option<&str>,
        validity: Validity,
    ) -> Result<KeyPair, GenerateError> {
        let mut params = params(common_name, None, role_ou, validity)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        self.issue(common_name, params)
    }

    /// A TLS certificate for servers and clients; `sans` are DNS names or IP addresses.
    pub fn issue_tls(
        &self,
        common_name: &str,
        sans: &[impl AsRef<str>],
        validity: Validity,
    ) -> Result<KeyPair, GenerateError> {
        let mut params = params(common_name, None, None, validity)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        for san in sans.iter().map(AsRef::as_ref) {
            params.subject_alt_names.push(match san.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(san.try_into().map_err(|reason| failure(common_name, reason))?),
            });
        }
        self.issue(common_name, params)
    }

    fn issue(&self, common_name: &str, mut params: CertificateParams) -> Result<KeyPair, GenerateError> {
        // The library's own way of saying "no CA" would add a subject key identifier.
        const BASIC_CONSTRAINTS: [u64; 4] = [2, 5, 29, 19];
        const NO_CA: [u8; 2] = [0x30, 0x00];
        let mut no_ca = CustomExtension::from_oid_content(&BASIC_CONSTRAINTS, NO_CA.to_vec());
        no_ca.set_criticality(true);
        params.custom_extensions.push(no_ca);
        params.use_authority_key_identifier_extension = true;
        let key = Key::generate()?;
        let certificate =
            params.signed_by(&key, &self.issuer).map_err(|reason| failure(common_name, reason))?;
        Ok(KeyPair {
            certificate_pem: pem::encode("CERTIFICATE", certificate.der()),
            private_key_pem: key.pem,
        })
    }
}

fn failure(name: &str, reason: rcgen::Error) -> GenerateError {
    GenerateError::Certificate { name: name.to_owned(), reason: reason.to_string() }
}

/// What all certificates have in common: subject, validity, serial number.
fn params(
    common_name: &str,
    organization: Option<&str>,
    unit: Option<&str>,
    validity: Validity,
) -> Result<CertificateParams, GenerateError> {
    let time = |unix| {
        OffsetDateTime::from_unix_timestamp(unix).map_err(|error| GenerateError::Certificate {
            name: common_name.to_owned(),
            reason: error.to_string(),
        })
    };
    let mut name = DistinguishedName::new();
    let mut add = |kind, text: &str| {
        // Go writes PrintableString wherever the characters allow it.
        let value = PrintableString::try_from(text)
            .map_or_else(|_| DnValue::Utf8String(text.to_owned()), DnValue::PrintableString);
        name.push(kind, value);
    };
    add(DnType::CountryName, "US");
    add(DnType::StateOrProvinceName, "California");
    add(DnType::LocalityName, "San Francisco");
    organization.into_iter().for_each(|organization| add(DnType::OrganizationName, organization));
    unit.into_iter().for_each(|unit| add(DnType::OrganizationalUnitName, unit));
    add(DnType::CommonName, common_name);

    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| GenerateError::Key)?;
    let mut params = CertificateParams::default();
    params.not_before = time(validity.not_before_unix)?;
    params.not_after = time(validity.not_after_unix)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = name;
    Ok(params)
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
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let failed = rcgen::Error::RingUnspecified;
        let Ok(signature) = self.pair.sign(&rand::SystemRandom::new(), message) else { return Err(failed) };
        let Ok(signature) = Signature::parse(signature.as_ref()) else { return Err(failed) };
        Ok(signature.to_low_s_der(Curve::P256))
    }
}

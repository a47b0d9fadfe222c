//! Making CAs, certificates and keys with the profile of Fabric's cryptogen.

/// Why key material could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The certificate library refused the request.
    #[error("making a certificate for {name}: {reason}")]
    Certificate {
        /// Common name of the certificate.
        name: String,
        /// What the library says.
        reason: String,
    },
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
        let not_before_unix = (now_unix + 30).div_euclid(60) * 60 - 300;
        Self { not_before_unix, not_after_unix: not_before_unix + 3650 * 86_400 }
    }
}

/// A certificate authority with its private key.
pub struct CertificateAuthority {}

impl CertificateAuthority {
    /// A new self-signed CA for `organization` (a domain such as `example.com`).
    pub fn new(_common_name: &str, _organization: &str, _now_unix: i64) -> Result<Self, GenerateError> {
        unimplemented!()
    }

    /// A CA whose certificate and key (PKCS#8 PEM) exist.
    pub fn from_pem(_certificate_pem: &str, _private_key_pem: &str) -> Result<Self, GenerateError> {
        unimplemented!()
    }

    /// The CA's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        unimplemented!()
    }

    /// The CA's private key, PKCS#8 PEM.
    pub fn private_key_pem(&self) -> &str {
        unimplemented!()
    }

    /// An enrolment certificate; `role_ou` is the node OU (`client`, `peer`, `admin`, `orderer`).
    pub fn issue_identity(
        &self,
        common_name: &str,
        role_ou: Option<&str>,
        now_unix: i64,
    ) -> Result<KeyPair, GenerateError> {
        self.issue_identity_valid(common_name, role_ou, Validity::from_now(now_unix))
    }

    /// As [`issue_identity`](Self::issue_identity) with a validity of one's own.
    pub fn issue_identity_valid(
        &self,
        _common_name: &str,
        _role_ou: Option<&str>,
        _validity: Validity,
    ) -> Result<KeyPair, GenerateError> {
        unimplemented!()
    }

    /// A TLS certificate for servers and clients; `sans` are DNS names or IP addresses.
    pub fn issue_tls(
        &self,
        common_name: &str,
        sans: &[impl AsRef<str>],
        now_unix: i64,
    ) -> Result<KeyPair, GenerateError> {
        self.issue_tls_valid(common_name, sans, Validity::from_now(now_unix))
    }

    /// As [`issue_tls`](Self::issue_tls) with a validity of one's own.
    pub fn issue_tls_valid(
        &self,
        _common_name: &str,
        _sans: &[impl AsRef<str>],
        _validity: Validity,
    ) -> Result<KeyPair, GenerateError> {
        unimplemented!()
    }
}

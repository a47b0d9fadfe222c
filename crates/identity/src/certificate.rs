//! X.509 certificates as Fabric reads them.

/// Why bytes are not a certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no PEM block in the bytes.
    #[error("could not decode the PEM structure")]
    NotPem,
    /// The DER is not an X.509 certificate.
    #[error("x509: malformed certificate")]
    Malformed,
}

/// A parsed X.509 certificate. Cloning copies it; share it by reference or `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// Reads the first PEM block, whatever its label (see [`pem_to_der`]).
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        Self::from_der(&pem_to_der(pem).ok_or(CertificateError::NotPem)?)
    }

    /// Parses DER.
    pub fn from_der(_der: &[u8]) -> Result<Self, CertificateError> {
        unimplemented!()
    }

    /// The DER as it was given.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// A `CERTIFICATE` PEM block with 64-column lines.
    pub fn to_pem(&self) -> String {
        unimplemented!()
    }

    /// DER of the SubjectPublicKeyInfo.
    pub fn public_key_der(&self) -> &[u8] {
        unimplemented!()
    }

    /// First second of validity, Unix time.
    pub fn not_before_unix(&self) -> i64 {
        unimplemented!()
    }

    /// Last second of validity, Unix time.
    pub fn not_after_unix(&self) -> i64 {
        unimplemented!()
    }

    /// Subject in Go's form: `CN=leaf,OU=client,O=Org1,C=CH`.
    pub fn subject(&self) -> String {
        unimplemented!()
    }

    /// Issuer in Go's form.
    pub fn issuer(&self) -> String {
        unimplemented!()
    }

    /// Serial number, decimal.
    pub fn serial_number(&self) -> String {
        unimplemented!()
    }

    /// Organizational units of the subject, in order.
    pub fn organizational_units(&self) -> Vec<String> {
        unimplemented!()
    }

    /// Whether the basic constraints say that this is a CA.
    pub fn is_ca(&self) -> bool {
        unimplemented!()
    }
}

/// The content of the first PEM block. As in Fabric the label is not checked, and
/// text before and after the block is tolerated.
pub fn pem_to_der(_pem: &[u8]) -> Option<Vec<u8>> {
    unimplemented!()
}

//! Certificates and private keys from PEM files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{TlsError, provider};

/// A certificate chain with its private key, checked to be a pair.
#[derive(Debug, Clone)]
pub struct KeyPair {
    certified: Arc<CertifiedKey>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl KeyPair {
    /// Reads and checks a pair; the leaf is the first certificate of the file.
    ///
    /// # Errors
    ///
    /// Names the file that is missing, is no PEM or does not belong to the other.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(&read("TLS certificate", certificate)?);
        if chain.is_empty() {
            return Err(TlsError::NoCertificate { role: "TLS certificate", path: certificate.to_owned() });
        }
        let key_der = PrivateKeyDer::from_pem_slice(&read("TLS private key", key)?)
            .map_err(|_| TlsError::NoPrivateKey { role: "TLS private key", path: key.to_owned() })?;
        let not_a_pair =
            |source| TlsError::KeyPair { key: key.to_owned(), certificate: certificate.to_owned(), source };
        let certified =
            CertifiedKey::from_der(chain, key_der.clone_key(), &provider()).map_err(not_a_pair)?;
        Ok(Self { certified: Arc::new(certified), key: Arc::new(key_der) })
    }

    /// The DER of the leaf certificate.
    pub fn leaf(&self) -> &[u8] {
        // `read` refuses an empty chain.
        self.certified.cert.first().map_or(&[], |c| c.as_ref())
    }

    /// The certificates, leaf first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.certified.cert.clone()
    }

    /// The private key.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

/// All certificates in PEM text, in order; other blocks are skipped.
pub fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

/// All certificates of these PEM files.
///
/// # Errors
///
/// Names the file that is missing or holds no certificate.
pub fn read_certificates(
    role: &'static str,
    files: &[PathBuf],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut all = Vec::new();
    for path in files {
        let found = certificates(&read(role, path)?);
        if found.is_empty() {
            return Err(TlsError::NoCertificate { role, path: path.clone() });
        }
        all.extend(found);
    }
    Ok(all)
}

fn read(role: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { role, path: path.to_owned(), source })
}

/// The DER of a certificate's SubjectPublicKeyInfo, by which cluster members know each other;
/// `None` when it is no certificate.
pub fn public_key(certificate_der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate_der).ok()?;
    Some(certificate.tbs_certificate.subject_pki.raw.to_vec())
}

//! What a client trusts and shows on TLS connections.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, client::WantsClientCert, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// Why the TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum TlsError {
    #[error("{path} cannot be read", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} does not hold a {what} in PEM form", path = path.display())]
    Pem { path: PathBuf, what: &'static str },
    #[error(
        "{path} is encrypted; give the key without its password, as from \
         `openssl pkey -in {path} -out key.pem`", path = path.display()
    )]
    Encrypted { path: PathBuf },
    #[error("{path} holds a certificate that cannot be trusted", path = path.display())]
    Untrusted { path: PathBuf, source: rustls::Error },
    #[error(
        "the client certificate {certificate} and the key {key} cannot be used together",
        certificate = certificate.display(),
        key = key.display()
    )]
    ClientIdentity { certificate: PathBuf, key: PathBuf, source: rustls::Error },
}

/// The client's side of TLS: roots it trusts and, for mutual TLS, its own certificate.
#[derive(Clone)]
pub struct Tls {
    roots: RootCertStore,
    identity: Option<Arc<Identity>>,
    config: Arc<ClientConfig>,
    certificate_hash: Bytes,
}

/// What the client shows.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// A client certificate and its private key, both PEM files.
#[derive(Clone, Copy)]
pub struct ClientIdentity<'a> {
    /// The certificate, with those above it if there are any.
    pub certificate: &'a Path,
    /// Its private key.
    pub key: &'a Path,
}

impl Tls {
    /// Reads the trusted roots and, if given, the client's own certificate.
    pub fn load(roots: &[PathBuf], identity: Option<ClientIdentity<'_>>) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for path in roots {
            for certificate in certificates(path)? {
                store
                    .add(certificate)
                    .map_err(|source| TlsError::Untrusted { path: path.clone(), source })?;
            }
        }
        let Some(identity) = identity else {
            let config = builder(store.clone()).with_no_client_auth().into();
            return Ok(Self { roots: store, identity: None, config, certificate_hash: Bytes::new() });
        };
        let chain = certificates(identity.certificate)?;
        // `certificates` gives at least one.
        let certificate_hash = Bytes::copy_from_slice(&Sha256::digest(&chain[0]));
        let shown = Arc::new(Identity { chain, key: private_key(identity.key)? });
        let config = shown.config(store.clone()).map_err(|source| TlsError::ClientIdentity {
            certificate: identity.certificate.to_owned(),
            key: identity.key.to_owned(),
            source,
        })?;
        Ok(Self { roots: store, identity: Some(shown), config, certificate_hash })
    }

    /// The same client, trusting these roots (PEM), too; those that cannot be used are left out.
    pub fn trusting(&self, roots: &[Bytes]) -> Self {
        let mut store = self.roots.clone();
        for certificate in roots.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem)) {
            // A root that TLS has no use for is no reason to trust less.
            let _ = certificate.map(|certificate| store.add(certificate));
        }
        let config = match &self.identity {
            None => builder(store.clone()).with_no_client_auth().into(),
            // It could be shown before, and can still.
            Some(identity) => identity.config(store.clone()).unwrap_or_else(|_| self.config.clone()),
        };
        Self { roots: store, config, ..self.clone() }
    }

    /// SHA-256 of the client's certificate, which binds Deliver requests to the connection;
    /// empty without one.
    pub fn certificate_hash(&self) -> &Bytes {
        &self.certificate_hash
    }

    /// The configuration for a connection on which `protocol` (an ALPN name) is spoken.
    pub(super) fn config_for(&self, protocol: &[u8]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }
}

impl Identity {
    fn config(&self, roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
        builder(roots).with_client_auth_cert(self.chain.clone(), self.key.clone_key()).map(Arc::new)
    }
}

fn builder(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// The certificates of a PEM file: one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::Pem { path: path.to_owned(), what: "certificate" }),
    }
}

/// The private key of a PEM file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        // PKCS#8 says it in the label, the older form in a header.
        let encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
        match encrypted {
            true => TlsError::Encrypted { path: path.to_owned() },
            false => TlsError::Pem { path: path.to_owned(), what: "private key" },
        }
    })
}

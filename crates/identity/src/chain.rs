//! Certificate chains by the rules of Go's `crypto/x509`, which Fabric relies on.

use std::sync::Arc;

use crate::certificate::Certificate;

/// What a certificate is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendedKeyUsage {
    /// No demand.
    Any,
    /// TLS server.
    ServerAuth,
    /// TLS client.
    ClientAuth,
}

/// Why no chain leads from a certificate to a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No root or intermediate issued it.
    #[error("x509: certificate signed by unknown authority")]
    UnknownAuthority,
}

/// Root and intermediate certificates that chains are built from.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    roots: Vec<Arc<Certificate>>,
    intermediates: Vec<Arc<Certificate>>,
}

impl Trust {
    /// Trusts chains that end in this certificate.
    pub fn add_root(&mut self, certificate: Arc<Certificate>) {
        self.roots.push(certificate);
    }

    /// Allows this certificate inside chains.
    pub fn add_intermediate(&mut self, certificate: Arc<Certificate>) {
        self.intermediates.push(certificate);
    }

    /// All chains, leaf first, that are valid at `at_unix` and allow one of `usages`.
    pub fn verify(
        &self,
        _leaf: &Arc<Certificate>,
        _at_unix: i64,
        _usages: &[ExtendedKeyUsage],
    ) -> Result<Vec<Vec<Arc<Certificate>>>, ChainError> {
        unimplemented!()
    }
}

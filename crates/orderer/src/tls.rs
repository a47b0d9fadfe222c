//! TLS: keys, trust, and the verifiers that Fabric's rules ask for.
//!
//! - [`keys`] reads certificates and keys; [`trust`] holds a set of roots that can be replaced
//!   while connections are made; [`clock`] is the handshake clock that can be set back.
//! - [`server`] makes the listeners' configuration, [`dialer`] connects to other orderers and
//!   pins their keys.
//!
//! The rules are those of Fabric's `internal/pkg/comm` and `orderer/common/cluster`: TLS 1.2 or
//! later, ALPN `h2`, no session tickets, the crypto provider passed explicitly.

use std::{path::PathBuf, sync::Arc};

use rustls::crypto::CryptoProvider;

pub mod clock;
pub mod dialer;
pub mod keys;
pub mod server;
pub mod trust;

/// The protocol that gRPC runs on, for ALPN.
pub const ALPN_H2: &[u8] = b"h2";

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there or can not be read.
    #[error("cannot read {role} {}: {source}; set the key to a readable PEM file", path.display())]
    Unreadable {
        /// What the file is for.
        role: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file holds no PEM certificate.
    #[error("{role} {} holds no PEM certificate", path.display())]
    NoCertificate {
        /// What the file is for.
        role: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file holds no PEM private key.
    #[error("{role} {} holds no PEM private key (PKCS#8, SEC1 or PKCS#1)", path.display())]
    NoPrivateKey {
        /// What the file is for.
        role: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Key and certificate are not a pair, or not usable.
    #[error("private key {} cannot serve certificate {}: {source}", key.display(), certificate.display())]
    KeyPair {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// What the TLS library says.
        source: rustls::Error,
    },
    /// The configuration is not possible.
    #[error("TLS cannot be configured: {0}")]
    Config(#[from] rustls::Error),
}

/// The only crypto provider of the node: aws-lc-rs.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

//! The other end of a connection.

use std::net::SocketAddr;

use rustls_pki_types::CertificateDer;

/// Who is connected, as far as TCP and TLS know.
#[derive(Debug, Clone)]
pub struct RemotePeer {
    /// Where it comes from.
    pub address: SocketAddr,
    /// The DER of the client certificate it proved to hold. On a listener that does not require
    /// client authentication, nobody has vouched for it.
    pub certificate: Option<CertificateDer<'static>>,
    /// The certificate's SubjectPublicKeyInfo, DER.
    pub public_key: Option<Vec<u8>>,
    /// Whether the listener demands client certificates: then requests must be bound to them.
    pub is_mutual_tls: bool,
}

impl RemotePeer {
    /// A peer that showed this certificate, or none.
    pub fn new(
        address: SocketAddr,
        certificate: Option<CertificateDer<'static>>,
        is_mutual_tls: bool,
    ) -> Self {
        let public_key = certificate.as_deref().and_then(crate::tls::keys::public_key);
        Self { address, certificate, public_key, is_mutual_tls }
    }

    /// The certificate's subject, for logs; empty without one.
    pub fn subject(&self) -> String {
        let certificate = self.certificate.as_deref().map(identity::certificate::Certificate::from_der);
        certificate.and_then(Result::ok).map(|c| c.subject()).unwrap_or_default()
    }
}

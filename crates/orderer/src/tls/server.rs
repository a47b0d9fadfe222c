//! What the gRPC listeners ask of TLS clients.

use std::{sync::Arc, time::Duration};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{
    ALPN_H2, TlsError,
    clock::ShiftedClock,
    keys::KeyPair,
    provider,
    trust::{TrustPool, Usage},
};

/// What a listener does with client certificates.
#[derive(Debug, Clone)]
pub enum ClientCertificates {
    /// Asked for, not checked: the cluster service knows consenters by their keys, and clients of
    /// Broadcast and Deliver sign what they send. Whoever shows one must hold its key.
    Requested,
    /// Asked for, and checked against a pool when shown.
    Optional(Arc<TrustPool>),
    /// Demanded and checked against a pool.
    Required(Arc<TrustPool>),
}

/// The TLS configuration of a gRPC listener; for HTTP/1.1, change its ALPN protocols.
///
/// # Errors
///
/// [`TlsError::Config`] when the key pair cannot be used for TLS.
pub fn config(
    keys: &KeyPair,
    clients: ClientCertificates,
    time_shift: Duration,
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = Arc::new(Verifier { clients, provider: provider.clone() });
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(ShiftedClock::new(time_shift)))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(keys.chain(), keys.private_key())?;
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[derive(Debug)]
struct Verifier {
    clients: ClientCertificates,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        matches!(self.clients, ClientCertificates::Required(_))
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // The pool changes while this configuration is in use; clients have one certificate anyhow.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let ClientCertificates::Optional(pool) | ClientCertificates::Required(pool) = &self.clients {
            pool.roots()
                .verify(leaf, intermediates, Usage::Client, now)
                .map_err(|e| Error::InvalidCertificate(e.as_certificate_error()))?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

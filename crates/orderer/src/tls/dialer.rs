//! Connections to other orderers: chain, host and, within the cluster, the very key are checked.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    ALPN_H2, TlsError,
    clock::ShiftedClock,
    keys::{self, KeyPair},
    provider,
    trust::{Roots, Usage, check_host},
};

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody listens there, or the network says no.
    #[error("failed to connect to {endpoint}: {source}")]
    Connect {
        /// `host:port`.
        endpoint: String,
        /// What the system says.
        source: io::Error,
    },
    /// It took too long.
    #[error("failed to connect to {endpoint}: no connection within {after:?}")]
    Timeout {
        /// `host:port`.
        endpoint: String,
        /// The limit.
        after: Duration,
    },
    /// The host is no DNS name and no IP address.
    #[error("{0} is neither a host name nor an IP address")]
    BadHost(String),
    /// The certificate that the server is to have is none.
    #[error("the server certificate in the channel's config is not an X.509 certificate")]
    BadPin,
    /// The handshake failed.
    #[error("TLS handshake with {endpoint} failed: {reason}")]
    Handshake {
        /// `host:port`.
        endpoint: String,
        /// Which side refused what.
        reason: String,
    },
    /// This side's TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Makes connections with this node's client certificate.
#[derive(Debug, Clone)]
pub struct Dialer {
    keys: Option<KeyPair>,
    time_shift: Duration,
    timeout: Duration,
}

impl Dialer {
    /// A dialer that shows `keys` when it is asked for a certificate, judges certificates by a clock
    /// that is `time_shift` behind, and gives up after `timeout`.
    pub fn new(keys: Option<KeyPair>, time_shift: Duration, timeout: Duration) -> Self {
        Self { keys, time_shift, timeout }
    }

    /// The DER of the client certificate, if there is one.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.keys.as_ref().map(KeyPair::leaf)
    }

    /// Connects and shakes hands. The server must be known to `roots` under the name `host`; with
    /// `pinned`, its key must also be that of this certificate.
    ///
    /// # Errors
    ///
    /// Any [`DialError`]; one that refuses the server's certificate sends alert 42,
    /// `bad_certificate`, as Go's client does.
    pub async fn dial(
        &self,
        host: &str,
        port: u16,
        roots: Arc<Roots>,
        pinned: Option<&[u8]>,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let endpoint = format!("{host}:{port}");
        let attempt = self.connect(host, port, &endpoint, roots, pinned);
        let after = self.timeout;
        tokio::time::timeout(after, attempt)
            .await
            .unwrap_or_else(|_| Err(DialError::Timeout { endpoint: endpoint.clone(), after }))
    }

    async fn connect(
        &self,
        host: &str,
        port: u16,
        endpoint: &str,
        roots: Arc<Roots>,
        pinned: Option<&[u8]>,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::BadHost(host.to_owned()))?;
        let pinned_key = match pinned {
            Some(certificate) => Some(keys::public_key(certificate).ok_or(DialError::BadPin)?),
            None => None,
        };
        let connect_error = |source| DialError::Connect { endpoint: endpoint.to_owned(), source };
        let tcp = TcpStream::connect((host, port)).await.map_err(connect_error)?;
        tcp.set_nodelay(true).map_err(connect_error)?;
        let verifier = Arc::new(Verifier {
            roots,
            pinned_key,
            endpoint: endpoint.to_owned(),
            refusal: Mutex::default(),
            provider: provider(),
        });
        let connector = TlsConnector::from(Arc::new(self.config(verifier.clone())?));
        let begun = Instant::now();
        connector.connect(name, tcp).await.map_err(|e| {
            let reason = verifier.refusal.lock().take().unwrap_or_else(|| e.to_string());
            tracing::error!(target: "comm.tls", remoteaddress = endpoint,
                "Client TLS handshake failed after {:?} with error: {reason}", begun.elapsed());
            DialError::Handshake { endpoint: endpoint.to_owned(), reason }
        })
    }

    fn config(&self, verifier: Arc<Verifier>) -> Result<ClientConfig, TlsError> {
        let clock = Arc::new(ShiftedClock::new(self.time_shift));
        let builder = ClientConfig::builder_with_details(provider(), clock)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.keys {
            Some(keys) => builder.with_client_auth_cert(keys.chain(), keys.private_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// Judges one server's certificate. Every refusal goes out as alert 42, which rustls sends for
/// `BadEncoding`; the true reason is kept for our own log.
#[derive(Debug)]
struct Verifier {
    roots: Arc<Roots>,
    pinned_key: Option<Vec<u8>>,
    endpoint: String,
    refusal: Mutex<Option<String>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), String> {
        let trusted = self.roots.verify(leaf, intermediates, Usage::Server, now);
        trusted.and_then(|()| check_host(leaf, host)).map_err(|e| e.to_string())?;
        if self.pinned_key.is_some() && self.pinned_key != keys::public_key(leaf) {
            return Err(format!(
                "public key of server certificate presented by {} doesn't match the expected public key",
                self.endpoint
            ));
        }
        Ok(())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(leaf, intermediates, host, now).map_err(|reason| {
            *self.refusal.lock() = Some(reason);
            Error::InvalidCertificate(CertificateError::BadEncoding)
        })?;
        Ok(ServerCertVerified::assertion())
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

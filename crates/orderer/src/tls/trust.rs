//! The roots that certificates are checked against; replaceable while the node runs.

use std::{collections::HashSet, sync::Arc};

use arc_swap::ArcSwap;
use rustls::CertificateError;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Why a certificate is not trusted; the texts are those of Go's `crypto/x509`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No root of ours stands above it.
    #[error("x509: certificate signed by unknown authority")]
    UnknownAuthority,
    /// It, or one above it, is too old or too new.
    #[error("x509: certificate has expired or is not yet valid")]
    Expired,
    /// It was made for other hosts.
    #[error("x509: certificate is not valid for {0}")]
    WrongHost(String),
    /// It was made for other uses.
    #[error("x509: certificate specifies an incompatible key usage")]
    WrongUsage,
    /// It is not a certificate, or one that breaks the rules.
    #[error("x509: malformed or unsuitable certificate: {0}")]
    Unsuitable(String),
}

impl TrustError {
    fn from_webpki(error: &webpki::Error) -> Self {
        use webpki::Error::*;
        match error {
            CertExpired { .. } | CertNotValidYet { .. } => Self::Expired,
            // A root of the same name with another key is another authority.
            UnknownIssuer | InvalidSignatureForPublicKey => Self::UnknownAuthority,
            RequiredEkuNotFoundContext(_) => Self::WrongUsage,
            other => Self::Unsuitable(other.to_string()),
        }
    }

    /// As the error that makes rustls send the alert that Go's TLS server sends (45, 48 or 42).
    pub fn as_certificate_error(&self) -> CertificateError {
        match self {
            Self::UnknownAuthority => CertificateError::UnknownIssuer,
            Self::Expired => CertificateError::Expired,
            Self::WrongHost(_) | Self::WrongUsage | Self::Unsuitable(_) => CertificateError::BadEncoding,
        }
    }
}

/// What the holder of a certificate wants to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// A TLS client.
    Client,
    /// A TLS server.
    Server,
}

/// A set of trusted certificates.
#[derive(Debug, Default)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    certificates: HashSet<Vec<u8>>,
}

impl Roots {
    /// Trusts each of these, intermediates too, as Fabric does. What is no certificate is left out.
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> Self {
        let mut roots = Self::default();
        for certificate in certificates {
            if !roots.certificates.insert(certificate.to_vec()) {
                continue;
            }
            match anchor_from_trusted_cert(certificate) {
                Ok(anchor) => roots.anchors.push(anchor.to_owned()),
                Err(reason) => {
                    tracing::warn!(target: "comm.tls", "Ignoring a TLS root certificate that cannot be used: {reason}");
                }
            }
        }
        roots
    }

    /// Checks chain, validity and usage at `now`. A certificate that is itself among the roots needs
    /// nobody above it, but must be valid.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<(), TrustError> {
        let parsed = EndEntityCert::try_from(leaf).map_err(|e| TrustError::from_webpki(&e))?;
        if self.certificates.contains(leaf.as_ref()) {
            return check_validity(leaf, now);
        }
        let usage = match usage {
            Usage::Client => KeyUsage::client_auth(),
            Usage::Server => KeyUsage::server_auth(),
        };
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        parsed
            .verify_for_usage(algorithms, &self.anchors, intermediates, now, usage, None, None)
            .map(|_| ())
            .map_err(|e| TrustError::from_webpki(&e))
    }
}

fn check_validity(leaf: &[u8], now: UnixTime) -> Result<(), TrustError> {
    let (_, certificate) =
        x509_parser::parse_x509_certificate(leaf).map_err(|e| TrustError::Unsuitable(e.to_string()))?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    let is_valid = (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now);
    if is_valid { Ok(()) } else { Err(TrustError::Expired) }
}

/// Whether a certificate names `host` among its alternative names; the common name does not count.
pub fn check_host(leaf: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), TrustError> {
    let parsed = EndEntityCert::try_from(leaf).map_err(|e| TrustError::from_webpki(&e))?;
    parsed
        .verify_is_valid_for_subject_name(host)
        .map_err(|_| TrustError::WrongHost(host.to_str().into_owned()))
}

/// Roots that change with the channels' configs. Every handshake takes those of the moment.
#[derive(Debug, Default)]
pub struct TrustPool {
    fixed: Vec<CertificateDer<'static>>,
    current: ArcSwap<Roots>,
}

impl TrustPool {
    /// A pool of the roots that stand in the settings.
    pub fn new(fixed: Vec<CertificateDer<'static>>) -> Self {
        let current = ArcSwap::from_pointee(Roots::new(&fixed));
        Self { fixed, current }
    }

    /// The roots of the moment.
    pub fn roots(&self) -> Arc<Roots> {
        self.current.load_full()
    }

    /// Replaces what came from channel configs; the fixed roots stay.
    pub fn replace(&self, from_channels: &[CertificateDer<'_>]) {
        self.current.store(Arc::new(Roots::new(self.fixed.iter().chain(from_channels))));
    }
}

//! Certificate chains by the rules of Go's `crypto/x509`, which Fabric relies on.
//!
//! The rules differ from those of TLS libraries: every chain is found, not only the first; a
//! certificate that is itself a root is a chain of one; what a certificate may be used for is
//! checked through the whole chain; policies are not looked at.

mod constraints;

use std::sync::Arc;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use self::constraints::ConstraintError;
use crate::certificate::{Certificate, CertificateSignatureError};

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

/// A certificate and those above it up to a root.
pub type Chain = Vec<Arc<Certificate>>;

/// Why no chain leads from a certificate to a root. Texts are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No root or intermediate issued it.
    #[error("x509: certificate signed by unknown authority{0}")]
    UnknownAuthority(Hint),
    /// A certificate of the chain is not valid at the time in question.
    #[error("x509: certificate has expired or is not yet valid: current time {at} is {relation} {limit}")]
    OutsideValidity {
        /// The time in question.
        at: String,
        /// `before` or `after`.
        relation: &'static str,
        /// The limit that is violated.
        limit: String,
    },
    /// A critical extension that nobody understands.
    #[error("x509: unhandled critical extension")]
    UnhandledCriticalExtension,
    /// An intermediate that is no CA.
    #[error("x509: certificate is not authorized to sign other certificates")]
    NotAuthorizedToSign,
    /// A CA stands higher in the chain than its path length allows.
    #[error("x509: too many intermediates for path length constraint")]
    TooManyIntermediates,
    /// The chain does not allow the usage asked for.
    #[error("x509: certificate specifies an incompatible key usage")]
    IncompatibleUsage,
    /// A CA's name constraints forbid a name.
    #[error("x509: a root or intermediate certificate is not authorized to sign for this name: {0}")]
    NameNotAllowed(#[from] ConstraintError),
    /// A CA has name constraints, and the common name that looks like a host is not among the
    /// alternative names.
    #[error("x509: issuer has name constraints but leaf doesn't have a SAN extension")]
    NameConstraintsWithoutSans,
    /// Finding a chain takes more signature checks than are granted.
    #[error("x509: signature check attempts limit reached while verifying certificate chain")]
    TooManySignatureChecks,
}

/// The first candidate that looked like an issuer and was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(Option<Box<(HintReason, String)>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum HintReason {
    Signature(CertificateSignatureError),
    Chain(ChainError),
}

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((reason, candidate)) = self.0.as_deref() else { return Ok(()) };
        let reason = match reason {
            HintReason::Signature(error) => error.to_string(),
            HintReason::Chain(error) => error.to_string(),
        };
        write!(
            f,
            " (possibly because of {reason:?} while trying to verify candidate authority certificate {candidate:?})"
        )
    }
}

/// Root and intermediate certificates that chains are built from.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    roots: Vec<Arc<Certificate>>,
    intermediates: Vec<Arc<Certificate>>,
}

/// How many signatures may be checked in the search for chains, so that a thicket of
/// cross-signed certificates can not hold us up.
const MAX_SIGNATURE_CHECKS: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Leaf,
    Intermediate,
    Root,
}

impl Trust {
    /// Trusts chains that end in this certificate.
    pub fn add_root(&mut self, certificate: Arc<Certificate>) {
        if !self.roots.contains(&certificate) {
            self.roots.push(certificate);
        }
    }

    /// Allows this certificate inside chains.
    pub fn add_intermediate(&mut self, certificate: Arc<Certificate>) {
        if !self.intermediates.contains(&certificate) {
            self.intermediates.push(certificate);
        }
    }

    /// All chains, leaf first, that are valid at `at_unix` and allow one of `usages`
    /// (none given: TLS server, which is Go's default and therefore that of Fabric's MSPs).
    pub fn verify(
        &self,
        leaf: &Arc<Certificate>,
        at_unix: i64,
        usages: &[ExtendedKeyUsage],
    ) -> Result<Vec<Chain>, ChainError> {
        check_certificate(leaf, Place::Leaf, &[], at_unix)?;
        let candidates = if self.roots.contains(leaf) {
            vec![vec![leaf.clone()]]
        } else {
            let mut search = Search { trust: self, at_unix, signature_checks: 0 };
            search.chains_from(std::slice::from_ref(leaf))?
        };
        let usages = if usages.is_empty() { &[ExtendedKeyUsage::ServerAuth] } else { usages };
        let mut refusal = ChainError::IncompatibleUsage;
        let mut chains = Vec::new();
        for chain in candidates {
            if let Err(error) = constraints::check_chain(&chain) {
                refusal = error.into();
            } else if allows_usage(&chain, usages) {
                chains.push(chain);
            }
        }
        if chains.is_empty() { Err(refusal) } else { Ok(chains) }
    }
}

/// The checks of one certificate at its place; `below` is the chain below it, leaf first.
fn check_certificate(
    certificate: &Certificate,
    place: Place,
    below: &[Arc<Certificate>],
    at_unix: i64,
) -> Result<(), ChainError> {
    let extensions = certificate.extensions();
    if extensions.unhandled_critical {
        return Err(ChainError::UnhandledCriticalExtension);
    }
    let outside = |relation, limit| ChainError::OutsideValidity {
        at: rfc3339(at_unix),
        relation,
        limit: rfc3339(limit),
    };
    if at_unix < certificate.not_before_unix() {
        return Err(outside("before", certificate.not_before_unix()));
    }
    if at_unix > certificate.not_after_unix() {
        return Err(outside("after", certificate.not_after_unix()));
    }
    if place == Place::Intermediate && !certificate.is_ca() {
        return Err(ChainError::NotAuthorizedToSign);
    }
    let max_path_length = extensions.basic_constraints.and_then(|b| b.max_path_length);
    if let Some(max) = max_path_length
        && below.len().saturating_sub(1) > max as usize
    {
        return Err(ChainError::TooManyIntermediates);
    }
    Ok(())
}

fn rfc3339(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix.to_string())
}

struct Search<'a> {
    trust: &'a Trust,
    at_unix: i64,
    signature_checks: usize,
}

impl Search<'_> {
    /// All chains that start with `below` (leaf first, not empty).
    fn chains_from(&mut self, below: &[Arc<Certificate>]) -> Result<Vec<Chain>, ChainError> {
        let Some(child) = below.last() else { return Ok(Vec::new()) };
        let mut chains = Vec::new();
        let mut hint = None;
        // As in Go the error of the last candidate that had one counts, unless a later one passes.
        let mut error = None;
        let trust = self.trust;
        let roots = potential_parents(&trust.roots, child).map(|c| (Place::Root, c));
        let intermediates = potential_parents(&trust.intermediates, child).map(|c| (Place::Intermediate, c));
        for (place, candidate) in roots.chain(intermediates) {
            if below.iter().any(|member| is_same_entity(candidate, member)) {
                continue;
            }
            self.signature_checks += 1;
            if self.signature_checks > MAX_SIGNATURE_CHECKS {
                error = Some(ChainError::TooManySignatureChecks);
                continue;
            }
            if let Err(failure) = child.check_signature_from(candidate) {
                hint.get_or_insert((HintReason::Signature(failure), candidate));
                continue;
            }
            if let Err(failure) = check_certificate(candidate, place, below, self.at_unix) {
                hint.get_or_insert((HintReason::Chain(failure.clone()), candidate));
                error = Some(failure);
                continue;
            }
            error = None;
            let longer = [below, std::slice::from_ref(candidate)].concat();
            if place == Place::Root {
                chains.push(longer);
            } else {
                match self.chains_from(&longer) {
                    Ok(found) => chains.extend(found),
                    Err(failure) => error = Some(failure),
                }
            }
        }
        if !chains.is_empty() {
            return Ok(chains);
        }
        Err(error.unwrap_or_else(|| {
            ChainError::UnknownAuthority(Hint(hint.map(|(reason, candidate)| {
                let name = candidate.subject_name();
                let name = match (name.common_name(), name.organization()) {
                    ("", None) => format!("serial:{}", candidate.serial_number()),
                    ("", Some(organization)) => organization.to_owned(),
                    (common_name, _) => common_name.to_owned(),
                };
                Box::new((reason, name))
            })))
        }))
    }
}

/// The certificates whose subject is the child's issuer, those with the right key identifier first.
fn potential_parents<'a>(
    pool: &'a [Arc<Certificate>],
    child: &Certificate,
) -> impl Iterator<Item = &'a Arc<Certificate>> {
    let wanted = child.extensions().authority_key_identifier.as_slice();
    let rank = |candidate: &Certificate| {
        let id = candidate.subject_key_identifier().unwrap_or_default();
        match (id == wanted, id.is_empty() != wanted.is_empty()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    };
    let mut parents: Vec<_> =
        pool.iter().filter(|c| c.subject_name().raw() == child.issuer_name().raw()).collect();
    parents.sort_by_key(|c| rank(c));
    parents.into_iter()
}

/// Whether two certificates speak of one subject with one key, so that one chain may hold only one.
fn is_same_entity(a: &Certificate, b: &Certificate) -> bool {
    a.subject_name().raw() == b.subject_name().raw()
        && a.public_key().is_same(b.public_key())
        && a.extensions().alternative_names == b.extensions().alternative_names
}

/// Whether at least one of `usages` is allowed by every certificate that names usages at all.
fn allows_usage(chain: &Chain, usages: &[ExtendedKeyUsage]) -> bool {
    usages.iter().any(|usage| {
        *usage == ExtendedKeyUsage::Any
            || chain.iter().filter_map(|c| c.extensions().extended_key_usage).all(|allowed| {
                allowed.any
                    || match usage {
                        ExtendedKeyUsage::Any => true,
                        ExtendedKeyUsage::ServerAuth => allowed.server_auth,
                        ExtendedKeyUsage::ClientAuth => allowed.client_auth,
                    }
            })
    })
}

//! Name constraints of CAs (RFC 5280, 4.2.1.10) as Go's `crypto/x509` applies them.

use std::{fmt, sync::Arc};

use crate::certificate::{AlternativeName, Certificate, NameConstraints};

/// Which name is not allowed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// There are permitted names of this kind, and this one is not among them.
    #[error("{0} is not permitted by any constraint")]
    NotPermitted(String),
    /// It is among the excluded names.
    #[error("{name} is excluded by constraint {constraint:?}")]
    Excluded {
        /// The name with its kind.
        name: String,
        /// The excluded subtree.
        constraint: String,
    },
}

/// Checks the names of every certificate in the chain against the constraints of all above it.
pub(super) fn check_chain(chain: &[Arc<Certificate>]) -> Result<(), ConstraintError> {
    for (place, ca) in chain.iter().enumerate().skip(1) {
        let Some(constraints) = &ca.extensions().name_constraints else { continue };
        for below in &chain[..place] {
            for name in below.extensions().alternative_names.iter().flatten() {
                check_name(name, constraints)?;
            }
        }
    }
    Ok(())
}

fn check_name(name: &AlternativeName, constraints: &NameConstraints) -> Result<(), ConstraintError> {
    let of_same_kind = |c: &&AlternativeName| std::mem::discriminant(*c) == std::mem::discriminant(name);
    if let Some(excluded) = constraints.excluded.iter().filter(of_same_kind).find(|c| matches(name, c)) {
        return Err(ConstraintError::Excluded { name: name.to_string(), constraint: text(excluded) });
    }
    let mut permitted = constraints.permitted.iter().filter(of_same_kind).peekable();
    if permitted.peek().is_some() && !permitted.any(|c| matches(name, c)) {
        return Err(ConstraintError::NotPermitted(name.to_string()));
    }
    Ok(())
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            AlternativeName::Dns(_) => "DNS name",
            AlternativeName::Email(_) => "email address",
            AlternativeName::Uri(_) => "URI",
            AlternativeName::Ip(_) => "IP address",
        };
        write!(f, "{kind} {:?}", text(self))
    }
}

fn text(name: &AlternativeName) -> String {
    let address = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).map(|b| std::net::Ipv4Addr::from(b).to_string()).ok(),
        16 => <[u8; 16]>::try_from(bytes).map(|b| std::net::Ipv6Addr::from(b).to_string()).ok(),
        _ => None,
    };
    match name {
        AlternativeName::Dns(name) | AlternativeName::Email(name) | AlternativeName::Uri(name) => {
            name.clone()
        }
        AlternativeName::Ip(bytes) => address(bytes)
            .or_else(|| {
                let (network, mask) = bytes.split_at(bytes.len() / 2);
                let ones: u32 = mask.iter().map(|b| b.leading_ones()).sum();
                address(network).map(|network| format!("{network}/{ones}"))
            })
            .unwrap_or_else(|| hex::encode(bytes)),
    }
}

/// Whether the name lies in the constraint's subtree. Both are of one kind.
fn matches(name: &AlternativeName, constraint: &AlternativeName) -> bool {
    match (name, constraint) {
        (AlternativeName::Dns(name), AlternativeName::Dns(domain)) => in_domain(name, domain),
        (AlternativeName::Email(address), AlternativeName::Email(constraint)) => {
            match (address.rsplit_once('@'), constraint.rsplit_once('@')) {
                (Some((local, host)), Some((only_local, only_host))) => {
                    local == only_local && host.eq_ignore_ascii_case(only_host)
                }
                (Some((_, host)), None) => in_mail_domain(host, constraint),
                (None, _) => false,
            }
        }
        (AlternativeName::Uri(uri), AlternativeName::Uri(domain)) => {
            host_of(uri).is_some_and(|host| in_mail_domain(host, domain))
        }
        (AlternativeName::Ip(address), AlternativeName::Ip(network)) => {
            let (network, mask) = network.split_at(network.len() / 2);
            address.len() == network.len()
                && address.len() == mask.len()
                && address.iter().zip(network).zip(mask).all(|((a, n), m)| a & m == n & m)
        }
        _ => false,
    }
}

/// Whether `name` is `domain` or below it; a leading dot on the constraint asks for below.
fn in_domain(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    match domain.strip_prefix('.') {
        _ if domain.is_empty() => true,
        Some(_) => name.ends_with(&domain) && name.len() > domain.len(),
        None => name.strip_suffix(&domain).is_some_and(|head| head.is_empty() || head.ends_with('.')),
    }
}

/// For mail and URIs a constraint without leading dot means this host alone.
fn in_mail_domain(host: &str, constraint: &str) -> bool {
    if constraint.is_empty() || constraint.starts_with('.') {
        in_domain(host, constraint)
    } else {
        host.eq_ignore_ascii_case(constraint)
    }
}

fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_in_subtrees_as_in_go() {
        let dns = |s: &str| AlternativeName::Dns(s.to_owned());
        let email = |s: &str| AlternativeName::Email(s.to_owned());
        let uri = |s: &str| AlternativeName::Uri(s.to_owned());
        for (name, constraint, expected) in [
            (dns("a.example.com"), dns("example.com"), true),
            (dns("EXAMPLE.com"), dns("example.com"), true),
            (dns("badexample.com"), dns("example.com"), false),
            (dns("example.com"), dns(".example.com"), false),
            (dns("a.example.com"), dns(".example.com"), true),
            (dns("anything"), dns(""), true),
            (email("me@example.com"), email("example.com"), true),
            (email("me@a.example.com"), email("example.com"), false),
            (email("me@a.example.com"), email(".example.com"), true),
            (email("me@example.com"), email("you@example.com"), false),
            (uri("https://u@a.example.com:80/x"), uri(".example.com"), true),
            (uri("mailto:x"), uri("example.com"), false),
            (
                AlternativeName::Ip(vec![10, 1, 2, 3]),
                AlternativeName::Ip(vec![10, 1, 0, 0, 255, 255, 0, 0]),
                true,
            ),
            (
                AlternativeName::Ip(vec![10, 2, 2, 3]),
                AlternativeName::Ip(vec![10, 1, 0, 0, 255, 255, 0, 0]),
                false,
            ),
        ] {
            assert_eq!(matches(&name, &constraint), expected, "{name} {constraint}");
        }
    }
}

//! Whether a certificate is made for a host, by the rules of Go's `VerifyHostname`, which is what
//! peers and orderers ask when they dial.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{AlternativeName, Certificate};

/// Why a certificate is not valid for a host. The texts are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It names no addresses, and the host is one.
    #[error("x509: cannot validate certificate for {0} because it doesn't contain any IP SANs")]
    NoAddresses(IpAddr),
    /// It names no hosts at all; the common name does not count.
    #[error("x509: certificate is not valid for any names, but wanted to match {0}")]
    NoNames(String),
    /// It names others.
    #[error("x509: certificate is valid for {names}, not {host}")]
    OtherNames {
        /// What it names, with commas.
        names: String,
        /// The host.
        host: String,
    },
}

impl Certificate {
    /// Checks that the certificate's alternative names have `host`: a DNS name, an address, or an
    /// address in brackets.
    pub fn check_host(&self, host: &str) -> Result<(), HostError> {
        let names = self.extensions().alternative_names.as_deref().unwrap_or_default();
        let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(wanted) = unbracketed.parse::<IpAddr>() {
            let addresses: Vec<IpAddr> = names.iter().filter_map(address).collect();
            return match addresses.contains(&wanted) {
                true => Ok(()),
                false if addresses.is_empty() => Err(HostError::NoAddresses(wanted)),
                false => Err(HostError::OtherNames { names: joined(&addresses), host: host.to_owned() }),
            };
        }
        let names: Vec<&str> = names.iter().filter_map(dns_name).collect();
        if names.iter().any(|pattern| matches(pattern, host)) {
            return Ok(());
        }
        match names.is_empty() {
            true => Err(HostError::NoNames(host.to_owned())),
            false => Err(HostError::OtherNames { names: names.join(", "), host: host.to_owned() }),
        }
    }
}

fn address(name: &AlternativeName) -> Option<IpAddr> {
    let AlternativeName::Ip(bytes) = name else { return None };
    let v4 = <[u8; 4]>::try_from(&bytes[..]).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(&bytes[..]).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

fn dns_name(name: &AlternativeName) -> Option<&str> {
    match name {
        AlternativeName::Dns(name) => Some(name),
        _ => None,
    }
}

fn joined(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether the host fits a name of the certificate; `*` stands for exactly its first label.
fn matches(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || pattern.is_empty() {
        return false;
    }
    match pattern.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && !domain.is_empty() && rest.eq_ignore_ascii_case(domain)
        }),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::generate::{CertificateAuthority, Validity};

    #[test]
    fn hosts_are_found_among_the_alternative_names() {
        const NOW: i64 = 1_800_000_000;
        let ca = CertificateAuthority::new("ca.example.com", "example.com", NOW).unwrap();
        let certificate = |sans: &[&str]| {
            let pair = ca.issue_tls("orderer0.example.com", sans, Validity::from_now(NOW)).unwrap();
            Certificate::from_pem(pair.certificate_pem.as_bytes()).unwrap()
        };
        let named = certificate(&["orderer0.example.com", "*.wild.example.com", "127.0.0.1", "::1"]);
        let names = "orderer0.example.com, *.wild.example.com";
        for (host, refusal) in [
            ("orderer0.example.com", None),
            ("ORDERER0.example.com.", None),
            ("a.wild.example.com", None),
            ("127.0.0.1", None),
            ("::1", None),
            ("[::1]", None),
            ("wild.example.com", Some(format!("{names}, not wild.example.com"))),
            ("a.b.wild.example.com", Some(format!("{names}, not a.b.wild.example.com"))),
            ("orderer1.example.com", Some(format!("{names}, not orderer1.example.com"))),
            ("127.0.0.2", Some("127.0.0.1, ::1, not 127.0.0.2".to_owned())),
            ("", Some(format!("{names}, not "))),
        ] {
            let refusal = refusal.map(|rest| format!("x509: certificate is valid for {rest}"));
            assert_eq!(named.check_host(host).err().map(|e| e.to_string()), refusal, "{host}");
        }
        let nameless = certificate(&[]);
        for (host, refusal) in [
            (
                "orderer0.example.com",
                "x509: certificate is not valid for any names, but wanted to match orderer0.example.com",
            ),
            (
                "127.0.0.1",
                "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
            ),
        ] {
            assert_eq!(nameless.check_host(host).unwrap_err().to_string(), refusal);
        }
    }
}

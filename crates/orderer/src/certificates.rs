//! Says at the start when the node's own certificates expire, and again a week before
//! (`common/crypto/expiration.go`).

use std::{fmt, time::Duration};

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use x509_parser::{parse_x509_certificate, pem::parse_x509_pem};

const LOGGER: &str = "certmonitor";
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// How Go prints a time.
const GO_TIME: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] +0000 UTC");

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The node's identity, which signs blocks.
    Enrollment,
    /// The listeners' certificate.
    ServerTls,
    /// The certificate shown to other orderers.
    ClientTls,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enrollment => "enrollment",
            Self::ServerTls => "server TLS",
            Self::ClientTls => "client TLS",
        })
    }
}

/// What there is to say of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outlook {
    /// When it expires.
    info: Option<String>,
    /// That it did or soon will.
    warning: Option<String>,
    /// When to warn later.
    warn_after: Option<Duration>,
}

/// Logs what there is to say of certificates (PEM or DER) now, and later for those that expire in
/// more than a week; the tasks for that end with the runtime. What is no certificate is skipped:
/// it was refused elsewhere.
pub fn watch<'a>(certificates: impl IntoIterator<Item = (Role, &'a [u8])>) {
    let now = OffsetDateTime::now_utc();
    for (role, certificate) in certificates {
        let Some(not_after) = expiry(certificate) else { continue };
        let outlook = outlook(role, not_after, now);
        if let Some(info) = outlook.info {
            tracing::info!(target: LOGGER, "{info}");
        }
        if let Some(warning) = outlook.warning {
            tracing::warn!(target: LOGGER, "{warning}");
        }
        if let Some(after) = outlook.warn_after {
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                tracing::warn!(target: LOGGER, "The {role} certificate will expire within one week");
            });
        }
    }
}

fn expiry(certificate: &[u8]) -> Option<OffsetDateTime> {
    let pem = parse_x509_pem(certificate).ok();
    let der = pem.as_ref().map_or(certificate, |(_, pem)| &pem.contents);
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    Some(certificate.validity().not_after.to_datetime())
}

fn outlook(role: Role, not_after: OffsetDateTime, now: OffsetDateTime) -> Outlook {
    let Ok(left) = Duration::try_from(not_after - now) else {
        let warning = Some(format!("The {role} certificate has expired"));
        return Outlook { info: None, warning, warn_after: None };
    };
    // The description has only parts that every time has.
    let shown = not_after.format(GO_TIME).unwrap_or_default();
    let info = Some(format!("The {role} certificate will expire on {shown}"));
    if left < WEEK {
        let (days, hours) = (left.as_secs() / 86_400, left.as_secs() % 86_400 / 3_600);
        let warning = Some(format!("The {role} certificate expires within {days} days and {hours} hours"));
        return Outlook { info, warning, warn_after: None };
    }
    Outlook { info, warning: None, warn_after: Some(left - WEEK) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 02:00:00 UTC);

    #[test]
    fn what_is_said_depends_on_the_time_left() {
        let on = |text: &str| Some(text.to_owned());
        for (role, not_after, info, warning, warn_after) in [
            (
                Role::Enrollment,
                datetime!(2026-11-22 01:59:59 UTC),
                None,
                on("The enrollment certificate has expired"),
                None,
            ),
            (
                Role::ServerTls,
                datetime!(2026-11-25 05:30:00 UTC),
                on("The server TLS certificate will expire on 2026-11-25 05:30:00 +0000 UTC"),
                on("The server TLS certificate expires within 3 days and 3 hours"),
                None,
            ),
            (
                Role::ClientTls,
                datetime!(2026-11-30 02:00:00 UTC),
                on("The client TLS certificate will expire on 2026-11-30 02:00:00 +0000 UTC"),
                None,
                Some(Duration::from_secs(86_400)),
            ),
        ] {
            assert_eq!(outlook(role, not_after, NOW), Outlook { info, warning, warn_after });
        }
    }

    #[test]
    fn certificates_are_taken_as_pem_and_as_der() {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2036, 1, 2);
        let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let not_after = datetime!(2036-01-02 00:00:00 UTC);
        assert_eq!(expiry(certificate.der()), Some(not_after));
        assert_eq!(expiry(certificate.pem().as_bytes()), Some(not_after));
        assert_eq!(expiry(b"no certificate"), None);
    }
}

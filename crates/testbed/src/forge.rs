//! Certificates that nobody asked for: issued by a network's own authorities, or by strangers.

use cli::client::tls::Tls;
use identity::generate::{CertificateAuthority, KeyPair, Validity};
use identity::signing::SigningIdentity;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::network::client_tls;

/// Now, Unix seconds.
pub fn now_unix() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// An authority of the network, from its folder (`NAME-cert.pem`, `priv_sk`).
///
/// # Panics
/// When there is none.
pub fn authority(folder: &Path) -> CertificateAuthority {
    let read = |ending: &str| {
        let mut files =
            fs::read_dir(folder).expect("an authority has a folder").flatten().map(|entry| entry.path());
        let file = files.find(|path| path.to_string_lossy().ends_with(ending)).expect("it has its files");
        fs::read_to_string(file).expect("an authority's files can be read")
    };
    CertificateAuthority::from_pem(&read("-cert.pem"), &read("_sk")).expect("the authority can be used")
}

/// An authority that nobody knows.
///
/// # Panics
/// When none can be made.
pub fn stranger() -> CertificateAuthority {
    CertificateAuthority::new("ca.stranger", "stranger", now_unix()).expect("an authority can be made")
}

/// A client of `mspid`, certified by `authority`.
///
/// # Panics
/// When none can be made.
pub fn client(authority: &CertificateAuthority, mspid: &str, validity: Validity) -> SigningIdentity {
    member(authority, mspid, "client", validity)
}

/// A member of `mspid` with this role (`client`, `admin`...), certified by `authority`.
///
/// # Panics
/// When none can be made.
pub fn member(
    authority: &CertificateAuthority,
    mspid: &str,
    role: &str,
    validity: Validity,
) -> SigningIdentity {
    let pair = authority.issue_identity(&format!("Forged@{role}"), Some(role), validity);
    let KeyPair { certificate_pem, private_key_pem } = pair.expect("a certificate can be issued");
    SigningIdentity::from_pem(mspid, certificate_pem.as_bytes(), private_key_pem.as_bytes())
        .expect("the certificate has its key")
}

/// Validity that ended a day ago.
pub fn expired() -> Validity {
    let now = now_unix();
    Validity { not_before_unix: now - 10 * 86_400, not_after_unix: now - 86_400 }
}

/// A TLS client that trusts `roots` and shows a certificate of `authority`. Its files go into
/// `folder`.
///
/// # Panics
/// When files cannot be written.
pub fn tls_client(folder: &Path, roots: &Path, authority: &CertificateAuthority, validity: Validity) -> Tls {
    let pair = authority.issue_tls("forged", &["localhost"], validity).expect("a certificate can be issued");
    let (certificate, key) = (folder.join("client.crt"), folder.join("client.key"));
    fs::create_dir_all(folder).expect("a directory can be made");
    fs::write(&certificate, pair.certificate_pem).expect("a file can be written");
    fs::write(&key, pair.private_key_pem).expect("a file can be written");
    client_tls(roots, &certificate, &key)
}

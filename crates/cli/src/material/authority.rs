//! A certificate authority that is kept in a folder.

use std::fs;

use identity::generate::{CertificateAuthority, KeyPair, SubjectAttributes, Validity};

use super::{FileError, Folder};

/// The file of a private key.
pub(super) const KEY: &str = "priv_sk";

/// A certificate authority with the name that its files have.
pub(crate) struct Authority {
    pub(super) ca: CertificateAuthority,
    name: String,
    /// Of what it issues.
    pub(super) validity: Validity,
}

impl Authority {
    /// The CA that is in the folder as `NAME-cert.pem` and `priv_sk`, or a new one.
    pub(crate) fn ensure(
        folder: &Folder,
        name: &str,
        organization: &str,
        attributes: &SubjectAttributes,
        now_unix: i64,
    ) -> Result<Self, FileError> {
        let certificate = certificate_file(name);
        let ca = match folder.key_pair(&certificate, KEY)? {
            Some(pair) => CertificateAuthority::from_pem(&pair.certificate_pem, &pair.private_key_pem)
                .map(|ca| ca.issuing(attributes.clone())),
            None => CertificateAuthority::with_attributes(name, organization, attributes.clone(), now_unix),
        };
        let in_certificate =
            |source| FileError::Certificate { path: folder.path().join(&certificate), source };
        let ca = ca.map_err(in_certificate)?;
        let pair = KeyPair {
            certificate_pem: ca.certificate_pem().to_owned(),
            private_key_pem: ca.private_key_pem().to_owned(),
        };
        folder.write_key_pair(&certificate, KEY, &pair)?;
        Ok(Self { ca, name: name.to_owned(), validity: Validity::from_now(now_unix) })
    }

    /// The CA whose files somebody else has put into the folder: as in Fabric any `*.pem` and any `*_sk`, of
    /// several the last by name.
    pub(crate) fn open(
        folder: &Folder,
        name: &str,
        attributes: &SubjectAttributes,
        now_unix: i64,
    ) -> Result<Self, FileError> {
        let read = |ending: &str, what| {
            let missing = || FileError::NoAuthority { path: folder.path().to_owned(), what };
            let name = folder.file_names()?.into_iter().rfind(|name| name.ends_with(ending));
            let path = folder.path().join(name.ok_or_else(missing)?);
            let text = fs::read_to_string(&path);
            text.map(|text| (path.clone(), text)).map_err(|source| FileError::Io { path, source })
        };
        let (path, certificate) = read(".pem", "certificate (*.pem)")?;
        let (_, key) = read("_sk", "private key (*_sk)")?;
        let ca = CertificateAuthority::from_pem(&certificate, &key)
            .map_err(|source| FileError::Certificate { path, source })?
            .issuing(attributes.clone());
        Ok(Self { ca, name: name.to_owned(), validity: Validity::from_now(now_unix) })
    }

    /// The file of its certificate, as cryptogen names it.
    pub(crate) fn certificate_file(&self) -> String {
        certificate_file(&self.name)
    }

    /// Its certificate, PEM.
    pub(crate) fn certificate(&self) -> &str {
        self.ca.certificate_pem()
    }
}

/// How cryptogen names the certificate of somebody.
pub(super) fn certificate_file(name: &str) -> String {
    format!("{name}-cert.pem")
}

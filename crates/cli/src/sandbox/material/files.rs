//! Writing files that are whole or not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use identity::generate::{GenerateError, KeyPair};

use super::MaterialError;

/// How the name of a file ends while it is being written.
pub(super) const UNFINISHED: &str = ".unfinished";

/// A directory that exists.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the directory and those above it, where they are missing.
    pub(super) fn create(path: &Path) -> Result<Self, MaterialError> {
        // Some of a node's settings are relative to where it is started, so that all are absolute.
        let path = std::path::absolute(path).map_err(in_file(path))?;
        fs::create_dir_all(&path).map_err(in_file(&path))?;
        Ok(Self { path })
    }

    /// A directory in this one.
    pub(super) fn folder(&self, name: &str) -> Result<Self, MaterialError> {
        Self::create(&self.path.join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that everybody may read.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), MaterialError> {
        self.replace(name, content, 0o644)
    }

    /// The certificate in `certificate` with its key, made by `make` if it is not there yet; gives the
    /// certificate. `issuer` is the file for the issuer's certificate, and its content: when the
    /// issuer is another one than before, what it has issued is of no use.
    pub(super) fn ensure_key_pair(
        &self,
        certificate: &str,
        key: &str,
        (issuer, issuer_pem): (&str, &str),
        make: impl FnOnce() -> Result<KeyPair, GenerateError>,
    ) -> Result<String, MaterialError> {
        if self.read(issuer)?.as_deref() != Some(issuer_pem) {
            self.remove(certificate)?;
            self.write(issuer, issuer_pem.as_bytes())?;
        }
        if let Some(pair) = self.key_pair(certificate, key)? {
            return Ok(pair.certificate_pem);
        }
        let path = self.path.join(certificate);
        let pair = make().map_err(|source| MaterialError::Certificate { path, source })?;
        self.write_key_pair(certificate, key, &pair)?;
        Ok(pair.certificate_pem)
    }

    /// The pair, if both of its files are there.
    pub(super) fn key_pair(&self, certificate: &str, key: &str) -> Result<Option<KeyPair>, MaterialError> {
        let pair = self.read(certificate)?.zip(self.read(key)?);
        Ok(pair.map(|(certificate_pem, private_key_pem)| KeyPair { certificate_pem, private_key_pem }))
    }

    fn read(&self, name: &str) -> Result<Option<String>, MaterialError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some).map_err(in_file(&path)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), MaterialError> {
        let path = self.path.join(name);
        remove_if_there(&path).map_err(in_file(&path))
    }

    /// Writes the pair, the certificate last: where it is, the key is too.
    pub(super) fn write_key_pair(
        &self,
        certificate: &str,
        key: &str,
        pair: &KeyPair,
    ) -> Result<(), MaterialError> {
        self.replace(key, pair.private_key_pem.as_bytes(), 0o600)?;
        self.write(certificate, pair.certificate_pem.as_bytes())
    }

    fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), MaterialError> {
        let path = self.path.join(name);
        let unfinished = self.path.join(format!("{name}{UNFINISHED}"));
        let write = || {
            // An old attempt's file would keep its mode.
            remove_if_there(&unfinished)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(in_file(&path))
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> MaterialError {
    let path = path.to_owned();
    move |source| MaterialError::Io { path, source }
}

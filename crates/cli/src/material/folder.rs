//! Writing files that are whole or not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use identity::generate::{GenerateError, KeyPair};

use super::FileError;

/// How the name of a file ends while it is being written.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// A directory that exists.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the directory and those above it, where they are missing.
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        // Some of a node's settings are relative to where it is started, so that all are absolute.
        let path = std::path::absolute(path).map_err(in_file(path))?;
        fs::create_dir_all(&path).map_err(in_file(&path))?;
        Ok(Self { path })
    }

    /// A directory in this one.
    pub(crate) fn folder(&self, name: &str) -> Result<Self, FileError> {
        Self::create(&self.path.join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that everybody may read.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), FileError> {
        self.replace(name, content, 0o644)
    }

    /// The certificate in `certificate` with its key, made by `make` if it is not there yet; gives the
    /// certificate. `issuer` is the file for the issuer's certificate, and its content: when the
    /// issuer is another one than before, what it has issued is of no use.
    pub(crate) fn ensure_key_pair(
        &self,
        certificate: &str,
        key: &str,
        (issuer, issuer_pem): (&str, &str),
        make: impl FnOnce() -> Result<KeyPair, GenerateError>,
    ) -> Result<String, FileError> {
        if self.read(issuer)?.as_deref() != Some(issuer_pem) {
            self.remove(certificate)?;
            self.write(issuer, issuer_pem.as_bytes())?;
        }
        if let Some(pair) = self.key_pair(certificate, key)? {
            return Ok(pair.certificate_pem);
        }
        let path = self.path.join(certificate);
        let pair = make().map_err(|source| FileError::Certificate { path, source })?;
        self.write_key_pair(certificate, key, &pair)?;
        Ok(pair.certificate_pem)
    }

    /// The pair, if both of its files are there.
    pub(crate) fn key_pair(&self, certificate: &str, key: &str) -> Result<Option<KeyPair>, FileError> {
        let pair = self.read(certificate)?.zip(self.read(key)?);
        Ok(pair.map(|(certificate_pem, private_key_pem)| KeyPair { certificate_pem, private_key_pem }))
    }

    fn read(&self, name: &str) -> Result<Option<String>, FileError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some).map_err(in_file(&path)),
        }
    }

    /// The names of the files in it, in order; none are unfinished.
    pub(crate) fn file_names(&self) -> Result<Vec<String>, FileError> {
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if fs::metadata(entry.path())?.is_file() && !name.ends_with(UNFINISHED) {
                    names.push(name);
                }
            }
            names.sort();
            Ok(names)
        };
        read().map_err(in_file(&self.path))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), FileError> {
        let path = self.path.join(name);
        remove_if_there(&path).map_err(in_file(&path))
    }

    /// Writes the pair, the certificate last: where it is, the key is too.
    pub(crate) fn write_key_pair(
        &self,
        certificate: &str,
        key: &str,
        pair: &KeyPair,
    ) -> Result<(), FileError> {
        self.replace(key, pair.private_key_pem.as_bytes(), 0o600)?;
        self.write(certificate, pair.certificate_pem.as_bytes())
    }

    fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), FileError> {
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

/// A directory that gets its name when everything is in it, and is removed if that never happens.
pub(crate) struct Staged {
    folder: Folder,
    place: PathBuf,
    finished: bool,
}

impl Staged {
    /// A new directory that will be `name` in `parent`.
    pub(crate) fn begin(parent: &Folder, name: &str) -> Result<Self, FileError> {
        let unfinished = parent.path.join(format!(".{name}{UNFINISHED}"));
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_file(&unfinished)(error)),
            _ => {}
        }
        let folder = Folder::create(&unfinished)?;
        Ok(Self { folder, place: parent.path.join(name), finished: false })
    }

    /// Where things go until then.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Gives the directory its name.
    pub(crate) fn finish(mut self) -> Result<(), FileError> {
        fs::rename(&self.folder.path, &self.place).map_err(in_file(&self.place))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished {
            // The reason why it is not finished is what has to be told.
            let _ = fs::remove_dir_all(&self.folder.path);
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { path, source }
}

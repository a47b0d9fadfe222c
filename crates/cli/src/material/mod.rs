//! Keys and certificates of organisations in the directory tree of Fabric's cryptogen.
//!
//! Every file is written under another name and then renamed, and a private key before its certificate. So
//! whatever stopped an earlier attempt, a certificate that is there is whole and has its key.

mod authority;
mod folder;
mod organization;

use std::{io, path::PathBuf};

use identity::generate::GenerateError;

pub(crate) use self::{
    authority::Authority,
    folder::{Folder, Staged, UNFINISHED},
    organization::{AdminCertificate, Issuers, Member, Role},
};

/// Why keys and certificates can not be made.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file can not be read or written.
    #[error("{path} can not be read or written: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A certificate or key that is there can not be used, or a new one can not be made.
    #[error("{path}: {source}", path = path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: GenerateError,
    },
    /// A CA's folder lacks its certificate or its key.
    #[error("{path} holds no {what}; without it nothing can be certified", path = path.display())]
    NoAuthority {
        /// The CA's folder.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

//! The node's own identity, from its MSP directory.

use std::{fs, io, path::Path};

use bytes::Bytes;
use identity::{
    local::{MspFiles, NamedFile},
    signing::SigningIdentity,
};

use super::NodeError;

/// Reads `signcerts` and `keystore` of an MSP directory; a node needs no more of it to sign.
pub(super) fn read(directory: &Path, msp_id: &str) -> Result<SigningIdentity, NodeError> {
    let path = || directory.display().to_string();
    let files = |name: &str| {
        files_of(&directory.join(name)).map_err(|source| NodeError::MspDirectory { path: path(), source })
    };
    let msp =
        MspFiles { signcerts: files("signcerts")?, keystore: files("keystore")?, ..MspFiles::default() };
    msp.signing_identity(msp_id).map_err(|source| NodeError::Msp { path: path(), source })
}

/// The files of a directory in the order of their names.
fn files_of(directory: &Path) -> io::Result<Vec<NamedFile>> {
    let in_directory =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(in_directory)? {
        let path = entry.map_err(in_directory)?.path();
        // A key is often a link into a mounted secret: what it leads to counts.
        if path.is_file() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            files.push((name.unwrap_or_default(), Bytes::from(fs::read(&path).map_err(in_directory)?)));
        }
    }
    files.sort();
    Ok(files)
}

//! Writing what was made: all of it or nothing.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::{failure, output};

const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("open {}: {}", .file.display(), failure::reason(.source))]
pub(super) struct OutputError {
    file: PathBuf,
    source: io::Error,
}

/// Puts a file with this content at `path`, in directories that are made where they are missing. Until all
/// of it is written, what was there before stays.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), OutputError> {
    put(path, content).map_err(|source| OutputError { file: path.to_owned(), source })
}

fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.exists() {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    }
    output::write(path, content, FILE_MODE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_where_links_lead() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a/b/out.block");
        write(&file, b"one").unwrap();
        assert_eq!((mode(&file) | 0o040, mode(file.parent().unwrap()) | 0o050), (FILE_MODE, DIRECTORY_MODE));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let link = root.path().join("link");
        symlink(&file, &link).unwrap();
        write(&link, b"two").unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"two".to_vec(), 0o600));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        write(Path::new("/dev/null"), b"three").unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), b"").unwrap();
        let inside = root.path().join("file/out.block");
        let error = write(&inside, b"one").unwrap_err().to_string();
        assert_eq!(error, format!("open {}: not a directory", inside.display()));
        assert!(write(root.path(), b"one").unwrap_err().to_string().ends_with(": is a directory"));
    }
}

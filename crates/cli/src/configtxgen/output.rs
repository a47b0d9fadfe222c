//! Writing what was made: all of it or nothing.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::{failure::system_reason, output};

const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("open {}: {}", .file.display(), system_reason(.source))]
pub(super) struct OutputError {
    file: PathBuf,
    source: io::Error,
}

/// Puts a file with this content at `path`, in directories that are made where they are missing. Until all
/// of it is written, what was there before stays.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), OutputError> {
    let made = path.parent().map_or(Ok(()), make_directory);
    made.and_then(|()| output::write(path, content, FILE_MODE))
        .map_err(|source| OutputError { file: path.to_owned(), source })
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.exists() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn files_and_directories_have_fabrics_modes() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a/b/out.block");
        write(&file, b"one").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        // The process may have a mask that takes the group's rights.
        assert_eq!((mode(&file) | 0o040, mode(file.parent().unwrap()) | 0o050), (FILE_MODE, DIRECTORY_MODE));
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

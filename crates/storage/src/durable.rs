//! Small files that are replaced as a whole, and the directory flushes that make a creation, a
//! rename or a removal survive a power cut.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Marks a file that is still being written; Fabric's file repositories use the same mark.
pub const TRANSIENT_MARK: &str = "~";

/// A file operation that failed: what was tried, on which path, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried, as a verb: `open`, `write`, `flush`, ...
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system answered.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn new(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { operation, path: path.into(), source }
    }

    /// Whether the thing that was operated on does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Adds path and operation to an I/O result.
pub(crate) trait Context<T> {
    /// Names the operation and the path that it was about.
    fn during(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> Context<T> for io::Result<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(operation, path, source))
    }
}

/// Creates `directory` and its missing parents, each made durable in its parent.
pub fn create_directory(directory: &Path) -> Result<(), FileError> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = parent_of(directory);
    create_directory(&parent)?;
    match fs::create_dir(directory) {
        // Another thread was faster, or something else has the name; then it must be a directory.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        result => result.during("create the directory", directory)?,
    }
    flush_directory(&parent)
}

/// Flushes a directory, so that the names in it are durable.
pub fn flush_directory(directory: &Path) -> Result<(), FileError> {
    File::open(directory).and_then(|handle| handle.sync_all()).during("flush the directory", directory)
}

/// Writes `content` to `path` so that after a crash the file holds either the old or the new
/// content, and when this returns, the new one. File mode 0600.
///
/// The new content is written beside it under the same name with [`TRANSIENT_MARK`] appended.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let transient = transient_path(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&transient)
        .during("create", &transient)?;
    let written = file
        .write_all(content)
        .during("write", &transient)
        .and_then(|()| file.sync_all().during("flush", &transient))
        .and_then(|()| fs::rename(&transient, path).during("move the new file to", path));
    if let Err(error) = written {
        // The transient file is not part of the state; whoever opens the directory next drops it too.
        let _ = fs::remove_file(&transient);
        return Err(error);
    }
    flush_directory(&parent_of(path))
}

/// The content of `path`, or `None` when there is no such file.
pub fn read_file(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("read", path, error)),
    }
}

/// Removes `path` durably; no file of that name is no error.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Ok(()) => flush_directory(&parent_of(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::new("remove", path, error)),
    }
}

/// Removes the transient files that a crash left in `directory`.
pub fn remove_transient_files(directory: &Path) -> Result<(), FileError> {
    for name in names_in(directory)? {
        if name.ends_with(TRANSIENT_MARK) {
            remove_file(&directory.join(name))?;
        }
    }
    Ok(())
}

/// Locks a file against other processes for as long as it is open; `false` when another one has it.
///
/// Waits a second for it: a process that has just been told to stop may still be at it, and a child
/// that is being started holds its parent's locks for a moment.
pub(crate) fn lock(file: &File, path: &Path) -> Result<bool, FileError> {
    for _ in 0..100 {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(FileError::new("lock", path, error)),
        }
    }
    Ok(false)
}

/// The names in a directory, sorted; those that are not UTF-8 are none of ours and left out.
pub(crate) fn names_in(directory: &Path) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).during("list the directory", directory)? {
        let entry = entry.during("list the directory", directory)?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// The directory that holds `path`; the current one for a bare name.
pub(crate) fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) => PathBuf::from("."),
        None => PathBuf::from("/"),
    }
}

fn transient_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(TRANSIENT_MARK);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        assert_eq!(read_file(&path).unwrap(), None);
        for content in [&b"first"[..], b"", b"third"] {
            replace_file(&path, content).unwrap();
            assert_eq!(read_file(&path).unwrap().unwrap(), content);
        }
        assert_eq!(names_in(directory.path()).unwrap(), ["state"]);
        fs::write(directory.path().join("state~"), b"half").unwrap();
        remove_transient_files(directory.path()).unwrap();
        assert_eq!(names_in(directory.path()).unwrap(), ["state"]);
        remove_file(&path).unwrap();
        remove_file(&path).unwrap();
        assert_eq!(read_file(&path).unwrap(), None);
    }

    #[test]
    fn a_failure_leaves_the_old_content_and_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        replace_file(&path, b"old").unwrap();
        fs::create_dir(directory.path().join("state~")).unwrap();
        let error = replace_file(&path, b"new").unwrap_err();
        assert!(error.to_string().contains("state~"), "{error}");
        assert_eq!(read_file(&path).unwrap().unwrap(), b"old");
        assert!(replace_file(&directory.path().join("missing/state"), b"new").unwrap_err().is_not_found());
    }

    #[test]
    fn directories_are_made_with_their_parents() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b/c");
        create_directory(&deep).unwrap();
        create_directory(&deep).unwrap();
        fs::write(directory.path().join("file"), b"").unwrap();
        let error = create_directory(&directory.path().join("file/x")).unwrap_err();
        assert!(error.to_string().starts_with("cannot create the directory "), "{error}");
    }
}

//! Output files that are whole or not there at all.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Makes `path` hold `content`. A new file gets the permissions `mode`, as far as the umask lets it; one that is
/// there keeps its own.
///
/// The content is written beside and then takes the place of the file, so that a failure leaves what was there.
/// What is no file, such as a pipe or a device, is written to.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let (place, permissions) = match fs::metadata(path) {
        Ok(found) if !found.is_file() || path.starts_with("/dev") => return write_over(path, content),
        // Where a link leads is replaced, not the link.
        Ok(found) => (fs::canonicalize(path)?, Some(found.permissions())),
        // A link to nowhere: opening it makes the file.
        Err(_) if path.is_symlink() => return write_over(path, content),
        Err(_) => (path.to_owned(), None),
    };
    let mut unfinished = place.clone().into_os_string();
    unfinished.push(format!(".{}.unfinished", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    match replace(&place, &unfinished, content, mode, permissions) {
        // The file may be written to, but not its directory.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && place.is_file() => {
            write_over(&place, content)
        }
        Err(error) => {
            // There may be none; the first failure is the one to tell.
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

fn replace(
    place: &Path,
    unfinished: &Path,
    content: &[u8],
    mode: u32,
    permissions: Option<Permissions>,
) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(unfinished)?;
    file.write_all(content)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()?;
    fs::rename(unfinished, place)
}

fn write_over(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_gets_the_mode_and_an_old_one_keeps_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("out.pb");
        write(&file, b"first", 0o600).unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"first".to_vec(), 0o600));
        fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
        write(&file, b"2", 0o600).unwrap();
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"2".to_vec(), 0o664));
        assert_eq!(names(directory.path()), ["out.pb"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        symlink(&file, &link).unwrap();
        for content in [b"to nowhere, yet", b"to the file now"] {
            write(&link, content, 0o600).unwrap();
            assert_eq!(fs::read(&file).unwrap(), content);
            assert!(link.is_symlink());
        }
    }

    #[test]
    fn what_is_no_file_is_written_to() {
        write(Path::new("/dev/null"), b"gone", 0o600).unwrap();
        let directory = tempfile::tempdir().unwrap();
        assert!(write(directory.path(), b"x", 0o600).is_err());
        let nowhere = directory.path().join("no/where");
        assert_eq!(write(&nowhere, b"x", 0o600).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(names(directory.path()).is_empty());
    }

    /// `/dev/full` takes no byte, like a full disk.
    #[test]
    fn a_failure_is_told() {
        assert!(write(Path::new("/dev/full"), b"x", 0o600).is_err());
    }
}

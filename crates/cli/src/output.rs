//! Output files that are whole or not there at all.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Makes `path` hold `content`. A new file gets the permissions `mode`, one that is there keeps its own.
///
/// The content is written beside and then takes the place of the file, so that a failure leaves what was
/// there. What is no file, such as a pipe, a terminal or `/dev/stdout`, is written to.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    // A link stays a link: its end is replaced.
    let (place, mode) = match fs::canonicalize(path) {
        Ok(place) => {
            let found = fs::metadata(&place)?;
            if !found.is_file() {
                return write_over(path, content);
            }
            (place, found.permissions().mode())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            (path.to_owned(), mode)
        }
        // A link to nowhere, or a directory on the way is missing or closed: opening says it best.
        Err(_) => return write_over(path, content),
    };
    let unfinished = beside(&place);
    let written = create(&unfinished, mode)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&unfinished, &place));
    match written {
        // The file may be written to, but not its directory.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && place.is_file() => {
            write_over(path, content)
        }
        Err(error) => {
            // What matters is the first failure.
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

fn beside(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(format!(".{}.unfinished", std::process::id()));
    PathBuf::from(name)
}

fn create(path: &Path, mode: u32) -> io::Result<fs::File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != mode & 0o777 {
        fs::set_permissions(path, Permissions::from_mode(mode & 0o777))?;
    }
    Ok(file)
}

fn write_over(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

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

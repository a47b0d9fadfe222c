//! Editing a document in the editor that the user has chosen.

use std::{
    env, fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use crate::failure::{Failure, because, explain};

/// Used when neither `VISUAL` nor `EDITOR` is set, as by other tools.
const DEFAULT_EDITOR: &str = "vi";

/// Opens the editor on `document` until `read` takes what it left, and gives that. `None`: nothing was
/// edited.
///
/// A document that `read` refuses goes back to the editor; without a terminal to ask at, or when the user
/// gives up, it is kept and the error names the file.
pub(super) fn edit<T, E: std::error::Error + 'static>(
    document: &str,
    name: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    let path = scratch_file(name);
    let in_file =
        |error: io::Error| because(format!("{} cannot be used for editing: {error}", path.display()));
    fs::write(&path, document).map_err(in_file)?;
    loop {
        open(&path)?;
        let edited = fs::read_to_string(&path).map_err(in_file)?;
        if edited == document {
            // Nothing in it is worth keeping.
            let _ = fs::remove_file(&path);
            return Ok(None);
        }
        match read(&edited) {
            Ok(result) => {
                let _ = fs::remove_file(&path);
                return Ok(Some(result));
            }
            Err(error) => {
                let text = explain(&error);
                if !wants_to_go_on(&text) {
                    return Err(because(format!(
                        "{text}; the document is kept in {path}: correct it and go on with \
                         `causeway config edit --file {path}`",
                        path = path.display()
                    )));
                }
            }
        }
    }
}

fn scratch_file(name: &str) -> PathBuf {
    env::temp_dir().join(format!("{name}-{}.json", std::process::id()))
}

fn open(path: &Path) -> Result<(), Failure> {
    let named =
        ["VISUAL", "EDITOR"].into_iter().find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()));
    let editor = named.unwrap_or_else(|| DEFAULT_EDITOR.to_owned());
    // As the shell would read it: the variable may hold arguments.
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(because(format!(
            "the editor `{editor}` ended with {status}; the document is kept in {}; set EDITOR to another editor, or \
             use --set PATH=VALUE",
            path.display()
        ))),
        Err(error) => Err(because(format!("the editor `{editor}` cannot be started: {error}; set EDITOR"))),
    }
}

fn wants_to_go_on(problem: &str) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    eprint!("{problem}\nEnter opens the editor again, q gives up: ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    // An end of input gives up, too.
    matches!(read, Ok(length) if length > 0) && !answer.trim().eq_ignore_ascii_case("q")
}

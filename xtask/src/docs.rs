//! The manual pages and shell completions in `docs/`, made by the binary itself.

use crate::run::{cargo, run, target_folder, workspace};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

/// The directories in `docs/` of which every file is made.
const MADE: [&str; 2] = ["man", "completions"];

/// Makes them anew; with `check` says only whether that would change anything.
///
/// # Errors
/// What cannot be built or written, or which files have drifted from the code.
pub(crate) fn docs(check: bool) -> Result<(), String> {
    // The build that the tests start too.
    run(cargo().args(["build", "--locked", "--package", "cli", "--bin", "causeway"]))?;
    let made = target_folder().join("docs");
    let committed = workspace().join("docs");
    let failed =
        |e: io::Error| format!("cannot compare {} with {}: {e}", committed.display(), made.display());
    remove(&made).map_err(failed)?;
    run(Command::new(target_folder().join("debug").join("causeway")).arg("write-documents").arg(&made))?;
    for directory in MADE {
        let (new, old) = (made.join(directory), committed.join(directory));
        if check {
            let (new, old) = (contents(&new).map_err(failed)?, contents(&old).map_err(failed)?);
            let names = new.keys().chain(old.keys());
            let mut drifted: Vec<_> = names.filter(|name| new.get(*name) != old.get(*name)).collect();
            drifted.dedup();
            if let Some(name) = drifted.first() {
                return Err(format!(
                    "docs/{directory}/{name} is not what the code says ({} such files); `cargo xtask docs` makes \
                     them anew",
                    drifted.len()
                ));
            }
        } else {
            remove(&old).map_err(failed)?;
            fs::create_dir_all(&old).map_err(failed)?;
            for (name, content) in contents(&new).map_err(failed)? {
                fs::write(old.join(name), content).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn contents(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        })
        .collect()
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

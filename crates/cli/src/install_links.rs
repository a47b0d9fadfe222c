//! `causeway install-links`: this binary under the names of Fabric's tools.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{failure::Outcome, tools::TOOLS};

/// Put this binary in the place of Fabric's tools
///
/// Makes one symbolic link for each tool in the directory, which is made if it is missing. Called by such a
/// name, causeway behaves as that tool does, so that Fabric's scripts run unchanged.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  causeway install-links ~/fabric/bin && export PATH=~/fabric/bin:$PATH")]
pub(crate) struct Arguments {
    /// Where the links go
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Replace what has a tool's name and is no link to this binary, such as Fabric's own tools
    #[arg(long)]
    force: bool,
}

#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("this program's own file cannot be found")]
    Program(#[source] io::Error),
    #[error("{path} cannot be made", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is there already and is no link to this program; --force replaces it", path = path.display())]
    Occupied { path: PathBuf },
}

/// What has to be done for a link.
enum Place {
    Free,
    Ours,
    Occupied,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let program = std::env::current_exe().and_then(fs::canonicalize).map_err(LinkError::Program)?;
    let directory = &arguments.directory;
    let in_directory = |source| LinkError::Io { path: directory.clone(), source };
    fs::create_dir_all(directory).map_err(in_directory)?;
    let directory = directory.canonicalize().map_err(in_directory)?;

    let links: Vec<PathBuf> = TOOLS.iter().map(|tool| directory.join(tool.name)).collect();
    // Either all or nothing is refused: half of the tools replaced would be a riddle.
    for link in &links {
        if matches!(place(link, &program)?, Place::Occupied) && !arguments.force {
            return Err(LinkError::Occupied { path: link.clone() }.into());
        }
    }
    for link in &links {
        match place(link, &program)? {
            Place::Ours => println!("{} is there already", link.display()),
            Place::Free | Place::Occupied => {
                replace(link, &program).map_err(|source| LinkError::Io { path: link.clone(), source })?;
                println!("{} -> {}", link.display(), program.display());
            }
        }
    }
    println!("\nTo use them, type:\n  export PATH=\"{}:$PATH\"", directory.display());
    Ok(ExitCode::SUCCESS)
}

fn place(link: &Path, program: &Path) -> Result<Place, LinkError> {
    match fs::symlink_metadata(link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place::Free),
        Err(source) => Err(LinkError::Io { path: link.to_owned(), source }),
        Ok(found) if found.is_symlink() && fs::canonicalize(link).is_ok_and(|end| end == program) => {
            Ok(Place::Ours)
        }
        Ok(_) => Ok(Place::Occupied),
    }
}

/// Puts the link in its place in one step: at no moment is the name missing.
fn replace(link: &Path, program: &Path) -> io::Result<()> {
    let mut unfinished = link.as_os_str().to_owned();
    unfinished.push(".unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(program, &unfinished)?;
    fs::rename(&unfinished, link)
}

//! Fabric's tools as scripts meet them: command lines, files, output and exit codes.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod cryptogen;
mod links;
mod osnadmin;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const CAUSEWAY: &str = env!("CARGO_BIN_EXE_causeway");

/// Runs `causeway` with these words in this directory.
fn causeway(directory: &Path, words: &[&str]) -> Output {
    Command::new(CAUSEWAY).args(words).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Everything below a directory: permissions, and contents of files.
fn tree(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            let name = path.strip_prefix(directory).unwrap().to_owned();
            found.insert(name, (metadata.permissions().mode() & 0o777, content));
            if metadata.is_dir() {
                waiting.push(path);
            }
        }
    }
    found
}

//! Licences, sources and advisories of the dependencies, by `cargo deny`.

use crate::run::{cargo, run, workspace};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Gates licences, bans and sources always, advisories whenever their database can be had.
///
/// # Errors
/// What `cargo deny` refused, or why it could not be had.
pub(crate) fn check() -> Result<(), String> {
    let deny = program()?;
    let manifest = workspace().join("Cargo.toml");
    let call = |checks: &[&str]| {
        let mut command = Command::new(&deny);
        command
            .arg("--manifest-path")
            .arg(&manifest)
            .args(["--all-features", "--locked", "check"])
            .args(checks);
        command
    };
    run(&mut call(&["licenses", "bans", "sources"]))?;
    // The database lives in a git repository that a closed network does not reach. Only a failed
    // fetch may pass, and it is said; a found advisory never does.
    let fetched = Command::new(&deny)
        .arg("--manifest-path")
        .arg(&manifest)
        .args(["fetch", "db"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if fetched {
        return run(&mut call(&["advisories"]));
    }
    println!("xtask: the advisory database cannot be reached from here: advisories were NOT checked");
    Ok(())
}

/// The `cargo-deny` on the path, or else one built under `target/`.
fn program() -> Result<PathBuf, String> {
    let on_path = PathBuf::from("cargo-deny");
    let found = Command::new(&on_path).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return Ok(on_path);
    }
    let root = workspace().join("target").join("cargo-deny");
    let program = root.join("bin").join("cargo-deny");
    if !program.exists() {
        println!("xtask: building cargo-deny into target/cargo-deny, once; this takes some minutes");
        run(cargo().args(["install", "--locked", "cargo-deny", "--version", "^0.20", "--root"]).arg(&root))?;
    }
    Ok(program)
}

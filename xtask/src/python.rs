//! The virtual environment of the Python client, a Fabric client that we did not write.

use crate::run::{run, workspace};
use std::path::PathBuf;
use std::process::Command;

/// What the client needs from PyPI: Fabric's messages, gRPC, and keys to sign with.
const PACKAGES: [&str; 3] = ["hyperledger-fabric-protos", "grpcio", "cryptography"];

/// Makes `target/python-client` unless it is there, and returns its interpreter.
///
/// # Errors
/// Names what is missing: a Python 3 with `venv`, or a way to PyPI.
pub(crate) fn environment() -> Result<PathBuf, String> {
    let folder = workspace().join("target").join("python-client");
    let python = folder.join("bin").join("python");
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    println!("xtask: making a Python environment in target/python-client: {}", PACKAGES.join(", "));
    let advice = "install Python 3 with its venv module (Debian: python3-venv), or run with --no-python";
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|e| format!("{e}; {advice}"))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES))
    .map_err(|e| format!("{e}; PyPI must be reachable once, or run with --no-python"))?;
    std::fs::write(&complete, "").map_err(|e| format!("cannot write {}: {e}", complete.display()))?;
    Ok(python)
}

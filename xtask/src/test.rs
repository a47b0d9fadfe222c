//! The test entry: everything that the tests need, then the tests.

use crate::python;
use crate::run::{cargo, run, target_folder};

/// Builds the `causeway` binary, makes the Python client's environment and runs all tests.
///
/// `--no-python` leaves the Python client out; what follows is handed to `cargo test`.
pub(crate) fn test(mut arguments: Vec<String>) -> Result<(), String> {
    let without_python = take(&mut arguments, "--no-python");
    let mut tests = prepared(without_python)?;
    run(tests.args(arguments))
}

/// The tests with a seeded schedule, again, with many more seeds.
pub(crate) fn soak(seeds: Option<String>) -> Result<(), String> {
    let seeds = seeds.unwrap_or_else(|| "200".to_owned());
    let seeds: u32 = seeds.parse().map_err(|e| format!("SEEDS is a number, not {seeds}: {e}"))?;
    let mut tests = prepared(true)?;
    tests.env("CAUSEWAY_SEEDS", seeds.to_string());
    tests.env("CAUSEWAY_SIMULATION_SEEDS", (seeds * 50).to_string());
    run(tests.args(["--package", "consensus", "--package", "testbed", "--", "seed", "fault", "simulation"]))
}

fn prepared(without_python: bool) -> Result<std::process::Command, String> {
    let python = if without_python { None } else { Some(python::environment()?) };
    // The tests with processes start this very binary.
    run(cargo().args(["build", "--locked", "--package", "cli", "--bin", "causeway"]))?;
    let mut tests = cargo();
    tests.args(["test", "--locked", "--workspace"]);
    tests.env("CAUSEWAY_BIN", target_folder().join("debug").join("causeway"));
    if let Some(python) = python {
        tests.env("CAUSEWAY_PYTHON", python);
    }
    Ok(tests)
}

fn take(arguments: &mut Vec<String>, flag: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != flag);
    arguments.len() < before
}

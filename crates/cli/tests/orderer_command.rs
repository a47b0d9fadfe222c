//! `causeway orderer`, also when it is called `orderer`: commands, exit codes, and what it says
//! of settings that it cannot start with.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

const CAUSEWAY: &str = env!("CARGO_BIN_EXE_causeway");

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs the node with a settings file and variables; it must end by itself.
fn start(settings: Option<&str>, variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    if let Some(settings) = settings {
        std::fs::write(directory.path().join("orderer.yaml"), settings).unwrap();
    }
    let mut command = Command::new(CAUSEWAY);
    command.arg("orderer").current_dir(directory.path()).env("FABRIC_CFG_PATH", directory.path());
    command
        .env_remove("FABRIC_LOGGING_SPEC")
        .env_remove("FABRIC_LOGGING_FORMAT")
        .envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn version_and_help_under_both_names() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("orderer");
    std::os::unix::fs::symlink(CAUSEWAY, &link).unwrap();
    for (program, before) in [(Path::new(CAUSEWAY), vec!["orderer"]), (&link, vec![])] {
        let run = |command: &str| Command::new(program).args(&before).arg(command).output().unwrap();
        let version = run("version");
        assert!(version.status.success());
        assert!(text(&version.stdout).starts_with("orderer:\n Version: "), "{}", text(&version.stdout));
        let help = run("help");
        assert!(help.status.success());
        for word in ["start", "version", "FABRIC_CFG_PATH"] {
            assert!(text(&help.stdout).contains(word), "{word} is missing in {}", text(&help.stdout));
        }
        assert_eq!(run("stat").status.code(), Some(2));
    }
}

#[test]
fn settings_that_cannot_be_used_are_named_and_end_the_process() {
    for (settings, variables, words) in [
        (None, vec![], vec!["failed to parse config: ", "no orderer.yaml in ", "FABRIC_CFG_PATH"]),
        (Some("General:\n  LstenPort: 1\n"), vec![], vec!["'General' has invalid keys: LstenPort", "line 2"]),
        (Some("General:\n  ListenPort: 1\n Bad"), vec![], vec!["orderer.yaml: line "]),
        (
            Some("General: {}"),
            vec![("ORDERER_GENERAL_LISTENPORT", "many")],
            vec!["'General.ListenPort': ", "\"many\"", "(environment)"],
        ),
        (
            Some("Admin: {TLS: {Enabled: true}}"),
            vec![],
            vec!["Admin.TLS.ClientAuthRequired must be set to true"],
        ),
        (
            Some("General: {}"),
            vec![("FABRIC_LOGGING_SPEC", "loud")],
            vec!["invalid logging specification 'loud'"],
        ),
        (
            Some("General: {}"),
            vec![("FABRIC_LOGGING_FORMAT", "%{color:x}")],
            vec!["FABRIC_LOGGING_FORMAT", "invalid color"],
        ),
    ] {
        let output = start(settings, &variables);
        assert_eq!(output.status.code(), Some(1), "{settings:?}");
        for word in words {
            assert!(text(&output.stderr).contains(word), "{word} is missing in {}", text(&output.stderr));
        }
    }
}

#[test]
fn every_setting_is_logged_before_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let msp = directory.path().join("no-msp");
    let settings =
        format!("General:\n  LocalMSPDir: {}\nKafka:\n  SASLPlain:\n    Password: hush\n", msp.display());
    let output = start(Some(&settings), &[]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    for word in [
        "Orderer config values:\n\tGeneral.",
        "\n\tGeneral.ListenPort = 7050\n",
        "\n\tKafka.SASLPlain.Password = ****\n",
        "no-msp",
    ] {
        assert!(log.contains(word), "{word} is missing in {log}");
    }
    assert!(!log.contains("hush"), "{log}");
}

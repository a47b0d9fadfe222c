//! A node is given settings, keys and directories that it cannot run with: it ends with a failure
//! that names the thing, and leaves what is there alone.
#![allow(clippy::unwrap_used)]

use cli::sandbox::layout::Layout;
use cli::sandbox::material;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use testbed::node::{Node, NodeOptions};
use testbed::{forge, ports};

/// A node that was never started, and what it stands on.
struct Place {
    directory: PathBuf,
    settings: String,
    layout: Layout,
}

impl Place {
    fn new(root: &Path) -> Self {
        let layout = Layout::new(root, "ch1", 1, ports::block(3)).unwrap();
        material::generate(&layout).unwrap();
        let directory = layout.node_dir(&layout.nodes[0]);
        let settings = fs::read_to_string(directory.join("orderer.yaml")).unwrap();
        Self { directory, settings, layout }
    }

    fn node(&self, environment: &[(&str, String)]) -> Node {
        let environment = environment.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Node::new(NodeOptions { directory: self.directory.clone(), environment, ..NodeOptions::default() })
    }

    /// Starts a node with these settings, which must end by itself with a failure, and gives what
    /// it said.
    fn failure(&self, name: &str, settings: &str, environment: &[(&str, String)]) -> String {
        fs::write(self.directory.join("orderer.yaml"), settings).unwrap();
        let mut node = self.node(environment);
        let mark = node.log().len();
        node.start();
        let status = node.wait_for_end();
        let said = node.log()[mark..].to_owned();
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
        said
    }
}

/// The number of the line that holds this text, from 1.
fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

fn check(name: &str, said: &str, expected: &[&str]) {
    for text in expected {
        assert!(said.contains(text), "{name}: {text:?} is not in\n{said}");
    }
}

/// What it is called, the environment that makes it, and what the message must name.
type Case<'a> = (&'a str, Vec<(&'a str, String)>, Vec<&'a str>);

#[test]
fn settings_that_cannot_be_read_are_named_with_their_line() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::new(root.path());
    let with = |from: &str, to: &str| {
        let changed = place.settings.replacen(from, to, 1);
        assert_ne!(changed, place.settings, "{from}");
        changed
    };
    let table = [
        (
            "an unknown key",
            with("  ListenPort:", "  ListenPrt: 1\n  ListenPort:"),
            "ListenPrt",
            "invalid keys: listenprt",
        ),
        (
            "an unknown section",
            with("FileLedger:", "FileLedgr: {}\nFileLedger:"),
            "FileLedgr",
            "invalid keys: fileledgr",
        ),
        (
            "an unclosed list",
            with("  LocalMSPDir:", "  Bad: [1, 2\n  LocalMSPDir:"),
            "LocalMSPDir",
            "Error reading configuration",
        ),
        (
            "a tab",
            with("  BootstrapMethod:", "\tBootstrapMethod:"),
            "BootstrapMethod",
            "Error reading configuration",
        ),
        ("a port that is a word", with("  ListenPort: ", "  ListenPort: x"), "ListenPort: x", "ListenPort"),
        ("a port beyond all", with("  ListenPort: ", "  ListenPort: 9"), "ListenPort: 9", "ListenPort"),
        (
            "a section that is a word",
            with("FileLedger:\n", "FileLedger: here\nX:\n"),
            "FileLedger: here",
            "FileLedger",
        ),
        (
            "a switch that is none",
            with("    ClientAuthRequired: false", "    ClientAuthRequired: perhaps"),
            "perhaps",
            "ClientAuthRequired",
        ),
        (
            "a duration without unit",
            with("  BootstrapMethod:", "  ConnectionTimeout: soon\n  BootstrapMethod:"),
            "soon",
            "ConnectionTimeout",
        ),
    ];
    for (name, settings, at, expected) in table {
        let said = place.failure(name, &settings, &[]);
        let lower = said.to_lowercase();
        assert!(lower.contains(&expected.to_lowercase()), "{name}: {said}");
        let line = line_of(&settings, at);
        // Where the parser notices what is missing may be the end of the line before.
        let near =
            [line, line.saturating_sub(1), line + 1].map(|line| said.contains(&format!("line {line}")));
        assert!(near.contains(&true), "{name}: no line {line} in {said}");
    }
    for (name, settings, expected) in [
        ("a list", "- a\n- b\n".to_owned(), "Error reading configuration"),
        ("nothing", String::new(), "Error reading configuration"),
        ("deep nesting", "[".repeat(100_000), "Error reading configuration"),
        ("aliases of aliases", bombs(), "Error reading configuration"),
        ("bytes", "\u{1}\u{2}: \u{0}".to_owned(), "Error reading configuration"),
    ] {
        check(name, &place.failure(name, &settings, &[]), &[expected]);
    }
    let said =
        place.failure("a bad override", &place.settings, &[("ORDERER_GENERAL_LISTENPORT", "no".to_owned())]);
    check("a bad override", &said, &["failed to parse config", "'General.ListenPort'", "(environment)"]);
    fs::remove_file(place.directory.join("orderer.yaml")).unwrap();
    fs::create_dir(place.directory.join("orderer.yaml")).unwrap();
    let mut node = place.node(&[]);
    node.start();
    assert!(!node.wait_for_end().success());
    assert!(!node.log().contains("panicked"), "{}", node.log());
}

/// Ten lines that stand for ten thousand million values.
fn bombs() -> String {
    let lines = (1..10).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
    format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}", lines.collect::<String>())
}

#[test]
fn keys_directories_and_ports_that_cannot_be_used_are_named() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::new(root.path());
    let (node, layout) = (&place.layout.nodes[0], &place.layout);
    let file = |name: &str, content: &[u8]| {
        let path = root.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let garbage = file("garbage.block", &[0xff; 100]);
    let missing = root.path().join("missing").display().to_string();
    let foreign_key = layout.client_key().display().to_string();
    // A directory in which a file stands where a directory must be.
    let blocked = root.path().join("blocked");
    fs::create_dir(&blocked).unwrap();
    fs::write(blocked.join("chains"), b"a file").unwrap();
    let stranger = forge::stranger();
    let no_key = root.path().join("no-key-msp");
    fs::create_dir_all(no_key.join("signcerts")).unwrap();
    fs::create_dir_all(no_key.join("keystore")).unwrap();
    let certificate = place.directory.join("msp/signcerts/node1.orderer.sandbox-cert.pem");
    fs::copy(certificate, no_key.join("signcerts/cert.pem")).unwrap();
    fs::write(no_key.join("keystore/priv_sk"), stranger.private_key_pem()).unwrap();
    let no_key = no_key.display().to_string();
    let key = "ORDERER_GENERAL_TLS_PRIVATEKEY";
    let method = ("ORDERER_GENERAL_BOOTSTRAPMETHOD", "file".to_owned());
    let bootstrap = "ORDERER_GENERAL_BOOTSTRAPFILE";
    let table: Vec<Case<'_>> = vec![
        ("no TLS key", vec![(key, missing.clone())], vec![&missing, "TLS private key"]),
        ("no PEM", vec![(key, garbage.clone())], vec![&garbage, "no PEM private key"]),
        ("a directory as key", vec![(key, root.path().display().to_string())], vec!["TLS private key"]),
        ("another's key", vec![(key, foreign_key.clone())], vec![&foreign_key, "cannot serve certificate"]),
        (
            "no MSP",
            vec![("ORDERER_GENERAL_LOCALMSPDIR", missing.clone())],
            vec![&missing, "General.LocalMSPDir"],
        ),
        (
            "an MSP with another's key",
            vec![("ORDERER_GENERAL_LOCALMSPDIR", no_key.clone())],
            vec![&no_key, "KeyMaterial not found"],
        ),
        (
            "no genesis block",
            vec![method.clone(), (bootstrap, missing.clone())],
            vec![&missing, "General.BootstrapFile"],
        ),
        (
            "a genesis block of garbage",
            vec![method.clone(), (bootstrap, garbage.clone())],
            vec![&garbage, "failed validating bootstrap block"],
        ),
        (
            "an application channel's genesis block",
            vec![method, (bootstrap, layout.genesis_block().display().to_string())],
            vec!["lacks ConsortiumsConfig"],
        ),
        (
            "a file as ledger directory",
            vec![("ORDERER_FILELEDGER_LOCATION", garbage.clone())],
            vec![&garbage],
        ),
        (
            "a file in the ledger directory's place",
            vec![("ORDERER_FILELEDGER_LOCATION", blocked.display().to_string())],
            vec!["blocked/chains"],
        ),
        (
            "nowhere to make the ledger directory",
            vec![("ORDERER_FILELEDGER_LOCATION", "/proc/causeway".to_owned())],
            vec!["/proc/causeway"],
        ),
        (
            "no address",
            vec![("ORDERER_GENERAL_LISTENADDRESS", "no.such.host.invalid".to_owned())],
            vec!["no.such.host.invalid", "General.ListenAddress"],
        ),
        (
            "no client roots",
            vec![
                ("ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED", "true".to_owned()),
                ("ORDERER_GENERAL_TLS_CLIENTROOTCAS", missing.clone()),
            ],
            vec![&missing, "ClientRootCAs"],
        ),
        (
            "admin TLS without client certificates",
            vec![("ORDERER_ADMIN_TLS_CLIENTAUTHREQUIRED", "false".to_owned())],
            vec!["Admin.TLS.ClientAuthRequired must be set to true if Admin.TLS.Enabled is set to true"],
        ),
        (
            "no TLS at all",
            vec![("ORDERER_GENERAL_TLS_ENABLED", "false".to_owned())],
            vec!["TLS is required for running ordering nodes of cluster type."],
        ),
    ];
    for (name, environment, expected) in table {
        let said = place.failure(name, &place.settings, &environment);
        check(name, &said, &expected);
    }
    for (port, key) in [
        (node.port, "General.ListenAddress"),
        (node.admin_port, "Admin.ListenAddress"),
        (node.operations_port, "Operations.ListenAddress"),
    ] {
        let held = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let said = place.failure(key, &place.settings, &[]);
        check(key, &said, &[key, &port.to_string(), "in use"]);
        drop(held);
    }

    // With the right settings it starts; a second process on the same directory does not.
    fs::write(place.directory.join("orderer.yaml"), &place.settings).unwrap();
    let mut first = place.node(&[]);
    let mark = first.log().len();
    first.start();
    first.wait_for_log("Beginning to serve requests", mark);
    let spare = ports::block(3);
    let elsewhere = [
        ("ORDERER_GENERAL_LISTENPORT", spare.to_string()),
        ("ORDERER_ADMIN_LISTENADDRESS", format!("127.0.0.1:{}", spare + 1)),
        ("ORDERER_OPERATIONS_LISTENADDRESS", format!("127.0.0.1:{}", spare + 2)),
    ];
    let said = place.failure("a second process", &place.settings, &elsewhere);
    check("a second process", &said, &["in use by another process", "FileLedger.Location"]);
    assert!(first.is_running());
    assert!(first.terminate().success());
}

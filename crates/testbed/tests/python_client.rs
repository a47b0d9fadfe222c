//! A client that we did not write, in Python, against a running network over mutual TLS.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testbed::network::{Network, NetworkOptions};

const SUCCESS: u64 = 200;

/// The interpreter that `cargo xtask test` prepared; `None` outside of it.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("CAUSEWAY_PYTHON").map(PathBuf::from);
    if python.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CAUSEWAY_PYTHON is not set; run `cargo xtask test`");
        println!("skipped: CAUSEWAY_PYTHON is not set; `cargo xtask test` sets it");
    }
    python
}

fn only_file(folder: &Path) -> PathBuf {
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

fn run(python: &Path, network: &Network, words: &[&str]) -> Value {
    let layout = network.layout();
    let settings = json!({
        "orderers": network.endpoints().iter().map(|e| e.address.clone()).collect::<Vec<_>>(),
        "channel": layout.channel,
        "mspid": cli::sandbox::layout::CLIENT_MSPID,
        "certificate": only_file(&layout.client_msp().join("signcerts")),
        "key": only_file(&layout.client_msp().join("keystore")),
        "tls_ca": layout.tls_ca(),
        "tls_certificate": layout.client_tls().join("client.crt"),
        "tls_key": layout.client_tls().join("client.key"),
    });
    let file = layout.root.join("python-client.json");
    fs::write(&file, settings.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join("fabric_client.py");
    let output = Command::new(python).arg(script).arg(words[0]).arg(file).args(&words[1..]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the Python client failed: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_python_client_orders_and_reads() {
    let Some(python) = python() else { return };
    let network = Network::start(&mutual_tls());
    let seen = run(&python, &network, &["order", "100"]);
    let statuses = seen["statuses"].as_array().unwrap();
    assert_eq!(statuses.len(), 100);
    assert!(statuses.iter().all(|status| *status == SUCCESS), "{statuses:?}");
    let chains = seen["chains"].as_array().unwrap();
    assert_eq!(chains.len(), 3);
    assert!(chains.iter().all(|chain| *chain == seen["blocks"]), "the nodes have different chains");
    assert!(seen["deliver_statuses"].as_array().unwrap().iter().all(|status| *status == SUCCESS));
}

#[test]
fn a_python_client_gets_fabrics_answers_to_bad_input() {
    let Some(python) = python() else { return };
    let network = Network::start(&mutual_tls());
    let cases = &run(&python, &network, &["garbage"])["cases"];
    let status = |name: &str| cases[name][0].as_u64().unwrap();
    let info = |name: &str| cases[name][1].as_str().unwrap();
    assert_eq!(status("good"), SUCCESS);
    assert_eq!((status("empty"), info("empty")), (400, "could not determine channel ID: header not set"));
    assert_eq!(status("garbage_payload"), 400);
    assert!(
        info("garbage_payload").starts_with("could not determine channel ID: error unmarshalling Payload")
    );
    let no_system_channel =
        "channel creation request not allowed because the orderer system channel is not defined";
    assert_eq!((status("wrong_channel"), info("wrong_channel")), (400, no_system_channel));
    assert_eq!(status("unsigned"), 403);
    assert!(info("unsigned").ends_with("permission denied"));
    let direct = "message is of type that cannot be processed directly";
    assert_eq!((status("config"), info("config")), (400, direct));
}

fn mutual_tls() -> NetworkOptions {
    let required = ("ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED".to_owned(), "true".to_owned());
    NetworkOptions { environment: vec![required], ..NetworkOptions::default() }
}

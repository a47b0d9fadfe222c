//! The clients as people meet them: a running sandbox, and what they say when something is wrong.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Lines},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn causeway(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_causeway")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json_lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The first of three ports in a row that are free now.
fn free_base_port() -> u16 {
    loop {
        let first = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let base = first.local_addr().unwrap().port();
        let next = |offset: u16| base.checked_add(offset).map(|port| TcpListener::bind(("127.0.0.1", port)));
        if matches!((next(1), next(2)), (Some(Ok(_)), Some(Ok(_)))) {
            return base;
        }
    }
}

/// A sandbox of one node; it stops when this is dropped, since its process is killed then.
struct Sandbox {
    process: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Sandbox {
    fn start(dir: &Path, base_port: u16, more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["sandbox", "--nodes", "1", "--json", "--base-port", &base_port.to_string(), "--dir"])
            .arg(dir)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let events = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, events }
    }

    /// Reads events until this one.
    fn wait_for(&mut self, wanted: &str) -> Value {
        for line in &mut self.events {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if event["event"] == wanted {
                return event;
            }
        }
        panic!("the sandbox ended before the event {wanted}");
    }

    fn stop(mut self) -> i32 {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let stopped = self.wait_for("stopped");
        assert_eq!(stopped["killed"], Value::Array(vec![]));
        self.process.wait().unwrap().code().unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_sandbox_is_submitted_to_watched_measured_inspected_stopped_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("net");
    let root_text = root.to_str().unwrap();
    let base_port = free_base_port();
    let mut sandbox = Sandbox::start(&root, base_port, &[]);
    assert_eq!(sandbox.wait_for("ready")["leader"], "node1");

    let submitted = causeway(&["submit", "--sandbox", root_text, "--count", "25", "--size", "100", "--json"]);
    assert!(submitted.status.success(), "{}", text(&submitted.stderr));
    let lines = json_lines(&submitted);
    assert_eq!(lines.len(), 26);
    assert!(lines[..25].iter().all(|line| line["outcome"] == "acknowledged"));
    assert_eq!(lines[25]["acknowledged"], 25);

    let bench = causeway(&[
        "bench",
        "order",
        "--sandbox",
        root_text,
        "--count",
        "600",
        "--streams",
        "2",
        "--window",
        "50",
        "--json",
    ]);
    assert!(bench.status.success(), "{}{}", text(&bench.stdout), text(&bench.stderr));
    let figures: Value = serde_json::from_slice(&bench.stdout).unwrap();
    assert_eq!((&figures["committed"], &figures["missing"]), (&600.into(), &0.into()));
    assert!(
        figures["nodes"][0]["leader"] == true && figures["nodes"][0]["peak_memory_bytes"].as_u64() > Some(0)
    );

    let watched =
        causeway(&["watch", "--sandbox", root_text, "--from", "oldest", "--until", "newest", "--json"]);
    assert!(watched.status.success(), "{}", text(&watched.stderr));
    let blocks = json_lines(&watched);
    assert!(
        blocks
            .iter()
            .enumerate()
            .all(|(number, block)| block["number"] == number && block["verified"] == true)
    );
    let transactions: u64 = blocks.iter().skip(1).map(|block| block["transactions"].as_u64().unwrap()).sum();
    assert_eq!(transactions, 625);

    let other = causeway(&["watch", "--sandbox", root_text, "--channel", "other", "--timeout", "0s"]);
    assert!(
        text(&other.stderr).contains("NOT_FOUND: it does not serve channel other"),
        "{}",
        text(&other.stderr)
    );
    assert_eq!(sandbox.stop(), 0);

    let ledger = root.join("node1/data/ledger");
    let inspected = causeway(&["inspect", ledger.to_str().unwrap(), "--json"]);
    assert!(inspected.status.success(), "{}{}", text(&inspected.stdout), text(&inspected.stderr));
    let report: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(report["channels"][0]["height"], blocks.len());

    let mut again = Sandbox::start(&root, base_port, &["--submit", "10", "--once"]);
    let compared = again.wait_for("compared");
    assert_eq!(compared["ok"], true, "{compared}");
    assert!(compared["height"].as_u64().unwrap() > blocks.len() as u64);
    again.wait_for("stopped");
    assert!(again.process.wait().unwrap().success());
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let root = dir.path().join("net");
    let output =
        causeway(&["sandbox", "--once", "--base-port", &port.to_string(), "--dir", root.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("port {port} is in use")) && said.contains("--base-port"), "{said}");
    assert!(!root.exists(), "nothing is made before the ports are known to be free");
}

#[test]
fn what_is_missing_or_unreachable_is_said_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let missing = missing.to_str().unwrap();
    for (arguments, expected) in [
        (&["submit", "--count", "1", "--orderer", "127.0.0.1:1"][..], "--channel is missing"),
        (&["watch", "--sandbox", missing], "causeway sandbox --dir"),
        (&["inspect", missing], "--fetch"),
        (&["inspect", env!("CARGO_MANIFEST_DIR")], "FileLedger.Location"),
        (&["inspect", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], "is not a block"),
        (&["bench", "order", "--size", "3"], "--size must be 16 bytes at least"),
    ] {
        let output = causeway(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("causeway: ") && said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn every_command_shows_examples() {
    let config = |name| vec!["config", name];
    let commands = [
        vec!["submit"],
        vec!["watch"],
        vec!["inspect"],
        vec!["sandbox"],
        vec!["bench", "order"],
        vec!["config"],
        config("show"),
        config("edit"),
        config("diff"),
        config("sign"),
        config("submit"),
        config("add-consenter"),
        config("remove-consenter"),
        config("rotate-certificate"),
        config("add-org"),
        config("maintenance"),
    ];
    for command in commands {
        let output = causeway(&[&command[..], &["--help"]].concat());
        assert!(output.status.success());
        let help = text(&output.stdout);
        let example =
            ["Examples:\n  causeway ", "Example:\n  causeway "].iter().any(|start| help.contains(start));
        assert!(example, "{command:?}");
    }
}

//! One ordering node: a process.

use crate::{binary, hosts, wait};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How a node is started.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Another orderer in the place of the one under test; it must read `orderer.yaml` likewise.
    pub program: Option<PathBuf>,
    /// The directory of its `orderer.yaml`, and its working directory.
    pub directory: PathBuf,
    /// `ORDERER_...` and other variables.
    pub environment: Vec<(String, String)>,
    /// A file in the place of `/etc/hosts`, for this process alone.
    pub hosts: Option<PathBuf>,
    /// A limit on the size of any file it writes, bytes: what a full disk looks like to it.
    pub file_size_limit_bytes: Option<u64>,
}

/// A node, running or not. Dropping it kills the process.
pub struct Node {
    options: NodeOptions,
    child: Option<Child>,
}

impl Node {
    /// A node that is not running yet.
    pub fn new(options: NodeOptions) -> Self {
        Self { options, child: None }
    }

    /// How it is started; a change counts from the next start on.
    pub fn options_mut(&mut self) -> &mut NodeOptions {
        &mut self.options
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.options.directory
    }

    /// Starts the process. Its output is appended to `orderer.log` in its directory.
    ///
    /// # Panics
    /// When it is running, or cannot be started.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} is running already", self.options.directory.display());
        let program = self.options.program.clone().unwrap_or_else(binary::causeway);
        let mut command = match &self.options.hosts {
            Some(file) => hosts::command(&program, file),
            None => Command::new(&program),
        };
        if let Some(limit) = self.options.file_size_limit_bytes {
            let inner = command;
            command = Command::new("prlimit");
            command.arg(format!("--fsize={limit}")).arg(inner.get_program()).args(inner.get_args());
        }
        let log = self.open_log();
        let errors = log.try_clone().expect("a file handle can be duplicated");
        if self.options.program.is_none() {
            command.arg("orderer");
        }
        command
            .env("FABRIC_CFG_PATH", &self.options.directory)
            .envs(self.options.environment.iter().map(|(k, v)| (k, v)))
            .current_dir(&self.options.directory)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        self.child = Some(command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}")));
    }

    fn open_log(&self) -> File {
        let path = self.log_path();
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()))
    }

    /// Where its output goes.
    pub fn log_path(&self) -> PathBuf {
        self.options.directory.join("orderer.log")
    }

    /// All that it has printed.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until it has printed `text` since `from`, a length of [`Node::log`].
    ///
    /// # Panics
    /// After a minute, or when the process ends first.
    pub fn wait_for_log(&mut self, text: &str, from: usize) {
        let directory = self.options.directory.clone();
        wait::until(&format!("{text:?} from {}", directory.display()), Duration::from_secs(60), || {
            if self.log().get(from..).is_some_and(|new| new.contains(text)) {
                return Some(());
            }
            assert!(self.is_running(), "{} ended:\n{}", directory.display(), tail(&self.log()));
            None
        });
    }

    /// Whether the process lives (a stopped one does).
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Its process id, while it is running.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// `kill -9`, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end (SIGTERM) and waits for it.
    ///
    /// # Panics
    /// When it is not running, or still is after 30 s.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_end()
    }

    /// Waits until the process ends by itself.
    ///
    /// # Panics
    /// When it is not running, or still is after 30 s.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the node was started");
        wait::until("a node's end", Duration::from_secs(30), || child.try_wait().ok().flatten())
    }

    /// Stops it (SIGSTOP): it lives, and does nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a stopped one go on (SIGCONT).
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.pid().expect("the node is running");
        let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send SIG{name} to {pid}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{} printed last:\n{}", self.options.directory.display(), tail(&self.log()));
        }
        self.kill();
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

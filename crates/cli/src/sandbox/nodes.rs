//! The processes of a sandbox.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout_at},
};

use super::layout::{HOST, Layout, Node};

/// How long a node may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a dead node's log is shown.
const LOG_TAIL_LINES: usize = 12;

/// Why nodes do not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodesError {
    #[error(
        "port {port} is in use, which {node} needs; stop what listens there{hint}",
        hint = if *fresh { ", or choose other ports with --base-port" } else { ", or make another sandbox with --dir and --base-port" }
    )]
    PortInUse { port: u16, node: String, fresh: bool },
    #[error("port {port}, which {node} needs, cannot be used")]
    Port { port: u16, node: String, source: io::Error },
    #[error("the log file {path} cannot be opened", path = path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("{node} cannot be started")]
    Start { node: String, source: io::Error },
    #[error("{node} has stopped ({status}); the end of {log}:\n{tail}", log = log.display())]
    Died { node: String, status: ExitStatus, log: PathBuf, tail: String },
}

/// Finds out whether all ports are free, and says which one is not. `fresh`: the ports may still be chosen.
pub(crate) fn check_ports(layout: &Layout, fresh: bool) -> Result<(), NodesError> {
    for node in &layout.nodes {
        for port in [node.port, node.admin_port, node.operations_port] {
            match TcpListener::bind((HOST, port)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(NodesError::PortInUse { port, node: node.name.clone(), fresh });
                }
                Err(source) => return Err(NodesError::Port { port, node: node.name.clone(), source }),
            }
        }
    }
    Ok(())
}

/// What runs as a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// This program.
    Own,
    /// Another orderer that reads `orderer.yaml` from `FABRIC_CFG_PATH`.
    Other(PathBuf),
}

/// A node's process.
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    reported: bool,
}

/// All processes of a sandbox.
pub(crate) struct Processes(Vec<Process>);

impl Processes {
    /// Starts every node as a process of its own, its output appended to its log.
    pub(crate) fn start(layout: &Layout, program: &Program) -> Result<Self, NodesError> {
        let start = |node| Process::start(layout, node, program);
        layout.nodes.iter().map(start).collect::<Result<_, _>>().map(Self)
    }

    /// Starts one of them anew, which was killed.
    pub(crate) fn restart(
        &mut self,
        index: usize,
        layout: &Layout,
        program: &Program,
    ) -> Result<(), NodesError> {
        self.0[index] = Process::start(layout, &layout.nodes[index], program)?;
        Ok(())
    }

    /// `kill -9` for one of them.
    pub(crate) async fn kill(&mut self, index: usize) {
        let process = &mut self.0[index];
        process.reported = true;
        // It may have ended by itself just now.
        let _ = process.child.kill().await;
    }

    /// The process ids of those that run, in the order of the nodes.
    pub(crate) fn pids(&self) -> Vec<Option<u32>> {
        self.0.iter().map(|process| process.child.id()).collect()
    }

    /// The first death that was not told yet.
    pub(crate) fn newly_dead(&mut self) -> Option<NodesError> {
        self.0.iter_mut().filter(|process| !process.reported).find_map(|process| {
            let status = process.child.try_wait().ok()??;
            process.reported = true;
            let tail = tail(&process.log).unwrap_or_else(|error| format!("(it cannot be read: {error})"));
            Some(NodesError::Died { node: process.name.clone(), status, log: process.log.clone(), tail })
        })
    }

    /// Whether no process is left.
    pub(crate) fn all_dead(&self) -> bool {
        self.0.iter().all(|process| process.reported)
    }

    /// Asks all to stop, and kills what has not stopped in time; gives the names of those.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        for pid in self.pids().into_iter().flatten() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // It may have ended by itself just now.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut killed = Vec::new();
        for process in &mut self.0 {
            if timeout_at(deadline, process.child.wait()).await.is_err() {
                killed.push(process.name.clone());
                let _ = process.child.kill().await;
            }
        }
        killed
    }
}

impl Process {
    fn start(layout: &Layout, node: &Node, program: &Program) -> Result<Self, NodesError> {
        let log = layout.node_log(node);
        let open = || {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&log)
                .and_then(|file| Ok((file.try_clone()?, file)))
        };
        let (output, errors): (File, File) =
            open().map_err(|source| NodesError::Log { path: log.clone(), source })?;
        let start = || {
            let mut command = match program {
                Program::Own => Command::new(std::env::current_exe()?),
                Program::Other(path) => Command::new(path),
            };
            if *program == Program::Own {
                command.arg("sandbox-node");
            }
            command
                .env("FABRIC_CFG_PATH", fs::canonicalize(layout.node_dir(node))?)
                // Held open for as long as the sandbox lives: a node whose sandbox is gone stops.
                .stdin(Stdio::piped())
                .stdout(output)
                .stderr(errors)
                // Ctrl-C reaches the sandbox alone, which then stops the nodes in order.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        };
        let child = start().map_err(|source| NodesError::Start { node: node.name.clone(), source })?;
        Ok(Self { name: node.name.clone(), log, child, reported: false })
    }
}

fn tail(log: &Path) -> io::Result<String> {
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n"))
}

/// Waits until `ready` says so or a node dies.
pub(crate) async fn wait_until<F>(
    processes: &mut Processes,
    mut ready: impl FnMut() -> F,
) -> Result<(), NodesError>
where
    F: Future<Output = bool>,
{
    loop {
        if let Some(death) = processes.newly_dead() {
            return Err(death);
        }
        if ready().await {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

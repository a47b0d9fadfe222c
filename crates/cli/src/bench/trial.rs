//! A network of its own for one measurement: nodes with TLS, as the sandbox has them, in a directory
//! that is gone afterwards.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use futures::future::join_all;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    client::{
        connection::Endpoint,
        operations,
        participation::{self, ParticipationError},
        tls::{ClientIdentity, Tls},
        transaction::Signer,
    },
    failure::{Failure, because},
    sandbox::{
        layout::{CLIENT_MSPID, Layout, Node},
        material,
        nodes::{Processes, Program, check_ports, wait_until},
    },
    target::signing_identity,
};

/// How many nodes there are.
pub(super) const NODES: usize = 3;
/// How often the nodes are asked how far they are, where time is not what is measured.
const POLL: Duration = Duration::from_millis(100);

/// Which programs are measured, and where.
#[derive(clap::Args)]
#[command(next_help_heading = "Which programs, and where")]
pub(super) struct TrialArguments {
    /// Measure this orderer instead of this program; it must read Fabric's orderer.yaml
    #[arg(long, value_name = "PROGRAM")]
    orderer: Option<PathBuf>,
    /// Measure this orderer afterwards in the same way, and tell the ratios
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// Where the nodes keep their things for the time; needs room for what is ordered (default: the system's temporary directory)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// First port of the first node
    #[arg(long, value_name = "PORT", default_value_t = 17050, value_parser = clap::value_parser!(u16).range(1..))]
    base_port: u16,
}

impl TrialArguments {
    /// The programs, in the order in which they are measured, with their names.
    pub(super) fn programs(&self) -> Vec<(String, Program)> {
        let named = |path: &PathBuf| (path.display().to_string(), Program::Other(path.clone()));
        let first = self.orderer.as_ref().map_or(("causeway".to_owned(), Program::Own), named);
        [Some(first), self.against.as_ref().map(named)].into_iter().flatten().collect()
    }

    /// The network, made and not started.
    pub(super) fn network(&self, program: Program) -> Result<Trial, Failure> {
        let directory = match &self.dir {
            Some(dir) => tempfile::Builder::new().prefix("causeway-bench-").tempdir_in(dir),
            None => tempfile::Builder::new().prefix("causeway-bench-").tempdir(),
        };
        Trial::new(directory?, self.base_port, program)
    }
}

/// The nodes, and how they are reached.
pub(super) struct Trial {
    // Dropped in this order: processes before the directory they write to.
    processes: Option<Processes>,
    program: Program,
    layout: Layout,
    admins: Vec<Endpoint>,
    operations: Vec<Endpoint>,
    orderers: Vec<Endpoint>,
    _directory: TempDir,
}

impl Trial {
    fn new(directory: TempDir, base_port: u16, program: Program) -> Result<Self, Failure> {
        let too_high = || because("the ports of the nodes would be above 65535; lower --base-port");
        let layout = Layout::new(directory.path(), "bench", NODES as u16, base_port).ok_or_else(too_high)?;
        check_ports(&layout, true)?;
        material::generate(&layout)?;
        let load = |certificate: &Path, key: &Path| {
            Tls::load(&[layout.tls_ca()], Some(ClientIdentity { certificate, key }))
        };
        let admin = load(&layout.admin_certificate(), &layout.admin_key())?;
        let client = load(&layout.client_certificate(), &layout.client_key())?;
        let endpoints = |address: fn(&Node) -> String, tls: Option<Tls>| -> Vec<Endpoint> {
            let endpoint = |node| Endpoint { address: address(node), tls: tls.clone(), server_name: None };
            layout.nodes.iter().map(endpoint).collect()
        };
        Ok(Self {
            processes: None,
            program,
            admins: endpoints(Node::admin_address, Some(admin)),
            operations: endpoints(Node::operations_address, None),
            orderers: endpoints(Node::address, Some(client)),
            layout,
            _directory: directory,
        })
    }

    /// Where clients reach the nodes.
    pub(super) fn orderers(&self) -> &[Endpoint] {
        &self.orderers
    }

    /// Signs for a channel as a client that may write to it and read from it.
    pub(super) fn signer(&self, channel: &str) -> Result<Signer, Failure> {
        Ok(Signer::new(signing_identity(&self.layout.client_msp(), CLIENT_MSPID)?, channel))
    }

    /// Where a node keeps ledger, log and snapshots.
    pub(super) fn data_dir(&self, node: usize) -> PathBuf {
        self.layout.node_dir(&self.layout.nodes[node]).join("data")
    }

    /// The process ids of the nodes that run.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.processes.iter().flat_map(Processes::pids).flatten().collect()
    }

    /// The process id of a node that runs.
    pub(super) fn pid(&self, node: usize) -> Option<u32> {
        self.processes.as_ref()?.pids().get(node).copied().flatten()
    }

    /// What a node prints.
    pub(super) fn log(&self, node: usize) -> PathBuf {
        self.layout.node_log(&self.layout.nodes[node])
    }

    /// Starts all nodes and waits until their admin listeners answer.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        let processes = self.processes.insert(Processes::start(&self.layout, &self.program)?);
        for admin in &self.admins {
            wait_until(processes, || async {
                !matches!(participation::channel(admin, "bench").await, Err(ParticipationError::Http(_)))
            })
            .await?;
        }
        Ok(())
    }

    /// Stops all nodes in good order.
    pub(super) async fn stop(&mut self) {
        if let Some(processes) = self.processes.take() {
            processes.stop().await;
        }
    }

    /// `kill -9` for one node.
    pub(super) async fn kill(&mut self, node: usize) {
        if let Some(processes) = &mut self.processes {
            processes.kill(node).await;
        }
    }

    /// Starts a killed node again; returns as soon as there is a process.
    pub(super) fn restart(&mut self, node: usize) -> Result<(), Failure> {
        if let Some(processes) = &mut self.processes {
            processes.restart(node, &self.layout, &self.program)?;
        }
        Ok(())
    }

    /// Joins all nodes to a new channel.
    pub(super) async fn join(&self, channel: &str) -> Result<(), Failure> {
        let genesis = material::genesis_block(&self.layout, channel)?;
        let joins = self.admins.iter().map(|admin| participation::join(admin, &genesis));
        for joined in join_all(joins).await {
            joined?;
        }
        Ok(())
    }

    /// What a node measures, if it answers.
    pub(super) async fn metrics(&self, node: usize) -> Option<String> {
        operations::metrics(&self.operations[node]).await.ok().flatten()
    }

    /// Waits until so many channels have a leader.
    pub(super) async fn wait_for_leaders(&mut self, channels: usize, limit: Duration) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Some(death) = self.processes.as_mut().and_then(Processes::newly_dead) {
                return Err(death.into());
            }
            let metrics = join_all((0..NODES).map(|node| self.metrics(node))).await;
            let led =
                metrics.iter().flatten().map(|text| operations::led_channels(text).count()).sum::<usize>();
            if led >= channels {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(because(format!(
                    "only {led} of {channels} channels have a leader after {limit:?}"
                )));
            }
            sleep(POLL).await;
        }
    }

    /// The node that leads a channel.
    pub(super) async fn leader(&self, channel: &str) -> Option<usize> {
        for node in 0..NODES {
            let metrics = self.metrics(node).await;
            if metrics.is_some_and(|text| operations::led_channels(&text).any(|led| led == channel)) {
                return Some(node);
            }
        }
        None
    }
}

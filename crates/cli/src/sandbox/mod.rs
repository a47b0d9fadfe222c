//! `causeway sandbox`: a network of real nodes on this machine, in one command.

mod agreement;
pub(crate) mod child;
pub mod layout;
pub mod material;
mod network;
pub(crate) mod nodes;
mod story;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use self::{
    layout::Layout,
    network::Network,
    nodes::{Processes, Program, check_ports},
    story::Story,
};
use crate::failure::{Failure, Outcome, because};

const DEFAULT_NODES: u16 = 3;
const DEFAULT_CHANNEL: &str = "sandbox";
const DEFAULT_BASE_PORT: u16 = 7050;
/// How often the state of the nodes is asked for.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// Run a network of ordering nodes on this machine.
///
/// Makes two organisations, their certificates and a channel in the directory, starts every node as a process of
/// its own with TLS, joins them to the channel and waits for a leader. It runs until Ctrl-C and then
/// stops the nodes in order. Started again with the same directory it goes on with what is there.
///
/// Node N listens on --base-port + 10 (N - 1): orderer services there, the admin API one above and metrics
/// two above.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway sandbox                          three nodes in ./sandbox, until Ctrl-C
  causeway sandbox --submit 1000 --once     order 1000 transactions, compare all chains, stop
  causeway sandbox --nodes 5 --dir five --base-port 9000

In another terminal: causeway submit --count 100, causeway watch, causeway bench order.
Settings of the nodes can be overridden as for any Fabric orderer, as in
  ORDERER_GENERAL_BROADCAST_ACKNOWLEDGE=accepted causeway sandbox")]
pub(crate) struct Arguments {
    /// Number of nodes (default: 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=99))]
    nodes: Option<u16>,
    /// The channel (default: sandbox)
    #[arg(long, short = 'c', value_name = "NAME")]
    channel: Option<String>,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = "sandbox")]
    dir: PathBuf,
    /// First port of the first node (default: 7050)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    base_port: Option<u16>,
    /// Order this many signed transactions over all nodes, then compare the header hashes of all chains at every height
    #[arg(long, value_name = "N")]
    submit: Option<u64>,
    /// Stop when that is done; the exit code tells whether all went well
    #[arg(long)]
    once: bool,
    /// Print one JSON object an event
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(sandbox(arguments))
}

async fn sandbox(arguments: Arguments) -> Outcome {
    let story = Story::new(arguments.json);
    let mut stop = StopSignals::listen()?;
    let (layout, fresh) = arguments.layout()?;
    check_ports(&layout, fresh)?;
    if fresh {
        material::generate(&layout)?;
        layout.save()?;
    }
    story.prepared(&layout, fresh);

    let mut processes = Processes::start(&layout, &Program::Own)?;
    let outcome = tokio::select! {
        outcome = live(&arguments, &layout, &mut processes, &story) => outcome,
        () = stop.wait() => Ok(ExitCode::SUCCESS),
    };
    story.stopping();
    let killed = processes.stop().await;
    story.stopped(&killed);
    if killed.is_empty() { outcome } else { outcome.map(|_| ExitCode::FAILURE) }
}

/// Everything from the start of the processes to the end of the work; without `--once` it ends only when all
/// nodes are gone.
async fn live(arguments: &Arguments, layout: &Layout, processes: &mut Processes, story: &Story) -> Outcome {
    let network = Network::new(layout)?;
    network.join(processes, layout).await?;
    let leader = network.leader(processes).await?;
    story.ready(layout, &leader, &processes.pids());

    let mut succeeded = true;
    if let Some(count) = arguments.submit {
        let result = network.submit(count, story).await;
        succeeded = result.is_ok();
        story.submitted(count, layout.nodes.len(), &result);
    }
    if arguments.once {
        return Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    story.next_steps(layout);
    let mut ticks = interval(STATUS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while let Some(death) = processes.newly_dead() {
            story.died(&death);
        }
        if processes.all_dead() {
            return Err(because("all nodes have stopped"));
        }
        story.status(&network.status().await);
    }
}

impl Arguments {
    /// The sandbox that is in the directory, or a new one; whether it is new.
    fn layout(&self) -> Result<(Layout, bool), Failure> {
        if !Layout::exists(&self.dir) {
            let channel = self.channel.as_deref().unwrap_or(DEFAULT_CHANNEL);
            let nodes = self.nodes.unwrap_or(DEFAULT_NODES);
            let base_port = self.base_port.unwrap_or(DEFAULT_BASE_PORT);
            let layout = Layout::new(&self.dir, channel, nodes, base_port);
            let too_high = || {
                because(format!(
                    "{nodes} nodes from port {base_port} on need ports above 65535; lower --base-port"
                ))
            };
            return Ok((layout.ok_or_else(too_high)?, true));
        }
        let layout = Layout::load(&self.dir)?;
        let nodes = layout.nodes.len();
        let base_port = layout.nodes.first().map_or(0, |node| node.port);
        let differs = [
            self.nodes.filter(|asked| usize::from(*asked) != nodes).map(|_| format!("{nodes} nodes")),
            self.channel
                .as_ref()
                .filter(|asked| **asked != layout.channel)
                .map(|_| format!("channel {}", layout.channel)),
            self.base_port.filter(|asked| *asked != base_port).map(|_| format!("base port {base_port}")),
        ];
        match differs.into_iter().flatten().next() {
            None => Ok((layout, false)),
            Some(difference) => Err(because(format!(
                "the sandbox in {} has {difference}; leave the flag out to go on with it, name another --dir, \
                 or remove the directory to start anew",
                self.dir.display()
            ))),
        }
    }
}

/// Ctrl-C and what `kill` sends.
struct StopSignals([tokio::signal::unix::Signal; 3]);

impl StopSignals {
    fn listen() -> Result<Self, Failure> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

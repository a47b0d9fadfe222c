//! `causeway bench idle`: what channels cost that nobody uses.

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    trial::{NODES, Trial, TrialArguments},
    usage::{
        connections_among, cpu_time, disk_bytes, memory_bytes, open_descriptors, peak_memory_bytes, threads,
    },
};
use crate::{
    failure::{Failure, Outcome},
    sandbox::nodes::Program,
    size::parse_duration,
    terminal::{Progress, print_line},
};

/// How long all channels may take to elect their leaders.
const ELECTION_LIMIT: Duration = Duration::from_secs(180);

/// Measure what idle channels cost.
///
/// Starts three nodes with TLS, joins them to the channels, restarts them, waits until every channel has a
/// leader and everything has settled, and then measures what each node uses while nothing is ordered.
/// Ticks are Fabric's default of 500 ms, in every channel.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway bench idle
  causeway bench idle --channels 500 --duration 1m
  causeway bench idle --against /opt/fabric/bin/orderer      the same with Fabric's orderer, and the ratios")]
pub(super) struct Arguments {
    /// Number of channels
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    channels: u16,
    /// How long the idle nodes are watched
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    duration: Duration,
    /// How long the nodes may settle before
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    settle: Duration,
    #[command(flatten)]
    trial: TrialArguments,
    /// Print the figures as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runs = Vec::new();
    for (name, program) in arguments.trial.programs() {
        let run = runtime.block_on(measure(&arguments, name, program))?;
        if !arguments.json {
            print_line(run.text().trim_end());
        }
        runs.push(run);
    }
    let report = Report { runs };
    if arguments.json {
        print_line(&serde_json::to_string(&report)?);
    } else if let Some(ratios) = report.ratios() {
        print_line(&ratios);
    }
    Ok(ExitCode::SUCCESS)
}

/// All that was measured.
#[derive(Serialize)]
struct Report {
    runs: Vec<Run>,
}

/// What one program needs.
#[derive(Serialize)]
struct Run {
    orderer: String,
    channels: u16,
    /// From joining the first channel until all channels had a leader.
    seconds_to_leaders_after_joining: f64,
    /// From starting the processes until all nodes answered.
    seconds_to_ready: f64,
    /// From starting the processes until all channels had a leader.
    seconds_to_leaders: f64,
    /// How long the nodes were watched.
    watched_seconds: f64,
    nodes: Vec<Node>,
}

/// What one node used while it was idle.
#[derive(Serialize)]
struct Node {
    cpu_cores: f64,
    memory_bytes: u64,
    peak_memory_bytes: u64,
    descriptors: usize,
    threads: u64,
    /// TCP connections with the other nodes, whoever made them.
    connections: usize,
    disk_bytes: u64,
}

async fn measure(arguments: &Arguments, name: String, program: Program) -> Result<Run, Failure> {
    let channels = usize::from(arguments.channels);
    let mut trial = arguments.trial.network(program)?;
    trial.start().await?;
    let begun = Instant::now();
    let mut progress = Progress::new("channels joined", Some(channels as u64), arguments.json);
    for channel in 0..channels {
        trial.join(&format!("idle{channel}")).await?;
        progress.update(channel as u64 + 1);
    }
    progress.finish();
    trial.wait_for_leaders(channels, ELECTION_LIMIT).await?;
    let seconds_to_leaders_after_joining = begun.elapsed().as_secs_f64();

    trial.stop().await;
    let begun = Instant::now();
    trial.start().await?;
    let seconds_to_ready = begun.elapsed().as_secs_f64();
    trial.wait_for_leaders(channels, ELECTION_LIMIT).await?;
    let seconds_to_leaders = begun.elapsed().as_secs_f64();
    sleep(arguments.settle).await;

    let (nodes, watched) = watch(&trial, arguments.duration).await;
    trial.stop().await;
    Ok(Run {
        orderer: name,
        channels: arguments.channels,
        seconds_to_leaders_after_joining,
        seconds_to_ready,
        seconds_to_leaders,
        watched_seconds: watched.as_secs_f64(),
        nodes,
    })
}

async fn watch(trial: &Trial, duration: Duration) -> (Vec<Node>, Duration) {
    let pids = trial.pids();
    let cpu = || pids.iter().map(|pid| cpu_time(*pid).unwrap_or_default()).collect::<Vec<_>>();
    let (begun, before) = (Instant::now(), cpu());
    sleep(duration).await;
    let (after, watched) = (cpu(), begun.elapsed());
    let connections = connections_among(&pids);
    let node = |index: usize| {
        let pid = *pids.get(index)?;
        Some(Node {
            cpu_cores: (after[index].saturating_sub(before[index])).as_secs_f64() / watched.as_secs_f64(),
            memory_bytes: memory_bytes(pid)?,
            peak_memory_bytes: peak_memory_bytes(pid)?,
            descriptors: open_descriptors(pid)?,
            threads: threads(pid)?,
            connections: connections[index],
            disk_bytes: disk_bytes(&trial.data_dir(index)),
        })
    };
    ((0..NODES).filter_map(node).collect(), watched)
}

impl Run {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}, {} channels", self.orderer, self.channels);
        let _ = writeln!(
            text,
            "leaders        in all channels {:.1} s after joining began; after a restart {:.1} s (nodes answer after {:.1} s)",
            self.seconds_to_leaders_after_joining, self.seconds_to_leaders, self.seconds_to_ready
        );
        for (index, node) in self.nodes.iter().enumerate() {
            let _ = writeln!(
                text,
                "node {}         {:.4} cores, {:.1} MiB (peak {:.1}), {} descriptors, {} threads, {} connections with other nodes, {:.1} MiB on disk",
                index + 1,
                node.cpu_cores,
                mebibytes(node.memory_bytes),
                mebibytes(node.peak_memory_bytes),
                node.descriptors,
                node.threads,
                node.connections,
                mebibytes(node.disk_bytes),
            );
        }
        text
    }

    fn mean(&self, of: impl Fn(&Node) -> f64) -> f64 {
        self.nodes.iter().map(of).sum::<f64>() / self.nodes.len().max(1) as f64
    }
}

impl Report {
    /// The first program's needs as shares of the second one's.
    fn ratios(&self) -> Option<String> {
        let [first, second] = &self.runs[..] else { return None };
        let share = |of: fn(&Node) -> f64| {
            format!("{:.1} %", 100.0 * first.mean(of) / second.mean(of).max(f64::MIN_POSITIVE))
        };
        Some(format!(
            "ratio          {} of the CPU, {} of the memory, {} of the descriptors, {} of the disk (means over the nodes)",
            share(|node| node.cpu_cores),
            share(|node| node.memory_bytes as f64),
            share(|node| node.descriptors as f64),
            share(|node| node.disk_bytes as f64),
        ))
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

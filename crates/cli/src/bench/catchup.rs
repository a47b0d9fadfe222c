//! `causeway bench catchup`: how soon a node is back that was away.

use std::{fmt::Write as _, fs, process::ExitCode, sync::Arc, time::Duration};

use channel::block::header_hash;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::{
    load::{Plan, Run as Load},
    prepare::{MINIMUM_CONTENT_BYTES, Prepared},
    trial::{NODES, Trial, TrialArguments},
    usage::{cpu_time, peak_memory_bytes},
};
use crate::{
    client::{
        deliver::{Position, fetch},
        operations,
    },
    failure::{Failure, Outcome, because},
    sandbox::nodes::Program,
    size::{parse_bytes, parse_duration},
    terminal::{Progress, print_line},
};

const CHANNEL: &str = "catchup";
/// How long the channel may take to elect its leader.
const ELECTION_LIMIT: Duration = Duration::from_secs(60);
/// Transactions are signed and sent in portions, so that the client needs no memory for all of them.
const PORTION: usize = 20_000;
/// Streams to the leader, and unanswered transactions on each.
const STREAMS: usize = 4;
const WINDOW: usize = 200;
/// For so long no block may come before all is taken to be ordered; far longer than the batch timeout.
const QUIET: Duration = Duration::from_secs(3);
/// How often the node that comes back is asked how far it is.
const POLL: Duration = Duration::from_millis(5);
/// What a node prints when clients are served.
const READY: &str = "Beginning to serve requests";

/// Measure how soon a node is back that was away.
///
/// Starts three nodes with TLS, kills one that does not lead, orders transactions through the other two,
/// starts the third one again, and takes the time from the start of its process until it has all
/// blocks.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway bench catchup
  causeway bench catchup --transactions 200000 --size 2KiB
  causeway bench catchup --against /opt/fabric/bin/orderer   the same with Fabric's orderer, and the ratio")]
pub(super) struct Arguments {
    /// Transactions that the node misses
    #[arg(long, short = 'n', value_name = "N", default_value_t = 60_000)]
    transactions: usize,
    /// Content of a transaction; headers, certificate and signature come on top
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = parse_bytes)]
    size: usize,
    /// Give up when the node is not back after this time
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    trial: TrialArguments,
    /// Print the figures as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    if arguments.size < MINIMUM_CONTENT_BYTES {
        return Err(because(format!("--size must be {MINIMUM_CONTENT_BYTES} bytes at least")));
    }
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
    } else if let [first, second] = &report.runs[..] {
        let share = 100.0 * first.seconds_to_last_block / second.seconds_to_last_block;
        print_line(&format!("ratio          {share:.1} % of the time"));
    }
    Ok(ExitCode::SUCCESS)
}

/// All that was measured.
#[derive(Serialize)]
struct Report {
    runs: Vec<Run>,
}

/// How one program came back. All times count from the start of the process.
#[derive(Serialize)]
struct Run {
    orderer: String,
    transactions: usize,
    size_bytes: usize,
    /// Blocks that the node missed.
    blocks: u64,
    /// What the missed blocks take in the ledger, bytes; what the node's log takes is not in it.
    ledger_bytes: u64,
    seconds_to_ready: f64,
    seconds_to_first_block: f64,
    seconds_to_last_block: f64,
    /// CPU time of the node up to then.
    cpu_seconds: f64,
    peak_memory_bytes: u64,
}

async fn measure(arguments: &Arguments, name: String, program: Program) -> Result<Run, Failure> {
    let mut trial = arguments.trial.network(program)?;
    trial.start().await?;
    trial.join(CHANNEL).await?;
    trial.wait_for_leaders(1, ELECTION_LIMIT).await?;
    let leader = trial.leader(CHANNEL).await.ok_or_else(|| because("the leader is gone again"))?;
    let away = (leader + 1) % NODES;
    let first = 1 + newest(&trial, away).await?.0;
    trial.kill(away).await;
    order(arguments, &trial, leader).await?;
    let height = settled_height(&trial, leader).await?;

    let log = trial.log(away);
    let mark = fs::metadata(&log)?.len() as usize;
    let begun = Instant::now();
    trial.restart(away)?;
    let watching = watch(&trial, away, first, height, mark, begun);
    let phases = timeout(arguments.timeout, watching).await.map_err(|_| {
        because(format!("the node is not back after {:?}; its log says why", arguments.timeout))
    })??;
    let pid = trial.pid(away).ok_or_else(|| because("the node has died"))?;
    let (cpu, peak) = (cpu_time(pid).unwrap_or_default(), peak_memory_bytes(pid).unwrap_or_default());
    let (ours, leaders) = (newest(&trial, away).await?, newest(&trial, leader).await?);
    if ours != leaders {
        return Err(because("the node that came back has another last block than the leader"));
    }
    let ledger_bytes = super::usage::disk_bytes(&trial.data_dir(away).join("ledger").join("chains"));
    trial.stop().await;
    Ok(Run {
        orderer: name,
        transactions: arguments.transactions,
        size_bytes: arguments.size,
        blocks: height - first,
        ledger_bytes,
        seconds_to_ready: phases.ready.as_secs_f64(),
        seconds_to_first_block: phases.first_block.as_secs_f64(),
        seconds_to_last_block: phases.last_block.as_secs_f64(),
        cpu_seconds: cpu.as_secs_f64(),
        peak_memory_bytes: peak,
    })
}

/// Number and header hash of the newest block of a node.
async fn newest(trial: &Trial, node: usize) -> Result<(u64, [u8; 32]), Failure> {
    let connection = trial.orderers()[node].connect().await?;
    let block = fetch(&connection, &trial.signer(CHANNEL)?, Position::Newest).await?;
    let header = block.header.unwrap_or_default();
    Ok((header.number, header_hash(&header)))
}

/// Orders the transactions through the leader.
async fn order(arguments: &Arguments, trial: &Trial, leader: usize) -> Result<(), Failure> {
    let signer = trial.signer(CHANNEL)?;
    let mut connections = Vec::new();
    for _ in 0..STREAMS {
        connections.push(trial.orderers()[leader].connect().await?);
    }
    let mut progress = Progress::new("ordered", Some(arguments.transactions as u64), arguments.json);
    let mut done = 0;
    while done < arguments.transactions {
        let count = PORTION.min(arguments.transactions - done);
        let portion = Arc::new(Prepared::sign(&signer, count, arguments.size, true)?);
        let plan = Plan { streams: STREAMS, window: WINDOW, rate: None, duration: None };
        let load = Load::new(portion, plan);
        let sent = load.clone().send(connections.clone()).await;
        if load.acknowledged() < count {
            let reason = sent.failures.first().map_or("no reason given".to_owned(), ToString::to_string);
            return Err(because(format!("only {} of {count} were ordered: {reason}", load.acknowledged())));
        }
        done += count;
        progress.update(done as u64);
    }
    progress.finish();
    Ok(())
}

/// The height of a node when no more blocks come.
async fn settled_height(trial: &Trial, node: usize) -> Result<u64, Failure> {
    let mut last = (0, Instant::now());
    loop {
        let height =
            height(trial, node).await.ok_or_else(|| because("the leader's metrics tell no height"))?;
        if height != last.0 {
            last = (height, Instant::now());
        } else if last.1.elapsed() >= QUIET {
            return Ok(height);
        }
        sleep(POLL * 20).await;
    }
}

async fn height(trial: &Trial, node: usize) -> Option<u64> {
    operations::height(&trial.metrics(node).await?, CHANNEL)
}

/// When what happened, after the start.
struct Phases {
    ready: Duration,
    first_block: Duration,
    last_block: Duration,
}

async fn watch(
    trial: &Trial,
    node: usize,
    first: u64,
    target: u64,
    mark: usize,
    begun: Instant,
) -> Result<Phases, Failure> {
    let (mut ready, mut first_block) = (None, None);
    loop {
        if ready.is_none() {
            let log = fs::read(trial.log(node))?;
            let new = String::from_utf8_lossy(log.get(mark..).unwrap_or_default()).into_owned();
            ready = new.contains(READY).then(|| begun.elapsed());
        }
        let height = height(trial, node).await.unwrap_or(0);
        if height > first && first_block.is_none() {
            first_block = Some(begun.elapsed());
        }
        if height >= target
            && let (Some(ready), Some(first_block)) = (ready, first_block)
        {
            return Ok(Phases { ready, first_block, last_block: begun.elapsed() });
        }
        sleep(POLL).await;
    }
}

impl Run {
    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{}: {} transactions of {} bytes in {} blocks, {:.1} MiB in the ledger",
            self.orderer,
            self.transactions,
            self.size_bytes,
            self.blocks,
            mebibytes(self.ledger_bytes)
        );
        let _ = writeln!(
            text,
            "back after     {:.2} s (ready after {:.2} s, first block after {:.2} s); {:.2} s CPU, peak {:.1} MiB",
            self.seconds_to_last_block,
            self.seconds_to_ready,
            self.seconds_to_first_block,
            self.cpu_seconds,
            mebibytes(self.peak_memory_bytes)
        );
        text
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

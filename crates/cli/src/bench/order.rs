//! `causeway bench order`: how fast transactions get into blocks.

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    load::{Plan, Run, Sent},
    prepare::{MINIMUM_CONTENT_BYTES, Prepared},
    receive::Receiver,
    report::{ChainReport, Latency, NodeUsage, Report, Usage},
    usage::{cpu_time, listeners, peak_memory_bytes},
};
use crate::{
    client::{
        chain::verifier_from,
        connection::Endpoint,
        deliver::{Blocks, Position, fetch},
        operations::is_leader,
    },
    failure::{Failure, Outcome, because},
    sandbox::layout,
    size::{parse_bytes, parse_duration},
    target::{Target, TargetArguments},
    terminal::{Progress, print_line},
};

/// Transactions of a run that names neither their number nor its duration.
const DEFAULT_COUNT: usize = 50_000;
/// What a run with a duration alone signs ahead, a second of it.
const SIGNED_PER_SECOND: f64 = 25_000.0;
/// How often the state of a run is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Measure how fast transactions get into blocks.
///
/// Signs all transactions ahead on all cores, then sends them on several streams while it receives the chain by
/// Deliver, and at last checks that chain: hash links, data hashes, signatures, and every transaction there
/// exactly once. Reports committed transactions a second, the time from sending a transaction to receiving
/// its block, and CPU time and peak memory of every node whose process is on this machine.
///
/// It drives any orderer that speaks Fabric's protocol. The exit code is 0 only if all that was sent is
/// in the chain.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway bench order --sandbox ./sandbox
  causeway bench order --count 100000 --size 1KiB --streams 8 --window 500
  causeway bench order --rate 2000 --duration 30s          latency under a fixed load
  causeway bench order --spread                            through all nodes
  causeway bench order --orderer 127.0.0.1:7050,127.0.0.1:7060,127.0.0.1:7070 \\
      --operations 127.0.0.1:8443,127.0.0.1:8453,127.0.0.1:8463 --channel mychannel \\
      --msp-dir users/User1@org1.example.com/msp --mspid Org1MSP --tls-ca tlsca.pem")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Operations listeners (plain HTTP) in the order of the orderers: their metrics tell the leader. Without them the first orderer is
    /// taken for it
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    operations: Vec<String>,
    /// Process ids in the order of the orderers (default: found by their ports)
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pids: Vec<u32>,
    /// Send to all orderers (default: to the leader only)
    #[arg(long)]
    spread: bool,
    /// Receive the blocks from this orderer (default: the last one that does not lead)
    #[arg(long, value_name = "HOST:PORT")]
    deliver_from: Option<String>,
    /// Transactions to send (default: 50000, or what fits the duration)
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<usize>,
    /// Stop sending after this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Content of a transaction; headers, certificate and signature come on top
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = parse_bytes)]
    size: usize,
    /// Broadcast streams in all
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    streams: u16,
    /// Connections in all, used by the streams in turn (default: one a stream)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// Unanswered transactions a stream
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    /// Offer this many transactions a second instead of as many as are answered
    #[arg(long, value_name = "TX/S", value_parser = parse_rate)]
    rate: Option<f64>,
    /// Threads that send and receive; more take CPU time from nodes on the same machine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Give up when nothing moves for this long
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = parse_duration)]
    timeout: Duration,
    /// Print the figures as one JSON object
    #[arg(long)]
    json: bool,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if f64::is_finite(rate) && rate > 0.0 => Ok(rate),
        _ => Err(format!("{text} is not a rate; write a number above 0")),
    }
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    if arguments.size < MINIMUM_CONTENT_BYTES {
        return Err(because(format!(
            "--size must be {MINIMUM_CONTENT_BYTES} bytes at least: each transaction carries its number"
        )));
    }
    let target = arguments.target.resolve()?;
    let transactions = Prepared::sign(&target.signer, arguments.count(), arguments.size, arguments.json)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(arguments.threads.into())
        .enable_all()
        .build()?;
    let report = runtime.block_on(measure(&arguments, &target, Arc::new(transactions)));
    // Streams that an orderer left hanging are not waited for.
    runtime.shutdown_background();
    let report = report?;
    if arguments.json {
        print_line(&serde_json::to_string(&report)?);
    } else {
        print_line(report.text().trim_end());
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    fn count(&self) -> usize {
        match (self.count, self.duration) {
            (Some(count), _) => count,
            (None, None) => DEFAULT_COUNT,
            (None, Some(duration)) => {
                (self.rate.unwrap_or(SIGNED_PER_SECOND) * duration.as_secs_f64()).ceil() as usize
            }
        }
    }
}

/// The orderers of a run and which of them leads.
struct Orderers<'a> {
    all: &'a [Endpoint],
    leader: usize,
}

impl<'a> Orderers<'a> {
    async fn find(arguments: &Arguments, target: &'a Target) -> Self {
        let all = &target.endpoints;
        let mut operations = arguments.operations.clone();
        if operations.is_empty() && arguments.target.orderers.is_empty() {
            operations.extend(
                target
                    .sandbox
                    .iter()
                    .flat_map(|sandbox| &sandbox.nodes)
                    .map(layout::Node::operations_address),
            );
        }
        for (index, address) in operations.into_iter().enumerate().take(all.len()) {
            let endpoint = Endpoint { address, tls: None, server_name: None };
            if is_leader(&endpoint, target.signer.channel()).await.ok().flatten() == Some(true) {
                return Self { all, leader: index };
            }
        }
        Self { all, leader: 0 }
    }

    /// Those that are sent to.
    fn receiving_load(&self, spread: bool) -> &'a [Endpoint] {
        if spread { self.all } else { &self.all[self.leader..=self.leader] }
    }

    /// The one that delivers: it should have the least else to do.
    fn delivering(&self, named: Option<&str>) -> Endpoint {
        let follower = self.all.iter().enumerate().rev().find(|(index, _)| *index != self.leader);
        let mut endpoint = follower.map_or(&self.all[self.leader], |(_, endpoint)| endpoint).clone();
        if let Some(address) = named {
            endpoint.address = address.to_owned();
        }
        endpoint
    }

    fn pids(&self, given: &[u32]) -> Vec<Option<u32>> {
        if !given.is_empty() {
            return (0..self.all.len()).map(|index| given.get(index).copied()).collect();
        }
        let port =
            |endpoint: &Endpoint| endpoint.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let ports: Vec<Option<u16>> = self.all.iter().map(port).collect();
        let found = listeners(&ports.iter().flatten().copied().collect::<Vec<_>>());
        ports.into_iter().map(|port| port.and_then(|port| found.get(&port).copied())).collect()
    }
}

async fn measure(
    arguments: &Arguments,
    target: &Target,
    transactions: Arc<Prepared>,
) -> Result<Report, Failure> {
    let orderers = Orderers::find(arguments, target).await;
    let pids = orderers.pids(&arguments.pids);
    let loaded = orderers.receiving_load(arguments.spread);
    let delivering = orderers.delivering(arguments.deliver_from.as_deref());

    let deliver = delivering.connect().await?;
    let newest = fetch(&deliver, &target.signer, Position::Newest).await?;
    let first = newest.header.map_or(0, |header| header.number) + 1;
    let verifier = verifier_from(&deliver, &target.signer, first).await?;
    let blocks = Blocks::follow(&deliver, &target.signer, Position::Number(first))?;
    let mut connections = Vec::new();
    for endpoint in loaded.iter().cycle().take(arguments.connections.unwrap_or(arguments.streams).into()) {
        connections.push(endpoint.connect().await?);
    }

    let plan = Plan {
        streams: arguments.streams.into(),
        window: arguments.window as usize,
        rate: arguments.rate,
        duration: arguments.duration,
    };
    let cpu_before: Vec<_> = pids.iter().map(|pid| pid.and_then(cpu_time)).collect();
    let client_before = cpu_time(std::process::id()).unwrap_or_default();
    let run = Run::new(transactions.clone(), plan);
    let receiver = Receiver::new(transactions, run.clone(), verifier);
    let receiving = tokio::spawn(receiver.clone().receive(blocks));
    let sent = drive(arguments, &run, &receiver, connections).await;
    let cpu_after: Vec<_> = pids.iter().map(|pid| pid.and_then(cpu_time)).collect();
    let client_after = cpu_time(std::process::id()).unwrap_or_default();

    let mut failures: Vec<String> = sent.failures.iter().map(ToString::to_string).collect();
    // What is missing may be in blocks that are still on their way behind those of others.
    let patience = Instant::now() + arguments.timeout;
    while receiver.check() < run.sent_count() && Instant::now() < patience && !receiving.is_finished() {
        sleep(POLL_INTERVAL).await;
    }
    if receiving.is_finished() {
        failures.extend(receiving.await.ok().map(|error| error.to_string()));
    } else {
        receiving.abort();
    }

    let missing = receiver.missing(run.sent_count()).len();
    Ok(receiver.findings(|found| {
        let end = found.last_arrival.unwrap_or_else(Instant::now);
        let seconds = end.saturating_duration_since(run.started()).as_secs_f64();
        let share = |cpu: Duration| cpu.as_secs_f64() * 1e6 / found.committed.max(1) as f64;
        let usage = |pid: u32, before: Duration, after: Duration| {
            let cpu = after.saturating_sub(before);
            Some(Usage {
                cpu_seconds: cpu.as_secs_f64(),
                cpu_us_per_transaction: share(cpu),
                peak_memory_bytes: peak_memory_bytes(pid)?,
            })
        };
        let nodes = orderers.all.iter().enumerate().map(|(index, endpoint)| NodeUsage {
            address: endpoint.address.clone(),
            pid: pids[index],
            leader: index == orderers.leader,
            usage: pids[index].and_then(|pid| usage(pid, cpu_before[index]?, cpu_after[index]?)),
        });
        Report {
            channel: target.signer.channel().to_owned(),
            orderers: loaded.iter().map(|endpoint| endpoint.address.clone()).collect(),
            delivered_by: delivering.address.clone(),
            size_bytes: arguments.size,
            streams: plan.streams,
            window: plan.window,
            offered_rate: plan.rate,
            sent: run.sent_count(),
            acknowledged: run.acknowledged(),
            committed: found.committed,
            missing,
            duplicated: found.duplicated,
            changed: found.changed,
            of_others: found.foreign,
            seconds,
            committed_per_second: found.committed as f64 / seconds.max(f64::EPSILON),
            acknowledged_per_second: run.acknowledged() as f64
                / sent.duration.as_secs_f64().max(f64::EPSILON),
            latency_ms: Latency::of(&mut found.latencies),
            blocks: found.blocks,
            transactions_per_block: found.committed as f64 / found.blocks.max(1) as f64,
            nodes: nodes.collect(),
            client: usage(std::process::id(), client_before, client_after).unwrap_or(Usage {
                cpu_seconds: 0.0,
                cpu_us_per_transaction: 0.0,
                peak_memory_bytes: 0,
            }),
            chain: ChainReport {
                first_block: found.range.map(|range| range.0),
                last_block: found.range.map(|range| range.1),
                faults: std::mem::take(&mut found.faults),
            },
            failures,
        }
    }))
}

/// Sends everything and waits until as many transactions have come back in blocks, or nothing moves any more.
async fn drive(
    arguments: &Arguments,
    run: &Arc<Run>,
    receiver: &Receiver,
    connections: Vec<crate::client::connection::Connection>,
) -> Sent {
    let mut progress = Progress::new("in blocks", None, arguments.json);
    let sending = run.clone().send(connections);
    tokio::pin!(sending);
    let mut sent = None;
    let mut last_state = (0, 0);
    let mut moved = Instant::now();
    loop {
        if sent.is_none() {
            sent = timeout(POLL_INTERVAL, &mut sending).await.ok();
        } else {
            sleep(POLL_INTERVAL).await;
        }
        let entries = receiver.entries();
        progress.update(entries as u64);
        let state = (entries, run.acknowledged());
        if state != last_state {
            last_state = state;
            moved = Instant::now();
        }
        if let Some(sent) =
            sent.take_if(|_| entries >= run.sent_count() || moved.elapsed() > arguments.timeout)
        {
            progress.finish();
            return sent;
        }
        if sent.is_none() && moved.elapsed() > arguments.timeout {
            run.stop();
            progress.finish();
            let failures = vec![];
            return Sent { duration: run.started().elapsed(), failures };
        }
    }
}

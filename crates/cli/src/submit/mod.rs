//! `causeway submit`: signs transactions and sends them to a channel.

mod payloads;
mod sender;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use serde::Serialize;

use crate::{
    failure::{Failure, Outcome, because},
    size::{parse_bytes, parse_duration},
    submit::{
        payloads::Source,
        sender::{Fate, Sender, Settled},
    },
    target::{Target, TargetArguments},
    terminal::{Progress, print_line},
};

/// Sign transactions and send them to a channel.
///
/// The content comes from files (each file is one transaction), is generated (--count), or is read from
/// standard input (each line is one transaction). Transactions are sent in their order over one stream; when an orderer
/// cannot take them, the next one is tried.
///
/// A transaction is sent again only when it is certain that it was not ordered. When the connection breaks
/// before the answer, the chain is searched for it, and what was not found is reported and not sent again. The
/// exit code is 0 only if every transaction was acknowledged.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway submit --count 1000 --size 1KiB
  echo 'hello' | causeway submit --sandbox ./sandbox
  causeway submit --file a.bin --file b.bin --orderer orderer0.example.com:7050 --channel mychannel \\
      --msp-dir users/User1@org1.example.com/msp --mspid Org1MSP --tls-ca tlsca.pem")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// A file whose content is one transaction; may be given several times
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "count")]
    file: Vec<PathBuf>,
    /// Generate this many transactions
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// Content of a generated transaction (random bytes, after a number)
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = parse_bytes, requires = "count")]
    size: usize,
    /// How many may be on their way unanswered
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    window: u32,
    /// Give up when no orderer takes a transaction for this long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
    /// Print one JSON object a transaction and a last one with the totals
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct TransactionReport<'a> {
    transaction: &'a str,
    id: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// How many transactions met which end.
#[derive(Default, Serialize)]
struct Totals {
    acknowledged: u64,
    found_in_chain: u64,
    refused: u64,
    unknown: u64,
    not_sent: u64,
}

impl Totals {
    fn count(&mut self, fate: &Fate) {
        *match fate {
            Fate::Acknowledged => &mut self.acknowledged,
            Fate::FoundInChain { .. } => &mut self.found_in_chain,
            Fate::Refused(_) => &mut self.refused,
            Fate::Unknown(_) => &mut self.unknown,
            Fate::NotSent(_) => &mut self.not_sent,
        } += 1;
    }

    fn failed(&self) -> u64 {
        self.refused + self.unknown + self.not_sent
    }

    fn settled(&self) -> u64 {
        self.acknowledged + self.found_in_chain + self.failed()
    }
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(submit(arguments))
}

async fn submit(arguments: Arguments) -> Outcome {
    let target = arguments.target.resolve()?;
    let source = match arguments.count {
        Some(count) => Source::Generated { count, size: arguments.size },
        None if arguments.file.is_empty() => Source::Lines,
        None => Source::Files(arguments.file),
    };
    let total = source.total();
    let transactions = payloads::sign(source, target.signer.clone());
    let mut sender = Sender::new(target, arguments.window as usize, arguments.timeout);

    let mut totals = Totals::default();
    let mut progress = Progress::new("acknowledged", total, arguments.json);
    let started = std::time::Instant::now();
    let unread = sender
        .send_all(transactions, |settled| {
            totals.count(&settled.fate);
            progress.update(totals.settled());
            report(&settled, arguments.json);
        })
        .await;
    progress.finish();
    if let Err(reason) = unread {
        return Err(because(format!(
            "{reason}; {} transactions were acknowledged before",
            totals.acknowledged
        )));
    }

    if arguments.json {
        print_line(&serde_json::to_string(&totals)?);
    } else {
        summarize(&totals, started.elapsed());
    }
    Ok(if totals.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends `count` generated transactions of 1 KiB; gives their ids when all of them were ordered.
pub(crate) async fn generate_and_send(target: Target, count: u64) -> Result<Vec<String>, Failure> {
    let transactions = payloads::sign(Source::Generated { count, size: 1 << 10 }, target.signer.clone());
    let mut ids = Vec::new();
    let mut failure = None;
    let mut sender = Sender::new(target, 500, Duration::from_secs(30));
    let sending = sender.send_all(transactions, |settled| match settled.fate {
        Fate::Acknowledged | Fate::FoundInChain { .. } => ids.push(settled.transaction.id),
        Fate::Refused(reason) | Fate::Unknown(reason) | Fate::NotSent(reason) => {
            failure.get_or_insert(format!("{} was not ordered: {reason}", settled.transaction.name));
        }
    });
    sending.await.map_err(because)?;
    failure.map_or(Ok(ids), |failure| Err(because(failure)))
}

fn report(settled: &Settled, json: bool) {
    let (outcome, reason) = match &settled.fate {
        Fate::Acknowledged => ("acknowledged", None),
        Fate::FoundInChain { block } => ("found_in_chain", Some(format!("in block {block}"))),
        Fate::Refused(reason) => ("refused", Some(reason.clone())),
        Fate::Unknown(reason) => ("unknown", Some(reason.clone())),
        Fate::NotSent(reason) => ("not_sent", Some(reason.clone())),
    };
    if json {
        let report = TransactionReport {
            transaction: &settled.transaction.name,
            id: &settled.transaction.id,
            outcome,
            reason: reason.as_deref(),
        };
        // A struct of strings always serializes.
        print_line(&serde_json::to_string(&report).unwrap_or_default());
    } else if let Some(reason) = reason {
        let name = &settled.transaction.name;
        eprintln!("{name}: {}: {reason} (id {})", outcome.replace('_', " "), settled.transaction.id);
    }
}

fn summarize(totals: &Totals, took: Duration) {
    let kept = totals.acknowledged + totals.found_in_chain;
    print_line(&format!(
        "{kept} of {} transactions ordered in {:.2} s ({:.0}/s)",
        totals.settled(),
        took.as_secs_f64(),
        kept as f64 / took.as_secs_f64().max(0.001)
    ));
    for (count, text) in [
        (totals.refused, "refused: the orderer gave the reason; they were not ordered"),
        (
            totals.unknown,
            "unknown: sent, not answered and not found in the chain; look for their ids before sending again",
        ),
        (totals.not_sent, "not sent: no orderer took them; they can be sent again"),
    ] {
        if count > 0 {
            print_line(&format!("{count} {text}"));
        }
    }
}

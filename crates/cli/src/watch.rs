//! `causeway watch`: follows a channel and verifies what it receives.

use std::{
    process::ExitCode,
    str::FromStr,
    time::{Duration, Instant},
};

use channel::block;
use protos::common::Block;
use serde::Serialize;
use time::{OffsetDateTime, macros::format_description};

use crate::{
    client::{
        chain::{ChainVerifier, verifier_from},
        connection::Connection,
        deliver::{Blocks, DeliverError, Position, fetch},
    },
    failure::{Failure, Outcome, because, explain},
    size::parse_duration,
    target::{Target, TargetArguments},
    terminal::print_line,
};

/// Between two attempts to reach an orderer.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Follow a channel: one line a block, each block verified.
///
/// Every block's number, link to the block before, data hash and orderer signatures are checked; what does not
/// fit is printed with the block, and the exit code is 1 then. When an orderer goes away, the next one is asked.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway watch                                  new blocks of the sandbox here
  causeway watch --from oldest --until newest     the whole chain, then stop
  causeway watch --from 100 --count 5 --json
  causeway watch --orderer orderer0.example.com:7050 --channel mychannel \\
      --msp-dir users/User1@org1.example.com/msp --mspid Org1MSP --tls-ca tlsca.pem")]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// First block: oldest, newest or a number
    #[arg(long, value_name = "BLOCK", default_value = "newest")]
    from: Position,
    /// Stop after this many blocks
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// Stop after this block: newest (at the time of the request) or a number
    #[arg(long, value_name = "BLOCK")]
    until: Option<Position>,
    /// Give up when no orderer delivers for this long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
    /// Print one JSON object a block
    #[arg(long)]
    json: bool,
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "oldest" => Ok(Self::Oldest),
            "newest" => Ok(Self::Newest),
            _ => text
                .parse()
                .map(Self::Number)
                .map_err(|_| format!("{text} is not a block; write oldest, newest or a number")),
        }
    }
}

#[derive(Serialize)]
struct BlockReport {
    number: u64,
    transactions: usize,
    data_bytes: usize,
    hash: String,
    previous_hash: String,
    data_hash: String,
    config: bool,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    received: String,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(arguments))
}

async fn watch(arguments: Arguments) -> Outcome {
    let target = arguments.target.resolve()?;
    if arguments.count == Some(0) {
        return Ok(ExitCode::SUCCESS);
    }
    let mut watch = Watch {
        json: arguments.json,
        left: arguments.count,
        last: None,
        verifier: None,
        next: None,
        sound: true,
    };
    let mut last_progress = Instant::now();
    let mut turn = 0;
    loop {
        let seen = watch.next;
        let failure = match watch.follow(&target, turn, arguments.from, arguments.until).await {
            Ok(()) => return Ok(if watch.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
            Err(failure) => failure,
        };
        if watch.next != seen {
            last_progress = Instant::now();
        }
        if let Interruption::Final(failure) = failure {
            return Err(failure);
        }
        if last_progress.elapsed() >= arguments.timeout {
            let Interruption::Passing(text) = failure else { continue };
            return Err(because(text));
        }
        turn += 1;
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Why an orderer gives no more blocks.
enum Interruption {
    /// Another orderer, or a later attempt, may.
    Passing(String),
    /// Trying again is of no use.
    Final(Failure),
}

impl From<DeliverError> for Interruption {
    fn from(error: DeliverError) -> Self {
        use protos::common::Status;
        match &error {
            DeliverError::Refused { status, .. }
                if [Status::Forbidden as i32, Status::BadRequest as i32].contains(status) =>
            {
                Self::Final(error.into())
            }
            DeliverError::Signing(_) => Self::Final(error.into()),
            _ => Self::Passing(error.to_string()),
        }
    }
}

struct Watch {
    json: bool,
    left: Option<u64>,
    /// The last block to be shown, once it is known.
    last: Option<u64>,
    verifier: Option<ChainVerifier>,
    next: Option<u64>,
    sound: bool,
}

impl Watch {
    /// Shows what one orderer delivers; `Ok` when everything asked for has been shown.
    async fn follow(
        &mut self,
        target: &Target,
        turn: usize,
        from: Position,
        until: Option<Position>,
    ) -> Result<(), Interruption> {
        let endpoint = &target.endpoints[turn % target.endpoints.len()];
        let connection = endpoint.connect().await.map_err(|error| Interruption::Passing(explain(&error)))?;
        let first = match (self.next, from) {
            (Some(next), _) => next,
            (None, Position::Oldest) => 0,
            (None, Position::Number(number)) => number,
            (None, Position::Newest) => newest(&connection, target).await?,
        };
        if self.last.is_none() {
            self.last = match until {
                None => None,
                Some(Position::Oldest) => Some(0),
                Some(Position::Number(number)) => Some(number),
                Some(Position::Newest) => Some(newest(&connection, target).await?),
            };
        }
        if self.last.is_some_and(|last| last < first) {
            return Ok(());
        }
        let mut blocks = Blocks::follow(&connection, &target.signer, Position::Number(first))?;
        while let Some(block) = blocks.next().await? {
            let verifier = match &mut self.verifier {
                Some(verifier) => verifier,
                // Only now: the block before `first` exists for certain.
                None => {
                    let verifier = verifier_from(&connection, &target.signer, first)
                        .await
                        .map_err(|error| Interruption::Passing(explain(&error)))?;
                    self.verifier.insert(verifier)
                }
            };
            let fault = verifier.check(&block).err().map(|fault| explain(&fault));
            self.sound &= fault.is_none();
            let number = block.header.as_ref().map_or(first, |header| header.number);
            self.next = Some(number + 1);
            let printed = print_line(&self.line(&block, fault));
            if let Some(left) = &mut self.left {
                *left -= 1;
            }
            if !printed || self.left == Some(0) || self.last.is_some_and(|last| number >= last) {
                return Ok(());
            }
        }
        Err(Interruption::Passing(format!("{} ended the stream of blocks", endpoint.address)))
    }

    fn line(&self, block: &Block, fault: Option<String>) -> String {
        let header = block.header.clone().unwrap_or_default();
        let entries = block.data.as_ref().map_or(&[][..], |data| &data.data);
        let received = OffsetDateTime::now_utc()
            .format(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
            ))
            .unwrap_or_default();
        let report = BlockReport {
            number: header.number,
            transactions: entries.len(),
            data_bytes: entries.iter().map(|entry| entry.len()).sum(),
            hash: hex::encode(block::header_hash(&header)),
            previous_hash: hex::encode(&header.previous_hash),
            data_hash: hex::encode(&header.data_hash),
            config: block::is_config_block(block),
            verified: fault.is_none(),
            fault,
            received,
        };
        if self.json {
            // A struct of strings and numbers always serializes.
            return serde_json::to_string(&report).unwrap_or_default();
        }
        let what = match (report.config, report.transactions) {
            (true, _) => "config".to_owned(),
            (false, 1) => "1 transaction".to_owned(),
            (false, count) => format!("{count} transactions"),
        };
        let verdict =
            report.fault.map_or_else(|| "verified".to_owned(), |fault| format!("NOT VALID: {fault}"));
        format!(
            "{}  block {:<8} {what:>18} {:>10} bytes  {}  {verdict}",
            report.received.get(11..23).unwrap_or_default(),
            report.number,
            report.data_bytes,
            report.hash.get(..16).unwrap_or_default(),
        )
    }
}

async fn newest(connection: &Connection, target: &Target) -> Result<u64, Interruption> {
    let block = fetch(connection, &target.signer, Position::Newest).await?;
    Ok(block.header.map_or(0, |header| header.number))
}

//! `causeway inspect`: shows and verifies a block, a channel's config, or a ledger on disk.

mod block;
mod config;
mod ledger;
mod outline;
pub(crate) mod policy;

use std::{fs, io::ErrorKind, path::PathBuf, process::ExitCode};

use channel::{block::last_config_index, bundle::Bundle};
use protos::{Message, common::Block};
use serde::Serialize;

use self::{block::BlockReport, config::ConfigReport, outline::outline};
use crate::{
    client::deliver::{Position, fetch},
    failure::{Failure, Outcome, because, explain},
    target::TargetArguments,
    terminal::print_line,
};

/// Show and verify a block, a channel's config, or a ledger on disk.
///
/// A file is taken for a block (as `peer channel fetch` or `configtxgen` write it); one that carries a channel
/// config shows that too. A directory is taken for a ledger (an orderer's FileLedger.Location):
/// the position, number, link, data hash and signatures of every block are verified, and what is
/// wrong is said with the file and the byte. Nothing is changed on disk. The exit code is 1 when
/// something is wrong.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway inspect sandbox/sandbox.block            a genesis block and its config
  causeway inspect sandbox/node1/data/ledger        every channel of a stopped or running node
  causeway inspect --fetch newest                   the newest block of the sandbox here
  causeway inspect --fetch config --json            the channel's config now
  causeway inspect --fetch config --output c.block  the same, and its block in a file, to join a node with")]
pub(crate) struct Arguments {
    /// A block file or a ledger directory
    #[arg(value_name = "PATH", required_unless_present = "fetch", conflicts_with = "fetch")]
    path: Option<PathBuf>,
    /// Fetch a block from an orderer: newest, oldest, a number, or config (the config block in force)
    #[arg(long, value_name = "BLOCK")]
    fetch: Option<Wanted>,
    /// Write the fetched block to a file, as `peer channel fetch` does; for joining a node, say
    #[arg(long, value_name = "FILE", requires = "fetch")]
    output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A block to fetch.
#[derive(Clone, Copy)]
enum Wanted {
    At(Position),
    Config,
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "config" => Ok(Self::Config),
            _ => text.parse().map(Self::At).map_err(|reason: String| format!("{reason}, or config")),
        }
    }
}

#[derive(Serialize)]
struct BlockFileReport {
    block: BlockReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConfigReport>,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let block = match (&arguments.path, arguments.fetch) {
        (Some(path), _) if path.is_dir() => {
            let report = ledger::inspect(path, arguments.target.channel.as_deref())?;
            return show(&report, report.is_sound(), arguments.json);
        }
        (Some(path), _) => read_block(path)?,
        (None, Some(wanted)) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(fetch_block(&arguments.target, wanted))?
        }
        // clap asks for one of the two.
        (None, None) => return Err(because("give a block file, a ledger directory or --fetch BLOCK")),
    };
    if let Some(path) = &arguments.output {
        fs::write(path, block.encode_to_vec())
            .map_err(|error| because(format!("{} cannot be written: {error}", path.display())))?;
    }
    let mut report = BlockReport::of(&block);
    let config = match Bundle::from_config_block(&block) {
        Ok(bundle) => {
            report.verify_genesis_of(&bundle);
            Some(ConfigReport::of(&bundle))
        }
        Err(channel::bundle::ConfigBlockError::NotConfig(_) | channel::bundle::ConfigBlockError::Empty) => {
            None
        }
        Err(error) if report.config => {
            report.faults.push(format!("its channel config is not valid: {}", explain(&error)));
            None
        }
        Err(_) => None,
    };
    let sound = report.faults.is_empty();
    show(&BlockFileReport { block: report, config }, sound, arguments.json)
}

fn show(report: &impl Serialize, sound: bool, json: bool) -> Outcome {
    let text = if json { serde_json::to_string_pretty(report)? } else { outline(report)? };
    print_line(text.trim_end());
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_block(path: &PathBuf) -> Result<Block, Failure> {
    let bytes = fs::read(path).map_err(|error| {
        let hint = if error.kind() == ErrorKind::NotFound {
            "; to fetch a block from an orderer use --fetch"
        } else {
            ""
        };
        because(format!("{} cannot be read: {error}{hint}", path.display()))
    })?;
    Block::decode(&bytes[..]).map_err(|error| {
        because(format!(
            "{} is not a block ({error}); for a ledger name its directory (FileLedger.Location)",
            path.display()
        ))
    })
}

async fn fetch_block(target: &TargetArguments, wanted: Wanted) -> Result<Block, Failure> {
    let target = target.resolve()?;
    let mut failure = None;
    for endpoint in &target.endpoints {
        let connection = match endpoint.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                failure = Some(Failure::from(error));
                continue;
            }
        };
        let position = match wanted {
            Wanted::At(position) => position,
            Wanted::Config => Position::Number(last_config_index(
                &fetch(&connection, &target.signer, Position::Newest).await?,
            )?),
        };
        return Ok(fetch(&connection, &target.signer, position).await?);
    }
    // A target has one endpoint at least.
    Err(failure.unwrap_or_else(|| because("no orderer is named")))
}

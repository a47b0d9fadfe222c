//! `causeway config diff`.

use std::{path::PathBuf, process::ExitCode};

use channel::configtx::review_update;
use protos::common::Config;
use serde::Serialize;

use super::{
    difference::{self, Change},
    document::{self, Held},
    live::config_at,
};
use crate::{
    client::deliver::Position,
    failure::{Failure, Outcome, because},
    target::{Target, TargetArguments},
    terminal::{print_line, print_lines},
};

/// Tell the difference between two configs in words
///
/// A config is named by a file (a block, a config as protobuf or JSON, or a config update), by `block:N` (the
/// config in force at that block) or by `live` (the one in force now). With one name it is compared with the
/// live config: from the live one to a file, from a block to the live one. The exit code is 0 when there is no
/// difference and 1 when there is one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config diff update.pb               what an update would change
  causeway config diff config.json             what an edited config would change
  causeway config diff block:0                 what has changed since the channel began
  causeway config diff block:3 block:9 --json
  causeway config diff old.block new.block     two files; no orderer is asked")]
pub(super) struct Arguments {
    /// A file, block:N or live
    #[arg(value_name = "FROM")]
    first: Named,
    /// The same; without it the live config is compared
    #[arg(value_name = "TO")]
    second: Option<Named>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// A config by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Live,
    Block(u64),
    File(PathBuf),
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("block:") {
            Some(number) => {
                number.parse().map(Self::Block).map_err(|_| format!("{text}: give block:N, as in block:5"))
            }
            None if text == "live" => Ok(Self::Live),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Block(number) => write!(f, "block:{number}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Both sides, older first where that can be told.
fn sides(first: Named, second: Option<Named>) -> (Named, Named) {
    match (first, second) {
        (first, Some(second)) => (first, second),
        (file @ Named::File(_), None) => (Named::Live, file),
        (block, None) => (block, Named::Live),
    }
}

#[derive(Serialize)]
struct Difference {
    from: String,
    to: String,
    changes: Vec<Change>,
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    let (from, to) = sides(arguments.first, arguments.second);
    let mut source = Source { arguments: &arguments.target, target: None };
    let old = source.config(&from).await?;
    let new = source.config(&to).await?;
    let changes = difference::between(&old, &new);
    let code = if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if arguments.json {
        let difference = Difference { from: from.to_string(), to: to.to_string(), changes };
        print_line(&serde_json::to_string_pretty(&difference)?);
    } else if changes.is_empty() {
        print_line(&format!("no difference between {from} and {to}"));
    } else {
        print_lines(changes.into_iter().map(|change| change.text));
    }
    Ok(code)
}

/// Where configs come from; the network is asked only if one is wanted from there.
struct Source<'a> {
    arguments: &'a TargetArguments,
    target: Option<Target>,
}

impl Source<'_> {
    async fn config(&mut self, named: &Named) -> Result<Config, Failure> {
        let path = match named {
            Named::Live => return Ok(config_at(self.target()?, Position::Newest).await?.config().clone()),
            Named::Block(number) => {
                return Ok(config_at(self.target()?, Position::Number(*number)).await?.config().clone());
            }
            Named::File(path) => path,
        };
        match document::read(path)? {
            Held::Config(config) => Ok(config),
            Held::Update(update) => {
                let live = config_at(self.target()?, Position::Newest).await?;
                let review = review_update(&live.bundle, update.content()).map_err(|error| {
                    because(format!("{}: {error}; it was made for another config", path.display()))
                })?;
                Ok(review.config)
            }
        }
    }

    fn target(&mut self) -> Result<&Target, Failure> {
        if self.target.is_none() {
            self.target = Some(self.arguments.resolve_as_administrator()?);
        }
        self.target.as_ref().ok_or_else(|| because("no orderer is named"))
    }
}

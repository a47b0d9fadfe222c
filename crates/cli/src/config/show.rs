//! `causeway config show`.

use std::process::ExitCode;

use super::{
    difference::all_settings,
    document,
    live::config_at,
    words::{Words, consenter},
};
use crate::{
    client::deliver::Position,
    failure::{Outcome, because},
    target::TargetArguments,
    terminal::{print_line, print_lines},
};

/// Show a channel's config
///
/// Prints every setting by the path under which `edit --set` changes it and `diff` names it. The config is
/// fetched from an orderer and its signatures are verified.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config show                              the config of the sandbox here
  causeway config show orderer.batch_size           settings that begin so
  causeway config show --json > config.json         to be edited and given to `config edit --file`
  causeway config show --block 5                    the config that was in force at block 5")]
pub(super) struct Arguments {
    /// Only settings whose paths begin so
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Print the config as JSON, as `configtxlator proto_decode --type common.Config` does
    #[arg(long, conflicts_with = "paths")]
    json: bool,
    /// The config in force at this block, instead of now
    #[arg(long, value_name = "NUMBER")]
    block: Option<u64>,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    let target = arguments.target.resolve_as_administrator()?;
    let position = arguments.block.map_or(Position::Newest, Position::Number);
    let live = config_at(&target, position).await?;
    if arguments.json {
        print_line(document::show(live.config())?.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = |path: &str| {
        arguments.paths.is_empty() || arguments.paths.iter().any(|wanted| path.starts_with(wanted.as_str()))
    };
    let settings: Vec<_> = all_settings(live.config()).into_iter().filter(|(path, _)| wanted(path)).collect();
    if settings.is_empty() {
        return Err(because(format!(
            "the config has no setting that begins with {}; `causeway config show` lists all",
            arguments.paths.join(" or ")
        )));
    }
    if arguments.paths.is_empty() {
        let (sequence, block) = (live.bundle.sequence(), live.block);
        print_line(&format!("channel {}, config {sequence} (block {block})", target.signer.channel()));
    }
    print_lines(settings.iter().map(|(path, words)| line(path, words)));
    Ok(ExitCode::SUCCESS)
}

/// A setting; of several things each on a line of its own.
fn line(path: &str, words: &Words) -> String {
    let several: Vec<String> = match words {
        Words::Many(texts) if texts.len() > 1 => texts.clone(),
        Words::Consenters(consenters) => consenters.iter().map(consenter).collect(),
        one => return format!("{path} = {}", one.line()),
    };
    several.iter().fold(format!("{path} ="), |text, one| format!("{text}\n  {one}"))
}

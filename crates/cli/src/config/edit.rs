//! `causeway config edit`.

use std::{fs, path::PathBuf, process::ExitCode};

use super::{
    assignment::{Assignment, SETTABLE},
    document::{self, DocumentError},
    editor,
    live::config_at,
    proposal::ProposalArguments,
};
use crate::{
    client::deliver::Position,
    failure::{Outcome, because},
    terminal::print_lines,
};

/// Change settings of a channel
///
/// With --set the settings that are named are changed. Otherwise the config opens as JSON in $VISUAL or
/// $EDITOR; what is saved there is computed into an update. JSON that cannot be read goes back to the editor,
/// or is kept in a file that the error names.
///
/// A list takes VALUE,VALUE, and += and -= to add to it or take from it. A policy is written as in
/// configtx.yaml. An empty value removes an ACL or a policy. --list prints what can be set.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config edit --set orderer.batch_timeout=1s
  causeway config edit --set orderer.batch_size.max_message_count=100 \\
      --set orderer.batch_size.preferred_max_bytes='1 MB' --dry-run
  causeway config edit --set orderer.organizations.OrdererOrg.endpoints+=orderer4.example.com:7050
  causeway config edit --set application.policies.Endorsement='MAJORITY Endorsement'
  causeway config edit --list
  EDITOR=nano causeway config edit --output update.pb")]
pub(super) struct Arguments {
    /// Print what can be set, and stop
    #[arg(long)]
    list: bool,
    /// Change a setting; may be given several times
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// Take the edited JSON from a file, as `show --json` printed it and a script changed it
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    file: Option<PathBuf>,
    #[command(flatten)]
    proposal: ProposalArguments,
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    let Arguments { list, set, file, proposal } = arguments;
    if list {
        print_lines(SETTABLE.iter().map(|one| format!("{} = {}\n    {}", one.path, one.value, one.meaning)));
        return Ok(ExitCode::SUCCESS);
    }
    if !set.is_empty() {
        return proposal.propose(|config| set.iter().try_for_each(|one| one.apply(config))).await;
    }
    if let Some(path) = file {
        let text =
            fs::read_to_string(&path).map_err(|source| DocumentError::Read { path: path.clone(), source })?;
        return proposal
            .propose(|config| {
                let in_file = |source| DocumentError::File { path: path.clone(), source: Box::new(source) };
                *config = document::edited(config, &text).map_err(in_file)?;
                Ok::<_, DocumentError>(())
            })
            .await;
    }
    let target = proposal.target.resolve_as_administrator()?;
    let live = config_at(&target, Position::Newest).await?;
    let shown = document::show(live.config())?;
    let name = format!("{}-config-{}", target.signer.channel(), live.bundle.sequence());
    let edited = editor::edit(&shown, &name, |text| document::edited(live.config(), text))?;
    match edited {
        Some(next) => proposal.propose_config(target, &live, &next).await,
        None => Err(because("nothing was edited, nothing is sent")),
    }
}

//! `causeway config`: a live channel's config, shown, compared and changed in one command each.
//!
//! Every change takes the same way ([`proposal`]): the config is fetched and verified ([`live`]), changed
//! ([`assignment`], [`raft`], [`organization`], [`document`]), computed into an update and signed
//! ([`update`], [`signers`]), told in words ([`difference`], [`approval`]), checked for what the orderers
//! would refuse ([`check`]), submitted ([`submission`]) and awaited on all orderers ([`rollout`]).

mod approval;
mod assignment;
mod check;
mod consenter;
mod diff;
mod difference;
mod document;
mod edit;
mod editor;
mod live;
mod organization;
mod proposal;
mod raft;
mod report;
mod rollout;
mod show;
mod sign;
mod signers;
mod submission;
#[cfg(test)]
mod tests;
mod tree;
mod update;
mod words;

use clap::Subcommand;

use crate::failure::Outcome;

/// Show and change the config of a live channel
///
/// Each command fetches the config from an orderer and verifies it. Those that change it compute the update,
/// sign it, check what the orderers would refuse, submit it and wait until every orderer that can be reached
/// has the new config. In a sandbox they act as its administrators.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config show
  causeway config edit --set orderer.batch_timeout=1s
  causeway config add-consenter orderer4.example.com:7050 --server-tls-cert server.crt --dry-run

Several organisations: write the update with --output FILE, let each administrator
`causeway config sign FILE`, and `causeway config submit FILE`.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Show(show::Arguments),
    Edit(edit::Arguments),
    Diff(diff::Arguments),
    Sign(sign::SignArguments),
    Submit(sign::SubmitArguments),
    AddConsenter(consenter::AddArguments),
    RemoveConsenter(consenter::RemoveArguments),
    RotateCertificate(consenter::RotateArguments),
    AddOrg(organization::Arguments),
    Maintenance(consenter::MaintenanceArguments),
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Show(arguments) => show::run(arguments).await,
            Command::Edit(arguments) => edit::run(arguments).await,
            Command::Diff(arguments) => diff::run(arguments).await,
            Command::Sign(arguments) => sign::sign(arguments),
            Command::Submit(arguments) => sign::submit(arguments).await,
            Command::AddConsenter(arguments) => consenter::add(arguments).await,
            Command::RemoveConsenter(arguments) => consenter::remove(arguments).await,
            Command::RotateCertificate(arguments) => consenter::rotate(arguments).await,
            Command::AddOrg(arguments) => organization::run(arguments).await,
            Command::Maintenance(arguments) => consenter::maintenance(arguments).await,
        }
    })
}

//! The `causeway` binary: the ordering node, its sandbox, the clients that submit to it, follow it, inspect
//! it and measure it, and Fabric's tools. Called by a tool's name it is that tool alone.

mod bench;
pub mod client;
mod config;
mod configtxgen;
mod configtxlator;
mod cryptogen;
mod documents;
pub mod failure;
mod heap;
mod inspect;
mod install_links;
mod kingpin;
pub mod material;
mod msp_directory;
mod orderer;
mod osnadmin;
mod output;
pub mod sandbox;
mod size;
mod submit;
mod target;
mod terminal;
mod tools;
mod watch;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{failure::Outcome, tools::TOOLS};

/// An ordering service for permissioned ledgers, compatible with Hyperledger Fabric 2.5.
#[derive(Parser)]
#[command(
    name = "causeway",
    version,
    after_help = "Start here:\n  causeway sandbox            a three-node network with TLS, in one command\n  causeway COMMAND --help     what a command does, with an example"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Submit(submit::Arguments),
    Watch(watch::Arguments),
    Inspect(inspect::Arguments),
    Config(config::Arguments),
    Bench(bench::Arguments),
    Sandbox(sandbox::Arguments),
    InstallLinks(install_links::Arguments),
    Completions(documents::CompletionArguments),
    #[command(hide = true)]
    WriteDocuments(documents::DocumentArguments),
    #[command(hide = true)]
    SandboxNode(sandbox::child::Arguments),
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    heap::give_memory_back();
    let words: Vec<OsString> = std::env::args_os().collect();
    let (name, outcome) = match tools::called(&words) {
        Some((tool, words)) => (tool.name, (tool.run)(words)),
        None => ("causeway", run(words)),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("{name}: {}", failure::explain(&*failure));
        ExitCode::FAILURE
    })
}

/// Everything that the binary understands, Fabric's tools among it.
pub fn command() -> clap::Command {
    TOOLS.iter().fold(own_command(), |command, tool| command.subcommand((tool.command)().name(tool.name)))
}

/// What the binary understands besides Fabric's tools.
fn own_command() -> clap::Command {
    Arguments::command()
}

fn run(words: Vec<OsString>) -> Outcome {
    let matches = command().get_matches_from(words);
    match Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).command {
        Command::Submit(arguments) => submit::run(arguments),
        Command::Watch(arguments) => watch::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Config(arguments) => config::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Sandbox(arguments) => sandbox::run(arguments),
        Command::InstallLinks(arguments) => install_links::run(arguments),
        Command::Completions(arguments) => documents::completions(arguments),
        Command::WriteDocuments(arguments) => documents::write(arguments),
        Command::SandboxNode(arguments) => sandbox::child::run(arguments),
    }
}

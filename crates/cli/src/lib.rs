//! The `causeway` binary: the ordering node, its sandbox, and the clients that submit
//! to it, follow it, inspect it and measure it. Called by the name `orderer` it is
//! the node alone.

mod bench;
pub mod client;
pub mod failure;
mod heap;
mod inspect;
mod orderer;
pub mod sandbox;
mod size;
mod submit;
mod target;
mod terminal;
mod watch;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};

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
    Orderer(orderer::Arguments),
    Submit(submit::Arguments),
    Watch(watch::Arguments),
    Inspect(inspect::Arguments),
    Bench(bench::Arguments),
    Sandbox(sandbox::Arguments),
    #[command(hide = true)]
    SandboxNode(sandbox::child::Arguments),
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    heap::give_memory_back();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let outcome = if invoked_as(&arguments, "orderer") {
        orderer::run(orderer::Arguments::parse_from(arguments))
    } else {
        match Arguments::parse_from(arguments).command {
            Command::Orderer(arguments) => orderer::run(arguments),
            Command::Submit(arguments) => submit::run(arguments),
            Command::Watch(arguments) => watch::run(arguments),
            Command::Inspect(arguments) => inspect::run(arguments),
            Command::Bench(arguments) => bench::run(arguments),
            Command::Sandbox(arguments) => sandbox::run(arguments),
            Command::SandboxNode(arguments) => sandbox::child::run(arguments),
        }
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("causeway: {}", failure::explain(&*failure));
        ExitCode::FAILURE
    })
}

/// Whether the program was started by `name`, as a link to the binary does.
fn invoked_as(arguments: &[OsString], name: &str) -> bool {
    arguments.first().and_then(|program| Path::new(program).file_stem()).is_some_and(|stem| stem == name)
}

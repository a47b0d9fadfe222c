//! The process of one sandbox node: the ordinary node, which stops with the sandbox.

use std::{
    io::{self, Read},
    thread,
};

use clap::Parser;
use rustix::process::{Signal, getpid, kill_process};

use crate::{failure::Outcome, orderer};

/// Run one node of a sandbox (started by `causeway sandbox`).
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: Arguments) -> Outcome {
    // The sandbox holds the other end of standard input and never writes to it: it ends when the
    // sandbox does, however that comes about.
    thread::spawn(|| {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = kill_process(getpid(), Signal::TERM);
    });
    orderer::run(orderer::Arguments::parse_from(["orderer"]))
}

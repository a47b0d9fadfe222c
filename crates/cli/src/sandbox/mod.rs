//! `causeway sandbox`.

#[allow(dead_code)]
mod layout;
#[allow(dead_code)]
mod material;

use crate::failure::{Failure, Outcome};

/// Run a network of ordering nodes on this machine.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("not here yet"))
}

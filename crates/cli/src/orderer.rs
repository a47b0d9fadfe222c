//! `causeway orderer`: the ordering node.

use crate::failure::{Failure, Outcome};

/// Run an ordering node.
#[derive(clap::Parser)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("not here yet"))
}

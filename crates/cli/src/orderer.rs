//! `causeway orderer`: the ordering node.

use crate::failure::{Outcome, because};

/// Run an ordering node.
#[derive(clap::Parser)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    Err(because("not here yet"))
}

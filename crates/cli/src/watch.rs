//! `causeway watch`.

use crate::failure::{Failure, Outcome};

/// Follow a channel, one line a block.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("not here yet"))
}

//! `causeway submit`.

use crate::failure::{Failure, Outcome};

/// Sign transactions and send them to a channel.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("not here yet"))
}

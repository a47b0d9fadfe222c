//! `causeway bench`.

use crate::failure::{Failure, Outcome};

/// Measure an ordering service.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("not here yet"))
}

//! `causeway inspect`.

use crate::failure::{Failure, Outcome};

/// Show and verify a block, a channel's config or a ledger.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("not here yet"))
}

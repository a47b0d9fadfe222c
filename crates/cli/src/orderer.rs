//! `causeway orderer`: the ordering node.

use std::process::ExitCode;

use crate::failure::Outcome;

/// Run an ordering node.
#[derive(clap::Parser)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Outcome {
    let loaded = orderer::settings::load()?;
    let logging = orderer::logging::Logging::from_environment()?;
    logging.install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(orderer::node::run(loaded.settings, logging))?;
    Ok(ExitCode::SUCCESS)
}

//! `causeway orderer`: the ordering node. Its settings come from `orderer.yaml` and the
//! environment, as those of Fabric's orderer do, so there are no flags.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use orderer::{logging::Logging, node, settings, version};
use tracing::{error, info, warn};

use crate::{
    failure::{self, Outcome},
    heap,
};

/// Logger of Fabric's main program.
const LOG: &str = "orderer.common.server";

/// Run an ordering node
///
/// Reads orderer.yaml from FABRIC_CFG_PATH, the working directory or /etc/hyperledger/fabric;
/// ORDERER_GENERAL_LISTENPORT=7050 and the like override it. FABRIC_LOGGING_SPEC sets what is
/// logged. SIGTERM stops the node in good order.
#[derive(clap::Parser)]
#[command(
    name = "orderer",
    disable_version_flag = true,
    disable_help_subcommand = true,
    after_help = "Example:\n  FABRIC_CFG_PATH=/etc/orderer FABRIC_LOGGING_SPEC=info causeway orderer"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand, Clone, Copy)]
enum Action {
    /// Start the node (default)
    Start,
    /// Show version information
    Version,
    /// Show this help
    Help,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    match arguments.action.unwrap_or(Action::Start) {
        Action::Start => start(),
        Action::Version => {
            print!("{}", version::text("orderer"));
            Ok(ExitCode::SUCCESS)
        }
        Action::Help => {
            <Arguments as clap::CommandFactory>::command().print_long_help()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Takes as many descriptors as the administrator allows, as every Go program does: the usual soft limit of
/// 1,024 is for programs that use `select`, and clients and channels need more.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(reason) = setrlimit(Resource::Nofile, wanted) {
        warn!(target: LOG, "The limit of open files stays at {:?}: {reason}", limit.current);
    }
}

/// What goes wrong from here on goes to the log: nobody sits at a node's terminal.
fn start() -> Outcome {
    let logging = Logging::from_environment()?;
    logging.install()?;
    let loaded = match settings::load() {
        Ok(loaded) => loaded,
        Err(reason) => {
            error!(target: LOG, "failed to parse config: {reason}");
            return Ok(ExitCode::FAILURE);
        }
    };
    for remark in &loaded.remarks {
        info!(target: "localconfig", "{remark}");
    }
    for warning in &loaded.warnings {
        warn!(target: "localconfig", "{warning}");
    }
    info!(target: LOG, "Orderer config values:\n\t{}", loaded.listing.replace('\n', "\n\t"));
    raise_descriptor_limit();
    heap::give_memory_back_regularly();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match runtime.block_on(node::run(loaded.settings, logging)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(reason) => {
            error!(target: LOG, "The node stopped: {}", failure::explain(&reason));
            Ok(ExitCode::FAILURE)
        }
    }
}

//! `causeway configtxgen`: a channel's first block, and the transactions around it, from `configtx.yaml`, as
//! Fabric's tool of that name makes them. Flags, files, exit codes and texts are those of the tool.

mod advice;
mod arguments;
mod completion;
mod file;
mod generation;
mod go_flags;
mod inspection;
mod material;
mod model;
mod output;
mod schema;
mod source;

pub(crate) use arguments::Arguments;

use std::{ffi::OsString, path::Path, process::ExitCode};

use orderer::{
    logging::{Level, Logging},
    version,
};
use tracing::{error, info, warn};

use self::source::Source;
use crate::failure::Outcome;

/// Fabric's logger for the tool.
const LOG: &str = "common.tools.configtxgen";

/// Why the tool ends early.
enum Stop {
    /// What was asked for cannot be done: exit code 1.
    Impossible(String),
    /// There is no such profile: exit code 1, too, but another level of the log.
    NoProfile(String),
    /// `configtx.yaml` cannot be used: exit code 2, as of a Go program that panics.
    Unusable(String),
}

/// Runs a command line, of which the program is the first word.
pub(crate) fn run(words: Vec<OsString>) -> Outcome {
    let arguments = match Arguments::read(words) {
        Ok(arguments) => arguments,
        Err(code) => return Ok(code),
    };
    let logging = Logging::from_environment()?;
    logging.install()?;
    Ok(match work(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Impossible(text)) => {
            logging.last_words(Level::Fatal, LOG, &text);
            ExitCode::FAILURE
        }
        Err(Stop::NoProfile(text)) => {
            error!(target: LOG, "{text}");
            ExitCode::FAILURE
        }
        Err(Stop::Unusable(text)) => {
            logging.last_words(Level::Panic, LOG, &text);
            ExitCode::from(2)
        }
    })
}

/// Does all that the flags say.
fn work(arguments: &Arguments) -> Result<(), Stop> {
    let channel_id = &arguments.channel_id;
    if channel_id.is_empty() && arguments.writes() {
        return Err(Stop::Impossible("Missing channelID, please specify it with '-channelID'".to_owned()));
    }
    if arguments.version {
        print!("{}", version::text("configtxgen"));
        return Ok(());
    }
    info!(target: LOG, "Loading configuration");
    let source = Source::new(given(&arguments.config_path).map(Path::to_owned));
    if arguments.writes() {
        if arguments.profile.is_empty() {
            let text = "The '-profile' is required when '-outputBlock', '-outputChannelCreateTx', or '-outputAnchorPeersUpdate' is specified";
            return Err(Stop::Impossible(text.to_owned()));
        }
        write(arguments, &source)?;
    }
    if let Some(file) = given(&arguments.inspect_block) {
        inspection::block(file).map_err(failed("inspectBlock"))?;
    }
    if let Some(file) = given(&arguments.inspect_channel_create_tx) {
        inspection::transaction(file).map_err(failed("inspectChannelCreateTx"))?;
    }
    if !arguments.print_org.is_empty() {
        let top_level = source.top_level()?;
        inspection::organization(&top_level, &arguments.print_org).map_err(failed("printOrg"))?;
    }
    Ok(())
}

/// Writes what is asked for of a profile.
fn write(arguments: &Arguments, source: &Source) -> Result<(), Stop> {
    let channel_id = &arguments.channel_id;
    let profile = source.profile(&arguments.profile)?;
    let base = match &*arguments.channel_create_tx_base_profile {
        "" => None,
        name => {
            if arguments.output_create_channel_tx.is_empty() {
                warn!(target: LOG, "Specified 'channelCreateTxBaseProfile', but did not specify 'outputChannelCreateTx', 'channelCreateTxBaseProfile' will not affect output.");
            }
            Some(source.profile(name)?)
        }
    };
    if let Some(file) = given(&arguments.output_block) {
        generation::block(&profile, channel_id, file).map_err(failed("outputBlock"))?;
    }
    if let Some(file) = given(&arguments.output_create_channel_tx) {
        generation::creation(&profile, base.as_ref(), channel_id, file)
            .map_err(failed("outputChannelCreateTx"))?;
    }
    if let Some(file) = given(&arguments.output_anchor_peers_update) {
        // Fabric's tool gives the other flag's name here, too.
        generation::anchor_peers(&profile, channel_id, &arguments.as_org, file)
            .map_err(failed("inspectChannelCreateTx"))?;
    }
    Ok(())
}

fn failed<E: std::error::Error + 'static>(action: &'static str) -> impl Fn(E) -> Stop {
    move |error| Stop::Impossible(format!("Error on {action}: {}", crate::failure::explain(&error)))
}

fn given(file: &str) -> Option<&Path> {
    Some(Path::new(file)).filter(|_| !file.is_empty())
}

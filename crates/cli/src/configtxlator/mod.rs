//! `configtxlator`: Fabric's messages as JSON and back, and the updates between configs, by command or over
//! HTTP, as Fabric's tool of that name does it.

mod cors;
mod form;
mod server;
mod translate;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use channel::json::{self, JsonError};
use orderer::version;

use crate::{
    failure::{self, Outcome},
    kingpin::{self, Line},
    output,
};

/// Permissions of a new output file, Fabric's.
const OUTPUT_MODE: u32 = 0o600;

/// Translate Fabric's messages to JSON and back
///
/// Also computes the update that turns one channel config into another. As in Fabric's JSON, bytes that hold
/// a message are shown as that message, however deep.
#[derive(clap::Parser)]
#[command(
    name = "configtxlator",
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Example, to change a channel config:\n  configtxlator proto_decode --type common.Config --input old.pb --output config.json\n  cp config.json new.json && $EDITOR new.json\n  configtxlator proto_encode --type common.Config --input new.json --output new.pb\n  configtxlator compute_update --channel_id trade --original old.pb --updated new.pb --output update.pb"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Serve the translations over HTTP, to whoever can connect
    ///
    /// POST /protolator/encode/TYPE takes JSON, /protolator/decode/TYPE a message, and
    /// /configtxlator/compute/update-from-configs a form with the files "original" and "updated" and the value
    /// "channel".
    #[command(
        after_help = "Example:\n  configtxlator start --hostname 127.0.0.1 --port 7059\n  curl --data-binary @config.json http://127.0.0.1:7059/protolator/encode/common.Config"
    )]
    Start {
        /// Host name or IP address to listen on
        #[arg(long, default_value = "0.0.0.0")]
        hostname: String,
        /// TCP port to listen on
        #[arg(long, default_value_t = 7059)]
        port: u16,
        /// Origin whose web pages may call, such as https://www.example.com, or * for all; can be repeated
        #[arg(long = "CORS", value_name = "ORIGIN")]
        cors: Vec<String>,
    },
    /// Turn JSON into a message
    #[command(
        name = "proto_encode",
        after_help = "Example:\n  configtxlator proto_encode --type common.Config --input config.json --output config.pb"
    )]
    ProtoEncode(Translation),
    /// Turn a message into JSON
    #[command(
        name = "proto_decode",
        after_help = "Example:\n  configtxlator proto_decode --type common.Block --input trade.block | jq .data.data[0].payload.data.config"
    )]
    ProtoDecode(Translation),
    /// Compute the update that turns one channel config into another
    ///
    /// Both are marshaled common.Config messages; versions in the updated one do not matter. The result is a
    /// marshaled common.ConfigUpdate.
    #[command(
        name = "compute_update",
        after_help = "Example:\n  configtxlator compute_update --channel_id trade --original old.pb --updated new.pb --output update.pb"
    )]
    ComputeUpdate {
        /// File with the config as it is
        #[arg(long, value_name = "FILE")]
        original: PathBuf,
        /// File with the config as it shall be
        #[arg(long, value_name = "FILE")]
        updated: PathBuf,
        /// The channel that the update is for
        #[arg(long = "channel_id", value_name = "NAME")]
        channel_id: String,
        /// File to write the update to; standard output without it
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show version information
    Version,
}

#[derive(clap::Args)]
struct Translation {
    /// Type of the message: a package (common, msp, orderer, etcdraft, protos, rwset, kvrwset) and a name, such
    /// as common.Config
    #[arg(long = "type", value_name = "TYPE")]
    message_type: String,
    /// File to read; standard input without it
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// File to write to; standard output without it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(words: Vec<OsString>) -> Outcome {
    let done = match kingpin::read::<Arguments>(words) {
        Line::Understood(arguments) => act(arguments.action),
        Line::Helped(code) => return Ok(code),
        Line::Mistaken(sentence) => Err(try_help(&sentence)),
    };
    Ok(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("configtxlator: error: {reason}");
            ExitCode::FAILURE
        }
    })
}

fn act(action: Action) -> Result<(), String> {
    match action {
        Action::Start { hostname, port, cors } => server::run(&hostname, port, cors),
        Action::ProtoEncode(translation) => translate(&translation, translate::encode),
        Action::ProtoDecode(translation) => translate(&translation, |message_type, bytes| {
            json::decode(message_type, bytes).map(String::into_bytes)
        }),
        Action::ComputeUpdate { original, updated, channel_id, output } => {
            let original = read(Some(&original), "Error computing update: error reading original config")?;
            let updated = read(Some(&updated), "Error computing update: error reading updated config")?;
            let update = translate::update(&channel_id, &original, &updated)
                .map_err(|error| format!("Error computing update: {}", error.in_command()))?;
            write(output.as_deref(), &update)
        }
        Action::Version => {
            let text = version::text("configtxlator");
            io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
        }
    }
}

fn translate(
    translation: &Translation,
    change: impl FnOnce(&str, &[u8]) -> Result<Vec<u8>, JsonError>,
) -> Result<(), String> {
    let Translation { message_type, input, output } = translation;
    let input = read(input.as_deref(), "Error decoding: error reading input")?;
    // Fabric says "decoding" whatever the direction is.
    let changed = change(message_type, &input).map_err(|error| match error {
        JsonError::UnknownType(_) => {
            // Fabric's slip of the pen, which scripts may know. The rest is ours.
            let hint = translate::similar_types(message_type);
            format!("Error decoding: message of type %!s(<nil>) unknown: there is no {message_type:?}{hint}")
        }
        JsonError::Unmarshal(_) => format!("Error decoding: error unmarshalling: {error}"),
        JsonError::Render(_) => format!("Error decoding: error encoding output: {error}"),
        JsonError::Parse { .. } => format!("Error decoding: error decoding input: {error}"),
    })?;
    write(output.as_deref(), &changed)
}

/// All of a file, or of standard input.
fn read(path: Option<&Path>, task: &str) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let (name, read) = match path {
        None => (Path::new("/dev/stdin"), io::stdin().lock().read_to_end(&mut content)),
        Some(path) => {
            let file = File::open(path).map_err(|error| try_help(&opening(path, &error)))?;
            (path, (&file).read_to_end(&mut content))
        }
    };
    let reason = |error| format!("{task}: read {}: {}", name.display(), failure::system_reason(&error));
    read.map(|_| content).map_err(reason)
}

/// Fabric opens and empties the file before anything can go wrong; ours is written when all went well.
fn write(path: Option<&Path>, content: &[u8]) -> Result<(), String> {
    // Opened by its name it would be emptied, and written to from its beginning.
    match path.filter(|path| *path != Path::new("/dev/stdout")) {
        Some(path) => {
            output::write(path, content, OUTPUT_MODE).map_err(|error| try_help(&opening(path, &error)))
        }
        None => {
            let mut out = io::stdout().lock();
            out.write_all(content).and_then(|()| out.flush()).map_err(|error| {
                format!("error writing output: write /dev/stdout: {}", failure::system_reason(&error))
            })
        }
    }
}

fn opening(path: &Path, error: &io::Error) -> String {
    format!("open {}: {}", path.display(), failure::system_reason(error))
}

fn try_help(sentence: &str) -> String {
    format!("{sentence}, try --help")
}

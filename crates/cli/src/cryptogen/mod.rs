//! `cryptogen`: keys and certificates for a network, as Fabric's tool of that name makes them.

mod network;
mod reader;
mod template;
mod tree;

use std::{
    ffi::OsString,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use self::network::{Kind, Organization};
use crate::{
    failure::{self, Outcome},
    kingpin::{self, Line},
    material::Folder,
};

/// What Fabric's tool ends with when the configuration cannot be used.
const BAD_CONFIGURATION: u8 = 255;
/// The configuration without `--config`.
const SAMPLE: &str = include_str!("sample.yaml");

/// Make the keys and certificates of a network
///
/// Reads a description of organisations, their nodes and users, and makes for each its CAs, MSP directories
/// and TLS files, in the directories where Fabric's tools and configuration files expect them. Keys are
/// P-256, certificates valid for ten years: good for trying things out; a network that others rely on has CAs
/// of its own.
#[derive(clap::Parser)]
#[command(
    name = "cryptogen",
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Example:\n  cryptogen showtemplate > crypto-config.yaml\n  cryptogen generate --config crypto-config.yaml --output crypto-config"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Make everything that a configuration describes
    ///
    /// Prints the domain of each organisation with peers. An organisation that is there already is refused.
    #[command(
        after_help = "Example:\n  cryptogen generate --config crypto-config.yaml --output crypto-config"
    )]
    Generate {
        /// The directory to make it in
        #[arg(long, value_name = "DIR", default_value = "crypto-config")]
        output: PathBuf,
        /// The configuration; without it the one that showtemplate shows
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Add what is new in a configuration to what was made before
    ///
    /// Existing keys and certificates are left as they are; new nodes and users are certified by the CAs that
    /// are there.
    #[command(after_help = "Example:\n  cryptogen extend --config crypto-config.yaml --input crypto-config")]
    Extend {
        /// The directory that generate has made
        #[arg(long, value_name = "DIR", default_value = "crypto-config")]
        input: PathBuf,
        /// The configuration; without it the one that showtemplate shows
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show a configuration to start from
    Showtemplate,
    /// Show version information
    Version,
}

/// Where the configuration comes from cannot be read.
enum Unreadable {
    /// It cannot be opened: kingpin's sentence.
    Open(String),
    /// It can be opened, but not read as text.
    Content(String),
}

/// Runs the tool; the first word is its name.
pub(crate) fn run(words: Vec<OsString>) -> Outcome {
    Ok(match kingpin::read::<Arguments>(words) {
        Line::Understood(arguments) => perform(arguments.action),
        Line::Helped(code) => code,
        Line::Mistaken(sentence) => mistaken(&sentence),
    })
}

fn perform(action: Action) -> ExitCode {
    let (directory, config, work): (_, _, fn(&Path, &[Organization]) -> ExitCode) = match action {
        Action::Generate { output, config } => (output, config, generate),
        Action::Extend { input, config } => (input, config, extend),
        Action::Showtemplate => {
            print!("{SAMPLE}");
            return ExitCode::SUCCESS;
        }
        Action::Version => {
            print!("{}", orderer::version::text("cryptogen"));
            return ExitCode::SUCCESS;
        }
    };
    let text = match config.as_deref().map_or_else(|| Ok(SAMPLE.to_owned()), read) {
        Ok(text) => text,
        Err(Unreadable::Open(sentence)) => return mistaken(&sentence),
        Err(Unreadable::Content(sentence)) => return unusable(&sentence),
    };
    match network::parse(&text) {
        Ok((organizations, remarks)) => {
            for remark in remarks {
                eprintln!("cryptogen: {}: {remark}", config.as_deref().unwrap_or(Path::new("")).display());
            }
            work(&directory, &organizations)
        }
        Err(error) => unusable(&match &config {
            Some(path) => format!("{error} ({})", path.display()),
            None => error.to_string(),
        }),
    }
}

fn generate(output: &Path, organizations: &[Organization]) -> ExitCode {
    let make = |root: Folder| {
        organizations.iter().try_for_each(|organization| organization.refuse_occupied(&root))?;
        organizations.iter().try_for_each(|organization| {
            announce(organization);
            organization.generate(&root)
        })
    };
    finish(Folder::create(output).map_err(Into::into).and_then(make))
}

fn extend(input: &Path, organizations: &[Organization]) -> ExitCode {
    let make = |root: Folder| {
        organizations.iter().try_for_each(|organization| {
            if organization.refuse_occupied(&root).is_ok() {
                announce(organization);
            }
            organization.extend(&root)
        })
    };
    finish(Folder::create(input).map_err(Into::into).and_then(make))
}

/// Fabric's tool names the organisations with peers that it makes, and no others.
fn announce(organization: &Organization) {
    if organization.kind == Kind::Peer {
        println!("{}", organization.domain);
    }
}

fn finish(result: Result<(), tree::TreeError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("Error: {}", failure::explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn read(path: &Path) -> Result<String, Unreadable> {
    let open =
        |error| Unreadable::Open(format!("open {}: {}", path.display(), failure::system_reason(&error)));
    let content = |reason: String| {
        Unreadable::Content(format!(
            "Error reading config: Error reading configuration: read {}: {reason}",
            path.display()
        ))
    };
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(open)?;
    file.read_to_end(&mut bytes).map_err(|error| content(failure::system_reason(&error)))?;
    String::from_utf8(bytes).map_err(|error| content(format!("it is no text: {}", error.utf8_error())))
}

/// A command line that cannot be understood.
fn mistaken(sentence: &str) -> ExitCode {
    eprintln!("cryptogen: error: {sentence}, try --help");
    ExitCode::FAILURE
}

/// A configuration that cannot be used.
fn unusable(sentence: &str) -> ExitCode {
    println!("{sentence}");
    ExitCode::from(BAD_CONFIGURATION)
}

//! `osnadmin`: the channels that an orderer takes part in, as Fabric's tool of that name manages them.

mod indent;

use std::{ffi::OsString, fs, path::PathBuf, process::ExitCode};

use bytes::Bytes;
use channel::block;
use http::StatusCode;
use protos::{Message as _, common::Block};
use serde::de::IgnoredAny;

use crate::{
    client::{
        connection::{ConnectError, Endpoint},
        http::{HttpAnswer, HttpError},
        participation::{Question, ask},
        tls::{ClientIdentity, Tls, TlsError},
    },
    failure::{self, Outcome},
    kingpin::{self, Line},
};

/// Manage the channels that an orderer takes part in
///
/// Speaks to the admin endpoint of one orderer (Admin.ListenAddress in its orderer.yaml). Prints the HTTP
/// status and the orderer's answer; the exit code is 0 whenever there was an answer, also when it is a refusal.
#[derive(clap::Parser)]
#[command(
    name = "osnadmin",
    subcommand_required = true,
    after_help = "Example:\n  osnadmin channel join -o orderer1.example.com:9443 -c trade -b trade.block \\\n    --ca-file tlsca.pem --client-cert admin.crt --client-key admin.key"
)]
pub(crate) struct Arguments {
    /// Admin endpoint of the orderer; required
    #[arg(long, short = 'o', value_name = "HOST:PORT", global = true)]
    orderer_address: Option<String>,
    /// CA of the orderer's TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long, value_name = "FILE", global = true)]
    client_cert: Option<PathBuf>,
    /// Private key of the client certificate, PEM
    #[arg(long, value_name = "FILE", global = true)]
    client_key: Option<PathBuf>,
    /// Print the answer without the line with the HTTP status
    #[arg(long, global = true)]
    no_status: bool,
    #[command(subcommand)]
    subject: Subject,
}

#[derive(clap::Subcommand)]
enum Subject {
    /// Join, list or remove channels
    #[command(
        subcommand_required = true,
        after_help = "Example:\n  osnadmin channel list -o 127.0.0.1:9443 --ca-file tlsca.pem --client-cert admin.crt --client-key admin.key"
    )]
    Channel {
        #[command(subcommand)]
        action: Action,
    },
}

#[derive(clap::Subcommand)]
enum Action {
    /// Join a channel, or make it, from its genesis block or a later config block
    ///
    /// With a genesis block that names the orderer as consenter it starts ordering at once; with a later config
    /// block it fetches the chain first. An orderer that the block does not name follows the channel.
    #[command(after_help = "Example:\n  osnadmin channel join -o 127.0.0.1:9443 -c trade -b trade.block")]
    Join {
        /// The channel; must be the one that the block is of
        #[arg(long = "channelID", short = 'c', value_name = "NAME")]
        channel: String,
        /// File with the genesis block or the last config block
        #[arg(long, short = 'b', value_name = "FILE")]
        config_block: PathBuf,
    },
    /// List all channels, or tell more about one
    #[command(after_help = "Example:\n  osnadmin channel list -o 127.0.0.1:9443 -c trade")]
    List {
        /// The channel to tell about: how the orderer takes part, its state and number of blocks
        #[arg(long = "channelID", short = 'c', value_name = "NAME")]
        channel: Option<String>,
    },
    /// Leave a channel and remove its blocks from the orderer
    #[command(after_help = "Example:\n  osnadmin channel remove -o 127.0.0.1:9443 -c trade")]
    Remove {
        /// The channel
        #[arg(long = "channelID", short = 'c', value_name = "NAME")]
        channel: String,
    },
}

/// Runs the tool; the first word is its name.
pub(crate) fn run(words: Vec<OsString>) -> Outcome {
    let arguments = match kingpin::read::<Arguments>(words) {
        Line::Understood(arguments) => arguments,
        Line::Helped(code) => return Ok(code),
        Line::Mistaken(sentence) => return Ok(mistaken(&sentence)),
    };
    let Subject::Channel { action } = &arguments.subject;
    let prepared = arguments.endpoint().and_then(|endpoint| Ok((endpoint, action.block()?)));
    let (endpoint, block) = match prepared {
        Ok(prepared) => prepared,
        Err(sentence) => return Ok(mistaken(&sentence)),
    };
    let question = match action {
        Action::Join { .. } => Question::Join(&block),
        Action::List { channel: Some(channel) } if !channel.is_empty() => Question::Channel(channel),
        Action::List { .. } => Question::List,
        Action::Remove { channel } => Question::Remove(channel),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ask(&endpoint, question));
    let answer = answer.map_err(|error| failed_exchange(&endpoint, question, &error));
    Ok(match answer.and_then(|answer| show(&endpoint, &answer, !arguments.no_status)) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("Error: {reason}\n");
            ExitCode::FAILURE
        }
    })
}

impl Arguments {
    /// The orderer's admin endpoint, or the reason why the flags do not name one.
    fn endpoint(&self) -> Result<Endpoint, String> {
        let address = self.orderer_address.clone().ok_or("required flag --orderer-address not provided")?;
        let Some(ca) = self.ca_file.as_ref().filter(|path| !path.as_os_str().is_empty()) else {
            return Ok(Endpoint { address: with_port(address, 80), tls: None, server_name: None });
        };
        let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) else {
            return Err(
                "loading client cert/key pair: --ca-file needs --client-cert and --client-key as well"
                    .to_owned(),
            );
        };
        let tls = Tls::load(std::slice::from_ref(ca), Some(ClientIdentity { certificate, key }));
        let tls = tls.map_err(|error| match &error {
            TlsError::Read { path, source } if path == ca => format!(
                "reading orderer CA certificate: open {}: {}",
                path.display(),
                failure::system_reason(source)
            ),
            TlsError::Pem { path, .. } | TlsError::Untrusted { path, .. } if path == ca => {
                format!("failed to add ca-file PEM to cert pool: {}", failure::explain(&error))
            }
            TlsError::Read { path, source } => format!(
                "loading client cert/key pair: open {}: {}",
                path.display(),
                failure::system_reason(source)
            ),
            _ => format!("loading client cert/key pair: {}", failure::explain(&error)),
        })?;
        Ok(Endpoint { address: with_port(address, 443), tls: Some(tls), server_name: None })
    }
}

/// HTTP's port for an address without one.
fn with_port(address: String, port: u16) -> String {
    if address.ends_with(']') || !address.contains(':') { format!("{address}:{port}") } else { address }
}

impl Action {
    /// The block to join with, which must be of the channel that is meant; empty for other actions.
    fn block(&self) -> Result<Bytes, String> {
        let Self::Join { channel, config_block } = self else { return Ok(Bytes::new()) };
        let bytes = fs::read(config_block).map_err(|error| {
            format!(
                "reading config block: open {}: {}",
                config_block.display(),
                failure::system_reason(&error)
            )
        })?;
        let bytes = Bytes::from(bytes);
        let unusable = |reason: String| format!("unmarshalling block: {}: {reason}", config_block.display());
        let block = Block::decode(bytes.clone()).map_err(|error| unusable(error.to_string()))?;
        let found = block::channel_id(&block).map_err(|error| unusable(error.to_string()))?;
        if found != *channel {
            return Err(format!(
                "specified --channelID {channel} does not match channel ID {found} in config block"
            ));
        }
        Ok(bytes)
    }
}

/// The status and the answer, each with its line break at the end.
fn show(endpoint: &Endpoint, answer: &HttpAnswer, with_status: bool) -> Result<String, String> {
    let HttpAnswer { status, body } = answer;
    let text = String::from_utf8_lossy(body);
    if !body.is_empty() && serde_json::from_slice::<IgnoredAny>(body).is_err() {
        let hint = match (endpoint.tls.is_some(), *status) {
            (false, StatusCode::BAD_REQUEST) => {
                "; if it speaks TLS, give --ca-file, --client-cert and --client-key"
            }
            _ => NOT_ADMIN,
        };
        let line = text.lines().next().unwrap_or_default().trim().trim_end_matches('.');
        return Err(format!("{} answered {status} and no JSON: {line}; {hint}", endpoint.address));
    }
    let status = if with_status { format!("Status: {}\n", status.as_u16()) } else { String::new() };
    Ok(status + &indent::indent(&text))
}

/// Why there is no answer, in the frame of Go's HTTP client.
fn failed_exchange(endpoint: &Endpoint, question: Question<'_>, error: &HttpError) -> String {
    let Endpoint { address, tls, .. } = endpoint;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let method = question.method();
    let method = method.as_str()[..1].to_owned() + &method.as_str()[1..].to_lowercase();
    let reason = match error {
        HttpError::Connect(ConnectError::Refused { source, .. }) if source.raw_os_error().is_none() => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            format!("dial tcp: lookup {host}: no such host")
        }
        HttpError::Connect(ConnectError::Refused { source, .. }) => {
            format!("dial tcp {address}: connect: {}", failure::system_reason(source))
        }
        HttpError::Connect(ConnectError::Tls { source, .. }) => refused_handshake(&source.to_string()),
        HttpError::Exchange { source, .. } => broken_exchange(&failure::explain(source), tls.is_some()),
        _ => failure::explain(error),
    };
    format!("{method} \"{scheme}://{address}{}\": {reason}", question.path())
}

const NOT_ADMIN: &str = "-o must be the admin endpoint of an orderer";

/// What a failed TLS handshake means.
fn refused_handshake(reason: &str) -> String {
    let (reason, remedy) = match reason {
        _ if reason.contains("UnknownIssuer") => (
            "failed to verify certificate: x509: certificate signed by unknown authority",
            "--ca-file must hold the CA of the orderer's TLS certificate",
        ),
        _ if reason.contains("NotValidForName") => {
            (reason, "the orderer's TLS certificate must be made for the host in -o")
        }
        _ => (reason, NOT_ADMIN),
    };
    format!("tls: {reason}; {remedy}")
}

/// What a connection means that ends without an answer.
fn broken_exchange(reason: &str, tls: bool) -> String {
    let remedy = match tls {
        true if reason.contains("alert") => {
            "--client-cert must be of a CA that the orderer trusts (Admin.TLS.ClientRootCAs)"
        }
        true => NOT_ADMIN,
        false => "if it speaks TLS, give --ca-file, --client-cert and --client-key",
    };
    format!("{reason}; {remedy}")
}

/// Arguments or files that cannot be used.
fn mistaken(sentence: &str) -> ExitCode {
    eprintln!("osnadmin: error: parsing arguments: {sentence}. Try --help");
    ExitCode::FAILURE
}

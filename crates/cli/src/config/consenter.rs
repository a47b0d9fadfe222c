//! `causeway config add-consenter`, `remove-consenter`, `rotate-certificate` and `maintenance`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use identity::certificate::Certificate;

use super::{
    assignment::host_and_port,
    proposal::ProposalArguments,
    raft::{self, Certificates, RaftChangeError},
};
use crate::failure::{Failure, Outcome, because};

/// A node's address, as `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    text: String,
    host: String,
    port: u16,
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = host_and_port(text).ok_or("give HOST:PORT, as in orderer4.example.com:7050")?;
        Ok(Self { text: text.to_owned(), host: host.to_owned(), port })
    }
}

/// A node's TLS certificates in files.
#[derive(clap::Args)]
struct CertificateArguments {
    /// The node's TLS server certificate, PEM
    #[arg(long, value_name = "FILE")]
    server_tls_cert: PathBuf,
    /// The certificate that the node shows to other nodes, PEM (default: its server certificate)
    #[arg(long, value_name = "FILE")]
    client_tls_cert: Option<PathBuf>,
}

impl CertificateArguments {
    fn read(&self) -> Result<Certificates, Failure> {
        let server = read_certificate(&self.server_tls_cert)?;
        let client = match &self.client_tls_cert {
            Some(path) => read_certificate(path)?,
            None => server.clone(),
        };
        Ok(Certificates { client, server })
    }
}

fn read_certificate(path: &Path) -> Result<Bytes, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| because(format!("certificate {} cannot be read: {error}", path.display())))?;
    let file = path.display().to_string();
    Certificate::from_pem(&bytes).map_err(|source| RaftChangeError::Certificate { file, source })?;
    Ok(bytes.into())
}

/// Add a consenter to a Raft channel
///
/// The node should be running and, as a follower, in the channel already (osnadmin channel join): then it
/// orders as soon as it sees the new config. Consenters come and go one at a time. Clients find the node
/// when its address is among the endpoints of its organisation: `config edit --set
/// orderer.organizations.ORG.endpoints+=HOST:PORT`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config add-consenter orderer4.example.com:7050 --server-tls-cert orderer4/tls/server.crt
  causeway config add-consenter orderer4.example.com:7050 --server-tls-cert server.crt \\
      --client-tls-cert client.crt --dry-run")]
pub(super) struct AddArguments {
    /// Where the other nodes reach it; its server certificate must name the host
    #[arg(value_name = "HOST:PORT")]
    address: Address,
    #[command(flatten)]
    certificates: CertificateArguments,
    #[command(flatten)]
    proposal: ProposalArguments,
}

pub(super) async fn add(arguments: AddArguments) -> Outcome {
    let certificates = arguments.certificates.read()?;
    let Address { host, port, .. } = &arguments.address;
    arguments.proposal.propose(|config| raft::add(config, (host, *port), certificates)).await
}

/// Remove a consenter from a Raft channel
///
/// The node stops ordering the channel as soon as it learns of it, and follows it from then on. Consenters
/// come and go one at a time; the others should be up.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  causeway config remove-consenter orderer4.example.com:7050")]
pub(super) struct RemoveArguments {
    /// The consenter, as the channel's config has it
    #[arg(value_name = "HOST:PORT")]
    address: Address,
    #[command(flatten)]
    proposal: ProposalArguments,
}

pub(super) async fn remove(arguments: RemoveArguments) -> Outcome {
    arguments.proposal.propose(|config| raft::remove(config, &arguments.address.text)).await
}

/// Give a consenter new TLS certificates
///
/// Afterwards start the node with its new certificates; until then it is out of the channel, so all other
/// nodes should be up. A renewed certificate that keeps its key needs no config update: put it in place and
/// restart the node.
#[derive(clap::Args)]
#[command(after_help = "Example:
  causeway config rotate-certificate orderer2.example.com:7050 --server-tls-cert new/server.crt")]
pub(super) struct RotateArguments {
    /// The consenter, as the channel's config has it
    #[arg(value_name = "HOST:PORT")]
    address: Address,
    #[command(flatten)]
    certificates: CertificateArguments,
    #[command(flatten)]
    proposal: ProposalArguments,
}

pub(super) async fn rotate(arguments: RotateArguments) -> Outcome {
    let certificates = arguments.certificates.read()?;
    let even_so = arguments.proposal.sending.force;
    let address = &arguments.address.text;
    arguments.proposal.propose(|config| raft::rotate(config, address, certificates, even_so)).await
}

/// Enter or leave maintenance mode
///
/// In maintenance the channel takes no transactions, only config updates, and only the ordering organisations
/// may read it. The consensus type can change only then.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  causeway config maintenance on\n  causeway config maintenance off")]
pub(super) struct MaintenanceArguments {
    /// on or off
    #[arg(value_name = "STATE")]
    state: Switch,
    #[command(flatten)]
    proposal: ProposalArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

pub(super) async fn maintenance(arguments: MaintenanceArguments) -> Outcome {
    let on = arguments.state == Switch::On;
    arguments.proposal.propose(|config| raft::set_maintenance(config, on)).await
}

//! Which orderers, which channel and as whom: the flags that the clients have in common.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use channel::bundle::Bundle;
use identity::{
    local::{LocalMspError, MspFiles, NamedFile},
    signing::SigningIdentity,
};

use crate::{
    client::{
        connection::Endpoint,
        tls::{ClientIdentity, Tls, TlsError},
        transaction::Signer,
    },
    sandbox::layout::{self, Layout, LayoutError},
};

/// The sandbox that is meant when nothing else is named.
const DEFAULT_SANDBOX: &str = "sandbox";

#[derive(clap::Args)]
#[command(next_help_heading = "Which network, and as whom")]
pub(crate) struct TargetArguments {
    /// Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)
    #[arg(long, value_name = "DIR")]
    pub(crate) sandbox: Option<PathBuf>,
    /// Orderers; may be given several times or as a list with commas
    #[arg(
        long = "orderer",
        visible_alias = "orderers",
        short = 'o',
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub(crate) orderers: Vec<String>,
    /// The channel
    #[arg(long, short = 'c', visible_alias = "channelID", value_name = "NAME")]
    pub(crate) channel: Option<String>,
    /// Fabric MSP directory of the identity that signs (its signcerts and keystore are used)
    #[arg(long, value_name = "DIR")]
    pub(crate) msp_dir: Option<PathBuf>,
    /// The MSP of that identity
    #[arg(long, value_name = "ID")]
    pub(crate) mspid: Option<String>,
    /// CA of the orderers' TLS certificates, PEM; may be given several times. Without it there is no TLS
    #[arg(long, visible_alias = "cafile", value_name = "FILE")]
    pub(crate) tls_ca: Vec<PathBuf>,
    /// Client certificate for mutual TLS, PEM
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// Private key of the client certificate, PEM
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
    /// Expect this name in the orderers' TLS certificates instead of the host in their address
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,
}

/// Why the flags do not name a network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error(
        "no orderer is named: give --orderer HOST:PORT, or --sandbox DIR (there is no ./sandbox here; \
         `causeway sandbox` starts one)"
    )]
    NoOrderer,
    #[error("{0} is missing; it is needed with --orderer")]
    Missing(&'static str),
    #[error(transparent)]
    Sandbox(#[from] LayoutError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{path} cannot be read; --msp-dir must be a Fabric MSP directory with signcerts and keystore", path = path.display())]
    MspDirectory { path: PathBuf, source: io::Error },
    #[error("no identity can be made from {path}", path = path.display())]
    Msp { path: PathBuf, source: LocalMspError },
}

/// As whom a sandbox is talked to, where the flags do not say it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Writes and reads transactions.
    Client,
    /// Administers the ordering service.
    Administrator,
}

/// A network to talk to.
pub(crate) struct Target {
    /// The orderers, one at least.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Signs for the channel.
    pub(crate) signer: Signer,
    /// The sandbox that it is, if it is one.
    pub(crate) sandbox: Option<Layout>,
}

impl Target {
    /// How to reach an orderer of the channel: as it was named, or else with the TLS of those that were.
    pub(crate) fn endpoint_of(&self, address: &str) -> Endpoint {
        let named = self.endpoints.iter().find(|endpoint| endpoint.address == address).cloned();
        named.unwrap_or_else(|| Endpoint {
            address: address.to_owned(),
            tls: self.endpoints.first().and_then(|endpoint| endpoint.tls.clone()),
            server_name: None,
        })
    }

    /// The same network, this orderer first.
    pub(crate) fn preferring(&self, address: &str) -> Self {
        let mut endpoints = self.endpoints.clone();
        // Stable: the others keep the order in which they were named.
        endpoints.sort_by_key(|endpoint| endpoint.address != address);
        Self { endpoints, signer: self.signer.clone(), sandbox: self.sandbox.clone() }
    }

    /// The same network, trusting the TLS authorities of the channel's ordering organisations, too.
    pub(crate) fn trusting(&self, bundle: &Bundle) -> Self {
        let organizations = bundle.orderer().map(|orderer| &orderer.organizations);
        let msps = organizations.into_iter().flatten().map(|(_, organization)| &organization.msp);
        let roots: Vec<Bytes> = msps.flat_map(|msp| msp.tls_root_certs()).cloned().collect();
        let trusting = |endpoint: &Endpoint| Endpoint {
            tls: endpoint.tls.as_ref().map(|tls| tls.trusting(&roots)),
            ..endpoint.clone()
        };
        Self {
            endpoints: self.endpoints.iter().map(trusting).collect(),
            signer: self.signer.clone(),
            sandbox: self.sandbox.clone(),
        }
    }
}

impl TargetArguments {
    /// Reads the files that the flags name.
    pub(crate) fn resolve(&self) -> Result<Target, TargetError> {
        self.resolve_as(Role::Client)
    }

    /// The same for a command that changes the channel: in a sandbox as the administrator of its orderers.
    pub(crate) fn resolve_as_administrator(&self) -> Result<Target, TargetError> {
        self.resolve_as(Role::Administrator)
    }

    fn resolve_as(&self, role: Role) -> Result<Target, TargetError> {
        let sandbox = self.sandbox()?;
        let from_sandbox = sandbox.as_ref();
        let addresses = match from_sandbox {
            Some(layout) if self.orderers.is_empty() => {
                layout.nodes.iter().map(layout::Node::address).collect()
            }
            _ => self.orderers.clone(),
        };
        if addresses.is_empty() {
            return Err(TargetError::NoOrderer);
        }
        let channel = self.channel.clone().or_else(|| from_sandbox.map(|layout| layout.channel.clone()));
        let channel = channel.ok_or(TargetError::Missing("--channel"))?;
        let identity = self.identity(from_sandbox, role)?;
        let identity = identity.ok_or(TargetError::Missing("--msp-dir"))?;

        let tls = self.tls(from_sandbox)?;
        let endpoint =
            |address| Endpoint { address, tls: tls.clone(), server_name: self.tls_server_name.clone() };
        Ok(Target {
            endpoints: addresses.into_iter().map(endpoint).collect(),
            signer: Signer::new(identity, &channel),
            sandbox,
        })
    }

    /// The identity of an administrator, for work without a network; `None`: none is named.
    pub(crate) fn administrator(
        &self,
        sandbox: Option<&Layout>,
    ) -> Result<Option<SigningIdentity>, TargetError> {
        self.identity(sandbox, Role::Administrator)
    }

    /// The identity that the flags name, or that of the sandbox.
    fn identity(&self, sandbox: Option<&Layout>, role: Role) -> Result<Option<SigningIdentity>, TargetError> {
        let of_sandbox = sandbox.map(|layout| match role {
            Role::Client => (layout.client_msp(), layout::CLIENT_MSPID),
            Role::Administrator => (layout.admin_msp(), layout::ORDERER_MSPID),
        });
        let (msp_dir, mspid) = match (&self.msp_dir, &self.mspid, of_sandbox) {
            (Some(msp_dir), Some(mspid), _) => (msp_dir.clone(), mspid.as_str()),
            (Some(msp_dir), None, Some((_, mspid))) => (msp_dir.clone(), mspid),
            (None, Some(mspid), Some((msp_dir, _))) => (msp_dir, mspid.as_str()),
            (Some(_), None, None) => return Err(TargetError::Missing("--mspid")),
            (None, Some(_), None) => return Err(TargetError::Missing("--msp-dir")),
            (None, None, Some(of_sandbox)) => of_sandbox,
            (None, None, None) => return Ok(None),
        };
        signing_identity(&msp_dir, mspid).map(Some)
    }

    /// The sandbox that is meant, if one is.
    pub(crate) fn sandbox(&self) -> Result<Option<Layout>, LayoutError> {
        let default = Path::new(DEFAULT_SANDBOX);
        match &self.sandbox {
            Some(dir) => Layout::load(dir).map(Some),
            None if self.orderers.is_empty() && Layout::exists(default) => Layout::load(default).map(Some),
            None => Ok(None),
        }
    }

    fn tls(&self, sandbox: Option<&Layout>) -> Result<Option<Tls>, TlsError> {
        let roots = match sandbox {
            Some(layout) if self.tls_ca.is_empty() => vec![layout.tls_ca()],
            _ => self.tls_ca.clone(),
        };
        if roots.is_empty() {
            return Ok(None);
        }
        let sandbox_identity = sandbox.map(|layout| (layout.client_certificate(), layout.client_key()));
        let identity = self.client_cert.clone().zip(self.client_key.clone()).or(sandbox_identity);
        let identity = identity.as_ref().map(|(certificate, key)| ClientIdentity { certificate, key });
        Tls::load(&roots, identity).map(Some)
    }
}

/// The identity of a Fabric MSP directory.
pub(crate) fn signing_identity(msp_dir: &Path, mspid: &str) -> Result<SigningIdentity, TargetError> {
    let files = MspFiles {
        signcerts: files_of(&msp_dir.join("signcerts"))?,
        keystore: files_of(&msp_dir.join("keystore"))?,
        ..Default::default()
    };
    files.signing_identity(mspid).map_err(|source| TargetError::Msp { path: msp_dir.to_owned(), source })
}

/// The files of a directory in the order of their names.
fn files_of(directory: &Path) -> Result<Vec<NamedFile>, TargetError> {
    let read = || -> io::Result<Vec<NamedFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // A key is often a link into a mounted secret: what it leads to counts.
            if fs::metadata(entry.path())?.is_file() {
                let content = Bytes::from(fs::read(entry.path())?);
                files.push((entry.file_name().to_string_lossy().into_owned(), content));
            }
        }
        files.sort();
        Ok(files)
    };
    read().map_err(|source| TargetError::MspDirectory { path: directory.to_owned(), source })
}

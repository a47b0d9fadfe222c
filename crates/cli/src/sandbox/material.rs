//! Makes what a sandbox stands on: organisations, certificates, the channel's genesis
//! block and each node's settings, in the places that [`Layout`] names.
//!
//! Certificates and keys that are there are whole (see [`crate::material`]), so that a second attempt keeps
//! them and makes what is missing.

use std::{
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use channel::genesis::{
    ApplicationSection, Consensus, GenesisDescription, GenesisError, OrdererSection, Organization, Policies,
    PolicyRule, default_raft_options,
};
use identity::{
    generate::SubjectAttributes,
    local::{LocalMspError, MspFiles, MspYaml, NodeOus, OrganizationalUnit},
};
use protos::{
    Message,
    etcdraft::{ConfigMetadata, Consenter},
    msp::MspConfig,
};

use crate::{
    material::{Authority, FileError, Folder, Issuers, Member, Role, UNFINISHED},
    sandbox::layout::{CLIENT_MSPID, HOST, Layout, Node, ORDERER_MSPID},
};

mod settings;

/// How long the nodes wait for more transactions before they cut a block. A person at a terminal
/// waits with them, so this is shorter than Fabric's two seconds.
const BATCH_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(250);

/// Why the material of a sandbox can not be made.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A file, certificate or key stands in the way.
    #[error("{0}{remedy}", remedy = if let FileError::Certificate { path, .. } = .0 { format!("; remove {} to have it made anew", path.display()) } else { String::new() })]
    File(#[from] FileError),
    /// The directory holds something that no sandbox has.
    #[error(
        "{dir} is not empty and holds no sandbox ({found} is in the way); choose another directory or empty it",
        dir = dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// The entry that does not belong there.
        found: String,
    },
    /// An organisation's definition can not be put together.
    #[error("organisation {organization}: {source}")]
    Organization {
        /// The MSP id.
        organization: &'static str,
        /// What is wrong.
        source: LocalMspError,
    },
    /// The genesis block can not be made.
    #[error("genesis block: {0}")]
    Genesis(#[from] GenesisError),
}

/// Writes everything that `layout` names, except its description and the nodes' data. Certificates
/// and keys that an unfinished attempt has left are kept.
pub fn generate(layout: &Layout) -> Result<(), MaterialError> {
    let root = Folder::create(&layout.root)?;
    refuse_foreign(layout)?;
    let now_unix = now_unix();

    let tls = authority(&root.folder("tls-ca")?, "tlsca.sandbox", "sandbox", now_unix)?;
    let orderers = Org::open(&root, "orderer-org", ORDERER_MSPID, "orderer.sandbox", now_unix)?;
    let clients = Org::open(&root, "client-org", CLIENT_MSPID, "client.sandbox", now_unix)?;

    let admin = Member { name: "Admin@orderer.sandbox", role: Role::Admin, hosts: &[] };
    orderers.issuers(&tls).enrol(&root.folder("admin")?, &admin, None)?;
    let client_admin = Member { name: "Admin@client.sandbox", role: Role::Admin, hosts: &[] };
    clients.issuers(&tls).enrol(&root.folder("client-admin")?, &client_admin, None)?;
    let client = Member { name: "User1@client.sandbox", role: Role::Client, hosts: &[] };
    clients.issuers(&tls).enrol(&root.folder("client")?, &client, None)?;

    for node in &layout.nodes {
        let folder = root.folder(&node.name)?;
        let hosts = [HOST.to_owned(), "localhost".to_owned(), node.name.clone()];
        let name = format!("{}.orderer.sandbox", node.name);
        let member = Member { name: &name, role: Role::Orderer, hosts: &hosts };
        orderers.issuers(&tls).enrol(&folder, &member, None)?;
        folder.write("orderer.yaml", settings::text(&folder, node).as_bytes())?;
    }
    root.write("tls-ca.pem", tls.certificate().as_bytes())?;
    let block = genesis_block(layout, &layout.channel)?;
    Ok(root.write(&format!("{}.block", layout.channel), &block)?)
}

/// The genesis block of a channel with all nodes of `layout`, whose other material was generated
/// before: a network may have many channels.
pub fn genesis_block(layout: &Layout, channel: &str) -> Result<Vec<u8>, MaterialError> {
    let root = Folder::create(&layout.root)?;
    let now_unix = now_unix();
    let tls = authority(&root.folder("tls-ca")?, "tlsca.sandbox", "sandbox", now_unix)?;
    let orderers = Org::open(&root, "orderer-org", ORDERER_MSPID, "orderer.sandbox", now_unix)?;
    let clients = Org::open(&root, "client-org", CLIENT_MSPID, "client.sandbox", now_unix)?;
    let mut consenters = Vec::new();
    for node in &layout.nodes {
        let path = layout.node_dir(node).join("tls").join("server.crt");
        let certificate = fs::read(&path).map_err(|source| FileError::Io { path, source })?;
        let certificate = Bytes::from(certificate);
        consenters.push(Consenter {
            host: HOST.to_owned(),
            port: node.port.into(),
            client_tls_cert: certificate.clone(),
            server_tls_cert: certificate,
        });
    }
    let description = channel_description(layout, channel, consenters, &orderers, &clients, &tls)?;
    let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
    Ok(description.block(now_unix, nonce)?.encode_to_vec())
}

/// A directory may be new, empty, or hold (part of) a sandbox.
fn refuse_foreign(layout: &Layout) -> Result<(), MaterialError> {
    let ours = |name: &str| {
        [
            "sandbox.json",
            "orderer-org",
            "client-org",
            "client",
            "client-admin",
            "admin",
            "tls-ca",
            "tls-ca.pem",
        ]
        .contains(&name)
            || name.strip_prefix("node").is_some_and(|number| number.parse::<u16>().is_ok())
            || name.ends_with(".block")
            || name.ends_with(UNFINISHED)
    };
    let dir = &layout.root;
    let io_error = |source| FileError::Io { path: dir.clone(), source };
    for entry in fs::read_dir(dir).map_err(io_error)? {
        let found = entry.map_err(io_error)?.file_name().to_string_lossy().into_owned();
        if !ours(&found) {
            return Err(MaterialError::Foreign { dir: dir.clone(), found });
        }
    }
    Ok(())
}

fn now_unix() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// The CA of that name in this folder, made if it is not there yet.
fn authority(folder: &Folder, name: &str, organization: &str, now_unix: i64) -> Result<Authority, FileError> {
    Authority::ensure(folder, name, organization, &SubjectAttributes::default(), now_unix)
}

/// An organisation: its CA and its MSP id.
struct Org {
    mspid: &'static str,
    ca: Authority,
}

impl Org {
    fn open(
        root: &Folder,
        name: &str,
        mspid: &'static str,
        domain: &str,
        now_unix: i64,
    ) -> Result<Self, FileError> {
        let folder = root.folder(name)?.folder("ca")?;
        Ok(Self { mspid, ca: authority(&folder, &format!("ca.{domain}"), domain, now_unix)? })
    }

    fn issuers<'a>(&'a self, tls_ca: &'a Authority) -> Issuers<'a> {
        Issuers { ca: &self.ca, tls_ca, node_ous: true }
    }

    /// The organisation as it stands in channel configs.
    fn describe(&self, tls: &Authority) -> Result<Organization, MaterialError> {
        let ca = Bytes::copy_from_slice(self.ca.certificate().as_bytes());
        let unit = |identifier: &str| {
            Some(OrganizationalUnit { certificate: Some(ca.clone()), identifier: identifier.to_owned() })
        };
        let node_ous = NodeOus {
            enable: true,
            client: unit("client"),
            peer: unit("peer"),
            admin: unit("admin"),
            orderer: unit("orderer"),
        };
        let tls_ca = Bytes::copy_from_slice(tls.certificate().as_bytes());
        let files = MspFiles {
            cacerts: vec![(self.ca.certificate_file(), ca.clone())],
            tlscacerts: vec![(tls.certificate_file(), tls_ca)],
            config_yaml: Some(MspYaml { node_ous: Some(node_ous), ..MspYaml::default() }),
            ..MspFiles::default()
        };
        let config = files
            .fabric_config(self.mspid)
            .map_err(|source| MaterialError::Organization { organization: self.mspid, source })?;
        Ok(Organization {
            name: self.mspid.to_owned(),
            msp: MspConfig { r#type: 0, config: config.encode_to_vec().into() },
            policies: self.policies(),
            orderer_endpoints: Vec::new(),
            anchor_peers: Vec::new(),
            skip_as_foreign: false,
        })
    }

    fn policies(&self) -> Policies {
        let role = |role: &str| PolicyRule::Signature(format!("OR('{}.{role}')", self.mspid));
        [("Readers", "member"), ("Writers", "member"), ("Admins", "admin"), ("Endorsement", "peer")]
            .map(|(policy, who)| (policy.to_owned(), role(who)))
            .into()
    }
}

fn channel_description(
    layout: &Layout,
    channel: &str,
    consenters: Vec<Consenter>,
    orderers: &Org,
    clients: &Org,
    tls: &Authority,
) -> Result<GenesisDescription, MaterialError> {
    let mut orderer_organization = orderers.describe(tls)?;
    orderer_organization.orderer_endpoints = layout.nodes.iter().map(Node::address).collect();
    let consensus = Consensus::Etcdraft(ConfigMetadata { consenters, options: Some(default_raft_options()) });
    let orderer = OrdererSection {
        batch_timeout: BATCH_TIMEOUT,
        ..OrdererSection::new(consensus, vec![orderer_organization])
    };
    let application = ApplicationSection::new(vec![clients.describe(tls)?]);
    Ok(GenesisDescription::application_channel(channel, orderer, application))
}

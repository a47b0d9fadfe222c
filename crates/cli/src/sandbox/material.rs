//! Makes what a sandbox stands on: organisations, certificates, the channel's genesis
//! block and each node's settings, in the places that [`Layout`] names.
//!
//! Every file is written under another name and then renamed, and a private key before its
//! certificate. So whatever stopped an earlier attempt, a certificate that is there is whole and has
//! its key, and a second attempt keeps it and makes what is missing.

use std::{
    fs, io,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use channel::genesis::{
    ApplicationSection, Consensus, GenesisDescription, GenesisError, OrdererSection, Organization, Policies,
    PolicyRule, default_raft_options,
};
use identity::{
    generate::{CertificateAuthority, GenerateError, KeyPair, Validity},
    local::{LocalMspError, MspFiles, MspYaml, NodeOus, OrganizationalUnit},
};
use protos::{
    Message,
    etcdraft::{ConfigMetadata, Consenter},
    msp::MspConfig,
};

use crate::sandbox::layout::{CLIENT_MSPID, HOST, Layout, Node, ORDERER_MSPID};
use files::Folder;

mod files;
mod settings;

/// How long the nodes wait for more transactions before they cut a block. A person at a terminal
/// waits with them, so this is shorter than Fabric's two seconds.
const BATCH_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(250);

/// Why the material of a sandbox can not be made.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A file can not be read or written.
    #[error("{path} can not be read or written: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
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
    /// A certificate or key that is there can not be used, or a new one can not be made.
    #[error("{path}: {source}; remove {path} to have it made anew", path = path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: GenerateError,
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

    let tls = Authority::open(&root, "tls-ca", "tlsca.sandbox", "sandbox", now_unix)?;
    let orderers = Org::open(&root, "orderer-org", ORDERER_MSPID, "orderer.sandbox", now_unix)?;
    let clients = Org::open(&root, "client-org", CLIENT_MSPID, "client.sandbox", now_unix)?;

    orderers.enrol(&root.folder("admin")?, "admin", "Admin@orderer.sandbox", &tls)?;
    tls.issue_tls(&root.folder("admin")?.folder("tls")?, "client", "Admin@orderer.sandbox", &[])?;
    clients.enrol(&root.folder("client")?, "client", "User1@client.sandbox", &tls)?;
    tls.issue_tls(&root.folder("client")?.folder("tls")?, "client", "User1@client.sandbox", &[])?;

    let mut consenters = Vec::new();
    for node in &layout.nodes {
        let folder = root.folder(&node.name)?;
        let name = format!("{}.orderer.sandbox", node.name);
        orderers.enrol(&folder, "orderer", &name, &tls)?;
        let hosts = [HOST.to_owned(), "localhost".to_owned(), node.name.clone()];
        let certificate = Bytes::from(tls.issue_tls(&folder.folder("tls")?, "server", &name, &hosts)?);
        folder.write("orderer.yaml", settings::text(&folder, node).as_bytes())?;
        consenters.push(Consenter {
            host: HOST.to_owned(),
            port: node.port.into(),
            client_tls_cert: certificate.clone(),
            server_tls_cert: certificate,
        });
    }

    let description = channel_description(layout, consenters, &orderers, &clients, &tls)?;
    let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
    let block = description.block(now_unix, nonce)?;
    root.write(&format!("{}.block", layout.channel), &block.encode_to_vec())?;
    root.write("tls-ca.pem", tls.certificate().as_bytes())
}

/// A directory may be new, empty, or hold (part of) a sandbox.
fn refuse_foreign(layout: &Layout) -> Result<(), MaterialError> {
    let ours = |name: &str| {
        ["sandbox.json", "orderer-org", "client-org", "client", "admin", "tls-ca", "tls-ca.pem"]
            .contains(&name)
            || name.strip_prefix("node").is_some_and(|number| number.parse::<u16>().is_ok())
            || name.ends_with(".block")
            || name.ends_with(files::UNFINISHED)
    };
    let dir = &layout.root;
    let io_error = |source| MaterialError::Io { path: dir.clone(), source };
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

/// A certificate authority that is kept in a folder.
struct Authority {
    authority: CertificateAuthority,
    /// Of what it issues.
    validity: Validity,
}

impl Authority {
    fn open(
        parent: &Folder,
        name: &str,
        common_name: &str,
        organization: &str,
        now_unix: i64,
    ) -> Result<Self, MaterialError> {
        let folder = parent.folder(name)?;
        let in_certificate =
            |source| MaterialError::Certificate { path: folder.path().join("cert.pem"), source };
        let authority = match folder.key_pair("cert.pem", "key.pem")? {
            Some(pair) => CertificateAuthority::from_pem(&pair.certificate_pem, &pair.private_key_pem),
            None => CertificateAuthority::new(common_name, organization, now_unix),
        }
        .map_err(in_certificate)?;
        let pair = KeyPair {
            certificate_pem: authority.certificate_pem().to_owned(),
            private_key_pem: authority.private_key_pem().to_owned(),
        };
        folder.write_key_pair("cert.pem", "key.pem", &pair)?;
        Ok(Self { authority, validity: Validity::from_now(now_unix) })
    }

    fn certificate(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// Puts `NAME.crt`, `NAME.key` and this CA's `ca.crt` into `folder`; gives the certificate.
    fn issue_tls(
        &self,
        folder: &Folder,
        name: &str,
        common_name: &str,
        hosts: &[String],
    ) -> Result<String, MaterialError> {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        folder.ensure_key_pair(&certificate, &key, ("ca.crt", self.certificate()), || {
            self.authority.issue_tls(common_name, hosts, self.validity)
        })
    }
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
    ) -> Result<Self, MaterialError> {
        let ca = Authority::open(&root.folder(name)?, "ca", &format!("ca.{domain}"), domain, now_unix)?;
        Ok(Self { mspid, ca })
    }

    /// Puts the MSP directory `msp` of a new member with this role into `folder`.
    fn enrol(
        &self,
        folder: &Folder,
        role: &str,
        common_name: &str,
        tls: &Authority,
    ) -> Result<(), MaterialError> {
        let msp = folder.folder("msp")?;
        msp.folder("cacerts")?;
        msp.folder("tlscacerts")?.write("tlsca-cert.pem", tls.certificate().as_bytes())?;
        msp.write("config.yaml", settings::NODE_OUS.as_bytes())?;
        msp.folder("keystore")?;
        msp.folder("signcerts")?;
        let issuer = ("cacerts/ca-cert.pem", self.ca.certificate());
        msp.ensure_key_pair("signcerts/cert.pem", "keystore/priv_sk", issuer, || {
            self.ca.authority.issue_identity(common_name, Some(role), self.ca.validity)
        })?;
        Ok(())
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
            cacerts: vec![("ca-cert.pem".to_owned(), ca.clone())],
            tlscacerts: vec![("tlsca-cert.pem".to_owned(), tls_ca)],
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
    Ok(GenesisDescription::application_channel(&layout.channel, orderer, application))
}

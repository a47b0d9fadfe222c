//! Organisations, certificates and genesis blocks for the tests.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use channel::genesis::{
    ApplicationSection, Consensus, GenesisDescription, OrdererSection, Organization, Policies, PolicyRule,
    default_raft_options,
};
use identity::{
    generate::{CertificateAuthority, KeyPair, Validity},
    local::{MspFiles, MspYaml, NodeOus, OrganizationalUnit},
    signing::SigningIdentity,
};
use prost::Message;
use protos::{
    common::Block,
    etcdraft::{ConfigMetadata, Consenter, Options},
    msp::MspConfig,
};

pub(crate) const MSP_ID: &str = "TestMSP";

pub(crate) fn now_unix() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// One organisation that is everything: orderer, application, and TLS CA.
pub(crate) struct Org {
    pub(crate) ca: CertificateAuthority,
    pub(crate) tls_ca: CertificateAuthority,
}

/// A TLS certificate with its key, in files.
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) pair: KeyPair,
}

impl Org {
    pub(crate) fn new() -> Self {
        Self {
            ca: CertificateAuthority::new("ca.test", "test", now_unix()).unwrap(),
            tls_ca: CertificateAuthority::new("tlsca.test", "test", now_unix()).unwrap(),
        }
    }

    pub(crate) fn member(&self, role: &str) -> SigningIdentity {
        self.member_until(role, Validity::from_now(now_unix()))
    }

    pub(crate) fn member_until(&self, role: &str, validity: Validity) -> SigningIdentity {
        let pair = self.ca.issue_identity(&format!("{role}.test"), Some(role), validity).unwrap();
        SigningIdentity::from_pem(MSP_ID, pair.certificate_pem.as_bytes(), pair.private_key_pem.as_bytes())
            .unwrap()
    }

    pub(crate) fn tls_files(&self, directory: &Path, name: &str) -> TlsFiles {
        self.tls_files_until(directory, name, Validity::from_now(now_unix()))
    }

    pub(crate) fn tls_files_until(&self, directory: &Path, name: &str, validity: Validity) -> TlsFiles {
        let pair = self.tls_ca.issue_tls(name, &["127.0.0.1", "localhost"], validity).unwrap();
        let (certificate, key) =
            (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        fs::write(&certificate, &pair.certificate_pem).unwrap();
        fs::write(&key, &pair.private_key_pem).unwrap();
        TlsFiles { certificate, key, pair }
    }

    /// Writes an MSP directory for a node.
    pub(crate) fn enrol_node(&self, directory: &Path) {
        let validity = Validity::from_now(now_unix());
        let pair = self.ca.issue_identity("node.test", Some("orderer"), validity).unwrap();
        for (folder, file, content) in
            [("signcerts", "cert.pem", &pair.certificate_pem), ("keystore", "priv_sk", &pair.private_key_pem)]
        {
            fs::create_dir_all(directory.join(folder)).unwrap();
            fs::write(directory.join(folder).join(file), content).unwrap();
        }
    }

    fn describe(&self, endpoints: Vec<String>) -> Organization {
        let ca = Bytes::copy_from_slice(self.ca.certificate_pem().as_bytes());
        let tls_ca = Bytes::copy_from_slice(self.tls_ca.certificate_pem().as_bytes());
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
        let files = MspFiles {
            cacerts: vec![("ca.pem".to_owned(), ca.clone())],
            tlscacerts: vec![("tlsca.pem".to_owned(), tls_ca)],
            config_yaml: Some(MspYaml { node_ous: Some(node_ous), ..MspYaml::default() }),
            ..MspFiles::default()
        };
        let config = files.fabric_config(MSP_ID).unwrap();
        let policies: Policies =
            [("Readers", "member"), ("Writers", "client"), ("Admins", "admin"), ("Endorsement", "peer")]
                .map(|(policy, role)| {
                    let rule = format!("OR('{MSP_ID}.{role}', '{MSP_ID}.orderer')");
                    (policy.to_owned(), PolicyRule::Signature(rule))
                })
                .into();
        Organization {
            name: MSP_ID.to_owned(),
            msp: MspConfig { r#type: 0, config: config.encode_to_vec().into() },
            policies,
            orderer_endpoints: endpoints,
            anchor_peers: Vec::new(),
            skip_as_foreign: false,
        }
    }

    /// A channel of these consenters, cutting a block for every `messages`. They are also the
    /// endpoints that blocks are pulled from.
    pub(crate) fn genesis(&self, channel_id: &str, consenters: Vec<Consenter>, messages: u32) -> Block {
        let orderer = self.orderer_section(consenters, messages, raft_options());
        let application = ApplicationSection::new(vec![self.describe(Vec::new())]);
        GenesisDescription::application_channel(channel_id, orderer, application)
            .block(now_unix(), Bytes::from_static(&[7; 24]))
            .unwrap()
    }

    /// A system channel whose one consortium has this organisation. The consenters are also the
    /// endpoints that blocks are pulled from.
    pub(crate) fn system_genesis(&self, channel_id: &str, consenters: Vec<Consenter>) -> Block {
        self.system_genesis_with(channel_id, consenters, raft_options())
    }

    pub(crate) fn system_genesis_with(
        &self,
        channel_id: &str,
        consenters: Vec<Consenter>,
        options: Options,
    ) -> Block {
        let orderer = self.orderer_section(consenters, 1, options);
        let members = vec![self.describe(Vec::new())];
        let application = ApplicationSection::new(Vec::new());
        let mut description = GenesisDescription::application_channel(channel_id, orderer, application);
        description.application = None;
        description.consortiums = Some([("TestConsortium".to_owned(), members)].into());
        description.block(now_unix(), Bytes::from_static(&[8; 24])).unwrap()
    }

    fn orderer_section(&self, consenters: Vec<Consenter>, messages: u32, options: Options) -> OrdererSection {
        let endpoints = consenters.iter().map(|c| format!("{}:{}", c.host, c.port)).collect();
        let consensus = Consensus::Etcdraft(ConfigMetadata { consenters, options: Some(options) });
        let mut orderer = OrdererSection::new(consensus, vec![self.describe(endpoints)]);
        orderer.batch_timeout = std::time::Duration::from_millis(50);
        orderer.batch_size.max_message_count = messages;
        orderer.batch_size.absolute_max_bytes = 64 << 10;
        orderer.batch_size.preferred_max_bytes = 32 << 10;
        orderer
    }
}

fn raft_options() -> Options {
    Options { tick_interval: "20ms".to_owned(), ..default_raft_options() }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A consenter on this machine.
pub(crate) fn consenter(port: u16, certificate_pem: &str) -> Consenter {
    let pem = Bytes::copy_from_slice(certificate_pem.as_bytes());
    Consenter {
        host: "127.0.0.1".to_owned(),
        port: port.into(),
        client_tls_cert: pem.clone(),
        server_tls_cert: pem,
    }
}

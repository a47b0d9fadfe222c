//! What differs from a sandbox's material in a [`Network`](crate::network::Network).

use std::fs;
use std::path::{Path, PathBuf};

use cli::sandbox::layout::{HOST, Layout, ORDERER_MSPID};
use identity::generate::{CertificateAuthority, Validity};
use protos::Message;
use protos::common::Block;

use crate::network::{BEHIND_PROXY, NetworkOptions};
use crate::{channel_config, forge};

/// An authority whose certificates clients know, and the orderers' organisation does not issue.
pub(crate) struct PublicAuthority {
    authority: CertificateAuthority,
    /// Its certificate.
    pub(crate) root: PathBuf,
}

impl PublicAuthority {
    pub(crate) fn new(directory: &Path) -> Self {
        let authority = forge::stranger();
        let root = directory.join("public-ca.pem");
        fs::write(&root, authority.certificate_pem()).expect("a file can be written");
        Self { authority, root }
    }

    /// The variables of a node whose cluster listener shows the certificate that it is a consenter by.
    pub(crate) fn cluster_listener(
        &self,
        node: &Path,
        cluster_port: u16,
        port: u16,
    ) -> Vec<(String, String)> {
        let validity = Validity::from_now(forge::now_unix());
        let pair = self.authority.issue_tls("orderer.public", &[HOST, "localhost"], validity);
        let pair = pair.expect("a certificate can be issued");
        let file = |name: &str| node.join("tls").join(name);
        fs::write(file("public.crt"), pair.certificate_pem).expect("a file can be written");
        fs::write(file("public.key"), pair.private_key_pem).expect("a file can be written");
        let path = |name: &str| file(name).display().to_string();
        [
            ("LISTENPORT", port.to_string()),
            ("TLS_CERTIFICATE", path("public.crt")),
            ("TLS_PRIVATEKEY", path("public.key")),
            ("CLUSTER_LISTENADDRESS", HOST.to_owned()),
            ("CLUSTER_LISTENPORT", cluster_port.to_string()),
            ("CLUSTER_SERVERCERTIFICATE", path("server.crt")),
            ("CLUSTER_SERVERPRIVATEKEY", path("server.key")),
            ("CLUSTER_CLIENTCERTIFICATE", path("server.crt")),
            ("CLUSTER_CLIENTPRIVATEKEY", path("server.key")),
            ("CLUSTER_ROOTCAS", self.root.display().to_string()),
        ]
        .map(|(name, value)| (format!("ORDERER_GENERAL_{name}"), value))
        .into()
    }
}

/// Changes what is to be different in the genesis block of the material.
pub(crate) fn set_genesis(layout: &Layout, options: &NetworkOptions) {
    let path = layout.genesis_block();
    let bytes = fs::read(&path).expect("the material has a genesis block");
    let mut block = Block::decode(bytes.as_slice()).expect("the genesis block decodes");
    channel_config::change_genesis(&mut block, |config| {
        if options.cluster_listener {
            channel_config::change_endpoints(config, ORDERER_MSPID, |endpoints| {
                let ports = layout.nodes.iter().map(|node| node.port + BEHIND_PROXY);
                *endpoints = ports.map(|port| format!("{HOST}:{port}")).collect();
            });
        }
        (options.genesis)(config);
    });
    fs::write(&path, block.encode_to_vec()).expect("the genesis block can be written");
}

/// Sets a key of a section of the `orderer.yaml` in a node's directory.
///
/// # Panics
/// When there is no such file or section.
pub fn set_key(directory: &Path, section: &str, key: &str, value: &str) {
    let path = directory.join("orderer.yaml");
    let settings = fs::read_to_string(&path).expect("the material has settings");
    let start = format!("  {key}:");
    let mut lines: Vec<_> = settings.lines().collect();
    let head = format!("{section}:");
    let section = lines.iter().position(|line| *line == head).expect("there is such a section") + 1;
    let inside =
        lines[section..].iter().position(|line| !line.starts_with(' ')).unwrap_or(lines.len() - section);
    let old = lines[section..section + inside].iter().position(|line| line.starts_with(&start));
    if let Some(old) = old {
        lines.remove(section + old);
    }
    let line = format!("{start} {value}");
    lines.insert(section, &line);
    fs::write(&path, lines.join("\n") + "\n").expect("the settings can be written");
}

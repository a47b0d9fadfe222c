//! The tree that Fabric's cryptogen made: we read it as Fabric does, and make the same from its CAs.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use identity::{
    certificate::Certificate,
    generate::{CertificateAuthority, Validity},
    local::{MspFiles, MspYaml, NamedFile, NodeOus, OrganizationalUnit},
    msp::{Msp, MspVersion},
};
use protos::{
    Message,
    common::{Block, ConfigEnvelope, ConfigGroup, Envelope, Payload},
    msp::MspConfig,
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The vectors' directory; `None` (with a message) when there is none here.
fn vectors() -> Option<PathBuf> {
    let root = std::env::var_os("CAUSEWAY_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    if !root.join("crypto").exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", root.display());
        eprintln!("skipped: {} is missing; set CAUSEWAY_VECTORS", root.display());
        return None;
    }
    Some(root)
}

fn files(directory: &Path) -> Vec<NamedFile> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<NamedFile> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap().into())
        })
        .collect();
    files.sort();
    files
}

/// An MSP directory; cryptogen's `config.yaml` always pins all four units to the CA.
fn msp_files(directory: &Path) -> MspFiles {
    let cacerts = files(&directory.join("cacerts"));
    let unit = |identifier: &str| {
        let certificate = Some(cacerts[0].1.clone());
        Some(OrganizationalUnit { certificate, identifier: identifier.to_owned() })
    };
    let node_ous = NodeOus {
        enable: true,
        client: unit("client"),
        peer: unit("peer"),
        admin: unit("admin"),
        orderer: unit("orderer"),
    };
    MspFiles {
        intermediatecerts: files(&directory.join("intermediatecerts")),
        admincerts: files(&directory.join("admincerts")),
        crls: files(&directory.join("crls")),
        tlscacerts: files(&directory.join("tlscacerts")),
        tlsintermediatecerts: files(&directory.join("tlsintermediatecerts")),
        signcerts: files(&directory.join("signcerts")),
        keystore: files(&directory.join("keystore")),
        config_yaml: Some(MspYaml { node_ous: Some(node_ous), ..MspYaml::default() }),
        cacerts,
    }
}

/// All directories of that name below `directory`.
fn directories_named(name: &str, directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.ends_with(name) {
                found.push(path.clone());
            }
            directories_named(name, &path, found);
        }
    }
}

#[test]
fn msp_directories_of_vectors_hold_members_that_sign() {
    let Some(vectors) = vectors() else { return };
    let mut directories = Vec::new();
    directories_named("msp", &vectors.join("crypto"), &mut directories);
    let mut signers = 0;
    for directory in directories {
        let files = msp_files(&directory);
        let config = files.fabric_config("AnyMSP").unwrap();
        let config = MspConfig { r#type: 0, config: config.encode_to_vec().into() };
        let msp = Msp::setup(&config, MspVersion::V1_4_3).unwrap();
        assert_eq!(msp.tls_root_certs().len(), 1);
        if files.signcerts.is_empty() {
            continue;
        }
        let signer = files.signing_identity("AnyMSP").unwrap();
        let identity = msp.deserialize_identity(signer.serialized()).unwrap();
        assert_eq!(identity.validate(), Ok(()), "{}", directory.display());
        let signature = signer.sign(b"message").unwrap();
        assert_eq!(identity.verify(b"message", &signature), Ok(()), "{}", directory.display());
        signers += 1;
    }
    assert!(signers >= 12, "only {signers}");
}

#[test]
fn definitions_of_vectors_are_those_of_configtxgen() {
    let Some(vectors) = vectors() else { return };
    let block = std::fs::read(vectors.join("genesis/raft-app/genesis.block")).unwrap();
    let block = Block::decode(block.as_slice()).unwrap();
    let envelope = Envelope::decode(block.data.unwrap().data[0].clone()).unwrap();
    let payload = Payload::decode(envelope.payload).unwrap();
    let config = ConfigEnvelope::decode(payload.data).unwrap().config.unwrap();
    let definition = |group: &ConfigGroup| MspConfig::decode(group.values["MSP"].value.clone()).unwrap();
    let root = config.channel_group.unwrap();
    let mut compared = 0;
    for group in root.groups.values() {
        for organization in group.groups.values() {
            let expected = definition(organization);
            let name = protos::msp::FabricMspConfig::decode(expected.config.clone()).unwrap().name;
            let directory = match name.strip_suffix("MSP").unwrap() {
                "Orderer" => "ordererOrganizations/example.com".to_owned(),
                org => format!("peerOrganizations/{}.example.com", org.to_lowercase()),
            };
            let files = msp_files(&vectors.join("crypto").join(directory).join("msp"));
            let config = files.fabric_config(&name).unwrap();
            assert_eq!(Bytes::from(config.encode_to_vec()), expected.config, "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 2, "only {compared}");
}

/// What a certificate says besides serial number, validity and key.
#[derive(Debug, PartialEq)]
struct Profile {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    /// Object identifier, whether critical, content.
    extensions: Vec<(String, bool, Vec<u8>)>,
}

fn profile(certificate: &Certificate) -> Profile {
    let (_, certificate) = X509Certificate::from_der(certificate.der()).unwrap();
    let extensions = certificate.extensions().iter();
    let extensions = extensions.map(|e| (e.oid.to_id_string(), e.critical, e.value.to_vec())).collect();
    Profile {
        subject: certificate.subject().as_raw().to_vec(),
        issuer: certificate.issuer().as_raw().to_vec(),
        extensions,
    }
}

#[test]
fn certificates_from_the_cas_of_vectors_have_the_profile_of_cryptogen() {
    let Some(vectors) = vectors() else { return };
    let organization = vectors.join("crypto/ordererOrganizations/example.com");
    let node = organization.join("orderers/orderer0.example.com");
    let read = |path: &str| std::fs::read_to_string(organization.join(path)).unwrap();
    let authority = |folder: &str| {
        let certificate = read(&format!("{folder}/{folder}.example.com-cert.pem"));
        CertificateAuthority::from_pem(&certificate, &read(&format!("{folder}/priv_sk"))).unwrap()
    };
    let theirs = |path: &Path| Certificate::from_pem(&std::fs::read(path).unwrap()).unwrap();
    let ours = |pem: &str| Certificate::from_pem(pem.as_bytes()).unwrap();

    let now = theirs(&node.join("tls/server.crt")).not_before_unix() + 300;
    let validity = Validity::from_now(now);
    let enrolment =
        authority("ca").issue_identity("orderer0.example.com", Some("orderer"), validity).unwrap();
    let expected = theirs(&node.join("msp/signcerts/orderer0.example.com-cert.pem"));
    assert_eq!(profile(&ours(&enrolment.certificate_pem)), profile(&expected));

    let expected = theirs(&node.join("tls/server.crt"));
    let sans = sans(expected.der());
    let tls = authority("tlsca").issue_tls("orderer0.example.com", &sans, validity).unwrap();
    let tls = ours(&tls.certificate_pem);
    assert_eq!(profile(&tls), profile(&expected));
    assert_eq!(tls.not_after_unix(), expected.not_after_unix());

    let ca = CertificateAuthority::new("ca.example.com", "example.com", now).unwrap();
    // Every CA has a key identifier of its own; its length is part of the profile.
    let own_key_identifier = |profile: &mut Profile| {
        let at = profile.extensions.iter().position(|(oid, ..)| oid == "2.5.29.14").unwrap();
        profile.extensions.remove(at).2.len()
    };
    let mut our_ca = profile(&ours(ca.certificate_pem()));
    let mut their_ca = profile(&theirs(&organization.join("ca/ca.example.com-cert.pem")));
    assert_eq!(own_key_identifier(&mut our_ca), own_key_identifier(&mut their_ca));
    assert_eq!(our_ca, their_ca);
}

fn sans(der: &[u8]) -> Vec<String> {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap().value;
    names
        .general_names
        .iter()
        .map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => (*name).to_owned(),
            x509_parser::extensions::GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(*bytes).unwrap()).to_string(),
                _ => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).unwrap()).to_string(),
            },
            other => panic!("{other:?}"),
        })
        .collect()
}

//! Prints what it costs to check one transaction's signature and the right of its creator.
//!
//! `cargo run --release -p identity --example evaluate_one`
#![allow(clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use identity::{
    generate::{CertificateAuthority, Validity},
    msp::{Msp, MspManager, MspVersion},
    policy::{CachedPolicy, PolicyManager, SignedData, language},
    signing::SigningIdentity,
};
use protos::{
    Message,
    common::{ConfigGroup, ConfigPolicy, ImplicitMetaPolicy, Policy, policy::PolicyType},
    msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, MspConfig},
};

const ORGANIZATIONS: usize = 5;
const MESSAGE_BYTES: usize = 1024;

fn main() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut root = ConfigGroup::default();
    let mut application = ConfigGroup::default();
    let mut msps = Vec::new();
    let mut signers = Vec::new();
    for number in 1..=ORGANIZATIONS {
        let mspid = format!("Org{number}MSP");
        let ca = CertificateAuthority::new(&format!("ca{number}"), "example.com", now).unwrap();
        let client = ca.issue_identity("client", Some("client"), Validity::from_now(now)).unwrap();
        let (certificate, key) = (client.certificate_pem, client.private_key_pem);
        signers.push(SigningIdentity::from_pem(&mspid, certificate.as_bytes(), key.as_bytes()).unwrap());
        msps.push(Arc::new(msp(&mspid, &ca)));
        let mut organization = ConfigGroup::default();
        let writers = language::parse(&format!("OR('{mspid}.admin', '{mspid}.client')")).unwrap();
        add_policy(&mut organization, "Writers", PolicyType::Signature, writers.encode_to_vec());
        application.groups.insert(mspid, organization);
    }
    let any_writers = ImplicitMetaPolicy { sub_policy: "Writers".to_owned(), rule: 0 }.encode_to_vec();
    add_policy(&mut application, "Writers", PolicyType::ImplicitMeta, any_writers.clone());
    add_policy(&mut root, "Writers", PolicyType::ImplicitMeta, any_writers);
    root.groups.insert("Application".to_owned(), application);

    let msps = Arc::new(MspManager::new(msps));
    let manager = PolicyManager::new("Channel", &root, &msps).unwrap();
    let writers = manager.policy("/Channel/Writers").unwrap();
    let data = Bytes::from(vec![7; MESSAGE_BYTES]);
    let signed: Vec<_> = signers
        .iter()
        .map(|signer| SignedData {
            data: data.clone(),
            identity: signer.serialized().clone(),
            signature: signer.sign(&data).unwrap(),
        })
        .collect();

    let identity = msps.deserialize_identity(signers[0].serialized()).unwrap();
    report("signature alone", || {
        identity.verify(&data, &signed[0].signature).unwrap();
    });
    let cached = CachedPolicy::new(writers.clone(), msps.clone());
    let mut turn = 0;
    report("evaluate_one, creators known", || {
        turn = (turn + 1) % signed.len();
        cached.evaluate_one(&signed[turn]).unwrap();
    });
    report("evaluate, identities known", || {
        turn = (turn + 1) % signed.len();
        writers.evaluate(std::slice::from_ref(&signed[turn])).unwrap();
    });
    report("signing", || {
        signers[0].sign(&data).unwrap();
    });
}

fn msp(mspid: &str, ca: &CertificateAuthority) -> Msp {
    let unit = |name: &str| {
        Some(FabricOuIdentifier { organizational_unit_identifier: name.to_owned(), ..Default::default() })
    };
    let definition = FabricMspConfig {
        name: mspid.to_owned(),
        root_certs: vec![Bytes::copy_from_slice(ca.certificate_pem().as_bytes())],
        fabric_node_ous: Some(FabricNodeOUs {
            enable: true,
            client_ou_identifier: unit("client"),
            peer_ou_identifier: unit("peer"),
            admin_ou_identifier: unit("admin"),
            orderer_ou_identifier: unit("orderer"),
        }),
        ..Default::default()
    };
    let config = MspConfig { r#type: 0, config: definition.encode_to_vec().into() };
    Msp::setup(&config, MspVersion::V1_4_3).unwrap()
}

fn add_policy(group: &mut ConfigGroup, name: &str, kind: PolicyType, value: Vec<u8>) {
    let policy = Some(Policy { r#type: kind.into(), value: value.into() });
    group.policies.insert(name.to_owned(), ConfigPolicy { policy, ..Default::default() });
}

/// Runs for a second and prints the median of batches, so that a busy machine shows less.
fn report(what: &str, mut run: impl FnMut()) {
    const BATCH: u32 = 100;
    let mut batches = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        (0..BATCH).for_each(|_| run());
        batches.push(start.elapsed() / BATCH);
    }
    batches.sort();
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    println!("{what:32} {:7.2} µs (least {:.2})", micros(batches[batches.len() / 2]), micros(batches[0]));
}

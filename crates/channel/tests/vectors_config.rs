//! Configuration updates and normal messages as Fabric's orderer answered them, and updates as
//! Fabric's configtxlator computed them.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use channel::{
    bundle::{Bundle, OrdererConfig},
    configtx::{compute_update, validate_config},
    consenters::{ETCDRAFT, RaftConfig, RaftState},
    processor::{
        self, Class, MessageError, ProcessingContext, SystemContext, process_config, process_config_update,
        process_normal,
    },
};
use identity::signing::SigningIdentity;
use protos::{
    Message,
    common::{Config, ConfigEnvelope, ConfigUpdate, Envelope, HeaderType, Payload},
    etcdraft::BlockMetadata,
};
use serde::Deserialize;

mod golden;

/// New Year's Day 2027: the certificates that are to be valid are, the others have expired.
const NOW_UNIX: i64 = 1_798_761_600;

/// What Fabric accepts and then can not live with, and the reason why we refuse it.
const REFUSED_HERE: [(&str, &str); 2] = [
    (
        "ok-metadata-removed",
        "error applying config update to existing channel 'ch1': consensus metadata update for channel config update is invalid: invalid new config metadata: nil Raft config metadata",
    ),
    (
        "ok-kafka-to-raft-bad-consenters",
        "config update for existing channel did not pass maintenance checks: config transaction inspection failed: attempted to change consensus type from kafka to etcdraft, but the channel could not be opened: invalid new config metadata: nil Raft config metadata",
    ),
];

#[derive(Deserialize)]
struct Manifest {
    bases: Vec<Base>,
    cases: Vec<Case>,
    normal_messages: Vec<Case>,
}

#[derive(Deserialize)]
struct Base {
    name: String,
    file: String,
    channel_id: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    base: String,
    envelope: String,
    accepted: bool,
    result: Option<String>,
    result_type: Option<String>,
    config_sequence: Option<u64>,
    error: Option<String>,
    #[serde(default)]
    error_alternatives: Vec<String>,
    status: Option<String>,
    active_raft_nodes: Option<Vec<u64>>,
}

/// The channel that a case is played on.
struct Channel {
    bundle: Bundle,
    block_metadata: BlockMetadata,
    active_nodes: Vec<u64>,
}

impl Channel {
    fn open(directory: &Path, manifest: &Manifest, case: &Case) -> Self {
        let base = manifest.bases.iter().find(|base| base.name == case.base).unwrap();
        let config = Config::decode(read(directory, &base.file)).unwrap();
        let bundle = Bundle::new(&base.channel_id, config).unwrap();
        let consenters = bundle.orderer().map_or(0, consenters);
        let ids: Vec<u64> = (1..=consenters as u64).collect();
        Self {
            bundle,
            active_nodes: case.active_raft_nodes.clone().unwrap_or_else(|| ids.clone()),
            block_metadata: BlockMetadata {
                next_consenter_id: ids.len() as u64 + 1,
                consenter_ids: ids,
                raft_index: 7,
            },
        }
    }

    fn context(&self) -> ProcessingContext<'_> {
        let is_etcdraft = self.bundle.orderer().is_some_and(|o| o.consensus_type == ETCDRAFT);
        ProcessingContext {
            bundle: &self.bundle,
            now_unix: NOW_UNIX,
            check_expiration: true,
            raft: is_etcdraft.then_some(RaftState {
                block_metadata: &self.block_metadata,
                active_nodes: &self.active_nodes,
            }),
            system: self.bundle.consortiums().map(|_| SystemContext { channel_count: 1 }),
        }
    }
}

fn consenters(orderer: &OrdererConfig) -> usize {
    RaftConfig::parse(&orderer.consensus_metadata).map_or(0, |raft| raft.consenters.len())
}

fn read(directory: &Path, file: &str) -> &'static [u8] {
    // Leaked, so that all that is decoded from it may be compared at leisure.
    fs::read(directory.join(file)).unwrap().leak()
}

fn orderer_identity() -> SigningIdentity {
    let msp = golden::directory("crypto/ordererOrganizations/example.com/orderers/orderer0.example.com/msp");
    let only_file = |name: &str| {
        let directory = msp.as_ref().unwrap().join(name);
        fs::read(fs::read_dir(directory).unwrap().next().unwrap().unwrap().path()).unwrap()
    };
    SigningIdentity::from_pem("OrdererMSP", &only_file("signcerts"), &only_file("keystore")).unwrap()
}

/// The data of an envelope of this type, with its channel.
fn open<M: Message + Default>(envelope: &Envelope, kind: HeaderType) -> M {
    let payload = Payload::decode(&envelope.payload[..]).unwrap();
    assert_eq!(channel::envelope::channel_header(envelope).unwrap().r#type, kind as i32);
    M::decode(&payload.data[..]).unwrap()
}

fn config_of(message: &Envelope, result_type: &str) -> ConfigEnvelope {
    match result_type {
        "CONFIG" => open(message, HeaderType::Config),
        "ORDERER_TRANSACTION" => {
            open(&open::<Envelope>(message, HeaderType::OrdererTransaction), HeaderType::Config)
        }
        other => panic!("unknown result type {other}"),
    }
}

/// Hides the clock, and the length of signatures, which varies.
fn without_chance(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for i in 1..words.len() {
        if words[i - 1] == "time" && words.get(i + 1) == Some(&"is") {
            words[i] = "*";
        }
        if words[i - 1] == "is" && words.get(i + 1) == Some(&"bytes") && words[i].starts_with("2642") {
            words[i] = "2642*";
        }
    }
    words.join(" ")
}

fn check_refusal(case: &Case, error: &MessageError) -> Result<(), String> {
    let expected = case.error.iter().chain(&case.error_alternatives);
    let texts: Vec<String> = expected.map(|text| without_chance(text)).collect();
    let text = without_chance(&error.to_string());
    if !texts.contains(&text) {
        return Err(format!("says {text:?}, not {texts:?}"));
    }
    let status = error.status().as_str_name();
    if case.status.as_deref() != Some(status) {
        return Err(format!("answers {status}, not {:?}", case.status));
    }
    Ok(())
}

fn check_update(
    directory: &Path,
    channel: &Channel,
    case: &Case,
    signer: &SigningIdentity,
) -> Result<(), String> {
    let envelope = Envelope::decode(read(directory, &case.envelope)).unwrap();
    let cx = channel.context();
    let outcome = process_config_update(&cx, &envelope, signer);
    if let Some((_, reason)) = REFUSED_HERE.iter().find(|(name, _)| *name == case.name) {
        assert!(case.accepted, "{} is refused by Fabric too", case.name);
        let text = outcome.map_err(|e| e.to_string()).map(|_| "accepted");
        return (text == Err(reason.to_string())).then_some(()).ok_or(format!("{text:?}"));
    }
    let (message, sequence) = match (outcome, case.accepted) {
        (Ok(accepted), true) => accepted,
        (Err(error), false) => return check_refusal(case, &error),
        (Ok(_), false) => return Err(format!("is accepted, but Fabric says {:?}", case.error)),
        (Err(error), true) => return Err(format!("is refused: {error}")),
    };
    let result_type = case.result_type.as_deref().unwrap();
    let expected = Config::decode(read(directory, case.result.as_ref().unwrap())).unwrap();
    let config = config_of(&message, result_type);
    if config.config.as_ref() != Some(&expected) {
        return Err("leads to another configuration".to_owned());
    }
    if sequence != channel.bundle.sequence() {
        return Err(format!("was decided under sequence {sequence}"));
    }
    if result_type == "CONFIG" {
        validate_config(&channel.bundle, &config).map_err(|e| format!("can not be committed: {e}"))?;
    }
    let (again, _) =
        process_config(&cx, &message, signer).map_err(|e| format!("does not pass twice: {e}"))?;
    (config_of(&again, result_type) == config).then_some(()).ok_or("changes when it passes twice".to_owned())
}

fn check_normal(directory: &Path, channel: &Channel, case: &Case) -> Result<(), String> {
    let envelope = Envelope::decode(read(directory, &case.envelope)).unwrap();
    if let Ok(classified) = processor::classify(&envelope) {
        assert_eq!(classified.class, Class::Normal, "{}", case.name);
    }
    // The second time the policy remembers the creator.
    for _ in 0..2 {
        match (process_normal(&channel.context(), &envelope), case.accepted) {
            (Ok(sequence), true) if Some(sequence) == case.config_sequence => {}
            (Ok(sequence), true) => return Err(format!("was decided under sequence {sequence}")),
            (Err(error), false) => check_refusal(case, &error)?,
            (Ok(_), false) => return Err(format!("is accepted, but Fabric says {:?}", case.error)),
            (Err(error), true) => return Err(format!("is refused: {error}")),
        }
    }
    Ok(())
}

fn report(failures: Vec<String>, cases: usize) {
    assert!(cases > 0);
    assert!(failures.is_empty(), "{} of {cases} cases differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn vectors_config_updates() {
    let Some(directory) = golden::directory("configtx") else { return };
    let manifest: Manifest = serde_json::from_slice(read(&directory, "manifest.json")).unwrap();
    let signer = orderer_identity();
    let mut failures = Vec::new();
    for case in &manifest.cases {
        let channel = Channel::open(&directory, &manifest, case);
        if let Err(difference) = check_update(&directory, &channel, case, &signer) {
            failures.push(format!("{} {difference}", case.name));
        }
    }
    report(failures, manifest.cases.len());
}

#[test]
fn vectors_normal_messages() {
    let Some(directory) = golden::directory("configtx") else { return };
    let manifest: Manifest = serde_json::from_slice(read(&directory, "manifest.json")).unwrap();
    let mut failures = Vec::new();
    for case in &manifest.normal_messages {
        let channel = Channel::open(&directory, &manifest, case);
        if let Err(difference) = check_normal(&directory, &channel, case) {
            failures.push(format!("{} {difference}", case.name));
        }
    }
    report(failures, manifest.normal_messages.len());
}

#[derive(Deserialize)]
struct ComputeManifest {
    cases: Vec<ComputeCase>,
}

#[derive(Deserialize)]
struct ComputeCase {
    name: String,
    channel_id: String,
    original: String,
    modified: String,
    update: Option<String>,
    error: Option<String>,
}

#[test]
fn vectors_computed_updates() {
    let Some(directory) = golden::directory("configtxlator/compute_update") else { return };
    let manifest: ComputeManifest = serde_json::from_slice(read(&directory, "manifest.json")).unwrap();
    let mut failures = Vec::new();
    for case in &manifest.cases {
        let config = |file: &str| Config::decode(read(&directory, file)).unwrap();
        let computed = compute_update(&case.channel_id, &config(&case.original), &config(&case.modified))
            // The first words are those of the tool.
            .map_err(|e| format!("Error computing update: error computing config update: {e}"));
        let expected = match (&case.update, &case.error) {
            (Some(file), None) => Ok(ConfigUpdate::decode(read(&directory, file)).unwrap()),
            (_, error) => Err(error.clone().unwrap()),
        };
        if computed != expected {
            failures.push(format!("{}: {computed:?}, not {expected:?}", case.name));
        }
    }
    report(failures, manifest.cases.len());
}

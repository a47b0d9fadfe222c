//! What is legal in a channel's first config and bites later, each with its remedy.

use channel::{
    bundle::Bundle,
    genesis::{Consensus, GenesisDescription, Organization},
    names,
};
use identity::certificate::Certificate;
use protos::{
    Message,
    common::Block,
    etcdraft::Consenter,
    msp::{FabricMspConfig, MspConfig},
    orderer::BatchSize,
};
use time::{OffsetDateTime, macros::format_description};

/// How long before its end a certificate is worth a word.
const SOON_DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;

/// What a Kafka broker that nobody has configured takes and copies: `message.max.bytes` 1,048,588 (1,000,012
/// before Kafka 2.5) and `replica.fetch.max.bytes` 1,048,576.
const KAFKA_MESSAGE_BYTES: u32 = 1_000_012;
/// Room for the headers of a message (Fabric's guide to Kafka).
const KAFKA_HEADER_BYTES: u64 = 1 << 20;
/// What a broker takes in one request, unless configured: `socket.request.max.bytes`.
const KAFKA_REQUEST_BYTES: u64 = 100 << 20;

/// Advice on a channel and its first block, at `now_unix`.
pub(super) fn advice(channel: &GenesisDescription, block: &Block, now_unix: i64) -> Vec<String> {
    let mut advice = Vec::new();
    if let Err(reason) = names::check_channel_id(&channel.channel_id) {
        advice.push(format!(
            "No orderer takes a channel of this name: {reason}; use lower-case letters, digits, dots and dashes, a letter first"
        ));
    } else if let Err(reason) = Bundle::from_config_block(block) {
        advice.push(format!("No orderer takes this block: {reason}"));
    }
    if let Some(orderer) = &channel.orderer {
        match &orderer.consensus {
            Consensus::Etcdraft(metadata) => {
                advice.extend(on_number(metadata.consenters.len()));
                metadata
                    .consenters
                    .iter()
                    .for_each(|consenter| on_consenter(consenter, now_unix, &mut advice));
            }
            Consensus::Kafka { brokers } => on_kafka(brokers, &orderer.batch_size, &mut advice),
            Consensus::Solo => {}
        }
    }
    for organization in channel.organizations() {
        on_organization(organization, now_unix, &mut advice);
    }
    // An organization that plays several parts has its certificates in each.
    let mut told = std::collections::BTreeSet::new();
    advice.retain(|text| told.insert(text.clone()));
    advice
}

fn on_number(consenters: usize) -> Option<String> {
    match consenters {
        0..3 => Some(format!(
            "With {consenters} of {consenters} consenters needed, the channel stops when one fails; list at least 3 consenters, 5 to survive two failures"
        )),
        even if even.is_multiple_of(2) => Some(format!(
            "{even} consenters survive no more failures than {} do; list an odd number of consenters",
            even - 1
        )),
        _ => None,
    }
}

fn on_consenter(consenter: &Consenter, now_unix: i64, advice: &mut Vec<String>) {
    let Consenter { host, port, client_tls_cert, server_tls_cert } = consenter;
    let certificates = [("server", server_tls_cert), ("client", client_tls_cert)];
    for (role, pem) in certificates {
        match Certificate::from_pem(pem) {
            Ok(certificate) => {
                let what = format!("The {role} TLS certificate of consenter {host}:{port}");
                advice.extend(on_validity(&what, &certificate, now_unix, "put a renewed one in its place"));
                if role == "server" && certificate.check_host(host).is_err() {
                    advice.push(format!(
                        "{what} is not made for {host}, so that nobody can connect to it with TLS; issue one that has {host} among its alternative names (SANS in crypto-config.yaml)"
                    ));
                }
            }
            Err(reason) => advice.push(format!(
                "The {role} TLS certificate of consenter {host}:{port} is one that orderers refuse: {reason}"
            )),
        }
    }
}

fn on_kafka(brokers: &[String], size: &BatchSize, advice: &mut Vec<String>) {
    match brokers.len() {
        0 => advice.push("Orderer.Kafka.Brokers is empty, so that no orderer finds Kafka; list at least two".to_owned()),
        1 => advice.push(
            "With one bootstrap broker in Orderer.Kafka.Brokers, an orderer that starts while it is down finds no other; list at least two".to_owned(),
        ),
        _ => {}
    }
    let bytes = size.absolute_max_bytes;
    let needed = u64::from(bytes) + KAFKA_HEADER_BYTES;
    if needed >= KAFKA_REQUEST_BYTES {
        advice.push(format!(
            "AbsoluteMaxBytes of {bytes} and 1 MiB for headers are more than Kafka brokers take in one request (socket.request.max.bytes, by default {KAFKA_REQUEST_BYTES}); make it smaller"
        ));
    } else if bytes >= KAFKA_MESSAGE_BYTES {
        advice.push(format!(
            "AbsoluteMaxBytes of {bytes} is more than Kafka brokers take by default; set replica.fetch.max.bytes and message.max.bytes to {needed} or more on every broker (AbsoluteMaxBytes < replica.fetch.max.bytes <= message.max.bytes)"
        ));
    }
}

fn on_organization(organization: &Organization, now_unix: i64, advice: &mut Vec<String>) {
    let MspConfig { r#type: 0, config } = &organization.msp else { return };
    let Ok(msp) = FabricMspConfig::decode(&config[..]) else { return };
    let kinds = [
        ("CA", &msp.root_certs),
        ("intermediate CA", &msp.intermediate_certs),
        ("TLS CA", &msp.tls_root_certs),
        ("intermediate TLS CA", &msp.tls_intermediate_certs),
        ("admin's", &msp.admins),
    ];
    for (kind, certificates) in kinds {
        let readable = certificates.iter().filter_map(|pem| Certificate::from_pem(pem).ok());
        for certificate in readable {
            let what = format!("The {kind} certificate {} of {}", certificate.subject(), organization.name);
            advice.extend(on_validity(&what, &certificate, now_unix, "renew it in MSPDir"));
        }
    }
}

fn on_validity(what: &str, certificate: &Certificate, now_unix: i64, remedy: &str) -> Option<String> {
    let (begin, end) = (certificate.not_before_unix(), certificate.not_after_unix());
    if now_unix > end {
        return Some(format!("{what} expired on {}; {remedy}", shown(end)));
    }
    if now_unix < begin {
        return Some(format!("{what} is not valid before {}; check the clock of this machine", shown(begin)));
    }
    let days = (end - now_unix) / DAY_SECONDS;
    (days < SOON_DAYS).then(|| format!("{what} expires on {}, in {days} days; {remedy}", shown(end)))
}

fn shown(unix: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(unix).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let layout = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    // These parts are known of any time.
    time.format(layout).unwrap_or_default()
}

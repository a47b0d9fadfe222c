//! Who orders the simulated channel, and the transactions that change it.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::consenters::{ETCDRAFT, RaftConfig, RaftOptions, membership_change};
use protos::{
    Message as _,
    common::{
        ChannelHeader, ConfigEnvelope, ConfigGroup, ConfigUpdate, ConfigUpdateEnvelope, ConfigValue,
        Envelope, Header, HeaderType, Payload,
    },
    etcdraft::{ConfigMetadata, Consenter, Options},
    orderer::ConsensusType,
};

use crate::raft::membership::{consensus_type, update_of};

use super::node::TICK;

/// The machine at this place, with its first certificate or a later one.
pub(super) fn consenter(place: usize, certificate: u32) -> Consenter {
    let text = format!("{place} {certificate}");
    Consenter { client_tls_cert: Bytes::from(text), ..Consenter::default() }
}

/// Which machine a consenter is.
pub(super) fn place_of(consenter: &Consenter) -> usize {
    let text = std::str::from_utf8(&consenter.client_tls_cert).unwrap();
    text.split_once(' ').unwrap().0.parse().unwrap()
}

/// Where a machine stands among the consenters.
pub(super) fn position_of(place: usize, config: &RaftConfig) -> Option<usize> {
    config.consenters.iter().position(|consenter| place_of(consenter) == place)
}

/// The first `count` machines.
pub(super) fn first_config(count: usize) -> RaftConfig {
    let options = RaftOptions {
        tick_interval: TICK,
        election_tick: 10,
        heartbeat_tick: 1,
        max_inflight_blocks: 3,
        snapshot_interval_size_bytes: 700,
    };
    RaftConfig { consenters: (0..count).map(|place| consenter(place, 0)).collect(), options }
}

/// A configuration transaction; the same with the same number. `change` are new consenters or options,
/// and the version of those that they replace.
pub(super) fn transaction(number: u64, change: Option<(&RaftConfig, u64)>) -> Bytes {
    let group = |version: u64, value: Bytes| {
        let value = ConfigValue { version, value, ..ConfigValue::default() };
        let mut orderer = ConfigGroup::default();
        orderer.values.insert("ConsensusType".to_owned(), value);
        let mut channel = ConfigGroup::default();
        channel.groups.insert("Orderer".to_owned(), orderer);
        channel
    };
    let update = match change {
        None => ConfigUpdate::default(),
        Some((config, version)) => ConfigUpdate {
            read_set: Some(group(version, Bytes::new())),
            write_set: Some(group(version + 1, consensus(config))),
            ..ConfigUpdate::default()
        },
    };
    let update = ConfigUpdateEnvelope { config_update: update.encode_to_vec().into(), ..Default::default() };
    let signature = Bytes::from(format!("update {number}"));
    let last_update = envelope(HeaderType::ConfigUpdate, update.encode_to_vec(), signature);
    let config = ConfigEnvelope { config: None, last_update: Some(last_update) };
    envelope(HeaderType::Config, config.encode_to_vec(), Bytes::new()).encode_to_vec().into()
}

fn envelope(kind: HeaderType, data: Vec<u8>, signature: Bytes) -> Envelope {
    let header = ChannelHeader { r#type: kind as i32, ..ChannelHeader::default() };
    let header = Header { channel_header: header.encode_to_vec().into(), signature_header: Bytes::new() };
    let payload = Payload { header: Some(header), data: data.into() };
    Envelope { payload: payload.encode_to_vec().into(), signature }
}

fn consensus(config: &RaftConfig) -> Bytes {
    let options = &config.options;
    let options = Options {
        tick_interval: format!("{}ms", options.tick_interval.as_millis()),
        election_tick: options.election_tick,
        heartbeat_tick: options.heartbeat_tick,
        max_inflight_blocks: options.max_inflight_blocks,
        snapshot_interval_size: options.snapshot_interval_size_bytes,
    };
    let metadata = ConfigMetadata { consenters: config.consenters.clone(), options: Some(options) };
    let kind = ConsensusType {
        r#type: ETCDRAFT.to_owned(),
        metadata: metadata.encode_to_vec().into(),
        ..ConsensusType::default()
    };
    kind.encode_to_vec().into()
}

/// Which version of the consenters a transaction replaces, if it does.
pub(super) fn replaced_version(envelope: &Bytes) -> Option<u64> {
    let update = update_of(envelope).unwrap()?;
    consensus_type(update.read_set.as_ref()).map(|value| value.version)
}

/// What a node knows when it looks at a change of the consenters.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) config: RaftConfig,
    pub(super) version: u64,
    pub(super) ids: Vec<u64>,
    pub(super) active: Vec<u64>,
}

impl View {
    /// Whether the filters let these consenters through.
    pub(super) fn allows(&self, config: &RaftConfig, version: u64) -> bool {
        version == self.version
            && membership_change(&self.config, config)
                .is_ok_and(|change| !change.loses_quorum(config.consenters.len(), &self.ids, &self.active))
    }
}

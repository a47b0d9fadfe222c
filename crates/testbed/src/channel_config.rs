//! Channel configs: reading them out of blocks, changing them, and the signed updates between two.

use bytes::Bytes;
use channel::{
    block,
    configtx::{self, compute_update},
    envelope,
};
use identity::signing::SigningIdentity;
use protos::Message;
use protos::common::{
    Block, BlockData, Config, ConfigEnvelope, ConfigGroup, ConfigUpdateEnvelope, ConfigValue, Envelope,
    HeaderType, OrdererAddresses,
};
use protos::etcdraft::{ConfigMetadata, Consenter};
use protos::orderer::ConsensusType;

use crate::forge;

/// The config in a config block.
///
/// # Panics
/// When it is none.
pub fn config_of(block: &Block) -> Config {
    let entry = block.data.as_ref().expect("the block has data").data[0].clone();
    let envelope = Envelope::decode(entry).expect("the block holds an envelope");
    let payload = envelope::payload(&envelope).expect("the envelope has a payload");
    let config = ConfigEnvelope::decode(payload.data).expect("the payload is a config");
    config.config.expect("the config is not empty")
}

/// The genesis block with another config.
///
/// # Panics
/// When the block is no genesis block.
pub fn change_genesis(block: &mut Block, change: impl FnOnce(&mut Config)) {
    let data = block.data.as_mut().expect("the block has data");
    let mut envelope = Envelope::decode(data.data[0].clone()).expect("the block holds an envelope");
    let mut payload = envelope::payload(&envelope).expect("the envelope has a payload");
    let mut config = ConfigEnvelope::decode(payload.data).expect("the payload is a config");
    change(config.config.as_mut().expect("the config is not empty"));
    payload.data = config.encode_to_vec().into();
    envelope.payload = payload.encode_to_vec().into();
    *data = BlockData { data: vec![Bytes::from(envelope.encode_to_vec())] };
    let hash = block::data_hash(&data.data);
    block.header.as_mut().expect("the block has a header").data_hash = hash.to_vec().into();
}

/// The `Orderer` group.
///
/// # Panics
/// When there is none.
pub fn orderer_group(config: &mut Config) -> &mut ConfigGroup {
    let channel = config.channel_group.as_mut().expect("the config has groups");
    channel.groups.get_mut("Orderer").expect("the channel has an orderer group")
}

/// Changes a value of a group.
///
/// # Panics
/// When the group has no such value.
pub fn change_value<M: Message + Default>(group: &mut ConfigGroup, name: &str, change: impl FnOnce(&mut M)) {
    let value: &mut ConfigValue = group.values.get_mut(name).unwrap_or_else(|| panic!("no value {name}"));
    let mut message = M::decode(value.value.clone()).expect("the value decodes");
    change(&mut message);
    value.value = message.encode_to_vec().into();
}

/// Changes consenters or Raft options.
///
/// # Panics
/// When the channel is not ordered by Raft.
pub fn change_raft(config: &mut Config, change: impl FnOnce(&mut ConfigMetadata)) {
    change_value(orderer_group(config), "ConsensusType", |kind: &mut ConsensusType| {
        let mut metadata = ConfigMetadata::decode(kind.metadata.clone()).expect("the metadata decodes");
        change(&mut metadata);
        kind.metadata = metadata.encode_to_vec().into();
    });
}

/// Where an orderer organisation's nodes are reached.
///
/// # Panics
/// When there is no such organisation, or it names no endpoints.
pub fn change_endpoints(config: &mut Config, organization: &str, change: impl FnOnce(&mut Vec<String>)) {
    let group = orderer_group(config).groups.get_mut(organization).expect("the organisation is there");
    change_value(group, "Endpoints", |endpoints: &mut OrdererAddresses| change(&mut endpoints.addresses));
}

/// The consenters and options of a config.
///
/// # Panics
/// When the channel is not ordered by Raft.
pub fn raft_of(config: &Config) -> ConfigMetadata {
    let mut raft = None;
    change_raft(&mut config.clone(), |metadata| raft = Some(metadata.clone()));
    raft.expect("the metadata was shown")
}

/// A consenter whose one certificate serves both purposes.
pub fn consenter(port: u16, certificate_pem: Vec<u8>) -> Consenter {
    let certificate = Bytes::from(certificate_pem);
    Consenter {
        host: "127.0.0.1".to_owned(),
        port: port.into(),
        client_tls_cert: certificate.clone(),
        server_tls_cert: certificate,
    }
}

/// The update of `channel` from one config to another, an envelope signed by these administrators and sent
/// by the first of them; none when the configs do not differ.
///
/// # Panics
/// When nobody signs.
pub fn update(channel: &str, from: &Config, to: &Config, admins: &[&SigningIdentity]) -> Option<Bytes> {
    let update = compute_update(channel, from, to).ok()?.encode_to_vec();
    Some(sign_update(channel, update.into(), admins))
}

/// This update of `channel`, or request to create it, in an envelope signed by these administrators and sent
/// by the first of them.
///
/// # Panics
/// When nobody signs.
pub fn sign_update(channel: &str, update: Bytes, admins: &[&SigningIdentity]) -> Bytes {
    let sign =
        |admin: &&SigningIdentity| configtx::sign_update(&update, admin).expect("the administrator signs");
    let signatures = admins.iter().map(sign).collect();
    let data = ConfigUpdateEnvelope { signatures, config_update: update.clone() }.encode_to_vec().into();
    let draft = envelope::Draft::new(HeaderType::ConfigUpdate, channel, data, forge::now_unix());
    draft.sign(admins[0]).expect("the administrator signs").encode_to_vec().into()
}

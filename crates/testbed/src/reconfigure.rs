//! Changes of the channel's configuration, signed by the orderers' administrator.

use crate::network::{self, Network};
use crate::{forge, wait};
use bytes::Bytes;
use channel::{block, configtx::compute_update, envelope};
use cli::sandbox::layout::{HOST, ORDERER_MSPID};
use protos::Message;
use protos::common::{
    Block, Config, ConfigEnvelope, ConfigSignature, ConfigUpdateEnvelope, ConfigValue, Envelope, HeaderType,
};
use protos::etcdraft::{ConfigMetadata, Consenter};
use protos::orderer::ConsensusType;
use std::fs;
use std::time::{Duration, Instant};

/// How long it is waited for a change before it is tried again.
const PATIENCE: Duration = Duration::from_secs(3);

/// The configuration in a config block.
///
/// # Panics
/// When it is none.
pub fn config_of(block: &Block) -> Config {
    let entry = block.data.as_ref().and_then(|data| data.data.first()).expect("a config block has an entry");
    let envelope = Envelope::decode(entry.clone()).expect("an envelope");
    let payload = envelope::payload(&envelope).expect("a payload");
    ConfigEnvelope::decode(payload.data).expect("a configuration").config.expect("it is not empty")
}

/// A value of the `Orderer` group.
///
/// # Panics
/// When there is none of this name.
pub fn orderer_value<'a>(config: &'a mut Config, name: &str) -> &'a mut ConfigValue {
    let channel = config.channel_group.as_mut().expect("a configuration has a channel group");
    let orderer = channel.groups.get_mut("Orderer").expect("an Orderer group");
    orderer.values.get_mut(name).unwrap_or_else(|| panic!("the Orderer group has no {name}"))
}

/// Changes consenters or options of Raft.
///
/// # Panics
/// When the configuration has none.
pub fn change_raft(config: &mut Config, change: impl FnOnce(&mut ConfigMetadata)) {
    let value = orderer_value(config, "ConsensusType");
    let mut kind = ConsensusType::decode(value.value.clone()).expect("a consensus type");
    let mut metadata = ConfigMetadata::decode(kind.metadata.clone()).expect("Raft's metadata");
    change(&mut metadata);
    kind.metadata = metadata.encode_to_vec().into();
    value.value = kind.encode_to_vec().into();
}

impl Network {
    /// The last config block that a node has, if it delivers at the moment.
    pub fn config_block(&self, node: usize) -> Option<Block> {
        let newest = self.newest_block(node)?;
        match newest.header.as_ref()?.number {
            0 => Some(newest),
            _ => self.block(node, block::last_config_index(&newest).ok()?),
        }
    }

    /// The consenter that a node is.
    ///
    /// # Panics
    /// When its certificate cannot be read.
    pub fn consenter(&self, node: usize) -> Consenter {
        let layout = self.layout();
        let place = &layout.nodes[node];
        let certificate = fs::read(layout.node_dir(place).join("tls").join("server.crt"));
        let certificate = Bytes::from(certificate.expect("a node has a TLS certificate"));
        Consenter {
            host: HOST.to_owned(),
            port: place.port.into(),
            client_tls_cert: certificate.clone(),
            server_tls_cert: certificate,
        }
    }

    /// Changes the configuration through `node`, tries until the change is in force there, and gives
    /// the block that brought it.
    ///
    /// # Panics
    /// After a minute without.
    pub fn reconfigure(&self, node: usize, change: impl Fn(&mut Config)) -> Block {
        let admin = network::signing_identity(&self.layout().admin_msp(), ORDERER_MSPID);
        let channel = self.signer().channel();
        wait::until(&format!("a new configuration through node {node}"), Duration::from_secs(60), || {
            let before = self.config_block(node)?;
            let current = config_of(&before);
            let mut wanted = current.clone();
            change(&mut wanted);
            let Ok(update) = compute_update(channel, &current, &wanted) else {
                // An earlier try was ordered although no answer came.
                return Some(before);
            };
            let update = update.encode_to_vec();
            let header = admin.signature_header().encode_to_vec();
            let signed = [header.as_slice(), &update].concat();
            let signature = ConfigSignature {
                signature: admin.sign(&signed).expect("the administrator can sign"),
                signature_header: header.into(),
            };
            let data = ConfigUpdateEnvelope { config_update: update.into(), signatures: vec![signature] };
            let data = data.encode_to_vec().into();
            let draft = envelope::Draft::new(HeaderType::ConfigUpdate, channel, data, forge::now_unix());
            let signed = draft.sign(&admin).expect("the administrator can sign");
            // One of Fabric's orderers answers before the update is ordered, and may lose it.
            self.broadcast(node, signed.encode_to_vec().into());
            let tried = Instant::now();
            while tried.elapsed() < PATIENCE {
                if self.config_block(node).is_some_and(|after| after.header != before.header) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            None
        })
    }

    /// Adds a node to the consenters.
    pub fn add_consenter(&self, through: usize, node: usize) -> Block {
        let added = self.consenter(node);
        self.reconfigure(through, |config| {
            change_raft(config, |raft| {
                if !raft.consenters.contains(&added) {
                    raft.consenters.push(added.clone());
                }
            });
        })
    }

    /// Takes a node out of the consenters.
    pub fn remove_consenter(&self, through: usize, node: usize) -> Block {
        let port = u32::from(self.layout().nodes[node].port);
        self.reconfigure(through, |config| {
            change_raft(config, |raft| raft.consenters.retain(|consenter| consenter.port != port));
        })
    }
}

//! Changes of the channel's configuration, signed by the orderers' administrator.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use channel::block;
use cli::sandbox::layout::{HOST, ORDERER_MSPID};
use identity::generate::{KeyPair, Validity};
use identity::signing::SigningIdentity;
use protos::common::{Block, Config};
use protos::etcdraft::Consenter;

use crate::channel_config::{self, change_endpoints, change_raft, config_of};
use crate::network::{self, Network};
use crate::{forge, probe, wait};

/// How long it is waited for a change before it is tried again.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same after it was refused.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

impl Network {
    /// The last config block that a node has, if it delivers at the moment.
    pub fn config_block(&self, node: usize) -> Option<Block> {
        let newest = self.newest_block(node)?;
        match newest.header.as_ref()?.number {
            0 => Some(newest),
            _ => self.block(node, block::last_config_index(&newest).ok()?),
        }
    }

    /// The consenter that a node is, with the certificate that it has on disk.
    ///
    /// # Panics
    /// When its certificate cannot be read.
    pub fn consenter(&self, node: usize) -> Consenter {
        let layout = self.layout();
        let place = &layout.nodes[node];
        let certificate = fs::read(layout.node_dir(place).join("tls").join("server.crt"));
        channel_config::consenter(place.port, certificate.expect("a node has a TLS certificate"))
    }

    /// The administrator of the orderers' organisation.
    pub fn orderer_admin(&self) -> SigningIdentity {
        network::signing_identity(&self.layout().admin_msp(), ORDERER_MSPID)
    }

    /// Changes the configuration through `node`, tries until the change is in force there, and gives
    /// the block that brought it. Done twice, the change must be the same as done once.
    ///
    /// # Panics
    /// After a minute without.
    pub fn reconfigure(&self, node: usize, change: impl Fn(&mut Config)) -> Block {
        self.reconfigure_by(&[&self.orderer_admin()], node, change)
    }

    /// As [`Network::reconfigure`], signed by these administrators.
    ///
    /// # Panics
    /// After a minute without.
    pub fn reconfigure_by(
        &self,
        admins: &[&SigningIdentity],
        node: usize,
        change: impl Fn(&mut Config),
    ) -> Block {
        wait::until(&format!("a new configuration through node {node}"), Duration::from_secs(60), || {
            let before = self.config_block(node)?;
            let current = config_of(&before);
            let mut wanted = current.clone();
            change(&mut wanted);
            let Some(update) = channel_config::update(self.signer().channel(), &current, &wanted, admins)
            else {
                // An earlier try was ordered although no answer came.
                return Some(before);
            };
            // One of Fabric's orderers answers before the update is ordered, and may lose it.
            let patience = if self.broadcast(node, update) { PATIENCE } else { REFUSED_PAUSE };
            let tried = Instant::now();
            while tried.elapsed() < patience {
                if self.config_block(node).is_some_and(|after| after.header != before.header) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            None
        })
    }

    /// What a node answers to an update that makes this of the config.
    ///
    /// # Panics
    /// When the node delivers no config.
    pub fn try_update(&self, node: usize, change: impl FnOnce(&mut Config)) -> String {
        let block = wait::until("a config block", Duration::from_secs(60), || self.config_block(node));
        let from = config_of(&block);
        let mut to = from.clone();
        change(&mut to);
        let admin = self.orderer_admin();
        let update = channel_config::update(self.signer().channel(), &from, &to, &[&admin]);
        self.send(node, update.expect("the configs differ"))
    }

    /// What a node answers to this envelope.
    pub fn send(&self, node: usize, envelope: Bytes) -> String {
        let connection = self.connect(node);
        self.runtime().block_on(probe::broadcast(&connection, envelope))
    }

    /// Adds a node to the consenters, and to where the channel's blocks are to be had.
    pub fn add_consenter(&self, through: usize, node: usize) -> Block {
        let added = self.consenter(node);
        self.reconfigure(through, |config| {
            change_raft(config, |raft| {
                if !raft.consenters.contains(&added) {
                    raft.consenters.push(added.clone());
                }
            });
            change_endpoints(config, ORDERER_MSPID, |endpoints| {
                let address = format!("{}:{}", added.host, added.port);
                if !endpoints.contains(&address) {
                    endpoints.push(address);
                }
            });
        })
    }

    /// Gives a consenter a new certificate, for client and server. The node itself does not have it yet.
    ///
    /// # Panics
    /// When none can be made.
    pub fn rotate_consenter(&self, through: usize, node: usize) -> KeyPair {
        let layout = self.layout();
        let port = u32::from(layout.nodes[node].port);
        let authority = forge::authority(&layout.root.join("tls-ca"));
        let name = format!("{}.orderer.sandbox", layout.nodes[node].name);
        let validity = Validity::from_now(forge::now_unix());
        let pair = authority.issue_tls(&name, &[HOST, "localhost"], validity);
        let pair = pair.expect("a certificate can be issued");
        let certificate = Bytes::copy_from_slice(pair.certificate_pem.as_bytes());
        self.reconfigure(through, |config| {
            change_raft(config, |raft| {
                for consenter in raft.consenters.iter_mut().filter(|consenter| consenter.port == port) {
                    consenter.client_tls_cert = certificate.clone();
                    consenter.server_tls_cert = certificate.clone();
                }
            });
        });
        pair
    }

    /// Takes a node out of the consenters.
    pub fn remove_consenter(&self, through: usize, node: usize) -> Block {
        let port = u32::from(self.layout().nodes[node].port);
        self.reconfigure(through, |config| {
            change_raft(config, |raft| raft.consenters.retain(|consenter| consenter.port != port));
        })
    }
}

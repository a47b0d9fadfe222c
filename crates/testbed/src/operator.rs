//! What the people see and do who operate a [`Network`].

use std::fs;
use std::time::Duration;

use cli::client::deliver::{Blocks, Position};
use cli::client::participation;
use cli::client::transaction::Signer;
use cli::sandbox::layout::HOST;
use identity::generate::Validity;
use identity::signing::SigningIdentity;

use crate::network::Network;
use crate::{forge, wait};

/// How long what an operator does may take until it shows.
const PATIENCE: Duration = Duration::from_secs(60);

impl Network {
    /// What a node says of the channel: `relation/status at height`; `none` when it is not there.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn place(&self, node: usize) -> String {
        let asked = participation::channel(self.admin(node), self.signer().channel());
        let info = self.runtime().block_on(asked).unwrap_or_else(|e| panic!("node {node}: {e}"));
        info.map_or("none".to_owned(), |info| {
            format!("{}/{} at {}", info.consensus_relation, info.status, info.height)
        })
    }

    /// Waits until [`Network::place`] of a node is this.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_for_place(&self, node: usize, place: &str) {
        let mut last = String::new();
        wait::until_or(PATIENCE, || {
            last = self.place(node);
            (last == place).then_some(())
        })
        .unwrap_or_else(|| panic!("node {node} is {last}, not {place}"));
    }

    /// Gives a node another TLS certificate of the network's authority; with the key that it has, or a
    /// new one. It counts from the node's next start on.
    ///
    /// # Panics
    /// When files cannot be read or written.
    pub fn reissue(&self, node: usize, validity: Validity, keeps_key: bool) {
        let node = &self.layout().nodes[node];
        let folder = self.layout().node_dir(node).join("tls");
        let authority = forge::authority(&self.layout().root.join("tls-ca"));
        let (name, hosts) = (format!("{}.orderer.sandbox", node.name), [HOST, "localhost"]);
        let pair = if keeps_key {
            let key = fs::read_to_string(folder.join("server.key")).expect("the node has a key");
            authority.renew_tls(&name, &hosts, validity, &key)
        } else {
            authority.issue_tls(&name, &hosts, validity)
        };
        let pair = pair.expect("a certificate can be issued");
        fs::write(folder.join("server.crt"), pair.certificate_pem).expect("a file can be written");
        fs::write(folder.join("server.key"), pair.private_key_pem).expect("a file can be written");
    }

    /// What a node answers to `identity`, who asks for the newest block: `a block`, or why not.
    pub fn ask_for_newest(&self, node: usize, identity: &SigningIdentity) -> String {
        let connection = self.connect(node);
        let signer = Signer::new(identity.clone(), self.signer().channel());
        let newest = async {
            let mut blocks = Blocks::read(&connection, &signer, Position::Newest, Position::Newest)?;
            blocks.next().await
        };
        match self.runtime().block_on(newest) {
            Ok(_) => "a block".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// Waits until the leader counts this many consenters, all of them up.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_for_active(&self, count: usize) {
        wait::until(&format!("{count} active nodes"), PATIENCE, || {
            let leader = self.leader()?;
            let is = |name| self.channel_metric(leader, name) == Some(count as f64);
            (is("consensus_etcdraft_active_nodes") && is("consensus_etcdraft_cluster_size")).then_some(())
        });
    }
}

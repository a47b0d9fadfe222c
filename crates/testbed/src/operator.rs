//! What the people see and do who operate a [`Network`].

use std::fs;
use std::time::Duration;

use cli::client::deliver::{Blocks, Position};
use cli::client::participation::{self, Question};
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

    /// The channels that a node lists, the system channel first, in brackets.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn channels(&self, node: usize) -> Vec<String> {
        let asked = participation::ask(self.admin(node), Question::List);
        let answer = self.runtime().block_on(asked).unwrap_or_else(|e| panic!("node {node}: {e}"));
        let list: serde_json::Value = serde_json::from_slice(&answer.body).expect("a list is JSON");
        let name = |channel: &serde_json::Value| channel["name"].as_str().unwrap_or_default().to_owned();
        let system = Some(&list["systemChannel"]).filter(|system| !system.is_null());
        let system = system.map(|system| format!("[{}]", name(system)));
        let mut others: Vec<_> = list["channels"].as_array().into_iter().flatten().map(name).collect();
        others.sort();
        system.into_iter().chain(others).collect()
    }

    /// What a node's participation API answers: `status text`, the text without its JSON where it refuses.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn ask(&self, node: usize, question: Question<'_>) -> String {
        let asked = participation::ask(self.admin(node), question);
        let answer = self.runtime().block_on(asked).unwrap_or_else(|e| panic!("node {node}: {e}"));
        let refusal = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
        let refusal = refusal.and_then(|body| Some(body["error"].as_str()?.to_owned()));
        format!("{} {}", answer.status.as_u16(), refusal.unwrap_or_default()).trim().to_owned()
    }

    /// Waits until [`Network::place`] of a node is this.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_for_place(&self, node: usize, place: &str) {
        self.wait_for_place_that(node, place, |now| now == place);
    }

    /// Waits until a node is this to the channel, `relation/status`, at any height.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_for_role(&self, node: usize, role: &str) {
        self.wait_for_place_that(node, role, |now| now.split(' ').next() == Some(role));
    }

    fn wait_for_place_that(&self, node: usize, wanted: &str, is_it: impl Fn(&str) -> bool) {
        let mut last = String::new();
        wait::until_or(PATIENCE, || {
            last = self.place(node);
            is_it(&last).then_some(())
        })
        .unwrap_or_else(|| panic!("node {node} is {last}, not {wanted}"));
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

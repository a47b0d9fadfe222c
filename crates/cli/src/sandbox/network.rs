//! Makes a channel out of running nodes, and orders transactions over all of them.

use std::{fs, time::Duration};

use futures::future::join_all;
use tokio::time::Instant;

use super::{
    agreement::{Agreement, compare},
    layout::{self, Layout, Node},
    nodes::{Processes, wait_until},
    story::Story,
};
use crate::{
    client::{
        connection::Endpoint,
        operations::is_leader,
        participation::{ChannelInfo, ParticipationError, channel, join},
        tls::{ClientIdentity, Tls},
        transaction::Signer,
    },
    failure::{Failure, because},
    submit::generate_and_send,
    target::{Target, signing_identity},
};

/// How long the nodes may take to elect a leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// The nodes of a sandbox, as clients and the administrator reach them.
pub(super) struct Network {
    channel: String,
    names: Vec<String>,
    orderers: Vec<Endpoint>,
    admins: Vec<Endpoint>,
    operations: Vec<Endpoint>,
    signer: Signer,
}

/// What is known of a node.
pub(super) struct NodeStatus {
    pub(super) name: String,
    /// `None`: it does not answer.
    pub(super) channel: Option<ChannelInfo>,
    pub(super) leader: bool,
}

/// What came of ordering transactions.
pub(super) struct Submitted {
    pub(super) agreement: Agreement,
    /// How long the ordering took.
    pub(super) duration: Duration,
}

impl Network {
    pub(super) fn new(layout: &Layout) -> Result<Self, Failure> {
        let load = |certificate: &std::path::Path, key: &std::path::Path| {
            Tls::load(&[layout.tls_ca()], Some(ClientIdentity { certificate, key }))
        };
        let client_tls = load(&layout.client_certificate(), &layout.client_key())?;
        let admin_tls = load(&layout.admin_certificate(), &layout.admin_key())?;
        let endpoints = |address: fn(&Node) -> String, tls: Option<Tls>| {
            let endpoint = |node| Endpoint { address: address(node), tls: tls.clone(), server_name: None };
            layout.nodes.iter().map(endpoint).collect()
        };
        Ok(Self {
            channel: layout.channel.clone(),
            names: layout.nodes.iter().map(|node| node.name.clone()).collect(),
            orderers: endpoints(Node::address, Some(client_tls)),
            admins: endpoints(Node::admin_address, Some(admin_tls)),
            operations: endpoints(Node::operations_address, None),
            signer: Signer::new(
                signing_identity(&layout.client_msp(), layout::CLIENT_MSPID)?,
                &layout.channel,
            ),
        })
    }

    /// Waits for every node and joins those to the channel that are not in it.
    pub(super) async fn join(&self, processes: &mut Processes, layout: &Layout) -> Result<(), Failure> {
        for admin in &self.admins {
            // A node that is still starting refuses connections; one that has failed to start is noticed by its death.
            wait_until(processes, || async {
                !matches!(channel(admin, &self.channel).await, Err(ParticipationError::Http(_)))
            })
            .await?;
            if channel(admin, &self.channel).await?.is_none() {
                let path = layout.genesis_block();
                let block = fs::read(&path)
                    .map_err(|error| because(format!("{} cannot be read: {error}", path.display())))?;
                join(admin, &block).await?;
            }
        }
        Ok(())
    }

    /// Waits for a leader; gives its name.
    pub(super) async fn leader(&self, processes: &mut Processes) -> Result<String, Failure> {
        let deadline = Instant::now() + LEADER_TIMEOUT;
        let mut leader = None;
        while leader.is_none() && Instant::now() < deadline {
            wait_until(processes, || async { true }).await?;
            leader = self.status().await.into_iter().find(|node| node.leader);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        leader.map(|node| node.name).ok_or_else(|| {
            because(format!(
                "the nodes did not elect a leader within {} s; their logs (orderer.log in each node's directory) say why",
                LEADER_TIMEOUT.as_secs()
            ))
        })
    }

    /// Asks every node, all at once.
    pub(super) async fn status(&self) -> Vec<NodeStatus> {
        let ask = |(name, (admin, operations)): (&String, (&Endpoint, &Endpoint))| {
            let (name, admin, operations) = (name.clone(), admin.clone(), operations.clone());
            async move {
                let (info, leader) =
                    tokio::join!(channel(&admin, &self.channel), is_leader(&operations, &self.channel));
                NodeStatus { name, channel: info.ok().flatten(), leader: leader.ok().flatten() == Some(true) }
            }
        };
        join_all(self.names.iter().zip(self.admins.iter().zip(&self.operations)).map(ask)).await
    }

    /// Orders `count` signed transactions, spread over all nodes, and compares the chains of all nodes.
    pub(super) async fn submit(&self, count: u64, story: &Story) -> Result<Submitted, Failure> {
        let started = Instant::now();
        let nodes = self.orderers.len() as u64;
        let shares = (0..nodes).map(|index| count / nodes + u64::from(index < count % nodes));
        let sending = shares.enumerate().map(|(index, share)| {
            // Each share has its own node first; the others are there for when it is not.
            let endpoints = (0..self.orderers.len()).map(|turn| (index + turn) % self.orderers.len());
            let endpoints = endpoints.map(|index| self.orderers[index].clone()).collect();
            generate_and_send(Target { endpoints, signer: self.signer.clone(), sandbox: None }, share)
        });
        let mut ids = Vec::new();
        for sent in join_all(sending).await {
            ids.extend(sent?);
        }
        let duration = started.elapsed();
        story.comparing(ids.len());
        let endpoints = self.orderers.clone();
        let target = Target { endpoints, signer: self.signer.clone(), sandbox: None };
        let agreement = compare(&target, &self.names, &ids).await?;
        Ok(Submitted { agreement, duration })
    }
}

//! A consenter without a leader for long may have been removed while it was away, and one to whom another
//! speaks under a later raft id has missed that this one was: it asks the others for the newest
//! configuration.
//!
//! Source: Fabric's `orderer/consensus/etcdraft/eviction.go`, which asks for the first reason only.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use channel::{
    block::{self, EncodedBlock},
    bundle::Bundle,
    consenters::RaftConfig,
    replication::ChainVerifier,
};
use identity::certificate::{Certificate, pem_to_der};
use protos::etcdraft::Consenter;
use raft::eraftpb::Snapshot;
use tokio::{
    sync::{Notify, mpsc::UnboundedSender, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    channel_state::ChannelState,
    replicate::{Keep, newest_config_block, replicate},
    source::{BlockSources, ReplicationOptions, SourceError},
};

use super::driver::Event;

/// Between looks at whether there is a leader, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Watches for a leader, and asks the others when there is none for too long, or when the configuration
/// here turns out to be an old one.
pub(crate) struct EvictionCheck {
    pub(crate) state: Arc<ChannelState>,
    pub(crate) sources: Arc<dyn BlockSources>,
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) leader: watch::Receiver<u64>,
    /// Told of each message of a consenter that has a later raft id than it has here.
    pub(crate) outdated: Arc<Notify>,
    /// Set when the chain has ended.
    pub(crate) has_stopped: watch::Receiver<bool>,
    /// Cancelled when the chain is ending.
    pub(crate) stopping: CancellationToken,
    pub(crate) node: u64,
    pub(crate) replication: ReplicationOptions,
    pub(crate) suspicion: Duration,
    pub(crate) own_server_cert_der: Vec<u8>,
}

/// What the others say.
enum Finding {
    /// This node is a consenter in the newest configuration, which is in this block.
    Member(EncodedBlock),
    /// It is none, as of this block if that could be read.
    Evicted(Option<u64>),
}

impl EvictionCheck {
    /// Runs until the chain ends, or until this node's eviction is known and dealt with.
    pub(crate) async fn run(self) {
        let own = self.own_consenter();
        let mut ticker = tokio::time::interval(check_interval(self.suspicion));
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leaderless_since: Option<Instant> = None;
        let mut asked = 0;
        // Whoever answers may be behind, too: once between ticks is enough.
        let mut asked_since_tick = false;
        loop {
            tokio::select! {
                _ = ticker.tick() => {
                    asked_since_tick = false;
                    if *self.leader.borrow() != 0 {
                        leaderless_since = None;
                        asked = 0;
                        continue;
                    }
                    let since = *leaderless_since.get_or_insert_with(Instant::now);
                    if since.elapsed() < self.suspicion * (asked + 1) {
                        continue;
                    }
                    asked += 1;
                    self.info(format_args!(
                        "Suspecting our own eviction from the channel for {:?}", since.elapsed()
                    ));
                }
                () = self.outdated.notified(), if !asked_since_tick => {
                    asked_since_tick = true;
                    self.info(format_args!(
                        "Another consenter has a later Raft id than our configuration gives it"
                    ));
                }
                () = self.stopping.cancelled() => return,
            }
            let finding = tokio::select! {
                finding = self.ask(own.as_ref()) => finding,
                () = self.stopping.cancelled() => return,
            };
            match finding {
                Ok(Finding::Member(block)) => self.still_member(&block),
                Ok(Finding::Evicted(number)) => return self.evicted(number).await,
                Err(error) => tracing::error!(
                    target: "orderer.consensus.etcdraft", channel = %self.state.channel_id(), node = self.node,
                    "Failed pulling the last config block: {error}"
                ),
            }
        }
    }

    fn own_consenter(&self) -> Option<Consenter> {
        let bundle = self.state.bundle();
        let config = RaftConfig::parse(&bundle.orderer()?.consensus_metadata).ok()?;
        let position = channel::consenters::find_self(&config.consenters, &self.own_server_cert_der)?;
        config.consenters.get(position).cloned()
    }

    /// Pulls the newest configuration block from whoever has most.
    async fn ask(&self, own: Option<&Consenter>) -> Result<Finding, String> {
        let source = self.sources.for_channel(self.state.channel_id(), &self.state.bundle());
        let config_block = match newest_config_block(&*source, self.state.height()).await {
            Ok(block) => block,
            Err(SourceError::Forbidden) => return Ok(Finding::Evicted(None)),
            Err(error) => return Err(error.to_string()),
        };
        let number = config_block.number();
        self.info(format_args!("Last config block was found to be block [{number}]"));
        self.check(&config_block)?;
        let bundle = Bundle::from_config_block(config_block.block()).map_err(|error| error.to_string())?;
        if is_member(&bundle, own) {
            Ok(Finding::Member(EncodedBlock::clone(&config_block)))
        } else {
            Ok(Finding::Evicted(Some(number)))
        }
    }

    /// One orderer's word is not enough: the block must be of this channel and signed as its
    /// configuration here asks for, which holds as long as some of its orderers are the same.
    fn check(&self, block: &EncodedBlock) -> Result<(), String> {
        let policy = self.state.bundle().block_validation_policy().map_err(|error| error.to_string())?;
        if block.number() > 0 {
            block::verify_signatures(block.block(), policy.as_ref()).map_err(|error| error.to_string())?;
        }
        match block::channel_id(block.block()) {
            Ok(channel) if channel == self.state.channel_id() => Ok(()),
            Ok(other) => Err(format!("block [{}] belongs to channel {other}", block.number())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whoever is a member still and has no leader may not know who the others are by now.
    fn still_member(&self, block: &EncodedBlock) {
        let number = block.number();
        self.info(format_args!(
            "Cannot confirm our own eviction from the channel, our certificate was found in config block with sequence {number}"
        ));
        let mut data = Vec::with_capacity(block.encoded_len());
        block.parts().into_iter().for_each(|part| data.extend_from_slice(part));
        let snapshot = Snapshot { data: data.into(), ..Snapshot::default() };
        // Without a driver there is nothing to catch up.
        let _ = self.events.send(Event::Behind(Box::new(snapshot)));
    }

    async fn evicted(mut self, number: Option<u64>) {
        let (channel, node) = (self.state.channel_id().to_owned(), self.node);
        match number {
            Some(number) => tracing::warn!(
                target: "orderer.consensus.etcdraft", channel, node,
                "Detected our own eviction from the channel in block [{number}]"
            ),
            None => tracing::warn!(
                target: "orderer.consensus.etcdraft", channel, node,
                "Detected our own eviction from the channel: the other orderers let us read it no more"
            ),
        }
        self.info(format_args!("Waiting for chain to halt"));
        let _ = self.events.send(Event::FoundEvicted);
        // The sender goes only with the chain.
        let _ = self.has_stopped.wait_for(|stopped| *stopped).await;
        if let Some(number) = number {
            self.pull_rest(number).await;
        }
        let events = self.state.events().clone();
        let switched = tokio::task::spawn_blocking(move || events.switch_to_follower(&channel, None));
        // Only a panic in there could fail; it is reported by its own hook.
        let _ = switched.await;
    }

    /// Pulls what leads up to the block that evicts; what is missing in the end, a follower pulls.
    async fn pull_rest(&self, last: u64) {
        self.info(format_args!(
            "Chain has been halted, pulling remaining blocks up to (and including) eviction block."
        ));
        let first = self.state.height();
        if first > last {
            self.info(format_args!(
                "Our height is higher or equal than the height of the orderer we pulled the last block from, aborting."
            ));
            return;
        }
        self.info(format_args!("Will now pull blocks {first} to {last}"));
        let Ok(own_last) = self.state.last_block() else { return };
        let mut verifier = ChainVerifier::after(&own_last, self.state.bundle());
        let source = self.sources.for_channel(self.state.channel_id(), &self.state.bundle());
        let (state, node) = (self.state.clone(), self.node);
        let keep: Keep = Arc::new(move |block| {
            tracing::info!(target: "orderer.consensus.etcdraft", channel = %state.channel_id(), node,
                "Pulling block [{}]", block.number());
            state.append_replicated(block)?;
            Ok(ControlFlow::Continue(()))
        });
        let (buffer, cancel) = (self.replication.buffer_bytes, CancellationToken::new());
        match replicate(&*source, &mut verifier, last, keep, buffer, &cancel).await {
            Ok(()) => self.info(format_args!("Pulled all blocks up to eviction block.")),
            Err(error) => self.info(format_args!("Could not pull all blocks up to eviction block: {error}")),
        }
    }

    fn info(&self, text: std::fmt::Arguments<'_>) {
        tracing::info!(target: "orderer.consensus.etcdraft", channel = %self.state.channel_id(), node = self.node, "{text}");
    }
}

/// Between looks at whether there is a leader. With the suspicion of Fabric's own tests, 5 s, it is 10 s as
/// there: by the second look a node has campaigned, and those who do not know it any more have said so.
fn check_interval(suspicion: Duration) -> Duration {
    CHECK_INTERVAL.min(suspicion.saturating_mul(2).max(Duration::from_millis(1)))
}

/// Whether one of the consenters has the public key of one of this node's certificates.
fn is_member(bundle: &Bundle, own: Option<&Consenter>) -> bool {
    let Some(own) = own else { return false };
    let metadata = bundle.orderer().map(|orderer| orderer.consensus_metadata.clone()).unwrap_or_default();
    let Ok(config) = RaftConfig::parse(&metadata) else { return false };
    let key = |pem: &[u8]| {
        let certificate = Certificate::from_der(&pem_to_der(pem)?).ok()?;
        Some(certificate.public_key_der().to_vec())
    };
    let (server, client) = (key(&own.server_tls_cert), key(&own.client_tls_cert));
    config.consenters.iter().any(|consenter| {
        key(&consenter.server_tls_cert).is_some_and(|other| Some(other) == server)
            || key(&consenter.client_tls_cert).is_some_and(|other| Some(other) == client)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_comes_before_the_first_suspicion() {
        let seconds = Duration::from_secs;
        for (suspicion, interval) in [
            (seconds(600), seconds(10)),
            (seconds(5), seconds(10)),
            (seconds(1), seconds(2)),
            (Duration::ZERO, Duration::from_millis(1)),
        ] {
            assert_eq!(check_interval(suspicion), interval, "{suspicion:?}");
        }
    }
}

//! Bringing the ledger up to a snapshot that the leader sent.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use channel::{
    block::{self, EncodedBlock},
    replication::ChainVerifier,
};
use raft::eraftpb::Snapshot;
use tokio::{sync::mpsc::UnboundedSender, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    channel_state::{ChannelError, ChannelState},
    replicate::{Keep, PullError, replicate},
    source::BlockSources,
};

use super::{core::Tip, driver::Event, membership::Membership, worker::IdleProbe};

/// Between attempts to pull.
const RETRY: Duration = Duration::from_millis(500);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// Pulls what is missing, one snapshot at a time.
pub(crate) struct CatchUp {
    pub(crate) state: Arc<ChannelState>,
    pub(crate) sources: Arc<dyn BlockSources>,
    pub(crate) ledger: IdleProbe,
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) node: u64,
    pub(crate) stopping: CancellationToken,
    pub(crate) running: Option<JoinHandle<()>>,
}

impl CatchUp {
    /// Begins; the end is reported as an event.
    pub(crate) fn begin(&mut self, snapshot: Snapshot, membership: Membership) {
        let job = Job {
            state: self.state.clone(),
            sources: self.sources.clone(),
            ledger: self.ledger.clone(),
            events: self.events.clone(),
            node: self.node,
        };
        let stopping = self.stopping.clone();
        self.running = Some(tokio::spawn(async move {
            let events = job.events.clone();
            let event = match job.run(&snapshot, membership, &stopping).await {
                Ok((tip, membership)) => Event::CaughtUp { snapshot, tip, membership },
                Err(PullError::Stopping) => return,
                Err(error) => {
                    let metadata = snapshot.get_metadata();
                    let (term, index) = (metadata.term, metadata.index);
                    Event::CatchUpFailed(format!(
                        "Failed to recover from snapshot taken at Term {term} and Index {index}: {error}"
                    ))
                }
            };
            // Without a driver nobody waits for it.
            let _ = events.send(event);
        }));
    }

    /// Ends what is running, after the blocks that are being written.
    pub(crate) async fn stop(&mut self) {
        self.stopping.cancel();
        if let Some(running) = self.running.take() {
            // It can only have panicked, which its own hook has reported.
            let _ = running.await;
        }
    }
}

struct Job {
    state: Arc<ChannelState>,
    sources: Arc<dyn BlockSources>,
    ledger: IdleProbe,
    events: UnboundedSender<Event>,
    node: u64,
}

impl Job {
    async fn run(
        mut self,
        snapshot: &Snapshot,
        membership: Membership,
        stopping: &CancellationToken,
    ) -> Result<(Tip, Membership), PullError> {
        self.ledger.idle().await;
        let target = EncodedBlock::decode(snapshot.data.clone()).map_err(ChannelError::from)?;
        let (first, last) = (self.state.height(), target.number());
        self.info(format_args!(
            "Catching up with snapshot taken at block [{last}], starting from block [{first}]"
        ));
        let index = snapshot.get_metadata().index;
        if first == last && index != 0 {
            return self.commit_encapsulated(target, membership, index).await;
        }
        let own_last = self.state.last_block()?;
        let mut verifier = ChainVerifier::after(&own_last, self.state.bundle());
        if index != 0 {
            verifier = verifier.with_anchor(last, target.header_hash());
        }
        let mut pause = RETRY;
        loop {
            let source = self.sources.for_channel(self.state.channel_id(), &self.state.bundle());
            match replicate(&*source, &mut verifier, last, self.keep(), stopping).await {
                Ok(()) => break,
                Err(error @ (PullError::Keep(_) | PullError::Stopping)) => return Err(error),
                Err(error) => {
                    self.info(format_args!(
                        "Could not pull blocks up to [{last}]: {error}; trying again in {pause:?}"
                    ));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(MAX_RETRY),
                () = stopping.cancelled() => return Err(PullError::Stopping),
            }
        }
        self.info(format_args!("Finished syncing with cluster up to and including block [{last}]"));
        let (tip, metadata) = self.tip()?;
        let state = self.state.bundle();
        let orderer = state.orderer().map(|orderer| orderer.consensus_metadata.clone()).unwrap_or_default();
        let config = channel::consenters::RaftConfig::parse(&orderer).unwrap_or(membership.config);
        let membership = Membership::new(config, &metadata).map_err(|error| self.unreadable(&error))?;
        Ok((tip, membership))
    }

    /// Pulled blocks keep their consenter metadata and get this node's signature.
    fn keep(&self) -> Keep {
        let (state, events) = (self.state.clone(), self.events.clone());
        Arc::new(move |block| {
            let metadata = block::consenter_metadata(block.block())?;
            write(&state, block, &metadata)?;
            // Without a driver nobody waits for it.
            let _ = events.send(Event::Pulled(block.clone()));
            Ok(ControlFlow::Continue(()))
        })
    }

    /// A snapshot holds its block; Fabric writes it with empty metadata, and then finds the consenters
    /// renumbered when it is the last one at the next start. Here it gets what is known.
    async fn commit_encapsulated(
        &self,
        block: EncodedBlock,
        membership: Membership,
        index: u64,
    ) -> Result<(Tip, Membership), PullError> {
        let number = block.number();
        self.info(format_args!(
            "The only missing block [{number}] is encapsulated in snapshot, committing it to shortcut catchup process"
        ));
        let own_last = self.state.last_block()?;
        if block.header().previous_hash != own_last.header_hash().as_slice() {
            return Err(channel::replication::ReplicationError::PreviousHash {
                number,
                actual: own_last.header_hash(),
                claimed: block.header().previous_hash.to_vec(),
            }
            .into());
        }
        let (membership, _) = membership.after(&block, index).map_err(|error| self.unreadable(&error))?;
        let tip = Tip { number, hash: block.header_hash() };
        let (state, events) = (self.state.clone(), self.events.clone());
        let metadata = protos::Message::encode_to_vec(&membership.metadata);
        let written = tokio::task::spawn_blocking(move || {
            write(&state, &block, &metadata)?;
            let _ = events.send(Event::Pulled(Arc::new(block)));
            Ok::<_, ChannelError>(())
        });
        written.await.map_err(|_| PullError::Stopping)??;
        Ok((tip, membership))
    }

    fn tip(&self) -> Result<(Tip, bytes::Bytes), PullError> {
        let last = self.state.last_block()?;
        let metadata = block::consenter_metadata(last.block()).map_err(ChannelError::from)?;
        Ok((Tip { number: last.number(), hash: last.header_hash() }, metadata))
    }

    fn unreadable(&self, error: &super::membership::MembershipFault) -> ChannelError {
        ChannelError::Consenters { channel: self.state.channel_id().to_owned(), reason: error.to_string() }
    }

    fn info(&self, text: std::fmt::Arguments<'_>) {
        tracing::info!(target: "orderer.consensus.etcdraft", channel = %self.state.channel_id(), node = self.node, "{text}");
    }
}

fn write(state: &ChannelState, block: &EncodedBlock, metadata: &[u8]) -> Result<(), ChannelError> {
    if block::is_config_block(block.block()) {
        state.write_config_block(block, metadata)?;
    } else {
        state.write_block(block, metadata)?;
    }
    Ok(())
}

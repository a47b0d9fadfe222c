//! Bringing the ledger up to a snapshot that the leader sent.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use channel::{
    block::{self, EncodedBlock},
    replication::ChainVerifier,
};
use parking_lot::Mutex;
use protos::Message as _;
use raft::eraftpb::Snapshot;
use tokio::{sync::mpsc::UnboundedSender, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    channel_state::{ChannelError, ChannelState},
    replicate::{Keep, PullError, replicate},
    source::{BlockSources, Pauses, ReplicationOptions},
};

use super::{
    core::Tip,
    driver::{CaughtUp, Event},
    membership::{Membership, MembershipFault},
    worker::IdleProbe,
};

/// First pause between attempts to pull.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Pulls what is missing, one snapshot at a time.
pub(crate) struct CatchUp {
    pub(crate) state: Arc<ChannelState>,
    pub(crate) sources: Arc<dyn BlockSources>,
    pub(crate) ledger: IdleProbe,
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) node: u64,
    pub(crate) replication: ReplicationOptions,
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
            replication: self.replication,
        };
        let stopping = self.stopping.clone();
        self.running = Some(tokio::spawn(async move {
            let events = job.events.clone();
            let event = match job.run(&snapshot, membership, &stopping).await {
                Ok((tip, membership)) => Event::CaughtUp(Box::new(CaughtUp { snapshot, tip, membership })),
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
    replication: ReplicationOptions,
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
        let membership = Arc::new(Mutex::new(membership));
        let mut verifier = ChainVerifier::after(&own_last, self.state.bundle());
        if index != 0 {
            verifier = verifier.with_anchor(last, target.header_hash());
        }
        let mut pauses = Pauses::new(FIRST_PAUSE, self.replication.retry_timeout);
        loop {
            let before = verifier.next_number();
            let source = self.sources.for_channel(self.state.channel_id(), &self.state.bundle());
            let buffer = self.replication.buffer_bytes;
            let pause = match replicate(
                &*source,
                &mut verifier,
                last,
                self.keep(&membership),
                buffer,
                stopping,
            )
            .await
            {
                Ok(()) => break,
                Err(error @ (PullError::Keep(_) | PullError::Stopping)) => return Err(error),
                Err(error) => {
                    if verifier.next_number() > before {
                        pauses.reset();
                    }
                    let pause = pauses.next();
                    self.info(format_args!(
                        "Could not pull blocks up to [{last}]: {error}; trying again in {pause:?}"
                    ));
                    pause
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopping.cancelled() => return Err(PullError::Stopping),
            }
        }
        self.info(format_args!("Finished syncing with cluster up to and including block [{last}]"));
        let newest = self.state.last_block()?;
        let membership = membership.lock().clone();
        Ok((Tip { number: newest.number(), hash: newest.header_hash() }, membership))
    }

    /// Pulled blocks get the consenter metadata that they were ordered with, and this node's signature.
    fn keep(&self, membership: &Arc<Mutex<Membership>>) -> Keep {
        let (state, events, node) = (self.state.clone(), self.events.clone(), self.node);
        let membership = membership.clone();
        Arc::new(move |block| {
            let recorded = block::consenter_metadata(block.block())?;
            let mut membership = membership.lock();
            let after =
                membership.after_pulled(block, &recorded).map_err(|error| unreadable(&state, &error))?;
            if after.ids() != membership.ids() {
                let number = block.number();
                tracing::info!(target: "orderer.consensus.etcdraft", channel = %state.channel_id(), node,
                    "Config block [{number}] changes consenter set, communication should be reconfigured");
            }
            *membership = after;
            write(&state, block, &membership.metadata.encode_to_vec())?;
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
        let (membership, _) =
            membership.after(&block, index).map_err(|error| unreadable(&self.state, &error))?;
        let tip = Tip { number, hash: block.header_hash() };
        let (state, events) = (self.state.clone(), self.events.clone());
        let metadata = membership.metadata.encode_to_vec();
        let written = tokio::task::spawn_blocking(move || {
            write(&state, &block, &metadata)?;
            let _ = events.send(Event::Pulled(Arc::new(block)));
            Ok::<_, ChannelError>(())
        });
        written.await.map_err(|_| PullError::Stopping)??;
        Ok((tip, membership))
    }

    fn info(&self, text: std::fmt::Arguments<'_>) {
        tracing::info!(target: "orderer.consensus.etcdraft", channel = %self.state.channel_id(), node = self.node, "{text}");
    }
}

fn unreadable(state: &ChannelState, error: &MembershipFault) -> ChannelError {
    ChannelError::Consenters { channel: state.channel_id().to_owned(), reason: error.to_string() }
}

fn write(state: &ChannelState, block: &EncodedBlock, metadata: &[u8]) -> Result<(), ChannelError> {
    if block::is_config_block(block.block()) {
        state.write_config_block(block, metadata)?;
    } else {
        state.write_block(block, metadata)?;
    }
    Ok(())
}

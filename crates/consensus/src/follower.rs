//! A channel that this node replicates and does not order, or not yet.
//!
//! Source: Fabric's `orderer/common/follower/`.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use async_trait::async_trait;
use channel::{
    block::{self, EncodedBlock},
    bundle::Bundle,
    replication::ChainVerifier,
};
use identity::signing::SigningIdentity;
use parking_lot::Mutex;
use storage::ledger::Ledger;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{Chain, ConsensusRelation, OrderError, Receipt, Status, Submission},
    channel_state::{ChannelError, ChannelEvents, ChannelOptions, ChannelState},
    replicate::{Keep, PullError, replicate},
    segment::Segment,
    source::{BlockSources, Pauses, ReplicationOptions},
};

/// Between looks at how far the others are: from the first to the second, growing, and never longer than
/// the settings say.
const POLL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// First pause between attempts to pull.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// What a follower works with.
pub struct FollowerParts {
    /// The channel.
    pub channel_id: String,
    /// Its ledger; may be empty when there is a join block.
    pub ledger: Arc<Ledger>,
    /// The block that the channel was joined with, while the ledger has not reached it.
    pub join_block: Option<Arc<EncodedBlock>>,
    /// A raft id that another consenter knows this node by, while the ledger has only an earlier one:
    /// the node was removed and added again, and is a consenter from the block on that says so.
    pub known_as: Option<u64>,
    /// The certificate of this node's cluster listener, DER: by it the node finds itself among the
    /// consenters.
    pub own_server_cert_der: Vec<u8>,
    /// Who this node signs as.
    pub signer: Arc<SigningIdentity>,
    /// How the channel is kept.
    pub options: ChannelOptions,
    /// Told of configurations, and when the node becomes a consenter.
    pub events: Arc<dyn ChannelEvents>,
    /// Where blocks come from.
    pub sources: Arc<dyn BlockSources>,
    /// How they are pulled.
    pub replication: ReplicationOptions,
}

/// Why a channel can not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// The join block holds no usable configuration.
    #[error("the join block of channel {channel} can not be used: {source}")]
    JoinBlock {
        /// The channel.
        channel: String,
        /// What is wrong.
        source: channel::bundle::ConfigBlockError,
    },
    /// The ledger can not be used.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// A followed channel.
pub struct FollowerChain {
    shared: Arc<Shared>,
    errored: watch::Sender<bool>,
    stopping: CancellationToken,
    running: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    parts: FollowerParts,
    place: Mutex<(ConsensusRelation, Status)>,
}

/// Begins to follow a channel. Must be called on a runtime.
///
/// # Errors
///
/// When neither join block nor ledger give a configuration to start from.
pub fn start(parts: FollowerParts) -> Result<Arc<FollowerChain>, FollowerError> {
    let follower = Follower::new(parts)?;
    let shared = follower.shared.clone();
    let stopping = CancellationToken::new();
    let running = tokio::spawn(follower.run(stopping.clone()));
    Ok(Arc::new(FollowerChain {
        shared,
        errored: watch::Sender::new(true),
        stopping,
        running: Mutex::new(Some(running)),
    }))
}

#[async_trait]
impl Chain for FollowerChain {
    async fn wait_ready(&self) -> Result<(), OrderError> {
        Err(OrderError::NotServiced(self.shared.parts.channel_id.clone()))
    }

    async fn order(&self, _: Submission) -> Result<Receipt, OrderError> {
        Err(OrderError::NotServiced(self.shared.parts.channel_id.clone()))
    }

    fn errored(&self) -> watch::Receiver<bool> {
        self.errored.subscribe()
    }

    fn relation_and_status(&self) -> (ConsensusRelation, Status) {
        *self.shared.place.lock()
    }

    async fn halt(&self) {
        self.stopping.cancel();
        let running = self.running.lock().take();
        if let Some(running) = running {
            // It can only have panicked, which its own hook has reported.
            let _ = running.await;
        }
    }
}

struct Follower {
    shared: Arc<Shared>,
    /// The channel as far as it is here; none while the ledger is empty.
    state: Arc<Mutex<Option<Arc<ChannelState>>>>,
    verifier: ChainVerifier,
    /// The configuration whose orderers are asked: the join block's until the ledger has passed it.
    bundle: Arc<Bundle>,
    join_number: Option<u64>,
}

impl Follower {
    fn new(parts: FollowerParts) -> Result<Self, FollowerError> {
        let height = parts.ledger.height();
        let join = match &parts.join_block {
            Some(join) => {
                let bundle = Bundle::from_config_block(join.block()).map_err(|source| {
                    FollowerError::JoinBlock { channel: parts.channel_id.clone(), source }
                })?;
                Some((join.number(), join.header_hash(), Arc::new(bundle)))
            }
            None => None,
        };
        let state = if height > 0 { Some(open(&parts)?) } else { None };
        let mut verifier = match &state {
            Some(state) => ChainVerifier::after(state.last_block()?.as_ref(), state.bundle()),
            None => ChainVerifier::from_genesis(&parts.channel_id),
        };
        let join_number = join.as_ref().map(|(number, ..)| *number);
        if let Some((number, hash, _)) = &join {
            verifier = verifier.with_anchor(*number, *hash);
        }
        let is_onboarding = join_number.is_some_and(|number| height <= number) || parts.known_as.is_some();
        let ours = state.as_ref().map(|state| state.bundle());
        let bundle = match (join, ours) {
            (Some((_, _, joined)), ours) if is_onboarding || ours.is_none() => joined,
            (_, Some(ours)) => ours,
            (_, None) => return Err(ChannelError::Empty(parts.channel_id).into()),
        };
        let relation = relation(&parts, &bundle);
        let status = if is_onboarding { Status::Onboarding } else { Status::Active };
        let shared = Arc::new(Shared { place: Mutex::new((relation, status)), parts });
        let follower = Self { shared, state: Arc::new(Mutex::new(state)), verifier, bundle, join_number };
        match join_number {
            Some(number) => {
                follower
                    .info(format_args!("Created with join-block number: {number}, ledger height: {height}"));
            }
            None => follower.info(format_args!("Created with a nil join-block, ledger height: {height}")),
        }
        Ok(follower)
    }

    async fn run(mut self, stopping: CancellationToken) {
        self.info(format_args!("Started"));
        match self.follow(&stopping).await {
            Ok(()) => {
                self.info(format_args!(
                    "Block pulling finished successfully, going to switch from follower to a consensus.Chain"
                ));
                let (events, channel) =
                    (self.shared.parts.events.clone(), self.shared.parts.channel_id.clone());
                // The node halts this chain when it starts the other one; that must not wait for us.
                tokio::task::spawn_blocking(move || events.switch_to_consenter(&channel));
            }
            Err(PullError::Stopping) => {}
            Err(error) => {
                self.shared.place.lock().1 = Status::Failed;
                tracing::error!(
                    target: "orderer.commmon.follower", channel = %self.shared.parts.channel_id,
                    "Following the channel ended: {error}"
                );
            }
        }
        self.info(format_args!("Stopped"));
    }

    /// Follows the channel until this node is a consenter of it.
    async fn follow(&mut self, stopping: &CancellationToken) -> Result<(), PullError> {
        if let Some(join_number) = self.join_number.filter(|number| self.verifier.next_number() <= *number) {
            while self.verifier.next_number() <= join_number {
                self.pull_up_to(join_number, stopping).await?;
            }
            self.info(format_args!("Onboarding finished successfully, pulled blocks up to join-block"));
        }
        if self.shared.parts.known_as.is_none() {
            self.shared.place.lock().1 = Status::Active;
        }
        let longest = POLL.1.min(self.shared.parts.replication.background_refresh_interval);
        let mut polls = Pauses::new(POLL.0, longest);
        loop {
            self.use_own_config();
            if self.is_due()? {
                return Ok(());
            }
            let source = self.shared.parts.sources.for_channel(&self.shared.parts.channel_id, &self.bundle);
            let heights = tokio::select! {
                heights = source.heights() => heights,
                () = stopping.cancelled() => return Err(PullError::Stopping),
            };
            let height = heights.into_iter().map(|(_, height)| height).max().unwrap_or(0);
            match height.checked_sub(1).filter(|last| self.verifier.next_number() <= *last) {
                Some(last) => {
                    self.pull_up_to(last, stopping).await?;
                    polls.reset();
                }
                None => wait(polls.next(), stopping).await?,
            }
        }
    }

    /// Pulls up to a block, or up to the configuration block before it that makes this node a
    /// consenter; gives up when nothing has come for too many attempts.
    async fn pull_up_to(&mut self, last: u64, stopping: &CancellationToken) -> Result<(), PullError> {
        let is_onboarding = self.join_number.is_some_and(|number| last <= number);
        let ReplicationOptions { buffer_bytes, retry_timeout, max_retries, .. } =
            self.shared.parts.replication;
        let mut pauses = Pauses::new(FIRST_RETRY, retry_timeout);
        let mut failures = 0;
        while self.verifier.next_number() <= last {
            let parts = &self.shared.parts;
            let source = parts.sources.for_channel(&parts.channel_id, &self.bundle);
            let keep = self.keep(is_onboarding);
            let before = self.verifier.next_number();
            let result = replicate(&*source, &mut self.verifier, last, keep, buffer_bytes, stopping).await;
            self.resume_after_kept()?;
            match result {
                Ok(()) => return Ok(()),
                Err(error @ (PullError::Keep(_) | PullError::Stopping)) => return Err(error),
                Err(error) => {
                    failures += 1;
                    if self.verifier.next_number() > before {
                        pauses.reset();
                        failures = 1;
                    }
                    let pause = pauses.next();
                    tracing::warn!(
                        target: "orderer.commmon.follower", channel = %self.shared.parts.channel_id,
                        "Pull failed, error: {error}; trying again in {pause:?}"
                    );
                    if failures == max_retries {
                        tracing::error!(
                            target: "orderer.common.cluster.puller", channel = %self.shared.parts.channel_id,
                            "Failed pulling block [{}]: retry count exhausted({max_retries})",
                            self.verifier.next_number()
                        );
                    }
                    wait(pause, stopping).await?;
                    if failures == max_retries {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Blocks stay as they are; the channel opens with its genesis block. Once it was joined, a
    /// configuration that makes this node a consenter ends the pulling right after it.
    fn keep(&self, is_onboarding: bool) -> Keep {
        let (shared, slot) = (self.shared.clone(), self.state.clone());
        Arc::new(move |block| {
            let mut slot = slot.lock();
            match &*slot {
                Some(state) => state.append_replicated(block)?,
                None => {
                    shared.parts.ledger.append(block)?;
                    shared.parts.ledger.flush()?;
                    let state = open(&shared.parts)?;
                    shared.parts.events.config_changed(&state);
                    *slot = Some(state);
                }
            }
            if is_onboarding || !block::is_plain_config_block(block.block()) {
                return Ok(ControlFlow::Continue(()));
            }
            let became =
                slot.as_ref().is_some_and(|state| is_consenter(&shared.parts, &state.bundle(), block));
            Ok(if became { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    /// Whether this node is a consenter as of the end of its ledger.
    fn is_due(&self) -> Result<bool, PullError> {
        let Some(state) = self.state.lock().clone() else { return Ok(false) };
        let last = state.last_block()?;
        Ok(is_consenter(&self.shared.parts, &self.bundle, &last))
    }

    /// Puts the verifier where the ledger ends: a run of blocks may have been kept in part.
    fn resume_after_kept(&mut self) -> Result<(), PullError> {
        let state = self.state.lock().clone();
        if let Some(state) = state
            && state.height() != self.verifier.next_number()
        {
            self.verifier = ChainVerifier::after(state.last_block()?.as_ref(), state.bundle());
            if let Some(join) = &self.shared.parts.join_block {
                self.verifier = self.verifier.clone().with_anchor(join.number(), join.header_hash());
            }
        }
        Ok(())
    }

    /// From here on the ledger's own configuration says who orders.
    fn use_own_config(&mut self) {
        if let Some(state) = &*self.state.lock() {
            self.bundle = state.bundle();
        }
        self.shared.place.lock().0 = relation(&self.shared.parts, &self.bundle);
    }

    fn info(&self, text: std::fmt::Arguments<'_>) {
        tracing::info!(target: "orderer.commmon.follower", channel = %self.shared.parts.channel_id, "{text}");
    }
}

fn open(parts: &FollowerParts) -> Result<Arc<ChannelState>, ChannelError> {
    ChannelState::open(
        &parts.channel_id,
        parts.ledger.clone(),
        parts.signer.clone(),
        parts.options,
        parts.events.clone(),
    )
}

/// Whether this node is a consenter as of this block, under the raft id that others know it by.
fn is_consenter(parts: &FollowerParts, bundle: &Bundle, last: &EncodedBlock) -> bool {
    let metadata = match last.number() {
        // A genesis block has no consenter's metadata.
        0 => Ok(bytes::Bytes::new()),
        _ => block::consenter_metadata(last.block()),
    };
    let Ok(metadata) = metadata else { return false };
    let Ok(segment) = Segment::open(bundle, 0, metadata, &parts.own_server_cert_der) else { return false };
    match parts.known_as {
        Some(known_as) => segment.raft_id().is_some_and(|id| id >= known_as),
        None => segment.is_member(),
    }
}

fn relation(parts: &FollowerParts, bundle: &Bundle) -> ConsensusRelation {
    let segment = Segment::open(bundle, 0, bytes::Bytes::new(), &parts.own_server_cert_der);
    match segment {
        Ok(segment) if segment.is_member() => ConsensusRelation::Consenter,
        _ => ConsensusRelation::Follower,
    }
}

async fn wait(pause: Duration, stopping: &CancellationToken) -> Result<(), PullError> {
    tokio::select! {
        () = tokio::time::sleep(pause) => Ok(()),
        () = stopping.cancelled() => Err(PullError::Stopping),
    }
}

//! Bringing the ledger up to a snapshot that the leader sent.

use std::sync::Arc;

use raft::eraftpb::Snapshot;
use tokio::{sync::mpsc::UnboundedSender, task::JoinHandle};

use crate::{channel_state::ChannelState, source::BlockSources};

use super::{driver::Event, membership::Membership, worker::IdleProbe};

/// Pulls what is missing.
pub(crate) struct CatchUp {
    state: Arc<ChannelState>,
    sources: Arc<dyn BlockSources>,
    ledger: IdleProbe,
    events: UnboundedSender<Event>,
    running: Option<JoinHandle<()>>,
}

impl CatchUp {
    pub(crate) fn new(
        state: Arc<ChannelState>,
        sources: Arc<dyn BlockSources>,
        ledger: IdleProbe,
        events: UnboundedSender<Event>,
    ) -> Self {
        Self { state, sources, ledger, events, running: None }
    }
    pub(crate) fn begin(&mut self, _snapshot: Snapshot, _membership: Membership) {}
    pub(crate) async fn stop(&mut self) {}
}

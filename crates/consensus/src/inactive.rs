//! A channel that is known here and not served.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::chain::{Chain, ConsensusRelation, OrderError, Receipt, Status, Submission};

/// Refuses everything with one reason.
#[derive(Debug)]
pub struct InactiveChain {
    relation: ConsensusRelation,
    status: Status,
    reason: OrderError,
    errored: watch::Sender<bool>,
}

impl InactiveChain {
    /// A channel that this node is no consenter of, in system-channel mode.
    pub fn not_serviced(channel_id: &str) -> Self {
        Self::new(
            ConsensusRelation::ConfigTracker,
            Status::Inactive,
            OrderError::NotServiced(channel_id.to_owned()),
        )
    }

    /// A system channel that was joined and is served after the next start.
    pub fn restart_required() -> Self {
        Self::new(ConsensusRelation::Consenter, Status::Inactive, OrderError::RestartRequired)
    }

    /// A channel that can not be served, for this reason.
    pub fn new(relation: ConsensusRelation, status: Status, reason: OrderError) -> Self {
        Self { relation, status, reason, errored: watch::Sender::new(true) }
    }
}

#[async_trait]
impl Chain for InactiveChain {
    async fn wait_ready(&self) -> Result<(), OrderError> {
        Err(self.reason.clone())
    }
    async fn order(&self, _: Submission) -> Result<Receipt, OrderError> {
        Err(self.reason.clone())
    }
    fn errored(&self) -> watch::Receiver<bool> {
        self.errored.subscribe()
    }
    fn relation_and_status(&self) -> (ConsensusRelation, Status) {
        (self.relation, self.status)
    }
    async fn halt(&self) {}
}

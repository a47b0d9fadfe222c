//! What chains report, and what the registrar makes of it.

use std::sync::{Arc, Weak};

use channel::block::EncodedBlock;
use consensus::{
    channel_state::{ChannelEvents, ChannelState},
    inactive::InactiveChain,
};

use super::{LOG, Other, Registrar};

/// The registrar as its chains see it; does not keep it alive.
pub(super) struct Events(pub(super) Weak<Registrar>);

impl ChannelEvents for Events {
    fn config_changed(&self, state: &ChannelState) {
        if let Some(registrar) = self.0.upgrade() {
            registrar.trust.update(state.channel_id(), &state.bundle());
        }
    }

    fn create_channel(&self, genesis: Arc<EncodedBlock>) -> Result<(), String> {
        let registrar = self.0.upgrade().ok_or("the node is stopping")?;
        registrar.create_channel(&genesis).map_err(|error| error.to_string())
    }

    fn channel_count(&self) -> u64 {
        self.0.upgrade().map_or(0, |registrar| registrar.channels.all().len() as u64)
    }

    // A chain waits for its own end when it is halted, so both switches happen elsewhere.

    fn switch_to_follower(&self, channel_id: &str, known_as: Option<u64>) {
        let Some(registrar) = self.0.upgrade() else { return };
        let (runtime, channel_id) = (registrar.runtime.clone(), channel_id.to_owned());
        runtime.spawn(async move { registrar.switch_to_follower(&channel_id, known_as).await });
    }

    fn switch_to_consenter(&self, channel_id: &str) {
        let Some(registrar) = self.0.upgrade() else { return };
        let (runtime, channel_id) = (registrar.runtime.clone(), channel_id.to_owned());
        runtime.spawn(async move { registrar.switch_to_consenter(&channel_id).await });
    }
}

impl Registrar {
    /// This node was evicted: the channel is only followed from now on. Was it added again as
    /// `known_as`, a chain under its old raft id would only be told the same again.
    async fn switch_to_follower(&self, channel_id: &str, known_as: Option<u64>) {
        let _changing = self.changing.lock().await;
        let Some(handle) = self.channels.get(channel_id) else { return };
        let chain = handle.suspend();
        if let Some(chain) = &chain {
            chain.halt().await;
        }
        self.parts.transport.forget(channel_id);
        if self.has_system_channel() {
            // The others may refuse this node the block that tells of its eviction.
            self.track(channel_id);
        } else {
            // It stays listed until it is followed.
            if let Some(chain) = chain {
                self.others.lock().insert(channel_id.to_owned(), Other::Followed(chain));
            }
            self.channels.remove(channel_id);
        }
        // Whoever waits for the consenter must not wait for ever.
        handle.resume(Arc::new(InactiveChain::not_serviced(channel_id)));
        // What is tracked is pulled to its end in any case.
        if known_as.is_none() || self.has_system_channel() {
            return self.reopen(channel_id).await;
        }
        if let Err(reason) = self.follow(channel_id, None, known_as) {
            self.report_broken(channel_id, &reason.to_string());
        }
    }

    /// A followed channel has come to the point where this node is a consenter.
    async fn switch_to_consenter(&self, channel_id: &str) {
        let _changing = self.changing.lock().await;
        let followed = match self.others.lock().get(channel_id) {
            Some(Other::Followed(chain)) => chain.clone(),
            _ => return,
        };
        tracing::info!(target: "orderer.commmon.follower", channel = channel_id,
            "Block pulling finished successfully, going to switch from follower to a consensus.Chain");
        // It stays listed until it is served.
        followed.halt().await;
        if let Err(reason) = self.parts.store.join_blocks().remove(channel_id) {
            self.report_broken(channel_id, &reason.to_string());
            return;
        }
        self.reopen(channel_id).await;
    }

    /// Opens a channel anew from its ledger.
    pub(super) async fn reopen(&self, channel_id: &str) {
        let Some(registrar) = self.me.upgrade() else { return };
        let name = channel_id.to_owned();
        let opened = tokio::task::spawn_blocking(move || registrar.open_existing(&name)).await;
        match opened {
            Ok(Ok(())) => tracing::debug!(target: LOG, channel = channel_id, "Channel {channel_id} switched"),
            Ok(Err(reason)) => self.report_broken(channel_id, &reason.to_string()),
            Err(panic) => self.report_broken(channel_id, &panic.to_string()),
        }
    }
}

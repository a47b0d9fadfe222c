//! The channels that are being served, as Broadcast, Deliver and Step look them up.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use consensus::{chain::Chain, channel_state::ChannelState};
use tokio::sync::watch;

/// A channel with its consenter. The consenter can be replaced while the channel is in use.
pub struct ChannelHandle {
    state: Arc<ChannelState>,
    chain: watch::Sender<Option<Arc<dyn Chain>>>,
}

impl ChannelHandle {
    /// A channel served by this consenter.
    pub fn new(state: Arc<ChannelState>, chain: Arc<dyn Chain>) -> Self {
        Self { state, chain: watch::Sender::new(Some(chain)) }
    }

    /// The channel's ledger and configuration.
    pub fn state(&self) -> &Arc<ChannelState> {
        &self.state
    }

    /// The consenter; while it is being replaced, the caller waits for the next one.
    pub async fn chain(&self) -> Arc<dyn Chain> {
        if let Some(chain) = self.current_chain() {
            return chain;
        }
        let mut watch = self.chain.subscribe();
        loop {
            if let Some(chain) = watch.borrow_and_update().clone() {
                return chain;
            }
            // The sender lives as long as `self`; were it gone, there would be nobody to wait for.
            if watch.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The consenter, unless it is being replaced.
    pub fn current_chain(&self) -> Option<Arc<dyn Chain>> {
        self.chain.borrow().clone()
    }

    /// Takes the consenter out, so that callers wait until [`Self::resume`].
    pub fn suspend(&self) -> Option<Arc<dyn Chain>> {
        self.chain.send_replace(None)
    }

    /// Puts the next consenter in.
    pub fn resume(&self, chain: Arc<dyn Chain>) {
        self.chain.send_replace(Some(chain));
    }
}

/// All channels that have a consenter here. Channels that are only followed are not among them:
/// their clients are told that there is no such channel, as by Fabric's orderers.
#[derive(Default)]
pub struct Channels {
    serving: ArcSwap<Serving>,
}

#[derive(Default, Clone)]
struct Serving {
    by_name: BTreeMap<String, Arc<ChannelHandle>>,
    system: Option<Arc<ChannelHandle>>,
}

impl Channels {
    /// The channel of this name.
    pub fn get(&self, channel_id: &str) -> Option<Arc<ChannelHandle>> {
        self.serving.load().by_name.get(channel_id).cloned()
    }

    /// The system channel.
    pub fn system(&self) -> Option<Arc<ChannelHandle>> {
        self.serving.load().system.clone()
    }

    /// All channels, by name.
    pub fn all(&self) -> Vec<(String, Arc<ChannelHandle>)> {
        self.serving.load().by_name.iter().map(|(name, handle)| (name.clone(), handle.clone())).collect()
    }

    /// Adds or replaces a channel.
    pub fn insert(&self, handle: Arc<ChannelHandle>) {
        self.serving.rcu(|serving| {
            let mut next = Serving::clone(serving);
            let name = handle.state().channel_id().to_owned();
            if handle.state().bundle().consortiums().is_some() {
                next.system = Some(handle.clone());
            }
            next.by_name.insert(name, handle.clone());
            next
        });
    }

    /// Takes a channel out.
    pub fn remove(&self, channel_id: &str) -> Option<Arc<ChannelHandle>> {
        let removed = self.get(channel_id);
        self.serving.rcu(|serving| {
            let mut next = Serving::clone(serving);
            next.by_name.remove(channel_id);
            next.system = next.system.filter(|system| system.state().channel_id() != channel_id);
            next
        });
        removed
    }
}

//! Channels that a node with a system channel does not serve: it looks again and again whether it has
//! become a consenter of one, and then replicates and serves it.
//!
//! Source: Fabric's `InactiveChainReplicator` in `orderer/common/onboarding`.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    LOG, OnboardingError, Registrar,
    onboarding::{created_channels, list},
};

const TRACKING_LOG: &str = "orderer.common.onboarding";
/// The pause before the first look, unless the refresh interval is shorter; it doubles up to that, and
/// begins anew when another channel is tracked.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The channels that are looked after.
#[derive(Default)]
pub(super) struct Tracked {
    names: Mutex<BTreeSet<String>>,
    added: Notify,
    running: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

impl Tracked {
    /// Whether the channel is looked after.
    pub(super) fn contains(&self, channel_id: &str) -> bool {
        self.names.lock().contains(channel_id)
    }

    /// Ends the looking, and forgets the channels.
    pub(super) async fn stop(&self) {
        let running = self.running.lock().take();
        if let Some((stopping, task)) = running {
            stopping.cancel();
            // It can only have panicked, which its own hook has reported.
            let _ = task.await;
        }
        self.names.lock().clear();
    }
}

impl Registrar {
    /// Looks after a channel from now on.
    pub(super) fn track(&self, channel_id: &str) {
        if self.tracked.names.lock().insert(channel_id.to_owned()) {
            tracing::info!(target: TRACKING_LOG, "Adding {channel_id} to the set of chains to track");
            self.tracked.added.notify_one();
        }
        let mut running = self.tracked.running.lock();
        if running.is_none() {
            let stopping = CancellationToken::new();
            let task =
                self.runtime.spawn(look_after(self.tracked.clone(), self.me.clone(), stopping.clone()));
            *running = Some((stopping, task));
        }
    }

    async fn replicate_tracked(&self, stopping: &CancellationToken) {
        let names: Vec<_> = self.tracked.names.lock().iter().cloned().collect();
        let Some(system) = self.channels.system().filter(|_| !names.is_empty()) else { return };
        tracing::info!(target: TRACKING_LOG, "Found {} inactive chains: {}", names.len(), list(&names));
        let replicated = self.replicate_channels(&names, &system.state().bundle(), stopping).await;
        tracing::info!(target: TRACKING_LOG,
            "Successfully replicated {} chains: {}", replicated.len(), list(&replicated));
        for name in replicated {
            let _changing = tokio::select! {
                changing = self.changing.lock() => changing,
                () = stopping.cancelled() => return,
            };
            self.tracked.names.lock().remove(&name);
            self.reopen(&name).await;
            tracing::info!(target: LOG, "Created and started new channel {name}");
            if self.channels.system().is_some_and(|system| system.state().channel_id() == name) {
                self.adopt_created_channels().await;
            }
        }
    }

    /// Takes in the channels that were created while this node was no consenter of the system channel.
    async fn adopt_created_channels(&self) {
        let (Some(registrar), Some(system)) = (self.me.upgrade(), self.channels.system()) else { return };
        let adopted = tokio::task::spawn_blocking(move || {
            for (_, genesis) in created_channels(system.state())? {
                registrar.create_channel(&genesis)?;
            }
            Ok::<_, OnboardingError>(())
        });
        match adopted.await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => tracing::error!(target: LOG, "Creating channels failed: {reason}"),
            Err(panic) => tracing::error!(target: LOG, "Creating channels failed: {panic}"),
        }
    }
}

async fn look_after(tracked: Arc<Tracked>, registrar: Weak<Registrar>, stopping: CancellationToken) {
    let Some(longest) = registrar.upgrade().map(|r| r.parts.replication.refresh_interval) else { return };
    let mut pause = FIRST_PAUSE.min(longest);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = tracked.added.notified() => {
                pause = FIRST_PAUSE.min(longest);
                continue;
            }
            () = stopping.cancelled() => return,
        }
        let Some(registrar) = registrar.upgrade() else { return };
        registrar.replicate_tracked(&stopping).await;
        pause = longest.min(pause * 2);
    }
}

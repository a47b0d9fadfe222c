//! Removing channels: stop serving at once, remove the files afterwards.

use std::sync::Arc;

use consensus::{
    chain::{Chain, ConsensusRelation, Status},
    inactive::InactiveChain,
    metrics::Metrics as _,
};

use super::{LOG, Other, ParticipationError, Registrar};

impl Registrar {
    pub(super) async fn remove_channel(&self, channel_id: &str) -> Result<(), ParticipationError> {
        let _changing = self.changing.lock().await;
        if let Some(system) = self.system_channel() {
            if system != channel_id {
                return Err(ParticipationError::SystemChannelExists);
            }
            return self.remove_system_channel(channel_id).await;
        }
        if let Some(handle) = self.channels.get(channel_id) {
            self.channels.remove(channel_id);
            let removing = Other::Removing(ConsensusRelation::Consenter, Status::Inactive);
            self.others.lock().insert(channel_id.to_owned(), removing);
            if let Some(chain) = handle.suspend() {
                chain.halt().await;
            }
            handle.resume(Arc::new(InactiveChain::not_serviced(channel_id)));
            self.remove_files(channel_id);
            return Ok(());
        }
        let followed: Option<Arc<dyn Chain>> = match self.others.lock().get(channel_id) {
            None => return Err(ParticipationError::ChannelDoesNotExist),
            Some(Other::Removing(..)) => return Err(ParticipationError::PendingRemoval),
            Some(Other::RemovalFailed) => return Err(ParticipationError::ChannelDoesNotExist),
            Some(Other::Followed(chain)) => Some(chain.clone()),
            Some(Other::Broken(_) | Other::Joined) => None,
        };
        let (relation, status) = followed
            .as_ref()
            .map_or((ConsensusRelation::Other, Status::Failed), |chain| chain.relation_and_status());
        self.others.lock().insert(channel_id.to_owned(), Other::Removing(relation, status));
        if let Some(chain) = followed {
            chain.halt().await;
        }
        self.remove_files(channel_id);
        Ok(())
    }

    /// Removes ledger and join block in the background. The Raft files stay, as with Fabric.
    fn remove_files(&self, channel_id: &str) {
        self.parts.transport.forget(channel_id);
        self.trust.forget(channel_id);
        self.show(channel_id);
        let Some(registrar) = self.me.upgrade() else { return };
        let channel_id = channel_id.to_owned();
        self.runtime.spawn_blocking(move || {
            let store = &registrar.parts.store;
            let removed =
                store.join_blocks().remove(&channel_id).and_then(|()| store.remove_channel(&channel_id));
            match removed {
                Ok(()) => {
                    registrar.others.lock().remove(&channel_id);
                    registrar.parts.metrics.forget(&channel_id);
                    tracing::info!(target: LOG, "Removed channel: {channel_id}");
                }
                Err(reason) => {
                    tracing::error!(target: LOG, "Removing channel {channel_id} failed: {reason}");
                    registrar.others.lock().insert(channel_id.clone(), Other::RemovalFailed);
                    registrar.show(&channel_id);
                }
            }
        });
    }

    /// Without its system channel the node keeps the channels that it is a consenter of, and goes
    /// on with them as if it had been started without one. What has no consenter stays as it is:
    /// channels that were followed before the system channel was joined, too.
    async fn remove_system_channel(&self, channel_id: &str) -> Result<(), ParticipationError> {
        let other = |reason: String| ParticipationError::Other(reason);
        let Some(system) = self.channels.get(channel_id) else {
            // It was joined and has not come here yet.
            self.others.lock().insert(
                channel_id.to_owned(),
                Other::Removing(ConsensusRelation::Consenter, Status::Inactive),
            );
            self.remove_files(channel_id);
            return Ok(());
        };
        let bundle = system.state().bundle();
        let kind = bundle.orderer().map_or("", |orderer| orderer.consensus_type.as_str());
        if kind != "etcdraft" {
            return Err(other(format!("cannot remove {kind} system channel: {channel_id}")));
        }
        self.tracked.stop().await;
        let all = self.channels.all();
        for (name, handle) in &all {
            if let Some(chain) = handle.suspend() {
                chain.halt().await;
            }
            self.parts.transport.forget(name);
            self.trust.forget(name);
            self.channels.remove(name);
            handle.resume(Arc::new(InactiveChain::not_serviced(name)));
        }
        let Some(registrar) = self.me.upgrade() else { return Ok(()) };
        let system_name = channel_id.to_owned();
        let reopened = tokio::task::spawn_blocking(move || {
            registrar.parts.store.remove_channel(&system_name)?;
            for (name, handle) in all.iter().filter(|(name, _)| *name != system_name) {
                match registrar.is_member(&handle.state().bundle()) {
                    Ok(false) => registrar.parts.store.remove_channel(name)?,
                    Ok(true) | Err(_) => {
                        if let Err(reason) = registrar.open_existing(name) {
                            registrar.report_broken(name, &reason.to_string());
                        }
                    }
                }
            }
            Ok::<_, storage::ledger::StoreError>(())
        });
        reopened
            .await
            .map_err(|panic| other(panic.to_string()))?
            .map_err(|error| other(error.to_string()))?;
        self.parts.metrics.forget(channel_id);
        tracing::info!(target: LOG, "removed system channel: {channel_id}");
        Ok(())
    }
}

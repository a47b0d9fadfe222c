//! The receiving side: the service `orderer.Cluster`, method `Step`.
//!
//! Every message names its channel, and whoever sends it must be a consenter of that channel. No
//! response is ever sent; what goes wrong ends the stream with its text, as in Fabric.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use protos::{
    Message,
    orderer::{StepRequest, step_request::Payload},
};
use tonic::Status;

use super::{expiry::ExpiryWatch, members::Members};
use crate::{
    grpc::{Handler, RemotePeer, Requests, Responses},
    metrics::{Gauge, Metrics},
    registrar::Channels,
};

/// Takes in what other consenters send.
pub struct Step {
    channels: Arc<Channels>,
    members: Arc<Members>,
    metrics: Arc<Metrics>,
    expiration_warning_threshold: Duration,
}

impl Step {
    /// Hands messages of `members` to the consenters of `channels`.
    pub fn new(
        channels: Arc<Channels>,
        members: Arc<Members>,
        metrics: Arc<Metrics>,
        expiration_warning_threshold: Duration,
    ) -> Self {
        Self { channels, members, metrics, expiration_warning_threshold }
    }

    async fn handle(&self, peer: &RemotePeer, request: StepRequest) -> Result<(), String> {
        let payload = request.payload.ok_or("message is neither a Submit nor a Consensus request")?;
        let channel_id = match &payload {
            Payload::ConsensusRequest(request) => request.channel.clone(),
            Payload::SubmitRequest(request) => request.channel.clone(),
        };
        if channel_id.is_empty() {
            return Err("badly formatted message, cannot extract channel".to_owned());
        }
        let key = peer.public_key.as_deref();
        let sender = self.members.sender(&channel_id, key).map_err(|error| error.to_string())?;
        let Some(handle) = self.channels.get(&channel_id) else {
            let kind = if matches!(payload, Payload::SubmitRequest(_)) { "submit" } else { "consensus" };
            tracing::warn!(target: "orderer.common.cluster",
                "An attempt to send a {kind} request to a non existing channel ({channel_id}) was made by {sender}");
            return Err(format!("channel {channel_id} doesn't exist"));
        };
        match payload {
            Payload::ConsensusRequest(request) => match handle.current_chain() {
                Some(chain) => chain.consensus_message(sender, request).map_err(|error| error.to_string()),
                // The consenter is being replaced: lost like any message on a network.
                None => Ok(()),
            },
            Payload::SubmitRequest(request) => {
                let chain = handle.chain().await;
                chain.forwarded(sender, request).await.map_err(|error| {
                    tracing::warn!(target: "orderer.common.cluster.step",
                        "Handling of Submit() from {}({}) failed: {error}", peer.address, peer.subject());
                    error.to_string()
                })
            }
        }
    }
}

#[async_trait]
impl Handler for Step {
    fn service(&self) -> &'static str {
        "orderer.Cluster"
    }

    fn method(&self) -> &'static str {
        "Step"
    }

    /// Consenters connect when they begin to serve a channel: whoever leads speaks to them at once.
    fn connected(&self, peer: &RemotePeer) {
        let key = peer.public_key.as_deref().unwrap_or_default();
        for (channel, sender) in self.members.connected(key) {
            if let Some(chain) = self.channels.get(&channel).and_then(|handle| handle.current_chain()) {
                chain.connected(sender);
            }
        }
    }

    async fn serve(
        &self,
        peer: Arc<RemotePeer>,
        mut requests: Requests,
        _responses: Responses,
    ) -> Result<(), Status> {
        let _counted = CountedStream::new(self.metrics.cluster_comm_ingress_stream_count.with([]));
        let mut expiry = None;
        loop {
            let raw = match requests.next().await {
                Ok(Some(raw)) => raw,
                Ok(None) => return Ok(()),
                Err(status) => {
                    tracing::warn!(target: "orderer.common.cluster.step",
                        "Stream read from {}({}) failed: {status}", peer.address, peer.subject());
                    return Err(status);
                }
            };
            let request = StepRequest::decode(raw)
                .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))?;
            let channel_id = channel_of(&request).to_owned();
            self.handle(&peer, request).await.map_err(Status::unknown)?;
            expiry
                .get_or_insert_with(|| {
                    let certificate = peer.certificate.as_deref().unwrap_or_default();
                    let from = peer.address.to_string();
                    ExpiryWatch::new(
                        certificate,
                        self.expiration_warning_threshold,
                        from,
                        peer.subject(),
                        channel_id,
                    )
                })
                .check();
        }
    }
}

fn channel_of(request: &StepRequest) -> &str {
    match &request.payload {
        Some(Payload::ConsensusRequest(request)) => &request.channel,
        Some(Payload::SubmitRequest(request)) => &request.channel,
        None => "",
    }
}

/// One of the streams that are open, until it is dropped.
struct CountedStream(Arc<Gauge>);

impl CountedStream {
    fn new(count: Arc<Gauge>) -> Self {
        count.add(1.0);
        Self(count)
    }
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

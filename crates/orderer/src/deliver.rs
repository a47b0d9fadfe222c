//! Deliver: hands blocks out, from any position, waiting for those to come.
//!
//! A stream is a series of requests; each is checked ([`request`]), then answered with blocks and
//! a status. Blocks go out as the bytes that the ledger and the log share. Order of checks and
//! statuses: Fabric's `common/deliver`.

mod access;
mod request;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use channel::names;
use protos::{
    Message,
    common::{self, Envelope},
    orderer::{DeliverResponse, deliver_response},
};
use tokio::sync::watch;
use tonic::Status;

use crate::{
    grpc::{Frame, Handler, RemotePeer, Requests, Responses},
    metrics::Metrics,
    registrar::{ChannelHandle, Channels},
    trace_dir::TraceDir,
};
use access::Access;
use request::{Range, SeekRequest};

/// Blocks below the height by more than this are read on another thread: they come from disk.
const RECENT_BLOCKS: u64 = 16;

/// The service `orderer.AtomicBroadcast`, method `Deliver`.
pub struct Deliver {
    channels: Arc<Channels>,
    options: DeliverOptions,
    metrics: Arc<Metrics>,
    trace: Option<TraceDir>,
}

/// What Deliver checks of requests.
#[derive(Debug, Clone, Copy)]
pub struct DeliverOptions {
    /// How far a request's timestamp may be from the clock.
    pub time_window: Duration,
    /// Whether expired clients are refused, on channels whose capabilities say so.
    pub checks_expiration: bool,
}

impl Deliver {
    /// Delivers the blocks of `channels`.
    pub fn new(
        channels: Arc<Channels>,
        options: DeliverOptions,
        metrics: Arc<Metrics>,
        trace: Option<TraceDir>,
    ) -> Self {
        Self { channels, options, metrics, trace }
    }
}

#[async_trait]
impl Handler for Deliver {
    fn service(&self) -> &'static str {
        "orderer.AtomicBroadcast"
    }

    fn method(&self) -> &'static str {
        "Deliver"
    }

    async fn serve(
        &self,
        peer: Arc<RemotePeer>,
        mut requests: Requests,
        responses: Responses,
    ) -> Result<(), Status> {
        self.metrics.deliver_streams_opened.with([]).increment();
        let _closed = Closed(self.metrics.clone());
        while let Some(raw) = requests.next().await? {
            if let Some(trace) = self.trace.clone() {
                let raw = raw.clone();
                // A trace that fails has said so in the log.
                let _ = tokio::task::spawn_blocking(move || trace.write(&raw, "Deliver")).await;
            }
            let envelope = Envelope::decode(raw)
                .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))?;
            let status = self.answer(&peer, envelope, &responses).await?;
            let response = DeliverResponse { r#type: Some(deliver_response::Type::Status(status.into())) };
            responses.send(Frame::Message(Bytes::from(response.encode_to_vec()))).await?;
            if status != common::Status::Success {
                break;
            }
        }
        Ok(())
    }
}

/// Counts the end of a stream, however it ends.
struct Closed(Arc<Metrics>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.deliver_streams_closed.with([]).increment();
    }
}

impl Deliver {
    /// Answers one request with blocks; the status is what the client gets in the end.
    async fn answer(
        &self,
        peer: &RemotePeer,
        envelope: Envelope,
        responses: &Responses,
    ) -> Result<common::Status, Status> {
        let headers = match request::headers(&envelope, peer, self.options.time_window) {
            Ok(headers) => headers,
            Err(reason) => {
                tracing::warn!(target: "common.deliver", "error parsing envelope from {}: {reason}", peer.address);
                return Ok(common::Status::BadRequest);
            }
        };
        let channel_id = headers.channel_header.channel_id.as_str();
        let Some(handle) = self.channels.get(channel_id) else {
            tracing::debug!(target: "common.deliver",
                "Rejecting deliver for {} because channel {} not found", peer.address, names::shown(channel_id));
            return Ok(common::Status::NotFound);
        };
        let labels = [channel_id, "false", "block"];
        self.metrics.deliver_requests_received.with(labels).increment();
        let outcome = self.deliver(peer, &envelope, &handle, responses).await;
        let success = matches!(outcome, Ok(common::Status::Success));
        let success = if success { "true" } else { "false" };
        self.metrics.deliver_requests_completed.with([channel_id, "false", "block", success]).increment();
        outcome
    }

    async fn deliver(
        &self,
        peer: &RemotePeer,
        envelope: &Envelope,
        handle: &Arc<ChannelHandle>,
        responses: &Responses,
    ) -> Result<common::Status, Status> {
        let (channel_id, address) = (handle.state().channel_id(), peer.address);
        let seek = match SeekRequest::read(envelope) {
            Ok(seek) => seek,
            Err(reason) => {
                tracing::warn!(target: "common.deliver",
                    "[channel: {channel_id}] Received a signed deliver request from {address} with malformed seekInfo payload: {reason}");
                return Ok(common::Status::BadRequest);
            }
        };
        let mut faults = Faults::of(handle, seek.is_best_effort).await;
        if faults.has_occurred() {
            tracing::warn!(target: "common.deliver",
                "[channel: {channel_id}] Rejecting deliver request for {address} because of consenter error");
            return Ok(common::Status::ServiceUnavailable);
        }
        let mut access = match Access::new(envelope, handle.state().clone(), self.options.checks_expiration) {
            Ok(access) => access,
            Err(reason) => {
                tracing::warn!(target: "common.deliver",
                    "[channel: {channel_id}] failed to create access control object due to {reason}");
                return Ok(common::Status::BadRequest);
            }
        };
        if let Err(reason) = access.check().await {
            tracing::warn!(target: "common.deliver", "[channel: {channel_id}] Client {address} is not authorized: {reason}");
            return Ok(common::Status::Forbidden);
        }
        let range = match seek.range(handle.state().height()) {
            Ok(range) => range,
            Err(refusal) => {
                tracing::warn!(target: "common.deliver",
                    "[channel: {channel_id}] Received invalid seekInfo message from {address}: {refusal}");
                return Ok(refusal.status());
            }
        };
        self.send_blocks(peer, handle, range, &mut faults, &mut access, responses).await
    }

    async fn send_blocks(
        &self,
        peer: &RemotePeer,
        handle: &ChannelHandle,
        range: Range,
        faults: &mut Faults,
        access: &mut Access,
        responses: &Responses,
    ) -> Result<common::Status, Status> {
        let (state, address) = (handle.state(), peer.address);
        let channel_id = state.channel_id();
        let blocks_sent = self.metrics.deliver_blocks_sent.with([channel_id, "false", "block"]);
        let mut height = state.watch_height();
        let mut number = range.first;
        loop {
            if range.fails_if_not_ready && number >= *height.borrow_and_update() {
                tracing::warn!(target: "common.deliver",
                    "[channel: {channel_id}] Block {number} not found, block number greater than chain length bounds");
                return Ok(common::Status::NotFound);
            }
            tokio::select! {
                biased;
                () = faults.occur() => {
                    tracing::warn!(target: "common.deliver",
                        "Aborting deliver for request because the backing consensus implementation indicates an error");
                    return Ok(common::Status::ServiceUnavailable);
                }
                reached = height.wait_for(|height| *height > number) => {
                    if reached.is_err() {
                        // The channel was closed under the stream.
                        return Ok(common::Status::ServiceUnavailable);
                    }
                }
            }
            let block = match read_block(handle, number).await {
                Ok(block) => block,
                Err(reason) => {
                    tracing::warn!(target: "common.deliver",
                        "[channel: {channel_id}] Error reading from channel, cause was: {reason}");
                    return Ok(common::Status::ServiceUnavailable);
                }
            };
            if let Err(reason) = access.check_again().await {
                tracing::warn!(target: "common.deliver",
                    "[channel: {channel_id}] Client authorization revoked for deliver request from {address}: {reason}");
                return Ok(common::Status::Forbidden);
            }
            responses.send(Frame::Block(block)).await?;
            blocks_sent.increment();
            if range.last == Some(number) {
                return Ok(common::Status::Success);
            }
            number += 1;
        }
    }
}

async fn read_block(
    handle: &ChannelHandle,
    number: u64,
) -> Result<Arc<channel::block::EncodedBlock>, String> {
    let ledger = handle.state().ledger().clone();
    let read = move || match ledger.block(number) {
        Ok(Some(block)) => Ok(block),
        Ok(None) => Err(format!("block {number} is not in the ledger")),
        Err(error) => Err(error.to_string()),
    };
    if number + RECENT_BLOCKS >= handle.state().height() {
        return read();
    }
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|panic| Err(panic.to_string()))
}

/// The consenter's fault signal, as far as the request wants to know of it.
struct Faults(Option<watch::Receiver<bool>>);

impl Faults {
    /// A best-effort request does not want to know.
    async fn of(handle: &ChannelHandle, is_best_effort: bool) -> Self {
        Self(if is_best_effort { None } else { Some(handle.chain().await.errored()) })
    }

    fn has_occurred(&self) -> bool {
        self.0.as_ref().is_some_and(|errored| *errored.borrow())
    }

    /// Returns when the consenter is in error or gone.
    async fn occur(&mut self) {
        match &mut self.0 {
            None => std::future::pending().await,
            Some(errored) => {
                // An error of the wait says that the consenter is gone, which is a fault as well.
                let _ = errored.wait_for(|errored| *errored).await;
            }
        }
    }
}

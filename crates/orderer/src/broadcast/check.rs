//! What an envelope has to pass before it is ordered: routing, then the channel's filters.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use channel::{
    envelope::{self, decode_canonical},
    names,
    processor::{self, Class, MessageError},
};
use consensus::chain::{Kind, Submission};
use protos::{
    Message,
    common::{self, ConfigEnvelope, Envelope, HeaderType},
    orderer::ConsensusType,
};
use tonic::Status;

use super::{Accounting, Refusal};
use crate::{
    grpc::RemotePeer,
    registrar::{ChannelHandle, Channels},
    trace_dir::TraceDir,
};

/// What checks need to know about the node and the stream.
pub(super) struct Context {
    pub(super) channels: Arc<Channels>,
    pub(super) peer: Arc<RemotePeer>,
    pub(super) trace: Option<TraceDir>,
}

/// The outcome for one envelope.
pub(super) enum Checked {
    /// To be ordered.
    Accepted(Accepted),
    /// To be answered with a status that ends the stream.
    Refused(Refusal, Accounting),
    /// Not an envelope at all; ends the stream with a gRPC error.
    Malformed(Status),
}

/// An envelope that passed.
pub(super) struct Accepted {
    pub(super) handle: Arc<ChannelHandle>,
    pub(super) submission: Submission,
    pub(super) accounting: Accounting,
}

/// Checks one envelope, with signatures: takes a core for the better part of 100 µs.
pub(super) fn check(raw: Bytes, context: &Context) -> Checked {
    let began = Instant::now();
    if let Some(trace) = &context.trace {
        trace.write(&raw, "Broadcast");
    }
    let (envelope, canonical) = match decode_canonical(raw) {
        Ok(decoded) => decoded,
        Err(error) => {
            return Checked::Malformed(Status::internal(format!(
                "grpc: error unmarshalling request: {error}"
            )));
        }
    };
    let mut accounting = Accounting { channel: "unknown".to_owned(), kind: "unknown".to_owned(), began };
    match route(&envelope, context, &mut accounting).and_then(|(handle, kind)| {
        let submission = process(&handle, kind, &envelope, canonical, context)?;
        Ok((handle, submission))
    }) {
        Ok((handle, submission)) => Checked::Accepted(Accepted { handle, submission, accounting }),
        Err(refusal) => Checked::Refused(refusal, accounting),
    }
}

/// Finds the channel, and whether the envelope is for its configuration.
fn route(
    envelope: &Envelope,
    context: &Context,
    accounting: &mut Accounting,
) -> Result<(Arc<ChannelHandle>, Kind), Refusal> {
    let refuse = |channel: &str, info: String| {
        let channel = if channel.is_empty() { "unknown".to_owned() } else { names::shown(channel) };
        tracing::warn!(target: "orderer.common.broadcast",
            "[channel: {channel}] Could not get message processor for serving {}: {info}", context.peer.address);
        Refusal::new(common::Status::BadRequest, info)
    };
    let message = processor::classify(envelope).map_err(|error| refuse("", error.to_string()))?;
    // Channel and type become labels of metrics, which are kept for ever: only those that exist count.
    if let Ok(kind) = HeaderType::try_from(message.header_type) {
        kind.as_str_name().clone_into(&mut accounting.kind);
    }
    let handle =
        context.channels.get(&message.channel_id).or_else(|| context.channels.system()).ok_or_else(|| {
            let info =
                "channel creation request not allowed because the orderer system channel is not defined";
            refuse(&message.channel_id, info.to_owned())
        })?;
    handle.state().channel_id().clone_into(&mut accounting.channel);
    match message.class {
        Class::Config => Err(refuse(&message.channel_id, MessageError::NotDirect.to_string())),
        Class::ConfigUpdate => Ok((handle, Kind::Config)),
        Class::Normal => Ok((handle, Kind::Normal)),
    }
}

/// Runs the channel's filters; an update becomes the configuration transaction that it leads to.
fn process(
    handle: &ChannelHandle,
    kind: Kind,
    envelope: &Envelope,
    canonical: Bytes,
    context: &Context,
) -> Result<Submission, Refusal> {
    let refuse = |error: MessageError| {
        let kind = if kind == Kind::Config { "config" } else { "normal" };
        tracing::warn!(target: "orderer.common.broadcast",
            "[channel: {}] Rejecting broadcast of {kind} message from {} because of error: {error}",
            handle.state().channel_id(), context.peer.address);
        Refusal::new(error.status(), error)
    };
    match kind {
        Kind::Normal => {
            let config_sequence = handle.state().process_normal(envelope).map_err(refuse)?;
            let size_bytes = envelope::size_bytes(envelope);
            Ok(Submission { kind, envelope: canonical, size_bytes, config_sequence })
        }
        Kind::Config => {
            let (config, config_sequence) = handle.state().process_config_update(envelope).map_err(refuse)?;
            announce_migration(handle, &config);
            let size_bytes = envelope::size_bytes(&config);
            Ok(Submission { kind, envelope: config.encode_to_vec().into(), size_bytes, config_sequence })
        }
    }
}

/// Steps of a migration are said when they are taken in (Fabric's `maintenancefilter.go`).
fn announce_migration(handle: &ChannelHandle, config: &Envelope) {
    let (state, bundle) = (handle.state(), handle.state().bundle());
    let (Some(current), Some(next)) = (bundle.orderer(), consensus_type(config)) else { return };
    let channel = state.channel_id();
    let (from, to) = (&current.consensus_type, &next.r#type);
    if from != to {
        tracing::info!(target: "orderer.common.msgprocessor",
            "[channel: {channel}] consensus-type migration: about to change from {from} to {to}");
    }
    let (from, to) = (current.consensus_state, next.state().as_str_name());
    if from.to_string() != to {
        tracing::info!(target: "orderer.common.msgprocessor",
            "[channel: {channel}] maintenance mode: ConsensusType.State about to change from {from} to {to}");
    }
}

/// The consensus type in a configuration transaction of a channel that exists.
fn consensus_type(config: &Envelope) -> Option<ConsensusType> {
    let payload = envelope::payload(config).ok()?;
    let mut group = ConfigEnvelope::decode(payload.data).ok()?.config?.channel_group?;
    let value = group.groups.remove("Orderer")?.values.remove("ConsensusType")?;
    ConsensusType::decode(value.value).ok()
}

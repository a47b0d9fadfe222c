//! Heartbeats of all channels to one node share a stream.
//!
//! Every message names its channel, and the other side judges each by itself, so that a stream may
//! carry those of many channels; Fabric's orderers take them in like this, too. But a message that is
//! refused ends the stream that brought it. So a channel's heartbeats go this way only while the
//! channel has been heard from the other side since the shared stream ended last: a channel that is
//! not served there disturbs the others once at most, and loses heartbeats on a stream of its own.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{members::Heard, stream::OutgoingStream};

/// The place of the channel's name in what is measured and logged of a shared stream. No channel can have
/// this name.
pub(super) const NO_CHANNEL: &str = "-";
/// Heartbeats that wait for one node: those of a tick of all channels, some times over.
pub(super) const QUEUE_LENGTH: usize = 8192;

/// A channel's use of the stream that its heartbeats to one node share with those of other channels.
pub(super) struct HeartbeatLane {
    stream: Arc<OutgoingStream>,
    heard: Arc<Heard>,
    /// How often the stream had ended when it was last looked at.
    ends: AtomicU64,
    /// How many messages had come by then.
    heard_by_then: AtomicU64,
}

impl HeartbeatLane {
    /// A channel that is not known to be served on the other side.
    pub(super) fn new(stream: Arc<OutgoingStream>, heard: Arc<Heard>) -> Self {
        let (ends, count) = (AtomicU64::new(stream.ends()), AtomicU64::new(heard.messages()));
        Self { stream, heard, ends, heard_by_then: count }
    }

    /// The shared stream, if the channel is known to be served on the other side.
    pub(super) fn stream(&self) -> Option<&OutgoingStream> {
        let (ends, heard) = (self.stream.ends(), self.heard.messages());
        // Only the channel's own chain sends; two at a time would at worst go the long way.
        if self.ends.swap(ends, Ordering::Relaxed) != ends {
            self.heard_by_then.store(heard, Ordering::Relaxed);
        }
        (heard > self.heard_by_then.load(Ordering::Relaxed)).then_some(&*self.stream)
    }
}

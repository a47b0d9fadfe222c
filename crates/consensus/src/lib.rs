//! The order of a channel: what turns accepted envelopes into one chain of blocks.
//!
//! A channel is one log of blocks, ordered by a chain of consensus segments (see
//! [`segment`]). Whatever the consenter, a channel has a [`channel_state::ChannelState`]
//! (its ledger, its live configuration, its block writer) and is driven by something
//! that implements [`chain::Chain`].

pub mod chain;
pub mod channel_state;
pub mod follower;
pub mod inactive;
pub mod metrics;
pub mod onboarding;
pub mod raft;
mod replicate;
pub mod segment;
pub mod solo;
pub mod source;
pub mod transport;

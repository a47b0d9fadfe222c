//! Traffic between orderers.
//!
//! - [`transport`] sends a channel's messages to its other consenters, over [`stream`]s that share
//!   [`connections`], heartbeats over streams that all channels share; [`step`] receives theirs and knows them by [`members`].
//! - [`puller`] fetches blocks from other orderers' Deliver service.
//!
//! Rules, texts and limits: Fabric's `orderer/common/cluster`.

pub mod connections;
pub mod expiry;
mod heartbeats;
pub mod members;
pub mod puller;
pub mod step;
pub mod stream;
pub mod transport;

pub use transport::{ClusterOptions, ClusterTransport};

//! gRPC over HTTP/2: listeners, calls and their limits, without generated service code.
//!
//! Every method of an orderer is a bidirectional stream, and what it carries goes into blocks,
//! logs and other orderers as the very bytes that came. So messages stay bytes here ([`codec`]);
//! [`call`] runs one stream and its handler, [`server`] accepts connections, [`peer`] is who is
//! at the other end.

mod body;
pub mod call;
pub mod client;
pub mod codec;
pub mod peer;
pub mod server;

pub use call::{Handler, Requests, Responses};
pub use client::Connection;
pub use codec::Frame;
pub use peer::RemotePeer;

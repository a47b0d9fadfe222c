//! How a consenter reaches the others of its channel. The node implements it over gRPC.

use async_trait::async_trait;
use protos::orderer::{ConsensusRequest, SubmitRequest};

/// Another consenter of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its raft id.
    pub id: u64,
    /// Host name or address to dial.
    pub host: String,
    /// TCP port to dial.
    pub port: u16,
    /// The certificate by whose public key its incoming streams are known, DER.
    pub client_tls_cert_der: Vec<u8>,
    /// The certificate whose public key its server must show, DER.
    pub server_tls_cert_der: Vec<u8>,
}

/// Why a message was not sent; the texts are Fabric's.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransportError {
    /// The channel was never configured, or was forgotten.
    #[error("channel {0} doesn't exist")]
    UnknownChannel(String),
    /// The destination is none of the channel's consenters.
    #[error("node {id} doesn't exist in channel {channel}'s membership")]
    UnknownNode {
        /// The raft id.
        id: u64,
        /// The channel.
        channel: String,
    },
    /// No connection at the moment.
    #[error("connection to {id}({endpoint}) is in state {state}")]
    NotConnected {
        /// The raft id.
        id: u64,
        /// `host:port`.
        endpoint: String,
        /// gRPC's word for the state of the connection.
        state: &'static str,
    },
    /// The destination reads too slowly.
    #[error("send queue overflown")]
    Overflow,
    /// The stream ended; the reason is the other side's.
    #[error("{0}")]
    Aborted(String),
    /// The node is stopping.
    #[error("communication has been shut down")]
    ShutDown,
}

/// Sends a channel's messages to its other consenters.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sets the consenters of a channel, without this node itself.
    fn configure(&self, channel: &str, peers: Vec<Peer>);

    /// Queues a consensus message. Never blocks.
    ///
    /// # Errors
    ///
    /// When it cannot go out now: raft is then told that the node is unreachable.
    fn send_consensus(&self, channel: &str, to: u64, request: ConsensusRequest)
    -> Result<(), TransportError>;

    /// Queues a heartbeat or the answer to one: they are many, small, and soon followed by others. Never
    /// blocks.
    ///
    /// # Errors
    ///
    /// When it cannot go out now: raft is then told that the node is unreachable.
    fn send_heartbeat(
        &self,
        channel: &str,
        to: u64,
        request: ConsensusRequest,
    ) -> Result<(), TransportError> {
        self.send_consensus(channel, to, request)
    }

    /// Sends a message to the leader; returns when it is written to the stream.
    ///
    /// # Errors
    ///
    /// When it was not written; it may then be sent again.
    async fn send_submit(&self, channel: &str, to: u64, request: SubmitRequest)
    -> Result<(), TransportError>;

    /// Drops a channel's consenters.
    fn forget(&self, channel: &str);
}

//! A client of any orderer that speaks Fabric's protocols: connections with TLS,
//! Broadcast and Deliver streams, signed transactions, verified chains, and the
//! channel participation API.

pub(crate) mod broadcast;
pub(crate) mod chain;
mod codec;
pub(crate) mod connection;
pub(crate) mod deliver;
pub(crate) mod http;
pub(crate) mod operations;
pub(crate) mod participation;
pub(crate) mod tls;
pub(crate) mod transaction;

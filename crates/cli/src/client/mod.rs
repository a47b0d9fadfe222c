//! A client of any orderer that speaks Fabric's protocols: connections with TLS,
//! Broadcast and Deliver streams, signed transactions, verified chains, and the
//! channel participation API.

pub mod broadcast;
pub mod chain;
mod codec;
pub mod connection;
pub mod deliver;
pub mod http;
pub mod operations;
pub mod participation;
pub mod tls;
pub mod transaction;

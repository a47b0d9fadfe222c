//! The gRPC services of a node over real TLS, seen as clients and other orderers see them.
#![allow(clippy::unwrap_used)]

mod broadcast;
mod client;
mod cluster;
mod deliver;
mod handover;
mod material;
mod node;
mod participation;
mod start;
mod step;
mod tls;

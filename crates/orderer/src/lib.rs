//! The ordering node: its gRPC services, the traffic between orderers, the channels it
//! serves, and what operators see of it.
//!
//! [`node::run`] assembles everything from [`settings`]. Clients come in through
//! [`broadcast`] and [`deliver`], other orderers through [`cluster`]; [`registrar`] keeps
//! the channels; [`operations`], [`participation`] and [`admin`] are the HTTP side, over
//! [`http_listener`].

pub mod admin;
pub mod broadcast;
pub mod certificates;
pub mod cluster;
pub mod deliver;
pub mod grpc;
pub mod health;
pub mod http_listener;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod operations;
pub mod participation;
pub mod registrar;
pub mod settings;
pub mod tls;
pub mod trace_dir;
pub mod version;

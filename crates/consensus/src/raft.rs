//! The Raft consenter: Fabric's `etcdraft`, on the same messages, log and files, so that a channel
//! can be ordered by Fabric's orderers and this one together.

mod active;
mod bootstrap;
mod catch_up;
mod convert;
mod core;
mod disk;
mod driver;
mod eviction;
mod forwarder;
mod handle;
mod leader;
mod log;
mod logger;
mod membership;
mod pending;
mod recorded;
#[cfg(test)]
mod simulation;
mod start;
mod worker;

pub use start::{RaftOptions, StartError, start};

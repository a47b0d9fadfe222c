//! The Raft consenter.

mod active;
mod bootstrap;
mod convert;
mod core;
mod leader;
mod log;
mod membership;
mod pending;

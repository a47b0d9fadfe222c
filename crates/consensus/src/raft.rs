//! The Raft consenter.

mod bootstrap;
mod convert;
mod log;

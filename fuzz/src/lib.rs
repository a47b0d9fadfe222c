//! What must hold for whatever bytes the decoders are given.

pub mod block;
pub mod config;
pub mod envelope;
pub mod json;
pub mod update;
pub mod wal;

//! The rules of a channel: its configuration and how it may change, which messages it takes, how
//! they are cut into blocks, and what makes a block valid.
//!
//! Everything here is pure. Bytes, configurations and the time (seconds since the Unix epoch) come
//! in; decisions, configurations and blocks go out. No file, socket or clock is touched.
//!
//! | Question | Module |
//! |---|---|
//! | What does the channel's configuration say? | [`bundle`], [`capabilities`], [`names`] |
//! | May the configuration change, and to what? | [`configtx`], [`consenters`], [`maintenance`], [`creation`] |
//! | May this message be ordered? | [`processor`], [`envelope`] |
//! | What do blocks look like? | [`cutter`], [`block`], [`genesis`] |
//! | Is this chain of blocks sound? | [`replication`] |
//! | How is a value changed without loss? | [`value`] |
//! | How do people read and write all this? | [`json`] |

pub mod block;
pub mod bundle;
pub mod capabilities;
pub mod configtx;
pub mod consenters;
pub mod creation;
pub mod cutter;
pub mod denial;
pub mod duration;
pub mod envelope;
pub mod genesis;
pub mod json;
pub mod maintenance;
pub mod names;
pub mod processor;
pub mod replication;
mod text;
pub mod value;
mod wire;

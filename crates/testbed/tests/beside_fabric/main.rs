//! Channels that nodes of ours and Fabric's own orderers serve together. `CAUSEWAY_FABRIC_ORDERER`
//! names Fabric's `orderer` (2.5); without it these tests are skipped, because there is none to be
//! had everywhere. Each scenario runs with several seeds (`CAUSEWAY_SEEDS`).
//!
//! What is promised then: all nodes have the same chain, also after kills on either side, and what one
//! of ours acknowledged is in it. What Fabric's nodes acknowledge they may lose; that is not looked at.
#![allow(clippy::unwrap_used)]

mod faults;
mod guide;
mod many_channels;
mod membership;
mod mixed;
mod replacement;
mod system_channel;

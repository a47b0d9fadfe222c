//! Verification of blocks that come from other nodes.

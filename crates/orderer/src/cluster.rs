//! Traffic between orderers.

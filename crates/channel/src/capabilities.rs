//! Capability levels of a channel and what they switch on.

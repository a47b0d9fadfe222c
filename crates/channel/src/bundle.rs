//! A channel's configuration, parsed and checked.

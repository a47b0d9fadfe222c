//! The listeners for operators, over real sockets.
#![allow(clippy::unwrap_used)]

mod client;
mod operations;
mod participation;

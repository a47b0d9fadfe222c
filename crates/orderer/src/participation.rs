//! The channel participation API.

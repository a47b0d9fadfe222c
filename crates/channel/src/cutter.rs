//! Cutting ordered messages into blocks.

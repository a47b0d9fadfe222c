//! Log format and levels.

//! Genesis blocks from a typed description.

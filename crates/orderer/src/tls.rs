//! TLS listeners and dialers.

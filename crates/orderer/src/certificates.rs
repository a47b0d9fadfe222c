//! Warns of expiring certificates.

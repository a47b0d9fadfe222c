//! Who may do what: X.509 certificates, MSPs, principals, signature policies, signing,
//! and the making of key material.
//!
//! Everything here is pure: file contents and times come in as arguments, nothing is
//! read from disk, from the clock or from the network.

pub mod certificate;
pub mod chain;
pub mod generate;
pub mod local;
pub mod msp;
pub mod policy;
pub mod signing;

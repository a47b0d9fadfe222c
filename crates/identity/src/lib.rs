//! Who may do what: X.509 certificates, MSPs, principals, signature policies, signing,
//! and the making of key material.
//!
//! Everything here is pure: file contents and times come in as arguments, nothing is
//! read from disk, from the clock or from the network.

mod asn1;
mod cache;
pub mod certificate;
pub mod chain;
mod ecdsa;
pub mod generate;
pub mod local;
pub mod msp;
mod pem;
pub mod policy;
mod public_key;
pub mod signing;

//! Who may do what: X.509 certificates, MSPs, principals, signature policies, signing,
//! and the making of key material.
//!
//! Everything here is pure: file contents and times come in as arguments, nothing is
//! read from disk, from the clock or from the network.
//!
//! - [`certificate`] reads X.509, [`chain`] finds the way to a root by Go's rules, which are Fabric's.
//! - [`msp`] judges: is this certificate a member's, in which role, does it satisfy this principal?
//! - [`policy`] asks the MSPs about everybody who signed, and counts. A [`policy::CachedPolicy`] is what
//!   checks transactions: of a creator that it knows, only the signature is left to verify.
//! - [`signing`] signs, [`local`] reads a node's MSP directory, [`generate`] makes what goes into it.

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

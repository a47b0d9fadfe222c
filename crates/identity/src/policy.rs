//! Signature policies, implicit meta policies and the tree that holds them.

use std::sync::Arc;

use bytes::Bytes;
use protos::common::ConfigGroup;

use crate::msp::{Identity, MspManager};

pub mod language;

/// A signature over some data by a claimed identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData {
    /// The bytes that were signed.
    pub data: Bytes,
    /// The marshaled `SerializedIdentity` of the claimed signer.
    pub identity: Bytes,
    /// The signature, DER.
    pub signature: Bytes,
}

/// Why a policy does not compile, or is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The signers do not satisfy a signature policy.
    #[error("signature set did not satisfy policy")]
    NotSatisfied,
    /// Too few sub-policies of an implicit meta policy are satisfied.
    #[error(
        "implicit policy evaluation failed - {satisfied} sub-policies were satisfied, but this policy requires {threshold} of the '{sub_policy}' sub-policies to be satisfied"
    )]
    ImplicitNotSatisfied {
        /// How many were satisfied.
        satisfied: i64,
        /// How many must be.
        threshold: i64,
        /// The name looked up in each sub-group.
        sub_policy: String,
    },
    /// There is no policy of that name.
    #[error("no such policy: '{0}'")]
    NoSuchPolicy(String),
}

/// Decides whether a set of signatures is enough.
pub trait Policy: Send + Sync {
    /// Verifies the signatures and evaluates the policy over the identities that signed.
    fn evaluate(&self, signed: &[SignedData]) -> Result<(), PolicyError>;

    /// Evaluates the policy over identities whose signatures have been verified, each listed once.
    fn evaluate_identities(&self, identities: &[Arc<Identity>]) -> Result<(), PolicyError>;
}

/// The policies of a config tree.
pub struct PolicyManager {}

impl PolicyManager {
    /// Compiles all policies of `group` and below; `root_name` is the group's own name (`Channel`).
    pub fn new(_root_name: &str, _group: &ConfigGroup, _msps: &Arc<MspManager>) -> Result<Self, PolicyError> {
        unimplemented!()
    }

    /// The policy at an absolute (`/Channel/Writers`) or relative (`Orderer/Admins`) path.
    pub fn policy(&self, _path: &str) -> Option<Arc<dyn Policy>> {
        unimplemented!()
    }

    /// Whether there is a policy at this path.
    pub fn has_policy(&self, _path: &str) -> bool {
        unimplemented!()
    }

    /// The policies below a sub-group.
    pub fn sub_manager(&self, _relative: &[&str]) -> Option<&PolicyManager> {
        unimplemented!()
    }

    /// The policy at a path with a memory of its single signers.
    pub fn cached_policy(&self, _path: &str) -> Option<CachedPolicy> {
        unimplemented!()
    }
}

/// A policy for single signers that remembers what it found out about each creator, so that
/// the next message of the same creator costs a look-up and one signature verification.
pub struct CachedPolicy {}

impl CachedPolicy {
    /// Wraps a policy; `msps` read the creators.
    pub fn new(_policy: Arc<dyn Policy>, _msps: Arc<MspManager>) -> Self {
        Self {}
    }

    /// The same verdict as `evaluate` over this one signature.
    pub fn evaluate_one(&self, _signed: &SignedData) -> Result<(), PolicyError> {
        unimplemented!()
    }
}

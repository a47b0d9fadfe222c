//! Signature policies, implicit meta policies and the tree that holds them.

mod cached;
mod implicit_meta;
pub mod language;
mod manager;
mod signature;

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;

pub use self::{
    cached::CachedPolicy, implicit_meta::ImplicitMetaPolicy, manager::PolicyManager,
    signature::SignaturePolicy,
};
use crate::msp::{Identity, MspManager};

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

/// Why a policy does not compile, or is not satisfied. Texts are Fabric's (`common/policies`,
/// `common/cauthdsl`).
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
        satisfied: usize,
        /// How many must be.
        threshold: usize,
        /// The name looked up in each sub-group.
        sub_policy: String,
    },
    /// There is no policy of that name.
    #[error("no such policy: '{0}'")]
    NoSuchPolicy(String),

    /// A policy of a config tree does not compile.
    #[error("policy {name} at path {path} did not compile: {source}")]
    Signature {
        /// The policy's name.
        name: String,
        /// The path of its group.
        path: String,
        /// What is wrong.
        source: CompileError,
    },
    /// An implicit meta policy of a config tree does not compile.
    #[error("implicit policy {name} at path {path} did not compile: {source}")]
    ImplicitMeta {
        /// The policy's name.
        name: String,
        /// The path of its group.
        path: String,
        /// What is wrong.
        source: CompileError,
    },
    /// An entry of a config tree without a policy in it.
    #[error("policy {name} at path {path} was nil")]
    Nil {
        /// The policy's name.
        name: String,
        /// The path of its group.
        path: String,
    },
    /// A policy of a kind that is not known.
    #[error("policy {name} at path {path} has unknown policy type: {policy_type}")]
    UnknownType {
        /// The policy's name.
        name: String,
        /// The path of its group.
        path: String,
        /// The number of the kind.
        policy_type: i32,
    },
}

/// Why a single policy does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The bytes are no message of the kind.
    #[error("Error unmarshalling to {0}: {wire}", wire = crate::msp::WIRE_FORMAT)]
    Format(&'static str),
    /// A version from the future.
    #[error("This evaluator only understands messages of version 0, but version was {0}")]
    Version(i32),
    /// There is no rule.
    #[error("Empty policy element")]
    Empty,
    /// A rule that says nothing.
    #[error("Unknown type: <nil>:<nil>")]
    UnknownRule,
    /// A rule names an identity that is not listed.
    #[error("identity index out of range, requested {index}, but identities length is {identities}")]
    IdentityIndex {
        /// The index asked for.
        index: i32,
        /// How many identities are listed.
        identities: usize,
    },
}

/// Decides whether a set of signatures is enough.
pub trait Policy: Send + Sync {
    /// Verifies the signatures and evaluates the policy over the identities that signed.
    fn evaluate(&self, signed: &[SignedData]) -> Result<(), PolicyError>;

    /// Evaluates the policy over identities whose signatures have been verified, each listed once.
    fn evaluate_identities(&self, identities: &[Arc<Identity>]) -> Result<(), PolicyError>;
}

/// The identities whose signatures are good, in order, each once (Fabric:
/// `SignatureSetToValidIdentities`). A bad signature does not spoil a later good one of the same identity.
fn signers(signed: &[SignedData], msps: &MspManager) -> Vec<Arc<Identity>> {
    let mut seen = HashSet::new();
    let mut identities: Vec<Arc<Identity>> = Vec::with_capacity(signed.len());
    for signed in signed {
        let Ok(identity) = msps.deserialize_identity(&signed.identity) else { continue };
        let key = (identity.mspid().to_owned(), identity.identifier().to_owned());
        if !seen.contains(&key) && identity.verify(&signed.data, &signed.signature).is_ok() {
            seen.insert(key);
            identities.push(identity);
        }
    }
    identities
}

//! Who may read and write a channel, and what an operator is told of those who may not.

use identity::{
    msp,
    policy::{PolicyError, SignedData},
};

use crate::bundle::{Bundle, ConsensusState};

/// The policy that decides on somebody's access: another one while the channel is in maintenance, when
/// only the ordering organizations may read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessPolicy {
    normal: &'static str,
    maintenance: &'static str,
}

/// Who may read blocks.
pub const READERS: AccessPolicy =
    AccessPolicy { normal: "/Channel/Readers", maintenance: "/Channel/Orderer/Readers" };
/// Who may have messages ordered.
pub const WRITERS: AccessPolicy =
    AccessPolicy { normal: "/Channel/Writers", maintenance: "/Channel/Orderer/Writers" };

impl AccessPolicy {
    /// The path of the policy that is in force.
    pub fn path(self, state: Option<ConsensusState>) -> &'static str {
        if state == Some(ConsensusState::Maintenance) { self.maintenance } else { self.normal }
    }
}

/// A message whose signer does not satisfy the policy. What it displays goes to the client; the rest is
/// for the log (Fabric: `SigFilter` in `orderer/common/msgprocessor/sigfilter.go`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    /// What the policy says.
    pub reason: PolicyError,
    /// The policy's path.
    pub policy: &'static str,
    /// Whether the channel takes transactions.
    pub consensus_state: ConsensusState,
    /// Who signed, as [`msp::described`] says it.
    pub signer: String,
}

impl Denial {
    /// The configuration refuses whoever signed this.
    pub fn new(bundle: &Bundle, policy: AccessPolicy, signed: &SignedData, reason: PolicyError) -> Self {
        let state = bundle.orderer().map(|orderer| orderer.consensus_state);
        Self {
            reason,
            policy: policy.path(state),
            consensus_state: state.unwrap_or(ConsensusState::Normal),
            signer: msp::described(&signed.identity),
        }
    }
}

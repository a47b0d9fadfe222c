//! Looking at an update before it is sent: what it leads to, and who has to sign.

use std::sync::Arc;

use bytes::Bytes;
use identity::{
    msp::Identity,
    signing::{SigningError, SigningIdentity},
};
use protos::{
    Message,
    common::{Config, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope},
};

use super::{
    ConfigTxError, Current, Delta, DeltaSetError, UpdateError, check_delta_set, decode_update, elements,
    signed_data,
};
use crate::bundle::Bundle;

/// An element that an update changes, and whether those who signed may change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The element's key, such as `[Value]  /Channel/Orderer/BatchSize`.
    pub element: String,
    /// The absolute path of the policy that decides; `None`: the element has no `mod_policy`, so
    /// that nobody can change it.
    pub policy: Option<String>,
    /// What the policy says of the signatures.
    pub verdict: Result<(), DeltaSetError>,
}

/// An update held against a configuration.
#[derive(Debug, Clone)]
pub struct Review {
    /// The configuration that follows, once enough have signed. Whether it is sound is not asked.
    pub config: Config,
    /// Who has to sign: one requirement for each element that is changed. Elements that are new need
    /// none of their own.
    pub requirements: Vec<Requirement>,
    /// Who signed, each once, as far as the channel knows them and their signatures are good.
    pub signers: Vec<Arc<Identity>>,
}

impl Review {
    /// Whether enough have signed.
    pub fn is_authorized(&self) -> bool {
        self.requirements.iter().all(|requirement| requirement.verdict.is_ok())
    }
}

/// Holds an update against a configuration as [`super::propose_update`] does, but lets missing
/// signatures pass and tells which ones they are.
pub fn review_update(bundle: &Bundle, envelope: &ConfigUpdateEnvelope) -> Result<Review, ConfigTxError> {
    let update: ConfigUpdate = decode_update(envelope)?;
    let current = Current::of(bundle);
    let Delta { mut elements, mut changes } = current.delta(&update)?;
    let signers = current.policies.signers(&signed_data(envelope)?);
    let mut requirements = Vec::new();
    let checked = check_delta_set(&elements, &changes, |key, existing| {
        requirements.push(Requirement {
            element: key.to_owned(),
            policy: Current::mod_policy_path(key, existing),
            verdict: current.check_signers(key, existing, &signers),
        });
        Ok(())
    });
    checked.map_err(UpdateError::DeltaSet)?;
    elements.append(&mut changes);
    let group = elements::rebuild(&elements)?;
    let config = Config { sequence: bundle.sequence().wrapping_add(1), channel_group: Some(group) };
    Ok(Review { config, requirements, signers })
}

/// A signature over an encoded `ConfigUpdate`, to be put into its envelope.
pub fn sign_update(config_update: &Bytes, signer: &SigningIdentity) -> Result<ConfigSignature, SigningError> {
    let signature_header = Bytes::from(signer.signature_header().encode_to_vec());
    let signature = signer.sign(&[&signature_header[..], config_update].concat())?;
    Ok(ConfigSignature { signature_header, signature })
}

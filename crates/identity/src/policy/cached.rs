//! A policy that remembers its signers.

use std::sync::Arc;

use bytes::Bytes;

use super::{Policy, PolicyError, SignedData};
use crate::{
    cache::Cache,
    msp::{Identity, MspManager, expires_at_unix},
};

/// A policy for single signers that remembers what it found out about each creator, so that
/// the next message of the same creator costs a look-up and one signature verification.
///
/// Policy and MSPs must be of one config; a config change needs a new `CachedPolicy`.
pub struct CachedPolicy {
    policy: Arc<dyn Policy>,
    msps: Arc<MspManager>,
    /// What the policy says of no valid signature at all.
    of_nobody: Result<(), PolicyError>,
    /// By marshaled creator; only creators that have signed something.
    creators: Cache<Bytes, Creator>,
}

#[derive(Clone)]
struct Creator {
    identity: Arc<Identity>,
    verdict: Result<(), PolicyError>,
}

const REMEMBERED_CREATORS: usize = 512;

/// Creators longer than this are not remembered, so that memory stays bounded.
const REMEMBERED_CREATOR_BYTES: usize = 16 * 1024;

impl CachedPolicy {
    /// Wraps a policy; `msps` read the creators.
    pub fn new(policy: Arc<dyn Policy>, msps: Arc<MspManager>) -> Self {
        let of_nobody = policy.evaluate_identities(&[]);
        Self { policy, msps, of_nobody, creators: Cache::new(REMEMBERED_CREATORS) }
    }

    /// The same verdict as `evaluate` over this one signature.
    pub fn evaluate_one(&self, signed: &SignedData) -> Result<(), PolicyError> {
        if let Some(known) = self.creators.get(&signed.identity) {
            return match known.identity.verify(&signed.data, &signed.signature) {
                Ok(()) => known.verdict,
                Err(_) => self.of_nobody.clone(),
            };
        }
        let Ok(identity) = self.msps.deserialize_identity(&signed.identity) else {
            return self.of_nobody.clone();
        };
        if identity.verify(&signed.data, &signed.signature).is_err() {
            return self.of_nobody.clone();
        }
        let verdict = self.policy.evaluate_identities(std::slice::from_ref(&identity));
        if signed.identity.len() <= REMEMBERED_CREATOR_BYTES {
            // A copy, because the bytes may be a piece of a much larger message.
            let creator = Bytes::copy_from_slice(&signed.identity);
            self.creators.insert(creator, Creator { identity, verdict: verdict.clone() });
        }
        verdict
    }

    /// When a creator's certificate expires, Unix time: what [`expires_at_unix`] says, which for a
    /// creator that is remembered costs a look-up.
    pub fn expires_at_unix(&self, creator: &Bytes) -> Option<i64> {
        match self.creators.get(creator) {
            Some(known) => Some(known.identity.not_after_unix()),
            None => expires_at_unix(creator),
        }
    }
}

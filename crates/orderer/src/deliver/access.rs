//! Who may read: expiry of the client's certificate and the channel's Readers policy, checked
//! when a request comes and again before every block.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use channel::envelope::{self, EnvelopeError};
use consensus::channel_state::{ChannelState, ReaderError};
use identity::policy::SignedData;
use protos::common::Envelope;

/// Why a client may not read; the expiry text is Fabric's.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    /// Its certificate is too old.
    #[error("deliver client identity expired {0:?} before")]
    Expired(Duration),
    /// The policy says no, or there is none.
    #[error(transparent)]
    Policy(#[from] ReaderError),
    /// The policy could not be asked.
    #[error("{0}")]
    Broken(String),
}

/// The rights of one request.
pub(super) struct Access {
    state: Arc<ChannelState>,
    signed: SignedData,
    /// Unix seconds; `None`: the identity cannot be read, which is left to the policy.
    expires_at: Option<i64>,
    checks_expiration: bool,
    checked_sequence: u64,
}

impl Access {
    /// The rights of whoever signed `envelope`.
    pub(super) fn new(
        envelope: &Envelope,
        state: Arc<ChannelState>,
        checks_expiration: bool,
    ) -> Result<Self, EnvelopeError> {
        let signed = envelope::signed_data(envelope)?;
        let expires_at = identity::msp::expires_at_unix(&signed.identity);
        Ok(Self { state, signed, expires_at, checks_expiration, checked_sequence: 0 })
    }

    /// Checks expiry and policy.
    pub(super) async fn check(&mut self) -> Result<(), Denied> {
        let bundle = self.state.bundle();
        self.check_expiry(&bundle)?;
        self.checked_sequence = bundle.sequence();
        let (state, signed) = (self.state.clone(), self.signed.clone());
        let evaluation = tokio::task::spawn_blocking(move || state.check_reader(&signed));
        match evaluation.await {
            Ok(evaluated) => Ok(evaluated?),
            Err(panic) => Err(Denied::Broken(panic.to_string())),
        }
    }

    /// Checks expiry, and the policy if the configuration has changed since it was last checked.
    pub(super) async fn check_again(&mut self) -> Result<(), Denied> {
        let bundle = self.state.bundle();
        if bundle.sequence() > self.checked_sequence {
            return self.check().await;
        }
        self.check_expiry(&bundle)
    }

    fn check_expiry(&self, bundle: &channel::bundle::Bundle) -> Result<(), Denied> {
        let is_enforced = self.checks_expiration
            && bundle.orderer().is_some_and(|orderer| orderer.capabilities.expiration_check());
        let Some(expires_at) = self.expires_at.filter(|_| is_enforced) else { return Ok(()) };
        let expires_at = UNIX_EPOCH + Duration::from_secs(u64::try_from(expires_at).unwrap_or(0));
        match SystemTime::now().duration_since(expires_at) {
            Ok(past) if !past.is_zero() => Err(Denied::Expired(past)),
            _ => Ok(()),
        }
    }
}

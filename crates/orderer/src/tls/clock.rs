//! The handshake clock, which operators can set back (`TLSHandshakeTimeShift`) so that a
//! network whose TLS certificates have expired can be brought up and given new ones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

/// The system's clock, moved back by a fixed duration.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShiftedClock {
    back: Duration,
}

impl ShiftedClock {
    /// A clock that is `back` behind the system's.
    pub fn new(back: Duration) -> Self {
        Self { back }
    }
}

impl TimeProvider for ShiftedClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since_epoch.saturating_sub(self.back)))
    }
}

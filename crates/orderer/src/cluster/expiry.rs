//! Warnings about other orderers' certificates that are about to expire.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Pause between two warnings of one stream.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// Watches one certificate for as long as a stream lives.
#[derive(Debug)]
pub struct ExpiryWatch {
    not_after: Option<SystemTime>,
    threshold: Duration,
    endpoint: String,
    host: String,
    channel: String,
    warned: Option<Instant>,
}

impl ExpiryWatch {
    /// Watches a certificate (DER) of `endpoint`; what cannot be read is not watched.
    pub fn new(
        certificate: &[u8],
        threshold: Duration,
        endpoint: String,
        host: String,
        channel: String,
    ) -> Self {
        let parsed = x509_parser::parse_x509_certificate(certificate).ok();
        let seconds = parsed.and_then(|(_, c)| u64::try_from(c.validity().not_after.timestamp()).ok());
        let not_after = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        Self { not_after, threshold, endpoint, host, channel, warned: None }
    }

    /// Warns if the end is near and was not warned of lately.
    pub fn check(&mut self) {
        let Some(not_after) = self.not_after else { return };
        let left = not_after.duration_since(SystemTime::now()).unwrap_or_default();
        if left > self.threshold || self.warned.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        self.warned = Some(Instant::now());
        tracing::warn!(target: "orderer.common.cluster",
            "Certificate of {} from {} for channel {} expires in less than {}",
            self.endpoint, self.host, self.channel, shown(left));
    }
}

/// As Go prints it, to the second.
fn shown(left: Duration) -> String {
    let nanoseconds = Duration::from_secs(left.as_secs()).as_nanos();
    channel::duration::format(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}

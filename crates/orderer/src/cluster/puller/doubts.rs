//! Orderers that did not deliver what they said they have.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// How long others are asked before one that is doubted.
const LASTING: Duration = Duration::from_secs(60);

/// Who is doubted, and since when: by channel and endpoint. Without this, an orderer that answers sooner
/// than the others and delivers blocks that are none of the channel's would be asked again and again.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<HashMap<(String, String), Instant>>);

impl Doubts {
    /// This orderer is asked last for a while.
    pub(super) fn raise(&self, channel_id: &str, endpoint: &str) {
        let mut since = self.0.lock();
        since.retain(|_, since| since.elapsed() < LASTING);
        since.insert((channel_id.to_owned(), endpoint.to_owned()), Instant::now());
    }

    /// Whether this orderer is asked last.
    pub(super) fn has(&self, channel_id: &str, endpoint: &str) -> bool {
        let key = (channel_id.to_owned(), endpoint.to_owned());
        self.0.lock().get(&key).is_some_and(|since| since.elapsed() < LASTING)
    }
}

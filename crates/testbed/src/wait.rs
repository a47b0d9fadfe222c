//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Polls `condition` until it gives a value.
///
/// # Panics
/// After `limit`, with `what` was waited for.
pub fn until<T>(what: &str, limit: Duration, condition: impl FnMut() -> Option<T>) -> T {
    until_or(limit, condition).unwrap_or_else(|| panic!("waited {limit:?} in vain for {what}"))
}

/// Polls `condition` until it gives a value; none after `limit`.
pub fn until_or<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

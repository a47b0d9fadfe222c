//! Ports that nobody else uses.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

/// Takes process ids that are neighbours far apart: 2^32 by the golden ratio.
const SPREAD: u32 = 0x9E37_79B1;

/// A base for blocks of consecutive ports: the first such that `base..base + count` can all be
/// bound now and were not handed out by this process before.
///
/// The range lies below the system's ephemeral ports, so that outgoing connections do not take
/// one between this call and the node's own bind.
///
/// # Panics
/// When no such block is left.
pub fn block(count: u16) -> u16 {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    // Tests of several processes run side by side, with ids next to each other: start from a place of this
    // process's own, far from theirs.
    let span = 32_000 - 12_000 - count;
    let start = u16::try_from(std::process::id().wrapping_mul(SPREAD) % u32::from(span)).unwrap_or(0);
    for step in 0..span {
        let base = 12_000 + (start + step) % span;
        let ports = base..base + count;
        if ports.clone().all(|port| !taken.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok())
        {
            taken.extend(ports);
            return base;
        }
    }
    panic!("no {count} consecutive free ports between 12000 and 32000")
}

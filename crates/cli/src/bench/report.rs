//! What a run has shown, for people and for scripts.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

/// The figures of a run.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) channel: String,
    /// The orderers that were sent to.
    pub(super) orderers: Vec<String>,
    pub(super) delivered_by: String,
    pub(super) size_bytes: usize,
    pub(super) streams: usize,
    pub(super) window: usize,
    /// Offered transactions a second; none: as fast as the answers came.
    pub(super) offered_rate: Option<f64>,
    pub(super) sent: usize,
    pub(super) acknowledged: usize,
    pub(super) committed: usize,
    pub(super) missing: usize,
    pub(super) duplicated: usize,
    pub(super) changed: usize,
    pub(super) of_others: usize,
    /// From the first transaction sent to the last block received.
    pub(super) seconds: f64,
    pub(super) committed_per_second: f64,
    pub(super) acknowledged_per_second: f64,
    pub(super) latency_ms: Option<Latency>,
    pub(super) blocks: u64,
    pub(super) transactions_per_block: f64,
    pub(super) nodes: Vec<NodeUsage>,
    pub(super) client: Usage,
    pub(super) chain: ChainReport,
    /// What went wrong on the streams.
    pub(super) failures: Vec<String>,
}

/// From sending a transaction (with a rate: from the time it was due) to receiving its block.
#[derive(Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

#[derive(Serialize)]
pub(super) struct NodeUsage {
    pub(super) address: String,
    pub(super) pid: Option<u32>,
    pub(super) leader: bool,
    /// None when the node's process is not on this machine or not visible.
    #[serde(flatten)]
    pub(super) usage: Option<Usage>,
}

/// What a process used during the run.
#[derive(Serialize)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) cpu_us_per_transaction: f64,
    /// The most memory since the process started.
    pub(super) peak_memory_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct ChainReport {
    pub(super) first_block: Option<u64>,
    pub(super) last_block: Option<u64>,
    pub(super) faults: Vec<String>,
}

impl Latency {
    /// The percentiles of what was measured; `None` when nothing was.
    pub(super) fn of(latencies: &mut [Duration]) -> Option<Self> {
        latencies.sort_unstable();
        let at = |share: f64| {
            let rank = (share * latencies.len() as f64).ceil() as usize;
            latencies.get(rank.saturating_sub(1)).map(|latency| latency.as_secs_f64() * 1000.0)
        };
        Some(Self { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)?, max: at(1.0)? })
    }
}

impl Report {
    /// Whether everything that was sent is in the chain exactly once, and the chain is sound.
    pub(super) fn is_clean(&self) -> bool {
        self.sent > 0
            && self.acknowledged == self.sent
            && self.committed == self.sent
            && self.missing + self.duplicated + self.changed == 0
            && self.chain.faults.is_empty()
            && self.failures.is_empty()
    }

    /// The figures as text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: String| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{label:<14} {value}");
        };
        let how = match self.offered_rate {
            Some(rate) => format!("{rate:.0} tx/s offered"),
            None => "as fast as answered".to_owned(),
        };
        line(
            "run",
            format!(
                "{} transactions of {} bytes, {} streams with a window of {}, {how}",
                self.sent, self.size_bytes, self.streams, self.window
            ),
        );
        line("sent to", self.orderers.join(", "));
        line("blocks from", self.delivered_by.clone());
        line(
            "committed",
            format!("{:.0} tx/s ({} in {:.2} s)", self.committed_per_second, self.committed, self.seconds),
        );
        line("acknowledged", format!("{:.0} tx/s ({})", self.acknowledged_per_second, self.acknowledged));
        if let Some(Latency { p50, p90, p99, max }) = &self.latency_ms {
            line(
                "send to block",
                format!("p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"),
            );
        }
        line("blocks", format!("{} with {:.1} transactions each", self.blocks, self.transactions_per_block));
        for node in &self.nodes {
            let usage = match &node.usage {
                Some(usage) => usage.text(),
                None => "its process was not found on this machine; --pids names it".to_owned(),
            };
            line("node", format!("{}{}  {usage}", node.address, if node.leader { " (leader)" } else { "" }));
        }
        line("client", self.client.text());
        line("chain", self.verdict());
        for text in self.failures.iter().chain(&self.chain.faults) {
            line("FAILED", text.clone());
        }
        text
    }

    fn verdict(&self) -> String {
        let range = match (self.chain.first_block, self.chain.last_block) {
            (Some(first), Some(last)) => format!("blocks {first} to {last}"),
            _ => "no block".to_owned(),
        };
        if self.is_clean() {
            return format!(
                "{range}: hashes, links and signatures right, every transaction there exactly once"
            );
        }
        format!(
            "{range}: {} faults; {} missing, {} twice, {} changed, {} of others",
            self.chain.faults.len(),
            self.missing,
            self.duplicated,
            self.changed,
            self.of_others
        )
    }
}

impl Usage {
    fn text(&self) -> String {
        format!(
            "{:.2} s CPU, {:.1} us/tx, peak {:.1} MiB",
            self.cpu_seconds,
            self.cpu_us_per_transaction,
            self.peak_memory_bytes as f64 / (1 << 20) as f64
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        let mut latencies: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(&mut latencies).unwrap();
        assert_eq!((latency.p50, latency.p90, latency.p99, latency.max), (50.0, 90.0, 99.0, 100.0));
        let one = Latency::of(&mut [Duration::from_millis(7)]).unwrap();
        assert_eq!((one.p50, one.max), (7.0, 7.0));
        assert!(Latency::of(&mut []).is_none());
    }
}

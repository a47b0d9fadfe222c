//! StatsD: the same metrics with dotted names, label values as path elements.

use super::Metrics;
use super::instrument::Reading;
use crate::settings::Statsd;
use std::fmt::Write;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, MissedTickBehavior};

/// Largest datagram sent: what fits an Ethernet frame with room for headers.
const DATAGRAM_BYTES: usize = 1432;

/// The lines of one push: counters as differences, gauges as they are, durations in seconds. Their type
/// is StatsD's for milliseconds all the same: so Fabric does it, and its dashboards expect it.
pub(super) fn lines(metrics: &Metrics, prefix: &str) -> Vec<String> {
    let mut lines = Vec::new();
    metrics.visit(|family| {
        let name = family.description().name.join(".");
        family.each(&mut |values, reading| {
            let mut path = if prefix.is_empty() || prefix.ends_with('.') {
                format!("{prefix}{name}")
            } else {
                format!("{prefix}.{name}")
            };
            for value in values {
                path.push('.');
                path.extend(
                    value
                        .chars()
                        .map(|c| if matches!(c, '.' | '|' | ':') || c.is_whitespace() { '_' } else { c }),
                );
            }
            match reading {
                Reading::Counter(counter) => {
                    let difference = counter.take_difference();
                    if difference > 0 {
                        lines.push(format!("{path}:{difference}|c"));
                    }
                }
                Reading::Gauge(gauge) => lines.push(format!("{path}:{}|g", gauge.get())),
                Reading::Histogram(histogram) => {
                    for seconds in histogram.take_samples() {
                        lines.push(format!("{path}:{seconds}|ms"));
                    }
                }
            }
        });
    });
    lines
}

/// Pushes at every write interval until the task is dropped. A server that is away loses what
/// was pushed meanwhile and is warned about once.
pub async fn push_forever(metrics: Arc<Metrics>, settings: Statsd) {
    let mut interval =
        tokio::time::interval_at(Instant::now() + settings.write_interval, settings.write_interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        interval.tick().await;
        let sent = push(&settings, &lines(&metrics, &settings.prefix)).await;
        match sent {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(target: "operations.runner", "cannot push metrics to the StatsD server at {} ({}): {error}", settings.address, settings.network);
            }
            Err(_) => {}
        }
    }
}

async fn push(settings: &Statsd, lines: &[String]) -> std::io::Result<()> {
    if settings.network.starts_with("tcp") {
        let mut stream = TcpStream::connect(&settings.address).await?;
        let mut text = String::new();
        for line in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
        stream.write_all(text.as_bytes()).await?;
        return stream.shutdown().await;
    }
    let local = if settings.address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(&settings.address).await?;
    let mut datagram = String::new();
    for line in lines {
        if !datagram.is_empty() && datagram.len() + line.len() + 1 > DATAGRAM_BYTES {
            socket.send(datagram.as_bytes()).await?;
            datagram.clear();
        }
        datagram.push_str(line);
        datagram.push('\n');
    }
    if !datagram.is_empty() {
        socket.send(datagram.as_bytes()).await?;
    }
    Ok(())
}

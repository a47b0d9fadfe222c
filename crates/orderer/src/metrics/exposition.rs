//! Prometheus' text format, version 0.0.4.
//!
//! Names are written as they are: no `_total` is put behind counters, which Fabric's names
//! do not have. As Go's client library does it, a family without children is left out, and labels
//! are written in the order of their names, with a histogram's `le` behind them.

use super::instrument::{Collect, Reading};
use std::fmt::{Display, Write};

/// The format's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes one family.
pub(super) fn write(out: &mut String, family: &dyn Collect) {
    let description = family.description();
    let name = description.name.join("_");
    let mut labels: Vec<_> = description.labels.iter().copied().enumerate().collect();
    labels.sort_by_key(|(_, label)| *label);
    let mut first = true;
    family.each(&mut |values, reading| {
        if std::mem::take(&mut first) {
            let kind = match reading {
                Reading::Counter(_) => "counter",
                Reading::Gauge(_) => "gauge",
                Reading::Histogram(_) => "histogram",
            };
            line(out, format_args!("# HELP {name} {}", description.help));
            line(out, format_args!("# TYPE {name} {kind}"));
        }
        match reading {
            Reading::Counter(counter) => sample(out, &name, &labels, values, None, counter.get()),
            Reading::Gauge(gauge) => sample(out, &name, &labels, values, None, gauge.get()),
            Reading::Histogram(histogram) => {
                let bucket = format!("{name}_bucket");
                for (bound, count) in histogram.cumulative() {
                    sample(out, &bucket, &labels, values, Some(bound), count);
                }
                sample(out, &format!("{name}_sum"), &labels, values, None, histogram.sum());
                sample(out, &format!("{name}_count"), &labels, values, None, histogram.count());
            }
        }
    });
}

fn sample(
    out: &mut String,
    name: &str,
    labels: &[(usize, &str)],
    values: &[Box<str>],
    bound: Option<f64>,
    value: impl Display,
) {
    out.push_str(name);
    let mut separator = '{';
    for (index, label) in labels {
        out.push(separator);
        out.push_str(label);
        out.push_str("=\"");
        for character in values[*index].chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
        separator = ',';
    }
    if let Some(bound) = bound {
        out.push(separator);
        if bound.is_finite() {
            // Writing to a String cannot fail.
            let _ = write!(out, "le=\"{bound}\"");
        } else {
            out.push_str("le=\"+Inf\"");
        }
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    line(out, format_args!(" {value}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

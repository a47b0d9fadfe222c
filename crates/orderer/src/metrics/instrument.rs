//! Counters, gauges and histograms, and the families that keep one of them per label values.
//!
//! Updates are atomic operations; finding a child is a binary search under a read lock that
//! allocates nothing once the child exists.

use parking_lot::{Mutex, RwLock};
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Prometheus' default histogram buckets, in seconds.
pub(crate) const DEFAULT_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How many observations of one histogram are kept between two pushes to StatsD; what comes
/// on top is left out of that push.
const SAMPLES_KEPT: usize = 10_000;

/// The name, meaning and labels of a family, as Fabric declares them.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The parts of the name: joined by `_` for Prometheus, by `.` for StatsD.
    pub name: &'static [&'static str],
    /// One sentence for people.
    pub help: &'static str,
    /// Label names, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets; ignored by the other kinds.
    pub buckets: &'static [f64],
}

/// A value that only grows.
#[derive(Debug, Default)]
pub struct Counter {
    value: AtomicU64,
    pushed: AtomicU64,
}

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.value.fetch_add(count, Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.value.load(Relaxed)
    }

    /// What was added since the last call; StatsD wants differences.
    pub(super) fn take_difference(&self) -> u64 {
        let value = self.get();
        value - self.pushed.swap(value, Relaxed)
    }
}

/// A value that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// Adds `difference`, which may be negative.
    pub fn add(&self, difference: f64) {
        add_float(&self.0, difference);
    }

    /// The value now.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// How often values fell into which bucket.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than `bounds`: the last counts what is above all bounds.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
    samples: Option<Mutex<Vec<f64>>>,
}

impl Histogram {
    /// Takes a duration, in seconds.
    pub fn observe(&self, took: Duration) {
        self.observe_value(took.as_secs_f64());
    }

    /// Takes a value.
    pub fn observe_value(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Relaxed);
        add_float(&self.sum, value);
        if let Some(samples) = &self.samples {
            let mut samples = samples.lock();
            if samples.len() < SAMPLES_KEPT {
                samples.push(value);
            }
        }
    }

    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Sum of the observations.
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Relaxed))
    }

    /// Each upper bound with the number of observations up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0, |total, (bound, count)| {
            *total += count.load(Relaxed);
            Some((bound, *total))
        })
    }

    pub(super) fn take_samples(&self) -> Vec<f64> {
        self.samples.as_ref().map(|samples| std::mem::take(&mut *samples.lock())).unwrap_or_default()
    }
}

fn add_float(cell: &AtomicU64, difference: f64) {
    let add = |bits| Some((f64::from_bits(bits) + difference).to_bits());
    // The closure never declines, so there is no other outcome.
    let _ = cell.fetch_update(Relaxed, Relaxed, add);
}

/// What a family can hold.
pub trait Instrument: Send + Sync {
    /// A new one at zero. `sampled`: single observations are kept for StatsD.
    fn new(description: &Description, sampled: bool) -> Self;

    /// Itself, as one of the three kinds.
    fn reading(&self) -> Reading<'_>;
}

/// One of the three kinds, to be written out.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// A counter.
    Counter(&'a Counter),
    /// A gauge.
    Gauge(&'a Gauge),
    /// A histogram.
    Histogram(&'a Histogram),
}

impl Instrument for Counter {
    fn new(_: &Description, _: bool) -> Self {
        Self::default()
    }

    fn reading(&self) -> Reading<'_> {
        Reading::Counter(self)
    }
}

impl Instrument for Gauge {
    fn new(_: &Description, _: bool) -> Self {
        Self::default()
    }

    fn reading(&self) -> Reading<'_> {
        Reading::Gauge(self)
    }
}

impl Instrument for Histogram {
    fn new(description: &Description, sampled: bool) -> Self {
        let bounds = description.buckets;
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::default()).collect(),
            sum: AtomicU64::default(),
            samples: sampled.then(Mutex::default),
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading::Histogram(self)
    }
}

/// Label values with what is measured for them.
type Child<T, const N: usize> = ([Box<str>; N], Arc<T>);

/// One metric with all its children, one for each combination of label values seen.
#[derive(Debug)]
pub struct Family<T, const N: usize> {
    description: Description,
    sampled: bool,
    /// Sorted by label values.
    children: RwLock<Vec<Child<T, N>>>,
}

impl<T: Instrument, const N: usize> Family<T, N> {
    pub(super) fn new(description: Description, sampled: bool) -> Self {
        Self { description, sampled, children: RwLock::default() }
    }

    /// The child with these label values, made if there is none yet. Hot paths keep it.
    pub fn with(&self, values: [&str; N]) -> Arc<T> {
        {
            let children = self.children.read();
            if let Ok(index) = position(&children, &values) {
                return Arc::clone(&children[index].1);
            }
        }
        let mut children = self.children.write();
        match position(&children, &values) {
            Ok(index) => Arc::clone(&children[index].1),
            Err(index) => {
                let child = Arc::new(T::new(&self.description, self.sampled));
                children.insert(index, (values.map(Box::from), Arc::clone(&child)));
                child
            }
        }
    }
}

fn position<T, const N: usize>(children: &[Child<T, N>], values: &[&str; N]) -> Result<usize, usize> {
    children.binary_search_by(|(labels, _)| {
        let pairs = labels.iter().zip(values);
        pairs
            .map(|(label, value)| (**label).cmp(value))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

/// A family without its types, as the encoders see it.
pub(super) trait Collect: Send + Sync {
    fn description(&self) -> &Description;

    /// Calls `visit` with the label values and the reading of every child, sorted.
    fn each(&self, visit: &mut dyn FnMut(&[Box<str>], Reading<'_>));

    /// Drops the children of a channel.
    fn forget_channel(&self, channel: &str);
}

impl<T: Instrument, const N: usize> Collect for Family<T, N> {
    fn description(&self) -> &Description {
        &self.description
    }

    fn each(&self, visit: &mut dyn FnMut(&[Box<str>], Reading<'_>)) {
        for (labels, child) in self.children.read().iter() {
            visit(labels, child.reading());
        }
    }

    fn forget_channel(&self, channel: &str) {
        if let Some(label) = self.description.labels.iter().position(|label| *label == "channel") {
            self.children.write().retain(|(values, _)| &*values[label] != channel);
        }
    }
}

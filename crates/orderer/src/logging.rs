//! Logs: Fabric's lines, levels by logger, changeable while the node runs.
//!
//! [`Logging`] is a `tracing` layer. Events name their logger as their target
//! (`target: "orderer.consensus.etcdraft"`); what the levels let through is written to standard
//! error in the format of `FABRIC_LOGGING_FORMAT`. A disabled call site costs one load: its
//! interest is cached by `tracing` until the levels change.

mod format;
mod spec;
mod time_layout;

pub use format::{DEFAULT_FORMAT, FormatError};
pub use spec::{Level, Spec, SpecError};

use crate::metrics::{Counter, Metrics};
use arc_swap::ArcSwap;
use format::{Entry, FieldValue, Format};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The levels in the order of the counters.
const COUNTED: [Level; 5] = [Level::Payload, Level::Debug, Level::Info, Level::Warn, Level::Error];

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `FABRIC_LOGGING_SPEC`.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// `FABRIC_LOGGING_FORMAT`.
    #[error("FABRIC_LOGGING_FORMAT: {0}")]
    Format(#[from] FormatError),
    /// The process has a logger already.
    #[error("logging was set up before in this process")]
    Installed,
}

/// The node's logging.
#[derive(Clone)]
pub struct Logging(Arc<Inner>);

struct Inner {
    spec: ArcSwap<Spec>,
    format: Format,
    entries: AtomicU64,
    writer: Mutex<Box<dyn Write + Send>>,
    counters: OnceLock<[Counters; 5]>,
}

struct Counters {
    checked: Arc<Counter>,
    written: Arc<Counter>,
}

impl Logging {
    /// Logging by `FABRIC_LOGGING_SPEC` and `FABRIC_LOGGING_FORMAT` to standard error.
    pub fn from_environment() -> Result<Self, LoggingError> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Self::new(
            &variable("FABRIC_LOGGING_SPEC"),
            &variable("FABRIC_LOGGING_FORMAT"),
            Box::new(std::io::stderr()),
        )
    }

    /// Logging with a spec and a format, both Fabric's default when empty.
    pub fn new(spec: &str, format: &str, writer: Box<dyn Write + Send>) -> Result<Self, LoggingError> {
        Ok(Self(Arc::new(Inner {
            spec: ArcSwap::from_pointee(spec.parse()?),
            format: Format::parse(format)?,
            entries: AtomicU64::default(),
            writer: Mutex::new(writer),
            counters: OnceLock::new(),
        })))
    }

    /// Makes it the logging of the process.
    pub fn install(&self) -> Result<(), LoggingError> {
        let subscriber = tracing_subscriber::registry().with(self.layer());
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::Installed)
    }

    /// Itself as a layer of a subscriber.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        self.clone()
    }

    /// Counts entries in `logging_entries_*` from now on. Counted as checked is what is enabled:
    /// a disabled call site is not reached at all.
    pub fn count_in(&self, metrics: &Metrics) {
        // Set once: the node has one set of metrics.
        let _ = self.0.counters.set(COUNTED.map(|level| Counters {
            checked: metrics.logging_entries_checked.with([level.name()]),
            written: metrics.logging_entries_written.with([level.name()]),
        }));
    }

    /// The levels in use, in normal form.
    pub fn spec(&self) -> String {
        self.0.spec.load().to_string()
    }

    /// Changes the levels.
    pub fn activate(&self, spec: &str) -> Result<(), SpecError> {
        self.0.spec.store(Arc::new(spec.parse()?));
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    fn is_enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && Level::of(*metadata.level()) >= self.0.spec.load().level(metadata.target())
    }

    /// Writes an entry of a level that `tracing` does not have, such as [`Level::Fatal`], with which
    /// Fabric's tools end.
    pub fn last_words(&self, level: Level, logger: &str, message: &str) {
        if level >= self.0.spec.load().level(logger) {
            self.put(level, logger, "main", "", message, &[]);
        }
    }

    fn write(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let level = Level::of(*metadata.level());
        let counters = self.0.counters.get().map(|counters| &counters[level as usize]);
        if let Some(counters) = counters {
            counters.checked.increment();
        }
        let mut collected = Collected::default();
        event.record(&mut collected);
        let logger = metadata.target().replace("::", ".");
        let module = metadata.module_path().unwrap_or_default();
        // `tracing` does not know functions; the module is the next best.
        let function = module.rsplit("::").next().unwrap_or(module);
        let caller = format!("{}:{}", metadata.file().unwrap_or("?"), metadata.line().unwrap_or_default());
        self.put(level, &logger, function, &caller, &collected.message, &collected.fields);
        if let Some(counters) = counters {
            counters.written.increment();
        }
    }

    fn put(
        &self,
        level: Level,
        logger: &str,
        function: &str,
        caller: &str,
        message: &str,
        fields: &[(&'static str, FieldValue)],
    ) {
        let at = OffsetDateTime::now_utc();
        let id = self.0.entries.fetch_add(1, Relaxed) + 1;
        let entry = Entry { at, id, level, logger, function, caller, message, fields };
        LINE.with_borrow_mut(|line| {
            line.clear();
            self.0.format.write(line, &entry);
            // There is nowhere left to say that standard error is gone.
            let _ = self.0.writer.lock().write_all(line.as_bytes());
        });
    }
}

thread_local! {
    /// The line being written, kept for its memory.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<S: Subscriber> Layer<S> for Logging {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.is_enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.is_enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.spec.load().lowest() {
            Level::Payload => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::DPanic | Level::Panic | Level::Fatal => LevelFilter::OFF,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(event);
    }
}

/// The message and the fields of an event.
#[derive(Default)]
struct Collected {
    message: String,
    fields: Vec<(&'static str, FieldValue)>,
}

impl Collected {
    fn take(&mut self, field: &Field, value: FieldValue) {
        match (field.name(), value) {
            ("message", FieldValue::Text(text)) => self.message = text,
            // The `log` bridge repeats what the metadata says.
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, FieldValue::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, FieldValue::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.take(field, FieldValue::Text(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, FieldValue::Integer(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, FieldValue::Integer(value.into()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.take(field, FieldValue::Integer(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, FieldValue::Truth(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, FieldValue::Float(value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What was written, shared with the test.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap()
        }
    }

    #[test]
    fn levels_change_at_run_time_and_entries_are_counted() {
        let written = Written::default();
        let format = "%{id:04x} %{level:.4s} [%{module}] %{shortfunc} -> %{message}";
        let logging = Logging::new("a.b=debug:warn", format, Box::new(written.clone())).unwrap();
        let metrics = Metrics::new(false);
        logging.count_in(&metrics);
        let subscriber = tracing_subscriber::registry().with(logging.layer());
        tracing::subscriber::with_default(subscriber, || {
            let log_all = || {
                tracing::debug!(target: "a.b.c", channel = "ch1", node = 1u64, peer = %"x y", set = ?[1, 2], "about {}", 7);
                tracing::info!(target: "a", "not this");
                tracing::warn!(target: "a", "a warning\n");
            };
            log_all();
            assert_eq!(
                written.take(),
                "0001 DEBU [a.b.c] tests -> about 7 channel=ch1 node=1 peer=\"x y\" set=\"[1, 2]\"\n\
                 0002 WARN [a] tests -> a warning\n"
            );
            logging.activate("a=info:error").unwrap();
            assert_eq!(logging.spec(), "a=info:error");
            log_all();
            assert_eq!(written.take(), "0003 INFO [a] tests -> not this\n0004 WARN [a] tests -> a warning\n");
            logging.activate("fatal").unwrap();
            log_all();
            assert_eq!(written.take(), "");
            assert!(logging.activate("nonsense").is_err());
            assert_eq!(logging.spec(), "fatal");
        });
        let text = metrics.expose();
        for line in [
            "logging_entries_written{level=\"debug\"} 1",
            "logging_entries_written{level=\"info\"} 1",
            "logging_entries_written{level=\"warn\"} 2",
            "logging_entries_checked{level=\"warn\"} 2",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }

    proptest::proptest! {
        /// Specs and formats come from operators: every text is followed or refused.
        #[test]
        fn no_spec_and_no_format_makes_logging_panic(
            spec in "([a-z.,=:é]|debug|info){0,12}",
            format in "(%\\{(time|id|level|color|message):?[-0-9.a-zA-Zé ]{0,8}\\}|%\\{|[\\}%a-zé.0-9]){0,8}",
            message in "\\PC{0,20}",
        ) {
            let written = Written::default();
            if let Ok(logging) = Logging::new(&spec, &format, Box::new(written.clone())) {
                let subscriber = tracing_subscriber::registry().with(logging.layer());
                tracing::subscriber::with_default(subscriber, || tracing::error!(target: "a.b", field = %message, "{message}"));
                written.take();
            }
        }
    }
}

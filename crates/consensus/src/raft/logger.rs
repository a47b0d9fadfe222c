//! The raft library's log lines, among the others.

use slog::{Drain, Key, Level, Logger, Never, OwnedKVList, Record, Serializer, o};

struct ToTracing {
    channel: String,
    node: u64,
}

/// A logger for the library.
pub(crate) fn library_logger(channel: &str, node: u64) -> Logger {
    Logger::root(ToTracing { channel: channel.to_owned(), node }.ignore_res(), o!())
}

impl Drain for ToTracing {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
        // The core says it itself, with Fabric's words.
        let is_said =
            record.level() == Level::Warning && record.msg().to_string().starts_with("stepped down");
        let is_wanted = match record.level() {
            Level::Critical | Level::Error => {
                tracing::enabled!(target: "orderer.consensus.etcdraft", tracing::Level::ERROR)
            }
            Level::Warning => tracing::enabled!(target: "orderer.consensus.etcdraft", tracing::Level::WARN),
            Level::Info => tracing::enabled!(target: "orderer.consensus.etcdraft", tracing::Level::INFO),
            Level::Debug | Level::Trace => false,
        };
        if is_said || !is_wanted {
            return Ok(());
        }
        let mut pairs = Pairs(String::new());
        // Writing to a string does not fail.
        let _ = slog::KV::serialize(&record.kv(), record, &mut pairs);
        let (text, pairs) = (record.msg(), pairs.0);
        let (channel, node) = (&self.channel, self.node);
        match record.level() {
            Level::Critical | Level::Error => {
                tracing::error!(target: "orderer.consensus.etcdraft", channel = %channel, node, "{text}{pairs}");
            }
            Level::Warning => {
                tracing::warn!(target: "orderer.consensus.etcdraft", channel = %channel, node, "{text}{pairs}");
            }
            _ => {
                tracing::info!(target: "orderer.consensus.etcdraft", channel = %channel, node, "{text}{pairs}")
            }
        }
        Ok(())
    }
}

struct Pairs(String);

impl Serializer for Pairs {
    fn emit_arguments(&mut self, key: Key, value: &std::fmt::Arguments<'_>) -> slog::Result {
        use std::fmt::Write as _;
        write!(self.0, ", {key}: {value}").map_err(slog::Error::Fmt)
    }
}

//! Which logger logs what: the grammar of `FABRIC_LOGGING_SPEC`
//! (`common/flogging/loggerlevels.go`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Crates of this project: what they log without a logger's name is ours.
const OUR_CRATES: [&str; 7] = ["channel", "cli", "consensus", "identity", "orderer", "protos", "storage"];

/// Fabric's levels, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The contents of messages; `tracing`'s TRACE.
    Payload,
    /// For finding faults.
    Debug,
    /// The course of things.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
    /// As the next one.
    DPanic,
    /// What a tool ends with that finds itself unable to go on; nothing else is logged.
    Panic,
    /// What a tool ends with that was told to do something impossible; nothing else is logged.
    Fatal,
}

impl Level {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "payload" | "PAYLOAD" => Self::Payload,
            "debug" | "DEBUG" => Self::Debug,
            "info" | "INFO" | "notice" | "NOTICE" => Self::Info,
            "warn" | "WARN" | "warning" | "WARNING" => Self::Warn,
            "error" | "ERROR" | "critical" | "CRITICAL" => Self::Error,
            "dpanic" | "DPANIC" => Self::DPanic,
            "panic" | "PANIC" => Self::Panic,
            "fatal" | "FATAL" => Self::Fatal,
            _ => return None,
        })
    }

    /// The level of an event.
    pub(super) fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::TRACE => Self::Payload,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::INFO => Self::Info,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::ERROR => Self::Error,
        }
    }

    /// Lower-case name, as in specs, metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::DPanic => "dpanic",
            Self::Panic => "panic",
            Self::Fatal => "fatal",
        }
    }
}

/// Why a spec was refused; Fabric's texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A part between colons has no level or too many `=`.
    #[error("invalid logging specification '{spec}': bad segment '{segment}'")]
    BadSegment {
        /// The whole spec.
        spec: String,
        /// The part.
        segment: String,
    },
    /// Nothing stands before the `=`.
    #[error("invalid logging specification '{spec}': no logger specified in segment '{segment}'")]
    NoLogger {
        /// The whole spec.
        spec: String,
        /// The part.
        segment: String,
    },
    /// A name that no logger can have.
    #[error("invalid logging specification '{spec}': bad logger name '{name}'")]
    BadLoggerName {
        /// The whole spec.
        spec: String,
        /// The name.
        name: String,
    },
}

/// Levels of loggers: `[<logger>[,<logger>...]=]<level>[:...]`. A name counts for what is below
/// it too, unless it ends with a dot; the most specific one wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    default: Level,
    loggers: BTreeMap<String, Level>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { default: Level::Info, loggers: BTreeMap::new() }
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(spec: &str) -> Result<Self, SpecError> {
        let mut parsed = Self::default();
        for segment in spec.split(':') {
            let bad_segment = || SpecError::BadSegment { spec: spec.into(), segment: segment.into() };
            match segment.split('=').collect::<Vec<_>>()[..] {
                [""] => parsed.default = Level::Info,
                [level] => parsed.default = Level::parse(level).ok_or_else(bad_segment)?,
                ["", _] => return Err(SpecError::NoLogger { spec: spec.into(), segment: segment.into() }),
                [loggers, level] => {
                    let level = Level::parse(level).ok_or_else(bad_segment)?;
                    for name in loggers.split(',') {
                        if !is_logger_name(name.strip_suffix('.').unwrap_or(name)) {
                            return Err(SpecError::BadLoggerName { spec: spec.into(), name: name.into() });
                        }
                        parsed.loggers.insert(name.to_owned(), level);
                    }
                }
                _ => return Err(bad_segment()),
            }
        }
        Ok(parsed)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (logger, level) in &self.loggers {
            write!(f, "{logger}={}:", level.name())?;
        }
        f.write_str(self.default.name())
    }
}

fn is_logger_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_#:-".contains(c))
    };
    name.split('.').all(is_part)
}

impl Spec {
    /// From which level on a logger logs.
    ///
    /// Libraries log under their module paths; they follow the default only down to warnings,
    /// so that `debug` shows this node and not its HTTP/2 frames. Naming them gives more.
    pub fn level(&self, target: &str) -> Level {
        let logger = target.replace("::", ".");
        let mut candidate = format!("{logger}.");
        loop {
            if let Some(level) = self.loggers.get(&candidate) {
                return *level;
            }
            match candidate.rfind('.') {
                Some(dot) if dot > 0 => candidate.truncate(dot),
                _ => break,
            }
        }
        let foreign = target.split_once("::").is_some_and(|(name, _)| !OUR_CRATES.contains(&name));
        if foreign { self.default.max(Level::Warn) } else { self.default }
    }

    /// The lowest level that any logger logs from.
    pub(super) fn lowest(&self) -> Level {
        self.loggers.values().copied().fold(self.default, Level::min)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn good_specs_and_how_they_are_shown() {
        for (spec, shown) in [
            ("", "info"),
            ("debug", "debug"),
            ("WARNING", "warn"),
            ("notice", "info"),
            ("critical", "error"),
            ("warn:debug", "debug"),
            ("a=debug:info", "a=debug:info"),
            ("b,a.c=error", "a.c=error:b=error:info"),
            ("a.=debug:fatal", "a.=debug:fatal"),
            ("payload:a=dpanic:", "a=dpanic:info"),
        ] {
            assert_eq!(spec.parse::<Spec>().unwrap().to_string(), shown, "{spec:?}");
        }
    }

    #[test]
    fn bad_specs() {
        for (spec, error) in [
            ("verbose", "invalid logging specification 'verbose': bad segment 'verbose'"),
            ("Debug", "invalid logging specification 'Debug': bad segment 'Debug'"),
            ("a=b=c", "invalid logging specification 'a=b=c': bad segment 'a=b=c'"),
            ("info:a=loud", "invalid logging specification 'info:a=loud': bad segment 'a=loud'"),
            ("=debug", "invalid logging specification '=debug': no logger specified in segment '=debug'"),
            ("a,,b=debug", "invalid logging specification 'a,,b=debug': bad logger name ''"),
            ("a..b=debug", "invalid logging specification 'a..b=debug': bad logger name 'a..b'"),
            (".a=debug", "invalid logging specification '.a=debug': bad logger name '.a'"),
            ("a*=debug", "invalid logging specification 'a*=debug': bad logger name 'a*'"),
        ] {
            assert_eq!(spec.parse::<Spec>().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn the_most_specific_name_wins() {
        let spec: Spec = "orderer=warn:orderer.consensus=debug:orderer.common.=error:info".parse().unwrap();
        for (target, level) in [
            ("orderer", Level::Warn),
            ("orderer.consensus", Level::Debug),
            ("orderer.consensus.etcdraft", Level::Debug),
            ("orderer.common", Level::Error),
            ("orderer.common.server", Level::Warn),
            ("ordererx", Level::Info),
            ("msp", Level::Info),
        ] {
            assert_eq!(spec.level(target), level, "{target}");
        }
    }

    #[test]
    fn libraries_need_to_be_named_for_more_than_warnings() {
        let spec: Spec = "debug".parse().unwrap();
        assert_eq!(spec.level("h2::codec::framed_read"), Level::Warn);
        assert_eq!(spec.level("consensus::raft"), Level::Debug);
        let spec: Spec = "h2=debug:info".parse().unwrap();
        assert_eq!(spec.level("h2::codec::framed_read"), Level::Debug);
        let spec: Spec = "error".parse().unwrap();
        assert_eq!(spec.level("h2::codec::framed_read"), Level::Error);
    }
}

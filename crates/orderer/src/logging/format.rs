//! Log lines: `FABRIC_LOGGING_FORMAT` (`common/flogging/fabenc`), JSON and logfmt.

use super::spec::Level;
use super::time_layout::TimeLayout;
use std::fmt::Write;
use time::OffsetDateTime;

/// Fabric's default format.
pub const DEFAULT_FORMAT: &str = "%{color}%{time:2006-01-02 15:04:05.000 MST} %{id:04x} %{level:.4s}%{color:reset} \
     [%{module}] %{color:bold}%{shortfunc}%{color:reset} -> %{message}";

/// A format that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// `%{color:...}` takes `reset` and `bold`.
    #[error("invalid color option: {0}")]
    Color(String),
    /// What stands behind a verb's colon is no directive for it.
    #[error("invalid format directive '{directive}' for %{{{verb}}}")]
    Directive {
        /// The verb.
        verb: String,
        /// What was given.
        directive: String,
    },
}

/// What is known of one entry.
pub(super) struct Entry<'a> {
    pub(super) at: OffsetDateTime,
    /// Number of the entry in this process.
    pub(super) id: u64,
    pub(super) level: Level,
    pub(super) logger: &'a str,
    /// The function, as far as it is known.
    pub(super) function: &'a str,
    /// File and line.
    pub(super) caller: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a [(&'static str, FieldValue)],
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FieldValue {
    Text(String),
    Integer(i128),
    Float(f64),
    Truth(bool),
}

/// How entries become lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Format {
    Line(Vec<Part>),
    Json,
    Logfmt,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Text(String),
    Color,
    Bold,
    Reset,
    Time(TimeLayout),
    Id(Directive),
    Level(Directive),
    Message(Directive),
    Module(Directive),
    ShortFunc(Directive),
}

/// A `fmt` directive of Go without its `%`: flags, width, precision and verb.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Directive {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

impl Format {
    pub(super) fn parse(format: &str) -> Result<Self, FormatError> {
        match format {
            "" => Self::parse(DEFAULT_FORMAT),
            "json" => Ok(Self::Json),
            "logfmt" => Ok(Self::Logfmt),
            _ => line_parts(format).map(Self::Line),
        }
    }

    /// Appends the entry with its line end.
    pub(super) fn write(&self, out: &mut String, entry: &Entry<'_>) {
        match self {
            Self::Line(parts) => {
                for part in parts {
                    part.write(out, entry);
                }
                write_fields(out, entry.fields);
            }
            Self::Json => write_json(out, entry),
            Self::Logfmt => {
                let seconds = entry.at.unix_timestamp_nanos() as f64 / 1e9;
                // Writing to a String cannot fail.
                let _ = write!(out, "ts={seconds} level={} name=", entry.level.name());
                write_logfmt(out, entry.logger);
                let _ = write!(out, " caller={} msg=", entry.caller);
                write_logfmt(out, entry.message);
                write_fields(out, entry.fields);
            }
        }
        out.push('\n');
    }
}

/// Takes `%{verb}` and `%{verb:directive}` out of a format; everything else stays as it is.
fn line_parts(format: &str) -> Result<Vec<Part>, FormatError> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(start) = rest.find("%{") {
        let inside = &rest[start + 2..];
        let verb_and_rest = inside.split_once('}').and_then(|(verb, after)| Some((known_verb(verb)?, after)));
        let Some(((verb, directive), after)) = verb_and_rest else {
            text.push_str(&rest[..start + 2]);
            rest = inside;
            continue;
        };
        text.push_str(&rest[..start]);
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(part(verb, directive)?);
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

fn known_verb(inside: &str) -> Option<(&str, &str)> {
    let (verb, directive) = inside.split_once(':').unwrap_or((inside, ""));
    let known = ["color", "id", "level", "message", "module", "shortfunc", "time"];
    known.contains(&verb).then_some((verb, directive))
}

fn part(verb: &str, directive: &str) -> Result<Part, FormatError> {
    let as_directive = |default: &str| {
        let text = if directive.is_empty() { default } else { directive };
        Directive::parse(text)
            .ok_or_else(|| FormatError::Directive { verb: verb.into(), directive: text.into() })
    };
    Ok(match (verb, directive) {
        ("color", "") => Part::Color,
        ("color", "bold") => Part::Bold,
        ("color", "reset") => Part::Reset,
        ("color", other) => return Err(FormatError::Color(other.into())),
        ("id", _) => Part::Id(as_directive("d")?),
        ("level", _) => Part::Level(as_directive("s")?),
        ("message", _) => Part::Message(as_directive("s")?),
        ("module", _) => Part::Module(as_directive("s")?),
        ("shortfunc", _) => Part::ShortFunc(as_directive("s")?),
        (_, "") => Part::Time(TimeLayout::parse("2006-01-02T15:04:05.999Z07:00")),
        (_, layout) => Part::Time(TimeLayout::parse(layout)),
    })
}

impl Part {
    fn write(&self, out: &mut String, entry: &Entry<'_>) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Text(text) => write!(out, "{text}"),
            Self::Color => write!(out, "\x1b[{}m", color(entry.level)),
            Self::Bold => write!(out, "\x1b[{};1m", color(entry.level)),
            Self::Reset => write!(out, "\x1b[0m"),
            Self::Time(layout) => {
                layout.write(out, entry.at);
                Ok(())
            }
            Self::Id(directive) => directive.number(out, entry.id),
            Self::Level(directive) => directive.text(out, &entry.level.name().to_uppercase()),
            Self::Message(directive) => directive.text(out, entry.message.trim_end_matches('\n')),
            Self::Module(directive) => directive.text(out, entry.logger),
            Self::ShortFunc(directive) => directive.text(out, entry.function),
        };
    }
}

fn color(level: Level) -> u8 {
    match level {
        Level::Payload => 0,
        Level::Debug => 36,
        Level::Info => 34,
        Level::Warn => 33,
        Level::Error => 31,
        Level::DPanic | Level::Panic | Level::Fatal => 35,
    }
}

impl Directive {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.trim_start_matches(['-', '0', '+', ' ', '#']);
        let flags = &text[..text.len() - rest.len()];
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (width, rest) = rest.split_at(digits(rest));
        let (precision, verb) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (precision, verb) = rest.split_at(digits(rest));
                // Nobody wants more; a number that does not fit would be no width either.
                (Some(precision.parse().unwrap_or(0)), verb)
            }
            None => (None, rest),
        };
        let mut characters = verb.chars();
        let verb = characters.next().filter(|verb| "dxXobsqv".contains(*verb))?;
        let width = if width.is_empty() { 0 } else { width.parse().ok().filter(|width| *width <= 1000)? };
        let parsed = Self { left: flags.contains('-'), zeros: flags.contains('0'), width, precision, verb };
        characters.next().is_none().then_some(parsed)
    }

    fn number(&self, out: &mut String, number: u64) -> std::fmt::Result {
        let text = match self.verb {
            'x' => format!("{number:x}"),
            'X' => format!("{number:X}"),
            'o' => format!("{number:o}"),
            'b' => format!("{number:b}"),
            _ => number.to_string(),
        };
        self.pad(out, &text, self.zeros && !self.left)
    }

    fn text(&self, out: &mut String, text: &str) -> std::fmt::Result {
        let cut = match self.precision {
            Some(precision) => text.char_indices().nth(precision).map_or(text, |(end, _)| &text[..end]),
            None => text,
        };
        if self.verb == 'q' { self.pad(out, &format!("{cut:?}"), false) } else { self.pad(out, cut, false) }
    }

    fn pad(&self, out: &mut String, text: &str, zeros: bool) -> std::fmt::Result {
        let width = self.width;
        match (self.left, zeros) {
            (true, _) => write!(out, "{text:<width$}"),
            (false, true) => write!(out, "{text:0>width$}"),
            (false, false) => write!(out, "{text:>width$}"),
        }
    }
}

/// ` key=value` for each field.
fn write_fields(out: &mut String, fields: &[(&'static str, FieldValue)]) {
    for (key, value) in fields {
        // Writing to a String cannot fail.
        let _ = write!(out, " {key}=");
        match value {
            FieldValue::Text(text) => write_logfmt(out, text),
            FieldValue::Integer(number) => drop(write!(out, "{number}")),
            FieldValue::Float(number) => drop(write!(out, "{number}")),
            FieldValue::Truth(truth) => drop(write!(out, "{truth}")),
        }
    }
}

/// A logfmt value: quoted when it would be misread otherwise.
fn write_logfmt(out: &mut String, text: &str) {
    let misread = |c: char| c <= ' ' || matches!(c, '=' | '"' | char::REPLACEMENT_CHARACTER);
    if !text.contains(misread) {
        return out.push_str(text);
    }
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            c if c < ' ' => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// zap's production JSON: the entry's own keys, then the fields.
fn write_json(out: &mut String, entry: &Entry<'_>) {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let seconds = entry.at.unix_timestamp_nanos() as f64 / 1e9;
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        r#"{{"level":"{}","ts":{seconds},"name":{},"caller":{},"msg":{}"#,
        entry.level.name(),
        quote(entry.logger),
        quote(entry.caller),
        quote(entry.message)
    );
    for (key, value) in entry.fields {
        let value = match value {
            FieldValue::Text(text) => quote(text),
            FieldValue::Integer(number) => number.to_string(),
            FieldValue::Float(number) => serde_json::Value::from(*number).to_string(),
            FieldValue::Truth(truth) => truth.to_string(),
        };
        let _ = write!(out, ",{}:{value}", quote(key));
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use time::macros::datetime;

    fn line(format: &str, level: Level, message: &str, fields: &[(&'static str, FieldValue)]) -> String {
        let entry = Entry {
            at: datetime!(2026-11-22 02:04:08.607 UTC),
            id: 0x57,
            level,
            logger: "orderer.consensus.etcdraft",
            function: "run",
            caller: "raft/node.rs:10",
            message,
            fields,
        };
        let mut out = String::new();
        Format::parse(format).unwrap().write(&mut out, &entry);
        out
    }

    fn text(text: &str) -> FieldValue {
        FieldValue::Text(text.into())
    }

    #[test]
    fn the_default_line_is_fabrics() {
        let fields = [("channel", text("systemchannel")), ("node", FieldValue::Integer(2))];
        assert_eq!(
            line("", Level::Info, "Raft leader changed: 0 -> 2", &fields),
            "\x1b[34m2026-11-22 02:04:08.607 UTC 0057 INFO\x1b[0m [orderer.consensus.etcdraft] \x1b[34;1mrun\x1b[0m -> \
             Raft leader changed: 0 -> 2 channel=systemchannel node=2\n"
        );
    }

    #[test]
    fn levels_have_four_letters_and_a_color() {
        for (level, start) in [
            (Level::Debug, "\x1b[36mDEBU"),
            (Level::Info, "\x1b[34mINFO"),
            (Level::Warn, "\x1b[33mWARN"),
            (Level::Error, "\x1b[31mERRO"),
            (Level::DPanic, "\x1b[35mDPAN"),
            (Level::Panic, "\x1b[35mPANI"),
            (Level::Fatal, "\x1b[35mFATA"),
        ] {
            assert_eq!(line("%{color}%{level:.4s}", level, "m", &[]), format!("{start}\n"));
        }
    }

    #[test]
    fn fields_are_quoted_where_they_would_be_misread() {
        for (value, shown) in [
            (text("plain"), "plain"),
            (text(""), ""),
            (text("two words"), "\"two words\""),
            (text("a=b"), "\"a=b\""),
            (text("CN=x \"q\"\n\\"), "\"CN=x \\\"q\\\"\\n\\\\\""),
            (text("127.0.0.1:7050"), "127.0.0.1:7050"),
            (text("\u{1}"), "\"\\u0001\""),
            (FieldValue::Integer(-3), "-3"),
            (FieldValue::Float(0.5), "0.5"),
            (FieldValue::Truth(true), "true"),
        ] {
            assert_eq!(line("%{message}", Level::Info, "m", &[("k", value)]), format!("m k={shown}\n"));
        }
    }

    #[test]
    fn other_formats() {
        let fields = [("channel", text("ch 1")), ("n", FieldValue::Integer(1))];
        for (format, expected) in [
            (
                "%{id} %{id:x} %{id:06d} [%{level}] %{message}",
                "87 57 000087 [INFO] hi channel=\"ch 1\" n=1\n",
            ),
            (
                "%{level:-6s}|%{level:6s}|%{message:.1s}|%{module:q}",
                "INFO  |  INFO|h|\"orderer.consensus.etcdraft\" channel=\"ch 1\" n=1\n",
            ),
            ("%{unknown} 100% %{message} %{", "%{unknown} 100% hi %{ channel=\"ch 1\" n=1\n"),
            ("%{time} %{time:15:04}", "2026-11-22T02:04:08.607Z 02:04 channel=\"ch 1\" n=1\n"),
            (
                "json",
                "{\"level\":\"info\",\"ts\":1795313048.607,\"name\":\"orderer.consensus.etcdraft\",\"caller\":\"raft/node.rs:10\",\"msg\":\"hi\",\"channel\":\"ch 1\",\"n\":1}\n",
            ),
            (
                "logfmt",
                "ts=1795313048.607 level=info name=orderer.consensus.etcdraft caller=raft/node.rs:10 msg=hi channel=\"ch 1\" n=1\n",
            ),
        ] {
            assert_eq!(line(format, Level::Info, "hi", &fields), expected, "{format}");
        }
    }

    #[test]
    fn bad_formats() {
        for (format, error) in [
            ("%{color:blue}", "invalid color option: blue"),
            ("%{id:z}", "invalid format directive 'z' for %{id}"),
            ("%{level:5}", "invalid format directive '5' for %{level}"),
            ("%{level:99999s}", "invalid format directive '99999s' for %{level}"),
        ] {
            assert_eq!(Format::parse(format).unwrap_err().to_string(), error);
        }
    }
}

//! Go's and Fabric's ways to write durations, numbers and sizes.

use std::time::Duration;

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A duration in Go's syntax, such as `1h30m` or `250ms`; error texts are those of Go's
/// `time.ParseDuration`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if text.starts_with('-') && text != "-0" {
        return Err(format!("a negative duration {text:?} has no meaning here"));
    }
    rest = rest.strip_prefix('-').unwrap_or(rest);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanoseconds = 0u64;
    while !rest.is_empty() {
        let whole = leading(rest, |c| c.is_ascii_digit());
        rest = &rest[whole.len()..];
        let fraction = rest.strip_prefix('.').map(|after| leading(after, |c| c.is_ascii_digit()));
        if let Some(fraction) = fraction {
            rest = &rest[1 + fraction.len()..];
        }
        if whole.is_empty() && fraction.is_none_or(str::is_empty) {
            return Err(invalid());
        }
        let name = leading(rest, |c| c != '.' && !c.is_ascii_digit());
        rest = &rest[name.len()..];
        let unit = match name {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" => NANOSECOND,
            "us" | "µs" | "μs" => MICROSECOND,
            "ms" => MILLISECOND,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            _ => return Err(format!("time: unknown unit {name:?} in duration {text:?}")),
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let part = whole.checked_mul(unit).and_then(|part| part.checked_add(part_of(fraction, unit)));
        nanoseconds = part.and_then(|part| nanoseconds.checked_add(part)).ok_or_else(invalid)?;
    }
    // Go's durations are signed.
    if nanoseconds > i64::MAX as u64 { Err(invalid()) } else { Ok(Duration::from_nanos(nanoseconds)) }
}

/// `0.fraction` of a unit, cut to nanoseconds.
fn part_of(fraction: Option<&str>, unit: u64) -> u64 {
    let mut scale = unit;
    fraction.unwrap_or_default().bytes().fold(0, |total, digit| {
        let part = u64::from(digit - b'0') * scale / 10;
        scale /= 10;
        total + part
    })
}

fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    &text[..end]
}

/// A duration as Go prints it: `1m30s`, `250ms`, `0s`.
pub(super) fn show_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let in_unit = |unit: u64| nanoseconds as f64 / unit as f64;
    match nanoseconds {
        0 => "0s".to_owned(),
        n if n < u128::from(MICROSECOND) => format!("{n}ns"),
        n if n < u128::from(MILLISECOND) => format!("{}µs", in_unit(MICROSECOND)),
        n if n < u128::from(SECOND) => format!("{}ms", in_unit(MILLISECOND)),
        _ => {
            let (hours, minutes) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60);
            let seconds = duration.as_secs() % 60;
            let mut shown = String::new();
            if hours > 0 {
                shown.push_str(&format!("{hours}h"));
            }
            if hours > 0 || minutes > 0 {
                shown.push_str(&format!("{minutes}m"));
            }
            let fraction = format!("{:09}", duration.subsec_nanos());
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            shown + &format!("{seconds}{point}{fraction}s")
        }
    }
}

/// An integer in Go's syntax: decimal, `0x`, `0o` or `0b`, `_` between digits.
pub(super) fn integer(text: &str) -> Result<i128, String> {
    let syntax = || format!("parsing {text:?}: invalid syntax");
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let digits = digits.replace('_', "");
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return Err(syntax());
    }
    let value = i128::from_str_radix(&digits, radix).map_err(|_| syntax())?;
    Ok(if negative { -value } else { value })
}

/// A size in bytes for a 32-bit setting: a number, or one with `k`, `m`, `g` (`kb`, `mb`, `gb`)
/// in any case, powers of 1024.
pub(super) fn size(text: &str) -> Result<u32, String> {
    let digits = leading(text, |c| c.is_ascii_digit());
    let suffix = text[digits.len()..].trim_start().to_ascii_lowercase();
    let shift = match suffix.strip_suffix('b').unwrap_or(&suffix) {
        "k" => 10,
        "m" => 20,
        "g" => 30,
        // Without a suffix, and with anything else, it is a plain number or nothing.
        _ => {
            return integer(text).and_then(|value| {
                u32::try_from(value).map_err(|_| format!("value '{text}' overflows uint32"))
            });
        }
    };
    let number: u128 = digits.parse().map_err(|_| format!("parsing {text:?}: invalid syntax"))?;
    let bytes = number.checked_mul(1 << shift).and_then(|bytes| u32::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("value '{text}' overflows uint32"))
}

/// A truth value in Go's and YAML 1.1's words.
pub fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// The protocol version that Fabric's client library speaks for a configured one
/// (`common/viperutil`).
pub(super) fn kafka_version(text: &str) -> Result<&'static str, String> {
    const FIRST_OF_RANGE: [(&[u64], &str); 11] = [
        (&[1], "1.0.0"),
        (&[0, 11], "0.11.0.0"),
        (&[0, 10, 2], "0.10.2.0"),
        (&[0, 10, 1], "0.10.1.0"),
        (&[0, 10, 0, 1], "0.10.0.1"),
        (&[0, 10], "0.10.0.0"),
        (&[0, 9, 0, 1], "0.9.0.1"),
        (&[0, 9], "0.9.0.0"),
        (&[0, 8, 2, 2], "0.8.2.2"),
        (&[0, 8, 2, 1], "0.8.2.1"),
        (&[0, 8, 2], "0.8.2.0"),
    ];
    let parts = text.strip_prefix('v').unwrap_or(text).split('.').map(str::parse);
    let mut version = parts
        .collect::<Result<Vec<u64>, _>>()
        .map_err(|_| format!("Unable to parse Kafka version: Malformed version: {text}"))?;
    version.resize(version.len().max(4), 0);
    let at_least = |first: &[u64]| {
        let padded = first.iter().copied().chain(std::iter::repeat(0));
        version.iter().copied().cmp(padded.take(version.len())).is_ge()
    };
    let range = FIRST_OF_RANGE.iter().find(|(first, _)| at_least(first));
    range.map(|(_, spoken)| *spoken).ok_or_else(|| format!("Unsupported Kafka version: '{text}'"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn durations() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("250ms", 250 * MILLISECOND),
            ("1h30m", 90 * MINUTE),
            ("1.5s", 1_500 * MILLISECOND),
            (".5s", 500 * MILLISECOND),
            ("1.s", SECOND),
            ("+2m3s", 123 * SECOND),
            ("7µs", 7_000),
            ("3ns", 3),
            ("0.25h", 15 * MINUTE),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for (text, error) in [
            ("15", "time: missing unit in duration \"15\""),
            ("", "time: invalid duration \"\""),
            ("abc", "time: invalid duration \"abc\""),
            ("3d", "time: unknown unit \"d\" in duration \"3d\""),
            ("1s2", "time: missing unit in duration \"1s2\""),
            ("9999999999h", "time: invalid duration \"9999999999h\""),
            ("-5s", "a negative duration \"-5s\" has no meaning here"),
        ] {
            assert_eq!(duration(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn shown_durations_are_gos() {
        for (nanoseconds, shown) in [
            (0, "0s"),
            (3, "3ns"),
            (1_500, "1.5µs"),
            (250 * MILLISECOND, "250ms"),
            (5 * SECOND, "5s"),
            (90 * SECOND, "1m30s"),
            (HOUR, "1h0m0s"),
            (168 * HOUR, "168h0m0s"),
            (1_500 * MILLISECOND, "1.5s"),
        ] {
            assert_eq!(show_duration(Duration::from_nanos(nanoseconds)), shown);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1 MB", 1 << 20),
            ("1m", 1 << 20),
            ("512 k", 512 << 10),
            ("3GB", 3 << 30),
            ("100", 100),
            ("0x10", 16),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["4 GB", "1 TB", "MB", "-1", "1.5 MB", "4294967296"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("4GB"), Err("value '4GB' overflows uint32".to_owned()));
    }

    #[test]
    fn kafka_versions_are_mapped_by_range() {
        for (text, spoken) in [
            ("0.8.2", "0.8.2.0"),
            ("0.8.2.1", "0.8.2.1"),
            ("0.8.3", "0.8.2.2"),
            ("0.9.0.0", "0.9.0.0"),
            ("0.9.1", "0.9.0.1"),
            ("0.10.0.0", "0.10.0.0"),
            ("0.10.0.2", "0.10.0.1"),
            ("0.10.1.1", "0.10.1.0"),
            ("0.10.2.2", "0.10.2.0"),
            ("0.11.0.3", "0.11.0.0"),
            ("1.0", "1.0.0"),
            ("3.6.1", "1.0.0"),
        ] {
            assert_eq!(kafka_version(text), Ok(spoken), "{text}");
        }
        assert_eq!(kafka_version("0.8.1"), Err("Unsupported Kafka version: '0.8.1'".to_owned()));
        assert!(kafka_version("newest").is_err());
    }
}

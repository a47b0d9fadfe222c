//! Durations in the text form of Go, in which channel configurations hold them.

/// Why a text is not a duration. The texts are those of Go's `time` package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text does not have the form of a duration, or is out of range.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number is followed by nothing.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A number is followed by something that is no unit.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// What follows the number.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Go's way to quote a text in these errors: quotes and backslashes are escaped, other bytes than
/// printable ASCII are written in hex.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    quoted.push_str(&format!("\\x{byte:02x}"));
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

/// The units, in nanoseconds. Both micro signs of Unicode are in use.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration such as `2s`, `1.5h` or `-1h2m3ms`; the result is in nanoseconds.
///
/// The range is that of a signed 64-bit integer, about 292 years each way.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let (term, after) = term(rest, text)?;
        nanoseconds = nanoseconds.checked_add(term).filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
        rest = after;
    }
    match negative {
        true => Ok((nanoseconds as i64).wrapping_neg()),
        false => i64::try_from(nanoseconds).map_err(|_| invalid()),
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn term<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (whole, after_whole) = digits(rest);
    let (fraction, after_number) = match after_whole.strip_prefix('.') {
        Some(after_point) => digits(after_point),
        None => ("", after_whole),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_end = after_number.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after_number.len());
    let (unit, after) = after_number.split_at(unit_end);
    if unit.is_empty() {
        return Err(DurationError::MissingUnit(text.to_owned()));
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
    };
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| invalid())?,
    };
    let value = whole.checked_mul(*scale).filter(|v| *v <= 1 << 63).ok_or_else(invalid)?;
    let value = value.checked_add(fraction_of(fraction, *scale)).filter(|v| *v <= 1 << 63);
    Ok((value.ok_or_else(invalid)?, after))
}

/// The part of `scale` that the digits after the point stand for, rounded down. Digits beyond the
/// eighteenth are below a nanosecond for every unit that fits.
fn fraction_of(digits: &str, scale: u64) -> u64 {
    let mut numerator: u64 = 0;
    let mut denominator: u64 = 1;
    for digit in digits.bytes().take(18) {
        numerator = numerator * 10 + u64::from(digit - b'0');
        denominator *= 10;
    }
    (u128::from(numerator) * u128::from(scale) / u128::from(denominator)) as u64
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Writes nanoseconds as Go does: `1h0m0.5s`, `300ms`, `0s`.
pub fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    let (scale, unit) = match magnitude {
        0 => return "0s".to_owned(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => {
            let minutes = magnitude / 60_000_000_000;
            let seconds = decimal(magnitude % 60_000_000_000, 1_000_000_000);
            return match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            };
        }
    };
    format!("{sign}{}{unit}", decimal(magnitude, scale))
}

/// `value / scale` without trailing zeros; `scale` is a power of ten.
fn decimal(value: u64, scale: u64) -> String {
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    format!("{whole}.{}", format!("{fraction:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read() {
        let table = [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("5s", Ok(5_000_000_000)),
            ("+5s", Ok(5_000_000_000)),
            ("-1s", Ok(-1_000_000_000)),
            ("1h2m3s4ms5us6ns", Ok(3_723_004_005_006)),
            ("1.5h", Ok(5_400_000_000_000)),
            (".5s", Ok(500_000_000)),
            ("5.s", Ok(5_000_000_000)),
            ("12µs34μs", Ok(46_000)),
            ("0.3333333333333333333h", Ok(1_200_000_000_000 - 1)),
            ("9223372036854775807ns", Ok(i64::MAX)),
            ("-9223372036854775808ns", Ok(i64::MIN)),
            ("9223372036854775808ns", Err("time: invalid duration \"9223372036854775808ns\"")),
            ("99999999999999999999s", Err("time: invalid duration \"99999999999999999999s\"")),
            ("3000000h", Err("time: invalid duration \"3000000h\"")),
            ("", Err("time: invalid duration \"\"")),
            ("-", Err("time: invalid duration \"-\"")),
            ("soon", Err("time: invalid duration \"soon\"")),
            (".s", Err("time: invalid duration \".s\"")),
            ("3", Err("time: missing unit in duration \"3\"")),
            ("1s3", Err("time: missing unit in duration \"1s3\"")),
            ("3x", Err("time: unknown unit \"x\" in duration \"3x\"")),
            ("3 s", Err("time: unknown unit \" s\" in duration \"3 s\"")),
            ("3\"é", Err("time: unknown unit \"\\\"\\xc3\\xa9\" in duration \"3\\\"\\xc3\\xa9\"")),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map_err(|e| e.to_string()), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn durations_are_written() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (300_000_000, "300ms"),
            (2_000_000_000, "2s"),
            (-1_000_000_000, "-1s"),
            (60_000_000_000, "1m0s"),
            (3_600_500_000_000, "1h0m0.5s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanoseconds, text) in table {
            assert_eq!(format(nanoseconds), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(nanoseconds: i64) {
            prop_assert_eq!(parse(&format(nanoseconds)), Ok(nanoseconds));
        }

        #[test]
        fn any_text_is_answered(text in "[-+.0-9hmsnuµ ]{0,24}") {
            let _ = parse(&text);
        }
    }
}

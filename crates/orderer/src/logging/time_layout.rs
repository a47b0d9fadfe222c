//! Go's time layouts, for UTC.

use std::fmt::Write;
use time::OffsetDateTime;

/// A layout such as `2006-01-02 15:04:05.000 MST`, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimeLayout(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Year4,
    Year2,
    MonthName {
        short: bool,
    },
    Month {
        padded: bool,
    },
    DayName {
        short: bool,
    },
    Day {
        pad: &'static str,
    },
    Hour24,
    Hour12 {
        padded: bool,
    },
    Minute {
        padded: bool,
    },
    Second {
        padded: bool,
    },
    AmPm {
        upper: bool,
    },
    /// Digits behind the point (or comma), cut off; `trimmed`: without trailing zeros, and
    /// without the point when there are none.
    Fraction {
        point: char,
        digits: usize,
        trimmed: bool,
    },
    /// All ways to write the zone, which is UTC.
    Zone(&'static str),
}

/// Longest first where one begins with another.
const PARTS: &[(&str, Part)] = &[
    ("January", Part::MonthName { short: false }),
    ("Monday", Part::DayName { short: false }),
    ("2006", Part::Year4),
    ("Z07:00:00", Part::Zone("Z")),
    ("-07:00:00", Part::Zone("+00:00:00")),
    ("Z070000", Part::Zone("Z")),
    ("-070000", Part::Zone("+000000")),
    ("Z07:00", Part::Zone("Z")),
    ("-07:00", Part::Zone("+00:00")),
    ("Z0700", Part::Zone("Z")),
    ("-0700", Part::Zone("+0000")),
    ("Z07", Part::Zone("Z")),
    ("-07", Part::Zone("+00")),
    ("MST", Part::Zone("UTC")),
    ("Jan", Part::MonthName { short: true }),
    ("Mon", Part::DayName { short: true }),
    ("01", Part::Month { padded: true }),
    ("02", Part::Day { pad: "0" }),
    ("_2", Part::Day { pad: " " }),
    ("03", Part::Hour12 { padded: true }),
    ("04", Part::Minute { padded: true }),
    ("05", Part::Second { padded: true }),
    ("06", Part::Year2),
    ("15", Part::Hour24),
    ("PM", Part::AmPm { upper: true }),
    ("pm", Part::AmPm { upper: false }),
    ("1", Part::Month { padded: false }),
    ("2", Part::Day { pad: "" }),
    ("3", Part::Hour12 { padded: false }),
    ("4", Part::Minute { padded: false }),
    ("5", Part::Second { padded: false }),
];

impl TimeLayout {
    pub(super) fn parse(layout: &str) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = layout;
        while let Some(first) = rest.chars().next() {
            let known = PARTS.iter().find(|(text, _)| rest.starts_with(text));
            if let Some((fraction, length)) = fraction(rest) {
                parts.push(fraction);
                rest = &rest[length..];
            } else if let Some((text, part)) = known {
                parts.push(part.clone());
                rest = &rest[text.len()..];
            } else {
                match parts.last_mut() {
                    Some(Part::Text(text)) => text.push(first),
                    _ => parts.push(Part::Text(first.to_string())),
                }
                rest = &rest[first.len_utf8()..];
            }
        }
        Self(parts)
    }

    /// Appends the time, which must be in UTC.
    pub(super) fn write(&self, out: &mut String, at: OffsetDateTime) {
        for part in &self.0 {
            // Writing to a String cannot fail.
            let _ = part.write(out, at);
        }
    }
}

/// `.000` or `.999` with any number of digits, not followed by another digit.
fn fraction(rest: &str) -> Option<(Part, usize)> {
    let point = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|c| *c == digit).count();
    if rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Part::Fraction { point, digits: digits.min(9), trimmed: digit == '9' }, 1 + digits))
}

impl Part {
    fn write(&self, out: &mut String, at: OffsetDateTime) -> std::fmt::Result {
        let cut = |name: String, short: bool| if short { name[..3].to_owned() } else { name };
        let hour = (at.hour() + 11) % 12 + 1;
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Year4 => write!(out, "{:04}", at.year())?,
            Self::Year2 => write!(out, "{:02}", at.year().rem_euclid(100))?,
            // Names of months and days are longer than three letters and ASCII.
            Self::MonthName { short } => out.push_str(&cut(at.month().to_string(), *short)),
            Self::DayName { short } => out.push_str(&cut(at.weekday().to_string(), *short)),
            Self::Month { padded: true } => write!(out, "{:02}", u8::from(at.month()))?,
            Self::Month { padded: false } => write!(out, "{}", u8::from(at.month()))?,
            Self::Day { pad } => {
                if at.day() < 10 {
                    out.push_str(pad);
                }
                write!(out, "{}", at.day())?;
            }
            Self::Hour24 => write!(out, "{:02}", at.hour())?,
            Self::Hour12 { padded: true } => write!(out, "{hour:02}")?,
            Self::Hour12 { padded: false } => write!(out, "{hour}")?,
            Self::Minute { padded: true } => write!(out, "{:02}", at.minute())?,
            Self::Minute { padded: false } => write!(out, "{}", at.minute())?,
            Self::Second { padded: true } => write!(out, "{:02}", at.second())?,
            Self::Second { padded: false } => write!(out, "{}", at.second())?,
            Self::AmPm { upper } => out.push_str(match (at.hour() < 12, upper) {
                (true, true) => "AM",
                (true, false) => "am",
                (false, true) => "PM",
                (false, false) => "pm",
            }),
            Self::Fraction { point, digits, trimmed } => {
                let all = format!("{:09}", at.nanosecond());
                let kept = &all[..*digits];
                let kept = if *trimmed { kept.trim_end_matches('0') } else { kept };
                if !kept.is_empty() {
                    write!(out, "{point}{kept}")?;
                }
            }
            Self::Zone(text) => out.push_str(text),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn layouts() {
        let at = datetime!(2026-03-07 02:04:08.607_050 UTC);
        for (layout, shown) in [
            ("2006-01-02 15:04:05.000 MST", "2026-03-07 02:04:08.607 UTC"),
            ("2006-01-02T15:04:05.999Z07:00", "2026-03-07T02:04:08.607Z"),
            ("15:04:05.999999", "02:04:08.60705"),
            ("15:04:05,0", "02:04:08,6"),
            ("Mon Jan _2 3:04PM 06 -0700", "Sat Mar  7 2:04AM 26 +0000"),
            ("Monday, January 2, 2006 at 03:4:5 pm", "Saturday, March 7, 2026 at 02:4:8 am"),
            ("at .0001 x", "at .0003 x"),
        ] {
            let mut out = String::new();
            TimeLayout::parse(layout).write(&mut out, at);
            assert_eq!(out, shown, "{layout}");
        }
        let mut out = String::new();
        TimeLayout::parse("05.999|3PM").write(&mut out, datetime!(2026-03-07 12:00:00 UTC));
        assert_eq!(out, "00|12PM");
    }
}

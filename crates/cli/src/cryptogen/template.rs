//! The part of Go's templates that host names are written with.
//!
//! Fields (`{{.Hostname}}`), texts, and both forms of `printf` (`{{printf "%02d" .Index}}`,
//! `{{.Index | printf "%02d"}}`), with comments and trim markers.

/// A value that a template may use.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    Text(&'a str),
    Number(i64),
}

/// Why a template cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("{{{{ without }}}}")]
    Unclosed,
    #[error("there is no field .{name} here, only {known}")]
    UnknownField { name: String, known: String },
    #[error("{{{{{action}}}}} is not understood; fields such as {{{{.Domain}}}} and printf are")]
    Action { action: String },
    #[error("printf cannot print {argument} with {format:?}; %s, %v, %d and %02d are understood")]
    Format { format: String, argument: String },
}

/// Fills in a template.
pub(super) fn render(template: &str, fields: &[(&str, Field<'_>)]) -> Result<String, TemplateError> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, behind)) = rest.split_once("{{") {
        let (action, behind) = behind.split_once("}}").ok_or(TemplateError::Unclosed)?;
        let (action, trims_left) = match action.strip_prefix("- ") {
            Some(action) => (action, true),
            None => (action, false),
        };
        out.push_str(if trims_left { text.trim_end() } else { text });
        let (action, trims_right) = match action.strip_suffix(" -") {
            Some(action) => (action, true),
            None => (action, false),
        };
        if !(action.starts_with("/*") && action.ends_with("*/")) {
            out.push_str(&perform(action.trim(), fields)?);
        }
        rest = if trims_right { behind.trim_start() } else { behind };
    }
    out.push_str(rest);
    Ok(out)
}

fn perform(action: &str, fields: &[(&str, Field<'_>)]) -> Result<String, TemplateError> {
    let unknown = || TemplateError::Action { action: action.to_owned() };
    let words = words(action).ok_or_else(unknown)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["printf", format, argument] | [argument, "|", "printf", format] => {
            let format_text = literal(format).ok_or_else(unknown)?;
            print(format_text, operand(argument, fields)?.ok_or_else(unknown)?, argument)
        }
        [argument] => match operand(argument, fields)?.ok_or_else(unknown)? {
            Field::Text(text) => Ok(text.to_owned()),
            Field::Number(number) => Ok(number.to_string()),
        },
        _ => Err(unknown()),
    }
}

/// The value of a field or of a text in quotes; `None` for what is neither.
fn operand<'a>(word: &'a str, fields: &[(&str, Field<'a>)]) -> Result<Option<Field<'a>>, TemplateError> {
    if let Some(text) = literal(word) {
        return Ok(Some(Field::Text(text)));
    }
    let Some(name) = word.strip_prefix("$.").or_else(|| word.strip_prefix('.')) else { return Ok(None) };
    let found = fields.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
    found.map(Some).ok_or_else(|| TemplateError::UnknownField {
        name: name.to_owned(),
        known: fields.iter().map(|(name, _)| format!(".{name}")).collect::<Vec<_>>().join(", "),
    })
}

fn literal(word: &str) -> Option<&str> {
    let quoted = |quote: char| word.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').filter(|text| !text.contains('\\')).or_else(|| quoted('`'))
}

/// `printf` with one verb.
fn print(format: &str, value: Field<'_>, argument: &str) -> Result<String, TemplateError> {
    let refused = || TemplateError::Format { format: format.to_owned(), argument: argument.to_owned() };
    let (before, verb) = format.split_once('%').ok_or_else(refused)?;
    let end = verb.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
    let (width, verb) = verb.split_at(end);
    let (verb, after) = verb.split_at(1.min(verb.len()));
    // Two digits are more than a host name needs, and a width of billions would be a trap.
    if after.contains('%') || width.len() > 2 {
        return Err(refused());
    }
    let columns: usize = width.parse().unwrap_or_default();
    let printed = match (verb, value) {
        ("d" | "v", Field::Number(number)) if width.starts_with('0') => format!("{number:0columns$}"),
        ("d" | "v", Field::Number(number)) => format!("{number:columns$}"),
        ("s" | "v", Field::Text(text)) => format!("{text:>columns$}"),
        _ => return Err(refused()),
    };
    Ok(format!("{before}{printed}{after}"))
}

/// Words and texts in quotes; a pipe is a word of its own. `None` when a quote does not end.
fn words(action: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '|' => 1,
            '"' | '`' => rest[1..].find(first)? + 2,
            _ => rest.find(|c: char| c.is_whitespace() || c == '|').unwrap_or(rest.len()),
        };
        words.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[(&str, Field<'_>)] =
        &[("Prefix", Field::Text("peer")), ("Index", Field::Number(7)), ("Domain", Field::Text("org.com"))];

    /// What Go's `text/template` makes of the same.
    #[test]
    fn templates_are_filled_in_as_in_go() {
        for (template, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{{.Prefix}}{{.Index}}", "peer7"),
            ("{{ .Prefix }}-{{$.Index}}.{{.Domain}}", "peer-7.org.com"),
            ("a {{- .Prefix -}} b", "apeerb"),
            ("a{{/* why */}}b", "ab"),
            ("{{printf \"%02d\" .Index}}", "07"),
            ("{{.Index | printf \"n%03d!\"}}", "n007!"),
            ("{{printf `%s` .Prefix}}", "peer"),
            ("{{\"}\"}}", "}"),
        ] {
            assert_eq!(render(template, FIELDS).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (template, expected) in [
            ("{{.Index", "{{ without }}"),
            ("{{.Nope}}", "there is no field .Nope here, only .Prefix, .Index, .Domain"),
            ("{{if .Index}}a", "{{if .Index}} is not understood; fields such as {{.Domain}} and printf are"),
            ("{{}}", "{{}} is not understood; fields such as {{.Domain}} and printf are"),
            ("{{\"a}}", "{{\"a}} is not understood; fields such as {{.Domain}} and printf are"),
            (
                "{{printf \"%d\" .Prefix}}",
                "printf cannot print .Prefix with \"%d\"; %s, %v, %d and %02d are understood",
            ),
            (
                "{{printf \"%\" .Index}}",
                "printf cannot print .Index with \"%\"; %s, %v, %d and %02d are understood",
            ),
            (
                "{{printf \"%0999d\" .Index}}",
                "printf cannot print .Index with \"%0999d\"; %s, %v, %d and %02d are understood",
            ),
        ] {
            let error = render(template, FIELDS).map_err(|error| error.to_string());
            assert_eq!(error, Err(expected.to_owned()), "{template}");
        }
    }
}

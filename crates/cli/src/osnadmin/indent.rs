//! JSON with line breaks, as Go's `json.Indent` sets them: numbers, texts and the order of keys stay as they are.

/// The document, which must be valid JSON, with a tab for every level.
pub(super) fn indent(document: &str) -> String {
    let mut out = String::with_capacity(document.len() * 2);
    let mut depth = 0usize;
    let mut in_text = false;
    let mut escaped = false;
    // An opened list or object in which nothing has come yet.
    let mut empty = false;
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n('\t', depth));
    };
    // Go keeps the white space behind a document, and only that.
    let trimmed = document.trim_end_matches([' ', '\t', '\r', '\n']);
    let (document, tail) = document.split_at(trimmed.len());
    for letter in document.chars() {
        if in_text {
            out.push(letter);
            in_text = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        if letter.is_ascii_whitespace() {
            continue;
        }
        if empty && !matches!(letter, ']' | '}') {
            depth += 1;
            new_line(&mut out, depth);
            empty = false;
        }
        match letter {
            '{' | '[' => {
                empty = true;
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '}' | ']' if empty => {
                empty = false;
                out.push(letter);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            _ => {
                in_text = letter == '"';
                out.push(letter);
            }
        }
    }
    out + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's `json.Indent(…, "", "\t")` makes of them.
    #[test]
    fn documents_are_set_as_by_go() {
        for (document, expected) in [
            ("{}", "{}"),
            ("[ ]\n", "[]\n"),
            (" null\n", "null\n"),
            (
                r#"{"systemChannel":null,"channels":null}"#,
                "{\n\t\"systemChannel\": null,\n\t\"channels\": null\n}",
            ),
            (
                "{\"b\":[{\"a\":1.50},{}],\"c\" : \"x{,\\\"}: \\\\\"}\n",
                "{\n\t\"b\": [\n\t\t{\n\t\t\t\"a\": 1.50\n\t\t},\n\t\t{}\n\t],\n\t\"c\": \"x{,\\\"}: \\\\\"\n}\n",
            ),
            ("[[],[[1]]]", "[\n\t[],\n\t[\n\t\t[\n\t\t\t1\n\t\t]\n\t]\n]"),
        ] {
            assert_eq!(indent(document), expected, "{document}");
        }
    }
}

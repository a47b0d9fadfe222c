//! Lists of texts.

use std::path::PathBuf;

use super::{Base, Section, Source};
use crate::settings::yaml::{Node, Value};

impl Section<'_> {
    /// A list of paths.
    pub(in crate::settings) fn paths(&self, key: &str, base: Base) -> Vec<PathBuf> {
        let from_file = |_: &str, _: &[u8]| Err("takes paths, not {File: path}".to_owned());
        self.list(key, from_file, |text| self.resolve(base, text))
    }

    /// PEM certificates, given as text or as the file that holds them all.
    pub(in crate::settings) fn certificates(&self, key: &str) -> Vec<String> {
        let split = |name: &str, bytes: &[u8]| {
            let blocks = pem::parse_many(bytes).map_err(|error| format!("{name}: {error}"))?;
            let certificates = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
            Ok(certificates.map(pem::encode).collect())
        };
        self.list(key, split, |text: &str| text.to_owned())
    }

    /// A list of texts; a text on its own is a list of one, `[a, b]` in one text a list of several.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let from_file = |_: &str, _: &[u8]| Err("takes texts, not {File: path}".to_owned());
        self.list(key, from_file, |text| text.to_owned())
    }

    fn list<T>(
        &self,
        key: &str,
        from_file: impl Fn(&str, &[u8]) -> Result<Vec<String>, String>,
        make: impl Fn(&str) -> T,
    ) -> Vec<T> {
        let path = self.path_of(key);
        let texts = match self.source(key) {
            Source::Absent => Ok(Vec::new()),
            Source::Environment(text) => Ok(split_list(text)),
            Source::File { name, bytes } => from_file(&name, &bytes),
            Source::Tree(Node { value: Value::Scalar { text, .. }, .. }) => Ok(split_list(text)),
            Source::Tree(Node { value: Value::Sequence(items), .. }) => items
                .iter()
                .map(|item| match &item.value {
                    Value::Scalar { text, .. } => Ok(text.clone()),
                    Value::Null => Ok(String::new()),
                    _ => Err(format!("line {}: expected a text", item.line)),
                })
                .collect(),
            Source::Tree(node) => Err(format!("line {}: expected a list", node.line)),
        };
        let texts = texts.unwrap_or_else(|error| {
            self.reader.problem(format!("error decoding '{path}': {error}"));
            Vec::new()
        });
        // PEM text would fill the log; the number of certificates tells enough.
        let shown = if texts.iter().any(|text| text.contains("-----BEGIN")) {
            format!("[{} certificates]", texts.len())
        } else {
            format!("[{}]", texts.join(" "))
        };
        self.reader.noted.borrow_mut().listing.push((path, shown));
        texts.iter().map(|text| make(text)).collect()
    }
}

/// `[a, b]` is a list, anything else one element, nothing none.
fn split_list(text: &str) -> Vec<String> {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) if inside.trim().is_empty() => Vec::new(),
        Some(inside) => inside.split(',').map(|item| item.trim().to_owned()).collect(),
        None if text.is_empty() => Vec::new(),
        None => vec![text.to_owned()],
    }
}

//! Reading typed values out of a YAML tree, with Fabric's rules of what is a number or a truth value.

use orderer::settings::yaml::{Entry, Node, Value};

/// Why a value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {key}: {found} is {expected}", found = describe(found))]
pub(super) struct ReadError {
    line: usize,
    /// Where it stands in the tree, as in `PeerOrgs[0].Template.Count`.
    key: String,
    found: String,
    /// What it should be: `no whole number`.
    expected: &'static str,
}

fn describe(found: &str) -> String {
    if found.is_empty() { "this".to_owned() } else { format!("{found:?}") }
}

/// The mapping that stands at a key, of which certain keys are known.
pub(super) struct Section<'a> {
    path: String,
    entries: &'a [Entry],
}

/// What is worth saying about keys that nobody reads.
pub(super) type Remarks = Vec<String>;

impl<'a> Section<'a> {
    /// The tree's top or the mapping at `path`; nothing there is an empty one. Keys besides `known` are ignored,
    /// as Fabric does, but remarked on.
    pub(super) fn read(
        node: Option<&'a Node>,
        path: &str,
        known: &[&str],
        remarks: &mut Remarks,
    ) -> Result<Self, ReadError> {
        let entries = match node.map(|node| &node.value) {
            None | Some(Value::Null) => &[][..],
            Some(Value::Mapping(entries)) => entries,
            Some(_) => return Err(mismatch(node, path, "no mapping of keys to values")),
        };
        for Entry { key, line, .. } in entries {
            if !known.contains(&key.as_str()) {
                let meant = known.iter().find(|name| name.eq_ignore_ascii_case(key));
                let advice = meant.map_or_else(
                    || format!("known here: {}", known.join(", ")),
                    |name| format!("did you mean {name}?"),
                );
                let key = join(path, key);
                remarks.push(format!("line {line}: nobody reads {key}; {advice}"));
            }
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    /// The line in which the section's first key stands.
    pub(super) fn line(&self) -> usize {
        self.entries.first().map_or(1, |entry| entry.line)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// A text; empty when there is none.
    pub(super) fn text(&self, key: &str) -> Result<String, ReadError> {
        text(self.get(key), &self.path(key))
    }

    /// A whole number; zero when there is none.
    pub(super) fn integer(&self, key: &str) -> Result<i64, ReadError> {
        let node = self.get(key);
        let refused = || mismatch(node, &self.path(key), "no whole number");
        match node.map(|node| &node.value) {
            None | Some(Value::Null) => Ok(0),
            Some(Value::Scalar { text, plain: true }) => integer(text).ok_or_else(refused),
            Some(_) => Err(refused()),
        }
    }

    /// A truth value; false when there is none.
    pub(super) fn truth(&self, key: &str) -> Result<bool, ReadError> {
        let node = self.get(key);
        let refused = || mismatch(node, &self.path(key), "neither true nor false");
        match node.map(|node| &node.value) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Scalar { text, plain: true }) => truth(text).ok_or_else(refused),
            Some(_) => Err(refused()),
        }
    }

    /// A list; empty when there is none. With each item comes its path.
    pub(super) fn list(&self, key: &str) -> Result<Vec<(String, &'a Node)>, ReadError> {
        let (node, path) = (self.get(key), self.path(key));
        match node.map(|node| &node.value) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Sequence(items)) => {
                Ok(items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect())
            }
            Some(_) => Err(mismatch(node, &path, "no list")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, ReadError> {
        self.list(key)?.into_iter().map(|(path, node)| text(Some(node), &path)).collect()
    }
}

fn text(node: Option<&Node>, path: &str) -> Result<String, ReadError> {
    match node.map(|node| &node.value) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Scalar { text, .. }) => Ok(text.clone()),
        Some(_) => Err(mismatch(node, path, "no text")),
    }
}

fn mismatch(node: Option<&Node>, path: &str, expected: &'static str) -> ReadError {
    let found = match node.map(|node| &node.value) {
        Some(Value::Scalar { text, .. }) => text.clone(),
        _ => String::new(),
    };
    let key = if path.is_empty() { "the file" } else { path }.to_owned();
    ReadError { line: node.map_or(1, |node| node.line), key, found, expected }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// YAML 1.1's whole numbers, which is what Fabric's reader takes.
fn integer(text: &str) -> Option<i64> {
    let digits = text.replace('_', "");
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let radix = |prefix: &str, radix| Some(i64::from_str_radix(digits.strip_prefix(prefix)?, radix));
    let number = [radix("0x", 16), radix("0o", 8), radix("0b", 2)].into_iter().find_map(|number| number);
    let magnitude = match number {
        Some(number) => number.ok()?,
        None if !digits.starts_with(|c: char| c.is_ascii_digit()) => return None,
        None if digits.len() > 1
            && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
            && digits.starts_with('0') =>
        {
            i64::from_str_radix(digits, 8).ok()?
        }
        None => digits.strip_suffix(".0").unwrap_or(digits).parse().ok()?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// YAML 1.1's truth values.
fn truth(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_truth_values_are_those_of_yaml_1_1() {
        for (text, number) in [
            ("0", 0),
            ("12", 12),
            ("-3", -3),
            ("+4", 4),
            ("0x1F", 31),
            ("017", 15),
            ("0b11", 3),
            ("1_000", 1000),
            ("2.0", 2),
        ] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
        for text in ["", "x", "1x", "-", "1.5", "99999999999999999999", ".0", "0x"] {
            assert_eq!(integer(text), None, "{text}");
        }
        assert_eq!((truth("yes"), truth("Off"), truth("yEs")), (Some(true), Some(false), None));
    }
}

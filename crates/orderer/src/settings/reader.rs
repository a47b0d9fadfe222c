//! Reading typed values out of the tree and the environment by Fabric's rules
//! (`common/viperutil`): keys without regard to case, `ORDERER_<PATH>` in front of the file,
//! `{File: path}` and `ORDERER_<PATH>_FILE`, unknown keys refused.
//!
//! Each value is named once, by the schema; reading it notes it for the listing of all settings,
//! and what is wrong with it for one error that tells of everything.

use super::units;
use super::yaml::{Entry, Node, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prefix of the environment's names.
const PREFIX: &str = "ORDERER_";

/// What a value may be read from besides the tree.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Directory of the settings file, which some paths are relative to.
    pub(super) directory: &'a Path,
    /// Reads the file of a `{File: path}`.
    pub(super) read_file: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
    noted: RefCell<Noted>,
}

/// What came up while reading.
#[derive(Default)]
pub(super) struct Noted {
    /// Values that cannot be used and keys that do not exist, in order.
    pub(super) problems: Vec<String>,
    /// Combinations of values that Fabric's orderer does not start with, in its words.
    pub(super) refusals: Vec<String>,
    /// Each setting with its final value.
    pub(super) listing: Vec<(String, String)>,
    /// Defaults that Fabric says it filled in.
    pub(super) remarks: Vec<String>,
    /// Values without the effect that was meant.
    pub(super) warnings: Vec<String>,
    environment_used: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        environment: &'a BTreeMap<String, String>,
        directory: &'a Path,
        read_file: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
    ) -> Self {
        Self { environment, directory, read_file, noted: RefCell::default() }
    }

    /// The tree's top.
    pub(super) fn top(&'a self, node: &'a Node) -> Section<'a> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            _ => &[],
        };
        Section { reader: self, path: String::new(), entries, opaque: false, known: RefCell::default() }
    }

    pub(super) fn into_noted(self) -> Noted {
        self.noted.into_inner()
    }

    /// Names with the prefix that no setting was read from.
    pub(super) fn environment_unused(&self) -> Vec<String> {
        let noted = self.noted.borrow();
        let ours = self.environment.keys().filter(|name| name.starts_with(PREFIX));
        ours.filter(|name| !noted.environment_used.contains(*name)).cloned().collect()
    }

    fn problem(&self, text: String) {
        self.noted.borrow_mut().problems.push(text);
    }

    /// Refuses a combination of values.
    pub(super) fn refuse(&self, text: String) {
        self.noted.borrow_mut().refusals.push(text);
    }

    /// The environment's value for a path; an empty one counts as none.
    fn environment_value(&self, path: &str) -> Option<&'a str> {
        let name = format!("{PREFIX}{}", path.replace('.', "_")).to_uppercase();
        let value = self.environment.get(&name)?;
        self.noted.borrow_mut().environment_used.insert(name);
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// What a relative path is relative to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    /// The directory of the settings file.
    SettingsFile,
    /// The working directory of the process.
    WorkingDirectory,
}

/// A mapping of the tree, or its absence.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    path: String,
    entries: &'a [Entry],
    /// Untyped in Fabric: unknown keys are ignored, and the environment reaches only keys that
    /// the file has.
    opaque: bool,
    /// Lower-case keys that were asked for.
    known: RefCell<BTreeSet<String>>,
}

/// Where a value comes from.
enum Source<'a> {
    Absent,
    Environment(&'a str),
    Tree(&'a Node),
    /// The contents of a file.
    File {
        name: String,
        bytes: Vec<u8>,
    },
}

impl<'a> Section<'a> {
    /// Path of a key of this section.
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.known.borrow_mut().insert(key.to_lowercase());
        self.entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key))
    }

    /// Whether the key has a value in the file or the environment.
    pub(super) fn is_set(&self, key: &str) -> bool {
        let in_file = self.entry(key).is_some_and(|entry| !matches!(entry.node.value, Value::Null));
        in_file || self.reader.environment_value(&self.path_of(key)).is_some()
    }

    /// Directory of the settings file.
    pub(super) fn directory(&self) -> &'a Path {
        self.reader.directory
    }

    /// Reports a value that was read and cannot be used.
    pub(super) fn reject(&self, key: &str, reason: &str) {
        self.reader.problem(format!("error decoding '{}': {reason}", self.path_of(key)));
    }

    /// Refuses a combination of values.
    pub(super) fn refuse(&self, text: String) {
        self.reader.refuse(text);
    }

    /// Warns of a value without the effect that was meant.
    pub(super) fn warn(&self, text: String) {
        self.reader.noted.borrow_mut().warnings.push(text);
    }

    /// A section of this one that Fabric leaves untyped.
    pub(super) fn opaque_section(&self, key: &str) -> Section<'a> {
        Section { opaque: true, ..self.section(key) }
    }

    /// A section of this one.
    pub(super) fn section(&self, key: &str) -> Section<'a> {
        let path = self.path_of(key);
        let kind_instead = if self.reader.environment_value(&path).is_some() {
            Some("string".to_owned())
        } else {
            self.entry(key).and_then(|entry| match &entry.node.value {
                Value::Mapping(_) | Value::Null => None,
                Value::Scalar { .. } => Some(format!("string' (line {})", entry.node.line)),
                Value::Sequence(_) => Some(format!("slice' (line {})", entry.node.line)),
            })
        };
        let entries = match (&kind_instead, self.entry(key).map(|entry| &entry.node.value)) {
            (None, Some(Value::Mapping(entries))) => entries.as_slice(),
            _ => &[],
        };
        if let Some(kind) = kind_instead {
            let closing = if kind.ends_with(')') { "" } else { "'" };
            self.reader.problem(format!("'{path}' expected a map, got '{kind}{closing}"));
        }
        Section { reader: self.reader, path, entries, opaque: self.opaque, known: RefCell::default() }
    }

    /// Says that a key exists and is ignored.
    pub(super) fn ignore(&self, key: &str) {
        self.entry(key);
    }

    /// Ends the section: every key that was not asked for is reported, as Fabric does, and with
    /// its line.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        if self.opaque {
            return;
        }
        let unknown: Vec<_> =
            self.entries.iter().filter(|entry| !known.contains(&entry.key.to_lowercase())).collect();
        if unknown.is_empty() {
            return;
        }
        let keys: Vec<_> = unknown.iter().map(|entry| entry.key.as_str()).collect();
        let lines: Vec<_> =
            unknown.iter().map(|entry| format!("{} in line {}", entry.key, entry.line)).collect();
        let (keys, lines) = (keys.join(", "), lines.join(", "));
        self.reader.problem(format!("'{}' has invalid keys: {keys} ({lines})", self.path));
    }

    fn source(&self, key: &str) -> Source<'a> {
        let path = self.path_of(key);
        let entry = self.entry(key);
        if entry.is_none() && self.opaque {
            return Source::Absent;
        }
        if let Some(text) = self.reader.environment_value(&path) {
            return Source::Environment(text);
        }
        match entry.map(|entry| &entry.node) {
            None | Some(Node { value: Value::Null, .. }) => {
                match self.reader.environment_value(&format!("{path}.File")) {
                    Some(name) => self.file(&path, name),
                    None => Source::Absent,
                }
            }
            Some(Node { value: Value::Mapping(entries), line }) => {
                let file = entries.iter().find(|entry| entry.key == "File" || entry.key == "file");
                match file.map(|entry| &entry.node.value) {
                    Some(Value::Scalar { text, .. }) => {
                        let overriding = self.reader.environment_value(&format!("{path}.File"));
                        self.file(&path, overriding.unwrap_or(text))
                    }
                    Some(_) => {
                        self.reader.problem(format!(
                            "error decoding '{path}' (line {line}): Value of File: was nil"
                        ));
                        Source::Absent
                    }
                    None => {
                        self.reader.problem(format!("'{path}' (line {line}): expected one value, got a map"));
                        Source::Absent
                    }
                }
            }
            Some(node) => Source::Tree(node),
        }
    }

    fn file(&self, path: &str, name: &str) -> Source<'a> {
        match (self.reader.read_file)(Path::new(name)) {
            Ok(bytes) => Source::File { name: name.to_owned(), bytes },
            Err(error) => {
                self.reader.problem(format!("error decoding '{path}': open {name}: {error}"));
                Source::Absent
            }
        }
    }

    /// One text turned into a value; `plain` tells of an unquoted text of the file.
    fn scalar<T: Default>(
        &self,
        key: &str,
        convert: impl Fn(&str, bool) -> Result<T, String>,
    ) -> Setting<'_, 'a, T> {
        let path = self.path_of(key);
        let (outcome, place) = match self.source(key) {
            Source::Absent => (Ok(T::default()), String::new()),
            Source::Environment(text) => (convert(text, false), " (environment)".to_owned()),
            Source::File { name, bytes } => {
                let text = String::from_utf8(bytes).map_err(|_| "the file holds no text".to_owned());
                (text.and_then(|text| convert(&text, false)), format!(" ({name})"))
            }
            Source::Tree(Node { line, value: Value::Scalar { text, plain } }) => {
                (convert(text, *plain), format!(" (line {line})"))
            }
            Source::Tree(Node { line, .. }) => {
                (Err("expected one value, got a list".to_owned()), format!(" (line {line})"))
            }
        };
        let value = outcome.unwrap_or_else(|error| {
            self.reader.problem(format!("error decoding '{path}'{place}: {error}"));
            T::default()
        });
        Setting { section: self, path, value }
    }

    /// A text turned into another one.
    pub(super) fn converted(
        &self,
        key: &str,
        convert: impl Fn(&str) -> Result<String, String>,
    ) -> Setting<'_, 'a, String> {
        self.scalar(key, |text, _| if text.is_empty() { Ok(String::new()) } else { convert(text) })
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Setting<'_, 'a, String> {
        self.scalar(key, |text, _| Ok(text.to_owned()))
    }

    /// One of a few words, without regard to case; an unknown word's error names them all.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Setting<'_, 'a, Option<T>> {
        self.scalar(key, |text, _| {
            if text.is_empty() {
                return Ok(None);
            }
            let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            found.map(|(_, value)| Some(*value)).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("{text:?} is none of {}", words.join(", "))
            })
        })
    }

    /// A truth value.
    pub(super) fn truth(&self, key: &str) -> Setting<'_, 'a, bool> {
        self.scalar(key, |text, _| if text.is_empty() { Ok(false) } else { units::truth(text) })
    }

    /// A duration; an unquoted integer of the file counts nanoseconds.
    pub(super) fn duration(&self, key: &str) -> Setting<'_, 'a, Duration> {
        self.scalar(key, |text, plain| match units::integer(text) {
            Ok(nanoseconds) if plain => {
                let nanoseconds = u64::try_from(nanoseconds);
                nanoseconds
                    .map(Duration::from_nanos)
                    .map_err(|_| format!("{text} nanoseconds are out of range"))
            }
            _ => units::duration(text),
        })
    }

    /// An integer that fits its type.
    pub(super) fn number<T: TryFrom<i128> + Default>(&self, key: &str) -> Setting<'_, 'a, T> {
        self.scalar(key, |text, _| {
            let value = if text.is_empty() { 0 } else { units::integer(text)? };
            T::try_from(value)
                .map_err(|_| format!("{text} is out of range for {}", std::any::type_name::<T>()))
        })
    }

    /// A size in bytes, which may have a suffix.
    pub(super) fn size(&self, key: &str) -> Setting<'_, 'a, u32> {
        self.scalar(key, |text, _| if text.is_empty() { Ok(0) } else { units::size(text) })
    }

    /// A path; empty when absent.
    pub(super) fn path(&self, key: &str, base: Base) -> Setting<'_, 'a, PathBuf> {
        self.scalar(key, |text, _| Ok(self.resolve(base, text)))
    }

    /// A list of paths.
    pub(super) fn paths(&self, key: &str, base: Base) -> Vec<PathBuf> {
        let from_file = |_: &str, _: &[u8]| Err("takes paths, not {File: path}".to_owned());
        self.list(key, from_file, |text| self.resolve(base, text))
    }

    fn resolve(&self, base: Base, text: &str) -> PathBuf {
        match base {
            Base::SettingsFile if !text.is_empty() => self.directory().join(text),
            _ => PathBuf::from(text),
        }
    }

    /// PEM certificates, given as text or as the file that holds them all.
    pub(super) fn certificates(&self, key: &str) -> Vec<String> {
        let split = |name: &str, bytes: &[u8]| {
            let blocks = pem::parse_many(bytes).map_err(|error| format!("{name}: {error}"))?;
            let certificates = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
            Ok(certificates.map(pem::encode).collect())
        };
        self.list(key, split, |text: &str| text.to_owned())
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

/// A value that was read and still needs to be told what to be when it is missing or zero.
#[must_use]
pub(super) struct Setting<'s, 'a, T> {
    section: &'s Section<'a>,
    path: String,
    value: T,
}

impl<T: Default + PartialEq + Show> Setting<'_, '_, T> {
    /// The value, or its type's zero.
    pub(super) fn or_zero(self) -> T {
        self.listed()
    }

    /// The value, or `default` when it is missing or zero.
    pub(super) fn or(mut self, default: T) -> T {
        if self.value == T::default() {
            self.value = default;
        }
        self.listed()
    }

    /// As [`Setting::or`]; Fabric says in its log that it filled this default in.
    pub(super) fn or_noted(mut self, default: T) -> T {
        if self.value == T::default() {
            let text = format!("{} unset, setting to {}", self.path, default.show().trim_matches('"'));
            self.section.reader.noted.borrow_mut().remarks.push(text);
            self.value = default;
        }
        self.listed()
    }

    /// The value, which the listing shows as stars.
    pub(super) fn secret(self) -> T {
        let shown = if self.value == T::default() { String::from("\"\"") } else { String::from("****") };
        self.section.reader.noted.borrow_mut().listing.push((self.path, shown));
        self.value
    }

    fn listed(self) -> T {
        self.section.reader.noted.borrow_mut().listing.push((self.path, self.value.show()));
        self.value
    }
}

impl<T: Copy> Setting<'_, '_, Option<T>> {
    /// The value that was chosen, or `default`, shown by its word in `words`.
    pub(super) fn or_word(self, default: T, words: &[(&str, T)]) -> T
    where
        T: PartialEq,
    {
        let value = self.value.unwrap_or(default);
        let word = words.iter().find(|(_, candidate)| *candidate == value).map_or("", |(word, _)| *word);
        self.section.reader.noted.borrow_mut().listing.push((self.path, format!("{word:?}")));
        value
    }
}

/// How the listing shows a value: as Go does.
pub(super) trait Show {
    fn show(&self) -> String;
}

impl Show for String {
    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Show for PathBuf {
    fn show(&self) -> String {
        format!("\"{}\"", self.display())
    }
}

impl Show for Duration {
    fn show(&self) -> String {
        units::show_duration(*self)
    }
}

macro_rules! show_as_displayed {
    ($($kind:ty)*) => { $(impl Show for $kind { fn show(&self) -> String { self.to_string() } })* };
}

show_as_displayed!(bool i16 i32 u16 u32 usize);

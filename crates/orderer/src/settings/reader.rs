//! Reading typed values out of a YAML tree and the environment by the rules of Fabric's programs
//! (`common/viperutil`): keys without regard to case, `<PREFIX>_<PATH>` in front of the file,
//! `{File: path}` and `<PREFIX>_<PATH>_FILE`, unknown keys refused.
//!
//! Each value is named once, by the schema that reads it; reading it notes it for the listing of all
//! settings, and what is wrong with it for one error that tells of everything.

mod list;
mod setting;

pub use setting::{Setting, Show};

use super::units;
use super::yaml::{Entry, Node, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a value may be read from besides the tree.
pub struct Reader<'a> {
    /// What the names of variables begin with, such as `ORDERER_`.
    prefix: &'static str,
    environment: &'a BTreeMap<String, String>,
    /// Directory of the settings file, which some paths are relative to.
    directory: &'a Path,
    /// Reads the file of a `{File: path}`.
    read_file: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
    noted: RefCell<Noted>,
}

/// What came up while reading.
#[derive(Default)]
pub struct Noted {
    /// Values that cannot be used and keys that do not exist, in order.
    pub problems: Vec<String>,
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

/// Which keys of a section the environment reaches. Fabric sees to it that a variable finds its key
/// only where the shape of the settings is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All that the schema asks for.
    AllKeys,
    /// Those that the file has.
    PresentKeys,
    /// None, as inside of lists.
    Nothing,
}

impl<'a> Reader<'a> {
    /// A reader of settings whose variables begin with `prefix`. `directory` is that of the file, and
    /// `read_file` reads what a `{File: path}` names.
    pub fn new(
        prefix: &'static str,
        environment: &'a BTreeMap<String, String>,
        directory: &'a Path,
        read_file: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
    ) -> Self {
        Self { prefix, environment, directory, read_file, noted: RefCell::default() }
    }

    /// The tree's top.
    pub fn top(&'a self, node: &'a Node, reach: Reach) -> Section<'a> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            _ => &[],
        };
        Section {
            reader: self,
            path: String::new(),
            variable: String::new(),
            entries,
            kind: Kind::Fixed,
            reach,
            known: RefCell::default(),
        }
    }

    /// What came up.
    pub fn into_noted(self) -> Noted {
        self.noted.into_inner()
    }

    /// Names with the prefix that no setting was read from.
    pub fn environment_unused(&self) -> Vec<String> {
        let noted = self.noted.borrow();
        let ours = self.environment.keys().filter(|name| name.starts_with(self.prefix));
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
        let name = format!("{}{}", self.prefix, path.replace('.', "_")).to_uppercase();
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

/// What may stand in a section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The keys that the schema knows, in any case.
    Fixed,
    /// What Fabric leaves untyped: unknown keys are ignored.
    Untyped,
    /// Names that somebody chose, in their own case.
    Named,
}

/// A mapping of the tree, or its absence.
pub struct Section<'a> {
    reader: &'a Reader<'a>,
    /// Where it is, as errors tell: `Profiles[Main].Orderer`.
    path: String,
    /// Where it is, as the environment names it: `Profiles.Main.Orderer`.
    variable: String,
    entries: &'a [Entry],
    kind: Kind,
    reach: Reach,
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
        match self.kind {
            Kind::Named => format!("{}[{key}]", self.path),
            _ if self.path.is_empty() => key.to_owned(),
            _ => format!("{}.{key}", self.path),
        }
    }

    fn variable_of(&self, key: &str) -> String {
        if self.variable.is_empty() { key.to_owned() } else { format!("{}.{key}", self.variable) }
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.known.borrow_mut().insert(key.to_lowercase());
        let is_meant = |entry: &&Entry| match self.kind {
            Kind::Named => entry.key == key,
            _ => entry.key.eq_ignore_ascii_case(key),
        };
        self.entries.iter().find(is_meant)
    }

    /// The environment's value for a key, or for what belongs to it (`.File`).
    fn environment_value(&self, key: &str, belonging: &str) -> Option<&'a str> {
        let present = self.entry(key).is_some();
        let reached = match self.reach {
            Reach::AllKeys => true,
            Reach::PresentKeys => present,
            Reach::Nothing => false,
        };
        let variable = || format!("{}{belonging}", self.variable_of(key));
        if reached { self.reader.environment_value(&variable()) } else { None }
    }

    /// Whether the key has a value in the file or the environment.
    pub fn is_set(&self, key: &str) -> bool {
        let in_file = self.entry(key).is_some_and(|entry| !matches!(entry.node.value, Value::Null));
        in_file || self.environment_value(key, "").is_some()
    }

    /// The keys that have a value, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let set = self.entries.iter().filter(|entry| !matches!(entry.node.value, Value::Null));
        set.map(|entry| entry.key.as_str())
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

    /// A section of this one; empty when it is absent.
    pub fn section(&self, key: &str) -> Section<'a> {
        self.optional_section(key).unwrap_or_else(|| self.below(key, &[]))
    }

    /// A section of this one, if it is there at all.
    pub fn optional_section(&self, key: &str) -> Option<Section<'a>> {
        if self.environment_value(key, "").is_some() {
            self.reader.problem(format!("'{}' expected a map, got 'string'", self.path_of(key)));
            return None;
        }
        let node = self.entry(key).map(|entry| &entry.node)?;
        self.entries_of(node, &self.path_of(key)).map(|entries| self.below(key, entries))
    }

    /// A section of this one that Fabric leaves untyped: unknown keys are ignored, and the environment
    /// reaches only keys that the file has.
    pub(super) fn opaque_section(&self, key: &str) -> Section<'a> {
        Section { kind: Kind::Untyped, reach: Reach::PresentKeys, ..self.section(key) }
    }

    /// A section of this one whose keys are names that somebody chose.
    pub fn named_entries(&self, key: &str) -> Option<Section<'a>> {
        Some(Section { kind: Kind::Named, ..self.optional_section(key)? })
    }

    /// A list of sections; a section on its own is a list of one.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let path = self.path_of(key);
        if let Some(text) = self.environment_value(key, "") {
            self.reader
                .problem(format!("error decoding '{path}': expected a list of sections, got {text:?}"));
            return Vec::new();
        }
        let items = match self.entry(key).map(|entry| &entry.node) {
            None | Some(Node { value: Value::Null, .. }) => &[],
            Some(Node { value: Value::Sequence(items), .. }) => items.as_slice(),
            Some(node) => std::slice::from_ref(node),
        };
        let section = |(index, item): (usize, &'a Node)| {
            let path = format!("{path}[{index}]");
            if matches!(item.value, Value::Null) {
                self.reader.problem(format!("'{path}' expected a map, got nothing (line {})", item.line));
            }
            let entries = self.entries_of(item, &path)?;
            Some(Section { path, reach: Reach::Nothing, ..self.below(key, entries) })
        };
        items.iter().enumerate().filter_map(section).collect()
    }

    fn below(&self, key: &str, entries: &'a [Entry]) -> Section<'a> {
        Section {
            reader: self.reader,
            path: self.path_of(key),
            variable: self.variable_of(key),
            entries,
            kind: if self.kind == Kind::Untyped { Kind::Untyped } else { Kind::Fixed },
            reach: self.reach,
            known: RefCell::default(),
        }
    }

    /// The entries of what must be a mapping; none if there is nothing.
    fn entries_of(&self, node: &'a Node, path: &str) -> Option<&'a [Entry]> {
        let kind_instead = match &node.value {
            Value::Mapping(entries) => return Some(entries),
            Value::Null => return None,
            Value::Scalar { .. } => "string",
            Value::Sequence(_) => "slice",
        };
        self.reader.problem(format!("'{path}' expected a map, got '{kind_instead}' (line {})", node.line));
        None
    }

    /// Says that a key exists and is ignored.
    pub fn ignore(&self, key: &str) {
        self.entry(key);
    }

    /// Ends the section: every key that was not asked for is reported, as Fabric does, and with
    /// its line.
    pub fn finish(self) {
        let known = self.known.borrow();
        if self.kind != Kind::Fixed {
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
        if let Some(text) = self.environment_value(key, "") {
            return Source::Environment(text);
        }
        match self.entry(key).map(|entry| &entry.node) {
            None | Some(Node { value: Value::Null, .. }) => match self.environment_value(key, ".File") {
                Some(name) => self.file(&path, name),
                None => Source::Absent,
            },
            Some(Node { value: Value::Mapping(entries), line }) => {
                let file = entries.iter().find(|entry| entry.key == "File" || entry.key == "file");
                match file.map(|entry| &entry.node.value) {
                    Some(Value::Scalar { text, .. }) => {
                        let overriding = self.environment_value(key, ".File");
                        self.file(&path, overriding.unwrap_or(text))
                    }
                    Some(_) => {
                        self.reader.problem(format!(
                            "error decoding '{path}': Value of File: was nil (line {line})"
                        ));
                        Source::Absent
                    }
                    None => {
                        self.reader.problem(format!("'{path}' expected one value, got a map (line {line})"));
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
            self.reader.problem(format!("error decoding '{path}': {error}{place}"));
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
    pub fn text(&self, key: &str) -> Setting<'_, 'a, String> {
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
    pub fn truth(&self, key: &str) -> Setting<'_, 'a, bool> {
        self.scalar(key, |text, _| if text.is_empty() { Ok(false) } else { units::truth(text) })
    }

    /// A duration; an unquoted integer of the file counts nanoseconds.
    pub fn duration(&self, key: &str) -> Setting<'_, 'a, Duration> {
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
    pub fn number<T: TryFrom<i128> + Default>(&self, key: &str) -> Setting<'_, 'a, T> {
        self.scalar(key, |text, _| {
            let value = if text.is_empty() { 0 } else { units::integer(text)? };
            T::try_from(value)
                .map_err(|_| format!("{text} is out of range for {}", std::any::type_name::<T>()))
        })
    }

    /// A size in bytes, which may have a suffix.
    pub fn size(&self, key: &str) -> Setting<'_, 'a, u32> {
        self.scalar(key, |text, _| if text.is_empty() { Ok(0) } else { units::size(text) })
    }

    /// A path; empty when absent.
    pub(super) fn path(&self, key: &str, base: Base) -> Setting<'_, 'a, PathBuf> {
        self.scalar(key, |text, _| Ok(self.resolve(base, text)))
    }

    fn resolve(&self, base: Base, text: &str) -> PathBuf {
        match base {
            Base::SettingsFile if !text.is_empty() => self.directory().join(text),
            _ => PathBuf::from(text),
        }
    }
}

//! YAML as a tree that remembers where everything stood.
//!
//! Scalars stay text: what a text means is decided by the setting that it is for, as in Fabric,
//! and an error can then show the line. Anchors, aliases and `<<` merges are resolved here.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;

/// Deepest nesting taken in; `orderer.yaml` needs six.
const DEPTH_LIMIT: usize = 64;
/// Most nodes taken in, copies made by aliases included.
const NODE_LIMIT: usize = 100_000;

/// Why a text is not YAML that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct YamlError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// A value and the line that it starts in.
#[derive(Clone, Debug)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// What stands there.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A single text.
    Scalar {
        /// Without quotes and escapes.
        text: String,
        /// Written without quotes, so that it may be a number.
        plain: bool,
    },
    /// Nothing, `~` or `null`.
    Null,
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with their values, merges resolved, each key once.
    Mapping(Vec<Entry>),
}

/// A key of a mapping with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands, counted from 1.
    pub line: usize,
    /// Its value.
    pub node: Node,
}

/// The first document of `text`; a text without one is null.
///
/// # Errors
/// Where and why the text is no YAML.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let mut builder = Builder { text, parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0 };
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamEnd => return Ok(Node { line: 1, value: Value::Null }),
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            event => return builder.node(event, span, 0),
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.error(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The parser's error; an alias of nothing is told as in Fabric's reader, with its name.
    fn error(&self, error: &ScanError) -> YamlError {
        let (line, column) = (error.marker().line(), error.marker().col());
        let words = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().skip(column);
        let alias: String = words.take_while(|c| !c.is_whitespace() && !",]}".contains(*c)).collect();
        let message = match alias.strip_prefix('*') {
            Some(name) if error.info().ends_with("unknown anchor") => {
                format!("unknown anchor '{name}' referenced")
            }
            _ => error.info().to_owned(),
        };
        YamlError { line, column: column + 1, message }
    }

    fn count(&mut self, nodes: usize, span: &Span) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes > NODE_LIMIT {
            return Err(error_at(span, format!("more than {NODE_LIMIT} values, aliases counted in full")));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        if depth > DEPTH_LIMIT {
            return Err(error_at(&span, format!("nested more than {DEPTH_LIMIT} levels deep")));
        }
        self.count(1, &span)?;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                (anchor, if null { Value::Null } else { Value::Scalar { text: text.into_owned(), plain } })
            }
            Event::SequenceStart(anchor, _) => (anchor, Value::Sequence(self.sequence(depth)?)),
            Event::MappingStart(anchor, _) => (anchor, Value::Mapping(self.mapping(depth)?)),
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                // An anchor becomes known when its node ends, so this is an alias inside of it.
                let node = known.ok_or_else(|| error_at(&span, "an alias inside the value that it names"))?;
                self.count(size(&node), &span)?;
                return Ok(node);
            }
            _ => return Err(error_at(&span, "expected a value")),
        };
        let node = Node { line: span.start.line(), value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, YamlError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                key => key,
            };
            let key = self.node(event, span, depth + 1)?;
            let key = match key.value {
                Value::Scalar { text, .. } => text,
                Value::Null => String::new(),
                _ => return Err(error_at(&span, "a key must be a word")),
            };
            let (event, value_span) = self.next()?;
            let node = self.node(event, value_span, depth + 1)?;
            if key == "<<" {
                merge(&mut entries, node, &value_span)?;
            } else {
                set(&mut entries, Entry { key, line: span.start.line(), node });
            }
        }
        Ok(entries)
    }
}

/// Takes an entry in. A key given twice has its last value, and a `<<` counts where it stands: both as
/// in Fabric's reader (`gopkg.in/yaml.v2`).
fn set(entries: &mut Vec<Entry>, entry: Entry) {
    entries.retain(|known| known.key != entry.key);
    entries.push(entry);
}

/// Takes in the entries of a `<<`: a mapping or a list of them, of which the first wins.
fn merge(entries: &mut Vec<Entry>, node: Node, span: &Span) -> Result<(), YamlError> {
    match node.value {
        Value::Mapping(merged) => {
            merged.into_iter().for_each(|entry| set(entries, entry));
            Ok(())
        }
        Value::Sequence(items) => items.into_iter().rev().try_for_each(|item| match item.value {
            Value::Mapping(_) => merge(entries, item, span),
            _ => Err(error_at(span, "<< takes a mapping or a list of mappings")),
        }),
        _ => Err(error_at(span, "<< takes a mapping or a list of mappings")),
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } | Value::Null => 0,
        Value::Sequence(items) => items.iter().map(size).sum(),
        Value::Mapping(entries) => entries.iter().map(|entry| 1 + size(&entry.node)).sum(),
    }
}

fn error_at(span: &Span, message: impl Into<String>) -> YamlError {
    YamlError { line: span.start.line(), column: span.start.col() + 1, message: message.into() }
}

//! JSON text, read strictly by RFC 8259 and with the positions of its parts. The words for what is
//! wrong are those of Go's decoder.

use std::{collections::BTreeMap, fmt::Display};

/// How deep lists and objects may nest. A message shown in full has two for each of its levels.
const MAX_DEPTH: usize = 2 * super::MAX_DEPTH + 2;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) text: String,
    /// Offset in bytes.
    pub(super) at: usize,
}

impl Problem {
    /// The same, with where it is in front.
    pub(super) fn within(self, place: impl Display) -> Self {
        Self { text: format!("{place}: {}", self.text), at: self.at }
    }
}

/// A value and where it begins, in bytes from the start of the text.
#[derive(Debug, PartialEq)]
pub(super) struct Node<'t> {
    pub(super) at: usize,
    pub(super) json: Json<'t>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Json<'t> {
    Null,
    Bool(bool),
    /// As written.
    Number(&'t str),
    String(String),
    List(Vec<Node<'t>>),
    Object(Members<'t>),
}

impl Json<'_> {
    /// The Go type that such a value is decoded as.
    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Self::Null => "<nil>",
            Self::Bool(_) => "bool",
            Self::Number(_) => "json.Number",
            Self::String(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Object(_) => "map[string]interface {}",
        }
    }
}

/// The members of an object by name. Of several with one name the last counts, as in Go.
pub(super) type Members<'t> = BTreeMap<String, Member<'t>>;

/// A member of an object.
#[derive(Debug, PartialEq)]
pub(super) struct Member<'t> {
    /// Where its name is.
    pub(super) at: usize,
    pub(super) node: Node<'t>,
}

/// Reads one value, with nothing but blanks around it.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Problem> {
    let mut parser = Parser { text, at: 0 };
    parser.skip_blanks();
    if parser.peek().is_none() {
        return Err(parser.problem("EOF"));
    }
    let node = parser.value(0)?;
    parser.skip_blanks();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("after top-level value")),
    }
}

/// The line and the column, both from 1, of an offset. Columns count characters.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    // Every character has exactly one byte that does not continue another.
    let column = before[line_start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    (line, column)
}

/// A character in quotes, as Go writes it.
fn quoted(character: char) -> String {
    match (character.escape_debug().count(), u32::from(character)) {
        // One that is printed, or has a short escape.
        (1 | 2, _) => format!("{character:?}"),
        (_, code @ 0..0x80) => format!("'\\x{code:02x}'"),
        (_, code) => format!("'\\u{code:04x}'"),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn problem(&self, text: impl Into<String>) -> Problem {
        Problem { text: text.into(), at: self.at }
    }

    /// The next character does not belong here, or there is none.
    fn unexpected(&self, context: &str) -> Problem {
        match self.text[self.at..].chars().next() {
            None => self.problem("unexpected EOF"),
            Some('\'') => self.problem(format!(r"invalid character '\'' {context}")),
            Some('"') => self.problem(format!("invalid character '\"' {context}")),
            Some(c) => self.problem(format!("invalid character {} {context}", quoted(c))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'t>, Problem> {
        if depth > MAX_DEPTH {
            return Err(self.problem("exceeded max depth"));
        }
        let at = self.at;
        let json = match self.peek() {
            Some(b'{') => Json::Object(self.object(depth)?),
            Some(b'[') => Json::List(self.list(depth)?),
            Some(b'"') => Json::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Json::Number(self.number()?),
            Some(b't') => self.literal("true", Json::Bool(true))?,
            Some(b'f') => self.literal("false", Json::Bool(false))?,
            Some(b'n') => self.literal("null", Json::Null)?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        Ok(Node { at, json })
    }

    fn literal(&mut self, word: &str, json: Json<'t>) -> Result<Json<'t>, Problem> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let context = format!("in literal {word} (expecting {:?})", char::from(expected));
                return Err(self.unexpected(&context));
            }
            self.at += 1;
        }
        Ok(json)
    }

    fn object(&mut self, depth: usize) -> Result<Members<'t>, Problem> {
        let mut members = Members::new();
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(members);
        }
        loop {
            self.skip_blanks();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.skip_blanks();
            let node = self.value(depth + 1)?;
            members.insert(name, Member { at, node });
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(members);
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node<'t>>, Problem> {
        let mut nodes = Vec::new();
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(nodes);
        }
        loop {
            self.skip_blanks();
            nodes.push(self.value(depth + 1)?);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(nodes);
                }
                _ => return Err(self.unexpected("after array element")),
            }
        }
    }

    fn number(&mut self) -> Result<&'t str, Problem> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(&self.text[start..self.at])
    }

    /// One digit or more.
    fn digits(&mut self, context: &str) -> Result<(), Problem> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.unexpected(context));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, Problem> {
        let mut string = String::new();
        self.at += 1;
        loop {
            let plain = self.text[self.at..]
                .find(|c: char| c == '"' || c == '\\' || c < ' ')
                .unwrap_or(self.text.len() - self.at);
            string.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    self.at += 1;
                    string.push(self.escape()?);
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let character = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        Ok(character)
    }

    /// A character as `uXXXX`, or as two of them. Half a pair becomes U+FFFD, as in Go.
    fn unicode(&mut self) -> Result<char, Problem> {
        let first = self.code_unit()?;
        if !(0xd800..0xdc00).contains(&first) || !self.text[self.at..].starts_with("\\u") {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before_second = self.at;
        self.at += 1;
        let second = self.code_unit()?;
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = before_second;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn code_unit(&mut self) -> Result<u32, Problem> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}

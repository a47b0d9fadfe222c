//! From text to tokens, and which token may follow which.

use std::fmt;

use super::LanguageError;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Prefix,
    Numeric,
    Boolean,
    String,
    Variable,
    Function,
    Separator,
    Accessor,
    Comparator,
    LogicalOperator,
    Modifier,
    Clause,
    ClauseClose,
    Ternary,
}

impl Kind {
    pub(super) fn is_binary_operator(self) -> bool {
        matches!(self, Kind::Comparator | Kind::LogicalOperator | Kind::Modifier)
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Prefix => "PREFIX",
            Kind::Numeric => "NUMERIC",
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Variable => "VARIABLE",
            Kind::Function => "FUNCTION",
            Kind::Separator => "SEPARATOR",
            Kind::Accessor => "ACCESSOR",
            Kind::Comparator => "COMPARATOR",
            Kind::LogicalOperator => "LOGICALOP",
            Kind::Modifier => "MODIFIER",
            Kind::Clause => "CLAUSE",
            Kind::ClauseClose => "CLAUSE_CLOSE",
            Kind::Ternary => "TERNARY",
        }
    }

    fn may_end(self) -> bool {
        use Kind::*;
        matches!(self, ClauseClose | Numeric | Boolean | String | Variable | Accessor)
    }
}

/// Whether a token of kind `next` may follow one of kind `last` (`None`: the beginning).
fn may_follow(last: Option<Kind>, next: Kind) -> bool {
    use Kind::*;
    let operand = matches!(next, Numeric | Boolean | Variable | Function | Accessor | Clause);
    let after_operand =
        matches!(next, Modifier | Comparator | LogicalOperator | ClauseClose | Ternary | Separator);
    match last {
        None => operand || matches!(next, Prefix | String),
        Some(Clause | Modifier | Comparator | LogicalOperator) => {
            operand || matches!(next, Prefix | String | ClauseClose)
        }
        Some(Separator) => operand || matches!(next, Prefix | String),
        Some(Ternary) => operand || matches!(next, Prefix | String | Separator),
        Some(Prefix) => operand || next == ClauseClose,
        Some(Function) => next == Clause,
        Some(Accessor) => after_operand || next == Clause,
        Some(ClauseClose) => after_operand || matches!(next, Numeric | Boolean | Variable | String | Clause),
        Some(Numeric | Boolean | String | Variable) => after_operand,
    }
}

/// A token; `number` counts for numeric ones alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) number: f64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind.name();
        match self.kind {
            Kind::Numeric => write!(f, "{name} [{}]", self.number),
            Kind::Accessor => write!(f, "{name} [[{}]]", self.text.replace('.', " ")),
            // Go prints the code point.
            Kind::Clause => write!(f, "{name} [40]"),
            Kind::ClauseClose => write!(f, "{name} [41]"),
            _ => write!(f, "{name} [{}]", self.text),
        }
    }
}

/// Splits text into tokens.
pub(super) fn read(text: &str, is_function: impl Fn(&str) -> bool) -> Result<Vec<Token>, LanguageError> {
    let mut reader = Reader { rest: text, is_function };
    let mut tokens: Vec<Token> = Vec::new();
    while let Some(token) = reader.token(tokens.last().map(|token| token.kind))? {
        tokens.push(token);
    }
    let count = |kind| tokens.iter().filter(|token| token.kind == kind).count();
    if count(Kind::Clause) != count(Kind::ClauseClose) {
        return Err(LanguageError("Unbalanced parenthesis".to_owned()));
    }
    Ok(tokens)
}

/// Refuses tokens in an impossible order.
pub(super) fn check_syntax(tokens: &[Token]) -> Result<(), LanguageError> {
    let mut last: Option<&Token> = None;
    for token in tokens {
        if !may_follow(last.map(|last| last.kind), token.kind) {
            return Err(LanguageError(match last {
                Some(last) if last.kind == Kind::Variable && token.kind == Kind::Clause => {
                    format!("Undefined function {}", last.text)
                }
                Some(last) => format!("Cannot transition token types from {last} to {token}"),
                None => format!("Cannot transition token types from UNKNOWN [<nil>] to {token}"),
            }));
        }
        last = Some(token);
    }
    if last.is_some_and(|last| last.kind.may_end()) {
        return Ok(());
    }
    Err(LanguageError("Unexpected end of expression".to_owned()))
}

struct Reader<'a, F> {
    rest: &'a str,
    is_function: F,
}

impl<F: Fn(&str) -> bool> Reader<'_, F> {
    fn token(&mut self, last: Option<Kind>) -> Result<Option<Token>, LanguageError> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = |kind, text: &str| Token { kind, text: text.to_owned(), number: 0.0 };
        Ok(Some(match first {
            c if c.is_numeric() || c == '.' => self.number()?,
            ',' => {
                self.skip(first);
                token(Kind::Separator, ",")
            }
            '(' => {
                self.skip(first);
                token(Kind::Clause, "(")
            }
            ')' => {
                self.skip(first);
                token(Kind::ClauseClose, ")")
            }
            '[' => {
                let name = self.enclosed(|c| c == ']');
                token(Kind::Variable, &name.ok_or_else(|| unclosed("parameter bracket"))?)
            }
            '\'' | '"' => {
                let text = self.enclosed(|c| c == '\'' || c == '"');
                token(Kind::String, &text.ok_or_else(|| unclosed("string literal"))?)
            }
            c if c.is_alphabetic() => self.word()?,
            _ => self.symbol(last)?,
        }))
    }

    fn skip(&mut self, c: char) {
        self.rest = &self.rest[c.len_utf8()..];
    }

    /// The characters up to the first that does not fit; a backslash makes the next one fit.
    fn while_fits(&mut self, fits: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.rest.chars().next() {
            if c == '\\' {
                self.skip(c);
                let Some(escaped) = self.rest.chars().next() else { break };
                self.skip(escaped);
                text.push(escaped);
            } else if fits(c) {
                self.skip(c);
                text.push(c);
            } else {
                break;
            }
        }
        text
    }

    /// What stands between the first character and the next one that closes; `None` without one.
    fn enclosed(&mut self, closes: impl Fn(char) -> bool) -> Option<String> {
        let opening = self.rest.chars().next()?;
        self.skip(opening);
        let text = self.while_fits(|c| !closes(c));
        let closing = self.rest.chars().next()?;
        self.skip(closing);
        Some(text)
    }

    fn number(&mut self) -> Result<Token, LanguageError> {
        let hexadecimal = self.rest.strip_prefix("0x");
        let (text, number, form) = if let Some(rest) = hexadecimal {
            self.rest = rest;
            let text = self.while_fits(|c| c.is_ascii_hexdigit());
            let number = u64::from_str_radix(&text, 16).ok().map(|n| n as f64);
            (text, number, ("hex", "uint64"))
        } else {
            let text = self.while_fits(|c| c.is_numeric() || c == '.');
            let number = text.parse().ok();
            (text, number, ("numeric", "float64"))
        };
        let number = number.ok_or_else(|| {
            LanguageError(format!("Unable to parse {} value '{text}' to {}\n", form.0, form.1))
        })?;
        Ok(Token { kind: Kind::Numeric, text, number })
    }

    fn word(&mut self) -> Result<Token, LanguageError> {
        let text = self.while_fits(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let kind = match text.as_str() {
            _ if text.contains('.') => {
                check_accessor(&text)?;
                Kind::Accessor
            }
            "true" | "false" => Kind::Boolean,
            "in" | "IN" => Kind::Comparator,
            _ if (self.is_function)(&text) => Kind::Function,
            _ => Kind::Variable,
        };
        Ok(Token { kind, text, number: 0.0 })
    }

    fn symbol(&mut self, last: Option<Kind>) -> Result<Token, LanguageError> {
        let text = self.while_fits(|c| !c.is_alphanumeric() && !c.is_whitespace() && !"()[]'\"".contains(c));
        let kind = match text.as_str() {
            "-" | "!" | "~" if may_follow(last, Kind::Prefix) => Kind::Prefix,
            "+" | "-" | "*" | "/" | "%" | "**" | "&" | "|" | "^" | ">>" | "<<" => Kind::Modifier,
            "&&" | "||" => Kind::LogicalOperator,
            "==" | "!=" | ">" | ">=" | "<" | "<=" | "=~" | "!~" => Kind::Comparator,
            "?" | ":" | "??" => Kind::Ternary,
            _ => return Err(LanguageError(format!("Invalid token: '{text}'"))),
        };
        Ok(Token { kind, text, number: 0.0 })
    }
}

fn unclosed(what: &str) -> LanguageError {
    LanguageError(format!("Unclosed {what}"))
}

fn check_accessor(text: &str) -> Result<(), LanguageError> {
    if text.ends_with('.') {
        return Err(LanguageError(format!("Hanging accessor on token '{text}'")));
    }
    for field in text.split('.').skip(1) {
        // Unexported in Go: the first character has another upper case.
        if field.chars().next().is_some_and(|c| !c.to_uppercase().eq([c])) {
            return Err(LanguageError(format!(
                "Unable to access unexported field '{field}' in token '{text}'"
            )));
        }
    }
    Ok(())
}

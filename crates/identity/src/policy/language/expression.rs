//! The expression language in which policies are written: the part of govaluate (the Go library that
//! Fabric reads policies with) that a policy can use.

mod tokens;

use protos::common::SignaturePolicy;

use self::tokens::{Kind, Token};
use super::LanguageError;

/// What an expression can come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nil,
    Number(f64),
    Text(String),
    Bool(bool),
    List(Vec<Value>),
    Policy(SignaturePolicy),
    /// What the parameter `ID` stands for in the last pass.
    Context,
}

impl Value {
    /// The name of the type in Go, as errors print it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "<nil>",
            Value::Number(_) => "float64",
            Value::Text(_) => "string",
            Value::Bool(_) => "bool",
            Value::List(_) => "[]interface {}",
            Value::Policy(_) => "*common.SignaturePolicy",
            Value::Context => "*policydsl.context",
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::Bool(value) => write!(f, "{value}"),
            other => f.write_str(other.type_name()),
        }
    }
}

/// The functions and parameters that an expression may use.
pub(super) trait Functions {
    fn knows(&self, name: &str) -> bool;
    fn call(&mut self, name: &str, arguments: Vec<Value>) -> Result<Value, LanguageError>;
    fn parameter(&self, _name: &str) -> Option<Value> {
        None
    }
}

/// Policies nested deeper could not be decoded again: protobuf messages nest at most 100 deep.
const MAX_NESTING: usize = 100;

/// Evaluates an expression.
pub(super) fn evaluate(text: &str, functions: &mut impl Functions) -> Result<Value, LanguageError> {
    let tokens = tokens::read(text, |name| functions.knows(name))?;
    tokens::check_syntax(&tokens)?;
    let mut evaluation = Evaluation { tokens: &tokens, at: 0, nesting: 0, functions };
    let value = evaluation.separated()?;
    match tokens.get(evaluation.at) {
        None => Ok(value),
        Some(token) => Err(LanguageError(format!("unexpected {token} in policy string"))),
    }
}

struct Evaluation<'a, F> {
    tokens: &'a [Token],
    at: usize,
    nesting: usize,
    functions: &'a mut F,
}

/// Binary operators, those that bind least first.
const PRECEDENCE: [&[&str]; 6] =
    [&["||"], &["&&"], &["==", "!=", ">", ">=", "<", "<="], &["+", "-"], &["*", "/", "%"], &["**"]];

impl<F: Functions> Evaluation<'_, F> {
    /// Expressions with commas between them: a list if there is more than one.
    fn separated(&mut self) -> Result<Value, LanguageError> {
        let mut value = self.binary(0)?;
        while self.take(|token| token.kind == Kind::Separator).is_some() {
            let next = self.binary(0)?;
            value = match value {
                Value::List(mut list) => {
                    list.push(next);
                    Value::List(list)
                }
                value => Value::List(vec![value, next]),
            };
        }
        Ok(value)
    }

    fn binary(&mut self, level: usize) -> Result<Value, LanguageError> {
        let Some(operators) = PRECEDENCE.get(level) else { return self.function() };
        let mut left = self.binary(level + 1)?;
        while let Some(token) =
            self.take(|t| t.kind.is_binary_operator() && operators.contains(&t.text.as_str()))
        {
            let right = self.binary(level + 1)?;
            left = apply(token.kind, &token.text, left, right)?;
        }
        Ok(left)
    }

    fn function(&mut self) -> Result<Value, LanguageError> {
        let Some(token) = self.take(|token| token.kind == Kind::Function) else { return self.value() };
        let arguments = match self.value()? {
            Value::Nil => Vec::new(),
            Value::List(arguments) => arguments,
            one => vec![one],
        };
        self.functions.call(&token.text, arguments)
    }

    fn value(&mut self) -> Result<Value, LanguageError> {
        let Some(token) = self.take(|token| token.kind != Kind::ClauseClose) else { return Ok(Value::Nil) };
        match token.kind {
            Kind::Clause => {
                self.nesting += 1;
                if self.nesting > MAX_NESTING {
                    return Err(LanguageError(format!("policy is nested deeper than {MAX_NESTING} levels")));
                }
                let value = self.separated()?;
                self.nesting -= 1;
                if self.take(|token| token.kind == Kind::ClauseClose).is_none() {
                    return Err(LanguageError("Unbalanced parenthesis".to_owned()));
                }
                Ok(value)
            }
            Kind::Numeric => Ok(Value::Number(token.number)),
            Kind::Boolean => Ok(Value::Bool(token.text == "true")),
            Kind::String => Ok(Value::Text(token.text)),
            Kind::Variable => self.functions.parameter(&token.text).ok_or_else(|| {
                LanguageError(format!("unrecognized token '{}' in policy string", token.text))
            }),
            Kind::Accessor => {
                let parameter = token.text.split('.').next().unwrap_or_default();
                Err(LanguageError(format!("unrecognized token '{parameter}' in policy string")))
            }
            Kind::Prefix => match (token.text.as_str(), self.function()?) {
                ("-", Value::Number(number)) => Ok(Value::Number(-number)),
                ("!", Value::Bool(value)) => Ok(Value::Bool(!value)),
                (operator, value) => {
                    Err(LanguageError(format!("Value '{value}' cannot be used with the prefix '{operator}'")))
                }
            },
            _ => Err(LanguageError(format!("unexpected {token} in policy string"))),
        }
    }

    /// Takes the next token if it is as wanted.
    fn take(&mut self, wanted: impl Fn(&Token) -> bool) -> Option<Token> {
        let token = self.tokens.get(self.at).filter(|token| wanted(token))?;
        self.at += 1;
        Some(token.clone())
    }
}

fn apply(kind: Kind, operator: &str, left: Value, right: Value) -> Result<Value, LanguageError> {
    let refused = |value: &Value| {
        LanguageError(match kind {
            Kind::LogicalOperator => {
                format!(
                    "Value '{value}' cannot be used with the logical operator '{operator}', it is not a bool"
                )
            }
            Kind::Comparator => {
                format!("Value '{value}' cannot be used with the comparator '{operator}', it is not a number")
            }
            _ => format!("Value '{value}' cannot be used with the modifier '{operator}', it is not a number"),
        })
    };
    Ok(match (operator, &left, &right) {
        ("&&", Value::Bool(a), Value::Bool(b)) => Value::Bool(*a && *b),
        ("||", Value::Bool(a), Value::Bool(b)) => Value::Bool(*a || *b),
        ("==", a, b) => Value::Bool(a == b),
        ("!=", a, b) => Value::Bool(a != b),
        (">", Value::Number(a), Value::Number(b)) => Value::Bool(a > b),
        (">=", Value::Number(a), Value::Number(b)) => Value::Bool(a >= b),
        ("<", Value::Number(a), Value::Number(b)) => Value::Bool(a < b),
        ("<=", Value::Number(a), Value::Number(b)) => Value::Bool(a <= b),
        ("+", Value::Number(a), Value::Number(b)) => Value::Number(a + b),
        ("+", Value::Text(_), _) | ("+", _, Value::Text(_)) => Value::Text(format!("{left}{right}")),
        ("-", Value::Number(a), Value::Number(b)) => Value::Number(a - b),
        ("*", Value::Number(a), Value::Number(b)) => Value::Number(a * b),
        ("/", Value::Number(a), Value::Number(b)) => Value::Number(a / b),
        ("%", Value::Number(a), Value::Number(b)) => Value::Number(a % b),
        ("**", Value::Number(a), Value::Number(b)) => Value::Number(a.powf(*b)),
        ("&&" | "||", Value::Bool(_), wrong) | (_, Value::Number(_), wrong) => return Err(refused(wrong)),
        (_, wrong, _) => return Err(refused(wrong)),
    })
}

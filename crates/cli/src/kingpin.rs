//! Command lines as Fabric's tools read them.
//!
//! Most of them are made with kingpin, a library of Go, and scripts know its sentences. Flags are described to
//! clap all the same, which gives help, manual pages and completions; what it complains of is put into
//! kingpin's words here.

use std::{ffi::OsString, process::ExitCode};

use clap::{
    CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};

/// What a command line comes to.
pub(crate) enum Line<A> {
    /// Arguments.
    Understood(A),
    /// Help was asked for, and printed.
    Helped(ExitCode),
    /// It cannot be understood, for this reason: kingpin's sentence.
    Mistaken(String),
}

/// Reads a command line, of which the program's name is the first word.
pub(crate) fn read<A: CommandFactory + FromArgMatches>(words: Vec<OsString>) -> Line<A> {
    let read = A::command().try_get_matches_from(words).and_then(|matches| A::from_arg_matches(&matches));
    match read {
        Ok(arguments) => Line::Understood(arguments),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                // Help that nobody can read is not worth a word.
                let _ = error.print();
                Line::Helped(ExitCode::SUCCESS)
            }
            _ => Line::Mistaken(sentence(&error)),
        },
    }
}

/// Kingpin's sentence for what is wrong.
fn sentence(error: &Error) -> String {
    let subject = subject(error);
    let flag = subject.split([' ', '=']).next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if subject.starts_with("--") => format!("unknown long flag '{flag}'"),
        ErrorKind::UnknownArgument if subject.starts_with('-') => format!("unknown short flag '{flag}'"),
        ErrorKind::UnknownArgument => format!("unexpected {subject}"),
        ErrorKind::InvalidSubcommand => format!("expected command but got {subject:?}"),
        ErrorKind::MissingSubcommand => "command not specified".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("required flag {flag} not provided"),
        ErrorKind::ArgumentConflict => format!("flag '{}' cannot be repeated", flag.trim_start_matches('-')),
        ErrorKind::TooManyValues => format!("unexpected argument for flag '{flag}'"),
        ErrorKind::InvalidValue if value(error).is_empty() => format!("expected argument for flag '{flag}'"),
        _ => match std::error::Error::source(error) {
            Some(reason) => format!("{flag}: {reason}"),
            // The first line says it all; what follows are hints on the usage.
            None => {
                error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        },
    }
}

/// The word or flag that the error is about.
fn subject(error: &Error) -> String {
    [ContextKind::InvalidArg, ContextKind::InvalidSubcommand]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(word) => Some(word.clone()),
            ContextValue::Strings(words) => words.first().cloned(),
            _ => None,
        })
        .unwrap_or_default()
}

fn value(error: &Error) -> &str {
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Arguments {
        #[arg(long, short = 'o', global = true)]
        output: Option<String>,
        #[command(subcommand)]
        _action: Action,
    }

    #[derive(clap::Subcommand)]
    enum Action {
        Encode {
            #[arg(long, required = true)]
            _type: String,
            #[arg(long, default_value = "7059")]
            _port: u16,
        },
        #[command(subcommand_required = true)]
        Channel {
            #[command(subcommand)]
            _action: ChannelAction,
        },
    }

    #[derive(clap::Subcommand)]
    enum ChannelAction {
        List,
    }

    /// As the real tools answer.
    #[test]
    fn complaints_have_kingpins_words() {
        for (line, expected) in [
            ("encode", "required flag --type not provided"),
            ("encode --type", "expected argument for flag '--type'"),
            ("encode --type a --type b", "flag 'type' cannot be repeated"),
            ("encode --zork", "unknown long flag '--zork'"),
            ("encode --zork=1", "unknown long flag '--zork'"),
            ("encode -z", "unknown short flag '-z'"),
            ("encode --type a b", "unexpected b"),
            ("encode --type a --port x", "--port: invalid digit found in string"),
            ("decode", "expected command but got \"decode\""),
            ("channel foo", "expected command but got \"foo\""),
        ] {
            let words = std::iter::once("tool").chain(line.split(' ')).map(OsString::from).collect();
            match read::<Arguments>(words) {
                Line::Mistaken(sentence) => assert_eq!(sentence, expected, "{line}"),
                Line::Understood(_) | Line::Helped(_) => panic!("{line} was understood"),
            }
        }
        let words = ["tool", "channel", "list", "-oX"].map(OsString::from).to_vec();
        assert!(
            matches!(read::<Arguments>(words), Line::Understood(arguments) if arguments.output.as_deref() == Some("X"))
        );
    }
}

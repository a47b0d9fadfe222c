//! Command lines as Go's `flag` package reads them: one dash or two, `-name value` or `-name=value`, and
//! nothing more behind the first word that is no flag.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

/// A command line that Go's programs refuse. The texts are Go's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagError {
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    #[error("invalid boolean value {value:?} for -{name}: parse error")]
    NotBoolean { name: String, value: String },
    #[error("the argument {0:?} is not UTF-8")]
    NotText(OsString),
}

/// The same command line as clap reads it. The first word is the program.
pub(super) fn for_clap(words: Vec<OsString>, command: &Command) -> Result<Vec<OsString>, FlagError> {
    let mut words = words.into_iter().map(|word| word.into_string().map_err(FlagError::NotText));
    let mut translated: Vec<OsString> = words.next().transpose()?.map(OsString::from).into_iter().collect();
    while let Some(word) = words.next().transpose()? {
        let Some(flag) = word.strip_prefix('-').filter(|rest| !matches!(*rest, "" | "-")) else { break };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        if flag.starts_with(['-', '=']) {
            return Err(FlagError::Syntax(word));
        }
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let Some(argument) = flags(command).find(|argument| argument.get_long() == Some(name)) else {
            if matches!(name, "h" | "help") {
                translated.push("--help".into());
                return Ok(translated);
            }
            return Err(FlagError::Unknown(name.to_owned()));
        };
        if is_switch(argument) {
            if truth(name, value.as_deref().unwrap_or("true"))? {
                translated.push(format!("--{name}").into());
            }
        } else {
            let value = value.map(Ok).or_else(|| words.next());
            let value = value.transpose()?.ok_or_else(|| FlagError::NoValue(name.to_owned()))?;
            translated.push(format!("--{name}={value}").into());
        }
    }
    Ok(translated)
}

/// What Go's programs print when they refuse a command line.
pub(super) fn usage(command: &Command) -> String {
    let mut usage = format!("Usage of {}:\n", command.get_name());
    let mut flags: Vec<&Arg> = flags(command).collect();
    flags.sort_by_key(|argument| argument.get_long());
    for argument in flags {
        let kind = if is_switch(argument) { "" } else { " string" };
        let name = argument.get_long().unwrap_or_default();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        usage.push_str(&format!("  -{name}{kind}\n    \t{help}\n"));
    }
    usage
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| argument.get_long().is_some_and(|name| name != "help"))
}

fn is_switch(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::SetTrue)
}

fn truth(name: &str, value: &str) -> Result<bool, FlagError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(FlagError::NotBoolean { name: name.to_owned(), value: value.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(line: &str) -> Result<String, String> {
        let command = Command::new("tool")
            .arg(Arg::new("a").long("channelID"))
            .arg(Arg::new("b").long("version").action(ArgAction::SetTrue));
        let words = line.split(' ').map(OsString::from).collect();
        let words = for_clap(words, &command).map_err(|error| error.to_string())?;
        Ok(words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn lines_are_read_as_by_go() {
        for (line, expected) in [
            ("tool", Ok("tool")),
            ("tool -channelID c", Ok("tool --channelID=c")),
            ("tool --channelID c -version", Ok("tool --channelID=c --version")),
            ("tool -channelID=c=d", Ok("tool --channelID=c=d")),
            ("tool -channelID= -version", Ok("tool --channelID= --version")),
            ("tool -channelID -version", Ok("tool --channelID=-version")),
            ("tool -version=false", Ok("tool")),
            ("tool -version=T word -bad", Ok("tool --version")),
            ("tool - -bad", Ok("tool")),
            ("tool -- -bad", Ok("tool")),
            ("tool -h -bad", Ok("tool --help")),
            ("tool --help", Ok("tool --help")),
            ("tool -bad", Err("flag provided but not defined: -bad")),
            ("tool --bad=1", Err("flag provided but not defined: -bad")),
            ("tool ---version", Err("bad flag syntax: ---version")),
            ("tool -=1", Err("bad flag syntax: -=1")),
            ("tool -channelID", Err("flag needs an argument: -channelID")),
            ("tool -version=maybe", Err("invalid boolean value \"maybe\" for -version: parse error")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(translate(line), expected, "{line}");
        }
    }
}

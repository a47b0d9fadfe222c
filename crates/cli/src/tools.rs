//! Fabric's tools, by the names that its scripts call them by.

use std::{ffi::OsString, path::Path};

use clap::{CommandFactory as _, Parser as _};

use crate::{configtxgen, configtxlator, cryptogen, failure::Outcome, orderer, osnadmin};

/// A tool of Fabric's that this binary is as well: as `causeway NAME`, and when it is called `NAME`.
pub(crate) struct Tool {
    /// Fabric's name for it.
    pub(crate) name: &'static str,
    /// What it understands: for help, manual pages and shell completions.
    pub(crate) command: fn() -> clap::Command,
    /// Runs a command line, of which the tool's name is the first word.
    pub(crate) run: fn(Vec<OsString>) -> Outcome,
}

/// All of them, in the order in which an operator needs them.
pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "orderer",
        command: orderer::Arguments::command,
        run: |words| orderer::run(orderer::Arguments::parse_from(words)),
    },
    Tool { name: "cryptogen", command: cryptogen::Arguments::command, run: cryptogen::run },
    Tool { name: "configtxgen", command: configtxgen::Arguments::command, run: configtxgen::run },
    Tool { name: "configtxlator", command: configtxlator::Arguments::command, run: configtxlator::run },
    Tool { name: "osnadmin", command: osnadmin::Arguments::command, run: osnadmin::run },
];

/// The tool that a command line is for, with its own part of it: the program has the tool's name, as a link
/// to it does, or the first word is one.
pub(crate) fn called(words: &[OsString]) -> Option<(&'static Tool, Vec<OsString>)> {
    let named =
        |word: &OsString| TOOLS.iter().find(|tool| Path::new(word).file_stem() == Some(tool.name.as_ref()));
    let exactly = |word: &OsString| TOOLS.iter().find(|tool| *word == *tool.name);
    let by_program = words.first().and_then(named).map(|tool| (tool, words.to_vec()));
    by_program.or_else(|| words.get(1).and_then(exactly).map(|tool| (tool, words[1..].to_vec())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tool_is_called_by_the_programs_name_or_the_first_word() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (line, rest) in [
            ("/usr/local/bin/orderer start", "/usr/local/bin/orderer start"),
            ("orderer", "orderer"),
            ("causeway orderer start", "orderer start"),
            ("orderer orderer", "orderer orderer"),
        ] {
            let (tool, found) = called(&words(line)).unwrap();
            assert_eq!((tool.name, found), ("orderer", words(rest)), "{line}");
        }
        for line in
            ["causeway", "causeway submit", "causeway submit orderer", "causeway ./orderer", "borderer"]
        {
            assert!(called(&words(line)).is_none(), "{line}");
        }
    }
}

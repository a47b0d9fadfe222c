//! Shell completions, and manual pages: what the commands say of themselves, in other forms.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Command, ValueEnum as _};
use clap_complete::Shell;

use crate::{
    failure::{Outcome, because},
    tools::TOOLS,
};

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Print completions for a shell
///
/// They are for causeway, and for Fabric's tools under their own names.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  source <(causeway completions bash)
  causeway completions zsh > ~/.zsh-completions && echo 'source ~/.zsh-completions' >> ~/.zshrc
  causeway completions fish > ~/.config/fish/completions/causeway.fish")]
pub(crate) struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Write all manual pages and completions into a directory
#[derive(clap::Args)]
pub(crate) struct DocumentArguments {
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn completions(arguments: CompletionArguments) -> Outcome {
    let shell = Shell::from_str(&arguments.shell, false).map_err(because)?;
    for mut command in programs(crate::command()) {
        let name = command.get_name().to_owned();
        clap_complete::generate(shell, &mut command, name, &mut io::stdout());
    }
    Ok(ExitCode::SUCCESS)
}

/// `completions/` for every shell, `man/` with a page a command; the pages of Fabric's tools have the tools' names.
pub(crate) fn write(arguments: DocumentArguments) -> Outcome {
    let completions = arguments.directory.join("completions");
    fs::create_dir_all(&completions)?;
    for mut command in programs(crate::command()) {
        let name = command.get_name().to_owned();
        for shell in SHELLS {
            clap_complete::generate_to(shell, &mut command, &name, &completions)?;
        }
    }
    let pages = arguments.directory.join("man");
    fs::create_dir_all(&pages)?;
    for mut command in programs(crate::own_command()) {
        command = command.disable_help_subcommand(true);
        command.build();
        write_pages(&command, &pages)?;
    }
    let mut causeway = fs::OpenOptions::new().append(true).open(pages.join("causeway.1"))?;
    let tools: Vec<_> = TOOLS.iter().map(|tool| format!("\\fB{}\\fR(1)", tool.name)).collect();
    writeln!(causeway, ".SH \"SEE ALSO\"\n{}: Fabric's tools, which causeway is as well.", tools.join(", "))?;
    Ok(ExitCode::SUCCESS)
}

/// The causeway command, and the tools that it also is.
fn programs(causeway: Command) -> Vec<Command> {
    let tools = TOOLS.iter().map(|tool| (tool.command)().name(tool.name));
    std::iter::once(causeway).chain(tools).collect()
}

/// The page of a command and those of its subcommands.
fn write_pages(command: &Command, directory: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        write_pages(subcommand, directory)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    // What follows the flags in our help is examples.
    let text = String::from_utf8_lossy(&text).replace(".SH EXTRA\n", ".SH EXAMPLES\n");
    fs::write(directory.join(format!("{name}.1")), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(command: &Command, path: &str, mistakes: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        if command.get_about().is_none() {
            mistakes.push(format!("{path} does not say what it is for"));
        }
        let example = command.get_after_help().is_some_and(|text| text.to_string().contains("xample"));
        let takes_words = command.get_arguments().next().is_some() && !command.has_subcommands();
        if takes_words && !example {
            mistakes.push(format!("{path} has no example"));
        }
        for argument in command.get_arguments() {
            if argument.get_help().is_none() {
                mistakes.push(format!("{path} does not explain {}", argument.get_id()));
            }
        }
        for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            visit(subcommand, &path, mistakes);
        }
    }

    #[test]
    fn every_command_says_what_it_is_for_and_gives_an_example() {
        let mut mistakes = Vec::new();
        visit(&crate::command(), "", &mut mistakes);
        assert_eq!(mistakes, Vec::<String>::new());
    }
}

//! Guides of `docs/operations` whose commands are typed to the letter.

use std::fs;
use std::os::unix::{fs::symlink, process::CommandExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A guide: its `console` blocks are what an operator types.
pub struct Guide {
    text: String,
}

/// A command of the guide and what it says should be printed.
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The shell in which a guide was typed. What it has started and not stopped ends when this is dropped.
pub struct Shell {
    group: u32,
}

impl Guide {
    /// A guide of `docs/operations`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations").join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { text }
    }

    /// Puts what is so on this machine in the place of what the guide says.
    ///
    /// # Panics
    /// When the guide does not say it.
    pub fn put(&mut self, of_guide: &str, here: &str) {
        assert!(self.text.contains(of_guide), "the guide does not have {of_guide:?}");
        self.text = self.text.replace(of_guide, here);
    }

    /// Has commands typed before a heading that the guide supposes to have been given.
    ///
    /// # Panics
    /// When there is no such heading.
    pub fn before(&mut self, heading: &str, commands: &[&str]) {
        let commands: String = commands.iter().map(|command| format!("$ {command}\n...\n")).collect();
        let line = format!("\n{heading}\n");
        self.put(&line, &format!("\n```console\n{commands}```\n{line}"));
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.steps().len()
    }

    /// Whether there is nothing to type.
    pub fn is_empty(&self) -> bool {
        self.steps().is_empty()
    }

    /// The commands of all `console` blocks, indented or not: a line with `$ ` begins one, and it goes on while
    /// the shell would ask for more.
    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut indent = None;
        let mut in_document = false;
        let mut continued = false;
        for line in self.text.lines() {
            let Some(spaces) = indent else {
                indent = line.strip_suffix("```console").filter(|before| before.trim().is_empty());
                continue;
            };
            let line = line.strip_prefix(spaces).unwrap_or(line);
            if line == "```" {
                (indent, continued) = (None, false);
                continue;
            }
            if let Some(command) = line.strip_prefix("$ ").filter(|_| !in_document) {
                steps.push(Step { command: command.to_owned(), expected: Vec::new() });
                in_document = command.ends_with("<<'END'");
            } else {
                let step = steps.last_mut().expect("a block begins with a command");
                if in_document || continued {
                    step.command += &format!("\n{line}");
                    in_document &= line != "END";
                } else {
                    step.expected.push(line.to_owned());
                }
            }
            let command = &steps.last().expect("a line belongs to a command").command;
            let open = |opening: char, closing: char| {
                command.matches(opening).count() > command.matches(closing).count()
            };
            let in_quotes = command.matches('\'').count() % 2 == 1;
            continued = command.ends_with('\\') || in_quotes || open('(', ')') || open('{', '}');
        }
        steps
    }

    /// Types all commands in the directory `place`, one after the other, and compares what each prints with
    /// what the guide shows. `programs` are found under their names before all others.
    ///
    /// # Panics
    /// When a command fails or prints something else, or all of it takes longer than `limit`: then with the
    /// last line that each node (`*/orderer.log` below `place`) has printed.
    pub fn type_in(&self, place: &Path, programs: &[(&str, &Path)], limit: Duration) -> Shell {
        let scratch = tempfile::tempdir().expect("a temporary directory can be made");
        let (outputs, path) = (scratch.path().join("outputs"), scratch.path().join("path"));
        for folder in [&outputs, &path] {
            fs::create_dir(folder).expect("a directory can be made");
        }
        for (name, program) in programs {
            symlink(program, path.join(name)).expect("a link can be made");
        }
        let paths = format!("{}:{}", path.display(), std::env::var("PATH").unwrap_or_default());
        let steps = self.steps();
        let mut process = Command::new("bash")
            .arg("-c")
            .arg(script(&steps, &outputs))
            .current_dir(place)
            .env("PATH", paths)
            .process_group(0)
            .spawn()
            .expect("there is a bash");
        let shell = Shell { group: process.id() };
        // A node that does not start would be waited for until the end of days.
        let deadline = Instant::now() + limit;
        let status = loop {
            match process.try_wait().expect("it is a child of this process") {
                Some(status) => break Some(status),
                None if Instant::now() >= deadline => break None,
                None => thread::sleep(Duration::from_millis(50)),
            }
        };
        let ended_well = status.is_some_and(|status| status.success());
        for (number, Step { command, expected }) in steps.iter().enumerate() {
            let output = fs::read_to_string(outputs.join(number.to_string())).unwrap_or_default();
            let is_last = !outputs.join((number + 1).to_string()).exists();
            assert!(
                ended_well || !is_last,
                "`{command}` ended with {status:?}: {output}\nThe nodes:\n{}",
                last_words(place)
            );
            assert!(
                shows(expected, &output),
                "`{command}` printed\n{output}instead of\n{}",
                expected.join("\n")
            );
        }
        shell
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Usually there is nothing left.
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.group)])
            .stderr(Stdio::null())
            .status();
    }
}

/// Whether the output is as the guide shows it: `...` stands for anything, also for whole lines.
fn shows(expected: &[String], output: &str) -> bool {
    fn line_fits(pattern: &str, line: &str) -> bool {
        let mut parts = pattern.split("...");
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = line.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }
    fn fit(expected: &[String], lines: &[&str]) -> bool {
        match (expected, lines) {
            ([], lines) => lines.is_empty(),
            ([any, rest @ ..], lines) if any == "..." => {
                (0..=lines.len()).any(|skipped| fit(rest, &lines[skipped..]))
            }
            ([pattern, rest @ ..], [line, lines @ ..]) => line_fits(pattern, line) && fit(rest, lines),
            (_, []) => false,
        }
    }
    fit(expected, &output.lines().collect::<Vec<_>>())
}

/// The script that types all steps. What each prints goes into a file of its own.
fn script(steps: &[Step], outputs: &Path) -> String {
    let mut script = "set -e\n".to_owned();
    for (number, Step { command, .. }) in steps.iter().enumerate() {
        let output = outputs.join(number.to_string());
        script += &format!("{{ {command}\n}} > {} 2>&1\n", output.display());
    }
    script
}

/// What each node printed last.
fn last_words(place: &Path) -> String {
    let folders = fs::read_dir(place).into_iter().flatten().flatten();
    let logs = folders.filter_map(|folder| fs::read_to_string(folder.path().join("orderer.log")).ok());
    logs.filter_map(|log| log.lines().last().map(|line| format!("{line}\n"))).collect()
}

//! The guide `docs/operations/tools.md`, typed to the letter.

use std::fs;
use std::os::unix::{fs::symlink, process::CommandExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use testbed::{binary, ports};

/// How long all of it may take; it takes some ten seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// A command of the guide and what it says should be printed.
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The commands of all `console` blocks: a line with `$ ` begins one, and it goes on while the shell would ask
/// for more.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_block = false;
    let mut in_document = false;
    let mut continued = false;
    for line in guide.lines() {
        match line {
            "```console" => in_block = true,
            "```" => (in_block, continued) = (false, false),
            _ if !in_block => {}
            _ => {
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
        }
    }
    steps
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

#[test]
fn the_guide_to_the_tools_works_to_the_letter() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/tools.md");
    let mut guide = fs::read_to_string(guide).expect("the guide can be read");
    // The ports of the guide may be taken here.
    let base = ports::block(9);
    for (index, port) in [7050, 7051, 7052, 7060, 7061, 7062, 7070, 7071, 7072].into_iter().enumerate() {
        let free = usize::from(base) + index;
        guide = guide.replace(&format!("{port}"), &free.to_string());
    }
    let steps = steps(&guide);
    assert!(steps.len() > 25, "only {} commands were found", steps.len());

    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (place, outputs, path) =
        (directory.path().join("place"), directory.path().join("outputs"), directory.path().join("path"));
    for folder in [&place, &outputs, &path] {
        fs::create_dir(folder).expect("a directory can be made");
    }
    symlink(binary::causeway(), path.join("causeway")).expect("a link can be made");
    let paths = format!("{}:{}", path.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash")
        .arg("-c")
        .arg(script(&steps, &outputs))
        .current_dir(&place)
        .env("PATH", paths)
        .process_group(0)
        .spawn()
        .expect("there is a bash");
    // A node that does not start would be waited for until the end of days.
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match shell.try_wait().expect("it is a child of this process") {
            Some(status) => break Some(status),
            None if Instant::now() >= deadline => break None,
            None => thread::sleep(Duration::from_millis(50)),
        }
    };
    // What the guide has started and not stopped; usually that is nothing.
    let _ = Command::new("kill")
        .args(["-KILL", "--", &format!("-{}", shell.id())])
        .stderr(Stdio::null())
        .status();

    let nodes: String = (1..=3)
        .filter_map(|n| fs::read_to_string(place.join(format!("node{n}/orderer.log"))).ok())
        .flat_map(|log| log.lines().rev().take(1).map(|line| format!("{line}\n")).collect::<Vec<_>>())
        .collect();
    for (number, Step { command, expected }) in steps.iter().enumerate() {
        let output = fs::read_to_string(outputs.join(number.to_string())).unwrap_or_default();
        let is_last = !outputs.join((number + 1).to_string()).exists();
        let ended_well = status.is_some_and(|status| status.success());
        assert!(ended_well || !is_last, "`{command}` ended with {status:?}: {output}\nThe nodes:\n{nodes}");
        assert!(shows(expected, &output), "`{command}` printed\n{output}instead of\n{}", expected.join("\n"));
    }
}

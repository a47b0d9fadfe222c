//! The project's own chores, run as `cargo xtask <name>`.

mod deny;
mod docs;
mod python;
mod run;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
The project's own chores.

Usage: cargo xtask <name> [arguments]

  test [FILTER] [-- ARGS]   all tests; sets up what they need and says so
  soak [SEEDS]              the fault tests and simulations again, with many seeds (default 200)
  docs [--check]            manual pages and shell completions in docs/; --check: are they those of the code?
  deny                      licences, sources and advisories of the dependencies
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("test") => test::test(arguments.collect()),
        Some("soak") => test::soak(arguments.next()),
        Some("docs") => match arguments.next().as_deref() {
            None => docs::docs(false),
            Some("--check") => docs::docs(true),
            Some(other) => Err(format!("docs takes --check, not {other}")),
        },
        Some("deny") => deny::check(),
        Some("help" | "--help" | "-h") | None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("there is no chore named {other}; `cargo xtask help` lists them")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

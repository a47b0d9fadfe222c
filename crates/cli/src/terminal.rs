//! Progress on standard error: a line that is rewritten on a terminal, plain lines
//! now and then elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

const TERMINAL_INTERVAL: Duration = Duration::from_millis(100);
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// How far a piece of work has come.
pub(crate) struct Progress {
    label: &'static str,
    total: Option<u64>,
    started: Instant,
    shown: Instant,
    terminal: bool,
    silent: bool,
    drawn: bool,
}

impl Progress {
    /// Work of `total` pieces, if that is known; `silent` shows nothing (scripts that read JSON
    /// often show standard error too).
    pub(crate) fn new(label: &'static str, total: Option<u64>, silent: bool) -> Self {
        let now = Instant::now();
        let terminal = io::stderr().is_terminal();
        Self { label, total, started: now, shown: now, terminal, silent, drawn: false }
    }

    /// Shows that `done` pieces are done, unless it was shown just before.
    pub(crate) fn update(&mut self, done: u64) {
        let interval = if self.terminal { TERMINAL_INTERVAL } else { PLAIN_INTERVAL };
        if self.silent || self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        self.drawn = true;
        let rate = done as f64 / self.started.elapsed().as_secs_f64();
        let of = self.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let line = format!("{}: {done}{of} ({rate:.0}/s)", self.label);
        let mut stderr = io::stderr().lock();
        // Progress that cannot be shown is not worth failing for.
        let _ = if self.terminal { write!(stderr, "\r\x1b[K{line}") } else { writeln!(stderr, "{line}") };
        let _ = stderr.flush();
    }

    /// Clears the line.
    pub(crate) fn finish(self) {
        if self.drawn && self.terminal {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// Writes lines to standard output, as long as somebody reads them.
pub(crate) fn print_lines(lines: impl IntoIterator<Item = String>) {
    lines.into_iter().take_while(|line| print_line(line)).for_each(drop);
}

/// Writes a line to standard output; `false` when nobody reads it any more.
pub(crate) fn print_line(line: &str) -> bool {
    writeln!(io::stdout().lock(), "{line}").is_ok()
}

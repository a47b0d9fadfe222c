//! Why a command could not do its work, in words for the person who typed it.

use std::{error::Error, fmt, process::ExitCode};

/// What a command ends with: its exit code, or the reason it stopped.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// A reason with all its causes on one line. It is made from any typed error by `?`,
/// so it is no [`Error`] itself.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure in these words; say what is wrong and what to do.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Many errors already print their cause; saying it twice helps nobody.
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

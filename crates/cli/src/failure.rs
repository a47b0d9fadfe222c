//! Why a command could not do its work, in words for the person who typed it.

use std::{error::Error, io, process::ExitCode};

/// What a command ends with: its exit code, or the reason it stopped.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// A reason to stop: any typed error, or the words of [`because`].
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// A failure in these words; say what is wrong and what to do.
pub(crate) fn because(text: impl Into<String>) -> Failure {
    text.into().into()
}

/// The error with all its causes, on one line.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
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
    text
}

/// What the system says, as Go prints it: `no such file or directory`.
pub(crate) fn system_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Layered {
        #[error("outer")]
        Outer(#[source] Box<Layered>),
        #[error("middle: inner")]
        Middle(#[source] Box<Layered>),
        #[error("inner")]
        Inner,
    }

    #[test]
    fn every_cause_is_told_once() {
        let error = Layered::Outer(Box::new(Layered::Middle(Box::new(Layered::Inner))));
        assert_eq!(explain(&error), "outer: middle: inner");
        assert_eq!(explain(&*because("words")), "words");
    }

    #[test]
    fn reasons_are_gos() {
        let error = std::fs::read("/nowhere").unwrap_err();
        assert_eq!(system_reason(&error), "no such file or directory");
    }
}

//! A value that was read, before it is told what to be when it is missing.

use std::path::PathBuf;
use std::time::Duration;

use super::Section;
use crate::settings::units;

/// A value that was read and still needs to be told what to be when it is missing or zero.
#[must_use]
pub struct Setting<'s, 'a, T> {
    pub(super) section: &'s Section<'a>,
    pub(super) path: String,
    pub(super) value: T,
}

impl<T: Default + PartialEq + Show> Setting<'_, '_, T> {
    /// The value, or its type's zero.
    pub fn or_zero(self) -> T {
        self.listed()
    }

    /// The value, or `default` when it is missing or zero.
    pub(in crate::settings) fn or(mut self, default: T) -> T {
        if self.value == T::default() {
            self.value = default;
        }
        self.listed()
    }

    /// As [`Setting::or`]; Fabric says in its log that it filled this default in.
    pub(in crate::settings) fn or_noted(mut self, default: T) -> T {
        if self.value == T::default() {
            let text = format!("{} unset, setting to {}", self.path, default.show().trim_matches('"'));
            self.section.reader.noted.borrow_mut().remarks.push(text);
            self.value = default;
        }
        self.listed()
    }

    /// The value, which the listing shows as stars.
    pub(in crate::settings) fn secret(self) -> T {
        let shown = if self.value == T::default() { String::from("\"\"") } else { String::from("****") };
        self.section.reader.noted.borrow_mut().listing.push((self.path, shown));
        self.value
    }

    fn listed(self) -> T {
        self.section.reader.noted.borrow_mut().listing.push((self.path, self.value.show()));
        self.value
    }
}

impl<T: Copy> Setting<'_, '_, Option<T>> {
    /// The value that was chosen, or `default`, shown by its word in `words`.
    pub(in crate::settings) fn or_word(self, default: T, words: &[(&str, T)]) -> T
    where
        T: PartialEq,
    {
        let value = self.value.unwrap_or(default);
        let word = words.iter().find(|(_, candidate)| *candidate == value).map_or("", |(word, _)| *word);
        self.section.reader.noted.borrow_mut().listing.push((self.path, format!("{word:?}")));
        value
    }
}

/// How the listing shows a value: as Go does.
pub trait Show {
    /// The value as text.
    fn show(&self) -> String;
}

impl Show for String {
    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Show for PathBuf {
    fn show(&self) -> String {
        format!("\"{}\"", self.display())
    }
}

impl Show for Duration {
    fn show(&self) -> String {
        units::show_duration(*self)
    }
}

macro_rules! show_as_displayed {
    ($($kind:ty)*) => { $(impl Show for $kind { fn show(&self) -> String { self.to_string() } })* };
}

show_as_displayed!(bool i16 i32 u16 u32 u64 usize);

//! A report as an indented outline, for people: the fields of the JSON in their order, without its marks.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// Tells `report` as an outline.
pub(super) fn outline(report: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    report.serialize(&mut Serializer::with_formatter(&mut bytes, Outline::default()))?;
    let text = String::from_utf8_lossy(&bytes);
    // A field whose value is a list or an object ends its line with a blank.
    Ok(text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
}

#[derive(Default)]
struct Outline {
    depth: usize,
    /// The cursor stands behind the dash of a list.
    behind_dash: bool,
    /// Nothing of the list or object has been written yet.
    empty: bool,
}

impl Outline {
    fn begin(&mut self) {
        self.depth += 1;
        self.empty = true;
    }

    fn end<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if std::mem::take(&mut self.empty) { writer.write_all(b"none") } else { Ok(()) }
    }

    fn new_line<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.empty = false;
        if std::mem::take(&mut self.behind_dash) {
            return Ok(());
        }
        write!(writer, "\n{:1$}", "", 2 * (self.depth - 1))
    }
}

impl Formatter for Outline {
    fn begin_string<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn end_string<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            // Foreign bytes must not move the cursor of a terminal.
            _ => writer.write_all("\u{fffd}".as_bytes()),
        }
    }

    fn begin_array<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.begin();
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, _: bool) -> io::Result<()> {
        self.new_line(writer)?;
        writer.write_all(b"- ")?;
        self.behind_dash = true;
        Ok(())
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.behind_dash = false;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.begin();
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, _: bool) -> io::Result<()> {
        self.new_line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Serialize)]
    struct Chain {
        name: &'static str,
        blocks: Vec<Block>,
        faults: Vec<&'static str>,
    }

    #[derive(Serialize)]
    struct Block {
        number: u64,
        hash: &'static str,
        ids: Vec<u64>,
    }

    #[test]
    fn lists_and_objects_are_indented() {
        let block = |number| Block { number, hash: "ab", ids: vec![1, 2] };
        let chain = Chain { name: "c\u{1b}h", blocks: vec![block(0), block(1)], faults: vec![] };
        let expected = "name: c\u{fffd}h\nblocks:\n  - number: 0\n    hash: ab\n    ids:\n      - 1\n      - 2\n  \
                        - number: 1\n    hash: ab\n    ids:\n      - 1\n      - 2\nfaults: none";
        assert_eq!(outline(&chain).unwrap(), expected);
    }
}

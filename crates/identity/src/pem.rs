//! PEM blocks, read as leniently as Go's `encoding/pem` does.

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

/// Standard base64; like Go's, reading does not mind set bits behind the last byte.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A decoded block and what follows it.
pub(crate) struct Block<'a> {
    /// The label between `BEGIN` and the dashes.
    pub(crate) label: String,
    /// The decoded content.
    pub(crate) der: Vec<u8>,
    /// Everything behind the line that ends the block.
    pub(crate) rest: &'a [u8],
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Finds the first well-formed block; text before it and malformed blocks are skipped.
pub(crate) fn decode(input: &[u8]) -> Option<Block<'_>> {
    let mut rest = input;
    loop {
        let (line, next) = split_line(rest)?;
        rest = next;
        let Some(label) = line.strip_prefix(BEGIN).and_then(|l| l.strip_suffix(DASHES)) else { continue };
        if let Some((der, behind)) = body(label, rest) {
            return Some(Block { label: String::from_utf8_lossy(label).into_owned(), der, rest: behind });
        }
    }
}

/// The content up to the `END` line with this label, and what follows that line.
fn body<'a>(label: &[u8], input: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
    let mut rest = input;
    let mut base64 = Vec::new();
    let mut in_headers = true;
    loop {
        let (line, next) = split_line(rest)?;
        if let Some(end) = line.strip_prefix(END) {
            if end.strip_suffix(DASHES)? != label {
                return None;
            }
            return Some((LENIENT.decode(&base64).ok()?, next));
        }
        rest = next;
        if in_headers && line.contains(&b':') {
            continue;
        }
        in_headers = false;
        base64.extend(line.iter().filter(|b| !b" \t".contains(b)));
    }
}

/// The next line without its end and trailing blanks; `None` at the end of input.
fn split_line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    if input.is_empty() {
        return None;
    }
    let (line, rest) = match input.iter().position(|b| *b == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &input[input.len()..]),
    };
    Some((line.trim_ascii_end(), rest))
}

/// A block with this label and 64-column lines.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let base64 = LENIENT.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = next;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn blocks_survive_the_round_trip_and_odd_surroundings() {
        let der: Vec<u8> = (0..100).collect();
        let pem = encode("CERTIFICATE", &der);
        assert!(pem.lines().all(|l| l.len() <= 64));
        let cases = [
            (pem.clone(), ""),
            (format!("some words\n{pem}"), ""),
            (format!("{pem}trailing"), "trailing"),
            (pem.trim_end().to_owned(), ""),
            (pem.replace('\n', "\r\n"), ""),
            (pem.replacen('\n', "\nKey: value\n\n", 1), ""),
            (format!("-----BEGIN X-----\n%%\n-----END X-----\n{pem}"), ""),
        ];
        for (text, rest) in &cases {
            let block = decode(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (block.label.as_str(), &block.der, block.rest),
                ("CERTIFICATE", &der, rest.as_bytes())
            );
        }
    }

    #[test]
    fn text_without_a_whole_block_is_none() {
        for text in [
            "",
            "x",
            "-----BEGIN A-----",
            "-----BEGIN A-----\nAAAA\n-----END B-----\n",
            "-----BEGIN A-----\n!\n-----END A-----",
        ] {
            assert!(decode(text.as_bytes()).is_none(), "{text}");
        }
    }
}

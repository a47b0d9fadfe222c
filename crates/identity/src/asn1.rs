//! Just enough DER, with the leniency and the error texts of Go's `encoding/asn1`.

/// Tag of INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// Tag of BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// Tag of SEQUENCE, constructed.
pub(crate) const SEQUENCE: u8 = 0x30;

/// What is wrong with a piece of DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Asn1Error {
    /// The bytes end inside tag or length.
    #[error("asn1: syntax error: truncated tag or length")]
    TruncatedHeader,
    /// The length says more than there is.
    #[error("asn1: syntax error: data truncated")]
    Truncated,
    /// Indefinite length, which DER has not.
    #[error("asn1: syntax error: indefinite length found (not DER)")]
    Indefinite,
    /// A length with leading zero bytes.
    #[error("asn1: structure error: superfluous leading zeros in length")]
    LeadingZeros,
    /// A length that is not in its shortest form.
    #[error("asn1: structure error: non-minimal length")]
    NonMinimalLength,
    /// A length beyond what Go accepts.
    #[error("asn1: structure error: length too large")]
    TooLarge,
    /// Another tag than the expected one.
    #[error("asn1: structure error: tags don't match")]
    WrongTag,
    /// An INTEGER without content.
    #[error("asn1: structure error: empty integer")]
    EmptyInteger,
    /// An INTEGER with needless leading bytes.
    #[error("asn1: structure error: integer not minimally-encoded")]
    NonMinimalInteger,
}

/// One element: its tag, its content, and the element as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads the element at the start of `input`; also gives what follows it.
pub(crate) fn read(input: &[u8]) -> Result<(Element<'_>, &[u8]), Asn1Error> {
    let [tag, rest @ ..] = input else { return Err(Asn1Error::TruncatedHeader) };
    if tag & 0x1f == 0x1f {
        // High tag numbers occur nowhere in what is read here.
        return Err(Asn1Error::WrongTag);
    }
    let [first, rest @ ..] = rest else { return Err(Asn1Error::TruncatedHeader) };
    let mut rest = rest;
    let mut length = usize::from(*first);
    if *first == 0x80 {
        return Err(Asn1Error::Indefinite);
    }
    if *first > 0x80 {
        length = 0;
        for _ in 0..(first & 0x7f) {
            let [byte, tail @ ..] = rest else { return Err(Asn1Error::TruncatedHeader) };
            if length >= 1 << 23 {
                return Err(Asn1Error::TooLarge);
            }
            length = length << 8 | usize::from(*byte);
            if length == 0 {
                return Err(Asn1Error::LeadingZeros);
            }
            rest = tail;
        }
        if length < 0x80 {
            return Err(Asn1Error::NonMinimalLength);
        }
    }
    if length > rest.len() {
        return Err(Asn1Error::Truncated);
    }
    let (content, rest) = rest.split_at(length);
    let raw = &input[..input.len() - rest.len()];
    Ok((Element { tag: *tag, content, raw }, rest))
}

/// Reads an element that must have this tag.
pub(crate) fn expect(tag: u8, input: &[u8]) -> Result<(Element<'_>, &[u8]), Asn1Error> {
    let (element, rest) = read(input)?;
    if element.tag != tag {
        return Err(Asn1Error::WrongTag);
    }
    Ok((element, rest))
}

/// Reads an INTEGER's content octets, in shortest form.
pub(crate) fn integer(input: &[u8]) -> Result<(&[u8], &[u8]), Asn1Error> {
    let (element, rest) = expect(INTEGER, input)?;
    match element.content {
        [] => Err(Asn1Error::EmptyInteger),
        [0x00, next, ..] if next & 0x80 == 0 => Err(Asn1Error::NonMinimalInteger),
        [0xff, next, ..] if next & 0x80 != 0 => Err(Asn1Error::NonMinimalInteger),
        content => Ok((content, rest)),
    }
}

/// Appends an element with this tag and content.
pub(crate) fn write(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let length = content.len();
    if length < 0x80 {
        // Below 0x80, so it fits.
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        out.push(0x80 | (bytes.len() - zeros) as u8);
        out.extend_from_slice(&bytes[zeros..]);
    }
    out.extend_from_slice(content);
}

/// An element with this tag and content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    write(tag, content, &mut out);
    out
}

/// Appends an INTEGER with this magnitude (big endian).
pub(crate) fn write_unsigned(magnitude: &[u8], out: &mut Vec<u8>) {
    let magnitude = strip_zeros(magnitude);
    let mut content = Vec::with_capacity(magnitude.len() + 1);
    if magnitude.first().is_none_or(|b| b & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(magnitude);
    write(INTEGER, &content, out);
}

/// A big-endian magnitude without leading zero bytes.
pub(crate) fn strip_zeros(magnitude: &[u8]) -> &[u8] {
    &magnitude[magnitude.iter().take_while(|b| **b == 0).count()..]
}

/// A big-endian magnitude in decimal digits.
pub(crate) fn decimal(magnitude: &[u8]) -> String {
    const BILLION: u64 = 1_000_000_000;
    let mut number = strip_zeros(magnitude).to_vec();
    let mut groups = Vec::new();
    while !number.is_empty() {
        let mut remainder = 0u64;
        for byte in &mut number {
            let value = remainder << 8 | u64::from(*byte);
            *byte = (value / BILLION) as u8;
            remainder = value % BILLION;
        }
        groups.push(remainder);
        number.drain(..number.len() - strip_zeros(&number).len());
    }
    match groups.split_last() {
        None => "0".to_owned(),
        Some((first, others)) => {
            let mut text = first.to_string();
            others.iter().rev().for_each(|group| text.push_str(&format!("{group:09}")));
            text
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn writing_and_reading_give_back_the_content() {
        for length in [0usize, 1, 0x7f, 0x80, 0xff, 0x100, 70_000] {
            let content = vec![7; length];
            let mut out = Vec::new();
            write(BIT_STRING, &content, &mut out);
            let raw = out.clone();
            out.extend_from_slice(b"rest");
            let (element, rest) = read(&out).unwrap();
            assert_eq!((element.tag, element.content, element.raw), (BIT_STRING, &content[..], &raw[..]));
            assert_eq!(rest, b"rest");
        }
    }

    #[test]
    fn lengths_must_be_in_shortest_form_and_true() {
        for (bytes, error) in [
            (&[][..], Asn1Error::TruncatedHeader),
            (&[0x30], Asn1Error::TruncatedHeader),
            (&[0x30, 0x81], Asn1Error::TruncatedHeader),
            (&[0x30, 0x80, 0, 0], Asn1Error::Indefinite),
            (&[0x30, 0x01], Asn1Error::Truncated),
            (&[0x30, 0x81, 0x01, 0], Asn1Error::NonMinimalLength),
            (&[0x30, 0x82, 0x00, 0x80, 0], Asn1Error::LeadingZeros),
            (&[0x30, 0x84, 0x80, 0, 0, 0], Asn1Error::TooLarge),
        ] {
            assert_eq!(read(bytes).unwrap_err(), error, "{bytes:x?}");
        }
    }

    #[test]
    fn decimals_are_those_of_the_number() {
        for number in [0u128, 1, 9, 10, 255, 256, 999_999_999, 1_000_000_000, u128::MAX] {
            assert_eq!(decimal(&number.to_be_bytes()), number.to_string());
        }
    }
}

//! Walking the top-level fields of an encoded message without decoding it.
//!
//! Needed where the exact bytes matter: a generated decoder drops unknown fields and forgets how
//! a field was written, but both decide what goes into a block (and so into its data hash).
//! What is accepted here is what Go's protobuf runtime accepts.

use std::ops::Range;

use bytes::Bytes;
use protos::Message;

/// Bytes that are not the wire form of any message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("proto: cannot parse invalid wire-format data")]
pub struct WireError;

/// Decodes a message. Byte fields of the result share the memory of `bytes`.
pub(crate) fn decode<M: Message + Default>(bytes: &Bytes) -> Result<M, WireError> {
    M::decode(bytes.clone()).map_err(|_| WireError)
}

/// Wire type of length-delimited fields (bytes, strings, messages).
pub(crate) const LENGTH_DELIMITED: u8 = 2;

/// How deep groups may nest; Go's limit.
const MAX_GROUP_DEPTH: usize = 10_000;

/// One field: where it lies in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) wire_type: u8,
    /// From the first byte of the tag to the end of the value.
    pub(crate) whole: Range<usize>,
    /// From the first byte after the tag to the end of the value.
    pub(crate) after_tag: Range<usize>,
    /// The content of a length-delimited field; otherwise the same as `after_tag`.
    pub(crate) content: Range<usize>,
}

impl Field {
    /// Whether tag and length are written in as few bytes as possible.
    pub(crate) fn is_minimal(&self) -> bool {
        let tag = varint_len(u64::from(self.number) << 3);
        let length = match self.wire_type {
            LENGTH_DELIMITED => varint_len(self.content.len() as u64),
            _ => 0,
        };
        self.after_tag.start - self.whole.start == tag && self.content.start - self.after_tag.start == length
    }

    /// The tag in its shortest form.
    pub(crate) fn tag(&self) -> u64 {
        u64::from(self.number) << 3 | u64::from(self.wire_type)
    }
}

/// The fields of `message`, in the order they were written; ends after the first error.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field, WireError>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= message.len() {
            return None;
        }
        let field = field_at(message, at);
        at = field.as_ref().map_or(message.len(), |f| f.whole.end);
        Some(field)
    })
}

/// Appends `value` in as few bytes as possible.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number of bytes of `value` as a varint.
pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

fn field_at(message: &[u8], start: usize) -> Result<Field, WireError> {
    let (number, wire_type, after_tag) = tag_at(message, start)?;
    let (content, end) = value_at(message, after_tag, number, wire_type)?;
    Ok(Field { number, wire_type, whole: start..end, after_tag: after_tag..end, content: content..end })
}

fn tag_at(message: &[u8], at: usize) -> Result<(u32, u8, usize), WireError> {
    let (tag, after) = varint_at(message, at)?;
    let number = tag >> 3;
    // Field numbers are positive 32-bit integers; Go lets a few above the official 2^29-1 through.
    match u32::try_from(number) {
        Ok(number) if (1..=i32::MAX as u32).contains(&number) => Ok((number, (tag & 7) as u8, after)),
        _ => Err(WireError),
    }
}

/// Where the content starts and the value ends.
fn value_at(message: &[u8], at: usize, number: u32, wire_type: u8) -> Result<(usize, usize), WireError> {
    let fixed = |length: usize| match at + length {
        end if end <= message.len() => Ok((at, end)),
        _ => Err(WireError),
    };
    match wire_type {
        0 => Ok((at, varint_at(message, at)?.1)),
        1 => fixed(8),
        5 => fixed(4),
        LENGTH_DELIMITED => {
            let (length, content) = varint_at(message, at)?;
            match usize::try_from(length) {
                Ok(length) if length <= message.len() - content => Ok((content, content + length)),
                _ => Err(WireError),
            }
        }
        3 => Ok((at, group_end(message, at, number)?)),
        _ => Err(WireError),
    }
}

/// The end of a group whose start tag has been read; open groups are kept on a list, not on the
/// call stack, because the depth is the sender's choice.
fn group_end(message: &[u8], mut at: usize, number: u32) -> Result<usize, WireError> {
    let mut open = vec![number];
    while let Some(innermost) = open.last() {
        let (number, wire_type, after) = tag_at(message, at)?;
        at = match wire_type {
            3 if open.len() >= MAX_GROUP_DEPTH => return Err(WireError),
            3 => {
                open.push(number);
                after
            }
            4 if number == *innermost => {
                open.pop();
                after
            }
            _ => value_at(message, after, number, wire_type)?.1,
        };
    }
    Ok(at)
}

/// The varint at `at`, and where it ends.
pub(crate) fn varint_at(message: &[u8], at: usize) -> Result<(u64, usize), WireError> {
    let mut value = 0u64;
    for (i, byte) in message.get(at..).unwrap_or_default().iter().take(10).enumerate() {
        // The tenth byte holds the last of the 64 bits.
        if i == 9 && *byte > 1 {
            return Err(WireError);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((value, at + i + 1));
        }
    }
    Err(WireError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(message: &[u8]) -> Result<Vec<(u32, u8, usize)>, WireError> {
        fields(message).map(|f| f.map(|f| (f.number, f.wire_type, f.content.len()))).collect()
    }

    #[test]
    fn fields_are_found() {
        // varint, fixed64, bytes, group{varint}, fixed32
        let message = [
            0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, 0xaa, 0xbb, 0x23, 0x08, 0x01, 0x24,
            0x2d, 1, 2, 3, 4,
        ];
        assert_eq!(walk(&message), Ok(vec![(1, 0, 2), (2, 1, 8), (3, 2, 2), (4, 3, 3), (5, 5, 4)]));
        assert!(fields(&message).all(|f| f.is_ok_and(|f| f.is_minimal())));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let bad: [&[u8]; 10] = [
            &[0x0a],                                                                   // no length
            &[0x0a, 5, 1],                                                             // beyond the end
            &[0x80],                                                                   // endless tag
            &[0x00, 1],                                                                // field number 0
            &[0x0c],                                                                   // group end alone
            &[0x0b, 0x08, 1],                                                          // group never ended
            &[0x0b, 0x14],                                                             // other group's end
            &[0x0e],                                                                   // wire type 6
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],       // 65 bits
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00], // huge length
        ];
        for message in bad {
            assert_eq!(walk(message), Err(WireError), "{message:x?}");
        }
        let deep: Vec<u8> =
            std::iter::repeat_n(0x0b, 100_000).chain(std::iter::repeat_n(0x0c, 100_000)).collect();
        assert_eq!(walk(&deep), Err(WireError));
    }

    #[test]
    fn overlong_tags_and_lengths_are_noticed() {
        for message in [&[0x8a, 0x00, 0x01, 7][..], &[0x0a, 0x81, 0x00, 7]] {
            let field = fields(message).next().and_then(Result::ok).expect("one field");
            assert_eq!((field.number, field.content.len(), field.is_minimal()), (1, 1, false));
        }
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::MAX] {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            assert_eq!(out.len(), varint_len(value), "{value}");
        }
    }
}

//! Changing an encoded message in place.
//!
//! A configuration may hold values that a later release has given more fields. Decoding such a
//! value and encoding it again would drop them without a word, and so take them from the channel.

use std::collections::HashMap;

use bytes::Bytes;
use protos::Message;

use crate::wire::{self, Field, LENGTH_DELIMITED, WireError};

/// Changes the message that `bytes` encode. Fields that `M` does not have are kept, and whatever
/// element of a field stays as it was keeps its very bytes. Only an element that changes is
/// written anew, as `M` knows it, and keeps what `M` does not know of it if it is the only one of its
/// field; of several nobody can tell which was which. When nothing changes, the result is `bytes`.
///
/// With Fabric's tools all such fields are lost: its `protolator` goes through JSON, which has no place
/// for them.
pub fn rewrite<M: Message + Default + Clone + PartialEq>(
    bytes: &Bytes,
    change: impl FnOnce(&mut M),
) -> Result<Bytes, WireError> {
    let original: M = wire::decode(bytes)?;
    let mut message = original.clone();
    change(&mut message);
    if message == original {
        return Ok(bytes.clone());
    }
    // As this program writes an element → as it was written.
    let mut written = HashMap::new();
    for field in wire::fields(bytes) {
        let raw = bytes.slice(field?.whole);
        let alone: M = wire::decode(&raw)?;
        written.insert(alone.encode_to_vec(), raw);
    }
    Ok(restored(bytes, &original.encode_to_vec(), &message.encode_to_vec(), &written)?.into())
}

/// The new form of a message, with what its old form has and this program would not write: `raw` is that
/// form as it was found, `canonical` as this program writes it. `written` has the found form of elements
/// that this program writes so.
fn restored(
    raw: &[u8],
    canonical: &[u8],
    new: &[u8],
    written: &HashMap<Vec<u8>, Bytes>,
) -> Result<Vec<u8>, WireError> {
    let (old, known) = (elements(raw)?, elements(canonical)?);
    let given = elements(new)?;
    let mut out = Vec::with_capacity(raw.len().max(new.len()));
    for field in &given {
        let element = &new[field.whole.clone()];
        let only = |elements: &[Field]| {
            let mut own = elements.iter().filter(|other| other.number == field.number);
            own.next().filter(|_| own.next().is_none()).map(|only| only.content.clone())
        };
        if let Some(unchanged) = written.get(element) {
            out.extend_from_slice(unchanged);
        } else if field.wire_type == LENGTH_DELIMITED
            && let (Some(old), Some(known), Some(_)) = (only(&old), only(&known), only(&given))
            && raw[old.clone()] != canonical[known.clone()]
        {
            // Strings and bytes are written as they were found: this is a message.
            let content =
                restored(&raw[old], &canonical[known], &new[field.content.clone()], &HashMap::new())?;
            wire::put_varint(field.tag(), &mut out);
            wire::put_varint(content.len() as u64, &mut out);
            out.extend_from_slice(&content);
        } else {
            out.extend_from_slice(element);
        }
    }
    // A known field that spelled out its default must not undo what has been set.
    let has = |elements: &[Field], number| elements.iter().any(|field| field.number == number);
    let lost = old.iter().filter(|field| !has(&known, field.number) && !has(&given, field.number));
    lost.for_each(|field| out.extend_from_slice(&raw[field.whole.clone()]));
    Ok(out)
}

fn elements(message: &[u8]) -> Result<Vec<Field>, WireError> {
    wire::fields(message).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use protos::{
        common::{Capabilities, Capability},
        etcdraft::{ConfigMetadata, Consenter, Options},
        orderer::BatchSize,
    };

    use super::*;

    const LATER_FIELD: &[u8] = &[0x7a, 2, b'h', b'i'];

    #[test]
    fn fields_of_later_releases_survive() {
        let value = BatchSize { max_message_count: 5, absolute_max_bytes: 100, preferred_max_bytes: 50 };
        let bytes = Bytes::from([&value.encode_to_vec()[..], LATER_FIELD].concat());
        let changed = rewrite(&bytes, |size: &mut BatchSize| size.max_message_count = 7).unwrap();
        assert!(changed.ends_with(LATER_FIELD));
        let expected = BatchSize { max_message_count: 7, ..value };
        assert_eq!(BatchSize::decode(changed).unwrap(), expected);
        assert_eq!(rewrite(&bytes, |size: &mut BatchSize| size.max_message_count = 5).unwrap(), bytes);
    }

    #[test]
    fn fields_of_later_releases_survive_inside_of_what_changes() {
        let options = Options { election_tick: 10, heartbeat_tick: 1, ..Options::default() };
        let with_more = [&options.encode_to_vec()[..], LATER_FIELD].concat();
        let mut bytes = vec![0x12, u8::try_from(with_more.len()).unwrap()];
        bytes.extend_from_slice(&with_more);
        let changed = rewrite(&bytes.into(), |metadata: &mut ConfigMetadata| {
            metadata.options.as_mut().unwrap().election_tick = 20;
        });
        let changed = changed.unwrap();
        assert!(changed.ends_with(LATER_FIELD), "{changed:x?}");
        let expected = Options { election_tick: 20, ..options };
        assert_eq!(ConfigMetadata::decode(changed).unwrap().options, Some(expected));
    }

    #[test]
    fn a_default_that_was_spelled_out_does_not_undo_the_change() {
        let bytes = Bytes::from_static(&[0x08, 0x00]);
        let changed = rewrite(&bytes, |size: &mut BatchSize| size.max_message_count = 7).unwrap();
        assert_eq!(BatchSize::decode(changed).unwrap().max_message_count, 7);
    }

    #[test]
    fn elements_that_stay_keep_their_bytes() {
        // Go writes the empty value of a map entry, we do not.
        let by_go: &[u8] = &[0x0a, 6, 0x0a, 2, b'V', b'1', 0x12, 0];
        let changed = rewrite(&Bytes::from_static(by_go), |value: &mut Capabilities| {
            value.capabilities.insert("V2".to_owned(), Capability {});
        });
        let changed = changed.unwrap();
        assert!(changed.starts_with(by_go), "{changed:x?}");
        assert_eq!(Capabilities::decode(changed).unwrap().capabilities.len(), 2);

        let consenter = |host: &str| Consenter { host: host.to_owned(), ..Consenter::default() };
        let with_more = [&consenter("a").encode_to_vec()[..], LATER_FIELD].concat();
        let mut element = vec![0x0a, u8::try_from(with_more.len()).unwrap()];
        element.extend_from_slice(&with_more);
        let options = Options { election_tick: 10, ..Options::default() };
        let rest = ConfigMetadata { consenters: vec![consenter("b")], options: Some(options) };
        let bytes = Bytes::from([&element[..], &rest.encode_to_vec()].concat());
        let changed = rewrite(&bytes, |metadata: &mut ConfigMetadata| {
            metadata.consenters.remove(1);
            metadata.consenters.push(consenter("c"));
        });
        let changed = changed.unwrap();
        assert!(changed.starts_with(&element), "{changed:x?}");
        let hosts: Vec<_> =
            ConfigMetadata::decode(changed).unwrap().consenters.into_iter().map(|c| c.host).collect();
        assert_eq!(hosts, ["a", "c"]);
    }
}

//! Changing an encoded message in place.
//!
//! A configuration may hold values that a later release has given more fields. Decoding such a
//! value and encoding it again would drop them without a word, and so take them from the channel.

use std::collections::HashMap;

use bytes::Bytes;
use protos::Message;

use crate::wire::{self, WireError};

/// Changes the message that `bytes` encode. Fields that `M` does not have are kept, and whatever
/// element of a field stays as it was keeps its very bytes. Only an element that changes is
/// written anew, as `M` knows it. When nothing changes, the result is `bytes`.
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
    // As this program writes an element → as it was written; and what it would not write at all.
    let mut written = HashMap::new();
    let mut unknown = Vec::new();
    for field in wire::fields(bytes) {
        let field = field?;
        let raw = bytes.slice(field.whole);
        let alone: M = wire::decode(&raw)?;
        match alone.encode_to_vec() {
            nothing if nothing.is_empty() => unknown.push((field.number, raw)),
            canonical => drop(written.insert(canonical, raw)),
        }
    }
    let encoded = message.encode_to_vec();
    let mut rewritten = Vec::with_capacity(bytes.len().max(encoded.len()));
    let mut numbers = Vec::new();
    for field in wire::fields(&encoded) {
        let field = field?;
        let element = &encoded[field.whole];
        rewritten.extend_from_slice(written.get(element).map_or(element, |raw| raw));
        numbers.push(field.number);
    }
    // A known field that spelled out its default must not undo what has been set.
    let lost = unknown.iter().filter(|(number, _)| !numbers.contains(number));
    lost.for_each(|(_, raw)| rewritten.extend_from_slice(raw));
    Ok(rewritten.into())
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

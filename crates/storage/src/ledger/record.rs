//! One block as Fabric's block files hold it.
//!
//! A record is the block's parts in a row, each number a protobuf varint, each byte string preceded
//! by its length: number, data hash, previous hash (in this order), count of entries and the entries,
//! count of metadata slots and the slots. In the file a varint with the record's length comes first.
//! Source: Fabric's `common/ledger/blkstorage/block_serialization.go`.

use bytes::{Buf, Bytes};
use channel::block::EncodedBlock;
use protos::common::{Block, BlockData, BlockHeader, BlockMetadata};
use std::io::IoSlice;

/// The longest length prefix that Fabric reads.
pub(super) const LONGEST_PREFIX: usize = 8;

/// Byte strings below this size are copied next to their lengths; longer ones are written from where
/// they are.
const COPIED_BELOW: usize = 256;

/// Why bytes are not a record, in Fabric's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    #[error("error decoding the {0}: error decoding varint with proto.Buffer: unexpected EOF")]
    Number(&'static str),
    #[error("error decoding the {0}: error decoding raw bytes with proto.Buffer: unexpected EOF")]
    Bytes(&'static str),
    #[error("{0} bytes follow the last metadata slot")]
    Trailing(usize),
}

/// A record that is ready to be written: framing of its own, payloads borrowed from the block.
pub(super) struct Record<'a> {
    framing: Vec<u8>,
    /// Payloads, each with the end of the framing that comes before it.
    payloads: Vec<(usize, &'a [u8])>,
    length: u64,
}

impl<'a> Record<'a> {
    /// The record of a block, length prefix included.
    pub(super) fn new(block: &'a EncodedBlock) -> Self {
        let header = block.header();
        let lists = [block.data(), block.metadata()];
        let body = varint_length(header.number)
            + bytes_length(&header.data_hash)
            + bytes_length(&header.previous_hash)
            + lists
                .iter()
                .map(|list| {
                    varint_length(list.len() as u64) + list.iter().map(|b| bytes_length(b)).sum::<u64>()
                })
                .sum::<u64>();
        let mut record = Self {
            framing: Vec::with_capacity(256),
            payloads: Vec::new(),
            length: varint_length(body) + body,
        };
        record.put_number(body);
        record.put_number(header.number);
        record.put_bytes(&header.data_hash);
        record.put_bytes(&header.previous_hash);
        for list in lists {
            record.put_number(list.len() as u64);
            list.iter().for_each(|bytes| record.put_bytes(bytes));
        }
        record
    }

    /// Size in the file, prefix included, bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The slices that, one after the other, are the record.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(2 * self.payloads.len() + 1);
        let mut written = 0;
        for (framing_end, payload) in &self.payloads {
            slices.push(IoSlice::new(&self.framing[written..*framing_end]));
            slices.push(IoSlice::new(payload));
            written = *framing_end;
        }
        slices.push(IoSlice::new(&self.framing[written..]));
        slices
    }

    fn put_number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.framing.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.framing.push(number as u8);
    }

    fn put_bytes(&mut self, bytes: &'a [u8]) {
        self.put_number(bytes.len() as u64);
        if bytes.len() < COPIED_BELOW {
            self.framing.extend_from_slice(bytes);
        } else {
            self.payloads.push((self.framing.len(), bytes));
        }
    }
}

/// The block in a record without its length prefix. Payloads stay slices of `record`.
pub(super) fn decode(mut record: Bytes) -> Result<Block, RecordError> {
    let number = take_number(&mut record, "block number")?;
    let data_hash = take_bytes(&mut record, "data hash")?;
    let previous_hash = take_bytes(&mut record, "previous hash")?;
    let data = take_list(&mut record, "length of block data", "transaction envelope")?;
    let metadata = take_list(&mut record, "length of block metadata", "block metadata")?;
    if record.has_remaining() {
        return Err(RecordError::Trailing(record.remaining()));
    }
    Ok(Block {
        header: Some(BlockHeader { number, previous_hash, data_hash }),
        data: Some(BlockData { data }),
        metadata: Some(BlockMetadata { metadata }),
    })
}

/// A varint at the start of `bytes` and how many bytes it takes; `None` when it does not end there.
pub(super) fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (position, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte holds the 64th bit and nothing else.
        if position == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * position);
        if byte & 0x80 == 0 {
            return Some((value, position + 1));
        }
    }
    None
}

fn take_number(record: &mut Bytes, what: &'static str) -> Result<u64, RecordError> {
    let (number, length) = read_varint(record).ok_or(RecordError::Number(what))?;
    record.advance(length);
    Ok(number)
}

fn take_bytes(record: &mut Bytes, what: &'static str) -> Result<Bytes, RecordError> {
    let (length, prefix) = read_varint(record).ok_or(RecordError::Bytes(what))?;
    record.advance(prefix);
    match usize::try_from(length) {
        Ok(length) if length <= record.len() => Ok(record.split_to(length)),
        _ => Err(RecordError::Bytes(what)),
    }
}

fn take_list(
    record: &mut Bytes,
    count: &'static str,
    entry: &'static str,
) -> Result<Vec<Bytes>, RecordError> {
    let count = take_number(record, count)?;
    // The count is not trusted with a large allocation.
    let mut entries = Vec::with_capacity(count.min(4096) as usize);
    for _ in 0..count {
        entries.push(take_bytes(record, entry)?);
    }
    Ok(entries)
}

fn varint_length(number: u64) -> u64 {
    let bits = u64::from((number | 1).ilog2()) + 1;
    bits.div_ceil(7)
}

fn bytes_length(bytes: &[u8]) -> u64 {
    varint_length(bytes.len() as u64) + bytes.len() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn written(block: &EncodedBlock) -> Vec<u8> {
        let record = Record::new(block);
        let bytes = record.slices().iter().flat_map(|s| s.to_vec()).collect::<Vec<u8>>();
        assert_eq!(bytes.len() as u64, record.length());
        bytes
    }

    fn block(number: u64, previous_hash: Vec<u8>, data: Vec<Vec<u8>>, metadata: Vec<Vec<u8>>) -> Block {
        let all = |list: Vec<Vec<u8>>| list.into_iter().map(Bytes::from).collect();
        Block {
            header: Some(BlockHeader {
                number,
                previous_hash: previous_hash.into(),
                data_hash: vec![7; 32].into(),
            }),
            data: Some(BlockData { data: all(data) }),
            metadata: Some(BlockMetadata { metadata: all(metadata) }),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            number in any::<u64>(),
            previous_hash in prop_oneof![Just(vec![]), Just(vec![9; 32])],
            data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..5),
            metadata in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            let block = block(number, previous_hash, data, metadata);
            let bytes = written(&EncodedBlock::from_block(block.clone()));
            let (length, prefix) = read_varint(&bytes).unwrap();
            prop_assert_eq!(length as usize, bytes.len() - prefix);
            prop_assert_eq!(decode(Bytes::from(bytes).slice(prefix..)).unwrap(), block);
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(Bytes::from(bytes));
        }

        #[test]
        fn varints_are_as_long_as_announced(number in any::<u64>(), shift in 0u32..64) {
            let number = number >> shift;
            let mut record = Record { framing: vec![], payloads: vec![], length: 0 };
            record.put_number(number);
            prop_assert_eq!(record.framing.len() as u64, varint_length(number));
            prop_assert_eq!(read_varint(&record.framing), Some((number, record.framing.len())));
        }
    }

    #[test]
    fn cut_records_name_the_part_that_is_missing() {
        let bytes =
            written(&EncodedBlock::from_block(block(1, vec![9; 32], vec![vec![1; 300]], vec![vec![2; 4]])));
        let record = Bytes::from(bytes).slice(2..);
        for end in 0..record.len() {
            let error = decode(record.slice(..end)).unwrap_err().to_string();
            let part = match end {
                0 => "block number",
                1..34 => "data hash",
                34..67 => "previous hash",
                67 => "length of block data",
                68..370 => "transaction envelope",
                370 => "length of block metadata",
                _ => "block metadata",
            };
            assert!(error.starts_with(&format!("error decoding the {part}: ")), "{end}: {error}");
        }
    }
}

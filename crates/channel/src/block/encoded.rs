//! The one encoded form of a block that everybody shares.

use bytes::{Bytes, BytesMut};
use protos::{
    Message,
    common::{Block, BlockHeader, BlockMetadata},
};

use super::{BlockError, header_hash};
use crate::wire;

/// A block together with its encoding. Immutable; shared behind an `Arc`.
///
/// The encoding is kept in two parts, because consensus agrees on header and data while each node
/// writes its own metadata: the first part is header and data (of a block decoded from a log entry:
/// that entry's own bytes), the second is the metadata. The payloads exist once: [`Self::data`] are
/// slices of the first part.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedBlock {
    block: Block,
    header_hash: [u8; 32],
    header_and_data: Bytes,
    metadata: Bytes,
}

impl EncodedBlock {
    /// Encodes a block. Absent parts count as empty.
    pub fn from_block(block: Block) -> Self {
        let header = block.header.unwrap_or_default();
        let data = block.data.unwrap_or_default();
        let unsigned = Block { header: Some(header), data: Some(data), metadata: None };
        let mut prefix = BytesMut::with_capacity(unsigned.encoded_len());
        unsigned.encode_raw(&mut prefix);
        let prefix = prefix.freeze();

        // As slices the slots, which are small, would keep all that the block was read from.
        let slots = block.metadata.unwrap_or_default().metadata;
        let metadata =
            BlockMetadata { metadata: slots.iter().map(|slot| Bytes::copy_from_slice(slot)).collect() };
        // Decoding what was just encoded lets the entries share the encoding's memory.
        let block = Block::decode(prefix.clone()).unwrap_or(unsigned);
        Self::assemble(block, prefix, metadata)
    }

    /// Decodes a marshaled `common.Block` without copying it.
    pub fn decode(bytes: Bytes) -> Result<Self, BlockError> {
        let mut block =
            Block::decode(bytes.clone()).map_err(|source| BlockError::Unmarshal { what: "Block", source })?;
        if block.header.is_none() {
            return Err(BlockError::MissingHeader);
        }
        let Some(prefix_len) = prefix_len(&bytes) else {
            return Ok(Self::from_block(block));
        };
        let metadata = block.metadata.take().unwrap_or_default();
        Ok(Self::assemble(block, bytes.slice(..prefix_len), metadata))
    }

    fn assemble(unsigned: Block, header_and_data: Bytes, metadata: BlockMetadata) -> Self {
        let header_hash = unsigned.header.as_ref().map(header_hash).unwrap_or_default();
        let encoded = Block { metadata: Some(metadata), ..Block::default() };
        let metadata_bytes = Bytes::from(encoded.encode_to_vec());
        let block = Block { metadata: encoded.metadata, ..unsigned };
        Self { block, header_hash, header_and_data, metadata: metadata_bytes }
    }

    /// The same block with other metadata; header and data are shared.
    pub fn with_metadata(&self, metadata: Vec<Bytes>) -> Self {
        let encoded = Block { metadata: Some(BlockMetadata { metadata }), ..Block::default() };
        let metadata = Bytes::from(encoded.encode_to_vec());
        let block = Block {
            header: self.block.header.clone(),
            data: self.block.data.clone(),
            metadata: encoded.metadata,
        };
        Self { block, header_hash: self.header_hash, header_and_data: self.header_and_data.clone(), metadata }
    }

    /// The block's number.
    pub fn number(&self) -> u64 {
        self.header().number
    }

    /// The block's header.
    pub fn header(&self) -> &BlockHeader {
        static NONE: BlockHeader =
            BlockHeader { number: 0, previous_hash: Bytes::new(), data_hash: Bytes::new() };
        // Both constructors see to it that there is a header.
        self.block.header.as_ref().unwrap_or(&NONE)
    }

    /// The header's hash, worked out once.
    pub fn header_hash(&self) -> [u8; 32] {
        self.header_hash
    }

    /// The block as a message.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The marshaled envelopes.
    pub fn data(&self) -> &[Bytes] {
        self.block.data.as_ref().map_or(&[], |d| &d.data)
    }

    /// The metadata slots.
    pub fn metadata(&self) -> &[Bytes] {
        self.block.metadata.as_ref().map_or(&[], |m| &m.metadata)
    }

    /// The parts that, one after the other, are the marshaled `common.Block`.
    pub fn parts(&self) -> [&Bytes; 2] {
        [&self.header_and_data, &self.metadata]
    }

    /// The size of the marshaled block, bytes.
    pub fn encoded_len(&self) -> usize {
        self.header_and_data.len() + self.metadata.len()
    }
}

/// Where the metadata field starts, if the message is written as header, data and, if at all,
/// metadata, each once and nothing else; otherwise its bytes can not be shared and it is encoded anew.
fn prefix_len(message: &[u8]) -> Option<usize> {
    let fields: Vec<_> = wire::fields(message).take(4).collect::<Result<_, _>>().ok()?;
    match fields.iter().map(|field| field.number).collect::<Vec<_>>()[..] {
        [1, 2] | [1, 2, 3] => Some(fields[1].whole.end),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::block::new_block;

    fn sample() -> Block {
        new_block(7, vec![1; 32].into(), vec![Bytes::from(vec![2; 1000]), Bytes::from_static(b"three")])
    }

    #[test]
    fn parts_are_the_marshaled_block() {
        let block = sample();
        let encoded = EncodedBlock::from_block(block.clone());
        assert_eq!(encoded.parts().map(|p| p.to_vec()).concat(), block.encode_to_vec());
        assert_eq!(encoded.encoded_len(), block.encoded_len());
        assert_eq!(encoded.block(), &block);

        let decoded = EncodedBlock::decode(block.encode_to_vec().into()).unwrap();
        assert_eq!(decoded, encoded);
    }

    #[test]
    fn payloads_exist_once() {
        let within = |part: &Bytes, whole: &Bytes| {
            let whole = whole.as_ptr_range();
            whole.contains(&part.as_ptr()) && part.as_ptr_range().end <= whole.end
        };
        let raw = Bytes::from(sample().encode_to_vec());
        let decoded = EncodedBlock::decode(raw.clone()).unwrap();
        let signed = decoded.with_metadata(vec![Bytes::from_static(b"signature")]);
        for block in [&decoded, &signed] {
            assert!(block.data().iter().chain([block.parts()[0]]).all(|part| within(part, &raw)));
        }
        let made = EncodedBlock::from_block(sample());
        assert!(made.data().iter().all(|entry| within(entry, made.parts()[0])));
        assert_eq!(signed.header_hash(), decoded.header_hash());
        assert_eq!(
            Block::decode(signed.parts().map(|p| p.to_vec()).concat().as_slice()).unwrap(),
            *signed.block()
        );
    }

    #[test]
    fn odd_encodings_mean_the_same() {
        let block = sample();
        let part = |header, data, metadata| {
            let pick = |wanted: bool| wanted.then_some(());
            Block {
                header: pick(header).and(block.header.clone()),
                data: pick(data).and(block.data.clone()),
                metadata: pick(metadata).and(block.metadata.clone()),
            }
            .encode_to_vec()
        };
        let reversed =
            [part(false, false, true), part(false, true, false), part(true, false, false)].concat();
        let unknown = [block.encode_to_vec(), vec![0x22, 1, 0]].concat();
        for odd in [reversed, unknown] {
            assert_eq!(EncodedBlock::decode(odd.into()).unwrap(), EncodedBlock::from_block(block.clone()));
        }
        let bare = EncodedBlock::decode(part(true, false, false).into()).unwrap();
        assert_eq!((bare.data().len(), bare.metadata().len()), (0, 0));
        assert_eq!(EncodedBlock::decode(part(false, true, true).into()), Err(BlockError::MissingHeader));
    }
}

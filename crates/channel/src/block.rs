//! Blocks: hashes, metadata slots, the shared encoded form, and signatures.
//!
//! Sources: Fabric's `protoutil/blockutils.go` and `orderer/common/multichannel/blockwriter.go`.

use bytes::Bytes;
use protos::{
    DecodeError, Message,
    common::{
        Block, BlockData, BlockHeader, BlockMetadata, BlockMetadataIndex, ChannelHeader, ConfigEnvelope,
        Envelope, HeaderType, LastConfig, Metadata, OrdererBlockMetadata, Payload,
    },
};
use sha2::{Digest, Sha256};

mod encoded;
mod signature;

pub use encoded::EncodedBlock;
pub use signature::{sign_block, signature_set, verify_signatures};

/// How many metadata slots a new block has.
pub const METADATA_SLOTS: usize = 5;

/// What is wrong with a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Some part does not decode as the message that it must be.
    #[error("error unmarshalling {what}: {source}")]
    Unmarshal {
        /// The message that was expected.
        what: &'static str,
        /// What the decoder says.
        source: DecodeError,
    },
    /// The block has no header.
    #[error("missing block header")]
    MissingHeader,
    /// The block has no transactions.
    #[error("block is empty")]
    Empty,
    /// The first transaction's payload has no header.
    #[error("block's first transaction has no payload header")]
    MissingPayloadHeader,
    /// The block does not carry a channel config.
    #[error("not a config block")]
    NotConfig,
    /// The block has no such metadata slot.
    #[error("no metadata at index [{}]", .0.as_str_name())]
    MissingMetadata(BlockMetadataIndex),
    /// The policy for block signatures is not satisfied.
    #[error("signatures of block {number} do not satisfy the policy: {reason}")]
    Signatures {
        /// The block's number.
        number: u64,
        /// What the policy says.
        reason: identity::policy::PolicyError,
    },
    /// The local identity could not sign.
    #[error("block {number} could not be signed: {reason}")]
    Signing {
        /// The block's number.
        number: u64,
        /// What the signer says.
        reason: identity::signing::SigningError,
    },
}

fn decode<M: Message + Default>(what: &'static str, bytes: &Bytes) -> Result<M, BlockError> {
    M::decode(bytes.clone()).map_err(|source| BlockError::Unmarshal { what, source })
}

/// The DER form of a header, which is what is hashed and signed: `SEQUENCE { INTEGER number,
/// OCTET STRING previous_hash, OCTET STRING data_hash }`.
pub fn header_bytes(header: &BlockHeader) -> Vec<u8> {
    let number = header.number.to_be_bytes();
    let leading_zeros = number.iter().take_while(|b| **b == 0).count().min(7);
    let significant = &number[leading_zeros..];
    // An INTEGER is signed; a set top bit would make the number negative.
    let sign: &[u8] = if significant[0] & 0x80 == 0 { &[] } else { &[0] };

    let mut content = Vec::with_capacity(96);
    put_der(&mut content, 0x02, &[sign, significant]);
    put_der(&mut content, 0x04, &[&header.previous_hash]);
    put_der(&mut content, 0x04, &[&header.data_hash]);
    let mut der = Vec::with_capacity(content.len() + 4);
    put_der(&mut der, 0x30, &[&content]);
    der
}

fn put_der(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    out.push(tag);
    let length: usize = parts.iter().map(|p| p.len()).sum();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The hash that the next block names as its previous hash: SHA-256 of [`header_bytes`].
pub fn header_hash(header: &BlockHeader) -> [u8; 32] {
    Sha256::digest(header_bytes(header)).into()
}

/// SHA-256 over the plain concatenation of a block's entries.
pub fn data_hash<'a>(data: impl IntoIterator<Item = &'a Bytes>) -> [u8; 32] {
    data.into_iter().fold(Sha256::new(), |hash, entry| hash.chain_update(entry)).finalize().into()
}

/// A block over `data` with [`METADATA_SLOTS`] empty metadata slots.
pub fn new_block(number: u64, previous_hash: Bytes, data: Vec<Bytes>) -> Block {
    let data_hash = Bytes::copy_from_slice(&data_hash(&data));
    Block {
        header: Some(BlockHeader { number, previous_hash, data_hash }),
        data: Some(BlockData { data }),
        metadata: Some(BlockMetadata { metadata: vec![Bytes::new(); METADATA_SLOTS] }),
    }
}

fn entries(block: &Block) -> &[Bytes] {
    block.data.as_ref().map_or(&[], |d| &d.data)
}

fn first_payload(block: &Block) -> Result<Payload, BlockError> {
    let first = entries(block).first().ok_or(BlockError::Empty)?;
    let envelope: Envelope = decode("Envelope", first)?;
    decode("Payload", &envelope.payload)
}

fn channel_header_of(payload: &Payload) -> Result<ChannelHeader, BlockError> {
    let header = payload.header.as_ref().ok_or(BlockError::MissingPayloadHeader)?;
    decode("ChannelHeader", &header.channel_header)
}

fn number(block: &Block) -> Result<u64, BlockError> {
    block.header.as_ref().map(|h| h.number).ok_or(BlockError::MissingHeader)
}

/// The channel header of the first envelope.
pub fn channel_header(block: &Block) -> Result<ChannelHeader, BlockError> {
    channel_header_of(&first_payload(block)?)
}

/// The channel that the first envelope names.
pub fn channel_id(block: &Block) -> Result<String, BlockError> {
    Ok(channel_header(block)?.channel_id)
}

/// The header type of the first envelope; `None` for a number that Fabric does not define.
pub fn header_type(block: &Block) -> Result<Option<HeaderType>, BlockError> {
    Ok(HeaderType::try_from(channel_header(block)?.r#type).ok())
}

/// Whether the block sits alone because of what it holds: one entry of type `CONFIG` or
/// `ORDERER_TRANSACTION`. Block 0 counts whatever its header type.
pub fn is_config_block(block: &Block) -> bool {
    has_one_entry_of(block, &[HeaderType::Config, HeaderType::OrdererTransaction])
}

/// Whether the block changes this channel's own config: one entry of type `CONFIG`. An
/// `ORDERER_TRANSACTION` creates another channel and does not. Block 0 counts.
pub fn is_plain_config_block(block: &Block) -> bool {
    has_one_entry_of(block, &[HeaderType::Config])
}

fn has_one_entry_of(block: &Block, types: &[HeaderType]) -> bool {
    match entries(block) {
        [_] if number(block) == Ok(0) => true,
        [_] => matches!(header_type(block), Ok(Some(found)) if types.contains(&found)),
        _ => false,
    }
}

/// The config that a block puts into force. [`BlockError::NotConfig`] when it carries none (an
/// `ORDERER_TRANSACTION` does not: it carries another channel's).
///
/// Like Fabric, this looks at the first entry only.
pub fn config_envelope(block: &Block) -> Result<ConfigEnvelope, BlockError> {
    let payload = first_payload(block)?;
    let is_config = number(block)? == 0 || channel_header_of(&payload)?.r#type == HeaderType::Config as i32;
    if !is_config {
        return Err(BlockError::NotConfig);
    }
    decode("ConfigEnvelope", &payload.data)
}

/// The message in a metadata slot; a short list of slots is legal in old blocks, a missing slot is not.
fn slot(block: &Block, index: BlockMetadataIndex) -> Result<Metadata, BlockError> {
    let slots = block.metadata.as_ref().map_or(&[][..], |m| &m.metadata);
    let slot = slots.get(index as usize).ok_or(BlockError::MissingMetadata(index))?;
    decode("Metadata", slot)
}

/// What the block's signature covers beside the header; `None` in blocks written before 1.4.1.
fn orderer_metadata(block: &Block) -> Result<Option<OrdererBlockMetadata>, BlockError> {
    let value = slot(block, BlockMetadataIndex::Signatures)?.value;
    if value.is_empty() {
        return Ok(None);
    }
    decode("OrdererBlockMetadata", &value).map(Some)
}

/// The number of the config block in force at this block (its own number, if it is one).
pub fn last_config_index(block: &Block) -> Result<u64, BlockError> {
    let last_config: Option<LastConfig> = match orderer_metadata(block)? {
        Some(metadata) => metadata.last_config,
        None => Some(decode("LastConfig", &slot(block, BlockMetadataIndex::LastConfig)?.value)?),
    };
    Ok(last_config.unwrap_or_default().index)
}

/// What the consenter recorded with the block (for Raft a marshaled `etcdraft.BlockMetadata`);
/// empty in blocks that change the consensus type and in blocks of consenters that record nothing.
pub fn consenter_metadata(block: &Block) -> Result<Bytes, BlockError> {
    let metadata: Metadata = match orderer_metadata(block)? {
        Some(metadata) => decode("Metadata", &metadata.consenter_metadata)?,
        None => slot(block, BlockMetadataIndex::Orderer)?,
    };
    Ok(metadata.value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn block_of(kind: HeaderType, number: u64, count: usize) -> Block {
        let channel_header =
            ChannelHeader { r#type: kind as i32, channel_id: "ch".into(), ..Default::default() };
        let header = protos::common::Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: Bytes::new(),
        };
        let payload = Payload { header: Some(header), data: Bytes::new() };
        let envelope = Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() };
        new_block(number, Bytes::new(), vec![envelope.encode_to_vec().into(); count])
    }

    #[test]
    fn header_bytes_follow_der_at_every_width() {
        for (number, integer) in [
            (0, "020100"),
            (1, "020101"),
            (127, "02017f"),
            (128, "02020080"),
            (256, "02020100"),
            (u64::MAX >> 1, "02087fffffffffffffff"),
            (u64::MAX, "020900ffffffffffffffff"),
        ] {
            let header = BlockHeader { number, previous_hash: Bytes::new(), data_hash: vec![7; 32].into() };
            let expected = format!("{integer}04000420{}", "07".repeat(32));
            assert_eq!(hex::encode(header_bytes(&header)), format!("30{:02x}{expected}", expected.len() / 2));
        }
        let long = BlockHeader { number: 1, previous_hash: vec![1; 300].into(), data_hash: Bytes::new() };
        assert_eq!(hex::encode(&header_bytes(&long)[..12]), "30820135020101048201 2c01".replace(' ', ""));
    }

    #[test]
    fn config_blocks_are_told_apart() {
        use HeaderType::*;
        for (kind, number, count, config, plain) in [
            (Config, 5, 1, true, true),
            (Config, 5, 2, false, false),
            (OrdererTransaction, 5, 1, true, false),
            (Message, 5, 1, false, false),
            (Message, 0, 1, true, true),
            (Config, 5, 0, false, false),
        ] {
            let block = block_of(kind, number, count);
            assert_eq!(
                (is_config_block(&block), is_plain_config_block(&block)),
                (config, plain),
                "{kind:?} {number} {count}"
            );
        }
        assert_eq!(channel_id(&block_of(Message, 1, 1)).unwrap(), "ch");
        assert_eq!(config_envelope(&block_of(OrdererTransaction, 5, 1)), Err(BlockError::NotConfig));
        assert_eq!(config_envelope(&block_of(Config, 5, 0)), Err(BlockError::Empty));
    }

    #[test]
    fn metadata_of_old_blocks_is_found_in_the_old_slots() {
        let mut block = block_of(HeaderType::Message, 9, 1);
        let index = LastConfig { index: 7 }.encode_to_vec();
        let old =
            |value: Vec<u8>| Metadata { value: value.into(), signatures: vec![] }.encode_to_vec().into();
        let mut slots = vec![Bytes::new(), old(index), Bytes::new(), old(b"raft".to_vec())];
        block.metadata = Some(BlockMetadata { metadata: slots.clone() });
        assert_eq!(last_config_index(&block).unwrap(), 7);
        assert_eq!(consenter_metadata(&block).unwrap(), "raft");

        slots.truncate(1);
        block.metadata = Some(BlockMetadata { metadata: slots });
        let missing = last_config_index(&block).unwrap_err();
        assert_eq!(missing.to_string(), "no metadata at index [LAST_CONFIG]");
    }
}

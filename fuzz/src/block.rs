//! A block as another orderer, or a client of the admin API, sends it.

use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    bundle::Bundle,
    replication::{ChainVerifier, check_transactions},
};
use protos::{Message, common::Block};

/// Never panics; what is decoded and what is encoded again are the same block.
pub fn check(data: &[u8]) {
    let Ok(encoded) = EncodedBlock::decode(Bytes::copy_from_slice(data)) else { return };
    let marshaled = encoded.parts().map(|part| part.to_vec()).concat();
    assert_eq!(marshaled.len(), encoded.encoded_len());
    assert_eq!(Block::decode(marshaled.as_slice()).as_ref(), Ok(encoded.block()));
    let anew = EncodedBlock::from_block(encoded.block().clone());
    assert_eq!(anew.block(), encoded.block());
    assert_eq!(anew.header_hash(), encoded.header_hash());
    assert_eq!(encoded.with_metadata(encoded.metadata().to_vec()).block(), encoded.block());

    let block = encoded.block();
    assert!(block::is_config_block(block) || !block::is_plain_config_block(block));
    let _ = block::header_type(block);
    let _ = block::last_config_index(block);
    let _ = block::consenter_metadata(block);
    let _ = block::signature_set(block);
    let _ = check_transactions(block);
    let _ = Bundle::from_config_block(block);
    let channel = block::channel_id(block).unwrap_or_default();
    let mut verifier = ChainVerifier::from_genesis(&channel);
    assert_eq!(verifier.verify_batch([&encoded]).is_ok(), verifier.next_number() == 1);
}

//! Signing blocks and verifying their signatures.

use bytes::Bytes;
use identity::{
    policy::{Policy, SignedData},
    signing::SigningIdentity,
};
use protos::{
    Message,
    common::{
        Block, BlockHeader, BlockMetadataIndex, LastConfig, Metadata, MetadataSignature,
        OrdererBlockMetadata, SignatureHeader,
    },
};

use super::{BlockError, METADATA_SLOTS, decode, header_bytes, slot};

/// The metadata slots of a block that this node writes: its signature over the last config's index
/// and the consenter's metadata (`None` or empty: the field is left out) in slot SIGNATURES, and the
/// index again in slot LAST_CONFIG. The other slots are empty.
pub fn sign_block(
    header: &BlockHeader,
    last_config_index: u64,
    consenter_metadata: Option<&[u8]>,
    signer: &SigningIdentity,
) -> Result<Vec<Bytes>, BlockError> {
    let last_config = LastConfig { index: last_config_index };
    let consenter_metadata = match consenter_metadata {
        Some(value) if !value.is_empty() => {
            marshal(&Metadata { value: Bytes::copy_from_slice(value), signatures: vec![] })
        }
        _ => Bytes::new(),
    };
    let value = marshal(&OrdererBlockMetadata { last_config: Some(last_config), consenter_metadata });
    let signature_header = marshal(&signer.signature_header());
    let signature = signer
        .sign(&signed_bytes(&value, &signature_header, header))
        .map_err(|reason| BlockError::Signing { number: header.number, reason })?;
    let signatures = vec![MetadataSignature { signature_header, signature }];

    let mut slots = vec![Bytes::new(); METADATA_SLOTS];
    slots[BlockMetadataIndex::Signatures as usize] = marshal(&Metadata { value, signatures });
    slots[BlockMetadataIndex::LastConfig as usize] =
        marshal(&Metadata { value: marshal(&last_config), signatures: vec![] });
    Ok(slots)
}

/// The block's signatures with the bytes that each one covers.
pub fn signature_set(block: &Block) -> Result<Vec<SignedData>, BlockError> {
    let header = block.header.as_ref().ok_or(BlockError::MissingHeader)?;
    let metadata = slot(block, BlockMetadataIndex::Signatures)?;
    let signed_data = |signature: MetadataSignature| {
        let signer: SignatureHeader = decode("SignatureHeader", &signature.signature_header)?;
        Ok(SignedData {
            data: signed_bytes(&metadata.value, &signature.signature_header, header).into(),
            identity: signer.creator,
            signature: signature.signature,
        })
    };
    metadata.signatures.into_iter().map(signed_data).collect()
}

/// Verifies the block's signatures under `policy`, which is `/Channel/Orderer/BlockValidation` of
/// the config in force before the block.
pub fn verify_signatures(block: &Block, policy: &dyn Policy) -> Result<(), BlockError> {
    let number = block.header.as_ref().ok_or(BlockError::MissingHeader)?.number;
    policy.evaluate(&signature_set(block)?).map_err(|reason| BlockError::Signatures { number, reason })
}

fn signed_bytes(value: &[u8], signature_header: &[u8], header: &BlockHeader) -> Vec<u8> {
    [value, signature_header, &header_bytes(header)].concat()
}

fn marshal(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

//! What an orderer writes into the metadata of its blocks, byte for byte.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::block::{self, EncodedBlock};
use identity::{
    generate::{CertificateAuthority, Validity},
    signing::SigningIdentity,
};
use protos::{Message, common::Metadata};

fn signer() -> SigningIdentity {
    let now_unix = 1_790_000_000;
    let ca = CertificateAuthority::new("ca.example.com", "example.com", now_unix).unwrap();
    let pair = ca.issue_identity("orderer", Some("orderer"), Validity::from_now(now_unix)).unwrap();
    SigningIdentity::from_pem("OrdererMSP", pair.certificate_pem.as_bytes(), pair.private_key_pem.as_bytes())
        .unwrap()
}

#[test]
fn metadata_slots_have_fabrics_bytes() {
    let signer = signer();
    let block = EncodedBlock::from_block(block::new_block(2, vec![1; 32].into(), vec!["data".into()]));
    for (last_config_index, consenter_metadata, value, slot_1) in [
        (0, None, "0a00", ""),
        (0, Some(&b""[..]), "0a00", ""),
        (2, None, "0a020802", "0a020802"),
        // A Raft channel of one node: ids [1], next id 2, raft index 3, wrapped in a Metadata.
        (0, Some(&[0x0a, 1, 1, 0x10, 2, 0x18, 3]), "0a0012090a070a010110021803", ""),
        (300, Some(b"x"), "0a0308ac0212030a0178", "0a0308ac02"),
    ] {
        let slots =
            block::sign_block(block.header(), last_config_index, consenter_metadata, &signer).unwrap();
        let signatures = Metadata::decode(slots[0].clone()).unwrap();
        assert_eq!(hex::encode(&signatures.value), value);
        assert_eq!(signatures.signatures.len(), 1);
        assert_eq!(slots[1..].iter().map(hex::encode).collect::<Vec<_>>(), [slot_1, "", "", ""]);

        let signed = block.with_metadata(slots);
        assert_eq!(block::last_config_index(signed.block()), Ok(last_config_index));
        assert_eq!(
            block::consenter_metadata(signed.block()).unwrap(),
            consenter_metadata.unwrap_or_default()
        );
        let signature = &block::signature_set(signed.block()).unwrap()[0];
        assert_eq!(&signature.identity, signer.serialized());
        let header_and_value = [&signatures.value[..], &block::header_bytes(block.header())];
        assert!(
            signature.data.starts_with(header_and_value[0]) && signature.data.ends_with(header_and_value[1])
        );
    }
}

#[test]
fn every_signature_has_its_own_nonce() {
    let signer = signer();
    let header = block::new_block(1, Bytes::new(), vec![]).header.unwrap();
    let [one, other] = [(); 2].map(|()| block::sign_block(&header, 0, None, &signer).unwrap());
    assert_ne!(one[0], other[0]);
    assert_eq!(one[1..], other[1..]);
}

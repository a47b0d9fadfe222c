//! Chains that Fabric's orderers wrote are accepted; the same chains tampered with are not.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use bytes::Bytes;
use channel::{
    block::{self, EncodedBlock},
    replication::{ChainVerifier, MalformedTransaction, ReplicationError, check_transactions},
};
use protos::{
    Message,
    common::{Block, Envelope},
};

mod golden;

/// The chains of `hash/`: channel and blocks.
fn chains() -> Vec<(String, Vec<Block>)> {
    let Some(directory) = golden::directory("hash") else { return vec![] };
    let mut chains = Vec::new();
    for network in fs::read_dir(directory).unwrap() {
        let mut files: Vec<_> =
            fs::read_dir(network.unwrap().path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for description in files.iter().filter(|file| file.extension().is_some_and(|e| e == "json")) {
            let channel = description.file_stem().unwrap().to_str().unwrap();
            let is_block = |file: &&std::path::PathBuf| {
                let name = file.file_name().unwrap().to_str().unwrap();
                name.strip_prefix(channel).is_some_and(|rest| rest.starts_with('-'))
            };
            chains.push((channel.to_owned(), files.iter().filter(is_block).map(|f| read(f)).collect()));
        }
    }
    assert!(!chains.is_empty());
    chains
}

fn read(file: &Path) -> Block {
    Block::decode(Bytes::from(fs::read(file).unwrap())).unwrap()
}

fn encode(blocks: &[Block]) -> Vec<EncodedBlock> {
    blocks.iter().cloned().map(EncodedBlock::from_block).collect()
}

fn data(block: &mut Block) -> &mut Vec<Bytes> {
    &mut block.data.as_mut().unwrap().data
}

/// Makes the header fit the data again.
fn rehash(block: &mut Block) {
    block.header.as_mut().unwrap().data_hash = Bytes::copy_from_slice(&block::data_hash(data(block).iter()));
}

#[test]
fn vectors_chains_are_accepted_in_any_batches() {
    for (channel, blocks) in chains() {
        let blocks = encode(&blocks);
        for size in 1..=blocks.len() {
            let mut verifier = ChainVerifier::from_genesis(&channel);
            for batch in blocks.chunks(size) {
                verifier.verify_batch(batch).unwrap_or_else(|e| panic!("{channel} by {size}: {e}"));
            }
            assert_eq!(verifier.next_number(), blocks.len() as u64);
        }
        // Starting later, from what a ledger holds.
        let mut verifier = ChainVerifier::from_genesis(&channel);
        verifier.verify_batch(&blocks[..1]).unwrap();
        let mut later = ChainVerifier::after(&blocks[0], verifier.bundle().unwrap().clone());
        later.verify_batch(&blocks[1..]).unwrap();
    }
}

type Tamper = fn(&mut Vec<Block>, usize);
type IsExpected = fn(&ReplicationError) -> bool;

#[test]
fn vectors_tampered_chains_are_refused() {
    let cases: &[(&str, Tamper, IsExpected)] = &[
        ("missing", |blocks, at| drop(blocks.remove(at)), |e| matches!(e, ReplicationError::Number { .. })),
        (
            "repeated",
            |blocks, at| blocks.insert(at, blocks[at].clone()),
            |e| matches!(e, ReplicationError::Number { .. }),
        ),
        (
            "entry removed",
            |blocks, at| drop(data(&mut blocks[at]).pop()),
            |e| matches!(e, ReplicationError::DataHash { .. } | ReplicationError::Transaction(_)),
        ),
        (
            "entry replaced, header fitted",
            |blocks, at| {
                let envelope = Envelope { payload: "forged".into(), signature: "forged".into() };
                data(&mut blocks[at])[0] = envelope.encode_to_vec().into();
                rehash(&mut blocks[at]);
            },
            // Only the signature tells, on the last block; before it the next block's previous hash.
            |e| {
                matches!(
                    e,
                    ReplicationError::PreviousHash { .. }
                        | ReplicationError::Block(
                            block::BlockError::Signatures { .. } | block::BlockError::Unmarshal { .. }
                        )
                )
            },
        ),
        (
            "other previous hash",
            |blocks, at| blocks[at].header.as_mut().unwrap().previous_hash = vec![0; 32].into(),
            |e| matches!(e, ReplicationError::PreviousHash { .. }),
        ),
        (
            "renumbered",
            |blocks, at| blocks[at].header.as_mut().unwrap().number += 1,
            |e| matches!(e, ReplicationError::Number { .. }),
        ),
    ];
    for (channel, good) in chains() {
        for (what, tamper, is_expected) in cases {
            for at in 1..good.len() {
                let mut blocks = good.clone();
                tamper(&mut blocks, at);
                // Without its last block a chain is only shorter.
                if *what == "missing" && at + 1 == good.len() {
                    continue;
                }
                let mut verifier = ChainVerifier::from_genesis(&channel);
                let error = verifier.verify_batch(&encode(&blocks)).expect_err(what);
                assert!(is_expected(&error), "{channel} {what} at {at}: {error}");
                assert_eq!(verifier.next_number(), 0, "{channel} {what} at {at}: the verifier moved on");
            }
        }
    }
}

#[test]
fn vectors_signatures_are_demanded_of_config_blocks_and_of_the_last_block() {
    for (channel, good) in chains() {
        for at in 1..good.len() {
            let strip: Tamper = |blocks, at| blocks[at].metadata.as_mut().unwrap().metadata[0] = Bytes::new();
            let garble: Tamper = |blocks, at| {
                let slot = &mut blocks[at].metadata.as_mut().unwrap().metadata[0];
                let mut metadata = protos::common::Metadata::decode(slot.clone()).unwrap();
                metadata.value = [&metadata.value[..], &[0x18, 1]].concat().into();
                *slot = metadata.encode_to_vec().into();
            };
            for tamper in [strip, garble] {
                let mut blocks = good.clone();
                tamper(&mut blocks, at);
                let result = ChainVerifier::from_genesis(&channel).verify_batch(&encode(&blocks));
                let is_demanded = block::is_plain_config_block(&good[at]) || at + 1 == good.len();
                assert_eq!(result.is_err(), is_demanded, "{channel} {at}: {result:?}");
            }
        }
    }
}

#[test]
fn vectors_chains_start_where_they_must() {
    for (channel, blocks) in chains() {
        let blocks = encode(&blocks);
        let elsewhere = ChainVerifier::from_genesis("elsewhere").verify_batch(&blocks).unwrap_err();
        assert!(matches!(&elsewhere, ReplicationError::Channel { received, .. } if *received == channel));

        let last = blocks.last().unwrap();
        let anchored = |hash| ChainVerifier::from_genesis(&channel).with_anchor(last.number(), hash);
        anchored(last.header_hash()).verify_batch(&blocks).unwrap();
        let error = anchored([0; 32]).verify_batch(&blocks).unwrap_err();
        assert!(matches!(error, ReplicationError::Anchor { .. }), "{error}");
    }
}

#[test]
fn transactions_must_be_complete_and_canonical() {
    let envelope = |payload: &str, signature: &str| {
        Envelope { payload: payload.to_owned().into(), signature: signature.to_owned().into() }
            .encode_to_vec()
    };
    let good = envelope("payload", "signature");
    for (raw, expected) in [
        (good.clone(), Ok(())),
        (vec![0xff], Err("transaction 1 is invalid: error unmarshalling Envelope: proto: cannot parse")),
        (envelope("", "signature"), Err("transaction 1 has no payload")),
        (envelope("payload", ""), Err("transaction 1 has no signature")),
        ([&good[..], &good[..]].concat(), Err("transaction 1 does not match its raw form")),
    ] {
        let entries = vec![good.clone().into(), raw.into()];
        let result = check_transactions(&block::new_block(1, Bytes::new(), entries));
        match expected {
            Ok(()) => assert_eq!(result, Ok(())),
            Err(text) => assert!(result.unwrap_err().to_string().starts_with(text), "{text}"),
        }
    }
    let empty = check_transactions(&block::new_block(1, Bytes::new(), vec![]));
    assert_eq!(empty, Err(MalformedTransaction::Empty));
}

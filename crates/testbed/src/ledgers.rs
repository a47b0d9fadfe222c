//! What must hold of the chains of all nodes after any fault.

use crate::network::Network;
use bytes::Bytes;
use channel::{block, envelope};
use cli::client::chain::ChainVerifier;
use protos::Message;
use protos::common::{Block, Envelope};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the chains of all nodes and checks: every block verifies (number, link, data hash,
/// signature), all nodes have the same header at every height, every acknowledged transaction is
/// there, and no transaction is there twice. Returns the number of blocks.
///
/// # Panics
/// When one of these does not hold.
pub fn check(network: &Network, acknowledged: &BTreeSet<Bytes>) -> usize {
    let height = network.settled_height();
    let chains: Vec<Vec<Block>> = (0..network.len()).map(|node| network.chain(node, height)).collect();
    for (node, chain) in chains.iter().enumerate() {
        let mut verifier = ChainVerifier::new();
        for block in chain {
            let number = block.header.as_ref().map(|header| header.number);
            verifier.check(block).unwrap_or_else(|fault| panic!("node {node}, block {number:?}: {fault}"));
        }
    }
    let hashes: Vec<Vec<[u8; 32]>> = chains
        .iter()
        .map(|chain| chain.iter().filter_map(|b| b.header.as_ref().map(block::header_hash)).collect())
        .collect();
    for (node, chain) in hashes.iter().enumerate() {
        assert_eq!(chain.len() as u64, height, "node {node} lacks blocks");
        let fork = chain.iter().zip(&hashes[0]).position(|(ours, first)| ours != first);
        assert_eq!(fork, None, "nodes 0 and {node} have different blocks with this number");
    }
    let mut seen = BTreeMap::<Bytes, u64>::new();
    for block in &chains[0] {
        let number = block.header.as_ref().map_or(0, |header| header.number);
        for data in transactions(block) {
            if let Some(before) = seen.insert(data.clone(), number) {
                panic!("{:?} is in block {before} and in block {number}", String::from_utf8_lossy(&data));
            }
        }
    }
    let missing: Vec<_> = acknowledged.iter().filter(|data| !seen.contains_key(*data)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} acknowledged transactions are lost, the first: {:?}",
        missing.len(),
        acknowledged.len(),
        String::from_utf8_lossy(missing[0])
    );
    chains[0].len()
}

/// The data of a block's transactions; config transactions have none that counts.
fn transactions(block: &Block) -> Vec<Bytes> {
    if block::is_config_block(block) {
        return Vec::new();
    }
    let entries = block.data.iter().flat_map(|data| &data.data);
    entries
        .filter_map(|entry| Envelope::decode(entry.clone()).ok())
        .filter_map(|envelope| envelope::payload(&envelope).ok())
        .map(|payload| payload.data)
        .collect()
}

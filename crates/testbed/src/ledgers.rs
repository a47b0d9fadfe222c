//! What must hold of the chains of all nodes after any fault.

use crate::network::Network;
use bytes::Bytes;
use channel::{block, envelope};
use cli::client::chain::ChainVerifier;
use protos::Message;
use protos::common::{Block, BlockMetadataIndex, Envelope, Metadata};
use std::collections::{BTreeMap, BTreeSet};

/// Checks all that [`check_beside_others`] does, and what only networks of ours promise: that no
/// transaction is there twice, and no metadata is missing. Returns the number of blocks.
///
/// # Panics
/// When one of these does not hold.
pub fn check(network: &Network, acknowledged: &BTreeSet<Bytes>) -> usize {
    let found = check_beside_others(network, acknowledged);
    assert_eq!(found.without_metadata, BTreeSet::new(), "blocks without consenter metadata");
    if let Some((data, blocks)) = found.doubled.first_key_value() {
        panic!("{:?} is in blocks {blocks:?}", String::from_utf8_lossy(data));
    }
    found.blocks
}

/// What the chains hold.
pub struct Found {
    /// How many blocks.
    pub blocks: usize,
    /// Transactions that are there more than once, and in which blocks.
    pub doubled: BTreeMap<Bytes, Vec<u64>>,
    /// Blocks with which some node has no consenter metadata: Fabric's orderers write those without it
    /// that they take from a snapshot.
    pub without_metadata: BTreeSet<usize>,
}

/// Reads the chains of all nodes that serve and checks: every block verifies (number, link, data hash,
/// signature), all nodes have the same header and, where none lacks it, the same metadata but for
/// signatures at every height, and every acknowledged transaction is there.
///
/// # Panics
/// When one of these does not hold.
pub fn check_beside_others(network: &Network, acknowledged: &BTreeSet<Bytes>) -> Found {
    let height = network.settled_height();
    let chains: Vec<(usize, Vec<Block>)> =
        network.serving().into_iter().map(|node| (node, network.chain(node, height))).collect();
    let (first_node, first) = &chains[0];
    let lacks_metadata = |number: &usize| {
        *number > 0 && chains.iter().any(|(_, chain)| chain.get(*number).is_some_and(lacks_metadata))
    };
    let without_metadata: BTreeSet<usize> = (0..first.len()).filter(lacks_metadata).collect();
    for (node, chain) in &chains {
        assert_eq!(chain.len() as u64, height, "node {node} lacks blocks");
        let mut verifier = ChainVerifier::new();
        for (number, (block, of_first)) in chain.iter().zip(first).enumerate() {
            verifier.check(block).unwrap_or_else(|fault| panic!("node {node}, block {number}: {fault}"));
            assert_eq!(hash(block), hash(of_first), "nodes {first_node} and {node}, block {number}: a fork");
            if !without_metadata.contains(&number) {
                let (metadata, first_metadata) = (unsigned(block), unsigned(of_first));
                assert_eq!(
                    metadata, first_metadata,
                    "nodes {first_node} and {node}, block {number}: metadata"
                );
            }
        }
    }
    let mut places = BTreeMap::<Bytes, Vec<u64>>::new();
    for (number, block) in (0..).zip(first) {
        transactions(block).into_iter().for_each(|data| places.entry(data).or_default().push(number));
    }
    let missing: Vec<_> = acknowledged.iter().filter(|data| !places.contains_key(*data)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} acknowledged transactions are lost, the first: {:?}",
        missing.len(),
        acknowledged.len(),
        String::from_utf8_lossy(missing[0])
    );
    places.retain(|_, blocks| blocks.len() > 1);
    Found { blocks: first.len(), doubled: places, without_metadata }
}

fn lacks_metadata(block: &Block) -> bool {
    block::consenter_metadata(block).is_ok_and(|metadata| metadata.is_empty())
}

fn hash(block: &Block) -> Option<[u8; 32]> {
    block.header.as_ref().map(block::header_hash)
}

/// A block's metadata without the signatures, which are each node's own. Empty slots at the end do not
/// count: one of Fabric's orderers that learns of a channel by its system channel's blocks makes the genesis
/// block with one more than those who were there when it was created.
fn unsigned(block: &Block) -> Vec<Bytes> {
    let slots = block.metadata.iter().flat_map(|metadata| &metadata.metadata);
    let is_signed = [BlockMetadataIndex::Signatures as usize, BlockMetadataIndex::LastConfig as usize];
    let mut values: Vec<_> = slots
        .enumerate()
        .map(|(index, slot)| match Metadata::decode(slot.clone()) {
            Ok(metadata) if is_signed.contains(&index) => metadata.value,
            _ => slot.clone(),
        })
        .collect();
    values.truncate(values.iter().rposition(|value| !value.is_empty()).map_or(0, |last| last + 1));
    values
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

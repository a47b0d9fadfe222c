//! What must hold in the end.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use bytes::Bytes;

use super::world::World;

impl World {
    /// Whether enough happened for the rest to mean anything.
    pub(super) fn check_progress(&self) {
        assert!(self.chain.len() > 10, "only {} blocks", self.chain.len());
    }

    pub(super) fn check(&self) {
        for waiting in &self.waiting {
            eprintln!("{:?} waits at machine {}", waiting.text, waiting.node);
        }
        assert!(self.waiting.is_empty(), "{} wait in vain", self.waiting.len());
        let heights: Vec<usize> = self.nodes.iter().map(|node| node.disk.ledger.len()).collect();
        assert!(heights.iter().all(|height| *height == self.chain.len()), "one stays behind: {heights:?}");
        let mut in_chain: BTreeMap<Bytes, usize> = BTreeMap::new();
        let ledger = &self.nodes[0].disk.ledger;
        for text in ledger.iter().skip(1).flat_map(|block| block.block.data()) {
            *in_chain.entry(text.clone()).or_default() += 1;
        }
        for ((text, ..), count) in &self.kept {
            assert!(in_chain.get(text).unwrap_or(&0) >= count, "kept and missing: {text:?}");
        }
        for (text, count) in &in_chain {
            let rejected = self.rejected.get(text).unwrap_or(&0);
            let handed_in = self.handed_in[text];
            assert!(
                *count + rejected <= handed_in,
                "{text:?} was handed in {handed_in} times, is there {count} times, rejected {rejected} times"
            );
        }
        // The metadata of consenters is the same everywhere, as Fabric's are.
        for node in &self.nodes {
            for (block, other) in ledger.iter().zip(&node.disk.ledger) {
                assert_eq!(block.metadata, other.metadata, "block {}", block.block.number());
            }
        }
        // Whoever is named orders, whoever is not does not.
        let membership = self.nodes[0].disk.membership();
        for node in &self.nodes {
            let position = super::consenters::position_of(node.place, &membership.config);
            let id = position.map_or(0, |position| membership.ids()[position]);
            assert_eq!(node.id, id, "the raft id of machine {}", node.place);
        }
    }
}

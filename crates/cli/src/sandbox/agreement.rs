//! Whether all nodes hold the same chain.

use std::{collections::HashMap, time::Duration};

use channel::block;
use tokio::time::{Instant, sleep};

use crate::{
    client::{
        chain::{ChainFault, ChainVerifier},
        connection::ConnectError,
        deliver::{Blocks, DeliverError, Position, fetch},
        transaction::transaction_ids,
    },
    target::Target,
};

/// How long nodes may take to reach one height.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
const SETTLE_POLL: Duration = Duration::from_millis(100);

/// Why the nodes do not hold the same chain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Disagreement {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    #[error("block {number} of {node} is not sound")]
    Fault { node: String, number: u64, source: ChainFault },
    #[error("{node} has another block {number} than {first}: header hashes {found} and {expected}")]
    Fork { node: String, first: String, number: u64, found: String, expected: String },
    #[error("the nodes did not reach one height within {} s: {heights}", SETTLE_TIMEOUT.as_secs())]
    Heights { heights: String },
    #[error("{node} does not hold {missing} of the {submitted} transactions that were acknowledged")]
    Missing { node: String, missing: usize, submitted: usize },
    #[error("{node} holds transaction {id} {count} times")]
    Duplicate { node: String, id: String, count: usize },
}

/// The chain that all nodes hold.
pub(crate) struct Agreement {
    /// Number of blocks.
    pub(crate) height: u64,
    /// Header hash of the last one.
    pub(crate) last_hash: [u8; 32],
    /// Blocks with transactions of this run.
    pub(crate) blocks: usize,
}

/// Reads and verifies the whole chain of every node, and compares header hashes at every height; each of `submitted`
/// (transaction ids) must be in it exactly once.
pub(crate) async fn compare(
    target: &Target,
    names: &[String],
    submitted: &[String],
) -> Result<Agreement, Disagreement> {
    let height = settled_height(target, names).await?;
    let mut reference: Vec<[u8; 32]> = Vec::new();
    let mut blocks_with_own = 0;
    for (endpoint, node) in target.endpoints.iter().zip(names) {
        let connection = endpoint.connect().await?;
        let last = Position::Number(height.saturating_sub(1));
        let mut blocks = Blocks::read(&connection, &target.signer, Position::Oldest, last)?;
        let mut verifier = ChainVerifier::new();
        let mut counts: HashMap<&str, usize> = submitted.iter().map(|id| (id.as_str(), 0)).collect();
        let mut hashes = Vec::new();
        blocks_with_own = 0;
        while let Some(block) = blocks.next().await? {
            let number = hashes.len() as u64;
            verifier.check(&block).map_err(|source| Disagreement::Fault {
                node: node.clone(),
                number,
                source,
            })?;
            // The verifier has seen the header.
            let hash = block.header.as_ref().map(block::header_hash).unwrap_or_default();
            if let Some(expected) = reference.get(hashes.len()).filter(|expected| **expected != hash) {
                return Err(Disagreement::Fork {
                    node: node.clone(),
                    first: names[0].clone(),
                    number,
                    found: hex::encode(hash),
                    expected: hex::encode(expected),
                });
            }
            hashes.push(hash);
            let own = transaction_ids(&block)
                .filter_map(|id| counts.get_mut(id.as_str()).map(|count| *count += 1))
                .count();
            blocks_with_own += usize::from(own > 0);
        }
        check_counts(node, &counts, submitted.len())?;
        if reference.is_empty() {
            reference = hashes;
        }
    }
    Ok(Agreement {
        height,
        last_hash: reference.last().copied().unwrap_or_default(),
        blocks: blocks_with_own,
    })
}

fn check_counts(node: &str, counts: &HashMap<&str, usize>, submitted: usize) -> Result<(), Disagreement> {
    if let Some((id, count)) = counts.iter().find(|(_, count)| **count > 1) {
        return Err(Disagreement::Duplicate { node: node.to_owned(), id: (*id).to_owned(), count: *count });
    }
    match counts.values().filter(|count| **count == 0).count() {
        0 => Ok(()),
        missing => Err(Disagreement::Missing { node: node.to_owned(), missing, submitted }),
    }
}

/// The height of all nodes, once it is the same.
async fn settled_height(target: &Target, names: &[String]) -> Result<u64, Disagreement> {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let mut connections = Vec::new();
    for endpoint in &target.endpoints {
        connections.push(endpoint.connect().await?);
    }
    loop {
        let mut heights = Vec::new();
        for connection in &connections {
            let newest = fetch(connection, &target.signer, Position::Newest).await?;
            heights.push(newest.header.map_or(0, |header| header.number) + 1);
        }
        if let [first, rest @ ..] = &heights[..]
            && rest.iter().all(|height| height == first)
        {
            return Ok(*first);
        }
        if Instant::now() >= deadline {
            let heights = names.iter().zip(&heights).map(|(name, height)| format!("{name} {height}"));
            return Err(Disagreement::Heights { heights: heights.collect::<Vec<_>>().join(", ") });
        }
        sleep(SETTLE_POLL).await;
    }
}

//! What every consenter promises, tried on each of them.
#![allow(clippy::unwrap_used)]

mod network;

use std::{sync::Arc, time::Duration};

use channel::genesis::Consensus;
use consensus::{
    chain::{Chain, OrderError, Receipt, Status, Submission},
    channel_state::ChannelState,
    solo,
};
use futures::future::join_all;
use network::{CHANNEL, Network, organization::Org};
use storage::ledger::{LedgerOptions, LedgerStore};

const BATCH: (u32, Duration) = (3, Duration::from_millis(50));

/// A consenter over a channel that has its genesis block only.
struct Subject<'a> {
    org: &'a Org,
    chain: Arc<dyn Chain>,
    state: Arc<ChannelState>,
}

impl Subject<'_> {
    async fn order(&self, submission: Submission) -> Receipt {
        self.chain.order(submission).await.unwrap()
    }

    async fn committed(&self, receipts: Vec<Receipt>) -> Vec<Result<u64, OrderError>> {
        let committed = join_all(receipts.into_iter().map(Receipt::committed));
        tokio::time::timeout(Duration::from_secs(30), committed).await.unwrap()
    }

    fn entries(&self, number: u64) -> Vec<bytes::Bytes> {
        self.state.ledger().block(number).unwrap().unwrap().data().to_vec()
    }
}

/// All that a consenter has to show. Each part goes on where the one before has ended.
async fn keeps_the_contract(subject: Subject<'_>) {
    let mut errored = subject.chain.errored();
    tokio::time::timeout(Duration::from_secs(30), errored.wait_for(|errored| !errored))
        .await
        .unwrap()
        .unwrap();
    subject.chain.wait_ready().await.unwrap();
    full_batches_become_blocks_and_the_rest_when_time_is_up(&subject).await;
    identical_messages_are_each_ordered(&subject).await;
    a_configuration_is_alone_in_its_block_and_counts_from_there(&subject).await;
    what_no_longer_passes_is_refused_to_who_waits(&subject).await;
    a_halted_chain_says_so(&subject).await;
}

async fn full_batches_become_blocks_and_the_rest_when_time_is_up(subject: &Subject<'_>) {
    let submissions: Vec<_> = (0..7).map(|i| subject.org.transaction(CHANNEL, &format!("tx {i}"))).collect();
    let mut receipts = Vec::new();
    for submission in &submissions {
        receipts.push(subject.order(submission.clone()).await);
    }
    let committed = subject.committed(receipts).await;
    assert_eq!(committed, [1, 1, 1, 2, 2, 2, 3].map(Ok));
    for (submission, number) in submissions.iter().zip(committed) {
        assert!(subject.entries(number.unwrap()).contains(&submission.envelope));
    }
    let last = subject.state.last_block().unwrap();
    assert_eq!(channel::block::last_config_index(last.block()), Ok(0));
    let policy = subject.state.bundle().block_validation_policy().unwrap();
    channel::block::verify_signatures(last.block(), policy.as_ref()).unwrap();
}

async fn identical_messages_are_each_ordered(subject: &Subject<'_>) {
    let submission = subject.org.transaction(CHANNEL, "twice");
    let receipts = vec![subject.order(submission.clone()).await, subject.order(submission.clone()).await];
    assert!(subject.committed(receipts).await.iter().all(Result::is_ok));
    let entries: Vec<_> = (0..subject.state.height()).flat_map(|number| subject.entries(number)).collect();
    assert_eq!(entries.iter().filter(|entry| **entry == submission.envelope).count(), 2);
}

async fn a_configuration_is_alone_in_its_block_and_counts_from_there(subject: &Subject<'_>) {
    let before = subject.order(subject.org.transaction(CHANNEL, "before the configuration")).await;
    let update = subject.org.batch_update(&subject.state.bundle(), 2);
    let config = Org::config_submission(&subject.state, &update).unwrap();
    let receipts = vec![before, subject.order(config.clone()).await];
    let committed = subject.committed(receipts).await;
    let number = committed[1].clone().unwrap();
    assert_eq!(committed[0], Ok(number - 1), "what was taken in before comes before");
    assert_eq!(subject.entries(number), [config.envelope]);
    assert_eq!((subject.state.bundle().sequence(), subject.state.last_config_number()), (1, number));
    let mut receipts = Vec::new();
    for i in 0..2 {
        receipts.push(subject.order(subject.org.transaction(CHANNEL, &format!("after {i}"))).await);
    }
    assert_eq!(subject.committed(receipts).await, [Ok(number + 1), Ok(number + 1)]);
    assert_eq!(channel::block::last_config_index(subject.state.last_block().unwrap().block()), Ok(number));
}

/// Two updates of the same configuration: the second is looked at once more and does not pass.
async fn what_no_longer_passes_is_refused_to_who_waits(subject: &Subject<'_>) {
    let bundle = subject.state.bundle();
    let [first, second] = [4, 5].map(|count| {
        Org::config_submission(&subject.state, &subject.org.batch_update(&bundle, count)).unwrap()
    });
    let receipts = vec![subject.order(first).await, subject.order(second).await];
    let committed = subject.committed(receipts).await;
    assert!(committed[0].is_ok(), "{committed:?}");
    assert!(matches!(committed[1], Err(OrderError::Rejected { .. })), "{committed:?}");
    assert_eq!(subject.state.bundle().sequence(), 2);
}

async fn a_halted_chain_says_so(subject: &Subject<'_>) {
    let height = subject.state.height();
    subject.chain.halt().await;
    subject.chain.halt().await;
    let refused = subject.chain.order(subject.org.transaction(CHANNEL, "too late")).await;
    assert_eq!(refused.err(), Some(OrderError::Stopped));
    assert_eq!(subject.chain.relation_and_status().1, Status::Inactive);
    assert!(*subject.chain.errored().borrow());
    assert_eq!(subject.state.height(), height);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn solo_keeps_the_contract() {
    let org = Org::new();
    let dir = tempfile::tempdir().unwrap();
    let store = LedgerStore::open(dir.path(), LedgerOptions::default()).unwrap();
    let genesis = org.genesis(CHANNEL, Consensus::Solo, BATCH);
    store.open_channel(CHANNEL).unwrap().append(&genesis).unwrap();
    drop(store);
    let state = network::open(dir.path(), &org.node(1));
    let chain = solo::start(state.clone());
    keeps_the_contract(Subject { org: &org, chain, state }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raft_keeps_the_contract_on_leader_and_followers() {
    for size in [1, 3] {
        for id in 1..=size {
            let network = Network::start(size, BATCH, 16 << 20);
            let node = &network.nodes[&id];
            let (chain, state) = (node.chain.clone(), node.state.clone());
            keeps_the_contract(Subject { org: &network.org, chain, state }).await;
        }
    }
}

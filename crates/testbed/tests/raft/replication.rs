//! Where blocks come from that a node did not order itself: it keeps none that does not verify, whoever
//! delivers them, and `General.Cluster.Replication...` says how patiently they are pulled.

use std::time::Duration;

use cli::sandbox::layout::ORDERER_MSPID;
use identity::generate::Validity;
use protos::Message;
use protos::common::{Block, BlockMetadata};
use testbed::channel_config::{change_endpoints, change_genesis};
use testbed::network::{Network, NetworkOptions};
use testbed::source::{Lie, Source};
use testbed::{forge, ledgers, ports, wait};

use crate::{settings, wait_for_lines};

/// A consenter, a node that is no part of the channel yet, and a source of the channel's blocks that its
/// config names, too. The channel has blocks 0 to 4, the last of them a config block.
struct Place {
    network: Network,
    source: Source,
    endpoint: String,
}

/// The node that pulls.
const PULLER: usize = 1;

/// With `forges_next` the source says that it has a block 5.
fn place(variables: &[(&str, &str)], forges_next: bool) -> Place {
    let environment = settings(variables);
    let options = NetworkOptions { nodes: 1, spare_nodes: 1, environment, ..NetworkOptions::default() };
    let network = Network::start(&options);
    for _ in 0..3 {
        network.order_through(0);
    }
    let port = ports::block(1);
    let endpoint = format!("127.0.0.1:{port}");
    network.reconfigure(0, |config| {
        change_endpoints(config, ORDERER_MSPID, |endpoints| {
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint.clone());
            }
        });
    });
    let mut blocks = network.chain(0, 5);
    if forges_next {
        let last = blocks[4].header.as_ref().unwrap();
        let data = blocks[3].data.clone().unwrap().data;
        let next = channel::block::new_block(5, channel::block::header_hash(last).to_vec().into(), data);
        blocks.push(signed_by_a_stranger(next));
    }
    let source = Source::start(&network, port, blocks);
    Place { network, source, endpoint }
}

impl Place {
    /// Joins the channel while the source is all there is.
    fn join(&mut self) {
        let block = self.network.config_block(0).unwrap().encode_to_vec();
        self.network.node(0).kill();
        self.network.join(PULLER, &block);
        // It is to be no part of what clients are served from.
        self.network.leaves(PULLER);
    }
}

fn signed_by_a_stranger(mut block: Block) -> Block {
    let authority = forge::stranger();
    let stranger = forge::member(&authority, ORDERER_MSPID, "orderer", Validity::from_now(forge::now_unix()));
    let header = block.header.as_ref().unwrap();
    let metadata = channel::block::sign_block(header, 4, None, &stranger).unwrap();
    block.metadata = Some(BlockMetadata { metadata });
    block
}

/// Changes the block of this number.
fn at(number: u64, mut block: Block, change: impl FnOnce(&mut Block)) -> Option<Block> {
    if block.header.as_ref().unwrap().number == number {
        change(&mut block);
    }
    Some(block)
}

fn with_other_data(block: &mut Block) {
    let data = &mut block.data.as_mut().unwrap().data;
    data.push(data[0].clone());
}

#[test]
fn forged_blocks_are_passed_over() {
    let mut place = place(&[], true);
    // What is told, what the log says of it, and how many blocks have been kept after it.
    let table: [(&str, Lie, &str, u64); 7] = [
        (
            "another beginning",
            |block| {
                at(0, block, |block| {
                    change_genesis(block, |config| config.sequence = 9);
                })
            },
            "Failed verifying received blocks: block [0]'s hash (",
            0,
        ),
        (
            "a link to another block",
            |block| at(2, block, |block| block.header.as_mut().unwrap().previous_hash = vec![7; 32].into()),
            "Failed verifying received blocks: block [1]'s hash (",
            0,
        ),
        (
            "other data",
            |block| at(2, block, with_other_data),
            "Failed verifying received blocks: computed hash of block (2) (",
            0,
        ),
        (
            "no data",
            |block| at(2, block, |block| block.data.as_mut().unwrap().data.clear()),
            "Failed verifying received blocks: block has malformed transactions: empty block",
            0,
        ),
        (
            "a spoilt signature",
            |block| {
                at(4, block, |block| {
                    let slots = &mut block.metadata.as_mut().unwrap().metadata;
                    let mut bytes = slots[0].to_vec();
                    *bytes.last_mut().unwrap() ^= 1;
                    slots[0] = bytes.into();
                })
            },
            "Failed verifying received blocks: signatures of block 4 do not satisfy the policy: ",
            0,
        ),
        (
            "a stranger's signature",
            |block| at(4, block, |block| *block = signed_by_a_stranger(block.clone())),
            "Failed verifying received blocks: signatures of block 4 do not satisfy the policy: ",
            0,
        ),
        (
            "another number",
            |block| at(2, block, |block| block.header.as_mut().unwrap().number = 7),
            "Pull failed, error: faulty node, received: block 7 instead of 2",
            // Those before it were sound.
            2,
        ),
    ];
    place.source.tell(table[0].1);
    place.join();
    for (number, (what, lie, text, kept)) in table.into_iter().enumerate() {
        place.source.tell(lie);
        let mark = if number == 0 { 0 } else { place.network.node(PULLER).log().len() };
        place.network.node(PULLER).wait_for_log(text, mark);
        place.network.wait_for_place(PULLER, &format!("follower/onboarding at {kept}"));
        println!("{what}: refused");
    }

    // It goes on with somebody else, and asks the one that lies no more.
    place.network.start_all();
    let mark = place.network.node(PULLER).log().len();
    place.network.wait_for_place(PULLER, "follower/active at 5");
    let honest =
        format!("Connected to 127.0.0.1:{} with last block seq of ", place.network.layout().nodes[0].port);
    let liar = format!("Connected to {} with last block seq of 5", place.endpoint);
    let log = place.network.node(PULLER).log();
    assert!(log.contains(&honest));
    let onboarding = log[mark..].split_once("Onboarding finished successfully").unwrap().0;
    let again = onboarding.matches(&liar).count();
    assert!(again <= 1, "{again} times");

    // Nor is a block taken that follows well from the last one and that none of the orderers signed.
    let forged = "Failed verifying received blocks: signatures of block 5 do not satisfy the policy: ";
    place.network.node(PULLER).wait_for_log(forged, mark);
    assert_eq!(place.network.place(PULLER), "follower/active at 5");
    place.network.order_through(0);
    place.network.wait_for_place(PULLER, "follower/active at 6");
    place.network.serves_again(PULLER);
    place.network.add_consenter(0, PULLER);
    place.network.wait_for_active(2);
    let acknowledged = place.network.order_through_all();
    ledgers::check(&place.network, &acknowledged.into_iter().collect());
}

/// The pauses that a log tells of, ms.
fn pauses(log: &str) -> Vec<f64> {
    let told =
        log.lines().filter_map(|line| line.split_once("; trying again in ")?.1.split_whitespace().next());
    told.map(|pause| match pause.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse().unwrap(),
        None => pause.trim_end_matches('s').parse::<f64>().unwrap() * 1000.0,
    })
    .collect()
}

#[test]
fn replication_is_as_patient_as_it_is_set() {
    let mut place = place(
        &[
            ("GENERAL_CLUSTER_REPLICATIONPULLTIMEOUT", "700ms"),
            ("GENERAL_CLUSTER_REPLICATIONBUFFERSIZE", "1"),
            ("GENERAL_CLUSTER_REPLICATIONRETRYTIMEOUT", "200ms"),
            ("GENERAL_CLUSTER_REPLICATIONMAXRETRIES", "5"),
            ("GENERAL_CLUSTER_REPLICATIONBACKGROUNDREFRESHINTERVAL", "300ms"),
        ],
        false,
    );

    // ReplicationPullTimeout: nothing more comes.
    place.source.tell(|block| (block.header.as_ref()?.number < 2).then_some(block));
    place.join();
    let waited = "Pull failed, error: didn't receive a response within 700ms";
    place.network.node(PULLER).wait_for_log(waited, 0);
    place.network.wait_for_place(PULLER, "follower/onboarding at 2");

    // ReplicationMaxRetries: so many attempts in a row, then it asks anew who orders the channel.
    let exhausted = "Failed pulling block [2]: retry count exhausted(5)";
    place.network.node(PULLER).wait_for_log(exhausted, 0);
    let log = place.network.node(PULLER).log();
    let tried = log.split_once(exhausted).unwrap().0.matches("Pull failed, error: ").count();
    assert_eq!(tried, 5);

    // ReplicationRetryTimeout: pauses grow up to it.
    let pauses = pauses(&log);
    assert!(pauses.contains(&200.0) && pauses.iter().all(|pause| *pause <= 200.0), "{pauses:?}");

    // ReplicationBufferSize: with room for one block, each is kept before the next one has come. With more
    // of it, what comes together with a forged block is dropped together with it.
    place.source.tell(|block| at(3, block, with_other_data));
    let refused = "Failed verifying received blocks: computed hash of block (3) (";
    place.network.node(PULLER).wait_for_log(refused, 0);
    place.network.wait_for_place(PULLER, "follower/onboarding at 3");

    // ReplicationBackgroundRefreshInterval: by default the twelfth look would come after a minute.
    place.network.start_all();
    place.network.wait_for_place(PULLER, "follower/active at 5");
    let mark = place.network.node(PULLER).log().len();
    let network = &mut place.network;
    wait::until("a follower to look again and again", Duration::from_secs(30), || {
        let looks = network.node(PULLER).log()[mark..].matches("Returning the heights of OSNs").count();
        (looks >= 12).then_some(())
    });
    network.order_through(0);
    network.wait_for_place(PULLER, "follower/active at 6");
    let lines = ["Onboarding finished successfully, pulled blocks up to join-block"];
    wait_for_lines(network, PULLER, 0, &lines);
}

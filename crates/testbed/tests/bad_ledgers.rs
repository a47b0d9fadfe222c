//! A node finds its files damaged: the channel they belong to is not served, says why, and the
//! others go on.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use cli::client::deliver::{Blocks, Position};
use cli::client::participation;
use cli::client::transaction::Signer;
use cli::sandbox::layout::{CLIENT_MSPID, Layout};
use cli::sandbox::material;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testbed::network::{self, Network, NetworkOptions};
use testbed::{probe, wait};

/// The only file below `folder` whose name contains `part`.
fn find(folder: &Path, part: &str) -> PathBuf {
    let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let found = entries.into_iter().find(|path| path.to_string_lossy().contains(part));
    found.unwrap_or_else(|| panic!("no {part} in {}", folder.display()))
}

/// Changes one byte of the file.
fn damage(file: &Path, at: impl Fn(&[u8]) -> usize) {
    let mut bytes = fs::read(file).unwrap();
    let at = at(&bytes);
    bytes[at] ^= 0x55;
    fs::write(file, bytes).unwrap();
}

/// A quarter into what is used: something that was written long ago.
fn a_quarter(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() / 4
}

/// In the middle of a transaction.
fn in_a_transaction(bytes: &[u8]) -> usize {
    bytes.windows(DATA.len()).position(|window| window == DATA).unwrap() + 5
}

const DATA: &[u8] = b"the data of a transaction";

#[test]
fn a_damaged_channel_leaves_the_others_alone() {
    let mut network = Network::start(&NetworkOptions { nodes: 1, ..NetworkOptions::default() });
    let layout = network.layout().clone();
    let names = ["damaged-config", "damaged-log", "damaged-data"];
    let admin_tls = network::client_tls(&layout.tls_ca(), &layout.admin_certificate(), &layout.admin_key());
    let admin = network::endpoint(layout.nodes[0].admin_address(), Some(&admin_tls));
    let client = network::signing_identity(&layout.client_msp(), CLIENT_MSPID);
    let settings = network.node(0).directory().join("orderer.yaml");
    let original = fs::read(&settings).unwrap();
    for name in names {
        let more = Layout::new(&layout.root, name, 1, layout.nodes[0].port).unwrap();
        material::generate(&more).unwrap();
        let genesis = fs::read(more.genesis_block()).unwrap();
        network.runtime().block_on(participation::join(&admin, &genesis)).unwrap();
    }
    // The material was made again without what the tests have changed in it.
    fs::write(&settings, original).unwrap();
    let order = |network: &Network, name: &str| {
        let envelope =
            Signer::new(client.clone(), name).transaction(Bytes::from_static(DATA)).unwrap().envelope;
        let connection = network.connect(0);
        network.runtime().block_on(probe::broadcast(&connection, envelope))
    };
    for name in names {
        for _ in 0..4 {
            wait::until(name, Duration::from_secs(30), || (order(&network, name) == "SUCCESS").then_some(()));
        }
    }
    assert!(network.node(0).terminate().success());
    let data = network.node(0).directory().join("data");
    let chains = data.join("ledger/chains");
    damage(&chains.join("damaged-config/blockfile_000000"), a_quarter);
    damage(&chains.join("damaged-data/blockfile_000000"), in_a_transaction);
    damage(&find(&data.join("etcdraft/wal/damaged-log"), ".wal"), a_quarter);
    network.start_all();

    let healthz = network::http_get(layout.nodes[0].operations_port, "/healthz").unwrap();
    for (name, reason) in
        [("damaged-config", "blockfile_000000 is damaged at byte"), ("damaged-log", ".wal at byte")]
    {
        let answer = order(&network, name);
        assert!(
            answer.starts_with("BAD_REQUEST: ") || answer.starts_with("SERVICE_UNAVAILABLE: "),
            "{name}: {answer}"
        );
        let info = network.runtime().block_on(participation::channel(&admin, name)).unwrap().unwrap();
        assert_eq!(info.status, "failed", "{name}");
        let said = healthz.to_lowercase();
        assert!(said.contains(name) && said.contains(reason), "{name}: {healthz}");
        let log = network.node(0).log();
        assert!(log.contains(&format!("Channel {name} cannot be served: ")), "{name}");
    }
    wait::until("a leader", Duration::from_secs(30), || {
        (order(&network, "damaged-data") == "SUCCESS").then_some(())
    });
    // Old data is looked at when it is asked for: what is damaged is not handed out.
    let reader = Signer::new(client.clone(), "damaged-data");
    let read = network.runtime().block_on(async {
        let connection = network.endpoint(0).connect().await.unwrap();
        let mut blocks = Blocks::read(&connection, &reader, Position::Oldest, Position::Newest).unwrap();
        let mut count = 0;
        loop {
            match blocks.next().await {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, String::new()),
                Err(error) => return (count, error.to_string()),
            }
        }
    });
    assert_eq!(read.0, 1, "{read:?}");
    assert!(read.1.contains("SERVICE_UNAVAILABLE"), "{read:?}");
    assert!(network.node(0).log().contains("blockfile_000000 is damaged at byte"));
    let info = network.runtime().block_on(participation::channel(&admin, "ch1")).unwrap().unwrap();
    assert_eq!((info.status.as_str(), info.consensus_relation.as_str()), ("active", "consenter"));
    network.check_unharmed();
}

//! Starting and stopping: one clear line for each thing that is wrong.

use std::{fs, sync::Arc};

use orderer::node::NodeError;
use tempfile::TempDir;

use crate::{
    client::transaction,
    material::Org,
    node::{CHANNEL, TestNode, settings, start, tls_section},
};

async fn failure(extra: &str, spoil: impl FnOnce(&TempDir)) -> NodeError {
    let (org, directory) = (Org::new(), TempDir::new().unwrap());
    let (settings, _) = settings(&directory, &org, extra);
    spoil(&directory);
    start(&settings).await.err().expect("it started")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let tls = tls_section(false);
    let error = failure(&tls, |d| fs::remove_dir_all(d.path().join("msp")).unwrap()).await.to_string();
    assert!(error.contains("msp/signcerts") && error.contains("General.LocalMSPDir"), "{error}");

    let error = failure(&tls, |d| {
        fs::remove_file(d.path().join("msp/keystore/priv_sk")).unwrap();
    });
    let error = error.await.to_string();
    assert!(error.contains("KeyMaterial not found"), "{error}");

    let error = failure(&tls, |d| fs::remove_file(d.path().join("server.key")).unwrap()).await.to_string();
    assert!(error.contains("server.key"), "{error}");

    let error = failure(&tls, |d| fs::write(d.path().join("server.crt"), "nothing").unwrap());
    let error = error.await.to_string();
    assert!(error.contains("server.crt holds no PEM certificate"), "{error}");

    let error = failure(&tls, |d| {
        let other = Org::new().tls_files(d.path(), "other");
        fs::copy(other.key, d.path().join("server.key")).unwrap();
    });
    let error = error.await.to_string();
    assert!(error.contains("server.key") && error.contains("server.crt"), "{error}");

    let error = failure("", |_| {}).await.to_string();
    assert!(error.starts_with("TLS is required for running ordering nodes of cluster type."), "{error}");

    let error = failure(&tls, |d| fs::write(d.path().join("ledger"), "a file").unwrap()).await.to_string();
    assert!(error.contains("ledger"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (org, directory) = (Org::new(), TempDir::new().unwrap());
    let (mut settings, _) = settings(&directory, &org, &tls_section(false));
    settings.general.listen_port = taken.local_addr().unwrap().port();
    let error = start(&settings).await.err().expect("it started").to_string();
    assert!(error.contains(&taken.local_addr().unwrap().to_string()) && error.contains("in use"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_come_back_after_a_stop_and_a_broken_one_stops_nobody() {
    let (org, directory) = (Arc::new(Org::new()), TempDir::new().unwrap());
    let (settings, tls) = settings(&directory, &org, &tls_section(false));
    let node = start(&settings).await.unwrap();
    let node = TestNode { org, tls, directory, node };
    for channel in [CHANNEL, "another"] {
        node.join_alone(channel).await;
    }
    let mut call = node.client().await.broadcast().await;
    call.send(&transaction(&node.org.member("client"), b"kept"));
    assert_eq!(call.answer().await.0, protos::common::Status::Success);
    let TestNode { org, tls, directory, node } = node;
    node.stop().await;

    // Damage in the first block of the other channel.
    let file = directory.path().join("ledger/chains/another/blockfile_000000");
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 0xff;
    fs::write(&file, bytes).unwrap();
    let node = start(&settings).await.unwrap();
    let node = TestNode { org, tls, directory, node };
    assert_eq!(node.height(CHANNEL), 2);
    let failures = node.node.registrar().failures();
    assert!(matches!(failures.as_slice(), [(name, _)] if name == "another"), "{failures:?}");
    let info = node.participation().info("another").unwrap();
    assert_eq!(info.status.to_string(), "failed");
    // What is broken can be removed and joined again.
    node.participation().remove("another").await.unwrap();
    let gone = async {
        while node.participation().info("another").is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::node::LIMIT, gone).await.unwrap();
}

//! Handshakes: who gets in, and how the others are turned away.

use std::time::Duration;

use identity::generate::Validity;
use orderer::tls::{
    dialer::{DialError, Dialer},
    keys::{KeyPair, certificates, public_key},
    trust::check_host,
};
use protos::orderer::BroadcastResponse;
use rustls_pki_types::ServerName;

use crate::{
    client::{Client, dialer, roots},
    material::{Org, TlsFiles, now_unix},
    node::{CHANNEL, LIMIT, TestNode, tls_section},
};

fn read(files: &TlsFiles) -> KeyPair {
    KeyPair::read(&files.certificate, &files.key).unwrap()
}

/// Whether a client with this certificate can call. With TLS 1.3 a client learns of its rejection
/// only after its own handshake, with its first call.
async fn can_call(node: &TestNode, keys: Option<KeyPair>) -> bool {
    let Ok(client) = Client::connect_as(&node.org, keys, node.port()).await else { return false };
    let Ok(mut call) = client.call("/orderer.AtomicBroadcast/Broadcast").await else { return false };
    call.send_raw(bytes::Bytes::new());
    matches!(call.next::<BroadcastResponse>().await, Some(Ok(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_lets_members_in_only() {
    let node = TestNode::new(&tls_section(true)).await;
    let directory = node.directory.path();
    let past = Validity { not_before_unix: now_unix() - 7200, not_after_unix: now_unix() - 3600 };
    for (keys, expected) in [
        (Some(read(&node.org.tls_files(directory, "member"))), true),
        (None, false),
        (Some(read(&node.org.tls_files_until(directory, "expired", past))), false),
        (Some(read(&Org::new().tls_files(directory, "foreign"))), false),
    ] {
        let subject = keys.as_ref().map(|keys| public_key(keys.leaf()));
        assert_eq!(can_call(&node, keys).await, expected, "{subject:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_of_a_joined_channel_are_trusted() {
    let node = TestNode::new(&tls_section(true)).await;
    let other = Org::new();
    let member = read(&other.tls_files(node.directory.path(), "member"));
    assert!(!can_call(&node, Some(member.clone())).await);
    let consenters = vec![crate::material::consenter(node.port(), &node.tls.pair.certificate_pem)];
    node.join(other.genesis(CHANNEL, consenters, 1)).await;
    assert!(can_call(&node, Some(member.clone())).await);
    node.participation().remove(CHANNEL).await.unwrap();
    assert!(!can_call(&node, Some(member)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn dialing_checks_chain_host_and_key() {
    let node = TestNode::new(&tls_section(false)).await;
    let port = node.port();
    let own = certificates(node.tls.pair.certificate_pem.as_bytes()).remove(0);
    let other =
        certificates(node.org.tls_files(node.directory.path(), "other").pair.certificate_pem.as_bytes())
            .remove(0);
    let dialer = dialer(None);
    dialer.dial("127.0.0.1", port, roots(&node.org), Some(&own)).await.unwrap();
    let refusal = async |host: &str, org: &Org, pinned: Option<&[u8]>| match dialer
        .dial(host, port, roots(org), pinned)
        .await
    {
        Err(DialError::Handshake { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refusal("127.0.0.1", &node.org, Some(&other)).await,
        format!(
            "public key of server certificate presented by 127.0.0.1:{port} doesn't match the expected public key"
        )
    );
    let unknown = "x509: certificate signed by unknown authority";
    assert_eq!(refusal("127.0.0.1", &Org::new(), None).await, unknown);
    let elsewhere = check_host(&own, &ServerName::try_from("elsewhere.test").unwrap()).unwrap_err();
    assert_eq!(elsewhere.to_string(), "x509: certificate is not valid for elsewhere.test");
    assert!(matches!(
        dialer.dial("127.0.0.1", 1, roots(&node.org), None).await,
        Err(DialError::Connect { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_accepts_expired_certificates() {
    let (org, directory) = (Org::new(), tempfile::TempDir::new().unwrap());
    let (settings, _) = crate::node::settings(&directory, &org, &tls_section(false));
    let day = 86_400;
    let past = Validity { not_before_unix: now_unix() - 3 * day, not_after_unix: now_unix() - day };
    // Over the files that the settings name.
    org.tls_files_until(directory.path(), "server", past);
    let node = crate::node::start(&settings).await.unwrap();
    let port = node.addresses().general.port();
    let dial = async |shift: Duration| {
        Dialer::new(None, shift, LIMIT).dial("127.0.0.1", port, roots(&org), None).await
    };
    match dial(Duration::ZERO).await {
        Err(DialError::Handshake { reason, .. }) => {
            assert_eq!(reason, "x509: certificate has expired or is not yet valid");
        }
        other => panic!("{other:?}"),
    }
    // The CA is as young as the test, and Go does not look at the age of a root either.
    dial(Duration::from_secs(2 * 86_400)).await.unwrap();
    node.stop().await;
}

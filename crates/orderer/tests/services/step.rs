//! Step: who may speak, and what is said to the others.

use orderer::tls::keys::KeyPair;
use protos::orderer::{ConsensusRequest, StepRequest, StepResponse, SubmitRequest, step_request::Payload};

use crate::{
    client::Client,
    material::{Org, consenter},
    node::{CHANNEL, TestNode, tls_section},
};

fn consensus(channel: &str, payload: &'static [u8]) -> StepRequest {
    let request = ConsensusRequest {
        channel: channel.to_owned(),
        payload: payload.into(),
        ..ConsensusRequest::default()
    };
    StepRequest { payload: Some(Payload::ConsensusRequest(request)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_are_known_by_their_key() {
    let node = TestNode::new(&tls_section(false)).await;
    let member = node.org.tls_files(node.directory.path(), "member");
    let consenters = vec![
        consenter(node.port(), &node.tls.pair.certificate_pem),
        consenter(1, &member.pair.certificate_pem),
    ];
    node.join(node.org.genesis(CHANNEL, consenters, 1)).await;
    let connect =
        async |keys: Option<KeyPair>| Client::connect_as(&node.org, keys, node.port()).await.unwrap();
    let read = |files: &crate::material::TlsFiles| KeyPair::read(&files.certificate, &files.key).unwrap();
    let member = connect(Some(read(&member))).await;
    let stranger = connect(Some(read(&node.org.tls_files(node.directory.path(), "stranger")))).await;
    // Certificates are not verified here, so a foreign CA's gets as far as any other stranger's.
    let foreign = connect(Some(read(&Org::new().tls_files(node.directory.path(), "foreign")))).await;
    let nobody = connect(None).await;
    let submit = SubmitRequest { channel: "elsewhere".to_owned(), ..SubmitRequest::default() };
    let submit = StepRequest { payload: Some(Payload::SubmitRequest(submit)) };
    let not_authorized = "certificate extracted from TLS connection isn't authorized";
    let malformed = "failed to unmarshal StepRequest payload to Raft Message";
    for (client, request, text) in [
        (&member, StepRequest { payload: None }, "message is neither a Submit nor a Consensus request"),
        (&member, consensus("", b""), "badly formatted message, cannot extract channel"),
        (&member, consensus("elsewhere", b""), "channel elsewhere doesn't exist"),
        (&member, submit, "channel elsewhere doesn't exist"),
        (&member, consensus(CHANNEL, &[0xff]), malformed),
        (&nobody, consensus(CHANNEL, b""), "no TLS certificate sent"),
        (&stranger, consensus(CHANNEL, b""), not_authorized),
        (&foreign, consensus(CHANNEL, b""), not_authorized),
    ] {
        let mut call = client.call("/orderer.Cluster/Step").await.unwrap();
        call.send(&request);
        let status =
            call.next::<StepResponse>().await.expect("the stream ended without its reason").unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unknown, "{status}");
        assert!(status.message().starts_with(text), "{:?} instead of {text:?}", status.message());
    }
    assert_eq!(node.height(CHANNEL), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_of_its_own_takes_consenters_only() {
    let (org, directory) = (Org::new(), tempfile::TempDir::new().unwrap());
    let path = directory.path().display();
    let cluster = format!(
        "{}
  Cluster:
    ListenAddress: 127.0.0.1
    ListenPort: 1
    ServerCertificate: {path}/server.crt
    ServerPrivateKey: {path}/server.key
    RootCAs: [tlsca.pem]",
        tls_section(false)
    );
    let (mut settings, _) = crate::node::settings(&directory, &org, &cluster);
    // Any free port; Fabric takes 0 for no listener at all.
    settings.general.cluster.listen_port = free_port();
    let node = crate::node::start(&settings).await.unwrap();
    let addresses = node.addresses();
    let keys = |org: &Org| {
        let files = org.tls_files(directory.path(), "client");
        Some(KeyPair::read(&files.certificate, &files.key).unwrap())
    };
    let main = Client::connect_as(&org, keys(&org), addresses.general.port()).await.unwrap();
    let mut call = main.call("/orderer.Cluster/Step").await;
    let refused = match &mut call {
        Ok(call) => call.next::<StepResponse>().await.unwrap().unwrap_err(),
        Err(status) => status.clone(),
    };
    assert_eq!(refused.message(), "unknown service orderer.Cluster");

    let port = addresses.cluster.unwrap().port();
    let member = Client::connect_as(&org, keys(&org), port).await.unwrap();
    let mut call = member.call("/orderer.Cluster/Step").await.unwrap();
    call.send(&consensus("elsewhere", b""));
    let status = call.next::<StepResponse>().await.unwrap().unwrap_err();
    assert_eq!(status.message(), "channel elsewhere doesn't exist");
    for stranger in [None, keys(&Org::new())] {
        // With TLS 1.3 the refusal arrives with the first call.
        if let Ok(client) = Client::connect_as(&org, stranger, port).await {
            assert!(client.call("/orderer.Cluster/Step").await.is_err());
        }
    }
    node.stop().await;
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

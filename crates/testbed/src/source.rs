//! An orderer that only delivers blocks, and not always those that it should.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use identity::generate::Validity;
use orderer::grpc::call::MessageLimits;
use orderer::grpc::server::{self, Bound, Options, Routes};
use orderer::grpc::{Frame, Handler, RemotePeer, Requests, Responses};
use orderer::metrics::Metrics;
use orderer::settings::Keepalive;
use orderer::tls::keys::KeyPair;
use orderer::tls::server::{ClientCertificates, config};
use protos::Message;
use protos::common::{Block, Envelope, Payload};
use protos::orderer::seek_position::Type as Position;
use protos::orderer::{DeliverResponse, SeekInfo, deliver_response};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::forge;
use crate::network::Network;

/// Largest messages, bytes.
const MESSAGES: MessageLimits = MessageLimits { max_recv_bytes: 100 << 20, max_send_bytes: 100 << 20 };

/// What is made of a block before it is delivered; none: nothing more is said from there on.
pub type Lie = fn(Block) -> Option<Block>;

/// It has a certificate of the orderers' authority, the blocks that it was given, and asks nobody who he
/// is. What it says of its newest block is true.
pub struct Source {
    deliver: Arc<Deliver>,
    serving: JoinHandle<()>,
}

struct Deliver {
    blocks: Vec<Block>,
    lie: Mutex<Lie>,
}

impl Source {
    /// Delivers these blocks, from block 0 on, at a port of this machine.
    ///
    /// # Panics
    /// When there are no blocks, or it cannot be set up.
    pub fn start(network: &Network, port: u16, blocks: Vec<Block>) -> Self {
        assert!(!blocks.is_empty(), "there is nothing to deliver");
        let root = &network.layout().root;
        let authority = forge::authority(&root.join("tls-ca"));
        let validity = Validity::from_now(forge::now_unix());
        let pair = authority.issue_tls("source.orderer.sandbox", &["127.0.0.1", "localhost"], validity);
        let pair = pair.expect("a certificate can be issued");
        let (certificate, key) = (root.join(format!("{port}.crt")), root.join(format!("{port}.key")));
        std::fs::write(&certificate, pair.certificate_pem).expect("a file can be written");
        std::fs::write(&key, pair.private_key_pem).expect("a file can be written");
        let keys = KeyPair::read(&certificate, &key).expect("the files are a pair");
        let tls = config(&keys, ClientCertificates::Requested, Duration::ZERO).expect("TLS can be set up");
        let deliver = Arc::new(Deliver { blocks, lie: Mutex::new(Some) });
        let routes = Routes::default().with(deliver.clone());
        let second = Duration::from_secs(1);
        let keepalive = Keepalive {
            server_min_interval: second,
            server_interval: second * 60,
            server_timeout: second * 60,
        };
        let options = Options { connection_timeout: second * 5, keepalive, messages: MESSAGES };
        let listening = async { Bound::new("127.0.0.1", port, "source", Some(tls), false).await?.listen() };
        let listener = network.runtime().block_on(listening).expect("the port is free");
        let (metrics, never) = (Arc::new(Metrics::new(false)), CancellationToken::new());
        let serving = server::serve(listener, routes, options, metrics, never.clone(), never);
        let serving = network.runtime().spawn(serving);
        Self { deliver, serving }
    }

    /// Whoever asks from now on is told this.
    pub fn tell(&self, lie: Lie) {
        *self.deliver.lie.lock().unwrap_or_else(PoisonError::into_inner) = lie;
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[async_trait]
impl Handler for Deliver {
    fn service(&self) -> &'static str {
        "orderer.AtomicBroadcast"
    }

    fn method(&self) -> &'static str {
        "Deliver"
    }

    async fn serve(
        &self,
        _: Arc<RemotePeer>,
        mut requests: Requests,
        responses: Responses,
    ) -> Result<(), Status> {
        while let Some(request) = requests.next().await? {
            let malformed = |error: protos::DecodeError| Status::invalid_argument(error.to_string());
            let envelope = Envelope::decode(request).map_err(malformed)?;
            let payload = Payload::decode(envelope.payload).map_err(malformed)?;
            let info = SeekInfo::decode(payload.data).map_err(malformed)?;
            let newest = self.blocks.len() as u64 - 1;
            let number = |position: Option<protos::orderer::SeekPosition>| match position?.r#type? {
                Position::Specified(at) => Some(at.number),
                _ => None,
            };
            match number(info.start) {
                None => responses.send(frame(self.blocks.last().cloned())).await?,
                Some(first) => {
                    let lie = *self.lie.lock().unwrap_or_else(PoisonError::into_inner);
                    let last = number(info.stop).unwrap_or(newest).min(newest);
                    for block in self.blocks.iter().filter(|block| (first..=last).contains(&number_of(block)))
                    {
                        let Some(told) = lie(block.clone()) else { break };
                        responses.send(frame(Some(told))).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn number_of(block: &Block) -> u64 {
    block.header.as_ref().map_or(0, |header| header.number)
}

fn frame(block: Option<Block>) -> Frame {
    let response = DeliverResponse { r#type: block.map(deliver_response::Type::Block) };
    Frame::Message(response.encode_to_vec().into())
}

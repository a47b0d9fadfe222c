//! Pulls blocks from other orderers' Deliver service.

mod doubts;
mod endpoints;
mod seek;

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use channel::{block::EncodedBlock, bundle::Bundle};
use consensus::source::{BlockSource, BlockSources, BlockStream, SourceError};
use futures::{Stream, StreamExt, stream::FuturesUnordered};
use identity::signing::SigningIdentity;
use parking_lot::Mutex;
use prost::Message;
use protos::common::Status as BlockStatus;
use rand::seq::SliceRandom;
use rustls_pki_types::CertificateDer;
use tonic::{Request, Streaming, client::Grpc};

use crate::{
    grpc::{Connection, Frame, call::MessageLimits, codec::BytesCodec},
    tls::dialer::Dialer,
};
use doubts::Doubts;
use endpoints::{Endpoint, endpoints};
use seek::Start;

const DELIVER: &str = "/orderer.AtomicBroadcast/Deliver";

/// How blocks are pulled.
#[derive(Clone)]
pub struct PullerOptions {
    /// Connects with this node's client certificate.
    pub dialer: Dialer,
    /// Roots for other orderers' server certificates, besides those in the channel's config.
    pub root_cas: Vec<CertificateDer<'static>>,
    /// Signs the requests.
    pub signer: Arc<SigningIdentity>,
    /// How long one block is waited for.
    pub pull_timeout: Duration,
    /// Largest messages.
    pub messages: MessageLimits,
}

/// Makes the pullers of all channels.
pub struct Pullers {
    options: PullerOptions,
    doubts: Arc<Doubts>,
}

impl Pullers {
    /// Pullers that all work like this.
    pub fn new(options: PullerOptions) -> Self {
        Self { options, doubts: Arc::default() }
    }
}

impl BlockSources for Pullers {
    fn for_channel(&self, channel_id: &str, config: &Bundle) -> Arc<dyn BlockSource> {
        let endpoints = endpoints(config, &self.options.root_cas);
        Arc::new(Puller {
            channel_id: channel_id.to_owned(),
            endpoints,
            options: self.options.clone(),
            doubts: self.doubts.clone(),
            asked: Mutex::default(),
        })
    }
}

/// Pulls the blocks of one channel.
struct Puller {
    channel_id: String,
    endpoints: Vec<Endpoint>,
    options: PullerOptions,
    doubts: Arc<Doubts>,
    /// Who was asked for blocks last.
    asked: Mutex<Option<String>>,
}

/// An orderer that answers, and how far it is.
struct Probed {
    endpoint: String,
    last_number: u64,
    connection: Connection,
}

/// What Deliver answers, the block left as it is.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(int32, optional, tag = "1")]
    status: Option<i32>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    block: Option<Bytes>,
}

impl Puller {
    /// Asks every orderer for its newest block, all at once; gives the answers as they come.
    fn probe_all(&self) -> impl Stream<Item = Result<Probed, (String, SourceError)>> + Send {
        let mut endpoints: Vec<&Endpoint> = self.endpoints.iter().collect();
        endpoints.shuffle(&mut rand::rng());
        let probes = endpoints.into_iter().map(|endpoint| async {
            let address = endpoint.address.clone();
            match self.probe(endpoint).await {
                Ok(probed) => {
                    tracing::info!(target: "orderer.common.cluster.puller", channel = self.channel_id,
                        "{address} is at block sequence of {}", probed.last_number);
                    Ok(probed)
                }
                Err(error) => {
                    tracing::warn!(target: "orderer.common.cluster.puller", channel = self.channel_id,
                        "Failed probing {address}: {error}");
                    Err((address, error))
                }
            }
        });
        probes.collect::<FuturesUnordered<_>>()
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Probed, SourceError> {
        let stream = self
            .options
            .dialer
            .dial(&endpoint.host, endpoint.port, endpoint.roots.clone(), None)
            .await
            .map_err(|error| SourceError::Faulty(error.to_string()))?;
        let connection = Connection::begin(stream, &endpoint.address).await.map_err(SourceError::Faulty)?;
        let newest = self.within(self.first_answer(&connection, Start::Newest, u64::MAX)).await?;
        let last_number = newest.0.number();
        Ok(Probed { endpoint: endpoint.address.clone(), last_number, connection })
    }

    /// Sends a request; gives the first block and the stream of the others.
    async fn first_answer(
        &self,
        connection: &Connection,
        start: Start,
        stop: u64,
    ) -> Result<(Arc<EncodedBlock>, Streaming<Bytes>), SourceError> {
        let certificate = self.options.dialer.certificate();
        let request = seek::envelope(&self.channel_id, start, stop, certificate, &self.options.signer)?;
        let mut client = Grpc::with_origin(connection.clone(), connection.origin().clone())
            .max_decoding_message_size(self.options.messages.max_recv_bytes);
        let faulty = |reason: String| SourceError::Faulty(reason);
        client.ready().await.map_err(|error| faulty(error.to_string()))?;
        // The stream stays open on our side: Fabric's Deliver ends when its client has finished.
        let requests = futures::stream::iter([Frame::Message(request)]).chain(futures::stream::pending());
        let path = http::uri::PathAndQuery::from_static(DELIVER);
        let call = client.streaming(Request::new(requests), path, BytesCodec).await;
        let mut answers = call.map_err(|status| faulty(status.message().to_owned()))?.into_inner();
        let block = next_block(&mut answers).await?;
        Ok((block, answers))
    }

    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let limit = self.options.pull_timeout;
        tokio::time::timeout(limit, answer).await.unwrap_or(Err(SourceError::Timeout(limit)))
    }
}

/// The next block of an answer, or what came instead.
async fn next_block(answers: &mut Streaming<Bytes>) -> Result<Arc<EncodedBlock>, SourceError> {
    let message =
        answers.message().await.map_err(|status| SourceError::Faulty(status.message().to_owned()))?;
    let message = message.ok_or_else(|| SourceError::Faulty("the end of the stream".to_owned()))?;
    let answer = Answer::decode(message).map_err(|error| SourceError::Faulty(error.to_string()))?;
    match (answer.block, answer.status.map(BlockStatus::try_from)) {
        (Some(block), _) => {
            let block =
                EncodedBlock::decode(block).map_err(|error| SourceError::Faulty(error.to_string()))?;
            Ok(Arc::new(block))
        }
        (None, Some(Ok(BlockStatus::Forbidden))) => Err(SourceError::Forbidden),
        (None, Some(Ok(BlockStatus::ServiceUnavailable))) => Err(SourceError::ServiceUnavailable),
        (None, Some(Ok(status))) => Err(SourceError::Faulty(format!("status:{} ", status.as_str_name()))),
        (None, other) => Err(SourceError::Faulty(format!("{other:?}"))),
    }
}

#[async_trait]
impl BlockSource for Puller {
    async fn heights(&self) -> Vec<(String, u64)> {
        let reached = self.probe_all().filter_map(|probe| async { probe.ok() });
        let heights: Vec<_> = reached.map(|p| (p.endpoint, p.last_number.saturating_add(1))).collect().await;
        tracing::info!(target: "orderer.common.cluster.puller", channel = self.channel_id,
            "Returning the heights of OSNs mapped by endpoints {heights:?}");
        heights
    }

    async fn pull(&self, first: u64, last_inclusive: Option<u64>) -> Result<BlockStream, SourceError> {
        // The first one that answers and has all that is wanted is asked: nobody waits for those that are
        // away. What others do not have yet, or never will because they take no part any more, would be
        // waited for: they come later. Whoever did not keep what it promised comes last.
        let wanted = last_inclusive.unwrap_or(first);
        let mut probes = pin!(self.probe_all());
        let (mut tried, mut failed, mut later) = (Vec::new(), Vec::new(), VecDeque::new());
        loop {
            let Probed { endpoint, last_number, connection } = match probes.next().await {
                Some(Ok(probed)) if self.doubts.has(&self.channel_id, &probed.endpoint) => {
                    later.push_back(probed);
                    continue;
                }
                Some(Ok(probed)) if probed.last_number < wanted => {
                    later.push_front(probed);
                    continue;
                }
                Some(Ok(probed)) => probed,
                Some(Err(failure)) => {
                    failed.push(failure);
                    continue;
                }
                None => match later.pop_front() {
                    Some(probed) => probed,
                    None => break,
                },
            };
            if last_number < first {
                let behind = format!(
                    "minimum requested sequence is {first} but {endpoint} is at sequence {last_number}"
                );
                tracing::debug!(target: "orderer.common.cluster.puller", channel = self.channel_id, "{behind}");
                tried.push(behind);
                continue;
            }
            tracing::info!(target: "orderer.common.cluster.puller", channel = self.channel_id,
                "Connected to {endpoint} with last block seq of {last_number}");
            tracing::info!(target: "orderer.common.cluster.puller", channel = self.channel_id,
                "Sending request for block [{first}] to {endpoint}");
            let stop = last_inclusive.unwrap_or(u64::MAX);
            *self.asked.lock() = Some(endpoint.clone());
            let answer = self.first_answer(&connection, Start::Number(first), stop);
            match self.within(answer).await {
                Ok((block, answers)) => {
                    let pulling = Pulling {
                        channel_id: self.channel_id.clone(),
                        doubts: self.doubts.clone(),
                        endpoint,
                        pending: Some(block),
                        answers,
                        last_probed: last_number,
                        last_inclusive,
                        next: first,
                        pull_timeout: self.options.pull_timeout,
                        _connection: connection,
                    };
                    return Ok(pulling.into_stream());
                }
                Err(error @ SourceError::Forbidden) => return Err(error),
                Err(error) => {
                    self.doubts.raise(&self.channel_id, &endpoint);
                    tried.push(format!("{endpoint}: {error}"));
                }
            }
        }
        if failed.iter().any(|(_, error)| *error == SourceError::Forbidden) {
            return Err(SourceError::Forbidden);
        }
        if failed.iter().any(|(_, error)| *error == SourceError::ServiceUnavailable) {
            return Err(SourceError::ServiceUnavailable);
        }
        tried.extend(failed.into_iter().map(|(endpoint, error)| format!("{endpoint}: {error}")));
        let reason = if tried.is_empty() { "the config names none".to_owned() } else { tried.join("; ") };
        Err(SourceError::Unreachable { first, reason })
    }

    fn distrust(&self) {
        if let Some(endpoint) = &*self.asked.lock() {
            self.doubts.raise(&self.channel_id, endpoint);
        }
    }
}

/// A pull under way.
struct Pulling {
    channel_id: String,
    doubts: Arc<Doubts>,
    endpoint: String,
    pending: Option<Arc<EncodedBlock>>,
    answers: Streaming<Bytes>,
    last_probed: u64,
    last_inclusive: Option<u64>,
    next: u64,
    pull_timeout: Duration,
    _connection: Connection,
}

impl Pulling {
    fn into_stream(self) -> BlockStream {
        let blocks = futures::stream::unfold(Some(self), |pulling| async {
            let mut pulling = pulling?;
            // A bounded pull takes what there is, and the user asks again for the rest.
            if pulling.last_inclusive.is_some_and(|last| pulling.next > last.min(pulling.last_probed)) {
                return None;
            }
            let block = pulling.next_block().await;
            let goes_on = block.is_ok();
            if !goes_on {
                pulling.doubts.raise(&pulling.channel_id, &pulling.endpoint);
            }
            Some((block, goes_on.then_some(pulling)))
        });
        Box::pin(blocks)
    }

    async fn next_block(&mut self) -> Result<Arc<EncodedBlock>, SourceError> {
        let block = match self.pending.take() {
            Some(block) => block,
            // A block that exists must come soon; one that does not may take its time.
            None if self.next <= self.last_probed => {
                let answer = next_block(&mut self.answers);
                tokio::time::timeout(self.pull_timeout, answer)
                    .await
                    .unwrap_or(Err(SourceError::Timeout(self.pull_timeout)))?
            }
            None => next_block(&mut self.answers).await?,
        };
        if block.number() != self.next {
            return Err(SourceError::Faulty(format!("block {} instead of {}", block.number(), self.next)));
        }
        tracing::info!(target: "orderer.common.cluster.puller", channel = self.channel_id,
            "Got block [{}] of size {} KB from {}", self.next, block.encoded_len() / 1024, self.endpoint);
        self.next += 1;
        Ok(block)
    }
}

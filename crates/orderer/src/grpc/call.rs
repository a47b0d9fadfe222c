//! One call: a stream of requests, a handler, a stream of responses.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use tokio::{sync::mpsc, task::JoinHandle};
use tonic::{Code, Status, Streaming};

use super::{Frame, RemotePeer, body::MessageBody, codec::BytesCodec};
use crate::metrics::{Counter, Metrics};

/// Responses that wait for a slow client before the handler has to wait too.
const RESPONSE_QUEUE: usize = 16;

/// Serves the calls of one method.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The service's full name, `orderer.AtomicBroadcast`.
    fn service(&self) -> &'static str;

    /// The method's name.
    fn method(&self) -> &'static str;

    /// Somebody has connected to the listener; no call has come yet.
    fn connected(&self, peer: &RemotePeer) {
        let _ = peer;
    }

    /// Serves one call from beginning to end. Dropped where it waits when the client goes away.
    async fn serve(
        &self,
        peer: Arc<RemotePeer>,
        requests: Requests,
        responses: Responses,
    ) -> Result<(), Status>;
}

/// The requests of a call, as marshaled messages.
pub struct Requests {
    stream: Streaming<Bytes>,
    received: Arc<Counter>,
}

impl Requests {
    /// The next request; `None` when the client has finished. Cancelling the wait loses nothing.
    ///
    /// # Errors
    ///
    /// When the client went away or sent what is too large.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let message = self.stream.message().await.map_err(as_go_reports)?;
        if message.is_some() {
            self.received.increment();
        }
        Ok(message)
    }

    /// A request that has arrived already.
    pub fn next_arrived(&mut self) -> Option<Result<Bytes, Status>> {
        let mut context = Context::from_waker(futures::task::noop_waker_ref());
        match Pin::new(&mut self.stream).poll_next(&mut context) {
            Poll::Ready(Some(message)) => {
                self.received.increment();
                Some(message.map_err(as_go_reports))
            }
            Poll::Ready(None) | Poll::Pending => None,
        }
    }
}

/// The status that Go's gRPC gives a message over the limit.
fn as_go_reports(status: Status) -> Status {
    match status.code() {
        Code::OutOfRange => Status::resource_exhausted(format!(
            "grpc: received message larger than max: {}",
            status.message()
        )),
        _ => status,
    }
}

/// Where a handler puts its responses.
#[derive(Clone)]
pub struct Responses {
    queue: mpsc::Sender<Frame>,
}

impl Responses {
    /// Queues a response; waits while the client is slow.
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub async fn send(&self, frame: Frame) -> Result<(), Status> {
        self.queue.send(frame).await.map_err(|_| client_gone())
    }

    /// Returns when the client is gone.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }
}

fn client_gone() -> Status {
    Status::cancelled("context canceled")
}

/// Runs a handler for one HTTP/2 request.
pub(super) fn run(
    handler: Arc<dyn Handler>,
    peer: Arc<RemotePeer>,
    metrics: Arc<Metrics>,
    limits: MessageLimits,
    request: http::Request<hyper::body::Incoming>,
) -> http::Response<tonic::body::Body> {
    let stream = Streaming::new_request(BytesCodec, request.into_body(), None, Some(limits.max_recv_bytes));
    let record = Record::new(handler.clone(), peer.clone(), metrics.clone());
    let labels = record.labels();
    let received = metrics.grpc_server_stream_messages_received.with(labels);
    let sent = metrics.grpc_server_stream_messages_sent.with(labels);
    let (queue, frames) = mpsc::channel(RESPONSE_QUEUE);
    let requests = Requests { stream, received };
    let task = tokio::spawn(async move { handler.serve(peer, requests, Responses { queue }).await });
    let responses = ResponseStream { frames, task, sent, record };
    let body = MessageBody::response(responses, limits.max_send_bytes);
    let mut response = http::Response::new(tonic::body::Body::new(body));
    let kind = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// Largest messages of a listener.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// Largest message taken in, bytes.
    pub max_recv_bytes: usize,
    /// Largest message sent, bytes.
    pub max_send_bytes: usize,
}

/// What the handler sends, then its status. Dropping it (the client went away) ends the handler.
struct ResponseStream {
    frames: mpsc::Receiver<Frame>,
    task: JoinHandle<Result<(), Status>>,
    sent: Arc<Counter>,
    record: Record,
}

impl Stream for ResponseStream {
    type Item = Result<Frame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(frame) = ready!(self.frames.poll_recv(context)) {
            self.sent.increment();
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.record.outcome.is_some() {
            return Poll::Ready(None);
        }
        let outcome = ready!(Pin::new(&mut self.task).poll(context))
            .unwrap_or_else(|panic| Err(Status::internal(panic.to_string())));
        self.record.outcome = Some(outcome.clone());
        Poll::Ready(outcome.err().map(Err))
    }
}

impl Drop for ResponseStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is logged and counted when a call ends, in whatever way.
struct Record {
    handler: Arc<dyn Handler>,
    peer: Arc<RemotePeer>,
    metrics: Arc<Metrics>,
    service_label: String,
    begun: Instant,
    outcome: Option<Result<(), Status>>,
}

impl Record {
    fn new(handler: Arc<dyn Handler>, peer: Arc<RemotePeer>, metrics: Arc<Metrics>) -> Self {
        let service_label = handler.service().replace('.', "_");
        let record = Self { handler, peer, metrics, service_label, begun: Instant::now(), outcome: None };
        record.metrics.grpc_server_stream_requests_received.with(record.labels()).increment();
        record
    }

    fn labels(&self) -> [&str; 2] {
        [&self.service_label, self.handler.method()]
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let outcome = self.outcome.take().unwrap_or_else(|| Err(client_gone()));
        let code = go_name(outcome.as_ref().err().map_or(Code::Ok, Status::code));
        let [service, method] = self.labels();
        self.metrics.grpc_server_stream_requests_completed.with([service, method, code]).increment();
        self.metrics.grpc_server_stream_request_duration.with([service, method, code]).observe(took);
        let peer_address = self.peer.address;
        let peer_subject = self.peer.subject();
        let (service, method) = (self.handler.service(), self.handler.method());
        // The words and their order are those of Fabric's interceptor; scripts match on them.
        match outcome {
            Ok(()) => tracing::info!(target: "comm.grpc.server",
                { "grpc.service" = service, "grpc.method" = method, "grpc.peer_address" = %peer_address,
                  "grpc.peer_subject" = peer_subject, "grpc.code" = code, "grpc.call_duration" = ?took },
                "streaming call completed"),
            Err(status) => tracing::info!(target: "comm.grpc.server",
                { "grpc.service" = service, "grpc.method" = method, "grpc.peer_address" = %peer_address,
                  "grpc.peer_subject" = peer_subject, "error" = status_text(&status), "grpc.code" = code,
                  "grpc.call_duration" = ?took },
                "streaming call completed"),
        }
    }
}

/// A status as Go prints it: the bare text for errors that handlers return.
fn status_text(status: &Status) -> String {
    match status.code() {
        Code::Unknown => status.message().to_owned(),
        code => format!("rpc error: code = {} desc = {}", go_name(code), status.message()),
    }
}

/// What Go calls a code, in metrics and logs.
fn go_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

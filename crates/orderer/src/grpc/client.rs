//! The client side of HTTP/2, for calls to other orderers.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, StreamExt};
use http::Uri;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, Streaming, body::Body};

use super::{Frame, body::MessageBody, codec::BytesCodec};

/// Idle time after which the other side is pinged, as Fabric's cluster client does.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// How long the answer to a ping is waited for.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// What the other side may send on one stream before it is read: some blocks.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// What it may send on the whole connection.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// Largest HTTP/2 frame taken in.
const MAX_FRAME_BYTES: u32 = 128 << 10;

/// One HTTP/2 connection; clones share it. It ends with the last of them, together with the calls
/// that are still under way.
#[derive(Clone)]
pub struct Connection {
    requests: http2::SendRequest<Body>,
    origin: Uri,
    end: CancellationToken,
    _ends_with_last: Arc<DropGuard>,
}

/// Spawns what a connection consists of, so that all of it ends at once: hyper sends request
/// bodies in tasks of their own, and one that waits for a peer that does not read would stay.
#[derive(Clone)]
struct ConnectionTasks(CancellationToken);

impl<F> hyper::rt::Executor<F> for ConnectionTasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        let end = self.0.clone();
        tokio::spawn(async move { end.run_until_cancelled(task).await.map(drop) });
    }
}

impl Connection {
    /// Begins HTTP/2 on a stream that is connected to `endpoint` (`host:port`).
    ///
    /// # Errors
    ///
    /// When the other side does not speak HTTP/2, or the endpoint cannot stand in a URI.
    pub async fn begin<S>(stream: S, endpoint: &str) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let origin = format!("https://{endpoint}").parse::<Uri>().map_err(|e| format!("{endpoint}: {e}"))?;
        let end = CancellationToken::new();
        let (requests, connection) = http2::Builder::new(ConnectionTasks(end.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(MAX_FRAME_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        let ended = end.clone();
        tokio::spawn(async move {
            if let Some(Err(reason)) = ended.run_until_cancelled(connection).await {
                tracing::debug!(target: "orderer.common.cluster", "Connection ended: {reason}");
            }
        });
        let ends_with_last = Arc::new(end.clone().drop_guard());
        Ok(Self { requests, origin, end, _ends_with_last: ends_with_last })
    }

    /// Scheme and authority, for clients that build requests.
    pub fn origin(&self) -> &Uri {
        &self.origin
    }

    /// Sends a stream of messages to a method that answers nothing, until either side ends it;
    /// tells how it ended.
    pub async fn send_all<S>(&mut self, path: &str, messages: S, max_send_bytes: usize) -> Status
    where
        S: Stream<Item = Frame> + Send + Unpin + 'static,
    {
        let messages = messages.map(Ok);
        let mut uri = self.origin.clone().into_parts();
        uri.path_and_query = path.parse().ok();
        let request = http::Request::post(Uri::from_parts(uri).unwrap_or_default())
            .version(http::Version::HTTP_2)
            .header(http::header::TE, "trailers")
            .header(http::header::CONTENT_TYPE, "application/grpc")
            .body(Body::new(MessageBody::request(messages, max_send_bytes)));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Status::internal(error.to_string()),
        };
        let sent = async {
            std::future::poll_fn(|context| self.requests.poll_ready(context)).await?;
            self.requests.send_request(request).await
        };
        let response = match sent.await {
            Ok(response) => response,
            Err(error) => return Status::unavailable(error.to_string()),
        };
        if let Some(status) = Status::from_header_map(response.headers()) {
            return status;
        }
        let (head, body) = response.into_parts();
        let mut answers = Streaming::new_response(BytesCodec, body, head.status, None, None);
        match answers.message().await {
            Ok(_) => Status::ok("EOF"),
            Err(status) => status,
        }
    }

    /// Whether it can take no more calls.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Ends it under all its clones; for a peer that does not read any more.
    pub fn abort(&self) {
        self.end.cancel();
    }
}

impl tower::Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}

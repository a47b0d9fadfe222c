//! One connection to an orderer.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, uri::PathAndQuery};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use protos::{Message, orderer::BroadcastResponse, orderer::DeliverResponse};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_stream::Stream;
use tonic::{Status, Streaming, body::Body, client::Grpc};

use super::{codec::Prebuilt, tls::Tls};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an idle connection is asked whether it is alive.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// Flow-control windows: large enough that a block of 500 transactions of 1 KiB never waits for one.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Fabric's own limit on a message, in both directions.
const MESSAGE_LIMIT_BYTES: usize = 100 << 20;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum ConnectError {
    #[error("{0} is not an address; give HOST:PORT")]
    Address(String),
    #[error("no connection to {address}: is an orderer running there?")]
    Refused { address: String, source: io::Error },
    #[error("no connection to {address} within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut { address: String },
    #[error(
        "no TLS connection to {address}; --tls-ca must name the CA of the orderer's TLS certificate, \
         and the certificate must be made for this host name (else give --tls-server-name)"
    )]
    Tls { address: String, source: io::Error },
    #[error("{address} does not speak gRPC{hint}", hint = if *tls { "" } else { "; if it uses TLS, give --tls-ca" })]
    Protocol { address: String, tls: bool, source: hyper::Error },
}

/// A host and port with how to speak to it.
#[derive(Clone)]
pub struct Endpoint {
    /// `HOST:PORT`.
    pub address: String,
    /// `None`: plain text.
    pub tls: Option<Tls>,
    /// The name that the server's certificate must have, if it is not the address's host.
    pub server_name: Option<String>,
}

/// A socket with or without TLS.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Endpoint {
    /// Opens a socket on which `protocol` (an ALPN name) will be spoken.
    pub(super) async fn open(&self, protocol: &[u8]) -> Result<Socket, ConnectError> {
        timeout(CONNECT_TIMEOUT, self.open_unbounded(protocol))
            .await
            .unwrap_or_else(|_| Err(ConnectError::TimedOut { address: self.address.clone() }))
    }

    async fn open_unbounded(&self, protocol: &[u8]) -> Result<Socket, ConnectError> {
        let invalid = || ConnectError::Address(self.address.clone());
        let (host, port) = self.address.rsplit_once(':').ok_or_else(invalid)?;
        let port: u16 = port.parse().map_err(|_| invalid())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let socket = TcpStream::connect((host, port))
            .await
            .map_err(|source| ConnectError::Refused { address: self.address.clone(), source })?;
        // Without it small messages would wait for each other; failing costs speed only.
        let _ = socket.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok(Socket::Plain(socket)) };
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| invalid())?;
        let stream = TlsConnector::from(tls.config_for(protocol))
            .connect(name, socket)
            .await
            .map_err(|source| ConnectError::Tls { address: self.address.clone(), source })?;
        Ok(Socket::Tls(Box::new(stream)))
    }

    /// Connects for gRPC.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        let sender = match self.open(b"h2").await? {
            Socket::Plain(stream) => handshake(stream).await,
            Socket::Tls(stream) => handshake(*stream).await,
        };
        let sender = sender.map_err(|source| ConnectError::Protocol {
            address: self.address.clone(),
            tls: self.tls.is_some(),
            source,
        })?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin =
            Uri::builder().scheme(scheme).authority(self.address.as_str()).path_and_query("/").build();
        Ok(Connection {
            address: self.address.clone(),
            certificate_hash: self.tls.as_ref().map(|tls| tls.certificate_hash().clone()).unwrap_or_default(),
            origin: origin.map_err(|_| ConnectError::Address(self.address.clone()))?,
            service: Service(sender),
        })
    }
}

async fn handshake<S>(stream: S) -> Result<http2::SendRequest<Body>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .handshake(TokioIo::new(stream))
        .await?;
    // Errors of the connection reach the streams on it.
    tokio::spawn(connection);
    Ok(sender)
}

/// A gRPC connection to an orderer; clones share it.
#[derive(Clone)]
pub struct Connection {
    address: String,
    certificate_hash: Bytes,
    origin: Uri,
    service: Service,
}

impl Connection {
    /// `HOST:PORT` of the orderer.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// SHA-256 of the client certificate shown on this connection; empty without one.
    pub fn certificate_hash(&self) -> &Bytes {
        &self.certificate_hash
    }

    /// A Broadcast stream that sends encoded envelopes.
    pub(super) fn broadcast_stream(
        &self,
        envelopes: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Responses<BroadcastResponse> {
        Responses::Opening(Box::pin(self.clone().stream("/orderer.AtomicBroadcast/Broadcast", envelopes)))
    }

    /// A Deliver stream that sends encoded seek envelopes.
    pub(super) fn deliver_stream(
        &self,
        envelopes: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Responses<DeliverResponse> {
        Responses::Opening(Box::pin(self.clone().stream("/orderer.AtomicBroadcast/Deliver", envelopes)))
    }

    /// Opens a stream of any method (`/package.Service/Method`): encoded messages out, decoded
    /// messages in.
    pub async fn stream<M: Message + Default + 'static>(
        self,
        path: &'static str,
        messages: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Streaming<M>, Status> {
        let mut grpc = Grpc::with_origin(self.service.clone(), self.origin.clone())
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
            .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(format!("the connection is closed: {error}")))?;
        let path = PathAndQuery::from_static(path);
        let response = grpc.streaming(tonic::Request::new(messages), path, Prebuilt::default()).await?;
        Ok(response.into_inner())
    }
}

/// The messages that an orderer sends on a stream.
///
/// Opening is part of waiting for the first one: an orderer may answer a call not before it has something
/// to say (Fabric's does), and that may need requests to be sent meanwhile.
pub(super) enum Responses<M> {
    /// The orderer has not answered the call yet.
    Opening(Pin<Box<dyn Future<Output = Result<Streaming<M>, Status>> + Send>>),
    /// It has.
    Open(Box<Streaming<M>>),
}

impl<M: Send + 'static> Responses<M> {
    /// The next message; `None` at the end. Nothing is lost when this is dropped while it waits.
    pub(super) async fn message(&mut self) -> Result<Option<M>, Status> {
        if let Self::Opening(opening) = self {
            *self = Self::Open(Box::new(opening.await?));
        }
        match self {
            Self::Open(stream) => stream.message().await,
            Self::Opening(_) => Ok(None),
        }
    }
}

/// Hyper's sender as the service that tonic drives.
#[derive(Clone)]
struct Service(http2::SendRequest<Body>);

impl tower::Service<Request<Body>> for Service {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

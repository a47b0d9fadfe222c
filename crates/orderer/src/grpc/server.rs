//! Listeners: accept, shake hands, speak HTTP/2, hand calls to their handlers.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Status, body::Body};

use super::{
    Handler, RemotePeer,
    call::{self, MessageLimits},
};
use crate::{metrics::Metrics, settings::Keepalive};

/// Connections of one listener at a time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 4_096;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// Streams of one connection at a time. Two orderers share one for all their channels, each of which has
/// a stream for Raft and one for transactions.
const MAX_STREAMS: u32 = 8_192;
/// What one stream may send before it is read: a few blocks' worth of envelopes.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// What all streams of one connection may send before they are read: so much that no stream waits for
/// another one to be read, as in Go's gRPC. Otherwise the transactions of a few channels whose leader
/// is at its limit would hold up Raft's answers, without which the leader stays at its limit.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 30;
/// Largest HTTP/2 frame taken in; large ones save work on blocks.
const MAX_FRAME_BYTES: u32 = 128 << 10;
/// Pause after the system refused to accept, which mostly means that it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Something else listens there.
    #[error(
        "cannot listen on {endpoint} ({key}): the address is in use; stop the other process or choose another port"
    )]
    InUse {
        /// `host:port`.
        endpoint: String,
        /// The setting.
        key: &'static str,
    },
    /// The system refuses otherwise.
    #[error("cannot listen on {endpoint} ({key}): {source}")]
    Refused {
        /// `host:port`.
        endpoint: String,
        /// The setting.
        key: &'static str,
        /// What it says.
        source: io::Error,
    },
}

impl ListenError {
    fn new((endpoint, key): (String, &'static str), source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { endpoint, key },
            _ => Self::Refused { endpoint, key, source },
        }
    }
}

/// An address that is taken. Whoever connects is refused: a node may replicate for long before it serves,
/// and others, or the node itself, must not wait for it when they ask all orderers for blocks.
pub struct Bound {
    tcp: TcpSocket,
    tls: Option<TlsAcceptor>,
    is_mutual_tls: bool,
    /// The address as it was set, and the setting.
    name: (String, &'static str),
}

/// An address that takes connections.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    is_mutual_tls: bool,
}

impl Bound {
    /// Binds an address; `key` is the setting that names it.
    ///
    /// # Errors
    ///
    /// Names the address, the setting and the remedy.
    pub async fn new(
        host: &str,
        port: u16,
        key: &'static str,
        tls: Option<rustls::ServerConfig>,
        is_mutual_tls: bool,
    ) -> Result<Self, ListenError> {
        let name = (format!("{host}:{port}"), key);
        let tcp = bind(host, port).await.map_err(|source| ListenError::new(name.clone(), source))?;
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        Ok(Self { tcp, tls, is_mutual_tls, name })
    }

    /// Takes connections from now on; they wait until they are served.
    ///
    /// # Errors
    ///
    /// As [`Bound::new`]: another process may have been quicker.
    pub fn listen(self) -> Result<Listener, ListenError> {
        let Self { tcp, tls, is_mutual_tls, name } = self;
        let tcp = tcp.listen(BACKLOG).map_err(|source| ListenError::new(name, source))?;
        Ok(Listener { tcp, tls, is_mutual_tls })
    }
}

impl Listener {
    /// Where it is; tells the port when 0 was asked for.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// The first address of a host that can be bound.
async fn bind(host: &str, port: u16) -> io::Result<TcpSocket> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "the host has no address");
    for address in lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A node that is started again must not wait for the connections of its last run to be forgotten.
        socket.set_reuseaddr(true)?;
        match socket.bind(address) {
            Ok(()) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The methods of a listener, by path.
#[derive(Clone, Default)]
pub struct Routes {
    handlers: HashMap<String, Arc<dyn Handler>>,
}

impl Routes {
    /// With one more method.
    pub fn with(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handlers.insert(format!("/{}/{}", handler.service(), handler.method()), handler);
        self
    }

    /// What Go's gRPC says of a path that leads nowhere.
    fn unknown(&self, path: &str) -> Status {
        let Some((service, method)) = path.trim_start_matches('/').rsplit_once('/') else {
            return Status::unimplemented(format!("malformed method name: {path:?}"));
        };
        match self.handlers.values().any(|h| h.service() == service) {
            true => Status::unimplemented(format!("unknown method {method} for service {service}")),
            false => Status::unimplemented(format!("unknown service {service}")),
        }
    }
}

/// How a listener treats its connections.
#[derive(Clone)]
pub struct Options {
    /// Limit of the handshakes.
    pub connection_timeout: Duration,
    /// Pings of idle clients.
    pub keepalive: Keepalive,
    /// Largest messages.
    pub messages: MessageLimits,
}

/// Serves a listener until `stop`; then connections are told to go, and those that have not gone
/// when `end` comes are closed.
pub async fn serve(
    listener: Listener,
    routes: Routes,
    options: Options,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    end: CancellationToken,
) {
    let shared = Arc::new(Shared { routes, options, metrics, stop: stop.clone(), end });
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accept_all = async {
        loop {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            match listener.tcp.accept().await {
                Ok((tcp, address)) => {
                    let tls = listener.tls.clone();
                    let connection =
                        shared.clone().connection(tcp, address, tls, listener.is_mutual_tls, permit);
                    connections.spawn(connection);
                }
                Err(reason) => {
                    tracing::warn!(target: "core.comm", "Accepting a connection failed: {reason}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept_all => {}
        () = stop.cancelled() => {}
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

struct Shared {
    routes: Routes,
    options: Options,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    end: CancellationToken,
}

impl Shared {
    async fn connection(
        self: Arc<Self>,
        tcp: TcpStream,
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        is_mutual_tls: bool,
        _permit: OwnedSemaphorePermit,
    ) {
        self.metrics.grpc_comm_conn_opened.with([]).increment();
        let served = async {
            // Nagle's delay would add to every answer; a socket that refuses is served all the same.
            let _ = tcp.set_nodelay(true);
            match tls {
                None => self.speak_http2(tcp, RemotePeer::new(address, None, false)).await,
                Some(acceptor) => {
                    let Some(stream) = self.shake_hands(acceptor, tcp, address).await else { return };
                    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let certificate = shown.cloned().map(CertificateDer::into_owned);
                    self.speak_http2(stream, RemotePeer::new(address, certificate, is_mutual_tls)).await;
                }
            }
        };
        tokio::select! {
            () = served => {}
            () = self.end.cancelled() => {}
        }
        self.metrics.grpc_comm_conn_closed.with([]).increment();
    }

    async fn shake_hands(
        &self,
        acceptor: TlsAcceptor,
        tcp: TcpStream,
        address: SocketAddr,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let begun = Instant::now();
        let reason = match tokio::time::timeout(self.options.connection_timeout, acceptor.accept(tcp)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => as_go_reports(&error),
            Err(_) => format!("no handshake within {:?}", self.options.connection_timeout),
        };
        tracing::error!(target: "core.comm", server = "Orderer", remoteaddress = %address,
            "Server TLS handshake failed in {:?} with error {reason}", begun.elapsed());
        None
    }

    async fn speak_http2<S>(self: &Arc<Self>, stream: S, peer: RemotePeer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.routes.handlers.values().for_each(|handler| handler.connected(&peer));
        let peer = Arc::new(peer);
        let shared = self.clone();
        let service = service_fn(move |request| {
            let (shared, peer) = (shared.clone(), peer.clone());
            async move { Ok::<_, Infallible>(shared.answer(peer, request)) }
        });
        let keepalive = &self.options.keepalive;
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(keepalive.server_interval))
            .keep_alive_timeout(keepalive.server_timeout)
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(MAX_FRAME_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(reason) = outcome {
            tracing::debug!(target: "core.comm", "Connection ended: {reason}");
        }
    }

    fn answer(&self, peer: Arc<RemotePeer>, request: http::Request<Incoming>) -> http::Response<Body> {
        let is_grpc = request
            .headers()
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if !is_grpc {
            let mut refusal = http::Response::new(Body::empty());
            *refusal.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return refusal;
        }
        match self.routes.handlers.get(request.uri().path()) {
            Some(handler) => {
                let metrics = self.metrics.clone();
                call::run(handler.clone(), peer, metrics, self.options.messages, request)
            }
            None => self.routes.unknown(request.uri().path()).into_http(),
        }
    }
}

/// A failed handshake in the words of Go's `crypto/tls`, on which scripts match.
fn as_go_reports(error: &io::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError, Error};
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "EOF".to_owned();
    }
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return error.to_string();
    };
    match tls {
        Error::AlertReceived(alert) => {
            let text = match alert {
                Alert::BadCertificate => "bad certificate",
                Alert::CertificateExpired => "expired certificate",
                Alert::CertificateUnknown => "unknown certificate",
                Alert::UnknownCA => "unknown certificate authority",
                Alert::CertificateRequired => "certificate required",
                Alert::HandshakeFailure => "handshake failure",
                Alert::ProtocolVersion => "protocol version not supported",
                Alert::DecryptError => "error decrypting message",
                other => return format!("remote error: tls: {other:?}"),
            };
            format!("remote error: tls: {text}")
        }
        Error::NoCertificatesPresented => "tls: client didn't provide a certificate".to_owned(),
        Error::InvalidCertificate(reason) => {
            let text = match reason {
                CertificateError::UnknownIssuer => "x509: certificate signed by unknown authority".to_owned(),
                CertificateError::Expired => "x509: certificate has expired or is not yet valid".to_owned(),
                other => other.to_string(),
            };
            format!("tls: failed to verify certificate: {text}")
        }
        Error::InvalidMessage(_) => "tls: first record does not look like a TLS handshake".to_owned(),
        other => format!("tls: {other}"),
    }
}

//! HTTP/1.1 for operators, over our own TLS: what the operations and the admin listener share.
//!
//! Fabric's counterpart is `common/fabhttp`: a client certificate is demanded or checked when
//! shown, some endpoints need a verified one (401 otherwise), every reply carries `X-Request-Id`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    settings::{Endpoint, Tls},
    tls::{
        TlsError,
        keys::{self, KeyPair},
        server::{self, ClientCertificates},
        trust::TrustPool,
    },
};

/// Limit of the TLS handshake and of reading a request's head.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit of answering and writing a reply.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);
/// After this a connection ends with the request that it is at; clients connect again.
const CONNECTION_AGE: Duration = Duration::from_secs(600);
/// How long replies under way are waited for at a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at a time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 256;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a listener could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be listened on.
    #[error("{section}.ListenAddress: listen tcp {address}: {source}")]
    Bind {
        /// `Operations` or `Admin`.
        section: &'static str,
        /// The address.
        address: String,
        /// The system's reason, for one that the port is in use.
        source: std::io::Error,
    },
    /// A key or a certificate cannot be used.
    #[error("{section}.TLS: {source}")]
    Tls {
        /// `Operations` or `Admin`.
        section: &'static str,
        /// What is wrong with it.
        source: Box<TlsError>,
    },
    /// Nobody could connect.
    #[error(
        "{section}.TLS.ClientAuthRequired is true, but {section}.TLS.ClientRootCAs names no certificate to check clients against"
    )]
    NoClientRoots {
        /// `Operations` or `Admin`.
        section: &'static str,
    },
}

/// Whether the client of a request showed a certificate that was verified; in the request's
/// extensions.
#[derive(Clone, Copy, Debug)]
struct ClientVerified(bool);

/// A listener that serves until it is stopped or dropped.
#[derive(Debug)]
pub struct HttpListener {
    address: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl HttpListener {
    /// Listens and serves. `section` is the section of the settings that the errors name.
    pub async fn start(
        section: &'static str,
        endpoint: &Endpoint,
        router: Router,
    ) -> Result<Self, ListenError> {
        let tls = acceptor(section, &endpoint.tls)?;
        let bind = |source| ListenError::Bind { section, address: endpoint.listen_address.clone(), source };
        // Go listens on all addresses when the host is missing.
        let host = if endpoint.listen_address.starts_with(':') { "0.0.0.0" } else { "" };
        let listener = TcpListener::bind(format!("{host}{}", endpoint.listen_address)).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let server = Server {
            tls,
            router: router.layer(middleware::from_fn(add_request_id)),
            permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            stop: stop.clone(),
            connections: connections.clone(),
        };
        connections.spawn(server.accept(listener));
        Ok(Self { address, stop, connections })
    }

    /// Where it listens; the port is the real one when any was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and waits a while for the replies under way.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.connections.close();
        // What is not done by then is cut off with the process.
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.connections.wait()).await;
    }
}

impl Drop for HttpListener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Answers 401 to clients without a verified certificate where `tls` is on.
pub fn require_certificate(router: Router, tls: bool) -> Router {
    if tls { router.layer(middleware::from_fn(check_certificate)) } else { router }
}

async fn check_certificate(request: Request, next: Next) -> Response {
    if request.extensions().get().is_some_and(|ClientVerified(verified)| *verified) {
        return next.run(request).await;
    }
    tracing::warn!(
        target: "middleware",
        URL = %request.uri(),
        Method = %request.method(),
        "Client request not authorized, client must pass a valid client certificate for this operation"
    );
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

async fn add_request_id(request: Request, next: Next) -> Response {
    let given = request.headers().get(&REQUEST_ID).filter(|id| !id.is_empty()).cloned();
    let mut response = next.run(request).await;
    let made = || HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).ok();
    if let Some(id) = given.or_else(made) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn acceptor(section: &'static str, settings: &Tls) -> Result<Option<TlsAcceptor>, ListenError> {
    if !settings.enabled {
        return Ok(None);
    }
    let wrong = |source| ListenError::Tls { section, source: Box::new(source) };
    let keys = KeyPair::read(&settings.certificate, &settings.private_key).map_err(wrong)?;
    let roots = keys::read_certificates("client root", &settings.client_root_cas).map_err(wrong)?;
    if settings.client_auth_required && roots.is_empty() {
        return Err(ListenError::NoClientRoots { section });
    }
    let pool = Arc::new(TrustPool::new(roots));
    let clients = if settings.client_auth_required {
        ClientCertificates::Required(pool)
    } else {
        ClientCertificates::Optional(pool)
    };
    let mut config = server::config(&keys, clients, settings.handshake_time_shift).map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

struct Server {
    tls: Option<TlsAcceptor>,
    router: Router,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        loop {
            let next = async {
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = self.stop.cancelled() => return,
                next = next => next,
            };
            let Ok((stream, _)) = accepted else {
                // Mostly the process is out of descriptors: give it time to get some back.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let connection = connection(self.tls.clone(), self.router.clone(), stream, self.stop.clone());
            self.connections.spawn(async move {
                let _permit = permit;
                connection.await;
            });
        }
    }
}

async fn connection(tls: Option<TlsAcceptor>, router: Router, stream: TcpStream, stop: CancellationToken) {
    let Some(tls) = tls else {
        return serve(router, stream, false, stop).await;
    };
    match tokio::time::timeout(READ_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            // The verifier let only good ones through.
            let verified = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
            serve(router, stream, verified, stop).await;
        }
        Ok(Err(error)) => tracing::debug!(target: "fabhttp", "TLS handshake failed: {error}"),
        Err(_) => tracing::debug!(target: "fabhttp", "TLS handshake timed out"),
    }
}

async fn serve(
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    verified: bool,
    stop: CancellationToken,
) {
    let router = router.layer(axum::Extension(ClientVerified(verified)));
    let service = TowerToHyperService::new(tower::ServiceExt::map_request(
        router,
        |request: http::Request<Incoming>| request.map(Body::new),
    ));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // As Go writes them, for scripts that look for `Location:`.
        .title_case_headers(true)
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        () = until_old_or_stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(WRITE_TIMEOUT, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(target: "fabhttp", "connection ended: {error}"),
        Err(_) => tracing::debug!(target: "fabhttp", "connection cut: the client is too slow"),
    }
}

async fn until_old_or_stopped(stop: CancellationToken) {
    // Either way the connection has to go; which of them it was makes no difference.
    let _ = tokio::time::timeout(CONNECTION_AGE, stop.cancelled()).await;
}

/// Go's answer to a path that nobody serves.
pub async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n".to_owned())
}

/// A reply of a status, a content type and a body.
pub fn text(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A reply of JSON with Go's escapes for what could be taken for HTML. `end` follows the value:
/// Go's encoder ends with a line end, its marshaller does not.
pub fn json(status: StatusCode, value: &impl serde::Serialize, end: &str) -> Response {
    match serde_json::to_string(value) {
        Ok(body) => {
            // These characters stand inside strings only.
            let body = body.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
            text(status, "application/json", body + end)
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", error.to_string()),
    }
}

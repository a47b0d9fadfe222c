//! Small HTTP requests to a node's admin and operations listeners.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::connection::{ConnectError, Endpoint, Socket};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an answer may be; metrics of a node are far below it.
const ANSWER_LIMIT_BYTES: usize = 16 << 20;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the text of a variant says what it is")]
pub enum HttpError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refuses the client's certificate, or does not speak HTTP.
    #[error(
        "{address} did not answer; if it asks for a client certificate, --client-cert must be one that it trusts"
    )]
    Exchange {
        /// The server.
        address: String,
        /// What the connection says.
        source: hyper::Error,
    },
    /// It takes too long.
    #[error("{address} did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TimedOut {
        /// The server.
        address: String,
    },
    /// The answer broke off or is too long.
    #[error("the answer of {address} could not be read: {reason}")]
    Body {
        /// The server.
        address: String,
        /// What is wrong.
        reason: String,
    },
}

/// What is asked for.
pub struct HttpRequest<'a> {
    /// The method.
    pub method: Method,
    /// The path, with a leading slash.
    pub path: &'a str,
    /// The type of the body.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: Bytes,
}

impl<'a> HttpRequest<'a> {
    /// A GET.
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, content_type: None, body: Bytes::new() }
    }
}

/// An answer, whatever its status.
pub struct HttpAnswer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Sends one request on a connection of its own.
pub async fn send(endpoint: &Endpoint, request: HttpRequest<'_>) -> Result<HttpAnswer, HttpError> {
    let address = &endpoint.address;
    let socket = endpoint.open(b"http/1.1").await?;
    let exchange = async {
        match socket {
            Socket::Plain(stream) => exchange(address, stream, request).await,
            Socket::Tls(stream) => exchange(address, *stream, request).await,
        }
    };
    timeout(ANSWER_TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(HttpError::TimedOut { address: address.clone() }))
}

async fn exchange<S>(address: &str, stream: S, request: HttpRequest<'_>) -> Result<HttpAnswer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |source| HttpError::Exchange { address: address.to_owned(), source };
    let unreadable = |reason: String| HttpError::Body { address: address.to_owned(), reason };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let mut builder = Request::builder()
        .method(request.method)
        .uri(request.path)
        .header(header::HOST, address)
        .header(header::CONNECTION, "close");
    if let Some(content_type) = request.content_type {
        builder = builder.header(header::CONTENT_TYPE, content_type);
    }
    let message = builder.body(Full::new(request.body)).map_err(|error| unreadable(error.to_string()))?;
    let response = sender.send_request(message).await.map_err(failed)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LIMIT_BYTES).collect().await;
    connection.abort();
    Ok(HttpAnswer { status, body: body.map_err(|error| unreadable(error.to_string()))?.to_bytes() })
}

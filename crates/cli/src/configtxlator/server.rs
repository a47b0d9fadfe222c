//! `configtxlator start`: the translations over HTTP. Paths, status codes and words are Fabric's.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Query, Request, State},
    middleware,
    response::{IntoResponse as _, Response},
    routing::post,
};
use bytes::Bytes;
use channel::json::{self, JsonError};
use http::{HeaderValue, StatusCode, header};
use orderer::logging::Logging;
use tokio::{net::TcpListener, sync::Semaphore};
use tracing::info;

use super::{
    cors::{self, Origins},
    form::Form,
    translate,
};
use crate::failure;

/// Largest request; the largest message that Fabric's nodes send each other.
const BODY_LIMIT_BYTES: usize = 100 << 20;
/// Limit of reading a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests under way at a time; more wait.
const MAX_REQUESTS: usize = 4;

/// Serves until the process ends.
pub(super) fn run(hostname: &str, port: u16, origins: Vec<String>) -> Result<(), String> {
    let failed = |error: &(dyn std::error::Error + 'static)| failure::explain(error);
    let logging = Logging::from_environment().map_err(|error| failed(&error))?;
    logging.install().map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| failed(&error))?.block_on(async {
        let listener = TcpListener::bind((hostname, port)).await.map_err(|error| {
            let address = format!("{hostname}:{port}");
            let reason = match error.raw_os_error() {
                Some(_) => format!("listen tcp {address}: bind: {}", failure::system_reason(&error)),
                None => format!("listen tcp: lookup {hostname}: no such host"),
            };
            format!("Could not bind to address '{address}': {reason}")
        })?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let with_cors =
            if origins.is_empty() { String::new() } else { format!(" with CORS [{}]", origins.join(" ")) };
        info!(target: "configtxlator", "Serving HTTP requests on {address}{with_cors}");
        axum::serve(listener, router(origins))
            .await
            .map_err(|error| format!("Error starting server:[{error}]"))
    })
}

fn router(origins: Vec<String>) -> Router {
    let places = Arc::new(Semaphore::new(MAX_REQUESTS));
    let router = Router::new()
        .route("/protolator/encode/{message_type}", post(encode))
        .route("/protolator/decode/{message_type}", post(decode))
        .route("/configtxlator/compute/update-from-configs", post(compute_update))
        .fallback(elsewhere)
        .layer(middleware::from_fn_with_state(places, take_turns));
    if origins.is_empty() {
        return router;
    }
    router.layer(middleware::from_fn_with_state(Origins::new(origins), cors::middleware))
}

/// Lets so many requests in at a time that their bodies fit into memory.
async fn take_turns(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: middleware::Next,
) -> Response {
    // Proof: nobody closes the semaphore, so there always is a place in the end.
    let _place = places.acquire_owned().await;
    next.run(request).await
}

async fn encode(Path(message_type): Path<String>, request: Request) -> Response {
    translated(request, move |text| translate::encode(&message_type, &text)).await
}

async fn decode(Path(message_type): Path<String>, request: Request) -> Response {
    translated(request, move |bytes| json::decode(&message_type, &bytes).map(String::into_bytes)).await
}

async fn translated(
    request: Request,
    change: impl FnOnce(Bytes) -> Result<Vec<u8>, JsonError> + Send + 'static,
) -> Response {
    let body = match whole(request.into_body()).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    work(move || match change(body) {
        Ok(changed) => answer(StatusCode::OK, changed),
        Err(JsonError::UnknownType(_)) => refusal(StatusCode::NOT_FOUND, "message name not found"),
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    })
    .await
}

async fn compute_update(Query(query): Query<HashMap<String, String>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let form = Form::read(&head.headers, body).await;
    work(move || match updated(&form, &query) {
        Ok(update) => answer(StatusCode::OK, update),
        Err(reason) => refusal(StatusCode::BAD_REQUEST, &reason),
    })
    .await
}

fn updated(form: &Result<Form, String>, query: &HashMap<String, String>) -> Result<Vec<u8>, String> {
    let file = |name| {
        let file = form.as_ref().map_err(String::clone).and_then(|form| form.file(name));
        file.map_err(|reason| format!("Error with field '{name}': error reading field bytes: {reason}"))
    };
    let (original, updated) = (file("original")?, file("updated")?);
    let by_form = form.as_ref().ok().and_then(|form| form.value("channel"));
    let channel = by_form.or_else(|| query.get("channel").map(String::as_str)).unwrap_or_default();
    translate::update(channel, original, updated).map_err(|failure| failure.in_answer())
}

/// A path that there is not. One with too many slashes is corrected.
async fn elsewhere(request: Request) -> Response {
    let path = request.uri().path();
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_known = matches!(
        parts.as_slice(),
        ["protolator", "encode" | "decode", _] | ["configtxlator", "compute", "update-from-configs"]
    );
    match HeaderValue::from_str(&format!("/{}", parts.join("/"))) {
        Ok(corrected) if is_known => {
            (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, corrected)]).into_response()
        }
        _ => {
            let mut response = refusal(StatusCode::NOT_FOUND, "404 page not found");
            let nosniff = HeaderValue::from_static("nosniff");
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
            response
        }
    }
}

/// A request's body, or the answer that refuses it.
async fn whole(body: Body) -> Result<Bytes, Response> {
    let limit = format!("the request is larger than {BODY_LIMIT_BYTES} bytes or was cut off");
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_LIMIT_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, &limit)),
        Err(_) => Err(refusal(StatusCode::REQUEST_TIMEOUT, "the request did not come to its end in time")),
    }
}

/// Does what takes the processor for a while where it holds up no connection.
async fn work(task: impl FnOnce() -> Response + Send + 'static) -> Response {
    let failed = |_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "the translation failed");
    tokio::task::spawn_blocking(task).await.unwrap_or_else(failed)
}

/// An answer with the content type that Go's server finds out by looking at the content; Fabric's handlers set
/// theirs too late.
fn answer(status: StatusCode, content: Vec<u8>) -> Response {
    let is_binary = |byte: &u8| matches!(byte, 0..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    let kind = match content.iter().take(512).any(is_binary) {
        _ if content.is_empty() => None,
        true => Some("application/octet-stream"),
        false => Some("text/plain; charset=utf-8"),
    };
    let mut response = (status, Body::from(content)).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

fn refusal(status: StatusCode, reason: &str) -> Response {
    answer(status, format!("{reason}\n").into_bytes())
}

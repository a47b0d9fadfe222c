//! The channel participation API: list, show, join and remove channels over HTTP, as Fabric's
//! `orderer/common/channelparticipation` has it; osnadmin is its client.

mod form;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    response::Response,
    routing::any,
};
use channel::names;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use prost::Message;
use protos::common::Block;
use serde::Serialize;

use crate::{
    http_listener::{json, not_found},
    registrar::{ChannelInfo, Participation, ParticipationError},
    settings::ChannelParticipation,
};

const BASE: &str = "/participation/v1/";
const CHANNELS: &str = "/participation/v1/channels";
/// Name of the only part of a join request.
const BLOCK_PART: &str = "config-block";
/// Limit of reading a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const LOGGER: &str = "orderer.commmon.channelparticipation";

/// What the handlers share.
#[derive(Clone)]
struct Api {
    channels: Arc<dyn Participation>,
    body_limit_bytes: usize,
}

/// Everything below `/participation/v1/`.
pub fn router(settings: &ChannelParticipation, channels: Arc<dyn Participation>) -> Router {
    if !settings.enabled {
        let disabled = any(|| async { Failure::new(StatusCode::SERVICE_UNAVAILABLE, DISABLED).response() });
        return Router::new()
            .route(BASE, disabled.clone())
            .route("/participation/v1/{*rest}", disabled)
            .fallback(not_found);
    }
    let api = Api { channels, body_limit_bytes: settings.max_request_body_size_bytes as usize };
    Router::new()
        .route(BASE, any(base))
        .route(CHANNELS, any(collection))
        .route("/participation/v1/channels/{id}", any(one))
        .fallback(not_found)
        .with_state(api)
}

const DISABLED: &str = "channel participation API is disabled";

/// An error reply.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    text: String,
    allow: Option<&'static str>,
}

impl Failure {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), allow: None }
    }

    fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    fn not_allowed(text: impl Into<String>, allow: &'static str) -> Self {
        Self { status: StatusCode::METHOD_NOT_ALLOWED, text: text.into(), allow: Some(allow) }
    }

    fn response(self) -> Response {
        #[derive(Serialize)]
        struct Error {
            error: String,
        }
        tracing::debug!(target: LOGGER, "Answering {}: {}", self.status.as_u16(), self.text);
        let mut response = json(self.status, &Error { error: self.text }, "\n");
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// A channel as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownChannel {
    name: String,
    url: String,
    consensus_relation: String,
    status: String,
    height: u64,
}

impl From<ChannelInfo> for ShownChannel {
    fn from(info: ChannelInfo) -> Self {
        Self {
            url: url(&info.name),
            name: info.name,
            consensus_relation: info.relation.to_string(),
            status: info.status.to_string(),
            height: info.height,
        }
    }
}

#[derive(Serialize)]
struct ListedChannel {
    name: String,
    url: String,
}

impl From<String> for ListedChannel {
    fn from(name: String) -> Self {
        Self { url: url(&name), name }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedChannels {
    system_channel: Option<ListedChannel>,
    /// `null` when there are none, as Go encodes an empty slice that was never made.
    channels: Option<Vec<ListedChannel>>,
}

fn url(channel_id: &str) -> String {
    format!("{CHANNELS}/{channel_id}")
}

async fn base(method: Method) -> Response {
    let mut response = Response::new(Body::empty());
    if method == Method::GET {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(CHANNELS));
    } else {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    }
    response
}

async fn collection(State(api): State<Api>, request: Request) -> Response {
    let outcome = match *request.method() {
        Method::GET => list(&api, request.headers()),
        Method::POST => join(&api, request).await,
        ref method => Err(Failure::not_allowed(format!("invalid request method: {method}"), "GET, POST")),
    };
    outcome.unwrap_or_else(Failure::response)
}

async fn one(State(api): State<Api>, Path(id): Path<String>, request: Request) -> Response {
    let outcome = match *request.method() {
        Method::GET => show(&api, request.headers(), &id),
        Method::DELETE => remove(&api, request.headers(), &id).await,
        ref method => Err(Failure::not_allowed(format!("invalid request method: {method}"), "GET, DELETE")),
    };
    outcome.unwrap_or_else(Failure::response)
}

/// The API speaks JSON only.
fn check_accept(headers: &HeaderMap) -> Result<(), Failure> {
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
    let accept = String::from_utf8_lossy(accept);
    let admits =
        |option: &str| ["application/json", "application/*", "*/*"].iter().any(|kind| option.contains(kind));
    if accept.is_empty() || accept.split(',').any(admits) {
        return Ok(());
    }
    Err(Failure::new(StatusCode::NOT_ACCEPTABLE, "response Content-Type is application/json only"))
}

fn check_channel_id(id: &str) -> Result<(), Failure> {
    names::check_channel_id(id).map_err(|error| Failure::bad_request(format!("invalid channel ID: {error}")))
}

/// A listing, which must not be answered from a cache.
fn fresh(value: &impl Serialize) -> Response {
    let mut response = json(StatusCode::OK, value, "\n");
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn list(api: &Api, headers: &HeaderMap) -> Result<Response, Failure> {
    check_accept(headers)?;
    let list = api.channels.list();
    let channels: Vec<_> = list.channels.into_iter().map(ListedChannel::from).collect();
    Ok(fresh(&ListedChannels {
        system_channel: list.system_channel.map(ListedChannel::from),
        channels: Some(channels).filter(|channels| !channels.is_empty()),
    }))
}

fn show(api: &Api, headers: &HeaderMap, id: &str) -> Result<Response, Failure> {
    check_accept(headers)?;
    check_channel_id(id)?;
    let info =
        api.channels.info(id).map_err(|error| Failure::new(StatusCode::NOT_FOUND, error.to_string()))?;
    Ok(fresh(&ShownChannel::from(info)))
}

async fn join(api: &Api, request: Request) -> Result<Response, Failure> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let content_type = content_type.unwrap_or_default();
    if !content_type.contains("multipart/form-dat") {
        return Err(Failure::bad_request(format!("unsupported Content-Type: [{content_type}]")));
    }
    check_accept(request.headers())?;
    let reading = form::single_file(&content_type, request.into_body(), api.body_limit_bytes, BLOCK_PART);
    let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    let bytes = read
        .unwrap_or_else(|_| Err("cannot read form from request body: i/o timeout".to_owned()))
        .map_err(Failure::bad_request)?;
    let block = Block::decode(bytes).map_err(|_| {
        // The words of Go's protobuf library, which tells no more.
        let reason = "proto: cannot parse invalid wire-format data";
        Failure::bad_request(format!("cannot unmarshal file part {BLOCK_PART} into a block: {reason}"))
    })?;
    let info = api.channels.join(block).await.map_err(join_failure)?;
    let shown = ShownChannel::from(info);
    tracing::debug!(target: LOGGER, "Successfully joined channel: {}", shown.url);
    let mut response = json(StatusCode::CREATED, &shown, "\n");
    // A channel's name is a valid header value: it was checked when the block was.
    if let Ok(location) = HeaderValue::from_str(&shown.url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn join_failure(error: ParticipationError) -> Failure {
    let text = format!("cannot join: {error}");
    match error {
        ParticipationError::SystemChannelExists => Failure::not_allowed(text, "GET"),
        ParticipationError::ChannelAlreadyExists => Failure::not_allowed(text, "GET, DELETE"),
        ParticipationError::ApplicationChannelsExist => Failure::new(StatusCode::FORBIDDEN, text),
        ParticipationError::PendingRemoval => Failure::new(StatusCode::CONFLICT, text),
        ParticipationError::RemovalFailure => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        ParticipationError::InvalidJoinBlock(_) => Failure::bad_request(error.to_string()),
        ParticipationError::ChannelDoesNotExist | ParticipationError::Other(_) => Failure::bad_request(text),
    }
}

async fn remove(api: &Api, headers: &HeaderMap, id: &str) -> Result<Response, Failure> {
    check_accept(headers)?;
    check_channel_id(id)?;
    api.channels.remove(id).await.map_err(remove_failure)?;
    tracing::debug!(target: LOGGER, "Successfully removed channel: {id}");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

fn remove_failure(error: ParticipationError) -> Failure {
    let text = format!("cannot remove: {error}");
    match error {
        ParticipationError::SystemChannelExists => Failure::not_allowed(text, "GET"),
        ParticipationError::ChannelDoesNotExist => Failure::new(StatusCode::NOT_FOUND, text),
        ParticipationError::PendingRemoval => Failure::new(StatusCode::CONFLICT, text),
        _ => Failure::bad_request(text),
    }
}

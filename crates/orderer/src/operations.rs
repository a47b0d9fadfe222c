//! The operations listener: `/metrics`, `/healthz`, `/logspec`, `/version`, as Fabric's
//! `core/operations` has them.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
    routing::any,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    health::HealthRegistry,
    http_listener::{HttpListener, ListenError, json, not_found, require_certificate, text},
    logging::Logging,
    metrics::{Metrics, exposition},
    settings::{Endpoint, MetricsProvider},
    version,
};

/// Limit of all health checks together.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest body of a `/logspec` request.
const LOGSPEC_BYTES: usize = 64 << 10;

/// What the listener shows.
#[derive(Clone)]
pub struct Operations {
    /// Behind `/metrics`.
    pub metrics: Arc<Metrics>,
    /// `/metrics` exists for [`MetricsProvider::Prometheus`] only.
    pub provider: MetricsProvider,
    /// Behind `/healthz`.
    pub health: Arc<HealthRegistry>,
    /// Behind `/logspec`.
    pub logging: Logging,
}

/// Starts the listener.
pub async fn start(endpoint: &Endpoint, operations: Operations) -> Result<HttpListener, ListenError> {
    operations.metrics.fabric_version.with([version::VERSION]).set(1.0);
    HttpListener::start("Operations", endpoint, router(operations, endpoint.tls.enabled)).await
}

fn router(operations: Operations, tls: bool) -> Router {
    let mut guarded = Router::new().route("/logspec", any(logspec));
    if operations.provider == MetricsProvider::Prometheus {
        guarded = guarded.route("/metrics", any(metrics));
    }
    let guarded = require_certificate(guarded.with_state(operations.clone()), tls);
    let open = Router::new().route("/healthz", any(healthz)).route("/version", any(show_version));
    open.with_state(operations).merge(guarded).fallback(not_found)
}

async fn metrics(State(operations): State<Operations>) -> Response {
    text(StatusCode::OK, exposition::CONTENT_TYPE, operations.metrics.scrape())
}

#[derive(Serialize)]
struct HealthStatus {
    status: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_checks: Vec<FailedCheck>,
}

#[derive(Serialize)]
struct FailedCheck {
    component: String,
    reason: String,
}

async fn healthz(State(operations): State<Operations>, method: Method) -> Response {
    if method != Method::GET {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Ok(failed) = tokio::time::timeout(HEALTH_TIMEOUT, operations.health.failed_checks()).await else {
        return empty(StatusCode::REQUEST_TIMEOUT);
    };
    let failed_checks = failed.into_iter();
    let failed_checks: Vec<_> = failed_checks
        .map(|failed| FailedCheck { component: failed.component, reason: failed.reason })
        .collect();
    let (code, status) = if failed_checks.is_empty() {
        (StatusCode::OK, "OK")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
    };
    // Years have four digits for a while.
    let time = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    json(code, &HealthStatus { status, time, failed_checks }, "")
}

#[derive(Serialize, Deserialize)]
struct LogSpec {
    #[serde(default)]
    spec: String,
}

#[derive(Serialize)]
struct LogSpecError {
    error: String,
}

async fn logspec(State(operations): State<Operations>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let outcome = match parts.method {
        Method::GET => return json(StatusCode::OK, &LogSpec { spec: operations.logging.spec() }, "\n"),
        Method::PUT => change_levels(&operations.logging, body).await,
        method => Err(format!("invalid request method: {method}")),
    };
    match outcome {
        Ok(()) => empty(StatusCode::NO_CONTENT),
        Err(error) => json(StatusCode::BAD_REQUEST, &LogSpecError { error }, "\n"),
    }
}

async fn change_levels(logging: &Logging, body: Body) -> Result<(), String> {
    let body: Bytes = axum::body::to_bytes(body, LOGSPEC_BYTES).await.map_err(|error| error.to_string())?;
    let wanted: LogSpec = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    logging.activate(&wanted.spec).map_err(|error| error.to_string())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    #[serde(rename = "CommitSHA")]
    commit_sha: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionError {
    error: String,
}

async fn show_version(method: Method) -> Response {
    if method != Method::GET {
        let error = format!("invalid request method: {method}");
        return json(StatusCode::BAD_REQUEST, &VersionError { error }, "");
    }
    json(StatusCode::OK, &Version { commit_sha: version::COMMIT_SHA, version: version::VERSION }, "")
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

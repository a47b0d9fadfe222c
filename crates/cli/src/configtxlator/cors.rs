//! Whether a browser lets a page of another origin call the server: cross-origin resource sharing, by the rules
//! of Fabric's tool. Calls from origins that are not allowed are answered all the same; it is the browser that
//! keeps the answer from the page.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// Request headers that need no permission.
const PLAIN_HEADERS: [&str; 4] = ["accept", "accept-language", "content-language", "origin"];

/// The origins whose pages may call.
#[derive(Clone)]
pub(super) struct Origins {
    origins: Vec<String>,
    all: bool,
}

impl Origins {
    pub(super) fn new(origins: Vec<String>) -> Self {
        let all = origins.iter().any(|origin| origin == "*");
        Self { origins, all }
    }

    /// The headers that tell a browser that pages of the request's origin may read the answer; `None` if they
    /// may not, or if no browser asks.
    fn permission(&self, request: &HeaderMap) -> Option<HeaderMap> {
        let origin = request.get(header::ORIGIN).filter(|origin| !origin.is_empty())?;
        if !self.all && !self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
            return None;
        }
        let mut headers = HeaderMap::new();
        let shown = if self.all { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, shown);
        if !self.all && self.origins.len() > 1 {
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        Some(headers)
    }
}

/// Answers a browser's question whether it may call, and adds the permission to other answers.
pub(super) async fn middleware(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let permission = origins.permission(request.headers());
    if *request.method() == Method::OPTIONS {
        return match permission {
            None => Response::new(Body::empty()),
            Some(permission) => may_call(request.headers(), permission),
        };
    }
    let mut response = next.run(request).await;
    response.headers_mut().extend(permission.unwrap_or_default());
    response
}

/// The answer to a browser that asks before it calls.
fn may_call(request: &HeaderMap, mut permission: HeaderMap) -> Response {
    match request.get(header::ACCESS_CONTROL_REQUEST_METHOD) {
        None => return StatusCode::BAD_REQUEST.into_response(),
        Some(method) if method != "POST" => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Some(_) => {}
    }
    let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).map(HeaderValue::to_str);
    let wanted = wanted.unwrap_or(Ok("")).unwrap_or("?").to_lowercase();
    let mut wanted = wanted
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && !PLAIN_HEADERS.contains(name))
        .peekable();
    if wanted.peek().is_some() {
        if wanted.any(|name| name != "content-type") {
            return StatusCode::FORBIDDEN.into_response();
        }
        permission.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
    }
    (StatusCode::OK, permission).into_response()
}

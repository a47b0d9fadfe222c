//! The form of a join request: `multipart/form-data` with one file.

use std::collections::BTreeSet;

use axum::{
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, Multipart},
};
use bytes::BytesMut;
use futures::StreamExt;
use http::header;

/// The contents of the form's only file, which must have this part name. Errors are Fabric's
/// texts for a 400.
pub(super) async fn single_file(
    content_type: &str,
    body: Body,
    limit_bytes: usize,
    part: &str,
) -> Result<Bytes, String> {
    let unreadable = |reason: &str| format!("cannot read form from request body: {reason}");
    match boundary(content_type)? {
        Some(boundary) if !boundary.is_empty() => {}
        _ => return Err(unreadable("multipart: boundary is empty")),
    }
    let body = read(body, limit_bytes)
        .await
        .map_err(|reason| unreadable(&format!("multipart: NextPart: {reason}")))?;
    let request = http::Request::builder().header(header::CONTENT_TYPE, content_type).body(Body::from(body));
    let mut request = request.map_err(|error| format!("cannot parse Mime media type: {error}"))?;
    // The limit is ours, not the framework's 2 MB.
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| format!("cannot parse Mime media type: {}", error.body_text()))?;
    let (mut files, mut values, mut wanted) = (BTreeSet::new(), 0, None);
    loop {
        let next = form.next_field().await;
        let Some(field) = next.map_err(|_| unreadable("multipart: NextPart: EOF"))? else { break };
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = field.file_name().is_some_and(|file| !file.is_empty());
        let contents = field.bytes().await.map_err(|_| unreadable("multipart: NextPart: EOF"))?;
        match (name.as_str(), is_file) {
            ("", _) => {}
            (_, false) => values += 1,
            (_, true) => {
                if name == part && wanted.is_none() {
                    wanted = Some(contents);
                }
                files.insert(name);
            }
        }
    }
    match wanted {
        None => Err(format!("form does not contains part key: {part}")),
        Some(_) if files.len() > 1 || values > 0 => Err("form contains too many parts".to_owned()),
        Some(contents) => Ok(contents),
    }
}

/// The whole body, or why there is none. A body that is too large is read to its end all the
/// same, and thrown away: a connection closed before would be reset, and the client would not
/// see our answer.
async fn read(body: Body, limit_bytes: usize) -> Result<Bytes, String> {
    let mut parts = body.into_data_stream();
    let mut whole = BytesMut::new();
    let mut too_large = false;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| error.to_string())?;
        too_large |= whole.len() + part.len() > limit_bytes;
        if !too_large {
            whole.extend_from_slice(&part);
        }
    }
    if too_large { Err("http: request body too large".to_owned()) } else { Ok(whole.freeze()) }
}

/// The `boundary` of a content type, whose other parameters do not matter.
fn boundary(content_type: &str) -> Result<Option<String>, String> {
    let mut parameters = content_type.split(';');
    let kind = parameters.next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return Err(format!(
            "cannot parse Mime media type: mime: unexpected content after media type {kind}"
        ));
    }
    for parameter in parameters.map(str::trim).filter(|parameter| !parameter.is_empty()) {
        let Some((name, value)) = parameter.split_once('=') else {
            return Err("cannot parse Mime media type: mime: invalid media parameter".to_owned());
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            return Ok(Some(value.trim().trim_matches('"').to_owned()));
        }
    }
    Ok(None)
}

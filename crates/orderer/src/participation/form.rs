//! The form of a join request: `multipart/form-data` with one file.

use std::collections::BTreeSet;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Multipart},
};
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
    let request = request.map_err(|error| format!("cannot parse Mime media type: {error}"))?;
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

/// The whole body, or why there is none.
async fn read(body: Body, limit_bytes: usize) -> Result<Bytes, String> {
    let read = axum::body::to_bytes(body, limit_bytes).await;
    read.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("length limit exceeded"));
        if too_large { "http: request body too large".to_owned() } else { error.to_string() }
    })
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

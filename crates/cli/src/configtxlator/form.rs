//! The form that two configs come in: `multipart/form-data`.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequest as _, Multipart},
};
use bytes::Bytes;
use http::{HeaderMap, header};

/// The parts of a form, by name. Of several with one name the first counts, as in Fabric.
#[derive(Debug, Default)]
pub(super) struct Form {
    files: BTreeMap<String, Bytes>,
    values: BTreeMap<String, String>,
}

impl Form {
    /// Reads the form that a request's body is. What is wrong is said in the words of Go's library.
    pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Result<Self, String> {
        let content_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            return Err("request Content-Type isn't multipart/form-data".to_owned());
        }
        let no_boundary = "no multipart boundary param in Content-Type";
        let request =
            http::Request::builder().header(header::CONTENT_TYPE, content_type).body(Body::from(body));
        let mut request = request.map_err(|_| no_boundary.to_owned())?;
        // The body is here already.
        DefaultBodyLimit::disable().apply(&mut request);
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_| no_boundary.to_owned())?;

        let ended = "multipart: NextPart: EOF";
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|_| ended.to_owned())? {
            let name = part.name().unwrap_or_default().to_owned();
            let is_file = part.file_name().is_some();
            let content = part.bytes().await.map_err(|_| ended.to_owned())?;
            if is_file {
                form.files.entry(name).or_insert(content);
            } else {
                form.values.entry(name).or_insert_with(|| String::from_utf8_lossy(&content).into_owned());
            }
        }
        Ok(form)
    }

    pub(super) fn file(&self, name: &str) -> Result<&Bytes, String> {
        self.files.get(name).ok_or_else(|| "http: no such file".to_owned())
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

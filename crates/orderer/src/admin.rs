//! The admin listener, which serves the channel participation API.

use std::sync::Arc;

use crate::{
    http_listener::{HttpListener, ListenError, require_certificate},
    participation,
    registrar::Participation,
    settings::{ChannelParticipation, Endpoint},
};

/// Starts the listener. It is there when the API is off too, and says so.
pub async fn start(
    endpoint: &Endpoint,
    settings: &ChannelParticipation,
    channels: Arc<dyn Participation>,
) -> Result<HttpListener, ListenError> {
    let router = require_certificate(participation::router(settings, channels), endpoint.tls.enabled);
    HttpListener::start("Admin", endpoint, router).await
}

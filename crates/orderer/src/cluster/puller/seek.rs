//! The signed requests of the puller.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use channel::envelope::Draft;
use consensus::source::SourceError;
use identity::signing::SigningIdentity;
use protos::{
    Message,
    common::HeaderType,
    orderer::{
        SeekInfo, SeekNewest, SeekPosition, SeekSpecified,
        seek_info::{SeekBehavior, SeekErrorResponse},
        seek_position::Type as Position,
    },
};
use sha2::{Digest, Sha256};

/// The first block wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// The newest one there is.
    Newest,
    /// The one of this number.
    Number(u64),
}

/// A marshaled, signed request for blocks up to `stop`, bound to the TLS client certificate. It is
/// best-effort, so that a channel without a leader can still be replicated.
pub(super) fn envelope(
    channel_id: &str,
    start: Start,
    stop: u64,
    tls_certificate: Option<&[u8]>,
    signer: &SigningIdentity,
) -> Result<Bytes, SourceError> {
    let start = match start {
        Start::Newest => Position::Newest(SeekNewest {}),
        Start::Number(number) => Position::Specified(SeekSpecified { number }),
    };
    let stop = Position::Specified(SeekSpecified { number: stop });
    let seek = SeekInfo {
        start: Some(SeekPosition { r#type: Some(start) }),
        stop: Some(SeekPosition { r#type: Some(stop) }),
        behavior: SeekBehavior::BlockUntilReady.into(),
        error_response: SeekErrorResponse::BestEffort.into(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()).cast_signed();
    let mut draft = Draft::new(HeaderType::DeliverSeekInfo, channel_id, seek.encode_to_vec().into(), now);
    if let Some(certificate) = tls_certificate {
        draft = draft.with_tls_cert_hash(Bytes::copy_from_slice(&Sha256::digest(certificate)));
    }
    let envelope = draft.sign(signer).map_err(|error| SourceError::Faulty(error.to_string()))?;
    Ok(envelope.encode_to_vec().into())
}

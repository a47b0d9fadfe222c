//! A Deliver request: what it must carry, and the blocks that it asks for.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use channel::envelope::{self, EnvelopeError, Headers};
use protos::{
    DecodeError, Message,
    common::{self, Envelope},
    orderer::{
        SeekInfo,
        seek_info::{SeekBehavior, SeekErrorResponse},
        seek_position::Type as Position,
    },
};
use sha2::{Digest, Sha256};

use crate::grpc::RemotePeer;

/// What is wrong with the headers of a request; Fabric's texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    /// The envelope does not hold both headers.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// There is no time in it.
    #[error("channel header in envelope must contain timestamp")]
    NoTimestamp,
    /// It is too old, or from the future.
    #[error(
        "envelope timestamp {sent} is more than {window:?} apart from current server time {now} (both Unix seconds)"
    )]
    OutsideWindow { sent: i64, now: i64, window: Duration },
    /// With mutual TLS, requests are bound to the connection.
    #[error("client didn't include its TLS cert hash")]
    NoBinding,
    /// It was made for another TLS client.
    #[error("claimed TLS cert hash does not match actual TLS cert hash")]
    WrongBinding,
}

/// Reads and checks the headers: they parse, the time is about now, and with mutual TLS the
/// request names the very certificate of the connection.
pub(super) fn headers(
    envelope: &Envelope,
    peer: &RemotePeer,
    time_window: Duration,
) -> Result<Headers, HeaderError> {
    let headers = envelope::headers(envelope)?;
    let header = &headers.channel_header;
    let sent = header.timestamp.as_ref().ok_or(HeaderError::NoTimestamp)?.seconds;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()).cast_signed();
    if sent.abs_diff(now) > time_window.as_secs() {
        return Err(HeaderError::OutsideWindow { sent, now, window: time_window });
    }
    if peer.is_mutual_tls {
        if header.tls_cert_hash.is_empty() {
            return Err(HeaderError::NoBinding);
        }
        let actual = peer.certificate.as_ref().map(Sha256::digest);
        if actual.is_none_or(|actual| actual[..] != header.tls_cert_hash[..]) {
            return Err(HeaderError::WrongBinding);
        }
    }
    Ok(headers)
}

/// A request whose payload parses.
#[derive(Debug)]
pub(super) struct SeekRequest {
    info: SeekInfo,
    /// Whether the client wants blocks even while the consenter is in error.
    pub(super) is_best_effort: bool,
}

/// The blocks to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// Number of the first block.
    pub(super) first: u64,
    /// Number of the last block; `None`: there is no end.
    pub(super) last: Option<u64>,
    /// Whether a block that is not there yet ends the answer.
    pub(super) fails_if_not_ready: bool,
}

/// Why a request cannot be answered with blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RangeError {
    /// Start or stop is missing.
    Incomplete,
    /// The start position says nothing.
    NoPosition,
    /// The start is beyond the next block.
    BeyondNext { first: u64, height: u64 },
    /// The stop is before the start.
    Reversed { first: u64, last: u64 },
}

impl RangeError {
    /// What the client is told.
    pub(super) fn status(self) -> common::Status {
        match self {
            Self::Incomplete | Self::Reversed { .. } => common::Status::BadRequest,
            Self::NoPosition | Self::BeyondNext { .. } => common::Status::NotFound,
        }
    }
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => write!(f, "missing start or stop"),
            Self::NoPosition => write!(f, "start says neither oldest, newest, next commit nor a number"),
            Self::BeyondNext { first, height } => {
                write!(f, "start number {first} is beyond the height {height}")
            }
            Self::Reversed { first, last } => {
                write!(f, "start number {first} greater than stop number {last}")
            }
        }
    }
}

impl SeekRequest {
    /// Reads the payload; its type in the channel header does not matter.
    pub(super) fn read(envelope: &Envelope) -> Result<Self, DecodeError> {
        let payload = common::Payload::decode(envelope.payload.clone())?;
        let info = SeekInfo::decode(payload.data)?;
        let is_best_effort = info.error_response == SeekErrorResponse::BestEffort as i32;
        Ok(Self { info, is_best_effort })
    }

    /// The blocks that are asked for, while the ledger has `height` blocks.
    pub(super) fn range(&self, height: u64) -> Result<Range, RangeError> {
        let (Some(start), Some(stop)) = (&self.info.start, &self.info.stop) else {
            return Err(RangeError::Incomplete);
        };
        let first = match &start.r#type {
            Some(Position::Oldest(_)) => 0,
            // A channel has at least its genesis block when it is served.
            Some(Position::Newest(_)) => height.saturating_sub(1),
            Some(Position::NextCommit(_)) => height,
            Some(Position::Specified(at)) if at.number > height => {
                return Err(RangeError::BeyondNext { first: at.number, height });
            }
            Some(Position::Specified(at)) => at.number,
            None => return Err(RangeError::NoPosition),
        };
        let last = match &stop.r#type {
            Some(Position::Oldest(_)) => first,
            // One block, even if another one is written between the two looks at the height.
            Some(Position::Newest(_)) if start == stop => first,
            Some(Position::Newest(_)) => height.saturating_sub(1),
            Some(Position::Specified(at)) if at.number < first => {
                return Err(RangeError::Reversed { first, last: at.number });
            }
            Some(Position::Specified(at)) => at.number,
            Some(Position::NextCommit(_)) | None => 0,
        };
        // The end is found by equality, so a last block before the first is never reached.
        let last = Some(last).filter(|last| *last >= first);
        let is_next_commit = matches!(start.r#type, Some(Position::NextCommit(_)));
        let fails_if_not_ready = self.info.behavior == SeekBehavior::FailIfNotReady as i32 && !is_next_commit;
        Ok(Range { first, last, fails_if_not_ready })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protos::orderer::{SeekNewest, SeekNextCommit, SeekOldest, SeekPosition, SeekSpecified};

    const HEIGHT: u64 = 5;

    fn at(number: u64) -> Option<Position> {
        Some(Position::Specified(SeekSpecified { number }))
    }

    fn range(start: Option<Position>, stop: Option<Position>) -> Result<(u64, Option<u64>), RangeError> {
        let position = |r#type| Some(SeekPosition { r#type });
        let info = SeekInfo { start: position(start), stop: position(stop), ..SeekInfo::default() };
        SeekRequest { info, is_best_effort: false }.range(HEIGHT).map(|r| (r.first, r.last))
    }

    #[test]
    fn positions_become_numbers() {
        let oldest = Some(Position::Oldest(SeekOldest {}));
        let newest = Some(Position::Newest(SeekNewest {}));
        let next = Some(Position::NextCommit(SeekNextCommit {}));
        for (start, stop, expected) in [
            (oldest, oldest, Ok((0, Some(0)))),
            (oldest, newest, Ok((0, Some(4)))),
            (newest, newest, Ok((4, Some(4)))),
            (newest, oldest, Ok((4, Some(4)))),
            (at(2), at(3), Ok((2, Some(3)))),
            (at(2), at(900), Ok((2, Some(900)))),
            (at(5), at(5), Ok((5, Some(5)))),
            (at(6), at(9), Err(RangeError::BeyondNext { first: 6, height: 5 })),
            (at(3), at(2), Err(RangeError::Reversed { first: 3, last: 2 })),
            (next, at(7), Ok((5, Some(7)))),
            (next, newest, Ok((5, None))),
            (oldest, next, Ok((0, Some(0)))),
            (at(1), next, Ok((1, None))),
            (at(1), None, Ok((1, None))),
            (None, newest, Err(RangeError::NoPosition)),
        ] {
            assert_eq!(range(start, stop), expected, "{start:?} to {stop:?}");
        }
        let incomplete = SeekRequest { info: SeekInfo::default(), is_best_effort: false };
        assert_eq!(incomplete.range(HEIGHT), Err(RangeError::Incomplete));
    }
}

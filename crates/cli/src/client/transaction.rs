//! Making signed envelopes.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use channel::envelope::{self, Draft, EnvelopeError};
use identity::signing::SigningIdentity;
use protos::{
    Message,
    common::{Block, Envelope, HeaderType},
    orderer::SeekInfo,
};

/// A signed transaction.
pub struct Signed {
    /// The transaction id in its header: lower-case hex of SHA-256 over nonce and creator.
    pub id: String,
    /// The encoded envelope.
    pub envelope: Bytes,
}

/// Signs envelopes for one channel as one identity.
#[derive(Clone)]
pub struct Signer {
    identity: SigningIdentity,
    channel: String,
}

impl Signer {
    /// Signs for `channel` as `identity`.
    pub fn new(identity: SigningIdentity, channel: &str) -> Self {
        Self { identity, channel: channel.to_owned() }
    }

    /// As whom is signed.
    pub fn identity(&self) -> &SigningIdentity {
        &self.identity
    }

    /// The channel that is signed for.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// A transaction of type `MESSAGE` whose payload is `data`.
    pub fn transaction(&self, data: Bytes) -> Result<Signed, EnvelopeError> {
        let envelope = self.draft(HeaderType::Message, data).with_tx_id().sign(&self.identity)?;
        Ok(Signed {
            id: envelope::channel_header(&envelope)?.tx_id,
            envelope: envelope.encode_to_vec().into(),
        })
    }

    /// An encoded request of Deliver, bound to the client certificate whose SHA-256 is `certificate_hash`.
    pub(super) fn seek(&self, seek: &SeekInfo, certificate_hash: &Bytes) -> Result<Bytes, EnvelopeError> {
        let draft = self.draft(HeaderType::DeliverSeekInfo, seek.encode_to_vec().into());
        let envelope = draft.with_tls_cert_hash(certificate_hash.clone()).sign(&self.identity)?;
        Ok(envelope.encode_to_vec().into())
    }

    fn draft(&self, kind: HeaderType, data: Bytes) -> Draft {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Draft::new(kind, &self.channel, data, now.as_secs() as i64)
    }
}

/// The ids of a block's transactions, as their headers name them.
pub fn transaction_ids(block: &Block) -> impl Iterator<Item = String> {
    let entries = block.data.as_ref().map_or(&[][..], |data| &data.data);
    entries.iter().filter_map(|entry| {
        let envelope = Envelope::decode(entry.clone()).ok()?;
        Some(envelope::channel_header(&envelope).ok()?.tx_id)
    })
}

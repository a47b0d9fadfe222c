//! A config update on its way between administrators: computed, signed, kept in a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use channel::{
    configtx::{ComputeError, compute_update, sign_update},
    envelope::{self, Draft, EnvelopeError},
    names,
};
use identity::signing::{SigningError, SigningIdentity};
use protos::{
    Message,
    common::{
        Config, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, Envelope, HeaderType, SignatureHeader,
    },
};

use crate::output;

/// Why an update cannot be made, read or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpdateFileError {
    #[error("nothing would change: the channel's config is so already")]
    NoChange,
    #[error("the update cannot be computed: {0}")]
    Compute(ComputeError),
    #[error("{path} cannot be read", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{path} holds no config update; `causeway config edit --output FILE`, `configtxlator compute_update` and \
         `peer channel signconfigtx` write such files", path = path.display()
    )]
    NotAnUpdate { path: PathBuf },
    #[error("the update cannot be signed")]
    Signing(#[from] SigningError),
    #[error("the update cannot be put into an envelope")]
    Envelope(#[from] EnvelopeError),
}

/// An update with the signatures that it has so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Update {
    channel: String,
    content: ConfigUpdateEnvelope,
}

impl Update {
    /// What turns one config of a channel into another one; not signed.
    pub(super) fn between(channel: &str, from: &Config, to: &Config) -> Result<Self, UpdateFileError> {
        let update = compute_update(channel, from, to).map_err(|error| match error {
            ComputeError::NoDifference => UpdateFileError::NoChange,
            other => UpdateFileError::Compute(other),
        })?;
        Ok(Self::unsigned(&update))
    }

    fn unsigned(update: &ConfigUpdate) -> Self {
        let content =
            ConfigUpdateEnvelope { config_update: update.encode_to_vec().into(), signatures: Vec::new() };
        Self { channel: update.channel_id.clone(), content }
    }

    /// Reads a file: an envelope of type CONFIG_UPDATE, or the bare update that `configtxlator` computes.
    pub(super) fn read(path: &Path) -> Result<Self, UpdateFileError> {
        let bytes =
            fs::read(path).map_err(|source| UpdateFileError::Read { path: path.to_owned(), source })?;
        Self::decode(&bytes.into()).ok_or_else(|| UpdateFileError::NotAnUpdate { path: path.to_owned() })
    }

    /// The update in the bytes of such a file.
    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        Self::in_envelope(bytes).or_else(|| Self::bare(bytes))
    }

    fn in_envelope(bytes: &Bytes) -> Option<Self> {
        let wrapped = Envelope::decode(bytes.clone()).ok()?;
        let header = envelope::channel_header(&wrapped).ok()?;
        if header.r#type != HeaderType::ConfigUpdate as i32 {
            return None;
        }
        let data = envelope::payload(&wrapped).ok()?.data;
        let content = ConfigUpdateEnvelope::decode(data).ok()?;
        let update = ConfigUpdate::decode(content.config_update.clone()).ok()?;
        Some(Self { channel: update.channel_id, content })
    }

    fn bare(bytes: &Bytes) -> Option<Self> {
        let update = ConfigUpdate::decode(bytes.clone()).ok()?;
        let named = names::check_channel_id(&update.channel_id).is_ok() && update.write_set.is_some();
        let content = ConfigUpdateEnvelope { config_update: bytes.clone(), signatures: Vec::new() };
        named.then_some(Self { channel: update.channel_id, content })
    }

    /// Writes the update with its signatures as a CONFIG_UPDATE envelope, whole or not at all. The
    /// envelope itself is not signed: whoever submits it makes one of their own.
    pub(super) fn write(&self, path: &Path) -> Result<(), UpdateFileError> {
        let envelope = self.draft().unsigned(Bytes::new());
        output::write(path, &envelope.encode_to_vec(), 0o644)
            .map_err(|source| UpdateFileError::Write { path: path.to_owned(), source })
    }

    /// The envelope to be submitted.
    pub(super) fn envelope(&self, submitter: &SigningIdentity) -> Result<Envelope, UpdateFileError> {
        Ok(self.draft().with_tx_id().sign(submitter)?)
    }

    fn draft(&self) -> Draft {
        let data = self.content.encode_to_vec().into();
        Draft::new(HeaderType::ConfigUpdate, &self.channel, data, now_unix())
    }

    /// Adds a signature; `false`: this identity has signed already.
    pub(super) fn sign(&mut self, signer: &SigningIdentity) -> Result<bool, UpdateFileError> {
        if self.creators().any(|creator| creator == *signer.serialized()) {
            return Ok(false);
        }
        self.content.signatures.push(sign_update(&self.content.config_update, signer)?);
        Ok(true)
    }

    /// The channel that it is for.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// The update and its signatures.
    pub(super) fn content(&self) -> &ConfigUpdateEnvelope {
        &self.content
    }

    /// What it reads and writes.
    pub(super) fn update(&self) -> ConfigUpdate {
        // It decoded, or was encoded, when this was made.
        ConfigUpdate::decode(self.content.config_update.clone()).unwrap_or_default()
    }

    /// The serialized identities that have signed, as they say themselves.
    pub(super) fn creators(&self) -> impl Iterator<Item = Bytes> + '_ {
        let creator = |signature: &ConfigSignature| {
            SignatureHeader::decode(signature.signature_header.clone()).map(|header| header.creator)
        };
        self.content.signatures.iter().filter_map(move |signature| creator(signature).ok())
    }
}

/// Now, in seconds since the Unix epoch.
pub(super) fn now_unix() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

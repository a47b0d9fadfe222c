//! Envelopes: their canonical bytes, their headers, what their signature covers, and making them.

use bytes::Bytes;
use identity::{policy::SignedData, signing::SigningError, signing::SigningIdentity};
use protos::{
    DecodeError, Message, Timestamp,
    common::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader},
};
use sha2::{Digest, Sha256};

use crate::wire::{self, WireError};

/// What is wrong with an envelope. The texts are Fabric's; clients see them in Broadcast's answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are not an envelope.
    #[error("error unmarshalling Envelope: {0}")]
    Envelope(WireError),
    /// The payload does not decode.
    #[error("error unmarshalling Payload: {MALFORMED}")]
    Payload(#[source] DecodeError),
    /// The payload has no header.
    #[error("header not set")]
    MissingHeader,
    /// The header has no channel header.
    #[error("channel header not set")]
    MissingChannelHeader,
    /// The channel header does not decode.
    #[error("error unmarshalling channel header: error unmarshalling ChannelHeader: {MALFORMED}")]
    ChannelHeader(#[source] DecodeError),
    /// The signature header does not decode.
    #[error("error unmarshalling SignatureHeader: {MALFORMED}")]
    SignatureHeader(#[source] DecodeError),
    /// There is no telling what was signed by whom.
    #[error("{0}")]
    NotSigned(NotSigned),
    /// The local identity could not sign.
    #[error("envelope could not be signed: {0}")]
    Signing(#[from] SigningError),
}

/// Why an envelope can not be taken as signed data; what follows Fabric's `could not convert
/// message to signedData: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// The payload does not decode.
    #[error("{MALFORMED}")]
    Payload(#[source] DecodeError),
    /// The payload has no header.
    #[error("Missing Header")]
    MissingHeader,
    /// The signature header does not decode.
    #[error("GetSignatureHeaderFromBytes failed, err {MALFORMED}")]
    SignatureHeader(#[source] DecodeError),
}

/// What Go's protobuf runtime says of bytes that it can not decode.
const MALFORMED: WireError = WireError;

/// Decodes an envelope and tells the bytes that go into a block for it.
///
/// These are `raw` itself when encoding the envelope again reproduces it, as for every ordinary
/// client; nothing is copied then. Otherwise they are its canonical form: payload, signature, then
/// the fields that we do not know, in the order in which they came. Dropping those would give the
/// block another data hash than Fabric's orderers give it.
///
/// The envelope's payload and signature are slices of `raw`.
pub fn decode_canonical(raw: Bytes) -> Result<(Envelope, Bytes), EnvelopeError> {
    let mut envelope = Envelope::default();
    let mut unknown = Vec::new();
    let mut is_canonical = true;
    let mut last_known = 0;
    for field in wire::fields(&raw) {
        let field = field.map_err(EnvelopeError::Envelope)?;
        is_canonical &= field.is_minimal() || !is_known(&field) && tag_is_minimal(&field);
        if is_known(&field) {
            is_canonical &= unknown.is_empty() && field.number > last_known && !field.content.is_empty();
            last_known = field.number;
            let content = raw.slice(field.content);
            *(if field.number == 1 { &mut envelope.payload } else { &mut envelope.signature }) = content;
        } else {
            unknown.push(field);
        }
    }
    if is_canonical {
        return Ok((envelope, raw));
    }
    let mut canonical = Vec::with_capacity(raw.len());
    envelope.encode_raw(&mut canonical);
    for field in unknown {
        wire::put_varint(field.tag(), &mut canonical);
        canonical.extend_from_slice(&raw[field.after_tag]);
    }
    Ok((envelope, canonical.into()))
}

/// A known number with another wire type is an unknown field to Go's runtime.
fn is_known(field: &wire::Field) -> bool {
    field.wire_type == wire::LENGTH_DELIMITED && (field.number == 1 || field.number == 2)
}

/// The value of an unknown field is kept as it was written, its tag is not.
fn tag_is_minimal(field: &wire::Field) -> bool {
    field.after_tag.start - field.whole.start == wire::varint_len(field.tag())
}

/// Both headers of an envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Headers {
    /// Which channel, what type, when.
    pub channel_header: ChannelHeader,
    /// Who, and a nonce.
    pub signature_header: SignatureHeader,
}

/// Decodes the payload.
pub fn payload(envelope: &Envelope) -> Result<Payload, EnvelopeError> {
    Payload::decode(envelope.payload.clone()).map_err(EnvelopeError::Payload)
}

/// The channel header; the signature header is not looked at.
pub fn channel_header(envelope: &Envelope) -> Result<ChannelHeader, EnvelopeError> {
    channel_header_of(&payload(envelope)?.header.ok_or(EnvelopeError::MissingHeader)?)
}

/// Both headers.
pub fn headers(envelope: &Envelope) -> Result<Headers, EnvelopeError> {
    let header = payload(envelope)?.header.ok_or(EnvelopeError::MissingHeader)?;
    let channel_header = channel_header_of(&header)?;
    let signature_header =
        SignatureHeader::decode(header.signature_header).map_err(EnvelopeError::SignatureHeader)?;
    Ok(Headers { channel_header, signature_header })
}

fn channel_header_of(header: &Header) -> Result<ChannelHeader, EnvelopeError> {
    match header.channel_header.is_empty() {
        true => Err(EnvelopeError::MissingChannelHeader),
        false => ChannelHeader::decode(header.channel_header.clone()).map_err(EnvelopeError::ChannelHeader),
    }
}

/// Who claims to have signed the envelope: its signature covers the payload's bytes as they came.
pub fn signed_data(envelope: &Envelope) -> Result<SignedData, EnvelopeError> {
    let creator = || {
        let payload = Payload::decode(envelope.payload.clone()).map_err(NotSigned::Payload)?;
        let header = payload.header.ok_or(NotSigned::MissingHeader)?;
        SignatureHeader::decode(header.signature_header).map_err(NotSigned::SignatureHeader)
    };
    Ok(SignedData {
        data: envelope.payload.clone(),
        identity: creator().map_err(EnvelopeError::NotSigned)?.creator,
        signature: envelope.signature.clone(),
    })
}

/// The size that counts for batches and limits: payload and signature, without the framing.
pub fn size_bytes(envelope: &Envelope) -> usize {
    envelope.payload.len() + envelope.signature.len()
}

/// The transaction id: lower-case hex of SHA-256 over nonce and creator.
pub fn tx_id(header: &SignatureHeader) -> String {
    hex::encode(Sha256::new().chain_update(&header.nonce).chain_update(&header.creator).finalize())
}

/// An envelope to be made.
///
/// ```
/// # use channel::envelope::Draft;
/// # use protos::common::HeaderType;
/// # fn example(admin: &identity::signing::SigningIdentity) -> Result<(), channel::envelope::EnvelopeError> {
/// let draft = Draft::new(HeaderType::Message, "ch1", "hello".into(), 1_790_000_000).with_tx_id();
/// let envelope = draft.sign(admin)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Draft {
    channel_header: ChannelHeader,
    has_tx_id: bool,
    data: Bytes,
}

impl Draft {
    /// An envelope of this type for this channel, made at `timestamp_seconds` (Unix). The header's
    /// version is 0 and there is no transaction id, as in what an orderer makes.
    pub fn new(kind: HeaderType, channel_id: &str, data: Bytes, timestamp_seconds: i64) -> Self {
        let channel_header = ChannelHeader {
            r#type: kind as i32,
            timestamp: Some(Timestamp { seconds: timestamp_seconds, nanos: 0 }),
            channel_id: channel_id.to_owned(),
            ..ChannelHeader::default()
        };
        Self { channel_header, has_tx_id: false, data }
    }

    /// Sets the channel header's version.
    pub fn with_version(mut self, version: i32) -> Self {
        self.channel_header.version = version;
        self
    }

    /// Gives it a transaction id, as clients do.
    pub fn with_tx_id(mut self) -> Self {
        self.has_tx_id = true;
        self
    }

    /// Binds it to a TLS client: the SHA-256 of the client certificate's DER. A Deliver service with
    /// mutual TLS asks for it.
    pub fn with_tls_cert_hash(mut self, hash: Bytes) -> Self {
        self.channel_header.tls_cert_hash = hash;
        self
    }

    /// The envelope, signed.
    pub fn sign(self, signer: &SigningIdentity) -> Result<Envelope, EnvelopeError> {
        let payload = self.payload(signer.signature_header());
        let signature = signer.sign(&payload)?;
        Ok(Envelope { payload, signature })
    }

    /// The envelope without creator and signature, as in a genesis block.
    pub fn unsigned(self, nonce: Bytes) -> Envelope {
        let payload = self.payload(SignatureHeader { creator: Bytes::new(), nonce });
        Envelope { payload, signature: Bytes::new() }
    }

    fn payload(mut self, signature_header: SignatureHeader) -> Bytes {
        if self.has_tx_id {
            self.channel_header.tx_id = tx_id(&signature_header);
        }
        let header = Header {
            channel_header: self.channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        };
        Payload { header: Some(header), data: self.data }.encode_to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAYLOAD: &[u8] = &[0x0a, 2, b'p', b'1'];
    const SIGNATURE: &[u8] = &[0x12, 2, b's', b'1'];
    const UNKNOWN: &[u8] = &[0x2a, 3, 7, 8, 9];

    #[test]
    fn canonical_bytes_are_kept() {
        for parts in [
            &[PAYLOAD, SIGNATURE][..],
            &[PAYLOAD],
            &[SIGNATURE],
            &[],
            &[PAYLOAD, SIGNATURE, UNKNOWN],
            &[PAYLOAD, &[0x18, 0x81, 0x00]], // an unknown value keeps its overlong form
            &[&[0x08, 1]],                   // payload's number with another wire type is unknown
        ] {
            let raw = Bytes::from(parts.concat());
            let (_, canonical) = decode_canonical(raw.clone()).unwrap();
            assert_eq!(canonical, raw, "{parts:x?}");
            assert!(raw.is_empty() || canonical.as_ptr() == raw.as_ptr(), "{parts:x?} was copied");
        }
    }

    #[test]
    fn other_bytes_become_canonical() {
        let old_payload: &[u8] = &[0x0a, 1, b'x'];
        for (parts, expected) in [
            (&[SIGNATURE, PAYLOAD][..], &[PAYLOAD, SIGNATURE][..]),
            (&[UNKNOWN, PAYLOAD, SIGNATURE], &[PAYLOAD, SIGNATURE, UNKNOWN]),
            (&[PAYLOAD, UNKNOWN, SIGNATURE, UNKNOWN], &[PAYLOAD, SIGNATURE, UNKNOWN, UNKNOWN]),
            (&[old_payload, PAYLOAD], &[PAYLOAD]), // the last one counts
            (&[PAYLOAD, &[0x12, 0]], &[PAYLOAD]),  // empty fields are not written
            (&[&[0x0a, 0x82, 0x00, b'p', b'1']], &[PAYLOAD]),
            (&[&[0x8a, 0x00, 2, b'p', b'1']], &[PAYLOAD]),
            (&[PAYLOAD, &[0xaa, 0x00, 0x81, 0x00, 5]], &[PAYLOAD, &[0x2a, 0x81, 0x00, 5]]),
        ] {
            let (envelope, canonical) = decode_canonical(parts.concat().into()).unwrap();
            assert_eq!(canonical, expected.concat(), "{parts:x?}");
            assert_eq!(decode_canonical(canonical.clone()).unwrap(), (envelope, canonical), "{parts:x?}");
        }
        let garbage = decode_canonical(Bytes::from_static(&[0x0a, 200])).unwrap_err();
        assert_eq!(
            garbage.to_string(),
            "error unmarshalling Envelope: proto: cannot parse invalid wire-format data"
        );
    }

    #[test]
    fn broken_envelopes_get_fabrics_texts() {
        let with = |payload: Vec<u8>| Envelope { payload: payload.into(), signature: Bytes::new() };
        let with_header = |channel_header: &'static [u8], signature_header: &'static [u8]| {
            let header =
                Header { channel_header: channel_header.into(), signature_header: signature_header.into() };
            with(Payload { header: Some(header), data: Bytes::new() }.encode_to_vec())
        };
        const BAD: &[u8] = &[0xff];
        for (envelope, of_headers, of_signed_data) in [
            (with(BAD.to_vec()), "error unmarshalling Payload: proto: cannot", "proto: cannot parse"),
            (with(vec![]), "header not set", "Missing Header"),
            (
                with_header(b"", BAD),
                "channel header not set",
                "GetSignatureHeaderFromBytes failed, err proto: cannot",
            ),
            (
                with_header(BAD, BAD),
                "error unmarshalling channel header: error unmarshalling ChannelHeader: proto: cannot",
                "GetSignatureHeaderFromBytes",
            ),
        ] {
            let errors =
                [headers(&envelope).unwrap_err(), signed_data(&envelope).unwrap_err()].map(|e| e.to_string());
            assert!(errors[0].starts_with(of_headers), "{errors:?}");
            assert!(errors[1].starts_with(of_signed_data), "{errors:?}");
        }
    }

    #[test]
    fn drafts_carry_what_was_asked_for() {
        let draft = Draft::new(HeaderType::ConfigUpdate, "ch1", "data".into(), 1_790_000_000);
        let envelope =
            draft.with_tx_id().with_version(1).with_tls_cert_hash("hash".into()).unsigned("nonce".into());
        let Headers { channel_header, signature_header } = headers(&envelope).unwrap();
        assert_eq!(channel_header.channel_id, "ch1");
        assert_eq!(channel_header.r#type, 2);
        assert_eq!(channel_header.version, 1);
        assert_eq!(channel_header.tls_cert_hash, "hash");
        assert_eq!(channel_header.timestamp, Some(Timestamp { seconds: 1_790_000_000, nanos: 0 }));
        // SHA-256("nonce")
        assert_eq!(channel_header.tx_id, "78377b525757b494427f89014f97d79928f3938d14eb51e20fb5dec9834eb304");
        assert_eq!(signature_header.nonce, "nonce");
        assert_eq!(payload(&envelope).unwrap().data, "data");
        assert_eq!(size_bytes(&envelope), envelope.payload.len());
    }
}

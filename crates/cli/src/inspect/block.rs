//! A block, told.

use channel::{
    block::{self, consenter_metadata, last_config_index},
    bundle::Bundle,
    envelope,
};
use identity::certificate::Certificate;
use protos::{
    Message,
    common::{Block, BlockMetadataIndex, Envelope, HeaderType, Metadata, SignatureHeader},
    etcdraft,
    msp::SerializedIdentity,
};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What a block says, and what is wrong with it.
#[derive(Serialize)]
pub(super) struct BlockReport {
    pub(super) number: u64,
    pub(super) header_hash: String,
    pub(super) previous_hash: String,
    pub(super) data_hash: String,
    /// Whether it carries a channel config.
    pub(super) config: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_config_block: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raft: Option<RaftReport>,
    pub(super) signed_by: Vec<Signer>,
    pub(super) faults: Vec<String>,
    pub(super) transactions: Vec<TransactionReport>,
}

/// What the Raft consenters recorded.
#[derive(Serialize)]
pub(super) struct RaftReport {
    raft_index: u64,
    consenter_ids: Vec<u64>,
    next_consenter_id: u64,
}

/// One envelope.
#[derive(Serialize)]
pub(super) struct TransactionReport {
    #[serde(rename = "type")]
    kind: String,
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<Signer>,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// An identity as it is named in a signature.
#[derive(Serialize)]
pub(super) struct Signer {
    msp: String,
    subject: String,
}

impl Signer {
    fn of(serialized: &[u8]) -> Option<Self> {
        let identity =
            SerializedIdentity::decode(serialized).ok().filter(|identity| !identity.mspid.is_empty())?;
        let subject = match Certificate::from_pem(&identity.id_bytes) {
            Ok(certificate) => certificate.subject(),
            Err(error) => format!("(its certificate cannot be read: {error})"),
        };
        Some(Self { msp: identity.mspid, subject })
    }
}

impl BlockReport {
    /// Tells a block and checks what can be checked of it alone.
    pub(super) fn of(block: &Block) -> Self {
        let header = block.header.clone().unwrap_or_default();
        let entries = block.data.as_ref().map_or(&[][..], |data| &data.data);
        let mut faults = Vec::new();
        if block.header.is_none() {
            faults.push("it has no header".to_owned());
        }
        let data_hash = block::data_hash(entries);
        if header.data_hash != data_hash[..] {
            faults.push(format!(
                "its transactions hash to {}, not to the data hash in the header",
                hex::encode(data_hash)
            ));
        }
        let raft = consenter_metadata(block).ok().filter(|metadata| !metadata.is_empty());
        Self {
            number: header.number,
            header_hash: hex::encode(block::header_hash(&header)),
            previous_hash: hex::encode(&header.previous_hash),
            data_hash: hex::encode(&header.data_hash),
            config: block::is_config_block(block),
            last_config_block: last_config_index(block).ok(),
            raft: raft.and_then(|metadata| RaftReport::of(&metadata)),
            signed_by: signers(block),
            faults,
            transactions: entries.iter().map(TransactionReport::of).collect(),
        }
    }

    /// A genesis block must be number 0 and name no block before it.
    pub(super) fn verify_genesis_of(&mut self, bundle: &Bundle) {
        if self.number == 0 && !self.previous_hash.is_empty() {
            self.faults.push(format!("block 0 of channel {} names a block before it", bundle.channel_id()));
        }
    }
}

impl RaftReport {
    fn of(metadata: &[u8]) -> Option<Self> {
        let metadata = etcdraft::BlockMetadata::decode(metadata).ok()?;
        Some(Self {
            raft_index: metadata.raft_index,
            consenter_ids: metadata.consenter_ids,
            next_consenter_id: metadata.next_consenter_id,
        })
    }
}

/// Who is named in the block's signatures; the signatures themselves can only be verified with the channel's config.
fn signers(block: &Block) -> Vec<Signer> {
    let slots = block.metadata.as_ref().map_or(&[][..], |metadata| &metadata.metadata);
    let slot = slots.get(BlockMetadataIndex::Signatures as usize);
    let signatures = slot.and_then(|slot| Metadata::decode(slot.clone()).ok()).unwrap_or_default().signatures;
    let creator = |header: bytes::Bytes| Signer::of(&SignatureHeader::decode(header).ok()?.creator);
    signatures.into_iter().filter_map(|signature| creator(signature.signature_header)).collect()
}

impl TransactionReport {
    fn of(entry: &bytes::Bytes) -> Self {
        let headers = Envelope::decode(entry.clone())
            .map_err(|error| error.to_string())
            .and_then(|envelope| envelope::headers(&envelope).map_err(|error| error.to_string()));
        let bytes = entry.len();
        match headers {
            Err(fault) => Self {
                kind: "unreadable".to_owned(),
                channel: String::new(),
                id: String::new(),
                time: None,
                creator: None,
                bytes,
                fault: Some(fault),
            },
            Ok(headers) => {
                let header = headers.channel_header;
                let kind = HeaderType::try_from(header.r#type);
                let timestamp = header.timestamp.and_then(|timestamp| {
                    OffsetDateTime::from_unix_timestamp(timestamp.seconds).ok()?.format(&Rfc3339).ok()
                });
                Self {
                    kind: kind
                        .map_or_else(|_| header.r#type.to_string(), |kind| kind.as_str_name().to_owned()),
                    channel: header.channel_id,
                    id: header.tx_id,
                    time: timestamp,
                    creator: Signer::of(&headers.signature_header.creator),
                    bytes,
                    fault: None,
                }
            }
        }
    }
}

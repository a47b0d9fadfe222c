//! Classification, filtering and processing of incoming messages.
//!
//! [`classify`] reads a message's header, so that its channel can be found. The message then goes
//! through [`process_normal`], which only says whether it may be ordered, or
//! [`process_config_update`], which makes of a request the transaction to be ordered. Both tell the
//! config sequence under which they decided: once the channel has moved on, whoever orders has to
//! ask again, with [`process_normal`] or [`process_config`]
//! (`orderer/common/msgprocessor`, `orderer/common/broadcast`).

use identity::{msp, signing::SigningIdentity};
use protos::{
    Message,
    common::{ConfigEnvelope, ConfigUpdateEnvelope, Envelope, HeaderType, Status},
};

use crate::{
    bundle::{Bundle, BundleError, ConsensusState, MissingPolicy, OrdererConfig, SuccessionError},
    capabilities::UnsupportedCapability,
    configtx::{self, ConfigTxError, EnvelopeTypeError},
    consenters::{self, MetadataError, RaftState},
    creation::{self, CreationError, TemplateError},
    denial::{self, Denial},
    envelope::{self, Draft, EnvelopeError},
    maintenance::{self, MaintenanceError},
    wire::{self, WireError},
};

/// What has to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Order it as it is, if the filters pass it.
    Normal,
    /// Order the configuration that it leads to.
    ConfigUpdate,
    /// Nothing, if it comes from a client: only orderers make configuration transactions, of updates.
    Config,
}

/// A message's destination and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// The channel that it is for.
    pub channel_id: String,
    /// What has to be done.
    pub class: Class,
    /// Its header type, whether or not that is one that we know.
    pub header_type: i32,
    /// The transaction id that the client gave; not checked.
    pub tx_id: String,
}

/// Reads a message's channel header. Nothing else is decoded, and nothing is checked.
pub fn classify(envelope: &Envelope) -> Result<Classified, MessageError> {
    let header = envelope::channel_header(envelope).map_err(MessageError::NoChannelId)?;
    let class = match HeaderType::try_from(header.r#type) {
        Ok(HeaderType::ConfigUpdate) => Class::ConfigUpdate,
        Ok(HeaderType::Config | HeaderType::OrdererTransaction) => Class::Config,
        _ => Class::Normal,
    };
    Ok(Classified { channel_id: header.channel_id, class, header_type: header.r#type, tx_id: header.tx_id })
}

/// Why a message is not ordered. What it displays goes to the client, and is Fabric's text;
/// [`MessageError::status`] goes with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The message does not say what channel it is for.
    #[error("could not determine channel ID: {0}")]
    NoChannelId(EnvelopeError),
    /// The same, for the processing of a system channel.
    #[error("error retrieving channel header: {0}")]
    NoChannelHeader(EnvelopeError),
    /// A message of [`Class::Config`] came from a client.
    #[error("message is of type that cannot be processed directly")]
    NotDirect,
    /// There is no such channel, and the message does not ask for it to be made.
    #[error("channel does not exist")]
    NoSuchChannel,
    /// The channel's configuration has no ordering section.
    #[error("channel '{0}' has no orderer config")]
    NoOrdererConfig(String),
    /// The channel takes no transactions for the time being.
    #[error("normal transactions are rejected: maintenance mode")]
    Maintenance,
    /// There is nothing in the message.
    #[error("Message was empty")]
    Empty,
    /// The message, or what became of it, is too large.
    #[error("message payload is {size} bytes and exceeds maximum allowed {max} bytes")]
    TooLarge {
        /// Size of payload and signature, in bytes.
        size: usize,
        /// Largest allowed size, in bytes.
        max: u32,
    },
    /// The sender's certificate has expired.
    #[error("broadcast client identity expired")]
    Expired,
    /// There is no telling who signed the message.
    #[error("could not convert message to signedData: {0}")]
    NotSigned(EnvelopeError),
    /// The configuration does not say who may write.
    #[error(transparent)]
    NoPolicy(#[from] MissingPolicy),
    /// The sender may not write.
    #[error("{0}: permission denied")]
    Denied(Box<Denial>),
    /// The sender of a configuration update may not send it.
    #[error("config update for existing channel did not pass initial checks: {0}")]
    InitialChecks(Box<MessageError>),
    /// The configuration update does not lead to a usable configuration.
    #[error("error applying config update to existing channel '{channel_id}': {source}")]
    Update {
        /// The channel.
        channel_id: String,
        /// What is wrong.
        source: Box<ProposalError>,
    },
    /// The configuration transaction can not be ordered, because of its size or because of our own
    /// identity.
    #[error("config update for existing channel did not pass final checks: {0}")]
    FinalChecks(Box<MessageError>),
    /// The configuration breaks the rules of maintenance mode.
    #[error(
        "config update for existing channel did not pass maintenance checks: config transaction inspection failed: {0}"
    )]
    MaintenanceChecks(MaintenanceError),
    /// There is no template for the new channel.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The template does not lead to the new channel.
    #[error(
        "error validating channel creation transaction for new channel '{channel_id}', could not successfully apply update to template configuration: {source}"
    )]
    CreationUpdate {
        /// The channel to be made.
        channel_id: String,
        /// What is wrong.
        source: Box<ConfigTxError>,
    },
    /// There are enough channels.
    #[error("channel creation would exceed maximimum number of channels: {0}")]
    TooManyChannels(u64),
    /// The system channel makes no channels for the time being.
    #[error("channel creation is not permitted: maintenance mode")]
    CreationInMaintenance,
    /// The new channel can not be made.
    #[error(transparent)]
    Creation(#[from] CreationError),
    /// The transaction that creates a channel does not decode.
    #[error("payload data error unmarshalling to envelope: {0}")]
    NoInnerEnvelope(WireError),
    /// The message is no configuration transaction.
    #[error(transparent)]
    NotConfig(#[from] EnvelopeTypeError),
    /// The transaction could not be signed.
    #[error(transparent)]
    Signing(EnvelopeError),
}

/// Why a configuration update does not lead to a usable configuration. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// The update does not apply.
    #[error(transparent)]
    Update(#[from] ConfigTxError),
    /// The new configuration can not be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Nobody would order the channel.
    #[error("config update is not compatible: config does not contain orderer config")]
    NoOrderer,
    /// This program could not serve the channel any more.
    #[error("config update is not compatible: {0}")]
    Capability(#[from] UnsupportedCapability),
    /// The new configuration can not follow the one in force.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
    /// The new consenters can not be used.
    #[error("consensus metadata update for channel config update is invalid: {0}")]
    Metadata(#[from] MetadataError),
}

impl MessageError {
    /// The status that goes to the client with this error.
    pub fn status(&self) -> Status {
        match self {
            Self::NoSuchChannel => Status::NotFound,
            Self::Denied(_) => Status::Forbidden,
            Self::Maintenance | Self::CreationInMaintenance => Status::ServiceUnavailable,
            Self::InitialChecks(cause) | Self::FinalChecks(cause) => cause.status(),
            _ => Status::BadRequest,
        }
    }

    /// Who was denied what, if that is the reason.
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied(denial) => Some(denial),
            Self::InitialChecks(cause) | Self::FinalChecks(cause) => cause.denial(),
            _ => None,
        }
    }
}

/// What processing needs to know of a channel and of the moment.
#[derive(Debug, Clone, Copy)]
pub struct ProcessingContext<'a> {
    /// The channel's configuration in force.
    pub bundle: &'a Bundle,
    /// The time, seconds since the Unix epoch.
    pub now_unix: i64,
    /// Whether messages of expired identities are refused, if the channel's capabilities say so too.
    pub check_expiration: bool,
    /// The Raft group, if this node takes part in it.
    pub raft: Option<RaftState<'a>>,
    /// Present if the channel is the system channel, to which come also the messages for channels
    /// that do not exist.
    pub system: Option<SystemContext>,
}

/// What processing needs to know to create channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemContext {
    /// How many channels there are, the system channel included.
    pub channel_count: u64,
}

impl<'a> ProcessingContext<'a> {
    fn orderer(&self) -> Result<&'a OrdererConfig, MessageError> {
        let missing = || MessageError::NoOrdererConfig(self.bundle.channel_id().to_owned());
        self.bundle.orderer().ok_or_else(missing)
    }
}

/// Decides whether a normal message may be ordered; gives the config sequence of the decision.
///
/// For a creator that the configuration has seen before this costs one signature verification.
pub fn process_normal(cx: &ProcessingContext<'_>, envelope: &Envelope) -> Result<u64, MessageError> {
    if cx.system.is_some() && channel_id_of(envelope)? != cx.bundle.channel_id() {
        return Err(MessageError::NoSuchChannel);
    }
    let orderer = cx.orderer()?;
    if orderer.capabilities.consensus_type_migration() && orderer.consensus_state != ConsensusState::Normal {
        return Err(MessageError::Maintenance);
    }
    filter(cx, envelope)?;
    Ok(cx.bundle.sequence())
}

/// Makes of a configuration update the CONFIG transaction to be ordered, signed by this node; on
/// the system channel of one for a channel that does not exist the ORDERER_TRANSACTION that creates
/// it. Gives the config sequence of the decision with it.
pub fn process_config_update(
    cx: &ProcessingContext<'_>,
    envelope: &Envelope,
    signer: &SigningIdentity,
) -> Result<(Envelope, u64), MessageError> {
    match cx.system {
        Some(_) if channel_id_of(envelope)? != cx.bundle.channel_id() => {
            process_channel_creation(cx, envelope, signer)
        }
        _ => update_channel(cx, envelope, signer),
    }
}

/// Decides again on a configuration transaction (CONFIG or ORDERER_TRANSACTION) that was made under
/// an older configuration: makes a new one of the request that it holds.
pub fn process_config(
    cx: &ProcessingContext<'_>,
    envelope: &Envelope,
    signer: &SigningIdentity,
) -> Result<(Envelope, u64), MessageError> {
    let is_creation = cx.system.is_some() && header_type_of(envelope) == Some(HeaderType::OrdererTransaction);
    if !is_creation {
        let config: ConfigEnvelope = configtx::envelope_data(envelope, HeaderType::Config)?;
        return update_channel(cx, &config.last_update.unwrap_or_default(), signer);
    }
    let inner: Envelope = configtx::envelope_data(envelope, HeaderType::OrdererTransaction)?;
    let config: ConfigEnvelope = configtx::envelope_data(&inner, HeaderType::Config)?;
    process_config_update(cx, &config.last_update.unwrap_or_default(), signer)
}

/// Makes of a request for a new channel the transaction on the system channel that creates it. The
/// request's own signatures decide; who sent it does not matter.
fn process_channel_creation(
    cx: &ProcessingContext<'_>,
    request: &Envelope,
    signer: &SigningIdentity,
) -> Result<(Envelope, u64), MessageError> {
    let template = creation::template(cx.bundle, request)?;
    let channel_id = template.channel_id();
    let config = configtx::propose_update(&template, request).map_err(|source| {
        MessageError::CreationUpdate { channel_id: channel_id.to_owned(), source: source.into() }
    })?;
    let config = sign(HeaderType::Config, channel_id, &config, cx.now_unix, signer)?;
    let creation =
        sign(HeaderType::OrdererTransaction, cx.bundle.channel_id(), &config, cx.now_unix, signer)?;
    filter(cx, &creation)?;
    Ok((creation, cx.bundle.sequence()))
}

fn update_channel(
    cx: &ProcessingContext<'_>,
    envelope: &Envelope,
    signer: &SigningIdentity,
) -> Result<(Envelope, u64), MessageError> {
    filter(cx, envelope).map_err(|cause| MessageError::InitialChecks(Box::new(cause)))?;
    let orderer = cx.orderer()?;
    let channel_id = cx.bundle.channel_id();
    let (config, next) = propose(cx, orderer, envelope).map_err(|source| MessageError::Update {
        channel_id: channel_id.to_owned(),
        source: source.into(),
    })?;
    let message = sign(HeaderType::Config, channel_id, &config, cx.now_unix, signer)?;
    filter(cx, &message).map_err(|cause| MessageError::FinalChecks(Box::new(cause)))?;
    let update: ConfigUpdateEnvelope = configtx::envelope_data(envelope, HeaderType::ConfigUpdate)?;
    // It decoded when it was applied.
    let update = configtx::decode_update(&update).unwrap_or_default();
    maintenance::check(orderer, &next, &update, cx.now_unix).map_err(MessageError::MaintenanceChecks)?;
    Ok((message, cx.bundle.sequence()))
}

/// The configuration that an update leads to, and its ordering section.
fn propose(
    cx: &ProcessingContext<'_>,
    orderer: &OrdererConfig,
    envelope: &Envelope,
) -> Result<(ConfigEnvelope, OrdererConfig), ProposalError> {
    let config = configtx::propose_update(cx.bundle, envelope)?;
    let next = Bundle::new(cx.bundle.channel_id(), config.config.clone().unwrap_or_default())?;
    let next_orderer = next.orderer().ok_or(ProposalError::NoOrderer)?;
    if let Some(unsupported) = next.unsupported_capability() {
        return Err(unsupported.into());
    }
    cx.bundle.check_successor(&next)?;
    consenters::validate_metadata(orderer, next_orderer, cx.raft.as_ref(), cx.now_unix)?;
    let next_orderer = next_orderer.clone();
    Ok((config, next_orderer))
}

fn sign(
    kind: HeaderType,
    channel_id: &str,
    content: &impl Message,
    now_unix: i64,
    signer: &SigningIdentity,
) -> Result<Envelope, MessageError> {
    let draft = Draft::new(kind, channel_id, content.encode_to_vec().into(), now_unix);
    draft.sign(signer).map_err(MessageError::Signing)
}

fn channel_id_of(envelope: &Envelope) -> Result<String, MessageError> {
    let header = envelope::channel_header(envelope).map_err(MessageError::NoChannelHeader)?;
    Ok(header.channel_id)
}

fn header_type_of(envelope: &Envelope) -> Option<HeaderType> {
    HeaderType::try_from(envelope::channel_header(envelope).ok()?.r#type).ok()
}

/// The filters that every message passes on its way to be ordered. Their order decides the answer
/// to a message with several faults.
fn filter(cx: &ProcessingContext<'_>, envelope: &Envelope) -> Result<(), MessageError> {
    if envelope.payload.is_empty() {
        return Err(MessageError::Empty);
    }
    let orderer = cx.orderer()?;
    let (size, max) = (envelope::size_bytes(envelope), orderer.batch_size.absolute_max_bytes);
    if size > max as usize {
        return Err(MessageError::TooLarge { size, max });
    }
    let signed = envelope::signed_data(envelope).map_err(MessageError::NotSigned)?;
    let writers = cx.bundle.writers_policy();
    if cx.check_expiration && orderer.capabilities.expiration_check() {
        // Expiry is asked for before it is known whether there is a policy.
        let expiry = match writers {
            Ok(policy) => policy.expires_at_unix(&signed.identity),
            Err(_) => msp::expires_at_unix(&signed.identity),
        };
        if expiry.is_some_and(|expiry| expiry <= cx.now_unix) {
            return Err(MessageError::Expired);
        }
    }
    writers?.evaluate_one(&signed).map_err(|reason| {
        MessageError::Denied(Box::new(Denial::new(cx.bundle, denial::WRITERS, &signed, reason)))
    })?;
    match cx.system {
        Some(system) if header_type_of(envelope) == Some(HeaderType::OrdererTransaction) => {
            filter_creation(cx, system, orderer, envelope)
        }
        _ => Ok(()),
    }
}

fn filter_creation(
    cx: &ProcessingContext<'_>,
    system: SystemContext,
    orderer: &OrdererConfig,
    envelope: &Envelope,
) -> Result<(), MessageError> {
    // The system channel is counted, but not meant by the limit.
    if orderer.max_channels > 0 && system.channel_count > orderer.max_channels {
        return Err(MessageError::TooManyChannels(orderer.max_channels));
    }
    if orderer.consensus_state != ConsensusState::Normal {
        return Err(MessageError::CreationInMaintenance);
    }
    let payload = envelope::payload(envelope).map_err(MessageError::NoChannelHeader)?;
    let config: Envelope = wire::decode(&payload.data).map_err(MessageError::NoInnerEnvelope)?;
    Ok(creation::check_creation(cx.bundle, &config, cx.now_unix)?)
}

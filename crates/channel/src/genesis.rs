//! Genesis blocks from a typed description of a channel.
//!
//! Makes what Fabric's `configtxgen -outputBlock` makes of a profile in `configtx.yaml`: the same
//! groups, values, policies and `mod_policy` everywhere. All versions are 0. Apart from the
//! timestamp and the nonce, which come in, the result depends on the description alone.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use identity::policy::language::{self, LanguageError};
use protos::{
    Message,
    common::{
        Block, BlockMetadataIndex, Config, ConfigEnvelope, ConfigGroup, HeaderType, ImplicitMetaPolicy,
        LastConfig, Metadata, OrdererBlockMetadata, Policy, implicit_meta_policy::Rule, policy::PolicyType,
    },
    etcdraft::{ConfigMetadata, Options},
    msp::MspConfig,
    orderer::BatchSize,
    peer::AnchorPeer,
};

use crate::{block, envelope::Draft};

mod path;
mod request;
mod tree;

pub use path::error_chain;
pub use request::{
    RequestError, anchor_peers_update, creation_update, creation_update_under, update_envelope,
};

/// Why a description can not be turned into a genesis block. Most texts are those of Fabric's
/// `configtxgen`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The policies of a group are incomplete or unreadable.
    #[error("{}error adding policies to {}: {reason}", error_chain(.group), path::in_words(.group))]
    Policies {
        /// The path of the group.
        group: String,
        /// What is wrong.
        reason: PoliciesError,
    },
    /// Nobody would order the channel.
    #[error("refusing to generate block which is missing orderer section")]
    NoOrderer,
    /// Neither an application nor consortiums: nobody could use the channel.
    #[error("refusing to generate application channel block which is missing application section")]
    NoApplication,
    /// The definition of an organization is not known here, but a block needs it.
    #[error(
        "all org definitions must be local during bootstrapping: organization '{0}' is marked to be skipped as foreign"
    )]
    Foreign(String),
    /// Two organizations of a group have one name.
    #[error("organization {name} is listed twice in {group}")]
    DuplicateOrganization {
        /// The path of the group.
        group: String,
        /// The name.
        name: String,
    },
}

/// Why a group's policies can not be used. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoliciesError {
    /// There are none at all.
    #[error("no policies defined")]
    None,
    /// One that every such group must have is not there.
    #[error("no {0} policy defined")]
    Missing(&'static str),
    /// The text of a policy can not be read.
    #[error("invalid {kind} policy rule '{rule}': {reason}")]
    Rule {
        /// `signature` or `implicit meta`.
        kind: &'static str,
        /// The text.
        rule: String,
        /// What is wrong with it.
        reason: LanguageError,
    },
    /// A policy is neither `Signature` nor `ImplicitMeta`.
    #[error("unknown policy type: {0}")]
    UnknownType(String),
}

/// A policy as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyRule {
    /// Who has to sign, such as `OR('Org1MSP.member')`.
    Signature(String),
    /// How many sub-groups have to agree, such as `MAJORITY Admins`.
    ImplicitMeta(String),
}

impl PolicyRule {
    /// A rule of the type that `configtx.yaml` calls `Signature` or `ImplicitMeta`.
    pub fn of_type(kind: &str, rule: &str) -> Result<Self, PoliciesError> {
        match kind {
            "Signature" => Ok(Self::Signature(rule.to_owned())),
            "ImplicitMeta" => Ok(Self::ImplicitMeta(rule.to_owned())),
            _ => Err(PoliciesError::UnknownType(kind.to_owned())),
        }
    }

    /// A rule of the type that its text has the form of: implicit if it begins with `ANY`, `ALL` or
    /// `MAJORITY`.
    pub fn of_text(rule: &str) -> Self {
        match ["ANY ", "ALL ", "MAJORITY "].iter().any(|word| rule.starts_with(word)) {
            true => Self::ImplicitMeta(rule.to_owned()),
            false => Self::Signature(rule.to_owned()),
        }
    }

    /// The policy as configs hold it.
    pub fn compile(&self) -> Result<Policy, PoliciesError> {
        let (kind, rule, compiled) = match self {
            Self::Signature(rule) => {
                let compiled = language::parse(rule).map(|compiled| policy(PolicyType::Signature, &compiled));
                ("signature", rule, compiled)
            }
            Self::ImplicitMeta(rule) => {
                let compiled = language::parse_implicit_meta(rule);
                ("implicit meta", rule, compiled.map(|compiled| policy(PolicyType::ImplicitMeta, &compiled)))
            }
        };
        compiled.map_err(|reason| PoliciesError::Rule { kind, rule: rule.clone(), reason })
    }
}

fn policy(kind: PolicyType, rule: &impl Message) -> Policy {
    Policy { r#type: kind as i32, value: rule.encode_to_vec().into() }
}

/// Policies by name.
pub type Policies = BTreeMap<String, PolicyRule>;

/// `ANY Readers`, `ANY Writers` and `MAJORITY Admins`, as in Fabric's sample profiles.
pub fn default_policies() -> Policies {
    [("Readers", "ANY Readers"), ("Writers", "ANY Writers"), ("Admins", "MAJORITY Admins")]
        .map(|(name, rule)| (name.to_owned(), PolicyRule::ImplicitMeta(rule.to_owned())))
        .into()
}

/// [`default_policies`] and `BlockValidation`: `ANY Writers`.
pub fn default_orderer_policies() -> Policies {
    let mut policies = default_policies();
    policies.insert("BlockValidation".to_owned(), PolicyRule::ImplicitMeta("ANY Writers".to_owned()));
    policies
}

/// [`default_policies`], `Endorsement` and `LifecycleEndorsement`: `MAJORITY Endorsement`.
pub fn default_application_policies() -> Policies {
    let mut policies = default_policies();
    for name in ["Endorsement", "LifecycleEndorsement"] {
        policies.insert(name.to_owned(), PolicyRule::ImplicitMeta("MAJORITY Endorsement".to_owned()));
    }
    policies
}

/// An organization in any of its places.
#[derive(Debug, Clone, PartialEq)]
pub struct Organization {
    /// The key of its group; need not be the MSP id.
    pub name: String,
    /// Its MSP.
    pub msp: MspConfig,
    /// Its policies; `Readers`, `Writers` and `Admins` are mandatory.
    pub policies: Policies,
    /// `host:port` of its orderers; counts among the orderer organizations only.
    pub orderer_endpoints: Vec<String>,
    /// Its anchor peers; count in the application only.
    pub anchor_peers: Vec<AnchorPeer>,
    /// Its definition is known elsewhere only: the group stays empty, whatever else is said here. An
    /// update may mention such an organization, a block may not hold one.
    pub skip_as_foreign: bool,
}

/// Where an organization stands in a config; that decides which of its values it has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Among those who run orderers: with its endpoints.
    Orderer,
    /// Among those who use the channel: with its anchor peers.
    Application,
    /// Among the members of a consortium: with its MSP alone.
    Consortium,
}

impl Organization {
    /// The organization's group as it stands in this place below the group at `path` (such as
    /// `/Channel/Application`, for errors only).
    pub fn group(&self, place: Place, path: &str) -> Result<ConfigGroup, GenesisError> {
        tree::organization(path, place, self)
    }
}

/// What orders the channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Consensus {
    /// One node on its own.
    Solo,
    /// A Kafka cluster, brokers as `host:port`.
    Kafka {
        /// At least one.
        brokers: Vec<String>,
    },
    /// Raft among the consenters.
    Etcdraft(ConfigMetadata),
}

impl Consensus {
    fn name(&self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Kafka { .. } => "kafka",
            Self::Etcdraft(_) => "etcdraft",
        }
    }
}

/// Raft options when nothing is said: ticks of 500 ms, election after 10 and heartbeat at every one,
/// 5 blocks in flight, a snapshot every 16 MB.
pub fn default_raft_options() -> Options {
    Options {
        tick_interval: "500ms".to_owned(),
        election_tick: 10,
        heartbeat_tick: 1,
        max_inflight_blocks: 5,
        snapshot_interval_size: 16 * 1024 * 1024,
    }
}

/// Batches when nothing is said: 500 messages, 10 MB at most, 2 MB preferred.
pub fn default_batch_size() -> BatchSize {
    BatchSize {
        max_message_count: 500,
        absolute_max_bytes: 10 * 1024 * 1024,
        preferred_max_bytes: 2 * 1024 * 1024,
    }
}

/// The ordering service of the channel.
#[derive(Debug, Clone, PartialEq)]
pub struct OrdererSection {
    /// What orders.
    pub consensus: Consensus,
    /// When a batch is cut by size.
    pub batch_size: BatchSize,
    /// When a batch is cut by time.
    pub batch_timeout: Duration,
    /// How many channels a system channel may create; 0: any number.
    pub max_channels: u64,
    /// `host:port` of all orderers, for clients that do not read the organizations' endpoints.
    pub addresses: Vec<String>,
    /// Orderer capabilities; an empty list is a value, too.
    pub capabilities: Option<Vec<String>>,
    /// Who runs orderers.
    pub organizations: Vec<Organization>,
    /// `Readers`, `Writers`, `Admins` and `BlockValidation` are mandatory.
    pub policies: Policies,
}

impl OrdererSection {
    /// A section with the defaults of `configtxgen`, the sample profiles' policies and capability
    /// `V2_0`.
    pub fn new(consensus: Consensus, organizations: Vec<Organization>) -> Self {
        Self {
            consensus,
            batch_size: default_batch_size(),
            batch_timeout: Duration::from_secs(2),
            max_channels: 0,
            addresses: Vec::new(),
            capabilities: Some(vec!["V2_0".to_owned()]),
            organizations,
            policies: default_orderer_policies(),
        }
    }
}

/// The application on the channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationSection {
    /// Access rules of peers: resource → policy path.
    pub acls: BTreeMap<String, String>,
    /// Application capabilities; an empty list is a value, too.
    pub capabilities: Option<Vec<String>>,
    /// Whose clients and peers use the channel.
    pub organizations: Vec<Organization>,
    /// `Readers`, `Writers` and `Admins` are mandatory.
    pub policies: Policies,
}

impl ApplicationSection {
    /// A section with the sample profiles' policies and capability `V2_5`.
    pub fn new(organizations: Vec<Organization>) -> Self {
        Self {
            acls: BTreeMap::new(),
            capabilities: Some(vec!["V2_5".to_owned()]),
            organizations,
            policies: default_application_policies(),
        }
    }
}

/// A channel to be.
///
/// With `consortiums` it is a system channel, with `application` an application channel for the
/// participation API; a channel for development may have both.
#[derive(Debug, Clone, PartialEq)]
pub struct GenesisDescription {
    /// The channel's name. Not checked here, as it is not by `configtxgen`; see [`crate::names`].
    pub channel_id: String,
    /// The consortium that the channel belongs to.
    pub consortium: Option<String>,
    /// Channel capabilities; an empty list is a value, too.
    pub capabilities: Option<Vec<String>>,
    /// `Readers`, `Writers` and `Admins` are mandatory.
    pub policies: Policies,
    /// Who orders. A block needs it; the description of a channel that a system channel shall create
    /// goes without.
    pub orderer: Option<OrdererSection>,
    /// Who uses.
    pub application: Option<ApplicationSection>,
    /// Who may create channels: consortium → members.
    pub consortiums: Option<BTreeMap<String, Vec<Organization>>>,
}

impl GenesisDescription {
    /// An application channel with the sample profiles' policies and capability `V2_0`.
    pub fn application_channel(
        channel_id: &str,
        orderer: OrdererSection,
        application: ApplicationSection,
    ) -> Self {
        Self {
            channel_id: channel_id.to_owned(),
            consortium: None,
            capabilities: Some(vec!["V2_0".to_owned()]),
            policies: default_policies(),
            orderer: Some(orderer),
            application: Some(application),
            consortiums: None,
        }
    }

    /// The organizations of all sections; one that plays several parts comes up several times.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        let orderer = self.orderer.iter().flat_map(|section| &section.organizations);
        let application = self.application.iter().flat_map(|section| &section.organizations);
        let consortiums = self.consortiums.iter().flat_map(BTreeMap::values).flatten();
        orderer.chain(application).chain(consortiums)
    }

    /// The channel's first config.
    pub fn config(&self) -> Result<Config, GenesisError> {
        Ok(Config { sequence: 0, channel_group: Some(tree::channel(self)?) })
    }

    /// Block 0, made at `timestamp_seconds` (Unix), with a `nonce` of 24 random bytes. It is unsigned.
    pub fn block(&self, timestamp_seconds: i64, nonce: Bytes) -> Result<Block, GenesisError> {
        if let Some(foreign) = self.organizations().find(|organization| organization.skip_as_foreign) {
            return Err(GenesisError::Foreign(foreign.name.clone()));
        }
        let config = ConfigEnvelope { config: Some(self.config()?), last_update: None };
        if self.orderer.is_none() {
            return Err(GenesisError::NoOrderer);
        }
        if self.application.is_none() && self.consortiums.is_none() {
            return Err(GenesisError::NoApplication);
        }
        let envelope = Draft::new(
            HeaderType::Config,
            &self.channel_id,
            config.encode_to_vec().into(),
            timestamp_seconds,
        )
        .with_version(1)
        .with_tx_id()
        .unsigned(nonce);
        let mut block = block::new_block(0, Bytes::new(), vec![envelope.encode_to_vec().into()]);

        // The index of the last config is there, at 0, but nobody signs a genesis block.
        let metadata = OrdererBlockMetadata {
            last_config: Some(LastConfig { index: 0 }),
            consenter_metadata: Bytes::new(),
        };
        let metadata = Metadata { value: metadata.encode_to_vec().into(), signatures: vec![] };
        if let Some(slots) = &mut block.metadata {
            slots.metadata[BlockMetadataIndex::Signatures as usize] = metadata.encode_to_vec().into();
        }
        Ok(block)
    }
}

/// What may create channels of a consortium: an admin of any member. Nothing else can be said.
fn channel_creation_policy() -> Policy {
    policy(
        PolicyType::ImplicitMeta,
        &ImplicitMetaPolicy { sub_policy: "Admins".to_owned(), rule: Rule::Any as i32 },
    )
}

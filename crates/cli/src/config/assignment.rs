//! `--set PATH=VALUE`: what can be set, and how a value is read.

use channel::{
    consenters::ETCDRAFT,
    genesis::{PoliciesError, PolicyRule},
};
use protos::{
    Message,
    common::{Capabilities, Capability, Config, ConfigPolicy, OrdererAddresses, Policy},
    etcdraft::{ConfigMetadata, Options},
    orderer::{BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType, KafkaBrokers},
    peer::{AcLs, AnchorPeer, AnchorPeers, ApiResource},
};

use super::{
    raft::change_metadata,
    tree::{ADMINS, APPLICATION, CONSORTIUMS, GroupPath, ORDERER, TreeError},
};

/// A setting, or a family of them, as the documentation has it.
pub(super) struct Settable {
    /// Its path; capitals stand for a name.
    pub(super) path: &'static str,
    /// What may stand there.
    pub(super) value: &'static str,
    /// What it does.
    pub(super) meaning: &'static str,
}

const fn settable(path: &'static str, value: &'static str, meaning: &'static str) -> Settable {
    Settable { path, value, meaning }
}

/// All that can be set.
pub(super) const SETTABLE: &[Settable] = &[
    settable(
        "orderer.batch_timeout",
        "duration",
        "how long a transaction waits for others before a block is cut",
    ),
    settable("orderer.batch_size.max_message_count", "number", "most transactions in a block"),
    settable(
        "orderer.batch_size.absolute_max_bytes",
        "bytes",
        "largest transaction that is taken, and largest block",
    ),
    settable(
        "orderer.batch_size.preferred_max_bytes",
        "bytes",
        "a block is cut when it would grow above this",
    ),
    settable(
        "orderer.max_channels",
        "number",
        "most channels that a system channel may create; 0: any number",
    ),
    settable("orderer.kafka_brokers", "list of HOST:PORT", "brokers of a channel on Kafka"),
    settable("orderer.capabilities", "list", "capabilities of the ordering service, such as V2_0"),
    settable(
        "orderer.raft.tick_interval",
        "duration",
        "Raft's unit of time; takes effect when a node is started again",
    ),
    settable(
        "orderer.raft.election_tick",
        "number",
        "ticks without a leader before an election; after a restart",
    ),
    settable("orderer.raft.heartbeat_tick", "number", "ticks between heartbeats; after a restart"),
    settable(
        "orderer.raft.max_inflight_blocks",
        "number",
        "blocks proposed and not yet committed; after a restart",
    ),
    settable("orderer.raft.snapshot_interval_size", "bytes", "bytes ordered between two snapshots; at once"),
    settable("orderer.policies.NAME", "policy", "a policy of the ordering service"),
    settable("orderer.organizations.ORG.endpoints", "list of HOST:PORT", "where clients reach its orderers"),
    settable("orderer.organizations.ORG.policies.NAME", "policy", "a policy of an orderer organisation"),
    settable(
        "channel.orderer_addresses",
        "list of HOST:PORT",
        "all orderers, for clients that read no endpoints; also orderer.addresses",
    ),
    settable("channel.capabilities", "list", "capabilities of the channel, such as V2_0"),
    settable("channel.policies.NAME", "policy", "a policy of the channel"),
    settable("application.acls.RESOURCE", "policy path", "who may use a resource of peers"),
    settable("application.capabilities", "list", "capabilities of the application, such as V2_5"),
    settable("application.policies.NAME", "policy", "a policy of the application"),
    settable("application.organizations.ORG.anchor_peers", "list of HOST:PORT", "its anchor peers"),
    settable(
        "application.organizations.ORG.policies.NAME",
        "policy",
        "a policy of an application organisation",
    ),
    settable("consortiums.CONSORTIUM.channel_creation_policy", "policy", "who may create channels"),
    settable(
        "consortiums.CONSORTIUM.organizations.ORG.policies.NAME",
        "policy",
        "a policy of a consortium's member",
    ),
];

/// Why a setting cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AssignmentError {
    #[error("{0} is not PATH=VALUE, PATH+=VALUE or PATH-=VALUE, as in orderer.batch_timeout=1s")]
    Form(String),
    #[error("there is no setting {0}; those that there are:\n{list}", list = list())]
    Unknown(String),
    #[error("{path} takes a {expected}, not '{value}'{hint}", hint = hint(expected))]
    Value { path: String, expected: &'static str, value: String },
    #[error("{path} is a single value: use {path}=VALUE, not += or -=")]
    NotAList { path: String },
    #[error("{path} has no {item}; it has {present}")]
    NotInList { path: String, item: String, present: String },
    #[error("{path}: {source}")]
    Policy { path: String, source: PoliciesError },
    #[error("{path}: there is no policy {policy} that could be removed")]
    NoPolicy { path: String, policy: String },
    #[error("{path}: the channel is ordered by {consensus_type}, not by etcdraft")]
    NotRaft { path: String, consensus_type: String },
    #[error("{path}: {source}")]
    Tree { path: String, source: TreeError },
}

fn list() -> String {
    SETTABLE.iter().map(|one| format!("  {:<62} {}", one.path, one.value)).collect::<Vec<_>>().join("\n")
}

fn hint(expected: &str) -> &'static str {
    match expected {
        "bytes" => "; write 524288, 512 KB or 2 MB",
        "HOST:PORT" => ", as in orderer0.example.com:7050",
        _ => "",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Set,
    Add,
    Remove,
}

/// One `--set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    path: String,
    operator: Operator,
    value: String,
}

impl std::str::FromStr for Assignment {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Self, AssignmentError> {
        let (path, value) = text.split_once('=').ok_or_else(|| AssignmentError::Form(text.to_owned()))?;
        let (path, operator) = match (path.strip_suffix('+'), path.strip_suffix('-')) {
            (Some(path), _) => (path, Operator::Add),
            (_, Some(path)) => (path, Operator::Remove),
            _ => (path, Operator::Set),
        };
        if path.trim().is_empty() {
            return Err(AssignmentError::Form(text.to_owned()));
        }
        Ok(Self { path: path.trim().to_owned(), operator, value: value.trim().to_owned() })
    }
}

impl Assignment {
    /// Changes the config.
    pub(super) fn apply(&self, config: &mut Config) -> Result<(), AssignmentError> {
        let path = match self.path.as_str() {
            "orderer.addresses" => "channel.orderer_addresses",
            path => path,
        };
        let unknown = || AssignmentError::Unknown(self.path.clone());
        let (section, rest) = path.split_once('.').ok_or_else(unknown)?;
        if let Some((group, policy)) = path.rsplit_once(".policies.") {
            return self.set_policy(config, &group_named(group).ok_or_else(unknown)?, policy);
        }
        let (orderer, application) = (GroupPath::of([ORDERER]), GroupPath::of([APPLICATION]));
        match (section, rest) {
            ("channel", "orderer_addresses") => self.change_addresses(
                config,
                &GroupPath::root(),
                "OrdererAddresses",
                "/Channel/Orderer/Admins",
            ),
            ("channel", "capabilities") => self.change_capabilities(config, &GroupPath::root()),
            ("orderer", "capabilities") => self.change_capabilities(config, &orderer),
            ("application", "capabilities") => self.change_capabilities(config, &application),
            ("orderer", "batch_timeout") => {
                let timeout = self.duration()?;
                self.change(config, &orderer, "BatchTimeout", |value: &mut BatchTimeout| {
                    value.timeout = timeout
                })
            }
            ("orderer", "batch_size.max_message_count") => {
                let count = self.number()?;
                self.change(config, &orderer, "BatchSize", |size: &mut BatchSize| {
                    size.max_message_count = count
                })
            }
            ("orderer", "batch_size.absolute_max_bytes") => {
                let bytes = self.bytes()?;
                self.change(config, &orderer, "BatchSize", |size: &mut BatchSize| {
                    size.absolute_max_bytes = bytes
                })
            }
            ("orderer", "batch_size.preferred_max_bytes") => {
                let bytes = self.bytes()?;
                self.change(config, &orderer, "BatchSize", |size: &mut BatchSize| {
                    size.preferred_max_bytes = bytes
                })
            }
            ("orderer", "max_channels") => {
                let count = self.number()?;
                self.change(config, &orderer, "ChannelRestrictions", |value: &mut ChannelRestrictions| {
                    value.max_count = count;
                })
            }
            ("orderer", "kafka_brokers") => {
                let brokers =
                    orderer.value::<KafkaBrokers>(config, "KafkaBrokers").unwrap_or_default().brokers;
                let brokers = self.edit_list(brokers)?;
                self.change(config, &orderer, "KafkaBrokers", |value: &mut KafkaBrokers| {
                    value.brokers = brokers
                })
            }
            ("orderer", option) if option.starts_with("raft.") => {
                self.set_raft(config, &option["raft.".len()..])
            }
            ("orderer", inner) => {
                let organization = inner.strip_prefix("organizations.").ok_or_else(unknown)?;
                let name = organization.strip_suffix(".endpoints").ok_or_else(unknown)?;
                self.change_addresses(config, &orderer.join(name), "Endpoints", ADMINS)
            }
            ("application", inner) => {
                if let Some(resource) = inner.strip_prefix("acls.") {
                    return self.set_acl(config, &application, resource);
                }
                let organization = inner.strip_prefix("organizations.").ok_or_else(unknown)?;
                let name = organization.strip_suffix(".anchor_peers").ok_or_else(unknown)?;
                self.change_anchor_peers(config, &application.join(name))
            }
            ("consortiums", inner) => {
                let name = inner.strip_suffix(".channel_creation_policy").ok_or_else(unknown)?;
                let policy = self.policy()?;
                let group = GroupPath::of([CONSORTIUMS, name]);
                self.change(config, &group, "ChannelCreationPolicy", |value: &mut Policy| *value = policy)
            }
            _ => Err(unknown()),
        }
    }

    fn change<M: Message + Default + Clone + PartialEq>(
        &self,
        config: &mut Config,
        group: &GroupPath,
        key: &'static str,
        change: impl FnOnce(&mut M),
    ) -> Result<(), AssignmentError> {
        group.change_value(config, key, ADMINS, change).map_err(|source| self.in_tree(source))
    }

    fn in_tree(&self, source: TreeError) -> AssignmentError {
        AssignmentError::Tree { path: self.path.clone(), source }
    }

    fn wrong(&self, expected: &'static str) -> AssignmentError {
        AssignmentError::Value { path: self.path.clone(), expected, value: self.value.clone() }
    }

    /// The value of a setting that has one.
    fn single(&self) -> Result<&str, AssignmentError> {
        match self.operator {
            Operator::Set => Ok(&self.value),
            _ => Err(AssignmentError::NotAList { path: self.path.clone() }),
        }
    }

    fn number<N: std::str::FromStr>(&self) -> Result<N, AssignmentError> {
        self.single()?.parse().map_err(|_| self.wrong("number"))
    }

    /// A duration as Go writes it; what it must be besides is for the channel's own rules to say.
    fn duration(&self) -> Result<String, AssignmentError> {
        let text = self.single()?;
        channel::duration::parse(text).map_err(|_| self.wrong("duration such as 500ms or 2s"))?;
        Ok(text.to_owned())
    }

    /// As `configtx.yaml` reads sizes: `KB` and `MB` are powers of 1024.
    fn bytes(&self) -> Result<u32, AssignmentError> {
        let text = self.single()?.to_ascii_lowercase();
        let (number, factor) =
            [("kb", 10), ("kib", 10), ("k", 10), ("mb", 20), ("mib", 20), ("m", 20), ("b", 0)]
                .into_iter()
                .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, 1_u64 << shift)))
                .unwrap_or((&text, 1));
        let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        bytes.and_then(|bytes| u32::try_from(bytes).ok()).ok_or_else(|| self.wrong("bytes"))
    }

    fn items(&self) -> Vec<String> {
        self.value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// The list that this setting becomes.
    fn edit_list(&self, mut present: Vec<String>) -> Result<Vec<String>, AssignmentError> {
        let items = self.items();
        match self.operator {
            Operator::Set => return Ok(items),
            Operator::Add => {
                for item in items {
                    if !present.contains(&item) {
                        present.push(item);
                    }
                }
            }
            Operator::Remove => {
                for item in items {
                    let at = present.iter().position(|found| *found == item);
                    let Some(at) = at else {
                        let (path, present) = (self.path.clone(), present.join(", "));
                        return Err(AssignmentError::NotInList { path, item, present });
                    };
                    present.remove(at);
                }
            }
        }
        Ok(present)
    }

    fn addresses(&self, present: Vec<String>) -> Result<Vec<String>, AssignmentError> {
        let wrong = self.items().into_iter().find(|item| host_and_port(item).is_none());
        match wrong {
            Some(value) => {
                Err(AssignmentError::Value { path: self.path.clone(), expected: "HOST:PORT", value })
            }
            None => self.edit_list(present),
        }
    }

    fn change_addresses(
        &self,
        config: &mut Config,
        group: &GroupPath,
        key: &'static str,
        mod_policy: &str,
    ) -> Result<(), AssignmentError> {
        let present = group.value::<OrdererAddresses>(config, key).unwrap_or_default().addresses;
        let addresses = self.addresses(present)?;
        group
            .change_value(config, key, mod_policy, |value: &mut OrdererAddresses| value.addresses = addresses)
            .map_err(|source| self.in_tree(source))
    }

    fn change_anchor_peers(&self, config: &mut Config, group: &GroupPath) -> Result<(), AssignmentError> {
        let present = group.value::<AnchorPeers>(config, "AnchorPeers").unwrap_or_default().anchor_peers;
        let present = present.iter().map(|peer| format!("{}:{}", peer.host, peer.port)).collect();
        let addresses = self.addresses(present)?;
        let peers = addresses.iter().filter_map(|address| host_and_port(address));
        let peers =
            peers.map(|(host, port)| AnchorPeer { host: host.to_owned(), port: port.into() }).collect();
        self.change(config, group, "AnchorPeers", |value: &mut AnchorPeers| value.anchor_peers = peers)
    }

    fn change_capabilities(&self, config: &mut Config, group: &GroupPath) -> Result<(), AssignmentError> {
        let present = group.value::<Capabilities>(config, "Capabilities").unwrap_or_default();
        let names = self.edit_list(present.capabilities.into_keys().collect())?;
        self.change(config, group, "Capabilities", |value: &mut Capabilities| {
            value.capabilities = names.into_iter().map(|name| (name, Capability {})).collect();
        })
    }

    fn set_acl(&self, config: &mut Config, group: &GroupPath, resource: &str) -> Result<(), AssignmentError> {
        let policy_ref = self.single()?.to_owned();
        self.change(config, group, "ACLs", |value: &mut AcLs| {
            match policy_ref.is_empty() {
                true => value.acls.remove(resource),
                false => value.acls.insert(resource.to_owned(), ApiResource { policy_ref }),
            };
        })
    }

    fn set_raft(&self, config: &mut Config, option: &str) -> Result<(), AssignmentError> {
        type Change = Box<dyn FnOnce(&mut Options)>;
        let change: Change = match option {
            "tick_interval" => {
                let interval = self.duration()?;
                Box::new(move |options| options.tick_interval = interval)
            }
            "election_tick" => {
                let ticks = self.number()?;
                Box::new(move |options| options.election_tick = ticks)
            }
            "heartbeat_tick" => {
                let ticks = self.number()?;
                Box::new(move |options| options.heartbeat_tick = ticks)
            }
            "max_inflight_blocks" => {
                let blocks = self.number()?;
                Box::new(move |options| options.max_inflight_blocks = blocks)
            }
            "snapshot_interval_size" => {
                let bytes = self.bytes()?;
                Box::new(move |options| options.snapshot_interval_size = bytes)
            }
            _ => return Err(AssignmentError::Unknown(self.path.clone())),
        };
        let consensus_type = GroupPath::of([ORDERER]).value::<ConsensusType>(config, "ConsensusType");
        let consensus_type = consensus_type.unwrap_or_default().r#type;
        if consensus_type != ETCDRAFT {
            return Err(AssignmentError::NotRaft { path: self.path.clone(), consensus_type });
        }
        change_metadata(config, |metadata: &mut ConfigMetadata| {
            change(metadata.options.get_or_insert_default());
        })
        .map_err(|source| self.in_tree(source))
    }

    fn policy(&self) -> Result<Policy, AssignmentError> {
        PolicyRule::of_text(self.single()?)
            .compile()
            .map_err(|source| AssignmentError::Policy { path: self.path.clone(), source })
    }

    fn set_policy(&self, config: &mut Config, group: &GroupPath, name: &str) -> Result<(), AssignmentError> {
        if self.single()?.is_empty() {
            let policies = &mut group.find_mut(config).map_err(|source| self.in_tree(source))?.policies;
            let missing = || AssignmentError::NoPolicy { path: self.path.clone(), policy: name.to_owned() };
            return policies.remove(name).map(drop).ok_or_else(missing);
        }
        let policy = self.policy()?;
        let policies = &mut group.find_mut(config).map_err(|source| self.in_tree(source))?.policies;
        let made = || ConfigPolicy { mod_policy: ADMINS.to_owned(), ..ConfigPolicy::default() };
        policies.entry(name.to_owned()).or_insert_with(made).policy = Some(policy);
        Ok(())
    }
}

/// `orderer.organizations.ORG` and its like; names of organisations may have dots.
fn group_named(name: &str) -> Option<GroupPath> {
    let section = |name: &str| match name {
        "orderer" => Some(GroupPath::of([ORDERER])),
        "application" => Some(GroupPath::of([APPLICATION])),
        "channel" => Some(GroupPath::root()),
        _ => None,
    };
    if let Some((parent, organization)) = name.split_once(".organizations.") {
        let parent = match parent.strip_prefix("consortiums.") {
            Some(consortium) => GroupPath::of([CONSORTIUMS, consortium]),
            None => section(parent).filter(|_| parent != "channel")?,
        };
        return Some(parent.join(organization));
    }
    section(name)
}

/// Host and port of an address, an IPv6 host with its brackets taken off.
pub(super) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = unbracketed.unwrap_or(host);
    (!host.is_empty() && !host.contains(char::is_whitespace)).then_some((host, port))
}

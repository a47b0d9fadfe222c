//! `causeway config add-org`: an organisation comes into the channel.

use std::{
    fs,
    path::{Path, PathBuf},
};

use channel::genesis::{Organization, Place, Policies, PolicyRule};
use identity::local::{LocalMspError, MspFiles};
use protos::{
    Message,
    common::{Config, ConfigGroup},
    msp::MspConfig,
    peer::AnchorPeer,
};

use super::{
    assignment::host_and_port,
    document,
    proposal::ProposalArguments,
    tree::{APPLICATION, CONSORTIUMS, GroupPath, ORDERER, TreeError},
};
use crate::{
    failure::{Failure, Outcome, because},
    msp_directory,
};

/// Add an organisation to a channel
///
/// DEFINITION is what the organisation's administrator hands over: its MSP directory, or the JSON that
/// `configtxgen -printOrg` prints, which also brings its policies.
///
/// An MSP directory gets the usual policies: members read and write, administrators administer, and peers
/// endorse (members, where the MSP does not tell roles apart). --policy replaces or adds one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config add-org Org3MSP peerOrganizations/org3.example.com/msp
  causeway config add-org Org3 org3.json --output update.pb
  causeway config add-org NewOrdererOrg ordererOrganizations/new.example.com/msp --to orderer \\
      --mspid-of-org NewOrdererMSP --endpoint orderer.new.example.com:7050
  causeway config add-org Org3MSP org3/msp --policy Endorsement=\"OR('Org3MSP.member')\"")]
pub(super) struct Arguments {
    /// Name of its group in the config
    #[arg(value_name = "NAME")]
    name: String,
    /// Its MSP directory, or its definition as JSON
    #[arg(value_name = "DEFINITION")]
    definition: PathBuf,
    /// Where it belongs: application, orderer, or consortium:NAME on a system channel
    #[arg(long, value_name = "SECTION", default_value = "application")]
    to: Section,
    /// The id of its MSP, with an MSP directory (default: NAME)
    #[arg(long, value_name = "ID")]
    mspid_of_org: Option<String>,
    /// A policy, with an MSP directory; may be given several times
    #[arg(long, value_name = "NAME=RULE")]
    policy: Vec<NamedPolicy>,
    /// Where its orderers are reached, with an MSP directory and --to orderer; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Vec<String>,
    /// An anchor peer, with an MSP directory and --to application; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    anchor_peer: Vec<String>,
    #[command(flatten)]
    proposal: ProposalArguments,
}

/// Where an organisation belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Section {
    Application,
    Orderer,
    Consortium(String),
}

impl std::str::FromStr for Section {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match (text, text.strip_prefix("consortium:")) {
            ("application", _) => Ok(Self::Application),
            ("orderer", _) => Ok(Self::Orderer),
            (_, Some(name)) if !name.is_empty() => Ok(Self::Consortium(name.to_owned())),
            _ => Err("give application, orderer or consortium:NAME"),
        }
    }
}

impl Section {
    fn group(&self) -> GroupPath {
        match self {
            Self::Application => GroupPath::of([APPLICATION]),
            Self::Orderer => GroupPath::of([ORDERER]),
            Self::Consortium(name) => GroupPath::of([CONSORTIUMS, name]),
        }
    }

    fn place(&self) -> (Place, &'static str) {
        match self {
            Self::Application => (Place::Application, APPLICATION),
            Self::Orderer => (Place::Orderer, ORDERER),
            Self::Consortium(_) => (Place::Consortium, CONSORTIUMS),
        }
    }
}

/// A policy by name, as configtx.yaml writes its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedPolicy {
    name: String,
    rule: PolicyRule,
}

impl std::str::FromStr for NamedPolicy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (name, rule) = text
            .split_once('=')
            .filter(|(name, rule)| !name.is_empty() && !rule.is_empty())
            .ok_or("give NAME=RULE, as in Admins=OR('Org3MSP.admin')")?;
        Ok(Self { name: name.to_owned(), rule: PolicyRule::of_text(rule) })
    }
}

/// Why an organisation cannot be added so.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrganizationError {
    #[error("{name} is in {section} already; `causeway config edit` changes it")]
    Present { name: String, section: String },
    #[error("the MSP directory {} cannot be used", path.display())]
    Msp { path: PathBuf, source: LocalMspError },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    let group = match arguments.definition.is_dir() {
        true => arguments.read_directory(&arguments.definition)?,
        false => arguments.read_json(&arguments.definition)?,
    };
    let section = arguments.to.group();
    arguments.proposal.propose(|config| add(config, &section, &arguments.name, group)).await
}

/// Adds the organisation's group.
fn add(
    config: &mut Config,
    section: &GroupPath,
    name: &str,
    organization: ConfigGroup,
) -> Result<(), OrganizationError> {
    let groups = &mut section.find_mut(config)?.groups;
    if groups.contains_key(name) {
        return Err(OrganizationError::Present { name: name.to_owned(), section: section.name() });
    }
    groups.insert(name.to_owned(), organization);
    Ok(())
}

impl Arguments {
    fn read_json(&self, path: &Path) -> Result<ConfigGroup, Failure> {
        let unused = [
            (self.mspid_of_org.is_some(), "--mspid-of-org"),
            (!self.policy.is_empty(), "--policy"),
            (!self.endpoint.is_empty(), "--endpoint"),
            (!self.anchor_peer.is_empty(), "--anchor-peer"),
        ];
        if let Some((_, flag)) = unused.into_iter().find(|(given, _)| *given) {
            return Err(because(format!(
                "{flag} goes with an MSP directory; the JSON in {} says it",
                path.display()
            )));
        }
        let text = fs::read_to_string(path).map_err(|error| {
            because(format!(
                "{} cannot be read ({error}); an MSP directory or the JSON of `configtxgen -printOrg` is wanted",
                path.display()
            ))
        })?;
        let (_, section) = self.to.place();
        document::organization(section, &text)
            .map_err(|error| because(format!("{}: {error}", path.display())))
    }

    fn read_directory(&self, path: &Path) -> Result<ConfigGroup, Failure> {
        let mspid = self.mspid_of_org.as_deref().unwrap_or(&self.name);
        let files = msp_directory::read(path)?;
        let msp = files
            .fabric_config(mspid)
            .map_err(|source| OrganizationError::Msp { path: path.to_owned(), source })?;
        let mut policies = usual_policies(mspid, &files, &self.to);
        policies.extend(self.policy.iter().map(|policy| (policy.name.clone(), policy.rule.clone())));
        let organization = Organization {
            name: self.name.clone(),
            msp: MspConfig { r#type: 0, config: msp.encode_to_vec().into() },
            policies,
            orderer_endpoints: self
                .addresses("--endpoint", &self.endpoint, Section::Orderer)?
                .into_iter()
                .map(|(host, port)| format!("{host}:{port}"))
                .collect(),
            anchor_peers: self
                .addresses("--anchor-peer", &self.anchor_peer, Section::Application)?
                .into_iter()
                .map(|(host, port)| AnchorPeer { host: host.to_owned(), port: port.into() })
                .collect(),
            skip_as_foreign: false,
        };
        Ok(organization.group(self.to.place().0, &self.to.group().absolute())?)
    }

    /// Addresses that count in one section alone.
    fn addresses<'a>(
        &self,
        flag: &str,
        given: &'a [String],
        section: Section,
    ) -> Result<Vec<(&'a str, u16)>, Failure> {
        if !given.is_empty() && self.to != section {
            return Err(because(format!("{flag} goes with --to {}", section.group().name())));
        }
        let wrong = |address: &String| because(format!("{flag} {address}: give HOST:PORT"));
        given.iter().map(|address| host_and_port(address).ok_or_else(|| wrong(address))).collect()
    }
}

/// The policies that Fabric's samples give an organisation.
fn usual_policies(mspid: &str, files: &MspFiles, section: &Section) -> Policies {
    let node_ous = files.config_yaml.as_ref().and_then(|yaml| yaml.node_ous.as_ref());
    let knows_peers = node_ous.is_some_and(|ous| ous.enable && ous.peer.is_some());
    let rule = |role: &str| PolicyRule::Signature(format!("OR('{mspid}.{role}')"));
    let mut policies: Policies = [("Readers", "member"), ("Writers", "member"), ("Admins", "admin")]
        .map(|(name, role)| (name.to_owned(), rule(role)))
        .into();
    if *section == Section::Application {
        policies.insert("Endorsement".to_owned(), rule(if knows_peers { "peer" } else { "member" }));
    }
    policies
}

//! `causeway config add-org`: an organisation comes into the channel.

use std::{
    fs,
    path::{Path, PathBuf},
};

use protos::common::{Config, ConfigGroup};

use super::{
    document,
    proposal::ProposalArguments,
    tree::{APPLICATION, CONSORTIUMS, GroupPath, ORDERER, TreeError},
};
use crate::failure::{Failure, Outcome, because};

/// Add an organisation to a channel
///
/// DEFINITION is what the organisation's administrator hands over: the JSON that `configtxgen -printOrg`
/// prints.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config add-org Org3 org3.json --output update.pb
  causeway config add-org NewOrdererOrg new.json --to orderer")]
pub(super) struct Arguments {
    /// Name of its group in the config
    #[arg(value_name = "NAME")]
    name: String,
    /// Its definition as JSON
    #[arg(value_name = "DEFINITION")]
    definition: PathBuf,
    /// Where it belongs: application, orderer, or consortium:NAME on a system channel
    #[arg(long, value_name = "SECTION", default_value = "application")]
    to: Section,
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

    fn name(&self) -> &'static str {
        match self {
            Self::Application => APPLICATION,
            Self::Orderer => ORDERER,
            Self::Consortium(_) => CONSORTIUMS,
        }
    }
}

/// Why an organisation cannot be added so.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrganizationError {
    #[error("{name} is in {section} already; `causeway config edit` changes it")]
    Present { name: String, section: String },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

pub(super) async fn run(arguments: Arguments) -> Outcome {
    let group = arguments.from_json(&arguments.definition)?;
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
    fn from_json(&self, path: &Path) -> Result<ConfigGroup, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            because(format!(
                "{} cannot be read ({error}); the JSON of `configtxgen -printOrg` is wanted",
                path.display()
            ))
        })?;
        document::organization(self.to.name(), &text)
            .map_err(|error| because(format!("{}: {error}", path.display())))
    }
}

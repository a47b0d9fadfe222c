//! A config as a JSON document that people and scripts edit, and files that hold a config.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use channel::{
    block,
    json::{self, JsonError},
};
use protos::{
    Message,
    common::{Block, Config, ConfigGroup},
};

use super::{
    tree::{CONSORTIUMS, GroupPath},
    update::Update,
};

const CONFIG: &str = "common.Config";
const BLOCK: &str = "common.Block";

/// Why a document is no config.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("the channel's config cannot be shown as JSON: {0}")]
    Show(JsonError),
    #[error("{0}")]
    Json(JsonError),
    #[error(
        "the document has no channel_group: a config as `causeway config show --json` prints it is wanted"
    )]
    NoChannelGroup,
    #[error(
        "the document has no MSP: the JSON of one organisation, as `configtxgen -printOrg` prints it, is wanted"
    )]
    NoOrganization,
    #[error(
        "the document is config {document}, but the channel is at config {live}: it has changed since. Fetch it again \
         with `causeway config show --json` and repeat the change"
    )]
    OtherSequence { document: u64, live: u64 },
    #[error("{path} cannot be read", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{path} holds no config; a block, a config (as protobuf or JSON) or a config update is wanted",
        path = path.display()
    )]
    NoConfig { path: PathBuf },
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: Box<DocumentError> },
}

/// The JSON form of a config, as `configtxlator proto_decode --type common.Config` prints it.
pub(super) fn show(config: &Config) -> Result<String, DocumentError> {
    json::decode(CONFIG, &config.encode_to_vec()).map_err(DocumentError::Show)
}

/// The config that an edited document stands for. What was not edited keeps its very bytes, whether or not
/// JSON can express them.
pub(super) fn edited(original: &Config, document: &str) -> Result<Config, DocumentError> {
    let edited = parse(document)?;
    if edited.sequence != original.sequence {
        return Err(DocumentError::OtherSequence { document: edited.sequence, live: original.sequence });
    }
    let as_shown = parse(&show(original)?)?;
    let nothing = ConfigGroup::default();
    let group = |config: &Config| config.channel_group.clone().unwrap_or_else(|| nothing.clone());
    let mut result = group(&edited);
    restore(&mut result, &group(&as_shown), &group(original));
    Ok(Config { sequence: original.sequence, channel_group: Some(result) })
}

fn parse(document: &str) -> Result<Config, DocumentError> {
    let bytes = json::encode(CONFIG, document).map_err(DocumentError::Json)?;
    let config = Config::decode(&bytes[..]).ok().filter(|config| config.channel_group.is_some());
    config.ok_or(DocumentError::NoChannelGroup)
}

/// Gives every element that is as it was shown the content that it has in the original.
fn restore(edited: &mut ConfigGroup, shown: &ConfigGroup, original: &ConfigGroup) {
    for (name, value) in &mut edited.values {
        if let (Some(shown), Some(original)) = (shown.values.get(name), original.values.get(name))
            && shown.value == value.value
        {
            value.value = original.value.clone();
        }
    }
    for (name, policy) in &mut edited.policies {
        if let (Some(shown), Some(original)) = (shown.policies.get(name), original.policies.get(name))
            && shown.policy == policy.policy
        {
            policy.policy = original.policy.clone();
        }
    }
    for (name, group) in &mut edited.groups {
        if let (Some(shown), Some(original)) = (shown.groups.get(name), original.groups.get(name)) {
            restore(group, shown, original);
        }
    }
}

/// An organisation's group from the JSON that `configtxgen -printOrg` prints; `section` is where it is to
/// stand, since that decides which values it may have.
pub(super) fn organization(section: &str, document: &str) -> Result<ConfigGroup, DocumentError> {
    let groups = if section == CONSORTIUMS { vec![section, "consortium"] } else { vec![section] };
    let name = "organization";
    let outer: String = groups.iter().map(|group| format!("{{\"groups\":{{\"{group}\":")).collect();
    // Its JSON is read as a part of a config's, with no line before it, so that lines are told right.
    let before = format!("{{\"channel_group\":{outer}{{\"groups\":{{\"{name}\":");
    let after = "}".repeat(2 * groups.len() + 3);
    let config = parse(&format!("{before}{document}{after}"))?;
    let group = GroupPath::of(groups).join(name).find(&config).cloned();
    group.filter(|group| group.values.contains_key("MSP")).ok_or(DocumentError::NoOrganization)
}

/// What a file holds, as far as it can stand for a config.
pub(super) enum Held {
    /// A config.
    Config(Config),
    /// An update of the config in force.
    Update(Update),
}

/// Reads a block, a config (protobuf, or JSON of either), or an update.
pub(super) fn read(path: &Path) -> Result<Held, DocumentError> {
    let bytes = fs::read(path).map_err(|source| DocumentError::Read { path: path.to_owned(), source })?;
    let bytes = Bytes::from(bytes);
    let in_file = |source| DocumentError::File { path: path.to_owned(), source: Box::new(source) };
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        let text = String::from_utf8_lossy(&bytes);
        return from_json(&text).map_err(in_file);
    }
    if let Some(update) = Update::decode(&bytes) {
        return Ok(Held::Update(update));
    }
    let in_block = Block::decode(bytes.clone()).ok().and_then(|block| config_in(&block));
    let config = in_block.or_else(|| {
        let config = Config::decode(bytes).ok().filter(|config| config.channel_group.is_some())?;
        Some(Held::Config(config))
    });
    config.ok_or_else(|| DocumentError::NoConfig { path: path.to_owned() })
}

fn config_in(block: &Block) -> Option<Held> {
    let config =
        block::config_envelope(block).ok()?.config.filter(|config| config.channel_group.is_some())?;
    Some(Held::Config(config))
}

fn from_json(text: &str) -> Result<Held, DocumentError> {
    let is_block = serde_json::from_str::<serde_json::Value>(text)
        .is_ok_and(|document| document.get("channel_group").is_none() && document.get("data").is_some());
    if !is_block {
        return Ok(Held::Config(parse(text)?));
    }
    let bytes = json::encode(BLOCK, text).map_err(DocumentError::Json)?;
    let block = Block::decode(&bytes[..]).ok();
    block.as_ref().and_then(config_in).ok_or(DocumentError::NoChannelGroup)
}

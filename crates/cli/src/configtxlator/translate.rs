//! What the commands and the server have in common.

use bytes::Bytes;
use channel::{
    configtx::{ComputeError, compute_update},
    json::{self, JsonError},
};
use protos::{Message as _, common::Config};

/// What Go's protobuf library says of bytes that are no message.
const NO_MESSAGE: &str = "proto: cannot parse invalid wire-format data";

/// Why there is no update.
#[derive(Debug, PartialEq)]
pub(super) enum UpdateFailure {
    /// The original config is no config.
    Original,
    /// The updated one is none.
    Updated,
    /// There is none between these two.
    Computing(ComputeError),
}

impl UpdateFailure {
    pub(super) fn in_command(&self) -> String {
        match self {
            Self::Original => format!("error unmarshalling original config: {NO_MESSAGE}"),
            Self::Updated => format!("error unmarshalling updated config: {NO_MESSAGE}"),
            Self::Computing(error) => format!("error computing config update: {error}"),
        }
    }

    pub(super) fn in_answer(&self) -> String {
        match self {
            Self::Original => {
                format!("Error with field 'original': error unmarshalling field bytes: {NO_MESSAGE}")
            }
            Self::Updated => {
                format!("Error with field 'updated': error unmarshalling field bytes: {NO_MESSAGE}")
            }
            Self::Computing(error) => format!("Error computing update: {error}"),
        }
    }
}

/// The marshaled update for a channel between two marshaled configs.
pub(super) fn update(channel: &str, original: &[u8], updated: &[u8]) -> Result<Vec<u8>, UpdateFailure> {
    // Copied once, then shared by all values.
    let config = |bytes| Config::decode(Bytes::copy_from_slice(bytes));
    let original = config(original).map_err(|_| UpdateFailure::Original)?;
    let updated = config(updated).map_err(|_| UpdateFailure::Updated)?;
    let update = compute_update(channel, &original, &updated).map_err(UpdateFailure::Computing)?;
    Ok(update.encode_to_vec())
}

/// The message that some JSON is the form of.
pub(super) fn encode(message_type: &str, text: &[u8]) -> Result<Vec<u8>, JsonError> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = String::from_utf8_lossy(&text[..error.valid_up_to()]);
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        JsonError::Parse {
            text: "error unmarshaling intermediate JSON: the text is not UTF-8".to_owned(),
            line: before.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
        }
    })?;
    json::encode(message_type, text)
}

/// A hint at the types with the same name in another package, if there are such.
pub(super) fn similar_types(message_type: &str) -> String {
    let name = |full: &str| full.rsplit('.').next().unwrap_or_default().to_lowercase();
    let similar: Vec<_> = json::message_types().filter(|known| name(known) == name(message_type)).collect();
    if similar.is_empty() { String::new() } else { format!(", did you mean {}?", similar.join(" or ")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_that_is_no_utf8_is_refused_where_it_is() {
        let error = encode("common.Block", b"{\n \"\xc3\xa4\xff\": 1}").unwrap_err();
        assert!(error.to_string().ends_with("the text is not UTF-8 (line 2, column 4)"), "{error}");
    }

    #[test]
    fn types_of_that_name_are_suggested() {
        assert_eq!(similar_types("peer.Transaction"), ", did you mean protos.Transaction?");
        assert_eq!(
            similar_types("applicationpolicy"),
            ", did you mean common.ApplicationPolicy or protos.ApplicationPolicy?"
        );
        assert_eq!(similar_types("common.Nope"), "");
    }

    #[test]
    fn what_is_no_config_is_named() {
        let config = Config { sequence: 1, channel_group: None }.encode_to_vec();
        assert_eq!(update("c", b"\xff", &config), Err(UpdateFailure::Original));
        assert_eq!(update("c", &config, b"\xff"), Err(UpdateFailure::Updated));
        assert_eq!(update("c", &config, &config), Err(UpdateFailure::Computing(ComputeError::NoOriginal)));
    }
}

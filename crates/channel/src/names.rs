//! Which names channels and configuration elements may have.

/// Longest channel id and configuration key, in bytes.
pub const MAX_LENGTH: usize = 249;

/// Why a string can not be a channel id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelIdError {
    /// The id has no characters.
    #[error("channel ID illegal, cannot be empty")]
    Empty,
    /// The id has more than [`MAX_LENGTH`] bytes.
    #[error("channel ID illegal, cannot be longer than {MAX_LENGTH}")]
    TooLong,
    /// The id is not a lower-case letter followed by lower-case letters, digits, dots and dashes.
    #[error("'{0}' contains illegal characters")]
    IllegalCharacters(String),
}

/// Why a string can not name a group, value or policy of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigKeyError {
    /// The name has no characters.
    #[error("config ID illegal, cannot be empty")]
    Empty,
    /// The name has more than [`MAX_LENGTH`] bytes.
    #[error("config ID illegal, cannot be longer than {MAX_LENGTH}")]
    TooLong,
    /// The name is `.` or `..`.
    #[error("name '{0}' for config ID is not allowed")]
    NotAllowed(String),
    /// The name has other characters than letters, digits, dots and dashes.
    #[error("config ID '{0}' contains illegal characters")]
    IllegalCharacters(String),
}

/// Why a string can not be the `mod_policy` of an element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModPolicyError {
    /// There is none.
    #[error("mod_policy not set")]
    NotSet,
    /// One of the parts between slashes can not be a name.
    #[error("path element at {index} is invalid: {source}")]
    IllegalElement {
        /// Position of the part, from 0.
        index: usize,
        /// What is wrong with it.
        source: ConfigKeyError,
    },
}

/// A name as somebody sent it, for logs and errors: no longer than a name may be, and on one line.
pub fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(MAX_LENGTH).flat_map(char::escape_debug).collect();
    if name.chars().nth(MAX_LENGTH).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Checks a channel id.
pub fn check_channel_id(id: &str) -> Result<(), ChannelIdError> {
    if id.is_empty() {
        return Err(ChannelIdError::Empty);
    }
    if id.len() > MAX_LENGTH {
        return Err(ChannelIdError::TooLong);
    }
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.bytes().all(legal) {
        return Err(ChannelIdError::IllegalCharacters(id.to_owned()));
    }
    Ok(())
}

/// Checks the name of a group, value or policy.
pub fn check_config_key(key: &str) -> Result<(), ConfigKeyError> {
    if key.is_empty() {
        return Err(ConfigKeyError::Empty);
    }
    if key.len() > MAX_LENGTH {
        return Err(ConfigKeyError::TooLong);
    }
    if key == "." || key == ".." {
        return Err(ConfigKeyError::NotAllowed(key.to_owned()));
    }
    if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-') {
        return Err(ConfigKeyError::IllegalCharacters(key.to_owned()));
    }
    Ok(())
}

/// Checks that a `mod_policy` could be the path of a policy, absolute or relative. Whether that
/// policy exists is not asked: an element may be locked by naming one that does not.
pub fn check_mod_policy(path: &str) -> Result<(), ModPolicyError> {
    if path.is_empty() {
        return Err(ModPolicyError::NotSet);
    }
    let relative = path.strip_prefix('/').unwrap_or(path);
    for (index, element) in relative.split('/').enumerate() {
        check_config_key(element).map_err(|source| ModPolicyError::IllegalElement { index, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<E: ToString>(result: Result<(), E>) -> String {
        result.map_or_else(|e| e.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn channel_ids() {
        let longest = "a".repeat(249);
        let table = [
            ("a", "ok"),
            ("ch-1.x", "ok"),
            (longest.as_str(), "ok"),
            ("", "channel ID illegal, cannot be empty"),
            (&"a".repeat(250), "channel ID illegal, cannot be longer than 249"),
            ("1a", "'1a' contains illegal characters"),
            ("Bad_Name", "'Bad_Name' contains illegal characters"),
            ("aé", "'aé' contains illegal characters"),
            ("a b", "'a b' contains illegal characters"),
        ];
        for (id, expected) in table {
            assert_eq!(text(check_channel_id(id)), expected);
        }
    }

    #[test]
    fn config_keys() {
        let table = [
            ("Org1MSP", "ok"),
            ("...", "ok"),
            ("", "config ID illegal, cannot be empty"),
            (&"a".repeat(250), "config ID illegal, cannot be longer than 249"),
            (".", "name '.' for config ID is not allowed"),
            ("..", "name '..' for config ID is not allowed"),
            ("Bad Key", "config ID 'Bad Key' contains illegal characters"),
            ("a/b", "config ID 'a/b' contains illegal characters"),
        ];
        for (key, expected) in table {
            assert_eq!(text(check_config_key(key)), expected);
        }
    }

    #[test]
    fn mod_policies() {
        let table = [
            ("Admins", "ok"),
            ("/Channel/Orderer/Admins", "ok"),
            ("Orderer/Admins", "ok"),
            ("/Channel", "ok"),
            ("", "mod_policy not set"),
            ("/", "path element at 0 is invalid: config ID illegal, cannot be empty"),
            ("a//b", "path element at 1 is invalid: config ID illegal, cannot be empty"),
            ("a/b c", "path element at 1 is invalid: config ID 'b c' contains illegal characters"),
        ];
        for (path, expected) in table {
            assert_eq!(text(check_mod_policy(path)), expected);
        }
    }
}

//! Protobuf values in the text form in which Go prints them into errors.

use protos::common::{ConfigGroup, HeaderType};

/// The name of a header type, or its number when it has none.
pub(crate) fn header_type(number: i32) -> String {
    HeaderType::try_from(number).map_or_else(|_| number.to_string(), |known| known.as_str_name().to_owned())
}

/// A group with the names of its members; their contents would make the error unreadable.
pub(crate) fn config_group(group: &ConfigGroup) -> String {
    let mut text = String::new();
    if group.version != 0 {
        text.push_str(&format!("version:{} ", group.version));
    }
    let members = group
        .groups
        .keys()
        .map(|key| ("groups", key))
        .chain(group.values.keys().map(|key| ("values", key)))
        .chain(group.policies.keys().map(|key| ("policies", key)));
    for (kind, key) in members {
        text.push_str(&format!("{kind}:<key:{key:?} > "));
    }
    if !group.mod_policy.is_empty() {
        text.push_str(&format!("mod_policy:{:?} ", group.mod_policy));
    }
    text
}

//! Fabric's words for the groups of a config, for errors.

/// What Fabric's `configtxgen` puts in front of an error about the group at this path, such as
/// `/Channel/Orderer/Org1`: which groups could not be made because of it. Empty, or ends with a colon and
/// a blank.
pub fn error_chain(path: &str) -> String {
    match &segments(path)[..] {
        ["Channel", "Orderer"] => "could not create orderer group: ".to_owned(),
        ["Channel", "Orderer", _] => {
            "could not create orderer group: failed to create orderer org: ".to_owned()
        }
        ["Channel", "Application"] => "could not create application group: ".to_owned(),
        ["Channel", "Application", _] => {
            "could not create application group: failed to create application org: ".to_owned()
        }
        ["Channel", "Consortiums", consortium, ..] => format!(
            "could not create consortiums group: failed to create consortium {consortium}: failed to create consortium org: "
        ),
        _ => String::new(),
    }
}

/// The group at this path in Fabric's words.
pub(super) fn in_words(path: &str) -> String {
    match &segments(path)[..] {
        ["Channel"] => "channel group".to_owned(),
        ["Channel", "Orderer"] => "orderer group".to_owned(),
        ["Channel", "Orderer", name] => format!("orderer org group '{name}'"),
        ["Channel", "Application"] => "application group".to_owned(),
        ["Channel", "Application", name] => format!("application org group {name}"),
        ["Channel", "Consortiums", _, name] => format!("consortiums org group '{name}'"),
        _ => path.to_owned(),
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

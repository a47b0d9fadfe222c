//! What this build is.

/// The version of the node.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, when the build was told (`CAUSEWAY_COMMIT_SHA`).
pub const COMMIT_SHA: &str = match option_env!("CAUSEWAY_COMMIT_SHA") {
    Some(commit) => commit,
    None => "development build",
};

/// The version text of a program, in Fabric's layout.
pub fn text(program: &str) -> String {
    format!(
        "{program}:\n Version: {VERSION}\n Commit SHA: {COMMIT_SHA}\n Go version: none, written in Rust\n OS/Arch: {}/{}\n",
        std::env::consts::OS,
        architecture(std::env::consts::ARCH),
    )
}

/// Go's name of a processor architecture.
fn architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_text_has_fabrics_lines() {
        let text = super::text("orderer");
        let lines: Vec<_> = text.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
        assert_eq!(lines, ["orderer:", " Version", " Commit SHA", " Go version", " OS/Arch"]);
        assert!(!text.contains("x86_64"), "{text}");
    }
}

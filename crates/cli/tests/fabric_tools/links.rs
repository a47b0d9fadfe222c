//! `causeway install-links`, and what the links do.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use super::{CAUSEWAY, causeway, text};

const TOOLS: [&str; 5] = ["orderer", "cryptogen", "configtxgen", "configtxlator", "osnadmin"];

#[test]
fn links_make_the_tools() {
    let directory = tempfile::tempdir().unwrap();
    let output = causeway(directory.path(), &["install-links", "fabric/bin"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bin = directory.path().join("fabric/bin").canonicalize().unwrap();
    let said = text(&output.stdout);
    assert!(said.ends_with(&format!("  export PATH=\"{}:$PATH\"\n", bin.display())), "{said}");
    for tool in TOOLS {
        assert_eq!(fs::read_link(bin.join(tool)).unwrap(), Path::new(CAUSEWAY).canonicalize().unwrap());
        assert!(said.contains(&format!("{} -> ", bin.join(tool).display())), "{tool}: {said}");
        let help = Command::new(bin.join(tool)).arg("--help").output().unwrap();
        // Fabric's tools print their help to either of the two.
        let help = [help.stdout, help.stderr].concat();
        assert!(text(&help).contains(tool), "{tool}: {}", text(&help));
    }
    let again = causeway(directory.path(), &["install-links", "fabric/bin"]);
    assert!(again.status.success());
    assert_eq!(text(&again.stdout).matches("is there already").count(), TOOLS.len());
}

#[test]
fn what_is_not_ours_is_replaced_only_by_force() {
    let directory = tempfile::tempdir().unwrap();
    let theirs = directory.path().join("osnadmin");
    let dangling = directory.path().join("cryptogen");
    fs::write(&theirs, "Fabric's").unwrap();
    symlink("/nowhere/cryptogen", &dangling).unwrap();
    let refused = causeway(directory.path(), &["install-links", "."]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--force"), "{}", text(&refused.stderr));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is made");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "Fabric's");

    assert!(causeway(directory.path(), &["install-links", ".", "--force"]).status.success());
    for link in [theirs, dangling] {
        assert_eq!(fs::canonicalize(link).unwrap(), Path::new(CAUSEWAY).canonicalize().unwrap());
    }
}

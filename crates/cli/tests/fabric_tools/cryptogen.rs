//! `cryptogen`: the trees that it makes and extends.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use identity::certificate::Certificate;

use super::{causeway, text, tree};

const CONFIG: &str = r#"
OrdererOrgs:
  - Name: Orderer
    Domain: example.com
    Specs:
      - Hostname: orderer
        SANS: [localhost, 127.0.0.1, "{{.CommonName}}.alt"]
PeerOrgs:
  - Name: Org1
    Domain: org1.example.com
    EnableNodeOUs: yes
    CA: {Hostname: root, Country: DE, Locality: München, OrganizationalUnit: Nets}
    Template:
      Count: 2
      Start: 0x5
      Hostname: "{{.Prefix}}{{printf \"%02d\" .Index}}"
    Users: {Count: 1}
"#;

fn generate(directory: &Path, config: &str) {
    fs::write(directory.join("c.yaml"), config).unwrap();
    let output = causeway(directory, &["cryptogen", "generate", "--config", "c.yaml", "--output", "out"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

fn certificate(path: &Path) -> Certificate {
    Certificate::from_pem(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_tree_is_that_of_vectors() {
    let Some(vectors) = vectors() else { return };
    let theirs = vectors.join("crypto");
    let directory = tempfile::tempdir().unwrap();
    generate(directory.path(), &fs::read_to_string(theirs.join("crypto-config.yaml")).unwrap());
    let (ours, mut theirs_tree) = (tree(&directory.path().join("out")), tree(&theirs));
    theirs_tree.remove(Path::new("crypto-config.yaml"));
    // There, empty directories are not kept, and of organisations with peers not everything is.
    let kept = |tree: &BTreeMap<PathBuf, (u32, Vec<u8>)>| -> Vec<PathBuf> {
        let whole = |path: &Path| {
            path.starts_with("ordererOrganizations")
                || path.starts_with("peerOrganizations/org1.example.com/peers")
        };
        let files = tree.iter().filter(|(path, (_, content))| whole(path) && !content.is_empty());
        files.map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(kept(&ours), kept(&theirs_tree));
    for (path, (_, theirs)) in theirs_tree.iter().filter(|(_, (_, content))| !content.is_empty()) {
        let ours = &ours[path].1;
        if theirs.starts_with(b"-----BEGIN CERTIFICATE") {
            let [ours, theirs] = [ours, theirs].map(|pem| Certificate::from_pem(pem).unwrap());
            assert_eq!((ours.subject(), ours.issuer()), (theirs.subject(), theirs.issuer()));
            let lifetime = |c: &Certificate| c.not_after_unix() - c.not_before_unix();
            assert_eq!(lifetime(&ours), lifetime(&theirs));
            assert_eq!(ours.is_ca(), theirs.is_ca());
        } else if path.ends_with("config.yaml") {
            assert_eq!(text(ours), text(theirs), "{}", path.display());
        } else {
            assert!(text(ours).starts_with("-----BEGIN PRIVATE KEY") && text(theirs).len() == ours.len());
        }
    }
    for (path, (mode, content)) in &ours {
        let expected = match content.starts_with(b"-----BEGIN PRIVATE KEY") {
            true => 0o600,
            false if content.is_empty() => 0o755,
            false => 0o644,
        };
        assert_eq!(*mode, expected, "{}", path.display());
    }
}

/// The vectors' directory; `None` (with a message) when there is none here.
fn vectors() -> Option<PathBuf> {
    let root = std::env::var_os("CAUSEWAY_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    if !root.join("crypto").exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", root.display());
        eprintln!("skipped: {} is missing; set CAUSEWAY_VECTORS", root.display());
        return None;
    }
    Some(root)
}

#[test]
fn templates_attributes_and_roles_reach_the_certificates() {
    let directory = tempfile::tempdir().unwrap();
    generate(directory.path(), CONFIG);
    let out = directory.path().join("out");
    let org1 = out.join("peerOrganizations/org1.example.com");
    let subject = |path: &str| certificate(&org1.join(path)).subject();
    assert_eq!(
        subject("ca/root.org1.example.com-cert.pem"),
        "CN=root.org1.example.com,OU=Nets,O=org1.example.com,L=München,ST=California,C=DE"
    );
    assert_eq!(
        subject("peers/peer05.org1.example.com/msp/signcerts/peer05.org1.example.com-cert.pem"),
        "CN=peer05.org1.example.com,OU=Nets+OU=peer,L=München,ST=California,C=DE"
    );
    assert_eq!(
        subject("users/Admin@org1.example.com/msp/signcerts/Admin@org1.example.com-cert.pem"),
        "CN=Admin@org1.example.com,OU=Nets+OU=admin,L=München,ST=California,C=DE"
    );
    assert!(subject("peers/peer06.org1.example.com/tls/server.crt").starts_with("CN=peer06"));
    let config = fs::read_to_string(org1.join("msp/config.yaml")).unwrap();
    assert_eq!(config.matches("Certificate: cacerts/root.org1.example.com-cert.pem").count(), 4);

    // Without NodeOUs, no certificate tells a role, and the administrator is listed everywhere.
    let orderers = out.join("ordererOrganizations/example.com");
    let admin =
        fs::read(orderers.join("users/Admin@example.com/msp/signcerts/Admin@example.com-cert.pem")).unwrap();
    for msp in ["msp", "orderers/orderer.example.com/msp", "users/Admin@example.com/msp"] {
        let listed = tree(&orderers.join(msp).join("admincerts"));
        let contents: Vec<_> = listed.into_values().map(|(_, content)| content).collect();
        assert_eq!(contents, std::slice::from_ref(&admin), "{msp}");
        assert!(!orderers.join(msp).join("config.yaml").exists());
    }
    let tls = certificate(&orderers.join("orderers/orderer.example.com/tls/server.crt"));
    assert_eq!(tls.organizational_units(), Vec::<String>::new());
    let has = |name: &[u8]| tls.der().windows(name.len()).any(|window| window == name);
    for name in [
        &b"\x82\x13orderer.example.com"[..],
        b"\x82\x07orderer",
        b"\x82\x09localhost",
        b"\x87\x04\x7f\0\0\x01",
        b"\x82\x17orderer.example.com.alt",
    ] {
        assert!(has(name), "{}", String::from_utf8_lossy(name));
    }
}

#[test]
fn extending_adds_what_is_new_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    generate(directory.path(), CONFIG);
    let before = tree(&directory.path().join("out"));
    let more = CONFIG
        .replace("      - Hostname: orderer\n", "      - Hostname: orderer2\n      - Hostname: orderer\n")
        .replace("Users: {Count: 1}", "Users: {Count: 2}\n  - Name: Org2\n    Domain: org2.example.com");
    fs::write(directory.path().join("c.yaml"), more).unwrap();
    let extend =
        || causeway(directory.path(), &["cryptogen", "extend", "--config", "c.yaml", "--input", "out"]);
    let output = extend();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stdout), "org2.example.com\n");
    let after = tree(&directory.path().join("out"));
    for (path, content) in &before {
        assert_eq!(after.get(path), Some(content), "{}", path.display());
    }
    let new = |below: &str| {
        after.keys().filter(|path| path.starts_with(below) && !before.contains_key(*path)).count()
    };
    let orderers = "ordererOrganizations/example.com/orderers/orderer2.example.com";
    let user = "peerOrganizations/org1.example.com/users/User2@org1.example.com";
    for below in [orderers, user, "peerOrganizations/org2.example.com"] {
        assert!(new(below) > 10, "{below}");
    }
    assert_eq!(
        new(orderers) + new(user) + new("peerOrganizations/org2.example.com"),
        after.len() - before.len()
    );

    let out = directory.path().join("out");
    let organization = out.join("ordererOrganizations/example.com");
    let root = certificate(&organization.join("ca/ca.example.com-cert.pem"));
    let node = organization.join("orderers/orderer2.example.com");
    let leaf = certificate(&node.join("msp/signcerts/orderer2.example.com-cert.pem"));
    assert_eq!(leaf.check_signature_from(&root), Ok(()));
    assert!(node.join("msp/admincerts/Admin@example.com-cert.pem").exists());

    assert!(extend().status.success());
    assert_eq!(tree(&out), after, "nothing is left to add");
}

#[test]
fn the_template_is_what_is_made_without_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let template = causeway(directory.path(), &["cryptogen", "showtemplate"]);
    assert!(template.status.success());
    generate(directory.path(), text(&template.stdout));
    let output = causeway(directory.path(), &["cryptogen", "generate"]);
    assert_eq!(text(&output.stdout), "org1.example.com\norg2.example.com\n");
    let names = |directory: &str, place: &Path| tree(&place.join(directory)).into_keys().collect::<Vec<_>>();
    assert_eq!(names("crypto-config", directory.path()), names("out", directory.path()));
    let version = causeway(directory.path(), &["cryptogen", "version"]);
    assert!(text(&version.stdout).starts_with("cryptogen:\n Version: "));
}

#[test]
fn keys_that_nobody_reads_are_remarked_on() {
    let directory = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("  - Name: Org1", "  - Name: Org1\n    enablenodeous: true\n    Color: red");
    fs::write(directory.path().join("c.yaml"), config).unwrap();
    let output = causeway(directory.path(), &["cryptogen", "generate", "--config", "c.yaml"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "org1.example.com\n");
    let said = text(&output.stderr);
    assert!(
        said.contains("line 10: nobody reads PeerOrgs[0].enablenodeous; did you mean EnableNodeOUs?"),
        "{said}"
    );
    assert!(said.contains("PeerOrgs[0].Color; known here: Name, Domain"), "{said}");
}

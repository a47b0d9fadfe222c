//! Whatever is wrong with what a person gives: one clear line, a failing exit code, and nothing half written.

use std::{fs, path::Path};

use super::{causeway, osnadmin::block_of, text, tree};

/// A command line, its exit code, and what its one line must say.
struct Case {
    words: &'static str,
    code: i32,
    says: &'static [&'static str],
}

const CASES: &[Case] = &[
    // cryptogen: the command line
    Case {
        words: "cryptogen fly",
        code: 1,
        says: &["cryptogen: error: expected command but got \"fly\", try --help"],
    },
    Case {
        words: "cryptogen generate --zork",
        code: 1,
        says: &["cryptogen: error: unknown long flag '--zork', try --help"],
    },
    Case {
        words: "cryptogen generate --config",
        code: 1,
        says: &["cryptogen: error: expected argument for flag '--config', try --help"],
    },
    Case {
        words: "cryptogen generate --config missing.yaml",
        code: 1,
        says: &["cryptogen: error: open missing.yaml: no such file or directory, try --help"],
    },
    Case {
        words: "cryptogen generate --config .",
        code: 255,
        says: &["Error reading config: Error reading configuration: read .: is a directory"],
    },
    Case {
        words: "cryptogen generate --config garbage",
        code: 255,
        says: &["Error reading config: ", "garbage", "no text"],
    },
    // cryptogen: the configuration
    Case {
        words: "cryptogen generate --config torn.yaml",
        code: 255,
        says: &["Error reading config: Error Unmarshalling YAML: line 3, column ", "(torn.yaml)"],
    },
    Case {
        words: "cryptogen generate --config type.yaml",
        code: 255,
        says: &["line 4: PeerOrgs[0].Template.Count: \"many\" is no whole number", "(type.yaml)"],
    },
    Case {
        words: "cryptogen generate --config list.yaml",
        code: 255,
        says: &["line 1: PeerOrgs: \"5\" is no list"],
    },
    Case {
        words: "cryptogen generate --config domain.yaml",
        code: 255,
        says: &["Error processing peer configuration: line 2: PeerOrgs[0].Domain: it is missing"],
    },
    Case {
        words: "cryptogen generate --config path.yaml",
        code: 255,
        says: &["\"../../etc\" is no name for a directory"],
    },
    Case {
        words: "cryptogen generate --config field.yaml",
        code: 255,
        says: &[
            "Error processing orderer configuration: OrdererOrgs[0].Template.Hostname: \"{{.Nope}}\": there is no field .Nope here, only .Prefix, .Index, .Domain",
        ],
    },
    Case {
        words: "cryptogen generate --config san.yaml",
        code: 255,
        says: &["line 4: PeerOrgs[1].Specs[0]: \"bücher.de\" cannot stand in a certificate"],
    },
    Case {
        words: "cryptogen generate --config twice.yaml",
        code: 255,
        says: &["PeerOrgs[1]: there is another organisation with the Domain org"],
    },
    Case {
        words: "cryptogen generate --config good.yaml --output made",
        code: 1,
        says: &["Error: ", "made/peerOrganizations/org is there already", "`extend`"],
    },
    Case {
        words: "cryptogen generate --config good.yaml --output garbage",
        code: 1,
        says: &["Error: ", "garbage"],
    },
    Case {
        words: "cryptogen extend --config good.yaml --input no-ca",
        code: 1,
        says: &["Error: ", "no-ca/peerOrganizations/org/ca holds no certificate (*.pem)"],
    },
    Case {
        words: "cryptogen extend --config good.yaml --input bad-ca",
        code: 1,
        says: &["Error: ", "bad-ca/peerOrganizations/org/ca/ca.org-cert.pem: ", "CA certificate"],
    },
    Case {
        words: "cryptogen extend --config good.yaml --input other-key",
        code: 1,
        says: &["Error: ", "the CA private key does not belong to the CA certificate of CN=ca.org"],
    },
    Case {
        words: "cryptogen extend --config good.yaml --input encrypted",
        code: 1,
        says: &["Error: ", "CA private key: expected PEM with a PKCS#8 ECDSA key on P-256"],
    },
    Case {
        words: "cryptogen extend --config good.yaml --input other-kind",
        code: 1,
        says: &["Error: ", "CA private key: expected PEM with a PKCS#8 ECDSA key on P-256"],
    },
    Case {
        words: "watch --orderer a:1 --channel ch --msp-dir other-kind-msp --mspid Org",
        code: 1,
        says: &[
            "no identity can be made from other-kind-msp",
            "no file in keystore has the key of CN=Admin@org",
        ],
    },
    // osnadmin: the command line
    Case {
        words: "osnadmin channel list",
        code: 1,
        says: &[
            "osnadmin: error: parsing arguments: required flag --orderer-address not provided. Try --help",
        ],
    },
    Case {
        words: "osnadmin channel join -o a -b x",
        code: 1,
        says: &["required flag --channelID not provided. Try --help"],
    },
    Case {
        words: "osnadmin channel join -o a -c x",
        code: 1,
        says: &["required flag --config-block not provided. Try --help"],
    },
    Case {
        words: "osnadmin -o a -o b channel list",
        code: 1,
        says: &["flag 'orderer-address' cannot be repeated. Try --help"],
    },
    Case {
        words: "osnadmin -o a channel fly",
        code: 1,
        says: &["expected command but got \"fly\". Try --help"],
    },
    // osnadmin: files
    Case {
        words: "osnadmin channel join -o 127.0.0.1:1 -c ch -b missing.block",
        code: 1,
        says: &["reading config block: open missing.block: no such file or directory. Try --help"],
    },
    Case {
        words: "osnadmin channel join -o 127.0.0.1:1 -c ch -b garbage",
        code: 1,
        says: &["unmarshalling block: garbage: "],
    },
    Case {
        words: "osnadmin channel join -o 127.0.0.1:1 -c ch -b other.block",
        code: 1,
        says: &["specified --channelID ch does not match channel ID other in config block. Try --help"],
    },
    Case {
        words: "osnadmin channel list -o a:1 --ca-file missing.pem --client-cert c --client-key k",
        code: 1,
        says: &["reading orderer CA certificate: open missing.pem: no such file or directory"],
    },
    Case {
        words: "osnadmin channel list -o a:1 --ca-file garbage --client-cert c --client-key k",
        code: 1,
        says: &["failed to add ca-file PEM to cert pool: garbage does not hold a certificate in PEM form"],
    },
    Case {
        words: "osnadmin channel list -o a:1 --ca-file TLS/ca.crt",
        code: 1,
        says: &["loading client cert/key pair: --ca-file needs --client-cert and --client-key"],
    },
    Case {
        words: "osnadmin channel list -o a:1 --ca-file TLS/ca.crt --client-cert TLS/client.crt --client-key missing.key",
        code: 1,
        says: &["loading client cert/key pair: open missing.key: no such file or directory"],
    },
    Case {
        words: "osnadmin channel list -o a:1 --ca-file TLS/ca.crt --client-cert TLS/client.crt --client-key encrypted.key",
        code: 1,
        says: &[
            "loading client cert/key pair: encrypted.key is encrypted; give the key without its password, as from `openssl pkey",
        ],
    },
    Case {
        words: "osnadmin channel list -o a:1 --ca-file TLS/ca.crt --client-cert TLS/client.crt --client-key MSP/keystore/priv_sk",
        code: 1,
        says: &["loading client cert/key pair: ", "cannot be used together"],
    },
    // osnadmin: the orderer
    Case {
        words: "osnadmin channel list -o 127.0.0.1:1",
        code: 1,
        says: &[
            "Error: Get \"http://127.0.0.1:1/participation/v1/channels\": dial tcp 127.0.0.1:1: connect: connection refused",
        ],
    },
    Case {
        words: "osnadmin channel remove -c ch -o 127.0.0.1:1 --ca-file TLS/ca.crt --client-cert TLS/client.crt --client-key TLS/client.key",
        code: 1,
        says: &[
            "Error: Delete \"https://127.0.0.1:1/participation/v1/channels/ch\": dial tcp 127.0.0.1:1: connect: connection refused",
        ],
    },
    Case {
        words: "osnadmin channel list -o nobody.invalid:1",
        code: 1,
        says: &[
            "Error: Get \"http://nobody.invalid:1/participation/v1/channels\": dial tcp: lookup nobody.invalid: no such host",
        ],
    },
    // The clients
    Case {
        words: "submit --orderer a:1 --channel ch --msp-dir missing --mspid Org --count 1",
        code: 1,
        says: &["missing/signcerts", "--msp-dir must be a Fabric MSP directory"],
    },
    Case {
        words: "watch --orderer a:1 --channel ch --msp-dir encrypted-msp --mspid Org",
        code: 1,
        says: &["no identity can be made from encrypted-msp", "CN=Admin@org", "priv_sk is encrypted"],
    },
    Case {
        words: "watch --orderer a:1 --channel ch --msp-dir garbage-msp --mspid Org",
        code: 1,
        says: &["no identity can be made from garbage-msp"],
    },
    Case {
        words: "watch --orderer a:1 --channel ch --msp-dir MSP --mspid Org --tls-ca missing.pem",
        code: 1,
        says: &["missing.pem cannot be read"],
    },
    Case {
        words: "watch --orderer a:1 --channel ch --msp-dir MSP --mspid Org --tls-ca garbage",
        code: 1,
        says: &["garbage does not hold a certificate in PEM form"],
    },
    Case {
        words: "watch --orderer a:1 --channel ch --msp-dir MSP --mspid Org --tls-ca TLS/ca.crt --client-cert TLS/client.crt --client-key encrypted.key",
        code: 1,
        says: &["encrypted.key is encrypted"],
    },
    Case { words: "inspect missing.block", code: 1, says: &["missing.block"] },
    Case { words: "inspect garbage", code: 1, says: &["garbage"] },
    Case {
        words: "submit --sandbox nowhere --count 1",
        code: 1,
        says: &["there is no sandbox in nowhere", "`causeway sandbox --dir nowhere` makes one"],
    },
    Case { words: "install-links garbage", code: 1, says: &["garbage"] },
];

const GOOD: &str = "PeerOrgs:\n- Domain: org\n  EnableNodeOUs: true\n  Specs: [{Hostname: new}]\n";
/// PKCS#8 with an Ed25519 key.
const OTHER_KIND: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n";
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";

/// Files that are wrong, each in its own way.
fn prepare(place: &Path) {
    let files: &[(&str, &str)] = &[
        ("good.yaml", GOOD),
        ("torn.yaml", "PeerOrgs:\n- Name: a\n   Domain: b\n"),
        ("type.yaml", "PeerOrgs:\n- Domain: a\n  Template:\n    Count: many\n"),
        ("list.yaml", "PeerOrgs: 5\n"),
        ("domain.yaml", "PeerOrgs:\n- Name: a\n  domain: a\n"),
        ("path.yaml", "PeerOrgs:\n- Domain: ../../etc\n"),
        ("field.yaml", "OrdererOrgs:\n- Domain: a\n  Template: {Count: 1, Hostname: \"{{.Nope}}\"}\n"),
        ("san.yaml", "PeerOrgs:\n- Domain: a\n- Domain: b\n  Specs: [{Hostname: x, SANS: [bücher.de]}]\n"),
        ("twice.yaml", "PeerOrgs:\n- Domain: org\n- Domain: org\n"),
        ("encrypted.key", ENCRYPTED),
    ];
    for (name, content) in files {
        fs::write(place.join(name), content).unwrap();
    }
    fs::write(place.join("garbage"), [0xff; 64]).unwrap();
    block_of("other", &place.join("other.block"));

    let old = place.join("old.yaml");
    fs::write(&old, "PeerOrgs: [{Domain: org, EnableNodeOUs: true}]").unwrap();
    for tree in ["made", "no-ca", "bad-ca", "other-key", "encrypted", "other-kind"] {
        let output = causeway(place, &["cryptogen", "generate", "--config", "old.yaml", "--output", tree]);
        assert!(output.status.success(), "{}", text(&output.stdout));
    }
    fs::remove_file(old).unwrap();
    let ca = |tree: &str, file: &str| place.join(tree).join("peerOrganizations/org/ca").join(file);
    fs::remove_file(ca("no-ca", "ca.org-cert.pem")).unwrap();
    fs::write(ca("bad-ca", "ca.org-cert.pem"), "nonsense").unwrap();
    fs::copy(ca("made", "priv_sk"), ca("other-key", "priv_sk")).unwrap();
    fs::write(ca("encrypted", "priv_sk"), ENCRYPTED).unwrap();
    fs::write(ca("other-kind", "priv_sk"), OTHER_KIND).unwrap();

    for (msp, key) in
        [("encrypted-msp", ENCRYPTED), ("other-kind-msp", OTHER_KIND), ("garbage-msp", "nonsense")]
    {
        let directory = place.join(msp);
        fs::create_dir_all(directory.join("signcerts")).unwrap();
        fs::create_dir_all(directory.join("keystore")).unwrap();
        let certificate = "made/peerOrganizations/org/users/Admin@org/msp/signcerts/Admin@org-cert.pem";
        fs::copy(place.join(certificate), directory.join("signcerts/cert.pem")).unwrap();
        fs::write(directory.join("keystore/priv_sk"), key).unwrap();
    }
}

#[test]
fn every_mistake_is_told_in_one_line_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    prepare(place);
    let before = tree(place);
    for Case { words, code, says } in CASES {
        let user = "made/peerOrganizations/org/users/Admin@org/";
        let words = words.replace("TLS/", &format!("{user}tls/")).replace("MSP", &format!("{user}msp"));
        let output = causeway(place, &words.split(' ').collect::<Vec<_>>());
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert_eq!(output.status.code(), Some(*code), "{words}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{words}: {said}");
        for part in *says {
            assert!(said.contains(part), "{words}: {said:?} does not say {part:?}");
        }
        assert!(!said.contains("panicked"), "{words}: {said}");
        let after = tree(place);
        let new: Vec<_> = after
            .keys()
            .filter(|path| !before.contains_key(*path))
            // The directory that things are made in may be there; nothing is in it.
            .filter(|path| !place.join(path).is_dir())
            .collect();
        assert!(new.is_empty(), "{words} leaves {new:?}");
    }
}

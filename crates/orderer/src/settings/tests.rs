#![allow(clippy::unwrap_used)]

use super::*;
use std::time::Duration;

fn read(text: &str, environment: Variables<'_>) -> Result<Loaded, SettingsError> {
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    parse(text, &environment, Path::new("/cfg/orderer.yaml"), &|path| match path.to_str() {
        Some("secret") => Ok(b"from the file".to_vec()),
        Some("cas.pem") => Ok(format!("junk\n{CERTIFICATE}{KEY}{CERTIFICATE}").into_bytes()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    })
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

/// Fabric 2.5's sample file, without its comments and with its blank values.
const SAMPLE: &str = include_str!("tests/sample.yaml");

fn value<'a>(loaded: &'a Loaded, path: &str) -> &'a str {
    let prefix = format!("{path} = ");
    loaded.listing.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {path}"))
}

#[test]
fn the_sample_file_of_fabric() {
    let loaded = read(SAMPLE, &[]).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.general.listen_port, 7050);
    assert_eq!(settings.general.tls.private_key, Path::new("/cfg/tls/server.key"));
    assert_eq!(settings.general.tls.root_cas, [Path::new("/cfg/tls/ca.crt")]);
    assert_eq!(settings.general.keepalive.server_interval, Duration::from_secs(7200));
    assert_eq!(settings.general.bootstrap_method, BootstrapMethod::File);
    assert_eq!(settings.general.broadcast.acknowledge, Acknowledge::Committed);
    assert_eq!(settings.file_ledger.location, Path::new("/var/hyperledger/production/orderer"));
    assert_eq!(settings.kafka.retry.dial_timeout, Duration::from_secs(10));
    assert_eq!(settings.kafka.topic.replication_factor, 3);
    assert_eq!(settings.kafka.version, "0.10.2.0");
    assert_eq!(settings.admin.listen_address, "127.0.0.1:9443");
    assert!(settings.admin.tls.client_auth_required);
    assert_eq!(settings.channel_participation.max_request_body_size_bytes, 1 << 20);
    assert_eq!(settings.consensus.wal_dir, Path::new("/var/hyperledger/production/orderer/etcdraft/wal"));
    assert_eq!(loaded.remarks, ["Kafka.Version unset, setting to 0.10.2.0"]);
}

#[test]
fn the_defaults_are_fabrics() {
    let loaded = read("General: {}", &[]).unwrap();
    for (path, expected) in [
        ("General.ListenAddress", "\"127.0.0.1\""),
        ("General.ListenPort", "7050"),
        ("General.Keepalive.ServerMinInterval", "1m0s"),
        ("General.ConnectionTimeout", "5s"),
        ("General.MaxRecvMsgSize", "104857600"),
        ("General.MaxSendMsgSize", "104857600"),
        ("General.Cluster.SendBufferSize", "100"),
        ("General.Cluster.DialTimeout", "5s"),
        ("General.Cluster.RPCTimeout", "7s"),
        ("General.Cluster.ReplicationBufferSize", "20971520"),
        ("General.Cluster.ReplicationBackgroundRefreshInterval", "5m0s"),
        ("General.Cluster.ReplicationMaxRetries", "12"),
        ("General.Cluster.CertExpirationWarningThreshold", "168h0m0s"),
        ("General.BootstrapMethod", "\"file\""),
        ("General.BootstrapFile", "\"/cfg/genesisblock\""),
        ("General.LocalMSPDir", "\"/cfg/msp\""),
        ("General.LocalMSPID", "\"SampleOrg\""),
        ("General.Authentication.TimeWindow", "15m0s"),
        ("FileLedger.Location", "\"/cfg\""),
        ("Kafka.Retry.ShortInterval", "1m0s"),
        ("Kafka.Retry.NetworkTimeouts.ReadTimeout", "30s"),
        ("Kafka.Topic.ReplicationFactor", "0"),
        ("Operations.ListenAddress", "\"127.0.0.1:0\""),
        ("Metrics.Provider", "\"disabled\""),
        ("Consensus.EvictionSuspicion", "10m0s"),
        ("ChannelParticipation.Enabled", "false"),
    ] {
        assert_eq!(value(&loaded, path), expected, "{path}");
    }
}

/// Variables of an environment.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Text, environment, a setting and what it is then.
const GOOD: &[(&str, Variables<'_>, &str, &str)] = &[
    ("general: {LISTENPORT: 7}", &[], "General.ListenPort", "7"),
    ("General: {ListenPort: 7}", &[("ORDERER_GENERAL_LISTENPORT", "8")], "General.ListenPort", "8"),
    ("General: {}", &[("ORDERER_GENERAL_LISTENPORT", "0x10")], "General.ListenPort", "16"),
    ("General: {ListenPort: 7}", &[("ORDERER_GENERAL_LISTENPORT", "")], "General.ListenPort", "7"),
    ("General: {TLS: {Enabled: yes}}", &[], "General.TLS.Enabled", "true"),
    ("General: {}", &[("ORDERER_GENERAL_TLS_ENABLED", "T")], "General.TLS.Enabled", "true"),
    (
        "General: {}",
        &[("ORDERER_GENERAL_TLS_ROOTCAS", "[a.crt , /b.crt]")],
        "General.TLS.RootCAs",
        "[a.crt /b.crt]",
    ),
    ("General: {}", &[("ORDERER_GENERAL_TLS_ROOTCAS", "a.crt")], "General.TLS.RootCAs", "[a.crt]"),
    ("General: {TLS: {RootCAs: one.crt}}", &[], "General.TLS.RootCAs", "[one.crt]"),
    ("General: {LocalMSPDir: /abs}", &[], "General.LocalMSPDir", "\"/abs\""),
    ("Operations: {TLS: {Certificate: rel}}", &[], "Operations.TLS.Certificate", "\"rel\""),
    (
        "General: {Cluster: {ClientCertificate: rel}}",
        &[],
        "General.Cluster.ClientCertificate",
        "\"/cfg/rel\"",
    ),
    ("General: {LocalMSPID: {File: secret}}", &[], "General.LocalMSPID", "\"from the file\""),
    (
        "General: {LocalMSPID: }",
        &[("ORDERER_GENERAL_LOCALMSPID_FILE", "secret")],
        "General.LocalMSPID",
        "\"from the file\"",
    ),
    ("General: {Authentication: {TimeWindow: 1h30m}}", &[], "General.Authentication.TimeWindow", "1h30m0s"),
    ("General: {Authentication: {TimeWindow: 1500}}", &[], "General.Authentication.TimeWindow", "1.5µs"),
    ("General: {GenesisMethod: none}", &[], "General.BootstrapMethod", "\"none\""),
    ("General: {GenesisMethod: none, BootstrapMethod: file}", &[], "General.BootstrapMethod", "\"file\""),
    ("General: {GenesisFile: g.block}", &[], "General.BootstrapFile", "\"/cfg/g.block\""),
    ("General: {Broadcast: {Acknowledge: accepted}}", &[], "General.Broadcast.Acknowledge", "\"accepted\""),
    (
        "General: {}",
        &[("ORDERER_GENERAL_BROADCAST_ACKNOWLEDGE", "Accepted")],
        "General.Broadcast.Acknowledge",
        "\"accepted\"",
    ),
    (
        "ChannelParticipation: {MaxRequestBodySize: 3 MB}",
        &[],
        "ChannelParticipation.MaxRequestBodySize",
        "3145728",
    ),
    ("Kafka: {Version: 0.11.0.1}", &[], "Kafka.Version", "\"0.11.0.0\""),
    ("Kafka: {SASLPlain: {Password: hidden}}", &[], "Kafka.SASLPlain.Password", "****"),
    ("Kafka: {TLS: {RootCAs: {File: cas.pem}}}", &[], "Kafka.TLS.RootCAs", "[2 certificates]"),
    ("Consensus: {Unknown: 1, EvictionSuspicion: 5s}", &[], "Consensus.EvictionSuspicion", "5s"),
    (
        "Consensus: {EvictionSuspicion: 5s}",
        &[("ORDERER_CONSENSUS_EVICTIONSUSPICION", "6s")],
        "Consensus.EvictionSuspicion",
        "6s",
    ),
    (
        "Consensus: {}",
        &[("ORDERER_CONSENSUS_EVICTIONSUSPICION", "6s")],
        "Consensus.EvictionSuspicion",
        "10m0s",
    ),
    ("General: {BCCSP: {Unknown: 1, SW: {Hash: SHA3}}}", &[], "General.BCCSP.SW.Hash", "\"SHA3\""),
    (
        "General: {BCCSP: {}}",
        &[("ORDERER_GENERAL_BCCSP_SW_HASH", "SHA3")],
        "General.BCCSP.SW.Hash",
        "\"SHA2\"",
    ),
    ("FileLedger: {Prefix: any}", &[], "FileLedger.Location", "\"/cfg\""),
    ("Metrics: {Provider: other}", &[], "Metrics.Provider", "\"other\""),
    (
        "General: {Keepalive: &k {ServerTimeout: 3s}}\nDebug:\nMetrics: {Statsd: {}}\n",
        &[],
        "General.Keepalive.ServerTimeout",
        "3s",
    ),
];

#[test]
fn good_settings() {
    for (text, environment, path, expected) in GOOD {
        let loaded = read(text, environment).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value(&loaded, path), *expected, "{text} {environment:?}");
    }
}

#[test]
fn anchors_and_merges() {
    let text = "Operations:\n  TLS: &tls\n    Enabled: true\n    Certificate: c.pem\nAdmin:\n  TLS:\n    <<: *tls\n    Certificate: other.pem\n    ClientAuthRequired: true\n";
    let settings = read(text, &[]).unwrap().settings;
    assert!(settings.admin.tls.enabled);
    assert_eq!(settings.admin.tls.certificate, Path::new("other.pem"));
    assert_eq!(settings.operations.tls.certificate, Path::new("c.pem"));
    // A merge counts where it stands; of several in a list the first wins.
    let text = "Operations:\n  TLS: &a {Certificate: a.pem, PrivateKey: a.key}\nAdmin:\n  TLS: &b {Certificate: b.pem, ClientAuthRequired: true}\nGeneral:\n  TLS:\n    Certificate: own.pem\n    <<: [*b, *a]\n    PrivateKey: own.key\n";
    let tls = read(text, &[]).unwrap().settings.general.tls;
    assert_eq!(tls.certificate, Path::new("/cfg/b.pem"));
    assert_eq!(tls.private_key, Path::new("/cfg/own.key"));
    assert!(tls.client_auth_required);
}

/// Text, environment and the whole error.
const BAD: &[(&str, Variables<'_>, &str)] = &[
    (
        "General:\n  ListenPort: 7050\n  Bogus: 1\n",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* 'General' has invalid keys: Bogus (Bogus in line 3)",
    ),
    (
        "General:\n  ListenPort: 7050\nBogus:\n  a: 1\n",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* '' has invalid keys: Bogus (Bogus in line 3)",
    ),
    (
        "General:\n  ListenPort: seven\n  TLS:\n    Enabeld: true\n",
        &[],
        "Error unmarshalling config into struct: 2 error(s) decoding:\n\n* error decoding 'General.ListenPort': parsing \"seven\": invalid syntax (line 2)\n* 'General.TLS' has invalid keys: Enabeld (Enabeld in line 4)",
    ),
    (
        "General: {ListenPort: 65536}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.ListenPort': 65536 is out of range for u16 (line 1)",
    ),
    (
        "General:\n  Authentication:\n    TimeWindow: \"15\"\n",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.Authentication.TimeWindow': time: missing unit in duration \"15\" (line 3)",
    ),
    (
        "General: {}",
        &[("ORDERER_GENERAL_AUTHENTICATION_TIMEWINDOW", "15")],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.Authentication.TimeWindow': time: missing unit in duration \"15\" (environment)",
    ),
    (
        "General: {MaxRecvMsgSize: 10 MB}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.MaxRecvMsgSize': parsing \"10 MB\": invalid syntax (line 1)",
    ),
    (
        "ChannelParticipation: {MaxRequestBodySize: 4 GB}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'ChannelParticipation.MaxRequestBodySize': value '4 GB' overflows uint32 (line 1)",
    ),
    (
        "General: {}",
        &[("ORDERER_GENERAL_TLS", "on")],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* 'General.TLS' expected a map, got 'string'",
    ),
    (
        "General: {TLS: [a]}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* 'General.TLS' expected a map, got 'slice' (line 1)",
    ),
    (
        "General: {LocalMSPID: {File: gone}}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.LocalMSPID': open gone: entity not found",
    ),
    (
        "General: {LocalMSPID: {Path: x}}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* 'General.LocalMSPID' expected one value, got a map (line 1)",
    ),
    (
        "General: {BootstrapMethod: magic}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.BootstrapMethod': \"magic\" is none of file, none (line 1)",
    ),
    (
        "General: {Broadcast: {Acknowledge: maybe}}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.Broadcast.Acknowledge': \"maybe\" is none of committed, accepted (line 1)",
    ),
    (
        "General: {BCCSP: {Default: PKCS11}}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'General.BCCSP.Default': Could not find default `PKCS11` BCCSP; this node has SW",
    ),
    (
        "Kafka: {Version: 0.7}",
        &[],
        "Error unmarshalling config into struct: 1 error(s) decoding:\n\n* error decoding 'Kafka.Version': Unsupported Kafka version: '0.7' (line 1)",
    ),
    (
        "Admin: {TLS: {Enabled: true}}",
        &[],
        "Admin.TLS.ClientAuthRequired must be set to true if Admin.TLS.Enabled is set to true",
    ),
    (
        "Kafka: {SASLPlain: {Enabled: true, User: u}}",
        &[],
        "General.Kafka.SASLPlain.Password must be set if General.Kafka.SASLPlain.Enabled is set to true.",
    ),
    (
        "General: {Cluster: {ListenPort: 7051}}",
        &[],
        "Options: General.Cluster.ListenPort, General.Cluster.ListenAddress, General.Cluster.ServerCertificate, General.Cluster.ServerPrivateKey, should be defined altogether.",
    ),
    (
        "",
        &[],
        "Error reading configuration: /cfg/orderer.yaml: line 1, column 1: expected the sections of an orderer.yaml (General, FileLedger, ...)",
    ),
    (
        "- a\n- b\n",
        &[],
        "Error reading configuration: /cfg/orderer.yaml: line 1, column 1: expected the sections of an orderer.yaml (General, FileLedger, ...)",
    ),
];

#[test]
fn bad_settings() {
    for (text, environment, expected) in BAD {
        let error = read(text, environment).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert_eq!(error.to_string(), *expected, "{text}");
    }
}

#[test]
fn malformed_yaml_is_placed() {
    for (text, line) in [
        ("General:\n  ListenPort: 1\n bad: 2\n", 3),
        ("General:\n\tListenPort: 1\n", 2),
        ("General: {a: [1, 2\nKafka: 1\n", 2),
        ("General: \"open\n", 2),
        ("General: *nowhere\n", 1),
        ("General: &a [*a]\n", 1),
        ("General:\n  <<: 5\n", 2),
        ("? [a]\n: b\n", 1),
    ] {
        match read(text, &[]) {
            Err(SettingsError::Malformed { source, .. }) => {
                assert!(source.line.abs_diff(line) <= 1 && source.column > 0, "{text:?}: {source}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn depth_and_aliases_are_bounded() {
    let deep = "[".repeat(5000);
    assert!(matches!(read(&deep, &[]), Err(SettingsError::Malformed { .. })));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let item = format!("*a{}, ", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}x]\n", item.repeat(10)));
    }
    let error = read(&bomb, &[]).unwrap_err().to_string();
    assert!(error.contains("aliases counted in full"), "{error}");
}

#[test]
fn settings_without_effect_are_remarked() {
    let loaded = read(
        "General: {LocalMSPID: x, GenesisFile: g, Profile: {Enabled: true}}\nMetrics: {Provider: other}",
        &[("ORDERER_GENERAL_LISTENPRT", "1"), ("ORDERER_CONSENSUS_WALDIR", "/w"), ("PATH", "/bin")],
    )
    .unwrap();
    let unused = "These environment variables name no setting that they could change: ORDERER_CONSENSUS_WALDIR, ORDERER_GENERAL_LISTENPRT";
    for remark in ["General.ListenPort unset, setting to 7050", unused] {
        assert!(
            loaded.remarks.iter().any(|known| known == remark),
            "{remark} is missing: {:?}",
            loaded.remarks
        );
    }
    assert_eq!(
        loaded.warnings,
        [
            "General.GenesisFile should be replaced by General.BootstrapFile",
            "General.Profile.Enabled has no effect: Go's profiler is part of Go programs only",
            "Unknown provider type: other; metrics disabled",
        ]
    );
}

#[test]
fn the_first_directory_with_a_file_wins() {
    let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(full.path().join("orderer.yml"), "General: {}").unwrap();
    assert_eq!(find(Some(full.path())).unwrap(), full.path().join("orderer.yml"));
    std::fs::write(full.path().join("orderer.yaml"), "General: {}").unwrap();
    assert_eq!(find(Some(full.path())).unwrap(), full.path().join("orderer.yaml"));
    let error = find(Some(empty.path())).unwrap_err().to_string();
    assert!(error.contains(empty.path().to_str().unwrap()) && error.contains("FABRIC_CFG_PATH"), "{error}");
}

proptest::proptest! {
    /// Whatever the file and the environment hold, there is an answer.
    #[test]
    fn no_text_makes_the_reader_panic(
        text in "(General|Kafka|TLS|Consensus|ListenPort|TimeWindow|x|&a|\\*a|<<|[:{}\\[\\], \n\"'0-9a-zé.-]){0,40}",
        value in "\\PC{0,20}",
    ) {
        let _ = read(&text, &[("ORDERER_GENERAL_LISTENPORT", &value)]);
        let _ = read("General: {}", &[("ORDERER_GENERAL_AUTHENTICATION_TIMEWINDOW", &value)]);
        let _ = read("General: {}", &[("ORDERER_CHANNELPARTICIPATION_MAXREQUESTBODYSIZE", &value)]);
        let _ = read("General: {}", &[("ORDERER_KAFKA_VERSION", &value)]);
    }
}

/// The guide's tables name every setting with its default, and no others.
#[test]
fn the_guide_lists_every_setting() {
    let guide = include_str!("../../../../docs/operations/settings.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let rows = rows.filter_map(|(key, rest)| Some((key, rest.split_once('|')?.0.trim())));
    let documented: BTreeMap<_, _> = rows.filter(|(key, _)| key.contains('.')).collect();
    let environment = BTreeMap::new();
    let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let loaded = parse("General: {}", &environment, Path::new("orderer.yaml"), &nothing).unwrap();
    let listed = loaded.listing.lines().filter_map(|line| line.split_once(" = "));
    let listed: BTreeMap<_, _> =
        listed.map(|(key, value)| (key, value.trim_matches(['"', '[', ']']))).collect();
    assert_eq!(documented, listed);
}

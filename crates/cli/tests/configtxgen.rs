//! `causeway configtxgen`, also when it is called `configtxgen`: flags, what it says of input that it cannot
//! use, and what it warns of.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{SystemTime, UNIX_EPOCH},
};

use identity::generate::{CertificateAuthority, Validity};

const CAUSEWAY: &str = env!("CARGO_BIN_EXE_causeway");

/// A channel of three consenters, ordered and used by one organization.
const CONFIGTX: &str = r#"Organizations:
  - &Org
    Name: Org
    ID: OrgMSP
    MSPDir: msp
    Policies: &Policies
      Readers: {Type: Signature, Rule: "OR('OrgMSP.member')"}
      Writers: {Type: Signature, Rule: "OR('OrgMSP.member')"}
      Admins: {Type: Signature, Rule: "OR('OrgMSP.admin')"}
      BlockValidation: {Type: Signature, Rule: "OR('OrgMSP.member')"}
    OrdererEndpoints: [o1:7050]
Profiles:
  Main:
    Policies: *Policies
    Capabilities: {V2_0: true}
    Orderer:
      OrdererType: etcdraft
      EtcdRaft:
        Consenters:
          - {Host: o1, Port: 7050, ClientTLSCert: o1.pem, ServerTLSCert: o1.pem}
          - {Host: o2, Port: 7050, ClientTLSCert: o2.pem, ServerTLSCert: o2.pem}
          - {Host: o3, Port: 7050, ClientTLSCert: o3.pem, ServerTLSCert: o3.pem}
      Kafka: {Brokers: [k1:9092, k2:9092]}
      BatchSize: {AbsoluteMaxBytes: 512 KB, PreferredMaxBytes: 256 KB}
      Policies: *Policies
      Capabilities: {V2_0: true}
      Organizations: [*Org]
    Application:
      Policies: *Policies
      Capabilities: {V2_0: true}
      Organizations: [*Org]
  Other:
    Policies: *Policies
"#;

const BLOCK: [&str; 6] = ["-profile", "Main", "-channelID", "ch", "-outputBlock", "made/ch.block"];

/// A directory with configtx.yaml and what it names.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let ca = CertificateAuthority::new("ca", "org", now_unix()).unwrap();
        place.write("configtx.yaml", CONFIGTX);
        place.write("msp/cacerts/ca.pem", ca.certificate_pem());
        let units = "Client Peer Admin Orderer".split(' ').map(|role| {
            format!("  {role}OUIdentifier: {{OrganizationalUnitIdentifier: {}}}\n", role.to_lowercase())
        });
        place.write("msp/config.yaml", &format!("NodeOUs:\n  Enable: true\n{}", units.collect::<String>()));
        let validity = Validity::from_now(now_unix());
        for host in ["o1", "o2", "o3"] {
            let tls = ca.issue_tls(host, &[host.to_owned()], validity).unwrap();
            place.write(&format!("{host}.pem"), &tls.certificate_pem);
        }
        place.write("key.pem", ca.private_key_pem());
        let soon = Validity { not_after_unix: now_unix() + 3 * 86_400 + 60, ..validity };
        let soon = ca.issue_tls("o1", &["o1".to_owned()], soon).unwrap();
        place.write("soon.pem", &soon.certificate_pem);
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Changes configtx.yaml.
    fn replace(&self, from: &str, to: &str) {
        assert!(CONFIGTX.contains(from), "{from}");
        self.write("configtx.yaml", &CONFIGTX.replace(from, to));
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = Command::new(CAUSEWAY);
        command.arg("configtxgen").args(arguments).current_dir(self.path());
        for name in ["FABRIC_CFG_PATH", "FABRIC_LOGGING_SPEC"] {
            command.env_remove(name);
        }
        command.env("FABRIC_LOGGING_FORMAT", "%{level:.4s}: %{message}").envs(variables.iter().copied());
        command.output().unwrap().into()
    }
}

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    fn warnings(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("WARN: ")).collect()
    }
}

fn now_unix() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

#[test]
fn flags_are_gos_under_both_names() {
    let place = Place::new();
    let link = place.path().join("configtxgen");
    std::os::unix::fs::symlink(CAUSEWAY, &link).unwrap();
    for (program, before) in [(Path::new(CAUSEWAY), vec!["configtxgen"]), (&link, vec![])] {
        let run = |words: &[&str]| {
            let output = Command::new(program).args(&before).args(words).current_dir(place.path()).output();
            Run::from(output.unwrap())
        };
        for version in ["-version", "--version", "-version=true"] {
            let version = run(&[version]);
            assert_eq!(version.code, 0);
            assert!(version.stdout.starts_with("configtxgen:\n Version: "), "{}", version.stdout);
            assert_eq!(version.stderr, "");
        }
        for help in ["-help", "--help", "-h"] {
            let help = run(&[help]);
            assert_eq!(help.code, 0);
            for word in ["--outputAnchorPeersUpdate <FILE>", "Examples:", "-inspectBlock mychannel.block"] {
                assert!(help.stdout.contains(word), "{word} is missing in {}", help.stdout);
            }
        }
        for (words, error) in [
            (
                &["-nope"][..],
                "flag provided but not defined: -nope\nUsage of configtxgen:\n  -asOrg string\n",
            ),
            (&["-profile"], "flag needs an argument: -profile\nUsage of configtxgen:\n"),
            (&["-version=x"], "invalid boolean value \"x\" for -version: parse error\n"),
        ] {
            let refused = run(words);
            assert_eq!((refused.code, &*refused.stdout), (2, ""));
            assert!(refused.stderr.starts_with(error), "{}", refused.stderr);
        }
        assert_eq!(run(&[]).code, 0);
        assert_eq!(run(&["--profile=Main", "-channelID", "ch", "--outputBlock", "a.block"]).code, 0);
    }
    assert!(place.path().join("a.block").exists());
}

/// What is changed, how it is called, the exit code and what must be said.
type Bad<'a> = (&'a str, &'a str, &'a [&'a str], i32, &'a [&'a str]);

#[test]
fn bad_input_is_told_in_one_line_and_leaves_no_output() {
    let place = Place::new();
    place.write("empty/nothing", "");
    place.write("noca/cacerts/readme", "no PEM");
    place.write("key_as_ca/cacerts/key.pem", &fs::read_to_string(place.path().join("key.pem")).unwrap());
    place.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    place.write("half.block", "\u{a}\u{ff}");
    let org = "MSPDir: msp";
    let client = "ClientTLSCert: o2.pem";
    let cases: &[Bad<'_>] = &[
        (
            "    Name: Org\n",
            "    Name: [Org\n",
            &BLOCK,
            2,
            &["Error reading configuration: yaml: line 4, column ", "configtx.yaml"],
        ),
        ("*Org]", "*Nobody]", &BLOCK, 2, &["unknown anchor 'Nobody' referenced", "line 27, column 23"]),
        ("ID: OrgMSP", "MSPID: OrgMSP", &BLOCK, 2, &["'Organizations[0]' has invalid keys: MSPID", "line 4"]),
        (
            "512 KB",
            "6 GB",
            &BLOCK,
            2,
            &["'Profiles[Main].Orderer.BatchSize.AbsoluteMaxBytes': value '6 GB' overflows uint32 (line 24)"],
        ),
        (
            org,
            "MSPDir: gone",
            &BLOCK,
            1,
            &[
                "for org: Org: ",
                "directory gone/cacerts: stat gone/cacerts: no such file or directory (MSPDir)",
            ],
        ),
        (
            org,
            "MSPDir: noca",
            &BLOCK,
            1,
            &[
                "could not load a valid ca certificate from directory noca/cacerts",
                "put the CA's certificate there",
            ],
        ),
        (
            org,
            "MSPDir: key_as_ca",
            &BLOCK,
            1,
            &["key_as_ca/cacerts/key.pem holds a PRIVATE KEY where a certificate should be"],
        ),
        (
            client,
            "ClientTLSCert: gone.pem",
            &BLOCK,
            1,
            &[
                "cannot load client cert for consenter o2:7050: open gone.pem: no such file or directory (ClientTLSCert)",
            ],
        ),
        (client, "ClientTLSCert: key.pem", &BLOCK, 1, &["key.pem holds a PRIVATE KEY; name the PEM file"]),
        (client, "ClientTLSCert: broken.pem", &BLOCK, 1, &["broken.pem holds a damaged CERTIFICATE"]),
        (client, "ClientTLSCert: configtx.yaml", &BLOCK, 1, &["configtx.yaml holds no PEM"]),
        (
            "",
            "",
            &["-profile", "Mian", "-channelID", "ch", "-outputBlock", "made/ch.block"],
            1,
            &["Could not find profile: Mian. Please make sure that", "configtx.yaml has these: Main, Other"],
        ),
        (
            "",
            "",
            &["-configPath", "empty", "-printOrg", "Org"],
            2,
            &["Error reading configuration: no configtx.yaml in empty; set FABRIC_CFG_PATH or -configPath"],
        ),
        (
            "",
            "",
            &["-printOrg", "Gro"],
            1,
            &["Error on printOrg: organization Gro not found; there are: Org"],
        ),
        (
            "",
            "",
            &["-inspectBlock", "gone.block"],
            1,
            &["Error on inspectBlock: could not read block gone.block: no such file or directory"],
        ),
        (
            "",
            "",
            &["-inspectBlock", "half.block"],
            1,
            &["Error on inspectBlock: error unmarshalling to block: "],
        ),
        (
            "",
            "",
            &["-inspectChannelCreateTx", "half.block"],
            1,
            &["Error on inspectChannelCreateTx: Error unmarshalling envelope: "],
        ),
        (
            "",
            "",
            &["-profile", "Other", "-channelID", "ch", "-outputBlock", "made/ch.block"],
            1,
            &["refusing to generate block which is missing orderer section"],
        ),
        (
            "",
            "",
            &["-profile", "Main", "-channelID", "ch", "-outputBlock", "configtx.yaml/ch.block"],
            1,
            &["error writing genesis block: open configtx.yaml/ch.block: not a directory"],
        ),
        (
            "",
            "",
            &["-profile", "Main", "-channelID", "ch", "-outputAnchorPeersUpdate", "made/ch.block"],
            1,
            &["must specify an organization"],
        ),
    ];
    for (from, to, arguments, code, words) in cases {
        if from.is_empty() {
            place.write("configtx.yaml", CONFIGTX);
        } else {
            place.replace(from, to);
        }
        let run = place.run(arguments);
        assert_eq!((run.code, &*run.stdout), (*code, ""), "{to} {arguments:?}: {}", run.stderr);
        for word in *words {
            assert!(run.stderr.contains(word), "{word:?} is not in {}", run.stderr);
        }
        assert!(!run.stderr.contains("panicked") && !run.stderr.contains("backtrace"), "{}", run.stderr);
        assert!(!place.path().join("made").exists(), "{to} {arguments:?}");
    }
}

#[test]
fn what_was_there_stays_when_nothing_can_be_made() {
    let place = Place::new();
    place.write("made/ch.block", "kept");
    place.replace("MSPDir: msp", "MSPDir: gone");
    assert_eq!(place.run(&BLOCK).code, 1);
    assert_eq!(fs::read_to_string(place.path().join("made/ch.block")).unwrap(), "kept");
}

#[test]
fn the_environment_overrides_keys_that_the_file_has() {
    let place = Place::new();
    let variables = [
        ("CONFIGTX_PROFILES_MAIN_ORDERER_BATCHSIZE_ABSOLUTEMAXBYTES", "1 MB"),
        ("CONFIGTX_PROFILES_MAIN_ORDERER_MAXCHANNELS", "7"),
        ("FABRIC_CFG_PATH", "/nowhere"),
    ];
    let run = place.run_with(&BLOCK, &variables);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(
        run.warnings(),
        [
            "These environment variables name no key that configtx.yaml has, and change nothing: CONFIGTX_PROFILES_MAIN_ORDERER_MAXCHANNELS"
        ]
    );
    let block = place.run(&["-inspectBlock", "made/ch.block"]).stdout;
    assert!(block.contains("\"absolute_max_bytes\": 1048576"), "{block}");
    assert!(!block.contains("\"max_count\""), "{block}");
}

#[test]
fn what_bites_later_is_warned_of_with_its_remedy() {
    let place = Place::new();
    assert_eq!(place.run(&BLOCK).warnings(), [""; 0]);
    let third = "          - {Host: o3, Port: 7050, ClientTLSCert: o3.pem, ServerTLSCert: o3.pem}\n";
    let fourth = "          - {Host: o1, Port: 7051, ClientTLSCert: o1.pem, ServerTLSCert: o1.pem}\n";
    let four = format!("{third}{fourth}");
    let kafka = "OrdererType: kafka";
    for (from, to, warnings) in [
        (third, "", &[&["With 2 of 2 consenters needed", "list at least 3 consenters"][..]][..]),
        (third, &four, &[&["4 consenters survive no more failures than 3 do", "odd number"]]),
        (
            "ServerTLSCert: o2.pem",
            "ServerTLSCert: o3.pem",
            &[&["server TLS certificate of consenter o2:7050 is not made for o2", "SANS"]],
        ),
        (
            "ServerTLSCert: o1.pem",
            "ServerTLSCert: soon.pem",
            &[&["server TLS certificate of consenter o1:7050 expires on 2", "in 3 days", "renewed"]],
        ),
        ("OrdererType: etcdraft", kafka, &[]),
        ("256 KB", "600 KB", &[&["No orderer takes this block: ", "preferred max bytes (614400)"]]),
    ] {
        place.replace(from, to);
        let run = place.run(&BLOCK);
        assert_eq!(run.code, 0, "{}", run.stderr);
        check(&run, warnings);
    }
    for (size, brokers, warnings) in [
        ("512 KB", "[k1:9092]", &[&["With one bootstrap broker", "list at least two"][..]][..]),
        ("512 KB", "[]", &[&["Orderer.Kafka.Brokers is empty", "list at least two"]]),
        (
            "10 MB",
            "[k1:9092, k2:9092]",
            &[&["AbsoluteMaxBytes of 10485760", "replica.fetch.max.bytes and message.max.bytes to 11534336"]],
        ),
        ("99 MB", "[k1:9092, k2:9092]", &[&["AbsoluteMaxBytes of 103809024", "make it smaller"]]),
    ] {
        let text = CONFIGTX.replace("OrdererType: etcdraft", kafka).replace("512 KB", size);
        place.write("configtx.yaml", &text.replace("[k1:9092, k2:9092]", brokers));
        let run = place.run(&BLOCK);
        assert_eq!(run.code, 0, "{}", run.stderr);
        check(&run, warnings);
    }
    // Scripts that want errors only are not disturbed.
    assert_eq!(place.run_with(&BLOCK, &[("FABRIC_LOGGING_SPEC", "error")]).stderr, "");
}

fn check(run: &Run, expected: &[&[&str]]) {
    let warnings = run.warnings();
    assert_eq!(warnings.len(), expected.len(), "{warnings:?} instead of {expected:?}");
    for (warning, words) in warnings.iter().zip(expected) {
        for word in *words {
            assert!(warning.contains(word), "{word:?} is not in {warning}");
        }
    }
}

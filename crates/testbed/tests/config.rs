//! `causeway config` on a running network: every command as an administrator types it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cli::client::connection::Endpoint;
use cli::client::deliver::{Position, fetch};
use cli::client::participation::{self, ChannelInfo};
use cli::sandbox::layout::{self, CLIENT_MSPID, Layout};
use cli::sandbox::material;
use identity::generate::{CertificateAuthority, Validity};
use protos::Message;
use serde_json::Value;
use testbed::network::{self, Network, NetworkOptions};
use testbed::node::{Node, NodeOptions};
use testbed::{binary, forge, ports, wait};

/// An administrator's terminal, in the directory of a sandbox.
struct Terminal {
    layout: Layout,
}

impl Terminal {
    fn new(network: &Network) -> Self {
        let layout = network.layout().clone();
        layout.save().unwrap();
        Self { layout }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.layout.root.join(name)
    }

    fn run(&self, words: &[&str]) -> Output {
        self.run_with_editor("false", words)
    }

    fn run_with_editor(&self, editor: &str, words: &[&str]) -> Output {
        Command::new(binary::causeway())
            .arg("config")
            .args(words)
            .args(["--sandbox", "."])
            .current_dir(&self.layout.root)
            .env_remove("VISUAL")
            .env("EDITOR", editor)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What a command prints that succeeds.
    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--json"]].concat())).unwrap()
    }

    /// What a command says that fails.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}{said}", text(&output.stdout));
        assert!(said.starts_with("causeway: ") && !said.contains("panicked"), "{words:?}: {said}");
        said
    }

    fn sequence(&self) -> u64 {
        let config = self.json(&["show"]);
        // JSON has 64-bit numbers as texts.
        config["sequence"].as_str().unwrap_or("0").parse().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn settings_are_shown_changed_compared_and_refused() {
    let network = Network::start(&NetworkOptions::default());
    let admin = Terminal::new(&network);

    assert_has(&admin.ok(&["show"]), &["channel ch1, config 0 (block 0)", "orderer.batch_timeout = 250ms"]);
    assert_eq!(admin.ok(&["show", "orderer.raft.election_tick"]), "orderer.raft.election_tick = 10\n");
    assert_has(&admin.refused(&["show", "nothing"]), &["no setting that begins with nothing"]);

    // A dry run says all and sends nothing.
    let change =
        ["edit", "--set", "orderer.batch_timeout=300ms", "--set", "orderer.batch_size.max_message_count=50"];
    let told = admin.ok(&[&change[..], &["--dry-run"]].concat());
    let words = [
        "orderer.batch_timeout: 250ms -> 300ms",
        "orderer.batch_size.max_message_count: 500 -> 50",
        "/Channel/Orderer/Admins (MAJORITY Admins): satisfied",
        "dry run: nothing was sent",
    ];
    assert_has(&told, &words);
    assert_eq!(admin.sequence(), 0);
    assert_has(&admin.ok(&change), &["3 of 3 orderers have it"]);
    assert_eq!(admin.sequence(), 1);
    assert_has(&admin.refused(&change), &["nothing would change"]);
    let report = admin.json(&["edit", "--set", "orderer.batch_timeout=301ms"]);
    assert_eq!((&report["sequence"], &report["block"]), (&1.into(), &2.into()));
    assert_eq!(report["changes"][0]["after"], "301ms");
    let progress: Vec<_> =
        report["orderers"].as_array().unwrap().iter().map(|one| &one["progress"]).collect();
    assert_eq!(progress, ["current"; 3]);

    // The editor: JSON that is broken is kept, and the kept file goes on.
    let broken = admin.run_with_editor("sed -i 's/\"301ms\"/\"302ms/'", &["edit"]);
    let said = text(&broken.stderr);
    assert_has(&said, &["line ", "the document is kept in ", "--file"]);
    let kept = said.split("kept in ").nth(1).unwrap().split(':').next().unwrap().to_owned();
    let mended = fs::read_to_string(&kept).unwrap().replace("\"302ms", "\"302ms\"");
    fs::write(&kept, mended).unwrap();
    assert_has(&admin.ok(&["edit", "--file", &kept]), &["orderer.batch_timeout: 301ms -> 302ms"]);
    assert_has(&admin.refused(&["edit", "--file", &kept]), &["is config 2, but the channel is at config 3"]);
    fs::remove_file(&kept).unwrap();
    let edited = admin.run_with_editor("sed -i 's/302ms/303ms/'", &["edit"]);
    assert!(edited.status.success(), "{}", text(&edited.stderr));
    assert_has(&admin.refused(&["edit"]), &["the editor `false` ended with"]);

    // Differences: of blocks, of files, of updates.
    let compared = admin.run(&["diff", "block:1"]);
    assert_eq!(compared.status.code(), Some(1));
    assert_eq!(text(&compared.stdout), "orderer.batch_timeout: 300ms -> 303ms\n");
    let genesis = format!("{}.block", admin.layout.channel);
    let compared = admin.run(&["diff", &genesis, "block:1", "--json"]);
    let compared: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(compared["changes"].as_array().unwrap().len(), 2);
    assert_has(&admin.ok(&["diff", "live", "block:4"]), &["no difference"]);

    // Refused before anything is sent.
    let mut config = admin.json(&["show"]);
    let metadata =
        &mut config["channel_group"]["groups"]["Orderer"]["values"]["ConsensusType"]["value"]["metadata"];
    metadata["consenters"].as_array_mut().unwrap().truncate(1);
    fs::write(admin.path("two-less.json"), config.to_string()).unwrap();
    let client = admin.layout.client_msp();
    let as_client = ["--mspid", CLIENT_MSPID, "--msp-dir", client.to_str().unwrap()];
    let nobody = ["show", "--orderer", "127.0.0.1:1"];
    for (words, parts) in [
        (
            &["edit", "--file", "two-less.json"][..],
            &["update of more than one consenter at a time is not supported", "one change, wait"][..],
        ),
        (
            &["edit", "--set", "orderer.raft.election_tick=1"],
            &["ElectionTick (1) must be greater than HeartbeatTick"],
        ),
        (
            &["edit", "--set", "orderer.batch_timout=1s"],
            &["there is no setting orderer.batch_timout", "orderer.batch_timeout "],
        ),
        (
            &[&["edit", "--set", "orderer.batch_timeout=1s"], &as_client[..]].concat(),
            &["not enough have signed", "1 of SandboxOrdererMSP: OR('SandboxOrdererMSP.admin')", "--sign-as"],
        ),
        (&nobody, &["no orderer gave the channel's config", "no connection to 127.0.0.1:1"]),
        (
            &["remove-consenter", "127.0.0.1:1"],
            &["127.0.0.1:1 is no consenter; the consenters are 127.0.0.1:"],
        ),
        (&["submit", "two-less.json"], &["holds no config update"]),
    ] {
        assert_has(&admin.refused(words), parts);
    }
    assert_eq!(admin.sequence(), 4);
}

#[test]
fn an_update_passes_between_administrators_of_two_organisations() {
    let network = Network::start(&NetworkOptions::default());
    let admin = Terminal::new(&network);
    let directory = |msp: PathBuf| msp.to_str().unwrap().to_owned();
    let (of_orderers, of_clients) =
        (directory(admin.layout.admin_msp()), directory(admin.layout.client_admin_msp()));
    let as_clients = ["--mspid", CLIENT_MSPID, "--msp-dir", &of_clients];
    let as_orderers = ["--mspid", layout::ORDERER_MSPID, "--msp-dir", &of_orderers];
    let with = |words: &[&'static str], identity: &[&str]| -> Vec<String> {
        words.iter().copied().chain(identity.iter().copied()).map(str::to_owned).collect()
    };
    let run = |words: Vec<String>| admin.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());

    // /Channel/Admins takes both organisations.
    let change = ["edit", "--set", "channel.policies.Extra=ANY Readers", "--output", "update.pb"];
    let told = run(with(&change, &as_clients));
    assert_has(
        &told,
        &["channel.policies.Extra = ANY Readers (new)", "NOT satisfied", "causeway config sign update.pb"],
    );
    let submit = with(&["submit", "update.pb"], &as_clients);
    let refused = admin.refused(&submit.iter().map(String::as_str).collect::<Vec<_>>());
    assert_has(&refused, &["not enough have signed", "/Channel/Admins", "SandboxOrdererMSP.admin"]);
    let compared = admin.run(&["diff", "update.pb"]);
    assert_eq!(text(&compared.stdout), "channel.policies.Extra = ANY Readers (new)\n");

    let signed = run(with(&["sign", "update.pb"], &as_orderers));
    assert_has(
        &signed,
        &["channel.policies.Extra = ANY Readers", "signed as Admin@orderer.sandbox of SandboxOrdererMSP"],
    );
    assert_has(&run(with(&["sign", "update.pb"], &as_orderers)), &["signed before as Admin@orderer.sandbox"]);
    assert_has(&run(submit), &["3 of 3 orderers have it"]);
    assert_has(
        &admin.refused(&["submit", "update.pb"]),
        &["does not fit config 1 of the channel", "make it anew"],
    );

    // Both at one terminal.
    let sign_as = format!("{CLIENT_MSPID}={of_clients}");
    let both = with(
        &["edit", "--set", "channel.policies.Extra=", "--sign-as"],
        &[&[sign_as.as_str()], &as_orderers[..]].concat(),
    );
    assert_has(&run(both), &["channel.policies.Extra removed (was ANY Readers)", "3 of 3"]);
}

/// A node that is not in the channel yet.
struct Spare {
    node: Node,
    admin: Endpoint,
    address: String,
    directory: PathBuf,
}

impl Spare {
    fn start(layout: &Layout) -> Self {
        let port = ports::block(3);
        let spare =
            layout::Node { name: "node4".to_owned(), port, admin_port: port + 1, operations_port: port + 2 };
        let genesis = fs::read(layout.genesis_block()).unwrap();
        let mut with_spare = layout.clone();
        with_spare.nodes.push(spare.clone());
        material::generate(&with_spare).unwrap();
        // Made for four nodes now, while the channel has three.
        fs::write(layout.genesis_block(), genesis).unwrap();
        let directory = layout.node_dir(&spare);
        let tls = layout.admin_tls();
        let tls = network::client_tls(&layout.tls_ca(), &tls.join("client.crt"), &tls.join("client.key"));
        let mut node = Node::new(NodeOptions {
            program: None,
            directory: directory.clone(),
            environment: Vec::new(),
            hosts: None,
            file_size_limit_bytes: None,
        });
        node.start();
        node.wait_for_log("Beginning to serve requests", 0);
        let admin = network::endpoint(spare.admin_address(), Some(&tls));
        Self { node, admin, address: spare.address(), directory }
    }

    fn restart(&mut self) {
        let mark = self.node.log().len();
        self.node.terminate();
        self.node.start();
        self.node.wait_for_log("Beginning to serve requests", mark);
    }

    fn wait_for(&self, network: &Network, relation: &str) {
        wait::until(&format!("the spare node to be an active {relation}"), Duration::from_secs(90), || {
            let info = participation::channel(&self.admin, network.signer().channel());
            let ChannelInfo { consensus_relation, status, .. } = network.runtime().block_on(info).ok()??;
            (consensus_relation == relation && status == "active").then_some(())
        });
    }

    /// Waits until it delivers a block of this number.
    fn wait_for_block(&self, network: &Network, number: u64) {
        let endpoint = Endpoint { address: self.address.clone(), ..network.endpoint(0).clone() };
        wait::until(&format!("block {number} from the spare node"), Duration::from_secs(90), || {
            network.runtime().block_on(async {
                let connection = endpoint.connect().await.ok()?;
                fetch(&connection, network.signer(), Position::Number(number)).await.ok().map(drop)
            })
        });
    }
}

/// A new TLS key pair for a node by the network's authority, beside its old one; gives the certificate.
fn reissue(layout: &Layout, directory: &Path) -> PathBuf {
    let ca = forge::authority(&layout.root.join("tls-ca"));
    let pair = ca.issue_tls("node4.renewed", &["127.0.0.1"], Validity::from_now(forge::now_unix())).unwrap();
    fs::write(directory.join("new.crt"), pair.certificate_pem).unwrap();
    fs::write(directory.join("new.key"), pair.private_key_pem).unwrap();
    directory.join("new.crt")
}

#[test]
fn a_consenter_is_added_gets_new_certificates_and_is_removed() {
    let network = Network::start(&NetworkOptions::default());
    let admin = Terminal::new(&network);
    let mut spare = Spare::start(&admin.layout);
    let newest = network.settled_height() - 1;
    let block = network.chain(0, newest + 1).remove(newest as usize).encode_to_vec();
    network.runtime().block_on(participation::join(&spare.admin, &block)).unwrap();
    spare.wait_for(&network, "follower");

    let certificate = spare.directory.join("tls/server.crt");
    let add = ["add-consenter", &spare.address, "--server-tls-cert", certificate.to_str().unwrap()];
    let told = admin.ok(&[&add[..], &["--dry-run"]].concat());
    let added = format!("consenter {} added (certificate expires ", spare.address);
    assert_has(&told, &[&added, "4 consenters tolerate the loss of 1"]);
    assert_has(&admin.ok(&add), &[&added, "4 of 4 orderers have it"]);
    spare.wait_for(&network, "consenter");
    assert_has(&admin.refused(&add), &["is a consenter already", "rotate-certificate"]);
    network.order_through_all();
    spare.wait_for_block(&network, network.settled_height() - 1);

    // Its key changes: it is out until it is started with the new one.
    let new = reissue(&admin.layout, &spare.directory);
    let rotate = ["rotate-certificate", &spare.address, "--server-tls-cert", new.to_str().unwrap()];
    let told = admin.ok(&rotate);
    let rotated = format!("consenter {} certificate: node4.orderer.sandbox (serial ", spare.address);
    assert_has(&told, &[&rotated, "-> node4.renewed (serial "]);
    assert_has(&admin.refused(&rotate), &["has these certificates already"]);
    for (new, old) in [("new.crt", "server.crt"), ("new.key", "server.key")] {
        fs::copy(spare.directory.join(new), spare.directory.join("tls").join(old)).unwrap();
    }
    spare.restart();
    network.order_through_all();
    spare.wait_for_block(&network, network.settled_height() - 1);

    let told = admin.ok(&["remove-consenter", &spare.address]);
    assert_has(&told, &[&format!("consenter {} removed", spare.address), "3 of 3 orderers have it"]);
    spare.wait_for(&network, "follower");
    network.order_through_all();

    // An orderer that is gone is told, and does not hold anybody up.
    let mut network = network;
    let gone = network.leader().map_or(0, |leader| (leader + 1) % 3);
    let address = network.endpoint(gone).address.clone();
    network.node(gone).kill();
    let told = admin.ok(&["edit", "--set", "orderer.batch_timeout=300ms"]);
    assert_has(&told, &["2 of 3 orderers have it", &format!("{address}: not reachable")]);
}

#[test]
fn maintenance_and_a_new_organisation() {
    let network = Network::start(&NetworkOptions::default());
    let admin = Terminal::new(&network);
    let transaction = || {
        let submit = ["submit", "--count", "1", "--size", "20", "--timeout", "1s", "--sandbox", "."];
        Command::new(binary::causeway()).args(submit).current_dir(&admin.layout.root).output().unwrap()
    };
    assert_has(
        &admin.ok(&["maintenance", "on"]),
        &["orderer.state: STATE_NORMAL -> STATE_MAINTENANCE", "3 of 3"],
    );
    let rejected = transaction();
    assert!(!rejected.status.success());
    assert_has(&text(&rejected.stderr), &["maintenance mode"]);
    assert_has(&admin.refused(&["maintenance", "on"]), &["nothing would change"]);
    let report = admin.json(&["maintenance", "off"]);
    assert_eq!(report["changes"][0]["after"], "STATE_NORMAL");
    assert!(transaction().status.success());

    // An organisation as configtxgen prints it, and one by its MSP directory.
    let config = admin.json(&["show"]);
    let groups = &config["channel_group"]["groups"]["Application"]["groups"];
    let mut organization = groups[CLIENT_MSPID].clone();
    organization["values"]["MSP"]["value"]["config"]["name"] = "PrintedMSP".into();
    fs::write(admin.path("printed.json"), organization.to_string()).unwrap();
    let told = admin.ok(&["add-org", "Printed", "printed.json"]);
    assert_has(
        &told,
        &["application.organizations.Printed added", "application.organizations.Printed.msp.id = PrintedMSP"],
    );
    assert_has(
        &admin.refused(&["add-org", "Printed", "printed.json"]),
        &["Printed is in application already"],
    );

    let ca = CertificateAuthority::new("ca.org3", "org3", forge::now_unix()).unwrap();
    let tls_ca = CertificateAuthority::new("tlsca.org3", "org3", forge::now_unix()).unwrap();
    let msp = admin.path("org3/msp");
    for (file, content) in [
        ("cacerts/ca.pem", ca.certificate_pem()),
        ("tlscacerts/tlsca.pem", tls_ca.certificate_pem()),
        (
            "config.yaml",
            "NodeOUs:\n  Enable: true\n  ClientOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: client}\n  PeerOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: peer}\n  AdminOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: admin}\n  OrdererOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: orderer}\n",
        ),
    ] {
        fs::create_dir_all(msp.join(file).parent().unwrap()).unwrap();
        fs::write(msp.join(file), content).unwrap();
    }
    let told = admin.ok(&[
        "add-org",
        "NewOrderers",
        "org3/msp",
        "--to",
        "orderer",
        "--mspid-of-org",
        "Org3MSP",
        "--endpoint",
        "orderer.org3:7050",
        "--policy",
        "Extra=OR('Org3MSP.peer')",
    ]);
    let name = "orderer.organizations.NewOrderers";
    assert_has(
        &told,
        &[
            &format!("{name} added"),
            &format!("{name}.msp.id = Org3MSP"),
            &format!("{name}.msp.node_ous = client, peer, admin, orderer"),
            &format!("{name}.endpoints = orderer.org3:7050"),
            &format!("{name}.policies.Admins = OR('Org3MSP.admin')"),
            &format!("{name}.policies.Extra = OR('Org3MSP.peer')"),
            "3 of 3 orderers have it",
        ],
    );
    let update = admin.run(&["diff", "block:0", "--json"]);
    assert_has(&text(&update.stdout), &["PrintedMSP", "Org3MSP"]);
    let bundle = channel::bundle::Bundle::from_config_block(
        network.chain(0, network.settled_height()).last().unwrap(),
    );
    assert!(bundle.unwrap().msps().msp("Org3MSP").is_some());
}

//! Fabric's `peer channel` and `causeway config` on the same files, against our orderers.
//! `CAUSEWAY_FABRIC_PEER` names Fabric's `peer` (2.5); without it there is nothing to try.
#![allow(clippy::unwrap_used)]

use cli::sandbox::layout::{CLIENT_MSPID, ORDERER_MSPID};
use protos::Message;
use protos::common::Block;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use testbed::binary;
use testbed::channel_config::config_of;
use testbed::network::{Network, NetworkOptions};

/// What `peer` wants to find, besides its flags.
const CORE_YAML: &str = "peer: {BCCSP: {Default: SW, SW: {Hash: SHA2, Security: 256}}}\n";

/// The administrators, and one who administers nothing.
#[derive(Clone, Copy)]
enum As {
    OrdererAdmin,
    ClientAdmin,
    Client,
}

/// Both tools, at the first node of a network.
struct Tools {
    network: Network,
    peer: PathBuf,
    place: tempfile::TempDir,
}

impl Tools {
    fn identity(&self, who: As) -> (&'static str, PathBuf) {
        let layout = self.network.layout();
        match who {
            As::OrdererAdmin => (ORDERER_MSPID, layout.admin_msp()),
            As::ClientAdmin => (CLIENT_MSPID, layout.client_admin_msp()),
            As::Client => (CLIENT_MSPID, layout.client_msp()),
        }
    }

    fn file(&self, name: &str) -> String {
        self.place.path().join(name).display().to_string()
    }

    /// `peer channel ...`; what it printed, and whether it ended well.
    fn peer(&self, who: As, arguments: &[&str]) -> (bool, String) {
        let (mspid, msp) = self.identity(who);
        let mut command = Command::new(&self.peer);
        command
            .env("FABRIC_CFG_PATH", self.place.path())
            .env("CORE_PEER_LOCALMSPID", mspid)
            .env("CORE_PEER_MSPCONFIGPATH", msp)
            .arg("channel")
            .args(arguments);
        if arguments[0] != "signconfigtx" {
            let ca = self.network.layout().tls_ca();
            command.args(["-c", "ch1", "--tls", "--cafile"]).arg(ca);
            command.args(["-o", &self.network.layout().nodes[0].address()]);
        }
        finish(command)
    }

    /// `causeway config ...` as somebody of whom it takes a signature.
    fn causeway(&self, who: As, arguments: &[&str]) -> (bool, String) {
        let (mspid, msp) = self.identity(who);
        let mut command = Command::new(binary::causeway());
        command.arg("config").args(arguments).args(["--mspid", mspid, "--msp-dir"]).arg(msp);
        if arguments[0] != "sign" {
            let ca = self.network.layout().tls_ca();
            command.args(["--channel", "ch1", "--tls-ca"]).arg(ca);
            command.args(["--orderer", &self.network.layout().nodes[0].address()]);
        }
        finish(command)
    }

    /// The policies of the channel, by the config block that `peer` fetches.
    fn policies(&self) -> Vec<String> {
        let file = self.file("config.block");
        ends_well(self.peer(As::Client, &["fetch", "config", &file]));
        let block = Block::decode(fs::read(&file).unwrap().as_slice()).unwrap();
        assert_eq!(Some(&block), self.network.config_block(0).as_ref());
        config_of(&block).channel_group.unwrap().policies.into_keys().collect()
    }
}

fn finish(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
}

fn ends_well((well, printed): (bool, String)) {
    assert!(well, "{printed}");
}

#[test]
fn updates_pass_between_peer_and_causeway_config() {
    let Some(peer) = std::env::var_os("CAUSEWAY_FABRIC_PEER").map(PathBuf::from) else {
        println!("skipped: CAUSEWAY_FABRIC_PEER names no peer of Fabric");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("core.yaml"), CORE_YAML).unwrap();
    let tools = Tools { network: Network::start(&NetworkOptions::default()), peer, place };

    // Each needs both administrators.
    let update = tools.file("by-causeway.pb");
    let edit = ["edit", "--set", "channel.policies.ByPeer=ANY Readers", "--output", &update];
    ends_well(tools.causeway(As::OrdererAdmin, &edit));
    let (well, refusal) = tools.peer(As::Client, &["update", "-f", &update]);
    let policy = "policy for [Group]  /Channel not satisfied: implicit policy evaluation failed - 1 sub-policies \
                  were satisfied, but this policy requires 2 of the 'Admins' sub-policies to be satisfied";
    assert!(!well && refusal.contains(policy), "{refusal}");
    ends_well(tools.peer(As::ClientAdmin, &["signconfigtx", "-f", &update]));
    ends_well(tools.peer(As::Client, &["update", "-f", &update]));
    assert!(tools.policies().contains(&"ByPeer".to_owned()));

    let update = tools.file("by-both.pb");
    let edit = ["edit", "--set", "channel.policies.ByBoth=ANY Readers", "--output", &update];
    ends_well(tools.causeway(As::OrdererAdmin, &edit));
    ends_well(tools.peer(As::Client, &["signconfigtx", "-f", &update]));
    ends_well(tools.causeway(As::ClientAdmin, &["sign", &update]));
    ends_well(tools.peer(As::Client, &["update", "-f", &update]));
    assert!(tools.policies().contains(&"ByBoth".to_owned()));

    let update = tools.file("by-causeway-again.pb");
    let edit = ["edit", "--set", "channel.policies.ByCauseway=ANY Readers", "--output", &update];
    ends_well(tools.causeway(As::OrdererAdmin, &edit));
    ends_well(tools.peer(As::ClientAdmin, &["signconfigtx", "-f", &update]));
    ends_well(tools.causeway(As::OrdererAdmin, &["submit", &update]));
    assert!(tools.policies().contains(&"ByCauseway".to_owned()));
}

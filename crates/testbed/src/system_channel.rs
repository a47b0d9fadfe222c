//! Networks with a system channel: blocks and requests are made by `configtxgen`, as before there was the
//! channel participation API.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use channel::envelope;
use cli::sandbox::layout::{CLIENT_MSPID, HOST, ORDERER_MSPID};
use identity::signing::SigningIdentity;
use protos::Message;
use protos::common::{Block, ConfigUpdateEnvelope, Envelope};
use serde_json::{Value, json};

use crate::material::set_key;
use crate::network::{Network, NetworkOptions, signing_identity};
use crate::{binary, channel_config, wait};

/// The name of the system channel.
pub const SYSTEM_CHANNEL: &str = "systemchannel";
/// The one consortium of the system channel, with the clients' organisation.
const CONSORTIUM: &str = "Sandbox";
/// How long it is waited for a new channel before it is asked for again.
const PATIENCE: Duration = Duration::from_secs(3);

impl Network {
    /// Makes the material, and starts the nodes: the first ones with the genesis block of a system channel,
    /// which they order, the spare ones with nothing.
    ///
    /// # Panics
    /// When any of that fails.
    pub fn start_with_system_channel(options: &NetworkOptions) -> Self {
        let mut network = Self::prepare(options);
        let first = network.serving();
        network.turn_to(SYSTEM_CHANNEL, &first);
        let mut genesis = network.system_genesis(&first);
        channel_config::change_genesis(&mut genesis, options.genesis);
        for node in first {
            network.bootstrap_with(node, &genesis);
        }
        network.start_all();
        network.wait_for_leader();
        network
    }

    /// The genesis block of a system channel with these consenters.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn system_genesis(&self, consenters: &[usize]) -> Block {
        let profiles = json!({"System": self.system_profile(consenters)});
        let made = self.configtxgen(SYSTEM_CHANNEL, "System", "-outputBlock", &profiles, &[]);
        Block::decode(made.as_slice()).expect("configtxgen makes a block")
    }

    /// A node is started with this block of the system channel the next time (`General.BootstrapMethod:
    /// file`).
    ///
    /// # Panics
    /// When files cannot be written.
    pub fn bootstrap_with(&mut self, node: usize, block: &Block) {
        let directory = self.node(node).directory().to_owned();
        let file = directory.join("bootstrap.block");
        fs::write(&file, block.encode_to_vec()).expect("a file can be written");
        set_key(&directory, "General", "BootstrapMethod", "file");
        set_key(&directory, "General", "BootstrapFile", &file.display().to_string());
    }

    /// The request to create a channel, signed by all that it takes; with the consenters of the system
    /// channel, or with these. This network is turned to the system channel.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn creation(&self, channel: &str, consenters: Option<&[usize]>) -> Bytes {
        let clients = signing_identity(&self.layout().client_admin_msp(), CLIENT_MSPID);
        self.creation_by(&[&clients, &self.orderer_admin()], channel, consenters)
    }

    /// As [`Network::creation`], signed by these.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn creation_by(
        &self,
        admins: &[&SigningIdentity],
        channel: &str,
        consenters: Option<&[usize]>,
    ) -> Bytes {
        let base = self.system_profile(&self.serving());
        let mut profile = json!({
            "Consortium": CONSORTIUM,
            "Policies": base["Policies"],
            "Capabilities": base["Capabilities"],
            "Application": {
                "Organizations": base["Consortiums"][CONSORTIUM]["Organizations"],
                "Policies": base["Policies"],
                "Capabilities": {"V2_5": true},
            },
        });
        if let Some(consenters) = consenters {
            profile["Orderer"] = self.system_profile(consenters)["Orderer"].take();
        }
        let profiles = json!({"System": base, "Channel": profile});
        let more: &[_] = if consenters.is_some() { &["-channelCreateTxBaseProfile", "System"] } else { &[] };
        let made = self.configtxgen(channel, "Channel", "-outputCreateChannelTx", &profiles, more);
        let envelope = Envelope::decode(made.as_slice()).expect("configtxgen makes an envelope");
        let payload = envelope::payload(&envelope).expect("the envelope has a payload");
        let request = ConfigUpdateEnvelope::decode(payload.data).expect("the payload is a config update");
        channel_config::sign_update(channel, request.config_update, admins)
    }

    /// Creates a channel through `node` and turns to it: its consenters serve it, and they are those of the
    /// system channel, which this network is turned to, or these.
    ///
    /// # Panics
    /// After a minute without.
    pub fn create_channel(&mut self, through: usize, channel: &str, consenters: Option<&[usize]>) {
        let request = self.creation(channel, consenters);
        let serving = consenters.map_or_else(|| self.serving(), <[usize]>::to_vec);
        wait::until("a channel to be created", Duration::from_secs(60), || {
            // An earlier try may have been ordered although no answer came.
            let is_there = || self.channels(through).iter().any(|there| there == channel).then_some(());
            is_there().or_else(|| {
                let patience =
                    if self.broadcast(through, request.clone()) { PATIENCE } else { Duration::ZERO };
                // One of Fabric's orderers answers before the request is ordered, and may lose it.
                wait::until_or(patience, is_there)
            })
        });
        self.turn_to(channel, &serving);
        self.wait_for_leader();
    }

    /// What `configtxgen` makes of one of these profiles.
    fn configtxgen(
        &self,
        channel: &str,
        profile: &str,
        output: &str,
        profiles: &Value,
        more: &[&str],
    ) -> Vec<u8> {
        let root = &self.layout().root;
        // JSON is YAML.
        let settings = json!({"Profiles": profiles}).to_string();
        fs::write(root.join("configtx.yaml"), settings).expect("a file can be written");
        let made: PathBuf = root.join(format!("{channel}.made"));
        let ran = Command::new(binary::causeway())
            .args(["configtxgen", "-configPath", ".", "-channelID", channel, "-profile", profile, output])
            .arg(&made)
            .args(more)
            .current_dir(root)
            .output()
            .expect("configtxgen can be started");
        assert!(ran.status.success(), "configtxgen: {}", String::from_utf8_lossy(&ran.stderr));
        fs::read(made).expect("configtxgen has written a file")
    }

    /// The profile of a system channel with these consenters.
    fn system_profile(&self, consenters: &[usize]) -> Value {
        let layout = self.layout();
        let signature = |rule: String| json!({"Type": "Signature", "Rule": rule});
        let organization = |mspid: &str, msp: PathBuf| {
            json!({
                "Name": mspid,
                "ID": mspid,
                "MSPDir": msp,
                "Policies": {
                    "Readers": signature(format!("OR('{mspid}.member')")),
                    "Writers": signature(format!("OR('{mspid}.member')")),
                    "Admins": signature(format!("OR('{mspid}.admin')")),
                },
            })
        };
        let meta = |rule: &str| json!({"Type": "ImplicitMeta", "Rule": rule});
        let policies = json!({
            "Readers": meta("ANY Readers"),
            "Writers": meta("ANY Writers"),
            "Admins": meta("MAJORITY Admins"),
        });
        let mut of_orderer = policies.clone();
        of_orderer["BlockValidation"] = meta("ANY Writers");
        let nodes: Vec<_> = consenters.iter().map(|node| &layout.nodes[*node]).collect();
        let mut orderers = organization(ORDERER_MSPID, layout.admin_msp());
        orderers["OrdererEndpoints"] = nodes.iter().map(|node| json!(node.address())).collect();
        let consenter = |node: &&_| {
            let certificate = layout.node_dir(node).join("tls").join("server.crt");
            json!({"Host": HOST, "Port": node.port, "ClientTLSCert": certificate, "ServerTLSCert": certificate})
        };
        json!({
            "Policies": policies,
            "Capabilities": {"V2_0": true},
            "Orderer": {
                "OrdererType": "etcdraft",
                "BatchTimeout": "250ms",
                "BatchSize": {
                    "MaxMessageCount": 500, "AbsoluteMaxBytes": "10 MB", "PreferredMaxBytes": "2 MB",
                },
                "EtcdRaft": {
                    "Consenters": nodes.iter().map(consenter).collect::<Vec<_>>(),
                    "Options": {
                        "TickInterval": "500ms", "ElectionTick": 10, "HeartbeatTick": 1,
                        "MaxInflightBlocks": 5, "SnapshotIntervalSize": "16 MB",
                    },
                },
                "Organizations": [orderers],
                "Policies": of_orderer,
                "Capabilities": {"V2_0": true},
            },
            "Consortiums": {
                CONSORTIUM: {"Organizations": [organization(CLIENT_MSPID, layout.client_admin_msp())]},
            },
        })
    }
}

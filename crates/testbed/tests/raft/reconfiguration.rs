//! Consenters come and go and change their certificates while the channel is served.

use std::fs;
use std::time::Duration;

use channel::genesis::{
    ApplicationSection, Consensus, GenesisDescription, OrdererSection, Organization, PolicyRule,
};
use cli::client::tls::{ClientIdentity, Tls};
use identity::generate::{CertificateAuthority, Validity};
use identity::local::{MspFiles, MspYaml, NodeOus, OrganizationalUnit};
use identity::signing::SigningIdentity;
use protos::Message;
use protos::common::ConfigGroup;
use protos::msp::MspConfig;
use testbed::channel_config::{change_endpoints, change_raft, config_of, orderer_group, raft_of};
use testbed::load::Load;
use testbed::network::{Network, NetworkOptions};
use testbed::{forge, ledgers, wait};

use crate::{settings, wait_for_lines};

fn progress(load: &Load) {
    let before = load.acknowledged_count();
    wait::until("transactions to be acknowledged", Duration::from_secs(60), || {
        (load.acknowledged_count() > before + 20).then_some(())
    });
}

/// From one node to four and back to three under load: nothing that was acknowledged is lost.
#[test]
fn a_channel_grows_and_shrinks_while_it_is_served() {
    let consensus = &[("EvictionSuspicion", "1s")];
    let options = NetworkOptions { nodes: 1, spare_nodes: 3, consensus, ..NetworkOptions::default() };
    let mut network = Network::start(&options);
    let genesis = network.chain(0, 1).remove(0).encode_to_vec();
    let endpoint = network.endpoint(0).clone();
    let load = Load::start(network.runtime(), &[endpoint], network.signer());
    progress(&load);
    for node in 1..4 {
        network.join(node, &genesis);
        network.add_consenter(0, node);
        network.wait_for_active(node + 1);
        progress(&load);
    }
    assert_eq!(raft_of(&config_of(&network.config_block(0).unwrap())).consenters.len(), 4);

    // Two at once are not possible, however few or many there are.
    let answer = network.try_update(0, |config| {
        change_raft(config, |raft| raft.consenters.truncate(2));
    });
    let refused = |reason: &str| {
        format!(
            "BAD_REQUEST: error applying config update to existing channel 'ch1': consensus metadata update for channel config update is invalid: {reason}"
        )
    };
    let two = "update of more than one consenter at a time is not supported, requested changes: add 0 node(s), remove 2 node(s)";
    assert_eq!(answer, refused(two));
    network.remove_consenter(0, 3);
    network.wait_for_active(3);
    progress(&load);
    let mut acknowledged = load.stop(network.runtime());
    let height = network.height(0).unwrap();
    network.wait_for_place(3, &format!("follower/active at {height}"));

    // With one of three down nothing may change that could cost the majority.
    network.node(2).kill();
    network.wait_for_leader_other_than(2);
    let lost = refused("2 out of 3 nodes are alive, configuration will result in quorum loss");
    let survivors = [0, 1];
    let newcomer = network.consenter(3);
    for node in survivors {
        // The leader sees it, the other one is told.
        wait::until("the loss to be known", Duration::from_secs(30), || {
            let active = network.channel_metric(node, "consensus_etcdraft_active_nodes");
            (active == Some(2.0)).then_some(())
        });
        let answer = network.try_update(node, |config| {
            change_raft(config, |raft| raft.consenters.push(newcomer.clone()));
        });
        assert_eq!(answer, lost, "adding through node {node}");
        let answer = network.try_update(node, |config| {
            change_raft(config, |raft| drop(raft.consenters.remove(1)));
        });
        assert_eq!(answer, lost, "removing one that is up, through node {node}");
    }
    network.start_all();
    network.wait_for_active(3);
    acknowledged.extend([0, 1, 2].map(|node| network.order_through(node)));
    network.add_consenter(0, 3);
    network.wait_for_active(4);

    // Half of four are no majority: nobody leads, each asks the other whether it was removed, and finds
    // that it was not.
    let marks: Vec<_> = (0..4).map(|node| network.node(node).log().len()).collect();
    network.node(2).kill();
    network.node(3).kill();
    for node in [0, 1] {
        let lines = [
            "Suspecting our own eviction from the channel for ",
            "Cannot confirm our own eviction from the channel, our certificate was found in config block with sequence ",
        ];
        wait_for_lines(&mut network, node, marks[node], &lines);
    }
    network.start_all();
    network.wait_for_active(4);
    acknowledged.extend(network.order_through_all());
    ledgers::check(&network, &acknowledged);
}

/// A certificate with a new key: first the channel, then the node. Meanwhile the node is nobody's.
#[test]
fn a_certificate_is_rotated() {
    let mut network = Network::start(&NetworkOptions::default());
    network.wait_for_active(3);
    let leader = network.wait_for_leader();
    let mut acknowledged = network.order_through_all();
    // The leader last: it hands over before its own certificate goes.
    for node in [(leader + 1) % 3, leader] {
        let through = (leader + 2) % 3;
        let before = marks_and_reissue(&mut network, node);
        let consenter = network.consenter(node);
        network.reconfigure(through, |config| {
            change_raft(config, |raft| raft.consenters[node] = consenter.clone());
        });
        if node == leader {
            wait_for_lines(&mut network, node, before, &["Detected certificate rotation of our node"]);
        }
        let leads = network.wait_for_leader_other_than(node);
        let refused = "certificate extracted from TLS connection isn't authorized";
        network.node(leads).wait_for_log(refused, 0);
        network.node(node).kill();
        network.start_all();
        network.wait_for_active(3);
        acknowledged.push(network.order_through(node));
    }
    ledgers::check(&network, &acknowledged.into_iter().collect());
}

fn marks_and_reissue(network: &mut Network, node: usize) -> usize {
    network.reissue(node, Validity::from_now(forge::now_unix()), false);
    network.node(node).log().len()
}

/// An orderer of another organisation, with another TLS authority: first the organisation, then its
/// node.
#[test]
fn an_organisation_with_another_tls_authority_joins() {
    let options = NetworkOptions { nodes: 2, spare_nodes: 1, ..NetworkOptions::default() };
    let mut network = Network::start(&options);
    network.wait_for_active(2);
    let newcomer = 2;
    network.node(newcomer).kill();
    let organization = NewOrganization::make();
    organization.enrol(&mut network, newcomer);
    network.start_all();
    let consenter = network.consenter(newcomer);
    let address = format!("{}:{}", consenter.host, consenter.port);

    let answer = network.try_update(0, |config| {
        change_raft(config, |raft| raft.consenters.push(consenter.clone()));
    });
    assert!(
        answer.starts_with(&format!(
            "BAD_REQUEST: error applying config update to existing channel 'ch1': consensus metadata update for channel config update is invalid: invalid new config metadata: consenter {address} has invalid certificate: verifying tls client cert with serial number "
        )),
        "{answer}"
    );
    assert!(answer.ends_with(": x509: certificate signed by unknown authority"), "{answer}");

    let group = organization.group(&address);
    network.reconfigure(0, |config| {
        orderer_group(config).groups.insert(NEW_MSPID.to_owned(), group.clone());
    });
    let config_block = network.config_block(0).unwrap().encode_to_vec();
    network.join(newcomer, &config_block);
    network.wait_for_place(newcomer, "follower/active at 2");
    // From now on it takes a majority of both organisations' administrators.
    let admins = [&network.orderer_admin(), &organization.admin()];
    network.reconfigure_by(&admins, 0, |config| {
        change_raft(config, |raft| {
            raft.consenters.truncate(2);
            raft.consenters.push(consenter.clone());
        });
    });
    network.wait_for_active(3);
    network.order_through(newcomer);
    network.node(0).kill();
    network.wait_for_leader_other_than(0);
    network.order_through(newcomer);
    network.start_all();
    let acknowledged = network.order_through_all();
    ledgers::check(&network, &acknowledged.into_iter().collect());
    let mut config = config_of(&network.config_block(0).unwrap());
    change_endpoints(&mut config, NEW_MSPID, |endpoints| assert_eq!(*endpoints, [address]));
}

const NEW_MSPID: &str = "NewOrdererMSP";

/// An organisation that the channel does not know yet.
struct NewOrganization {
    identities: CertificateAuthority,
    tls: CertificateAuthority,
}

impl NewOrganization {
    fn make() -> Self {
        let authority = |name: &str| CertificateAuthority::new(name, "new.org", forge::now_unix()).unwrap();
        Self { identities: authority("ca.new.org"), tls: authority("tlsca.new.org") }
    }

    /// Makes a node one of this organisation's. Its administrators use the certificate that it had.
    fn enrol(&self, network: &mut Network, node: usize) {
        let folder = network.node(node).directory().to_owned();
        let valid = Validity::from_now(forge::now_unix());
        let path = |name: &str| folder.join(name);
        let pair = self.identities.issue_identity("orderer.new.org", Some("orderer"), valid).unwrap();
        fs::write(path("msp/signcerts/cert.pem"), pair.certificate_pem).unwrap();
        fs::write(path("msp/keystore/priv_sk"), pair.private_key_pem).unwrap();
        for name in ["crt", "key"] {
            fs::copy(path("tls/server").with_extension(name), path("tls/admin").with_extension(name))
                .unwrap();
        }
        let pair = self.tls.issue_tls("orderer.new.org", &["127.0.0.1"], valid).unwrap();
        fs::write(path("tls/server.crt"), pair.certificate_pem).unwrap();
        fs::write(path("tls/server.key"), pair.private_key_pem).unwrap();
        let text = |name: &str| path(name).display().to_string();
        network.node(node).options_mut().environment.extend(settings(&[
            ("GENERAL_LOCALMSPID", NEW_MSPID),
            ("ADMIN_TLS_CERTIFICATE", &text("tls/admin.crt")),
            ("ADMIN_TLS_PRIVATEKEY", &text("tls/admin.key")),
        ]));
        fs::write(path("tls/new-ca.pem"), self.tls.certificate_pem()).unwrap();
        let client = network.layout().client_tls();
        let (certificate, key) = (client.join("client.crt"), client.join("client.key"));
        let identity = ClientIdentity { certificate: &certificate, key: &key };
        network.set_tls(node, Tls::load(&[path("tls/new-ca.pem")], Some(identity)).unwrap());
    }

    fn admin(&self) -> SigningIdentity {
        forge::member(&self.identities, NEW_MSPID, "admin", Validity::from_now(forge::now_unix()))
    }

    /// Its group in a channel's config.
    fn group(&self, address: &str) -> ConfigGroup {
        let pem = |authority: &CertificateAuthority| authority.certificate_pem().to_owned().into();
        let unit = |identifier: &str| {
            let certificate = Some(pem(&self.identities));
            Some(OrganizationalUnit { certificate, identifier: identifier.to_owned() })
        };
        let node_ous = NodeOus {
            enable: true,
            client: unit("client"),
            peer: unit("peer"),
            admin: unit("admin"),
            orderer: unit("orderer"),
        };
        let files = MspFiles {
            cacerts: vec![("ca.pem".to_owned(), pem(&self.identities))],
            tlscacerts: vec![("tlsca.pem".to_owned(), pem(&self.tls))],
            config_yaml: Some(MspYaml { node_ous: Some(node_ous), ..MspYaml::default() }),
            ..MspFiles::default()
        };
        let msp = files.fabric_config(NEW_MSPID).unwrap().encode_to_vec().into();
        let rule = || PolicyRule::Signature(format!("OR('{NEW_MSPID}.member')"));
        let organization = Organization {
            name: NEW_MSPID.to_owned(),
            msp: MspConfig { r#type: 0, config: msp },
            policies: ["Readers", "Writers", "Admins"].map(|name| (name.to_owned(), rule())).into(),
            skip_as_foreign: false,
            orderer_endpoints: vec![address.to_owned()],
            anchor_peers: Vec::new(),
        };
        let orderer = OrdererSection::new(Consensus::Solo, vec![organization]);
        let application = ApplicationSection::new(Vec::new());
        let description = GenesisDescription::application_channel("ch1", orderer, application);
        let mut config = description.config().unwrap();
        orderer_group(&mut config).groups.remove(NEW_MSPID).unwrap()
    }
}

//! A channel of generated organizations: three consenters of one, users of the other.
#![allow(clippy::unwrap_used, dead_code, reason = "a test uses what it needs")]

use bytes::Bytes;
use channel::{
    bundle::Bundle,
    configtx::compute_update,
    envelope::Draft,
    genesis::{
        ApplicationSection, Consensus, GenesisDescription, OrdererSection, Organization, PolicyRule,
        default_raft_options,
    },
};
use identity::{
    generate::{CertificateAuthority, Validity},
    signing::SigningIdentity,
};
use protos::{
    Message,
    common::{Config, ConfigGroup, ConfigSignature, ConfigUpdateEnvelope, ConfigValue, Envelope, HeaderType},
    etcdraft::{ConfigMetadata, Consenter},
    msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, MspConfig},
    orderer::ConsensusType,
};

/// The time at which the tests are played.
pub(crate) const NOW_UNIX: i64 = 1_800_000_000;

pub(crate) struct Member {
    pub(crate) msp_id: String,
    ca: CertificateAuthority,
}

impl Member {
    pub(crate) fn new(msp_id: &str) -> Self {
        let ca = CertificateAuthority::new(&format!("ca.{msp_id}"), msp_id, NOW_UNIX).unwrap();
        Self { msp_id: msp_id.to_owned(), ca }
    }

    pub(crate) fn identity(&self, role: &str, validity: Validity) -> SigningIdentity {
        let pair = self.ca.issue_identity(role, Some(role), validity).unwrap();
        let (certificate, key) = (pair.certificate_pem, pair.private_key_pem);
        SigningIdentity::from_pem(&self.msp_id, certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    pub(crate) fn member(&self, role: &str) -> SigningIdentity {
        self.identity(role, Validity::from_now(NOW_UNIX))
    }

    pub(crate) fn consenter(&self, host: &str) -> Consenter {
        let pair = self.ca.issue_tls(host, &[host], Validity::from_now(NOW_UNIX)).unwrap();
        let certificate = Bytes::from(pair.certificate_pem);
        Consenter {
            host: host.to_owned(),
            port: 7050,
            client_tls_cert: certificate.clone(),
            server_tls_cert: certificate,
        }
    }

    pub(crate) fn msp(&self) -> FabricMspConfig {
        let ca = Bytes::copy_from_slice(self.ca.certificate_pem().as_bytes());
        let ou = |role: &str| {
            Some(FabricOuIdentifier {
                certificate: ca.clone(),
                organizational_unit_identifier: role.to_owned(),
            })
        };
        FabricMspConfig {
            name: self.msp_id.clone(),
            root_certs: vec![ca.clone()],
            tls_root_certs: vec![ca.clone()],
            fabric_node_ous: Some(FabricNodeOUs {
                enable: true,
                client_ou_identifier: ou("client"),
                peer_ou_identifier: ou("peer"),
                admin_ou_identifier: ou("admin"),
                orderer_ou_identifier: ou("orderer"),
            }),
            ..FabricMspConfig::default()
        }
    }

    pub(crate) fn organization(&self) -> Organization {
        let rule = |role| PolicyRule::Signature(format!("OR('{}.{role}')", self.msp_id));
        let policies = [("Readers", "member"), ("Writers", "member"), ("Admins", "admin")];
        Organization {
            name: self.msp_id.trim_end_matches("MSP").to_owned(),
            msp: msp_config(&self.msp()),
            policies: policies.map(|(name, role)| (name.to_owned(), rule(role))).into(),
            orderer_endpoints: Vec::new(),
            anchor_peers: Vec::new(),
            skip_as_foreign: false,
        }
    }
}

pub(crate) fn msp_config(msp: &FabricMspConfig) -> MspConfig {
    MspConfig { r#type: 0, config: msp.encode_to_vec().into() }
}

pub(crate) struct Network {
    pub(crate) orderers: Member,
    pub(crate) users: Member,
    pub(crate) consenters: Vec<Consenter>,
}

impl Network {
    pub(crate) fn new() -> Self {
        let orderers = Member::new("OrdererMSP");
        let consenters = ["o1", "o2", "o3"].map(|host| orderers.consenter(host)).into();
        Self { orderers, users: Member::new("UsersMSP"), consenters }
    }

    pub(crate) fn raft(&self) -> Consensus {
        Consensus::Etcdraft(ConfigMetadata {
            consenters: self.consenters.clone(),
            options: Some(default_raft_options()),
        })
    }

    fn orderer_section(&self) -> OrdererSection {
        OrdererSection::new(self.raft(), vec![self.orderers.organization()])
    }

    /// The channel `ch1`, with the groups Orderer/Orderer and Application/Users.
    pub(crate) fn channel(&self) -> GenesisDescription {
        let application = ApplicationSection::new(vec![self.users.organization()]);
        GenesisDescription::application_channel("ch1", self.orderer_section(), application)
    }

    /// The system channel `syschan`, with the group Consortiums/Consortium/Users.
    pub(crate) fn system_channel(&self) -> GenesisDescription {
        GenesisDescription {
            channel_id: "syschan".to_owned(),
            application: None,
            consortiums: Some([("Consortium".to_owned(), vec![self.users.organization()])].into()),
            ..self.channel()
        }
    }

    /// The update that changes a channel's config so, signed by an admin of each organization and
    /// sent by one of the ordering service.
    pub(crate) fn update(&self, bundle: &Bundle, change: impl FnOnce(&mut ConfigGroup)) -> Envelope {
        let mut updated = bundle.config().clone();
        change(updated.channel_group.as_mut().unwrap());
        let update = compute_update(bundle.channel_id(), bundle.config(), &updated).unwrap();
        let update = Bytes::from(update.encode_to_vec());
        let sign = |signer: SigningIdentity| {
            let signature_header = Bytes::from(signer.signature_header().encode_to_vec());
            let signature = signer.sign(&[&signature_header[..], &update[..]].concat()).unwrap();
            ConfigSignature { signature_header, signature }
        };
        let admin = self.orderers.member("admin");
        let envelope = ConfigUpdateEnvelope {
            config_update: update.clone(),
            signatures: vec![sign(admin.clone()), sign(self.users.member("admin"))],
        };
        let data = envelope.encode_to_vec().into();
        Draft::new(HeaderType::ConfigUpdate, bundle.channel_id(), data, NOW_UNIX).sign(&admin).unwrap()
    }
}

pub(crate) fn bundle(description: &GenesisDescription) -> Bundle {
    Bundle::new(&description.channel_id, description.config().unwrap()).unwrap()
}

/// The group at this path below the channel's, such as `Orderer/Orderer`.
pub(crate) fn group<'a>(root: &'a mut ConfigGroup, path: &str) -> &'a mut ConfigGroup {
    path.split('/').filter(|name| !name.is_empty()).fold(root, |g, name| g.groups.get_mut(name).unwrap())
}

/// Sets a value in the group at this path.
pub(crate) fn set(root: &mut ConfigGroup, path: &str, key: &str, value: &impl Message) {
    let entry = group(root, path).values.entry(key.to_owned());
    let entry =
        entry.or_insert_with(|| ConfigValue { mod_policy: "Admins".to_owned(), ..ConfigValue::default() });
    entry.value = value.encode_to_vec().into();
}

/// Changes the consensus type.
pub(crate) fn change_consensus(root: &mut ConfigGroup, change: impl FnOnce(&mut ConsensusType)) {
    let value = group(root, "Orderer").values.get_mut("ConsensusType").unwrap();
    let mut consensus = ConsensusType::decode(&value.value[..]).unwrap();
    change(&mut consensus);
    value.value = consensus.encode_to_vec().into();
}

/// Changes consenters and options.
pub(crate) fn change_raft(root: &mut ConfigGroup, change: impl FnOnce(&mut ConfigMetadata)) {
    change_consensus(root, |consensus| {
        let mut metadata = ConfigMetadata::decode(&consensus.metadata[..]).unwrap();
        change(&mut metadata);
        consensus.metadata = metadata.encode_to_vec().into();
    });
}

pub(crate) fn with(mut config: Config, change: impl FnOnce(&mut ConfigGroup)) -> Config {
    change(config.channel_group.as_mut().unwrap());
    config
}

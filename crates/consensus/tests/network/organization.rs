//! An organization that is orderer and client at once, and channels of its making.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use channel::{
    block::EncodedBlock,
    bundle::Bundle,
    configtx::compute_update,
    envelope::Draft,
    genesis::{
        ApplicationSection, Consensus, GenesisDescription, OrdererSection, Organization, PolicyRule,
        default_raft_options,
    },
    processor::MessageError,
};
use identity::{
    certificate::pem_to_der,
    generate::{CertificateAuthority, KeyPair, Validity},
    local::MspFiles,
    signing::SigningIdentity,
};
use protos::{
    Message as _,
    common::{ConfigSignature, ConfigUpdateEnvelope, Envelope, HeaderType},
    etcdraft::{ConfigMetadata, Consenter, Options},
    msp::MspConfig,
    orderer::{BatchSize, ConsensusType},
};

use consensus::{
    chain::{Kind, Submission},
    channel_state::ChannelState,
};

const MSP_ID: &str = "OrgMSP";

/// Makes identities, consenters and messages.
pub struct Org {
    ca: CertificateAuthority,
    tls_ca: CertificateAuthority,
    now_unix: i64,
    pub admin: Arc<SigningIdentity>,
}

/// What a node of the organization has.
pub struct NodeIdentity {
    pub signer: Arc<SigningIdentity>,
    pub tls: KeyPair,
    pub consenter: Consenter,
}

impl Org {
    pub fn new() -> Self {
        let now_unix =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let ca = CertificateAuthority::new("ca.example.com", "example.com", now_unix).unwrap();
        let tls_ca = CertificateAuthority::new("tlsca.example.com", "example.com", now_unix).unwrap();
        let admin = signer(&ca, "admin", now_unix);
        Self { ca, tls_ca, now_unix, admin }
    }

    pub fn node(&self, number: u64) -> NodeIdentity {
        let name = format!("orderer{number}.example.com");
        let tls = self.tls_ca.issue_tls(&name, &[&name], Validity::from_now(self.now_unix)).unwrap();
        let certificate = bytes::Bytes::from(tls.certificate_pem.clone());
        let consenter = Consenter {
            host: name.clone(),
            port: 7050,
            client_tls_cert: certificate.clone(),
            server_tls_cert: certificate,
        };
        NodeIdentity { signer: signer(&self.ca, &name, self.now_unix), tls, consenter }
    }

    pub fn genesis(&self, channel: &str, consensus: Consensus, batch: (u32, Duration)) -> Arc<EncodedBlock> {
        let pem =
            |authority: &CertificateAuthority| bytes::Bytes::from(authority.certificate_pem().to_owned());
        let files = MspFiles {
            cacerts: vec![("ca.pem".to_owned(), pem(&self.ca))],
            admincerts: vec![("admin.pem".to_owned(), self.admin.certificate().to_pem().into())],
            tlscacerts: vec![("tlsca.pem".to_owned(), pem(&self.tls_ca))],
            ..MspFiles::default()
        };
        let msp = files.fabric_config(MSP_ID).unwrap();
        let member = PolicyRule::Signature(format!("OR('{MSP_ID}.member')"));
        let policies: BTreeMap<_, _> = ["Readers", "Writers", "Admins", "Endorsement"]
            .map(|name| (name.to_owned(), member.clone()))
            .into();
        let organization = Organization {
            name: "Org".to_owned(),
            msp: MspConfig { r#type: 0, config: msp.encode_to_vec().into() },
            policies,
            orderer_endpoints: vec!["orderer1.example.com:7050".to_owned()],
            anchor_peers: vec![],
            skip_as_foreign: false,
        };
        let mut orderer = OrdererSection::new(consensus, vec![organization.clone()]);
        orderer.batch_size = BatchSize { max_message_count: batch.0, ..orderer.batch_size };
        orderer.batch_timeout = batch.1;
        let description = GenesisDescription::application_channel(
            channel,
            orderer,
            ApplicationSection::new(vec![organization]),
        );
        Arc::new(EncodedBlock::from_block(description.block(self.now_unix, vec![7; 24].into()).unwrap()))
    }

    /// The administrator's update that changes the consenters.
    pub fn consenter_update(&self, bundle: &Bundle, change: impl FnOnce(&mut Vec<Consenter>)) -> Envelope {
        self.update(bundle, "ConsensusType", |value| {
            let mut consensus = ConsensusType::decode(value).unwrap();
            let mut metadata = ConfigMetadata::decode(consensus.metadata).unwrap();
            change(&mut metadata.consenters);
            consensus.metadata = metadata.encode_to_vec().into();
            consensus.encode_to_vec().into()
        })
    }

    /// The administrator's update that changes how many messages make a block.
    pub fn batch_update(&self, bundle: &Bundle, max_message_count: u32) -> Envelope {
        self.update(bundle, "BatchSize", |value| {
            let batch_size = BatchSize { max_message_count, ..BatchSize::decode(value).unwrap() };
            batch_size.encode_to_vec().into()
        })
    }

    fn update(
        &self,
        bundle: &Bundle,
        key: &str,
        change: impl FnOnce(bytes::Bytes) -> bytes::Bytes,
    ) -> Envelope {
        let mut updated = bundle.config().clone();
        let orderer = updated.channel_group.as_mut().unwrap().groups.get_mut("Orderer").unwrap();
        let value = orderer.values.get_mut(key).unwrap();
        value.value = change(value.value.clone());
        let update = compute_update(bundle.channel_id(), bundle.config(), &updated).unwrap();
        let config_update = bytes::Bytes::from(update.encode_to_vec());
        let signature_header = bytes::Bytes::from(self.admin.signature_header().encode_to_vec());
        let signature = self.admin.sign(&[&signature_header[..], &config_update].concat()).unwrap();
        let update = ConfigUpdateEnvelope {
            config_update,
            signatures: vec![ConfigSignature { signature_header, signature }],
        };
        Draft::new(
            HeaderType::ConfigUpdate,
            bundle.channel_id(),
            update.encode_to_vec().into(),
            self.now_unix,
        )
        .sign(&self.admin)
        .unwrap()
    }

    /// The configuration transaction that this node makes of an update.
    pub fn config_submission(state: &ChannelState, update: &Envelope) -> Result<Submission, MessageError> {
        let (envelope, config_sequence) = state.process_config_update(update)?;
        Ok(Submission {
            kind: Kind::Config,
            size_bytes: channel::envelope::size_bytes(&envelope),
            envelope: envelope.encode_to_vec().into(),
            config_sequence,
        })
    }

    /// A transaction of a client.
    pub fn transaction(&self, channel: &str, text: &str) -> Submission {
        let data = bytes::Bytes::from(text.to_owned());
        let envelope = Draft::new(HeaderType::Message, channel, data, self.now_unix)
            .with_tx_id()
            .sign(&self.admin)
            .unwrap();
        Submission {
            kind: Kind::Normal,
            size_bytes: channel::envelope::size_bytes(&envelope),
            envelope: envelope.encode_to_vec().into(),
            config_sequence: 0,
        }
    }
}

/// Raft among these consenters, in a hurry.
pub fn raft(nodes: &[NodeIdentity], snapshot_interval_size: u32) -> Consensus {
    Consensus::Etcdraft(ConfigMetadata {
        consenters: nodes.iter().map(|node| node.consenter.clone()).collect(),
        options: Some(Options {
            tick_interval: "20ms".to_owned(),
            snapshot_interval_size,
            ..default_raft_options()
        }),
    })
}

impl NodeIdentity {
    pub fn server_cert_der(&self) -> Vec<u8> {
        pem_to_der(self.tls.certificate_pem.as_bytes()).unwrap()
    }
}

fn signer(ca: &CertificateAuthority, name: &str, now_unix: i64) -> Arc<SigningIdentity> {
    let pair = ca.issue_identity(name, None, Validity::from_now(now_unix)).unwrap();
    let (certificate, key) = (pair.certificate_pem.as_bytes(), pair.private_key_pem.as_bytes());
    Arc::new(SigningIdentity::from_pem(MSP_ID, certificate, key).unwrap())
}

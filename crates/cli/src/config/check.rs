//! What the orderers would refuse, or what would hurt later, seen before an update is sent.

use channel::{
    bundle::{Bundle, OrdererConfig},
    consenters::{
        ConsenterError, MembershipChange, MetadataError, RaftConfig, RaftConfigError, RaftState,
        membership_change, validate_metadata,
    },
    maintenance::{self, MaintenanceError},
};
use identity::{certificate::Certificate, chain::ChainError};
use protos::{
    Message,
    common::{Config, ConfigEnvelope, ConfigUpdate, Envelope},
    etcdraft::{ConfigMetadata, Consenter},
};
use serde::Serialize;

use super::words::{address, date};

/// Certificates that end sooner than this are worth a word.
const SOON_SECONDS: i64 = 30 * 86_400;
/// What an orderer adds to a config: its own headers, certificate and signature.
const ORDERER_SHARE_BYTES: usize = 2048;

/// Why an update is not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    /// What is wrong; where the orderer has a text for it, that text.
    pub(super) reason: String,
    /// What to do about it.
    pub(super) remedy: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Findings {
    /// What speaks against sending the update.
    pub(super) refusals: Vec<Refusal>,
    /// What should be known.
    pub(super) warnings: Vec<String>,
    /// Whether too few consenters answer for the change that is wanted.
    #[serde(skip)]
    pub(super) quorum_in_doubt: bool,
}

impl Findings {
    fn refuse(&mut self, reason: impl ToString, remedy: impl Into<String>) {
        self.refusals.push(Refusal { reason: reason.to_string(), remedy: remedy.into() });
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// Looks at the config that would follow, and at the update that leads to it.
pub(super) fn check(current: &Bundle, next: &Config, update: &ConfigUpdate, now_unix: i64) -> Findings {
    let mut findings = Findings::default();
    let next = match Bundle::new(current.channel_id(), next.clone()) {
        Ok(next) => next,
        Err(error) => {
            findings.refuse(
                error,
                "correct the value that is named; `causeway config show` prints what is there now",
            );
            return findings;
        }
    };
    if let Some(unsupported) = next.unsupported_capability() {
        findings.refuse(
            unsupported,
            "nodes of this release would stop serving the channel: name capabilities that they know (channel: V2_0, \
             orderer: V2_0)",
        );
    }
    if let Err(error) = current.check_successor(&next) {
        findings.refuse(error, "sections and MSP ids of a channel stay; leave that part as it is");
    }
    check_size(current, &next, update, &mut findings);
    let (Some(old), Some(new)) = (current.orderer(), next.orderer()) else { return findings };
    match validate_metadata(old, new, None, now_unix) {
        Ok(()) => {}
        // The text of the orderers is mainly the certificates themselves.
        Err(error @ MetadataError::Duplicate { .. }) => findings.refuse(
            "two consenters have a TLS certificate in common: duplicate consenter",
            metadata_remedy(&error),
        ),
        Err(error) => findings.refuse(&error, metadata_remedy(&error)),
    }
    if let Err(error) = maintenance::check(old, new, update, now_unix) {
        findings.refuse(&error, maintenance_remedy(&error));
    }
    check_consenters(old, new, now_unix, &mut findings);
    findings
}

/// Warns when the consenters that answer here would not be a majority after a change of the set: the
/// orderers refuse that. They know better than we do whom they reach.
pub(super) fn check_quorum(
    current: &Bundle,
    next: &Config,
    raft: &RaftState<'_>,
    silent: &[String],
    now_unix: i64,
    findings: &mut Findings,
) {
    let next = Bundle::new(current.channel_id(), next.clone());
    let Ok(Some((old, new))) = next.as_ref().map(|next| current.orderer().zip(next.orderer())) else {
        return;
    };
    if let Err(error @ MetadataError::QuorumLoss { .. }) = validate_metadata(old, new, Some(raft), now_unix) {
        findings.quorum_in_doubt = true;
        findings.warn(format!(
            "{error}: {} did not answer here; {}",
            silent.join(", "),
            metadata_remedy(&error)
        ));
    }
}

/// Whether the config still fits into a transaction: the limit in force counts for this update, the one
/// that follows for all later ones.
fn check_size(current: &Bundle, next: &Bundle, update: &ConfigUpdate, findings: &mut Findings) {
    let update = Envelope { payload: update.encode_to_vec().into(), ..Envelope::default() };
    let config = ConfigEnvelope { config: Some(next.config().clone()), last_update: Some(update) };
    let size = config.encoded_len() + ORDERER_SHARE_BYTES;
    let limit = |bundle: &Bundle| bundle.orderer().map(|orderer| orderer.batch_size.absolute_max_bytes);
    for (bundle, what) in [(current, "is"), (next, "would be")] {
        if let Some(max) = limit(bundle).filter(|max| size > *max as usize) {
            findings.refuse(
                format!(
                    "a config transaction of this channel takes about {size} bytes, but \
                     orderer.batch_size.absolute_max_bytes {what} {max}"
                ),
                "raise orderer.batch_size.absolute_max_bytes: with less no config update can be ordered any more",
            );
            return;
        }
    }
}

fn metadata_remedy(error: &MetadataError) -> String {
    let remedy = match error {
        MetadataError::Membership(_) => {
            "Raft changes one consenter at a time: submit one change, wait until all nodes have it, then the next one"
        }
        MetadataError::Consenter { source, .. } | MetadataError::NewConsenter { source, .. } => {
            match &**source {
                ConsenterError::Chain { source: ChainError::OutsideValidity { .. }, .. } => {
                    "issue a certificate that is valid now"
                }
                ConsenterError::Chain { source: ChainError::UnknownAuthority(_), .. } => {
                    "the TLS CA that issued it must be among the TLS root certificates of an orderer organisation of the \
                 channel: add it to the organisation's MSP first, or issue the certificate by a CA that is there"
                }
                ConsenterError::Chain { .. } => "issue a TLS certificate for server and client use",
                ConsenterError::NotPem { .. } | ConsenterError::NotCertificate { .. } => {
                    "give the PEM file of the node's TLS certificate"
                }
            }
        }
        MetadataError::Duplicate { .. } => "each consenter needs a TLS certificate of its own",
        MetadataError::NoConsenters => "leave one consenter at least",
        MetadataError::QuorumLoss { .. } => "bring the other nodes back first",
        MetadataError::Options(RaftConfigError::ElectionBeforeHeartbeat { .. }) => {
            "set orderer.raft.election_tick above orderer.raft.heartbeat_tick; ten times is usual"
        }
        MetadataError::Options(_) => "set orderer.raft.* to values above zero",
        _ => "correct the consensus metadata with `causeway config edit`",
    };
    remedy.to_owned()
}

fn maintenance_remedy(error: &MaintenanceError) -> String {
    let remedy = match error {
        MaintenanceError::StateWithoutCapability(_) | MaintenanceError::TypeWithoutCapability { .. } => {
            "maintenance mode takes orderer capability V1_4_2 or higher: \
             `causeway config edit --set orderer.capabilities+=V2_0` first"
        }
        MaintenanceError::NotStateAlone(_)
        | MaintenanceError::TypeWithState { .. }
        | MaintenanceError::MetadataWithState { .. } => {
            "entering and leaving maintenance is an update of its own: `causeway config maintenance on` (or off), \
             and the other changes in another update"
        }
        MaintenanceError::TypeOutsideMaintenance { .. } => "`causeway config maintenance on` first",
        MaintenanceError::TransitionNotSupported { .. } => "the type can become etcdraft",
        MaintenanceError::MetadataMalformed(_) | MaintenanceError::MetadataUnusable { .. } => {
            "correct the consenters and options of the new consensus type"
        }
    };
    remedy.to_owned()
}

fn consenters(orderer: &OrdererConfig) -> Vec<Consenter> {
    ConfigMetadata::decode(orderer.consensus_metadata.clone()).map(|raft| raft.consenters).unwrap_or_default()
}

fn check_consenters(old: &OrdererConfig, new: &OrdererConfig, now_unix: i64, findings: &mut Findings) {
    let (before, after) = (consenters(old), consenters(new));
    for consenter in after.iter().filter(|consenter| !before.contains(consenter)) {
        let Ok(certificate) = Certificate::from_pem(&consenter.server_tls_cert) else { continue };
        if let Err(error) = certificate.check_host(&consenter.host) {
            findings.refuse(
                format!("server certificate of consenter {}: {error}", address(consenter)),
                format!(
                    "the other nodes would not connect: issue a certificate with the alternative name (SAN) {}",
                    consenter.host
                ),
            );
        }
        let ends = certificate.not_after_unix();
        if ends < now_unix.saturating_add(SOON_SECONDS) {
            findings.warn(format!(
                "the certificate of consenter {} expires {}; plan its rotation",
                address(consenter),
                date(ends)
            ));
        }
    }
    if after.len() != before.len() && !after.is_empty() {
        let tolerates = (after.len() - 1) / 2;
        if after.len() % 2 == 0 {
            findings.warn(format!(
                "{} consenters tolerate the loss of {tolerates}, no more than {}; an odd number is better",
                after.len(),
                after.len() - 1
            ));
        } else if after.len() < 3 {
            findings.warn("one consenter tolerates no loss at all; three are the least for that");
        }
    }
    let parsed =
        RaftConfig::parse(&old.consensus_metadata).ok().zip(RaftConfig::parse(&new.consensus_metadata).ok());
    if let Some((old, new)) = parsed {
        let runtime = channel::consenters::RaftOptions {
            snapshot_interval_size_bytes: new.options.snapshot_interval_size_bytes,
            ..old.options
        };
        if runtime != new.options {
            findings.warn(
                "the Raft options take effect on a node when it is started again; all nodes should have the same: \
                 restart them one after the other, soon",
            );
        }
        if matches!(membership_change(&old, &new), Ok(MembershipChange::Rotate { .. })) {
            findings.warn(
                "the node whose certificate changes is out of the channel until it is started with the new one; \
                 all other nodes should be up",
            );
        }
    }
}

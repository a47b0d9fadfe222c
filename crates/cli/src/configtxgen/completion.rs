//! What Fabric's configtxgen fills in and checks before it makes anything of a profile; its texts.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

use channel::{
    duration,
    genesis::{default_batch_size, default_raft_options},
};
use protos::etcdraft::Options;
use tracing::info;

use super::{
    file::join,
    model::{Consenter, Orderer, Organization, Profile, Raft, TopLevel},
};

/// Fabric's logger for what is filled in.
const LOG: &str = "common.tools.configtxgen.localconfig";

const ETCDRAFT: &str = "etcdraft";

/// A section that nothing can be made of. The texts begin with Fabric's.
#[derive(Debug, thiserror::Error)]
pub(super) enum IncompleteError {
    #[error("unknown orderer type: {0}; set Orderer.OrdererType to etcdraft, kafka or solo")]
    OrdererType(String),
    #[error("{ETCDRAFT} configuration missing; add Orderer.EtcdRaft with its Consenters")]
    NoRaft,
    #[error(
        "{ETCDRAFT} configuration did not specify any consenter; list them in Orderer.EtcdRaft.Consenters"
    )]
    NoConsenters,
    #[error("Etcdraft TickInterval ({0}) must be in time duration format, such as 500ms")]
    TickInterval(String),
    #[error(
        "election tick must be greater than heartbeat tick: ElectionTick is {election}, HeartbeatTick {heartbeat}; Fabric's defaults are 10 and 1"
    )]
    Ticks { election: u32, heartbeat: u32 },
    #[error(
        "consenter info in {ETCDRAFT} configuration did not specify {missing} (number {number} of Consenters)"
    )]
    Consenter { missing: &'static str, number: usize },
}

impl TopLevel {
    /// Completes what stands at the top, with paths relative to `directory`.
    pub(super) fn complete(&mut self, directory: &Path) -> Result<(), IncompleteError> {
        self.organizations.iter_mut().for_each(|organization| organization.complete(directory));
        self.orderer.as_mut().map_or(Ok(()), |orderer| orderer.complete(directory))
    }
}

impl Profile {
    /// Completes all sections, with paths relative to `directory`.
    pub(super) fn complete(&mut self, directory: &Path) -> Result<(), IncompleteError> {
        let application = self.application.iter_mut().flat_map(|section| &mut section.organizations);
        let consortiums = self.consortiums.iter_mut().flat_map(|all| all.values_mut()).flatten();
        application.chain(consortiums).for_each(|organization| organization.complete(directory));
        self.orderer.as_mut().map_or(Ok(()), |orderer| orderer.complete(directory))
    }
}

impl Organization {
    fn complete(&mut self, directory: &Path) {
        if self.msp_type.is_empty() {
            self.msp_type = "bccsp".to_owned();
        }
        translate(directory, &mut self.msp_directory);
    }
}

impl Orderer {
    fn complete(&mut self, directory: &Path) -> Result<(), IncompleteError> {
        self.organizations.iter_mut().for_each(|organization| organization.complete(directory));
        let size = default_batch_size();
        fill("Orderer.OrdererType", &mut self.kind, "solo".to_owned());
        if self.batch_timeout.is_zero() {
            self.batch_timeout = Duration::from_secs(2);
            info!(target: LOG, "Orderer.BatchTimeout unset, setting to 2s");
        }
        let batch = &mut self.batch_size;
        fill("Orderer.BatchSize.MaxMessageCount", &mut batch.max_message_count, size.max_message_count);
        fill("Orderer.BatchSize.AbsoluteMaxBytes", &mut batch.absolute_max_bytes, size.absolute_max_bytes);
        fill("Orderer.BatchSize.PreferredMaxBytes", &mut batch.preferred_max_bytes, size.preferred_max_bytes);
        info!(target: LOG, "orderer type: {}", self.kind);
        match &*self.kind {
            "solo" => {}
            "kafka" => {
                if self.kafka_brokers.is_none() {
                    info!(target: LOG, "Orderer.Kafka unset, setting to [127.0.0.1:9092]");
                    self.kafka_brokers = Some(vec!["127.0.0.1:9092".to_owned()]);
                }
            }
            ETCDRAFT => self.raft.as_mut().ok_or(IncompleteError::NoRaft)?.complete(directory)?,
            _ => return Err(IncompleteError::OrdererType(self.kind.clone())),
        }
        Ok(())
    }
}

impl Raft {
    fn complete(&mut self, directory: &Path) -> Result<(), IncompleteError> {
        let defaults = default_raft_options();
        let options = self.options.get_or_insert_with(|| {
            let shown = in_gos_form(&defaults);
            info!(target: LOG, "Orderer.EtcdRaft.Options unset, setting to {shown}");
            defaults.clone()
        });
        let path = |key| format!("Orderer.EtcdRaft.Options.{key}");
        fill(&path("TickInterval"), &mut options.tick_interval, defaults.tick_interval);
        fill(&path("ElectionTick"), &mut options.election_tick, defaults.election_tick);
        fill(&path("HeartbeatTick"), &mut options.heartbeat_tick, defaults.heartbeat_tick);
        fill(&path("MaxInflightBlocks"), &mut options.max_inflight_blocks, defaults.max_inflight_blocks);
        let interval = &mut options.snapshot_interval_size;
        fill(&path("SnapshotIntervalSize"), interval, defaults.snapshot_interval_size);
        if self.consenters.is_empty() {
            return Err(IncompleteError::NoConsenters);
        }
        if duration::parse(&options.tick_interval).is_err() {
            return Err(IncompleteError::TickInterval(options.tick_interval.clone()));
        }
        if options.election_tick <= options.heartbeat_tick {
            let (election, heartbeat) = (options.election_tick, options.heartbeat_tick);
            return Err(IncompleteError::Ticks { election, heartbeat });
        }
        for (index, consenter) in self.consenters.iter_mut().enumerate() {
            let missing = |missing| IncompleteError::Consenter { missing, number: index + 1 };
            consenter.complete(directory).map_err(missing)?;
        }
        Ok(())
    }
}

impl Consenter {
    /// The error is what is missing.
    fn complete(&mut self, directory: &Path) -> Result<(), &'static str> {
        let empty = |path: &PathBuf| path.as_os_str().is_empty();
        match self {
            Self { host, .. } if host.is_empty() => Err("host"),
            Self { port: 0, .. } => Err("port"),
            Self { client_tls_certificate, .. } if empty(client_tls_certificate) => Err("client TLS cert"),
            Self { server_tls_certificate, .. } if empty(server_tls_certificate) => Err("server TLS cert"),
            _ => {
                translate(directory, &mut self.client_tls_certificate);
                translate(directory, &mut self.server_tls_certificate);
                Ok(())
            }
        }
    }
}

/// Gives a missing value its default, and says so.
fn fill<T: Default + PartialEq + Display>(path: &str, value: &mut T, default: T) {
    if *value == T::default() {
        info!(target: LOG, "{path} unset, setting to {default}");
        *value = default;
    }
}

fn translate(directory: &Path, path: &mut PathBuf) {
    *path = join(directory, path);
}

/// The options as Go prints a message, the blank at the end included.
fn in_gos_form(options: &Options) -> String {
    let Options { tick_interval, election_tick, heartbeat_tick, max_inflight_blocks, snapshot_interval_size } =
        options;
    format!(
        "tick_interval:\"{tick_interval}\" election_tick:{election_tick} heartbeat_tick:{heartbeat_tick} max_inflight_blocks:{max_inflight_blocks} snapshot_interval_size:{snapshot_interval_size} "
    )
}

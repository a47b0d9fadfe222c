//! Assembles the node and runs it until it is told to stop.
//!
//! The order of the steps is Fabric's (`orderer/common/server/main.go`): identity, operations
//! listener, gRPC listeners (bound, refusing connections), ledgers, bootstrap, channels, admin listener,
//! and then service. On SIGTERM or SIGINT it goes the other way round.

mod local_msp;
mod security;

use std::{io, sync::Arc, time::Duration};

use consensus::onboarding::Patience;
use identity::{local::LocalMspError, signing::SigningIdentity};
use storage::ledger::{LedgerObserver, LedgerOptions, LedgerStore, StoreError};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin,
    broadcast::Broadcast,
    certificates::{self, Role},
    cluster::{
        ClusterOptions, ClusterTransport,
        members::Members,
        puller::{PullerOptions, Pullers},
        step::Step,
        stream::StreamOptions,
    },
    deliver::{Deliver, DeliverOptions},
    grpc::{
        call::MessageLimits,
        server::{self, Bound, ListenError, Listener, Options, Routes},
    },
    health::HealthRegistry,
    http_listener,
    logging::Logging,
    metrics::Metrics,
    operations::{self, Operations},
    registrar::{BootstrapError, OnboardingError, Registrar, RegistrarParts, Replication, bootstrap},
    settings::{BootstrapMethod, MetricsProvider, Settings},
    tls::TlsError,
    trace_dir::TraceDir,
    version,
};
use security::Security;

const LOG: &str = "orderer.common.server";
/// Largest messages on a listener of the cluster's own, which has no settings for it in Fabric.
const CLUSTER_MESSAGE_BYTES: usize = 100 << 20;
/// Recent blocks of a channel that are kept in memory for Deliver: those that are being replicated
/// are there anyhow, and what lies further back is in the system's cache.
const LEDGER_CACHE_BYTES: usize = 2 << 20;
/// How often the participation gauges are brought up to date.
const PARTICIPATION_INTERVAL: Duration = Duration::from_secs(2);
/// How long clients may finish their calls after the chains have ended.
const FAREWELL: Duration = Duration::from_millis(200);

/// Why a node does not start. Each says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The directory of the local MSP cannot be read.
    #[error("cannot read the local MSP directory {path} (General.LocalMSPDir): {source}")]
    MspDirectory {
        /// The directory.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The local MSP has no usable signing identity.
    #[error("failed to initialize local MSP from {path} (General.LocalMSPDir): {source}")]
    Msp {
        /// The directory.
        path: String,
        /// What is wrong.
        source: LocalMspError,
    },
    /// Keys, certificates or roots cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Orderers speak to each other over TLS only.
    #[error(
        "TLS is required for running ordering nodes of cluster type. Set General.TLS.Enabled, or configure the listener of General.Cluster"
    )]
    TlsRequired,
    /// A gRPC listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operations or the admin listener cannot be opened.
    #[error(transparent)]
    HttpListen(#[from] http_listener::ListenError),
    /// The ledgers cannot be opened.
    #[error("cannot open the ledgers: {0}")]
    Ledgers(#[from] StoreError),
    /// The system channel cannot be made.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The channels of a running network cannot be replicated.
    #[error(transparent)]
    Onboarding(#[from] OnboardingError),
    /// The system refuses signal handlers or threads.
    #[error("the system refuses what the node needs: {0}")]
    System(#[from] io::Error),
}

/// Runs the node until SIGTERM or SIGINT; then it stops in good order.
///
/// # Errors
///
/// When it cannot start.
pub async fn run(settings: Settings, logging: Logging) -> Result<(), NodeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut inspect = signal(SignalKind::user_defined1())?;
    // A limit on file sizes then fails the write, like a full disk, instead of killing the node.
    let _file_too_large = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
    let node = tokio::select! {
        node = Node::start(&settings, logging) => node?,
        // Channels may be replicated for long before there is a node; it goes on with them next time.
        _ = terminate.recv() => return stopped_early(),
        _ = interrupt.recv() => return stopped_early(),
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = inspect.recv() => node.log_state(),
        }
    }
    tracing::info!(target: LOG, "Stopping: no new clients, leadership is handed over, ledgers are flushed");
    node.stop().await;
    tracing::info!(target: LOG, "Stopped");
    Ok(())
}

fn stopped_early() -> Result<(), NodeError> {
    tracing::info!(target: LOG, "Stopped before the node was up");
    Ok(())
}

/// A running node.
pub struct Node {
    registrar: Arc<Registrar>,
    operations: http_listener::HttpListener,
    admin: http_listener::HttpListener,
    listeners: JoinSet<()>,
    tasks: JoinSet<()>,
    addresses: Addresses,
    /// No more connections; those that are there are told to go.
    stop: CancellationToken,
    /// Connections end.
    end: CancellationToken,
}

/// Where a node listens; tells the ports when any were asked for.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Broadcast and Deliver.
    pub general: std::net::SocketAddr,
    /// Step, where it has a listener of its own.
    pub cluster: Option<std::net::SocketAddr>,
    /// Metrics and health.
    pub operations: std::net::SocketAddr,
    /// Channel participation.
    pub admin: std::net::SocketAddr,
}

impl Node {
    /// Starts everything; clients are served when it returns.
    ///
    /// # Errors
    ///
    /// When something that the node cannot do without is wrong.
    pub async fn start(settings: &Settings, logging: Logging) -> Result<Self, NodeError> {
        let general = &settings.general;
        let signer = Arc::new(local_msp::read(&general.local_msp_dir, &general.local_msp_id)?);
        let metrics = Arc::new(Metrics::new(settings.metrics.provider == MetricsProvider::Statsd));
        logging.count_in(&metrics);
        let health = Arc::new(HealthRegistry::default());
        let shown = Operations {
            metrics: metrics.clone(),
            provider: settings.metrics.provider,
            health: health.clone(),
            logging,
        };
        let operations = operations::start(&settings.operations, shown).await?;
        let mut tasks = JoinSet::new();
        if settings.metrics.provider == MetricsProvider::Statsd {
            tasks.spawn(crate::metrics::push_forever(metrics.clone(), settings.metrics.statsd.clone()));
        }

        let security = Security::read(general)?;
        let bound = BoundListeners::new(settings, &security).await?;
        let store = open_ledgers(settings, &metrics).await?;

        if security.can_cluster {
            tracing::info!(target: LOG, "Setting up cluster");
        }
        if settings.channel_participation.enabled {
            tracing::info!(target: "orderer.commmon.multichannel",
                "Channel Participation API enabled, registrar initializing with file repo {}",
                settings.file_ledger.location.display());
        }
        let members = Arc::new(Members::default());
        let registrar = Registrar::new(parts(settings, &security, signer.clone(), store, &members, &metrics));
        registrar.onboard().await?;
        // Others speak to a channel's new chain as soon as it begins: from here on they need wait no longer
        // than it takes to start the channels.
        let listeners = bound.listen()?;
        let starting = registrar.clone();
        let started = tokio::task::spawn_blocking(move || starting.start()).await;
        started.map_err(io::Error::other)??;
        let step = security.can_cluster.then(|| {
            let threshold = general.cluster.cert_expiration_warning_threshold;
            Step::new(registrar.channels().clone(), members, metrics.clone(), threshold)
        });
        if step.is_none() && registrar.needs_cluster() {
            return Err(NodeError::TlsRequired);
        }
        let checked = registrar.clone();
        let check = move || match checked.failures().as_slice() {
            [] => Ok(()),
            failures => {
                let reasons: Vec<_> =
                    failures.iter().map(|(channel, reason)| format!("{channel}: {reason}")).collect();
                Err(reasons.join("; "))
            }
        };
        // The registry is new, so nobody is registered under this name.
        let _ = health.register("channels", Arc::new(check));
        watch_certificates(&signer, &security);
        let participation = registrar.clone();
        let admin = admin::start(&settings.admin, &settings.channel_participation, participation).await?;

        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let addresses = listeners.addresses(operations.address(), admin.address())?;
        tracing::info!(target: LOG, "Starting {}", version::text("orderer"));
        let listeners = listeners.serve(settings, &registrar, step, &metrics, &stop, &end);
        let shown = registrar.clone();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(PARTICIPATION_INTERVAL).await;
                shown.show_all();
            }
        });
        tracing::info!(target: LOG, "Beginning to serve requests");
        Ok(Self { registrar, operations, admin, listeners, tasks, addresses, stop, end })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its channels.
    pub fn registrar(&self) -> &Arc<Registrar> {
        &self.registrar
    }

    /// Stops in good order: no more connections, leadership handed over, ledgers flushed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.registrar.halt().await;
        // Calls that ended with their chain still get their last answer out.
        tokio::time::sleep(FAREWELL).await;
        self.end.cancel();
        while self.listeners.join_next().await.is_some() {}
        self.admin.stop().await;
        self.operations.stop().await;
        self.tasks.shutdown().await;
    }

    fn log_state(&self) {
        for (name, handle) in self.registrar.channels().all() {
            let state = handle.current_chain().map(|chain| chain.relation_and_status());
            tracing::info!(target: LOG, "Channel {name}: height {}, {state:?}", handle.state().height());
        }
        for (name, reason) in self.registrar.failures() {
            tracing::info!(target: LOG, "Channel {name}: {reason}");
        }
    }
}

async fn open_ledgers(settings: &Settings, metrics: &Arc<Metrics>) -> Result<Arc<LedgerStore>, NodeError> {
    let location = settings.file_ledger.location.clone();
    let file = settings.general.bootstrap_file.clone();
    let method = settings.general.bootstrap_method;
    let observer = Arc::new(LedgerMetrics(metrics.clone()));
    let opened = tokio::task::spawn_blocking(move || {
        let options = LedgerOptions {
            observer: Some(observer),
            cache_bytes: LEDGER_CACHE_BYTES,
            ..LedgerOptions::default()
        };
        let store = LedgerStore::open(&location, options)?;
        if method == BootstrapMethod::File {
            bootstrap(&store, &file)?;
        }
        Ok::<_, NodeError>(Arc::new(store))
    });
    opened.await.map_err(io::Error::other)?
}

/// Tells the ledgers' doings to the metrics.
struct LedgerMetrics(Arc<Metrics>);

impl LedgerObserver for LedgerMetrics {
    fn appended(&self, channel: &str, height: u64, took: Duration) {
        // Exact up to 2^53, far beyond any height.
        self.0.ledger_blockchain_height.with([channel]).set(height as f64);
        self.0.ledger_blockstorage_commit_time.with([channel]).observe(took);
    }

    fn flushed(&self, _: &str, _: u64, _: Duration) {}
}

fn parts(
    settings: &Settings,
    security: &Security,
    signer: Arc<SigningIdentity>,
    store: Arc<LedgerStore>,
    members: &Arc<Members>,
    metrics: &Arc<Metrics>,
) -> RegistrarParts {
    let general = &settings.general;
    let cluster = &general.cluster;
    let messages = message_limits(settings);
    let streams = StreamOptions {
        queue_length: cluster.send_buffer_size,
        rpc_timeout: cluster.rpc_timeout,
        messages,
        expiration_warning_threshold: cluster.cert_expiration_warning_threshold,
    };
    let transport = ClusterTransport::new(
        security.dialer.clone(),
        security.trust.orderers.clone(),
        members.clone(),
        ClusterOptions { streams },
        metrics.clone(),
    );
    let sources = Pullers::new(PullerOptions {
        dialer: security.dialer.clone(),
        root_cas: security.cluster_roots.clone(),
        signer: signer.clone(),
        pull_timeout: cluster.replication_pull_timeout,
        messages,
    });
    let consensus_settings = &settings.consensus;
    RegistrarParts {
        store,
        signer,
        raft: consensus::raft::RaftOptions {
            wal_dir: consensus_settings.wal_dir.clone(),
            snap_dir: consensus_settings.snap_dir.clone(),
            eviction_suspicion: consensus_settings.eviction_suspicion,
            tick_interval_override: consensus_settings.tick_interval_override,
            own_server_cert_der: security.own_server_certificate.clone(),
            rpc_timeout: cluster.rpc_timeout,
            replication: consensus::source::ReplicationOptions {
                buffer_bytes: cluster.replication_buffer_size_bytes,
                retry_timeout: cluster.replication_retry_timeout,
                max_retries: cluster.replication_max_retries,
                background_refresh_interval: cluster.replication_background_refresh_interval,
            },
        },
        transport: Arc::new(transport),
        sources: Arc::new(sources),
        trust: security.trust.clone(),
        checks_expiration: !general.authentication.no_expiration_checks,
        replication: Replication {
            patience: Patience {
                attempts: cluster.replication_max_retries,
                pause: cluster.replication_retry_timeout,
                buffer_bytes: cluster.replication_buffer_size_bytes,
            },
            refresh_interval: cluster.replication_background_refresh_interval,
        },
        metrics: metrics.clone(),
    }
}

fn message_limits(settings: &Settings) -> MessageLimits {
    MessageLimits {
        max_recv_bytes: settings.general.max_recv_msg_size_bytes,
        max_send_bytes: settings.general.max_send_msg_size_bytes,
    }
}

fn watch_certificates(signer: &SigningIdentity, security: &Security) {
    let mut watched = vec![(Role::Enrollment, signer.certificate().der())];
    if let Some(keys) = &security.server_keys {
        watched.push((Role::ServerTls, keys.leaf()));
    }
    if let Some(certificate) = security.dialer.certificate() {
        watched.push((Role::ClientTls, certificate));
    }
    certificates::watch(watched);
}

/// The gRPC listeners, refusing connections yet.
struct BoundListeners {
    general: Bound,
    cluster: Option<Bound>,
}

impl BoundListeners {
    async fn new(settings: &Settings, security: &Security) -> Result<Self, NodeError> {
        let general = &settings.general;
        let tls = security.general_config(general)?;
        let is_mutual = general.tls.enabled && general.tls.client_auth_required;
        let (host, port) = (&general.listen_address, general.listen_port);
        let key = "General.ListenAddress, General.ListenPort";
        let listener = Bound::new(host, port, key, tls, is_mutual).await?;
        let Some(tls) = security.cluster_config(general)? else {
            tracing::info!(target: LOG,
                "Cluster listener is not configured, defaulting to use the general listener on port {port}");
            return Ok(Self { general: listener, cluster: None });
        };
        let (host, port) = (&general.cluster.listen_address, general.cluster.listen_port);
        let key = "General.Cluster.ListenAddress, General.Cluster.ListenPort";
        let cluster = Bound::new(host, port, key, Some(tls), true).await?;
        Ok(Self { general: listener, cluster: Some(cluster) })
    }

    fn listen(self) -> Result<Listeners, ListenError> {
        let cluster = self.cluster.map(Bound::listen).transpose()?;
        Ok(Listeners { general: self.general.listen()?, cluster })
    }
}

/// The gRPC listeners. Who connects waits until they serve.
struct Listeners {
    general: Listener,
    cluster: Option<Listener>,
}

impl Listeners {
    fn addresses(
        &self,
        operations: std::net::SocketAddr,
        admin: std::net::SocketAddr,
    ) -> Result<Addresses, io::Error> {
        let cluster = self.cluster.as_ref().map(Listener::local_address).transpose()?;
        Ok(Addresses { general: self.general.local_address()?, cluster, operations, admin })
    }

    fn serve(
        self,
        settings: &Settings,
        registrar: &Registrar,
        step: Option<Step>,
        metrics: &Arc<Metrics>,
        stop: &CancellationToken,
        end: &CancellationToken,
    ) -> JoinSet<()> {
        let general = &settings.general;
        let channels = registrar.channels();
        let deliver_options = DeliverOptions {
            time_window: general.authentication.time_window,
            checks_expiration: !general.authentication.no_expiration_checks,
        };
        let trace = |directory: &Option<std::path::PathBuf>| directory.clone().map(TraceDir::new);
        let broadcast = Broadcast::new(
            channels.clone(),
            general.broadcast.acknowledge,
            metrics.clone(),
            trace(&settings.debug.broadcast_trace_dir),
        );
        let deliver = Deliver::new(
            channels.clone(),
            deliver_options,
            metrics.clone(),
            trace(&settings.debug.deliver_trace_dir),
        );
        let mut routes = Routes::default().with(Arc::new(broadcast)).with(Arc::new(deliver));
        let options = Options {
            connection_timeout: general.connection_timeout,
            keepalive: general.keepalive.clone(),
            messages: message_limits(settings),
        };
        let mut listeners = JoinSet::new();
        match (self.cluster, step) {
            (Some(cluster), Some(step)) => {
                let messages = MessageLimits {
                    max_recv_bytes: CLUSTER_MESSAGE_BYTES,
                    max_send_bytes: CLUSTER_MESSAGE_BYTES,
                };
                if let Ok(address) = cluster.local_address() {
                    tracing::info!(target: LOG, "Starting cluster listener on {address}");
                }
                let routes = Routes::default().with(Arc::new(step));
                let options = Options { messages, ..options.clone() };
                let (stop, end) = (stop.clone(), end.clone());
                let serving = server::serve(cluster, routes, options, metrics.clone(), stop, end);
                listeners.spawn(serving);
            }
            (_, Some(step)) => routes = routes.with(Arc::new(step)),
            (_, None) => {}
        }
        let (stop, end) = (stop.clone(), end.clone());
        let serving = server::serve(self.general, routes, options, metrics.clone(), stop, end);
        listeners.spawn(serving);
        listeners
    }
}

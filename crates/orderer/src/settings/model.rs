//! The typed settings, nested as in `orderer.yaml`.
//!
//! Every field has its final value: defaults are filled in, sizes are bytes, durations are
//! [`Duration`]s, and paths that are relative to the file's directory are resolved.

use std::path::PathBuf;
use std::time::Duration;

/// Everything `orderer.yaml` and the `ORDERER_...` environment say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What is common to all consensus types.
    pub general: General,
    /// Where the block ledgers are.
    pub file_ledger: FileLedger,
    /// The connection to a Kafka cluster, for channels of type `kafka`.
    pub kafka: Kafka,
    /// Traces of received envelopes.
    pub debug: Debug,
    /// Options of the consenters; Fabric leaves this section untyped, so unknown keys are ignored.
    pub consensus: Consensus,
    /// The operations listener: metrics, health, log levels, version.
    pub operations: Endpoint,
    /// Where metrics go.
    pub metrics: Metrics,
    /// The admin listener, which serves the channel participation API.
    pub admin: Endpoint,
    /// The channel participation API.
    pub channel_participation: ChannelParticipation,
}

/// `General`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct General {
    /// Address of the main listener, without the port.
    pub listen_address: String,
    /// Port of the main listener.
    pub listen_port: u16,
    /// TLS of the main listener.
    pub tls: Tls,
    /// gRPC keepalive of the listeners.
    pub keepalive: Keepalive,
    /// Limit of a connection's handshakes.
    pub connection_timeout: Duration,
    /// Largest gRPC message taken in.
    pub max_recv_msg_size_bytes: usize,
    /// Largest gRPC message sent.
    pub max_send_msg_size_bytes: usize,
    /// Traffic between the orderers.
    pub cluster: Cluster,
    /// Where the first block of a system channel comes from.
    pub bootstrap_method: BootstrapMethod,
    /// The system channel's genesis block, for [`BootstrapMethod::File`].
    pub bootstrap_file: PathBuf,
    /// Directory of the node's own MSP.
    pub local_msp_dir: PathBuf,
    /// MSP id of the node's own identity.
    pub local_msp_id: String,
    /// Go's profiling server, which this node does not have.
    pub profile: Profile,
    /// The crypto provider.
    pub bccsp: Bccsp,
    /// Checks on clients' messages.
    pub authentication: Authentication,
    /// When Broadcast answers SUCCESS.
    pub broadcast: Broadcast,
}

/// TLS of a listener: `General.TLS`, `Operations.TLS`, `Admin.TLS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whether the listener speaks TLS.
    pub enabled: bool,
    /// PEM file of the private key.
    pub private_key: PathBuf,
    /// PEM file of the certificate (chain).
    pub certificate: PathBuf,
    /// PEM files of roots that this node trusts when it connects to others.
    pub root_cas: Vec<PathBuf>,
    /// Whether a client must show a certificate.
    pub client_auth_required: bool,
    /// PEM files of the roots that client certificates are checked against.
    pub client_root_cas: Vec<PathBuf>,
    /// How far the clock is moved back for handshakes.
    pub handshake_time_shift: Duration,
}

/// `General.Keepalive`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Shortest interval between a client's pings.
    pub server_min_interval: Duration,
    /// Idle time after which the server pings.
    pub server_interval: Duration,
    /// How long the server waits for the answer to its ping.
    pub server_timeout: Duration,
}

/// `General.Cluster`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Address of a listener of its own for the orderers; empty: the main listener is shared.
    pub listen_address: String,
    /// Port of that listener; 0: the main listener is shared.
    pub listen_port: u16,
    /// TLS server certificate of that listener.
    pub server_certificate: PathBuf,
    /// Key of that certificate.
    pub server_private_key: PathBuf,
    /// TLS client certificate shown to other orderers; empty: the pair of `General.TLS`.
    pub client_certificate: PathBuf,
    /// Key of that certificate.
    pub client_private_key: PathBuf,
    /// Roots for other orderers' server certificates, besides those of the channels' configs.
    pub root_cas: Vec<PathBuf>,
    /// Limit of a connection attempt.
    pub dial_timeout: Duration,
    /// Limit of sending one message.
    pub rpc_timeout: Duration,
    /// How many bytes of pulled blocks are kept before they are verified.
    pub replication_buffer_size_bytes: usize,
    /// How long a pulled block is waited for.
    pub replication_pull_timeout: Duration,
    /// Pause between attempts to pull.
    pub replication_retry_timeout: Duration,
    /// Longest interval between attempts to replicate channels that are not served.
    pub replication_background_refresh_interval: Duration,
    /// Attempts before pulling is given up.
    pub replication_max_retries: usize,
    /// Messages queued for one destination and kind.
    pub send_buffer_size: usize,
    /// How long before a peer's certificate expires warnings begin.
    pub cert_expiration_warning_threshold: Duration,
    /// How far the clock is moved back for handshakes of the listener of its own.
    pub tls_handshake_time_shift: Duration,
}

impl Cluster {
    /// Whether the orderers have a listener of their own. The settings are refused when only
    /// some of its four keys are set.
    pub fn has_own_listener(&self) -> bool {
        self.listen_port != 0
    }
}

/// `General.BootstrapMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapMethod {
    /// The system channel's genesis block is read from [`General::bootstrap_file`].
    File,
    /// No system channel is made; channels are joined through the participation API.
    None,
}

/// `General.Profile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whether Go's profiling server was asked for.
    pub enabled: bool,
    /// Its address.
    pub address: String,
}

/// `General.BCCSP`, of which only the software provider is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bccsp {
    /// Name of the provider: `SW`.
    pub default: String,
    /// Hash family: `SHA2` or `SHA3`.
    pub sw_hash: String,
    /// Hash size in bits: 256 or 384.
    pub sw_security: u32,
}

/// `General.Authentication`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// How far the timestamp of a Deliver request may be from the clock.
    pub time_window: Duration,
    /// Turns the expiry checks of Broadcast and Deliver off.
    pub no_expiration_checks: bool,
}

/// `General.Broadcast`: a section that Fabric does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// When SUCCESS is answered.
    pub acknowledge: Acknowledge,
}

/// `General.Broadcast.Acknowledge`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// Once the transaction is durable in the channel's log on a majority.
    #[default]
    Committed,
    /// Once the consenter has taken it, as Fabric does: a crash can still lose it.
    Accepted,
}

/// `FileLedger`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLedger {
    /// Directory of the block ledgers.
    pub location: PathBuf,
}

/// `Kafka`.
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    /// Retries and time limits.
    pub retry: KafkaRetry,
    /// Options for topics that the node creates.
    pub topic: KafkaTopic,
    /// Whether the client library logs in detail.
    pub verbose: bool,
    /// The protocol version spoken, one of Fabric's eleven.
    pub version: String,
    /// TLS towards the brokers.
    pub tls: KafkaTls,
    /// SASL/PLAIN towards the brokers.
    pub sasl_plain: SaslPlain,
}

/// `Kafka.Retry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaRetry {
    /// Interval of the first phase of connection attempts.
    pub short_interval: Duration,
    /// Length of the first phase.
    pub short_total: Duration,
    /// Interval of the second phase.
    pub long_interval: Duration,
    /// Length of the second phase.
    pub long_total: Duration,
    /// `NetworkTimeouts.DialTimeout`.
    pub dial_timeout: Duration,
    /// `NetworkTimeouts.ReadTimeout`.
    pub read_timeout: Duration,
    /// `NetworkTimeouts.WriteTimeout`.
    pub write_timeout: Duration,
    /// `Metadata.RetryBackoff`.
    pub metadata_retry_backoff: Duration,
    /// `Metadata.RetryMax`.
    pub metadata_retry_max: usize,
    /// `Producer.RetryBackoff`.
    pub producer_retry_backoff: Duration,
    /// `Producer.RetryMax`.
    pub producer_retry_max: usize,
    /// `Consumer.RetryBackoff`.
    pub consumer_retry_backoff: Duration,
}

/// `Kafka.Topic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTopic {
    /// Copies of a created topic; 0 when the key is absent.
    pub replication_factor: i16,
}

/// `Kafka.TLS`; values are PEM text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaTls {
    /// Whether the brokers are spoken to over TLS.
    pub enabled: bool,
    /// Client key, PEM.
    pub private_key: String,
    /// Client certificate, PEM.
    pub certificate: String,
    /// Roots for the brokers' certificates, PEM.
    pub root_cas: Vec<String>,
}

/// `Kafka.SASLPlain`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SaslPlain {
    /// Whether the node authenticates with SASL/PLAIN.
    pub enabled: bool,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

// The derived Debug of these would print key material and the password.
impl std::fmt::Debug for KafkaTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaTls").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SaslPlain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SaslPlain")
            .field("enabled", &self.enabled)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka")
            .field("retry", &self.retry)
            .field("topic", &self.topic)
            .field("verbose", &self.verbose)
            .field("version", &self.version)
            .field("tls", &self.tls)
            .field("sasl_plain", &self.sasl_plain)
            .finish()
    }
}

/// `Debug`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// Directory for one file per envelope received by Broadcast.
    pub broadcast_trace_dir: Option<PathBuf>,
    /// Directory for one file per envelope received by Deliver.
    pub deliver_trace_dir: Option<PathBuf>,
}

/// `Consensus`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consensus {
    /// Parent of each channel's write-ahead log; empty when the key is absent.
    pub wal_dir: PathBuf,
    /// Parent of each channel's snapshots; empty when the key is absent.
    pub snap_dir: PathBuf,
    /// How long a node is without a leader before it suspects that it was evicted; the consenter's
    /// default when the key is absent.
    pub eviction_suspicion: Option<Duration>,
    /// Replaces the tick interval of every channel's config.
    pub tick_interval_override: Option<Duration>,
}

/// A listener for operators: `Operations`, `Admin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port, `host:port`; port 0: any free one.
    pub listen_address: String,
    /// Its TLS.
    pub tls: Tls,
}

/// `Metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where metrics go.
    pub provider: MetricsProvider,
    /// The StatsD server, for [`MetricsProvider::Statsd`].
    pub statsd: Statsd,
}

/// `Metrics.Provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsProvider {
    /// Served as `/metrics` by the operations listener.
    Prometheus,
    /// Pushed to a StatsD server.
    Statsd,
    /// Not kept.
    Disabled,
}

/// `Metrics.Statsd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statsd {
    /// `udp` or `tcp`.
    pub network: String,
    /// `host:port`.
    pub address: String,
    /// Interval of the pushes.
    pub write_interval: Duration,
    /// Put before every name, with a dot.
    pub prefix: String,
}

/// `ChannelParticipation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelParticipation {
    /// Whether the API answers; otherwise every request gets 503.
    pub enabled: bool,
    /// Largest request body.
    pub max_request_body_size_bytes: u32,
}

//! Each key of `orderer.yaml` with its type and default, as in Fabric's
//! `orderer/common/localconfig`.

use super::model::*;
use super::reader::{Base, Reader, Section};
use super::units;
use std::time::Duration;

const METHODS: &[(&str, BootstrapMethod)] =
    &[("file", BootstrapMethod::File), ("none", BootstrapMethod::None)];
const ACKNOWLEDGE: &[(&str, Acknowledge)] =
    &[("committed", Acknowledge::Committed), ("accepted", Acknowledge::Accepted)];
/// Fabric's default limit of a message.
const MESSAGE_BYTES: usize = 100 << 20;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Reads everything; what is wrong is noted by the reader, and the value is then of no use.
pub(super) fn settings(reader: &Reader<'_>, top: Section<'_>) -> Settings {
    let settings = Settings {
        general: general(top.section("General")),
        file_ledger: file_ledger(top.section("FileLedger")),
        kafka: kafka(top.section("Kafka")),
        debug: debug(top.section("Debug")),
        consensus: consensus(top.opaque_section("Consensus")),
        operations: endpoint(top.section("Operations")),
        metrics: metrics(top.section("Metrics")),
        admin: endpoint(top.section("Admin")),
        channel_participation: channel_participation(top.section("ChannelParticipation")),
    };
    top.finish();
    if settings.admin.tls.enabled && !settings.admin.tls.client_auth_required {
        let text = "Admin.TLS.ClientAuthRequired must be set to true if Admin.TLS.Enabled is set to true";
        reader.refuse(text.to_owned());
    }
    settings
}

fn general(section: Section<'_>) -> General {
    let bootstrap_method = section.word("BootstrapMethod", METHODS);
    let genesis_method = section.word("GenesisMethod", METHODS).or_word(BootstrapMethod::File, METHODS);
    let genesis_file = section.path("GenesisFile", Base::SettingsFile).or_zero();
    for (key, successor) in [("GenesisMethod", "BootstrapMethod"), ("GenesisFile", "BootstrapFile")] {
        if section.is_set(key) && !section.is_set(successor) {
            section.warn(format!("General.{key} should be replaced by General.{successor}"));
        }
    }
    let default_file = if genesis_file.as_os_str().is_empty() {
        section.directory().join("genesisblock")
    } else {
        genesis_file
    };
    let general = General {
        listen_address: section.text("ListenAddress").or_noted("127.0.0.1".into()),
        listen_port: section.number("ListenPort").or_noted(7050),
        tls: tls(section.section("TLS"), Base::SettingsFile),
        keepalive: keepalive(section.section("Keepalive")),
        connection_timeout: section.duration("ConnectionTimeout").or(seconds(5)),
        max_recv_msg_size_bytes: message_size(&section, "MaxRecvMsgSize"),
        max_send_msg_size_bytes: message_size(&section, "MaxSendMsgSize"),
        cluster: cluster(section.section("Cluster")),
        bootstrap_method: bootstrap_method.or_word(genesis_method, METHODS),
        bootstrap_file: section.path("BootstrapFile", Base::SettingsFile).or(default_file),
        local_msp_dir: section
            .path("LocalMSPDir", Base::SettingsFile)
            .or_noted(section.directory().join("msp")),
        local_msp_id: section.text("LocalMSPID").or_noted("SampleOrg".into()),
        profile: profile(section.section("Profile")),
        bccsp: bccsp(section.opaque_section("BCCSP")),
        authentication: authentication(section.section("Authentication")),
        broadcast: broadcast(section.section("Broadcast")),
    };
    section.finish();
    general
}

fn message_size(section: &Section<'_>, key: &str) -> usize {
    let size: i32 = section.number(key).or_noted(MESSAGE_BYTES as i32);
    usize::try_from(size).unwrap_or_else(|_| {
        section.reject(key, "a limit cannot be negative");
        0
    })
}

/// TLS of a listener; what its paths are relative to differs between listeners.
fn tls(section: Section<'_>, base: Base) -> Tls {
    let tls = Tls {
        enabled: section.truth("Enabled").or_zero(),
        private_key: section.path("PrivateKey", base).or_zero(),
        certificate: section.path("Certificate", base).or_zero(),
        root_cas: section.paths("RootCAs", base),
        client_auth_required: section.truth("ClientAuthRequired").or_zero(),
        client_root_cas: section.paths("ClientRootCAs", base),
        handshake_time_shift: section.duration("TLSHandshakeTimeShift").or_zero(),
    };
    section.finish();
    tls
}

fn keepalive(section: Section<'_>) -> Keepalive {
    let keepalive = Keepalive {
        server_min_interval: section.duration("ServerMinInterval").or(seconds(60)),
        // gRPC's own defaults.
        server_interval: section.duration("ServerInterval").or(seconds(7200)),
        server_timeout: section.duration("ServerTimeout").or(seconds(20)),
    };
    section.finish();
    keepalive
}

fn cluster(section: Section<'_>) -> Cluster {
    let cluster = Cluster {
        listen_address: section.text("ListenAddress").or_zero(),
        listen_port: section.number("ListenPort").or_zero(),
        // These two are relative to the working directory, unlike the rest of the section.
        server_certificate: section.path("ServerCertificate", Base::WorkingDirectory).or_zero(),
        server_private_key: section.path("ServerPrivateKey", Base::WorkingDirectory).or_zero(),
        client_certificate: section.path("ClientCertificate", Base::SettingsFile).or_zero(),
        client_private_key: section.path("ClientPrivateKey", Base::SettingsFile).or_zero(),
        root_cas: section.paths("RootCAs", Base::SettingsFile),
        dial_timeout: section.duration("DialTimeout").or(seconds(5)),
        rpc_timeout: section.duration("RPCTimeout").or(seconds(7)),
        replication_buffer_size_bytes: section.number("ReplicationBufferSize").or(20 << 20),
        replication_pull_timeout: section.duration("ReplicationPullTimeout").or(seconds(5)),
        replication_retry_timeout: section.duration("ReplicationRetryTimeout").or(seconds(5)),
        replication_background_refresh_interval: section
            .duration("ReplicationBackgroundRefreshInterval")
            .or(seconds(300)),
        replication_max_retries: section.number("ReplicationMaxRetries").or(12),
        send_buffer_size: section.number("SendBufferSize").or(100),
        cert_expiration_warning_threshold: section
            .duration("CertExpirationWarningThreshold")
            .or(seconds(7 * 24 * 3600)),
        tls_handshake_time_shift: section.duration("TLSHandshakeTimeShift").or_zero(),
    };
    let paths = [&cluster.server_certificate, &cluster.server_private_key];
    let set = paths.map(|path| !path.as_os_str().is_empty());
    let set = [set[0], set[1], cluster.listen_port != 0, !cluster.listen_address.is_empty()];
    if set.contains(&true) && set.contains(&false) {
        section.refuse(
            "Options: General.Cluster.ListenPort, General.Cluster.ListenAddress, General.Cluster.ServerCertificate, \
             General.Cluster.ServerPrivateKey, should be defined altogether."
                .to_owned(),
        );
    }
    section.finish();
    cluster
}

fn profile(section: Section<'_>) -> Profile {
    let profile = Profile {
        enabled: section.truth("Enabled").or_zero(),
        address: section.text("Address").or("0.0.0.0:6060".into()),
    };
    if profile.enabled {
        let reason = "Go's profiler is part of Go programs only";
        section.warn(format!("General.Profile.Enabled has no effect: {reason}"));
    }
    section.finish();
    profile
}

/// Fabric hands this section to its crypto providers.
fn bccsp(section: Section<'_>) -> Bccsp {
    let software = section.section("SW");
    let bccsp = Bccsp {
        default: section.text("Default").or("SW".into()),
        sw_hash: software.text("Hash").or("SHA2".into()),
        sw_security: software.number("Security").or(256),
    };
    if bccsp.default != "SW" {
        section.reject(
            "Default",
            &format!("Could not find default `{}` BCCSP; this node has SW", bccsp.default),
        );
    }
    if !matches!(bccsp.sw_hash.as_str(), "SHA2" | "SHA3") {
        software.reject("Hash", &format!("Hash Family not supported [{}]", bccsp.sw_hash));
    }
    if !matches!(bccsp.sw_security, 256 | 384) {
        software.reject("Security", &format!("Security level not supported [{}]", bccsp.sw_security));
    }
    bccsp
}

fn authentication(section: Section<'_>) -> Authentication {
    let authentication = Authentication {
        time_window: section.duration("TimeWindow").or_noted(seconds(900)),
        no_expiration_checks: section.truth("NoExpirationChecks").or_zero(),
    };
    section.finish();
    authentication
}

fn broadcast(section: Section<'_>) -> Broadcast {
    let acknowledge = section.word("Acknowledge", ACKNOWLEDGE).or_word(Acknowledge::default(), ACKNOWLEDGE);
    section.finish();
    Broadcast { acknowledge }
}

fn file_ledger(section: Section<'_>) -> FileLedger {
    // An empty location is the directory of the settings file: Fabric joins the two.
    let location = section.path("Location", Base::SettingsFile).or(section.directory().to_path_buf());
    section.ignore("Prefix");
    section.finish();
    FileLedger { location }
}

fn kafka(section: Section<'_>) -> Kafka {
    let kafka = Kafka {
        retry: kafka_retry(section.section("Retry")),
        topic: {
            let topic = section.section("Topic");
            let replication_factor = topic.number("ReplicationFactor").or_zero();
            topic.finish();
            KafkaTopic { replication_factor }
        },
        verbose: section.truth("Verbose").or_zero(),
        version: section
            .converted("Version", |text| units::kafka_version(text).map(String::from))
            .or_noted("0.10.2.0".into()),
        tls: kafka_tls(section.section("TLS")),
        sasl_plain: sasl_plain(section.section("SASLPlain")),
    };
    section.finish();
    kafka
}

fn kafka_retry(section: Section<'_>) -> KafkaRetry {
    let (network, metadata) = (section.section("NetworkTimeouts"), section.section("Metadata"));
    let (producer, consumer) = (section.section("Producer"), section.section("Consumer"));
    let retry = KafkaRetry {
        short_interval: section.duration("ShortInterval").or_noted(seconds(60)),
        short_total: section.duration("ShortTotal").or_noted(seconds(600)),
        long_interval: section.duration("LongInterval").or_noted(seconds(600)),
        long_total: section.duration("LongTotal").or_noted(seconds(12 * 3600)),
        dial_timeout: network.duration("DialTimeout").or_noted(seconds(30)),
        read_timeout: network.duration("ReadTimeout").or_noted(seconds(30)),
        write_timeout: network.duration("WriteTimeout").or_noted(seconds(30)),
        metadata_retry_backoff: metadata.duration("RetryBackoff").or_noted(milliseconds(250)),
        metadata_retry_max: metadata.number("RetryMax").or_noted(3),
        producer_retry_backoff: producer.duration("RetryBackoff").or_noted(milliseconds(100)),
        producer_retry_max: producer.number("RetryMax").or_noted(3),
        consumer_retry_backoff: consumer.duration("RetryBackoff").or_noted(seconds(2)),
    };
    for part in [network, metadata, producer, consumer, section] {
        part.finish();
    }
    retry
}

fn kafka_tls(section: Section<'_>) -> KafkaTls {
    let tls = KafkaTls {
        enabled: section.truth("Enabled").or_zero(),
        private_key: section.text("PrivateKey").secret(),
        certificate: section.text("Certificate").secret(),
        root_cas: section.certificates("RootCAs"),
    };
    // The section has the type of a listener's TLS in Fabric, without use for the rest.
    for unused in ["ClientAuthRequired", "ClientRootCAs", "TLSHandshakeTimeShift"] {
        section.ignore(unused);
    }
    let missing = [
        ("Certificate", tls.certificate.is_empty()),
        ("PrivateKey", tls.private_key.is_empty()),
        ("CertificatePool", tls.root_cas.is_empty()),
    ];
    for (key, _) in missing.iter().filter(|(_, missing)| tls.enabled && *missing) {
        let enabled = "General.Kafka.TLS.Enabled is set to true.";
        section.refuse(format!("General.Kafka.TLS.{key} must be set if {enabled}"));
    }
    section.finish();
    tls
}

fn sasl_plain(section: Section<'_>) -> SaslPlain {
    let plain = SaslPlain {
        enabled: section.truth("Enabled").or_zero(),
        user: section.text("User").or_zero(),
        password: section.text("Password").secret(),
    };
    for (key, missing) in [("User", plain.user.is_empty()), ("Password", plain.password.is_empty())] {
        if plain.enabled && missing {
            let enabled = "General.Kafka.SASLPlain.Enabled is set to true.";
            section.refuse(format!("General.Kafka.SASLPlain.{key} must be set if {enabled}"));
        }
    }
    section.finish();
    plain
}

fn debug(section: Section<'_>) -> Debug {
    let directory = |key| {
        Some(section.path(key, Base::WorkingDirectory).or_zero()).filter(|path| !path.as_os_str().is_empty())
    };
    let debug = Debug {
        broadcast_trace_dir: directory("BroadcastTraceDir"),
        deliver_trace_dir: directory("DeliverTraceDir"),
    };
    section.finish();
    debug
}

/// Fabric hands this section to the consenter.
fn consensus(section: Section<'_>) -> Consensus {
    // The consenter says so when it has to take the default; the listing shows what is in force.
    let suspicion = section.duration("EvictionSuspicion").or(seconds(600));
    Consensus {
        wal_dir: section.path("WALDir", Base::WorkingDirectory).or_zero(),
        snap_dir: section.path("SnapDir", Base::WorkingDirectory).or_zero(),
        eviction_suspicion: section.is_set("EvictionSuspicion").then_some(suspicion),
        tick_interval_override: Some(section.duration("TickIntervalOverride").or_zero())
            .filter(|interval| !interval.is_zero()),
    }
}

fn endpoint(section: Section<'_>) -> Endpoint {
    let endpoint = Endpoint {
        // Any free port of this machine, as the reference has it for a missing address.
        listen_address: section.text("ListenAddress").or("127.0.0.1:0".into()),
        tls: tls(section.section("TLS"), Base::WorkingDirectory),
    };
    section.finish();
    endpoint
}

fn metrics(section: Section<'_>) -> Metrics {
    let statsd = section.section("Statsd");
    let metrics = Metrics {
        provider: match section.text("Provider").or("disabled".into()).as_str() {
            "prometheus" => MetricsProvider::Prometheus,
            "statsd" => MetricsProvider::Statsd,
            "disabled" => MetricsProvider::Disabled,
            unknown => {
                section.warn(format!("Unknown provider type: {unknown}; metrics disabled"));
                MetricsProvider::Disabled
            }
        },
        statsd: Statsd {
            network: statsd.text("Network").or("udp".into()),
            address: statsd.text("Address").or("127.0.0.1:8125".into()),
            write_interval: statsd.duration("WriteInterval").or(seconds(30)),
            prefix: statsd.text("Prefix").or_zero(),
        },
    };
    if !matches!(metrics.statsd.network.as_str(), "udp" | "udp4" | "udp6" | "tcp" | "tcp4" | "tcp6") {
        statsd
            .reject("Network", &format!("dial {0}: unknown network {0}; udp or tcp", metrics.statsd.network));
    }
    statsd.finish();
    section.finish();
    metrics
}

fn channel_participation(section: Section<'_>) -> ChannelParticipation {
    let participation = ChannelParticipation {
        enabled: section.truth("Enabled").or_zero(),
        // Fabric leaves 0 when the key is missing, and refuses every join then.
        max_request_body_size_bytes: section.size("MaxRequestBodySize").or(1 << 20),
    };
    section.finish();
    participation
}

#![allow(clippy::unwrap_used)]

use super::*;
use consensus::metrics::Metrics as _;
use std::collections::{BTreeMap, BTreeSet};

/// Fabric's reference: name, type, labels.
const FABRIC: &str = "
blockcutter_block_fill_duration histogram channel
broadcast_enqueue_duration histogram channel type status
broadcast_processed_count counter channel type status
broadcast_validate_duration histogram channel type status
cluster_comm_egress_queue_capacity gauge host msg_type channel
cluster_comm_egress_queue_length gauge host msg_type channel
cluster_comm_egress_queue_workers gauge channel
cluster_comm_egress_stream_count gauge channel
cluster_comm_egress_tls_connection_count gauge
cluster_comm_ingress_stream_count gauge
cluster_comm_msg_dropped_count counter host channel
cluster_comm_msg_send_time histogram host channel
consensus_etcdraft_active_nodes gauge channel
consensus_etcdraft_cluster_size gauge channel
consensus_etcdraft_committed_block_number gauge channel
consensus_etcdraft_config_proposals_received counter channel
consensus_etcdraft_data_persist_duration histogram channel
consensus_etcdraft_is_leader gauge channel
consensus_etcdraft_leader_changes counter channel
consensus_etcdraft_normal_proposals_received counter channel
consensus_etcdraft_proposal_failures counter channel
consensus_etcdraft_snapshot_block_number gauge channel
consensus_kafka_batch_size gauge topic
consensus_kafka_compression_ratio gauge topic
consensus_kafka_incoming_byte_rate gauge broker_id
consensus_kafka_last_offset_persisted gauge channel
consensus_kafka_outgoing_byte_rate gauge broker_id
consensus_kafka_record_send_rate gauge topic
consensus_kafka_records_per_request gauge topic
consensus_kafka_request_latency gauge broker_id
consensus_kafka_request_rate gauge broker_id
consensus_kafka_request_size gauge broker_id
consensus_kafka_response_rate gauge broker_id
consensus_kafka_response_size gauge broker_id
deliver_blocks_sent counter channel filtered data_type
deliver_requests_completed counter channel filtered data_type success
deliver_requests_received counter channel filtered data_type
deliver_streams_closed counter
deliver_streams_opened counter
fabric_version gauge version
grpc_comm_conn_closed counter
grpc_comm_conn_opened counter
grpc_server_stream_messages_received counter service method
grpc_server_stream_messages_sent counter service method
grpc_server_stream_request_duration histogram service method code
grpc_server_stream_requests_completed counter service method code
grpc_server_stream_requests_received counter service method
grpc_server_unary_request_duration histogram service method code
grpc_server_unary_requests_completed counter service method code
grpc_server_unary_requests_received counter service method
ledger_blockchain_height gauge channel
ledger_blockstorage_commit_time histogram channel
logging_entries_checked counter level
logging_entries_written counter level
participation_consensus_relation gauge channel
participation_status gauge channel
";

/// Gives every family one child.
fn touch_all(metrics: &Metrics) {
    macro_rules! touch {
        ($($field:ident)+) => { $(metrics.$field.with(["x"; _]);)+ };
    }
    touch! {
        broadcast_validate_duration broadcast_enqueue_duration broadcast_processed_count
        blockcutter_block_fill_duration deliver_streams_opened deliver_streams_closed
        deliver_requests_received deliver_requests_completed deliver_blocks_sent
        grpc_comm_conn_opened grpc_comm_conn_closed grpc_server_unary_request_duration
        grpc_server_unary_requests_received grpc_server_unary_requests_completed
        grpc_server_stream_request_duration grpc_server_stream_requests_received
        grpc_server_stream_requests_completed grpc_server_stream_messages_received
        grpc_server_stream_messages_sent ledger_blockchain_height ledger_blockstorage_commit_time
        participation_status participation_consensus_relation consensus_etcdraft_cluster_size
        consensus_etcdraft_is_leader consensus_etcdraft_active_nodes
        consensus_etcdraft_committed_block_number consensus_etcdraft_snapshot_block_number
        consensus_etcdraft_leader_changes consensus_etcdraft_proposal_failures
        consensus_etcdraft_data_persist_duration consensus_etcdraft_normal_proposals_received
        consensus_etcdraft_config_proposals_received consensus_kafka_incoming_byte_rate
        consensus_kafka_outgoing_byte_rate consensus_kafka_request_rate consensus_kafka_request_size
        consensus_kafka_request_latency consensus_kafka_response_rate consensus_kafka_response_size
        consensus_kafka_batch_size consensus_kafka_record_send_rate
        consensus_kafka_records_per_request consensus_kafka_compression_ratio
        consensus_kafka_last_offset_persisted cluster_comm_egress_queue_length
        cluster_comm_egress_queue_capacity cluster_comm_egress_queue_workers
        cluster_comm_ingress_stream_count cluster_comm_egress_stream_count
        cluster_comm_egress_tls_connection_count cluster_comm_msg_send_time
        cluster_comm_msg_dropped_count logging_entries_checked logging_entries_written fabric_version
    }
}

/// Type and labels of each family.
type Families = BTreeMap<String, (String, Vec<String>)>;

/// Reads the text format back: the families and the sample names.
fn parse(text: &str) -> (Families, BTreeSet<String>) {
    let mut families = BTreeMap::new();
    let mut samples = BTreeSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            family = name.to_owned();
            families.insert(family.clone(), (kind.to_owned(), Vec::new()));
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let labels = labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
            let labels = labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le").collect();
            samples.insert(name.to_owned());
            families.get_mut(&family).unwrap().1 = labels;
        }
    }
    (families, samples)
}

#[test]
fn scraped_names_types_and_labels_are_fabrics() {
    let metrics = Metrics::new(false);
    touch_all(&metrics);
    let (families, samples) = parse(&metrics.expose());
    let mut expected_samples = BTreeSet::new();
    let expected: BTreeMap<_, _> = FABRIC
        .trim()
        .lines()
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let (name, kind) = (words.next().unwrap(), words.next().unwrap());
            let labels = words.collect::<BTreeSet<_>>();
            if kind == "histogram" {
                expected_samples
                    .extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")));
            } else {
                expected_samples.insert(name.clone());
            }
            (name, (kind, labels.into_iter().collect::<Vec<_>>()))
        })
        .collect();
    assert_eq!(families, expected);
    assert_eq!(samples, expected_samples);
}

#[test]
fn values_are_written_in_the_text_format() {
    let metrics = Metrics::new(false);
    metrics.broadcast_processed_count.with(["ch1", "ENDORSER_TRANSACTION", "SUCCESS"]).add(3);
    metrics.cluster_comm_egress_queue_length.with(["a\"b\\c\nd", "consensus", "ch1"]).set(1.5);
    metrics.deliver_streams_opened.with([]).increment();
    metrics.ledger_blockstorage_commit_time.with(["ch1"]).observe_value(0.01);
    metrics.ledger_blockstorage_commit_time.with(["ch1"]).observe_value(0.2);
    metrics.ledger_blockstorage_commit_time.with(["ch1"]).observe_value(20.0);
    let expected = r#"# HELP broadcast_processed_count Transactions answered by Broadcast.
# TYPE broadcast_processed_count counter
broadcast_processed_count{channel="ch1",status="SUCCESS",type="ENDORSER_TRANSACTION"} 3
# HELP deliver_streams_opened Deliver streams opened.
# TYPE deliver_streams_opened counter
deliver_streams_opened 1
# HELP ledger_blockstorage_commit_time Seconds that writing a block to the ledger took.
# TYPE ledger_blockstorage_commit_time histogram
ledger_blockstorage_commit_time_bucket{channel="ch1",le="0.005"} 0
ledger_blockstorage_commit_time_bucket{channel="ch1",le="0.01"} 1
ledger_blockstorage_commit_time_bucket{channel="ch1",le="0.015"} 1
ledger_blockstorage_commit_time_bucket{channel="ch1",le="0.05"} 1
ledger_blockstorage_commit_time_bucket{channel="ch1",le="0.1"} 1
ledger_blockstorage_commit_time_bucket{channel="ch1",le="1"} 2
ledger_blockstorage_commit_time_bucket{channel="ch1",le="10"} 2
ledger_blockstorage_commit_time_bucket{channel="ch1",le="+Inf"} 3
ledger_blockstorage_commit_time_sum{channel="ch1"} 20.21
ledger_blockstorage_commit_time_count{channel="ch1"} 3
# HELP cluster_comm_egress_queue_length Messages that wait for another orderer.
# TYPE cluster_comm_egress_queue_length gauge
cluster_comm_egress_queue_length{channel="ch1",host="a\"b\\c\nd",msg_type="consensus"} 1.5
"#;
    assert_eq!(metrics.expose(), expected);
}

#[test]
fn the_other_histograms_have_prometheus_default_buckets() {
    let metrics = Metrics::new(false);
    metrics.consensus_etcdraft_data_persist_duration.with(["ch1"]).observe(Duration::from_millis(3));
    let text = metrics.expose();
    let bounds: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"')))
        .map(|(bound, _)| bound)
        .collect();
    assert_eq!(
        bounds,
        ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    );
}

#[test]
fn a_removed_channel_leaves_no_values() {
    let metrics = Metrics::new(false);
    metrics.set(chain_metrics::Gauge::ClusterSize, "gone", 3);
    metrics.set(chain_metrics::Gauge::ClusterSize, "here", 3);
    metrics.add(chain_metrics::Counter::LeaderChanges, "gone", 1);
    metrics.broadcast_processed_count.with(["gone", "CONFIG", "SUCCESS"]).increment();
    metrics.forget("gone");
    let text = metrics.expose();
    assert!(!text.contains("gone"), "{text}");
    assert!(text.contains(r#"consensus_etcdraft_cluster_size{channel="here"} 3"#), "{text}");
}

#[test]
fn statsd_lines_have_dotted_names_and_differences() {
    let metrics = Metrics::new(true);
    metrics.grpc_comm_conn_opened.with([]).add(2);
    metrics.broadcast_processed_count.with(["my.channel", "CONFIG UPDATE", "SUCCESS"]).add(4);
    metrics.consensus_etcdraft_is_leader.with(["ch1"]).set(1.0);
    metrics.ledger_blockstorage_commit_time.with(["ch1"]).observe(Duration::from_millis(250));
    let first = statsd::lines(&metrics, "orderer1");
    assert_eq!(
        first,
        [
            "orderer1.broadcast.processed_count.my_channel.CONFIG_UPDATE.SUCCESS:4|c",
            "orderer1.grpc.comm.conn_opened:2|c",
            "orderer1.ledger.blockstorage_commit_time.ch1:0.25|ms",
            "orderer1.consensus.etcdraft.is_leader.ch1:1|g",
        ]
    );
    metrics.grpc_comm_conn_opened.with([]).add(1);
    let second = statsd::lines(&metrics, "");
    assert_eq!(second, ["grpc.comm.conn_opened:1|c", "consensus.etcdraft.is_leader.ch1:1|g"]);
}

#[tokio::test]
async fn statsd_pushes_arrive_at_the_server() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let metrics = std::sync::Arc::new(Metrics::new(true));
    metrics.fabric_version.with(["2.5.0"]).set(1.0);
    let settings = crate::settings::Statsd {
        network: "udp".into(),
        address: server.local_addr().unwrap().to_string(),
        write_interval: Duration::from_millis(10),
        prefix: "o1".into(),
    };
    let pushing = tokio::spawn(push_forever(metrics, settings));
    let mut buffer = [0; 2048];
    let length = server.recv(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..length], b"o1.fabric_version.2_5_0:1|g\n");
    pushing.abort();
}

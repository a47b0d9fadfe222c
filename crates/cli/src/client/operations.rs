//! What a node's operations listener tells: which node leads a channel.

use http::StatusCode;

use super::{
    connection::Endpoint,
    http::{HttpError, HttpRequest, send},
};

/// Fabric's gauge: 1 on the leader of the channel, 0 elsewhere.
const IS_LEADER: &str = "consensus_etcdraft_is_leader";
/// Fabric's gauge: number of blocks in the channel's ledger.
const HEIGHT: &str = "ledger_blockchain_height";

/// Whether the node leads the channel; `None` when its metrics do not say.
pub async fn is_leader(operations: &Endpoint, channel: &str) -> Result<Option<bool>, HttpError> {
    let metrics = metrics(operations).await?;
    Ok(metrics.and_then(|metrics| gauge(&metrics, IS_LEADER, channel)).map(|value| value > 0.0))
}

/// Everything that a node measures, in Prometheus' text format; none when it does not tell.
pub async fn metrics(operations: &Endpoint) -> Result<Option<String>, HttpError> {
    let answer = send(operations, HttpRequest::get("/metrics")).await?;
    let is_there = answer.status == StatusCode::OK;
    Ok(is_there.then(|| String::from_utf8_lossy(&answer.body).into_owned()))
}

/// The channels that a node leads, by its metrics.
pub fn led_channels(metrics: &str) -> impl Iterator<Item = &str> {
    metrics.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(IS_LEADER)?.strip_prefix('{')?.rsplit_once('}')?;
        let channel = labels.split(',').find_map(|label| label.strip_prefix("channel=\""))?;
        (value.trim() == "1").then(|| channel.trim_end_matches('"'))
    })
}

/// Number of blocks of a channel, by a node's metrics.
pub fn height(metrics: &str, channel: &str) -> Option<u64> {
    // Exact: heights are far below 2^53.
    gauge(metrics, HEIGHT, channel).map(|height| height as u64)
}

/// The value of a metric that has the channel as its label.
fn gauge(metrics: &str, name: &str, channel: &str) -> Option<f64> {
    let label = format!("channel=\"{channel}\"");
    metrics.lines().find_map(|line| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once('}')?;
        labels.split(',').any(|found| found == label).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_of_the_channel_is_found_among_others() {
        let metrics = "# TYPE consensus_etcdraft_is_leader gauge\n\
                       consensus_etcdraft_is_leader{channel=\"other\"} 0\n\
                       consensus_etcdraft_is_leader{channel=\"mine\"} 1\n\
                       consensus_etcdraft_is_leader_total{channel=\"third\"} 1\n";
        assert_eq!(gauge(metrics, IS_LEADER, "mine"), Some(1.0));
        assert_eq!(gauge(metrics, IS_LEADER, "other"), Some(0.0));
        assert_eq!(gauge(metrics, IS_LEADER, "third"), None);
        assert_eq!(led_channels(metrics).collect::<Vec<_>>(), ["mine"]);
    }
}

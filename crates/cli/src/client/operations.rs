//! What a node's operations listener tells: which node leads a channel.

use http::StatusCode;

use super::{
    connection::Endpoint,
    http::{HttpError, HttpRequest, send},
};

/// Fabric's gauge: 1 on the leader of the channel, 0 elsewhere.
const IS_LEADER: &str = "consensus_etcdraft_is_leader";

/// Whether the node leads the channel; `None` when its metrics do not say.
pub async fn is_leader(operations: &Endpoint, channel: &str) -> Result<Option<bool>, HttpError> {
    let answer = send(operations, HttpRequest::get("/metrics")).await?;
    if answer.status != StatusCode::OK {
        return Ok(None);
    }
    Ok(gauge(&String::from_utf8_lossy(&answer.body), IS_LEADER, channel).map(|value| value > 0.0))
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
    }
}

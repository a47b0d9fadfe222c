//! Sending an update to the channel's orderers.

use std::time::Duration;

use bytes::Bytes;
use protos::common::Status;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    client::broadcast::{Answers, BroadcastError},
    failure::explain,
    target::Target,
};

/// Between two rounds through the orderers.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an orderer may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// What a node says that follows the channel without ordering it, or does not know it.
const NOT_SERVED: &str = "channel creation request not allowed";

/// What a node says to whom the consenters that it hears of are too few.
const QUORUM_LOSS: &str = "quorum loss";

/// Why an update was not ordered.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubmitError {
    #[error("{refusal}; {remedy}")]
    Refused { refusal: BroadcastError, remedy: &'static str },
    #[error("no orderer took the update within {} s:{}", patience.as_secs(), list(failures))]
    Nobody { patience: Duration, failures: Vec<(String, String)> },
}

fn list(failures: &[(String, String)]) -> String {
    failures.iter().map(|(address, reason)| format!("\n  {address}: {reason}")).collect()
}

/// What came of sending it.
pub(super) enum Submitted {
    /// An orderer acknowledged it.
    Acknowledged,
    /// The answer was lost: it may have been ordered or not.
    Unanswered(BroadcastError),
}

/// Sends the envelope to the first orderer that takes it; those that have no leader are asked again.
///
/// So are, with `quorum`, those that fear to lose it: a new leader has not heard of all consenters yet.
pub(super) async fn submit(
    target: &Target,
    envelope: &Bytes,
    quorum: bool,
    patience: Duration,
) -> Result<Submitted, SubmitError> {
    let deadline = Instant::now() + patience;
    loop {
        let mut failures = Vec::new();
        for endpoint in &target.endpoints {
            let connection = match endpoint.connect().await {
                Ok(connection) => connection,
                Err(error) => {
                    failures.push((endpoint.address.clone(), explain(&error)));
                    continue;
                }
            };
            let mut answers = Answers::open(&connection, tokio_stream::once(envelope.clone()));
            let answer = timeout(ANSWER_TIMEOUT, answers.next())
                .await
                .unwrap_or_else(|_| Err(BroadcastError::Ended { address: endpoint.address.clone() }));
            match answer {
                Ok(()) => return Ok(Submitted::Acknowledged),
                Err(error) if is_passing(&error, quorum) => {
                    failures.push((endpoint.address.clone(), error.to_string()));
                }
                Err(BroadcastError::Refused { address, status, info }) => {
                    let remedy = remedy(status, &info);
                    let refusal = BroadcastError::Refused { address, status, info };
                    return Err(SubmitError::Refused { refusal, remedy });
                }
                Err(broken) => return Ok(Submitted::Unanswered(broken)),
            }
        }
        if Instant::now() + PAUSE > deadline {
            return Err(SubmitError::Nobody { patience, failures });
        }
        sleep(PAUSE).await;
    }
}

/// Whether another orderer, or the same a little later, may take it.
fn is_passing(error: &BroadcastError, quorum: bool) -> bool {
    match error {
        BroadcastError::Refused { status, info, .. } => {
            *status == Status::ServiceUnavailable as i32
                || info.contains(NOT_SERVED)
                || quorum && info.contains(QUORUM_LOSS)
        }
        _ => false,
    }
}

fn remedy(status: i32, info: &str) -> &'static str {
    if info.contains(QUORUM_LOSS) {
        "bring the other consenters back first, or remove the one that is down"
    } else if info.contains("error validating ReadSet") || info.contains("but key is at version") {
        "the channel's config has changed since the update was made: make it anew"
    } else if info.contains("not satisfied") {
        "more administrators have to sign: --sign-as MSPID=DIR, or --output FILE and `causeway config sign FILE`"
    } else if info.contains("identity expired") {
        "the submitter's certificate has expired: enrol a new one"
    } else if status == Status::Forbidden as i32 {
        "the submitter must satisfy /Channel/Writers, in maintenance /Channel/Orderer/Writers"
    } else if info.contains("exceeds maximum allowed") {
        "the config is too large for orderer.batch_size.absolute_max_bytes: raise that first"
    } else {
        "nothing was ordered"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_get_a_remedy() {
        let quorum = "2 out of 3 nodes are alive, configuration will result in quorum loss";
        for (status, info, expected) in [
            (Status::BadRequest, quorum, "bring the other consenters back"),
            (Status::BadRequest, "error validating ReadSet: proposed update requires", "make it anew"),
            (Status::BadRequest, "policy for [Value] x not satisfied: y", "--sign-as"),
            (Status::Forbidden, "permission denied", "/Channel/Writers"),
            (Status::BadRequest, "something", "nothing was ordered"),
        ] {
            assert!(remedy(status as i32, info).contains(expected), "{info}");
        }
    }
}

//! Waiting until the orderers have a new config.

use std::{collections::BTreeSet, time::Duration};

use channel::block::last_config_index;
use futures::future::join_all;
use protos::{
    common::{Config, Envelope, Status},
    etcdraft::Consenter,
};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::{
    live::{Live, LiveError, read},
    raft,
    words::address,
};
use crate::{
    client::{
        connection::Endpoint,
        deliver::{DeliverError, Position, fetch},
        transaction::Signer,
    },
    failure::explain,
    target::Target,
};

const POLL: Duration = Duration::from_millis(200);
/// How long an orderer may take to say how far it is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an orderer that does not answer is asked again: it may just be starting.
const UNREACHABLE_GRACE: Duration = Duration::from_secs(3);
/// The same for one that does not serve the channel: a follower that is to become a consenter looks for
/// new blocks only now and then.
const NOT_SERVING_GRACE: Duration = Duration::from_secs(20);

/// Why an update was not seen in the chain.
#[derive(Debug, thiserror::Error)]
pub(super) enum FindError {
    #[error(
        "the update is not in the chain after {} s; it may still be ordered: look with `causeway config show` before \
         sending it again (the same update is never applied twice){}",
        patience.as_secs(),
        last.as_ref().map(|last| format!(" (last: {last})")).unwrap_or_default()
    )]
    NotSeen { patience: Duration, last: Option<String> },
    #[error(
        "another update was ordered first (config {sequence} in block {block}), so that this one no longer fits; run \
         the command again"
    )]
    Overtaken { sequence: u64, block: u64 },
}

/// Finds the block that an update has become: that of config `sequence`.
pub(super) async fn find(
    target: &Target,
    envelope: &Envelope,
    sequence: u64,
    patience: Duration,
) -> Result<u64, FindError> {
    let deadline = Instant::now() + patience;
    let mut last = None;
    loop {
        for endpoint in &target.endpoints {
            match config_number(endpoint, &target.signer, sequence).await {
                Ok(Some(live)) if live.envelope.last_update.as_ref() == Some(envelope) => {
                    return Ok(live.block);
                }
                Ok(Some(live)) => return Err(FindError::Overtaken { sequence, block: live.block }),
                Ok(None) => {}
                Err(failure) => last = Some(explain(&failure)),
            }
        }
        if Instant::now() + POLL > deadline {
            return Err(FindError::NotSeen { patience, last });
        }
        sleep(POLL).await;
    }
}

/// The config of this sequence number; `None`: the orderer has not come so far.
async fn config_number(
    endpoint: &Endpoint,
    signer: &Signer,
    sequence: u64,
) -> Result<Option<Live>, LiveError> {
    let mut live = read(endpoint, signer, Position::Newest).await?;
    while live.bundle.sequence() > sequence && live.block > 0 {
        live = read(endpoint, signer, Position::Number(live.block - 1)).await?;
    }
    Ok((live.bundle.sequence() == sequence).then_some(live))
}

/// The consenters of a config, in their order, and whether each serves the channel now.
pub(super) async fn answering(target: &Target, config: &Config) -> Vec<(String, bool)> {
    let consenters = raft::consenters(config).unwrap_or_default();
    let ask = |consenter: &Consenter| {
        let address = address(consenter);
        let endpoint = target.endpoint_of(&address);
        async move {
            let (progress, _) = probe(&endpoint, &target.signer, 0).await;
            (address, progress == Progress::Current)
        }
    };
    join_all(consenters.iter().map(ask)).await
}

/// How far an orderer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Progress {
    /// It has the new config.
    Current,
    /// It serves the channel and has not come so far.
    Behind,
    /// It answers, and does not serve the channel.
    NotServing,
    /// It does not answer.
    Unreachable,
}

/// One orderer at the end of the wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct OrdererState {
    pub(super) address: String,
    pub(super) progress: Progress,
    /// What is to be known about it, as why it is not reached.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    /// Whether it must have the new config: not when it is no consenter any more, or a consenter under a
    /// certificate that it does not have yet.
    #[serde(skip)]
    pub(super) awaited: bool,
}

impl OrdererState {
    /// Whether the change is not complete without it. One that is not reached or not joined gets the config
    /// when it comes.
    pub(super) fn is_missing(&self) -> bool {
        self.awaited && self.progress == Progress::Behind
    }

    /// On one line.
    pub(super) fn line(&self) -> String {
        let state = match self.progress {
            Progress::Current => "has it",
            Progress::Behind => "lags behind",
            Progress::NotServing => "does not serve the channel",
            Progress::Unreachable => "not reachable",
        };
        match self.note.is_empty() {
            true => format!("{}: {state}", self.address),
            false => format!("{}: {state}: {}", self.address, self.note),
        }
    }
}

/// An orderer that is asked.
struct Asked {
    endpoint: Endpoint,
    /// Whether the command waits for it.
    awaited: bool,
    note: &'static str,
}

/// Waits until every consenter of the new config, and every orderer of the command line, has the config of
/// `block`, as far as they answer.
pub(super) async fn wait(
    target: &Target,
    (old, new): (&Config, &Config),
    block: u64,
    patience: Duration,
) -> Vec<OrdererState> {
    let deadline = Instant::now() + patience;
    let asked = orderers(target, old, new);
    join_all(asked.into_iter().map(|asked| follow(asked, &target.signer, block, deadline))).await
}

fn orderers(target: &Target, old: &Config, new: &Config) -> Vec<Asked> {
    let (old, new) = (raft::consenters(old).unwrap_or_default(), raft::consenters(new).unwrap_or_default());
    let rotated = |consenter: &Consenter| {
        old.iter().any(|before| address(before) == address(consenter) && before != consenter)
    };
    let mut known = BTreeSet::new();
    let mut asked = Vec::new();
    for consenter in &new {
        let address = address(consenter);
        if !known.insert(address.clone()) {
            continue;
        }
        let endpoint = target.endpoint_of(&address);
        let changed = rotated(consenter);
        let note = if changed { "start it again with its new certificate" } else { "" };
        asked.push(Asked { endpoint, awaited: !changed, note });
    }
    for endpoint in &target.endpoints {
        if known.insert(endpoint.address.clone()) {
            let removed = old.iter().any(|before| address(before) == endpoint.address);
            let note = if removed { "no consenter any more" } else { "" };
            asked.push(Asked { endpoint: endpoint.clone(), awaited: !removed, note });
        }
    }
    asked
}

async fn follow(asked: Asked, signer: &Signer, block: u64, deadline: Instant) -> OrdererState {
    let started = Instant::now();
    loop {
        let (progress, reason) = probe(&asked.endpoint, signer, block).await;
        let patient = match progress {
            Progress::Current => false,
            Progress::Behind => asked.awaited,
            Progress::NotServing => asked.awaited && started.elapsed() < NOT_SERVING_GRACE,
            Progress::Unreachable => asked.awaited && started.elapsed() < UNREACHABLE_GRACE,
        };
        if !patient || Instant::now() + POLL > deadline {
            let note = match (progress, asked.note) {
                (Progress::Current, _) => String::new(),
                (_, "") => reason,
                (_, note) => note.to_owned(),
            };
            return OrdererState { address: asked.endpoint.address, progress, note, awaited: asked.awaited };
        }
        sleep(POLL).await;
    }
}

async fn probe(endpoint: &Endpoint, signer: &Signer, block: u64) -> (Progress, String) {
    timeout(ANSWER_TIMEOUT, ask(endpoint, signer, block)).await.unwrap_or_else(|_| {
        (Progress::Unreachable, format!("it did not answer within {} s", ANSWER_TIMEOUT.as_secs()))
    })
}

async fn ask(endpoint: &Endpoint, signer: &Signer, block: u64) -> (Progress, String) {
    let connection = match endpoint.connect().await {
        Ok(connection) => connection,
        Err(error) => return (Progress::Unreachable, explain(&error)),
    };
    match fetch(&connection, signer, Position::Newest).await {
        Ok(newest) => match last_config_index(&newest) {
            Ok(config) if config >= block => (Progress::Current, String::new()),
            Ok(config) => {
                (Progress::Behind, format!("its config is that of block {config}, the new one is in {block}"))
            }
            Err(error) => (Progress::Behind, error.to_string()),
        },
        Err(DeliverError::Refused { status, .. }) if status == Status::NotFound as i32 => {
            let join = "join it to the channel: osnadmin channel join with a config block of it";
            (Progress::NotServing, join.to_owned())
        }
        Err(error @ DeliverError::Refused { .. }) => (Progress::Behind, explain(&error)),
        Err(error) => (Progress::Unreachable, explain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_waited_for_can_be_missing() {
        let is_missing = |awaited, progress| {
            OrdererState { address: String::new(), progress, note: String::new(), awaited }.is_missing()
        };
        assert!(is_missing(true, Progress::Behind));
        for progress in [Progress::Current, Progress::NotServing, Progress::Unreachable] {
            assert!(!is_missing(true, progress));
        }
        assert!(!is_missing(false, Progress::Behind), "a consenter that was removed");
    }
}

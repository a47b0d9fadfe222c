//! Single questions to a node, of any content, and exactly what it answers, as one line of text.

use bytes::Bytes;
use cli::client::broadcast::status_name;
use cli::client::connection::Connection;
use protos::Message;
use protos::orderer::{BroadcastResponse, DeliverResponse, StepResponse, deliver_response::Type};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// How long an answer may take; nothing that is asked here has to wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

/// What Broadcast says to one message: `STATUS` or `STATUS: text`, else how the call ended.
pub async fn broadcast(connection: &Connection, message: Bytes) -> String {
    let path = "/orderer.AtomicBroadcast/Broadcast";
    ask(connection, path, message, |answer: BroadcastResponse| {
        let status = status_name(answer.status);
        Some(if answer.info.is_empty() { status } else { format!("{status}: {}", answer.info) })
    })
    .await
}

/// What Deliver sends for one request: the numbers of the blocks, then the status, else how the
/// call ended.
pub async fn deliver(connection: &Connection, message: Bytes) -> String {
    let path = "/orderer.AtomicBroadcast/Deliver";
    let mut numbers = String::new();
    ask(connection, path, message, |answer: DeliverResponse| match answer.r#type {
        Some(Type::Block(block)) => {
            numbers += &format!("{} ", block.header.unwrap_or_default().number);
            None
        }
        Some(Type::Status(status)) => Some(format!("{numbers}{}", status_name(status))),
        None => Some(format!("{numbers}nothing")),
    })
    .await
}

/// How the cluster service ends a stream that begins with this message.
pub async fn step(connection: &Connection, message: Bytes) -> String {
    ask(connection, "/orderer.Cluster/Step", message, |_: StepResponse| Some("a response".to_owned())).await
}

/// Sends one message, leaves the stream open, and reads until `end` makes something of an answer or
/// the call ends.
async fn ask<M: Message + Default + 'static>(
    connection: &Connection,
    path: &'static str,
    message: Bytes,
    mut end: impl FnMut(M) -> Option<String>,
) -> String {
    let (requests, receiver) = mpsc::channel(1);
    // The receiver is right here.
    let _ = requests.send(message).await;
    let answer = async {
        let mut answers: Streaming<M> =
            match connection.clone().stream(path, ReceiverStream::new(receiver)).await {
                Ok(answers) => answers,
                Err(status) => return shown(&status),
            };
        loop {
            match answers.message().await {
                Ok(Some(answer)) => {
                    if let Some(text) = end(answer) {
                        return text;
                    }
                }
                Ok(None) => return "ended".to_owned(),
                Err(status) => return shown(&status),
            }
        }
    };
    let answer = tokio::time::timeout(LIMIT, answer).await;
    drop(requests);
    answer.unwrap_or_else(|_| "no answer".to_owned())
}

fn shown(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

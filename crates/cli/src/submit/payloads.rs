//! Where transactions come from.

use std::{
    fs,
    io::{self, BufRead},
    path::PathBuf,
    thread,
};

use bytes::Bytes;
use rand::RngCore;
use tokio::sync::mpsc;

use crate::client::transaction::{Signed, Signer};

/// How many signed transactions wait for being sent.
const SIGNED_AHEAD: usize = 256;

/// Where the content of transactions comes from.
pub(super) enum Source {
    /// Each file is one.
    Files(Vec<PathBuf>),
    /// Each line of standard input is one.
    Lines,
    /// Random bytes, after a number.
    Generated { count: u64, size: usize },
}

impl Source {
    /// How many there will be, if that is known.
    pub(super) fn total(&self) -> Option<u64> {
        match self {
            Self::Files(files) => Some(files.len() as u64),
            Self::Lines => None,
            Self::Generated { count, .. } => Some(*count),
        }
    }
}

/// A signed transaction.
pub(super) struct Transaction {
    /// What the user knows it by: file, line or number.
    pub(super) name: String,
    /// The id in its header.
    pub(super) id: String,
    /// The encoded envelope.
    pub(super) envelope: Bytes,
}

/// Reads and signs on a thread of its own; the first thing that cannot be read or signed ends it.
pub(super) fn sign(source: Source, signer: Signer) -> mpsc::Receiver<Result<Transaction, String>> {
    let (sender, receiver) = mpsc::channel(SIGNED_AHEAD);
    thread::spawn(move || {
        each(source, |name, content| {
            let signed = sign_one(&signer, name, content);
            let go_on = signed.is_ok();
            sender.blocking_send(signed).is_ok() && go_on
        })
        .unwrap_or_else(|reason| {
            // Nobody listens only when the command has ended.
            let _ = sender.blocking_send(Err(reason));
        });
    });
    receiver
}

fn sign_one(signer: &Signer, name: String, content: Bytes) -> Result<Transaction, String> {
    match signer.transaction(content) {
        Ok(Signed { id, envelope }) => Ok(Transaction { name, id, envelope }),
        Err(error) => Err(format!("{name} could not be signed: {error}")),
    }
}

/// Calls `take` for each content with its name, until it answers `false`.
fn each(source: Source, mut take: impl FnMut(String, Bytes) -> bool) -> Result<(), String> {
    match source {
        Source::Files(files) => {
            for path in files {
                let content =
                    fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                if !take(path.display().to_string(), content.into()) {
                    break;
                }
            }
        }
        Source::Lines => {
            for (index, line) in io::stdin().lock().split(b'\n').enumerate() {
                let line = line.map_err(|error| format!("standard input cannot be read: {error}"))?;
                if !take(format!("line {}", index + 1), line.into()) {
                    break;
                }
            }
        }
        Source::Generated { count, size } => {
            let mut random = rand::rng();
            for number in 1..=count {
                let mut content = format!("transaction {number} ").into_bytes();
                let text = content.len();
                content.resize(size, 0);
                if let Some(rest) = content.get_mut(text..) {
                    random.fill_bytes(rest);
                }
                if !take(format!("transaction {number}"), content.into()) {
                    break;
                }
            }
        }
    }
    Ok(())
}

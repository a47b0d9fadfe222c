//! Every block of every channel of a ledger directory, verified.

use std::{fs, path::Path};

use serde::Serialize;
use storage::ledger::{BlockReader, Step};

use crate::{
    client::chain::ChainVerifier,
    failure::{Failure, because, explain},
};

/// How many faults of a channel are listed; the rest is counted.
const LISTED_FAULTS: usize = 20;

/// What a ledger directory holds.
#[derive(Serialize)]
pub(super) struct LedgerReport {
    directory: String,
    channels: Vec<ChannelReport>,
}

/// One channel's chain.
#[derive(Serialize)]
struct ChannelReport {
    channel: String,
    height: u64,
    transactions: u64,
    config_blocks: Vec<u64>,
    last_header_hash: String,
    /// What a crash cut off; the node repairs it when it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    torn: Option<String>,
    faults: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    further_faults: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl LedgerReport {
    /// Whether no fault was found.
    pub(super) fn is_sound(&self) -> bool {
        self.channels.iter().all(|channel| channel.faults.is_empty())
    }
}

/// Verifies one channel or all; reads only.
pub(super) fn inspect(directory: &Path, channel: Option<&str>) -> Result<LedgerReport, Failure> {
    let chains = directory.join("chains");
    let entries = fs::read_dir(&chains).map_err(|error| {
        because(format!(
            "{} is no ledger: {} cannot be read ({error}); name the directory that FileLedger.Location names",
            directory.display(),
            chains.display()
        ))
    })?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if let Some(wanted) = channel {
        names.retain(|name| name == wanted);
        if names.is_empty() {
            return Err(because(format!("{} has no channel {wanted}", directory.display())));
        }
    }
    let channels = names.iter().map(|name| verify(directory, name)).collect::<Result<_, _>>()?;
    Ok(LedgerReport { directory: directory.display().to_string(), channels })
}

fn verify(directory: &Path, channel: &str) -> Result<ChannelReport, Failure> {
    let mut report = ChannelReport {
        channel: channel.to_owned(),
        height: 0,
        transactions: 0,
        config_blocks: Vec::new(),
        last_header_hash: String::new(),
        torn: None,
        faults: Vec::new(),
        further_faults: 0,
    };
    let mut reader = BlockReader::open(directory, channel)?;
    let mut verifier = ChainVerifier::new();
    loop {
        match reader.step()? {
            Step::End => break,
            Step::Torn(fault) => {
                report.torn = Some(format!(
                    "{} from byte {} on ({} bytes): {}",
                    fault.path.display(),
                    fault.offset,
                    fault.remaining,
                    fault.reason
                ));
                break;
            }
            Step::Damaged(fault) => {
                let place = format!("{} at byte {}", fault.path.display(), fault.offset);
                report.fault(format!("{place}: {}; nothing behind it can be read", fault.reason));
                break;
            }
            Step::Block(stored) => {
                let block = stored.block.block();
                let number = stored.block.number();
                if let Err(fault) = verifier.check(block) {
                    let fault = explain(&fault);
                    report.fault(format!(
                        "block {number}, {} at byte {}: {fault}",
                        stored.path.display(),
                        stored.offset
                    ));
                }
                if channel::block::is_config_block(block) {
                    report.config_blocks.push(number);
                }
                report.height = number + 1;
                report.transactions += stored.block.data().len() as u64;
                report.last_header_hash = hex::encode(stored.block.header_hash());
            }
        }
    }
    Ok(report)
}

impl ChannelReport {
    fn fault(&mut self, text: String) {
        if self.faults.len() < LISTED_FAULTS {
            self.faults.push(text);
        } else {
            self.further_faults += 1;
        }
    }
}

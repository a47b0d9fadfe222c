//! What a command says at its end: to people in lines, to scripts as one JSON object.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    approval::Approval,
    check::Findings,
    difference::Change,
    rollout::{OrdererState, Progress},
};
use crate::terminal::{print_line, print_lines};

/// An update, and how far it came.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) channel: String,
    /// Sequence number of the config that the update was made for.
    pub(super) sequence: u64,
    pub(super) changes: Vec<Change>,
    pub(super) policies: Vec<Approval>,
    #[serde(flatten)]
    pub(super) findings: Findings,
    /// Where the update was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<PathBuf>,
    /// The block that it has become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) block: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) orderers: Vec<OrdererState>,
}

impl Report {
    /// Whether enough have signed.
    pub(super) fn is_authorized(&self) -> bool {
        self.policies.iter().all(|policy| policy.satisfied)
    }

    /// Whether every orderer that serves the channel has the new config.
    pub(super) fn is_rolled_out(&self) -> bool {
        !self.orderers.iter().any(OrdererState::is_missing)
    }

    /// The changes, with who has to sign and what was found.
    pub(super) fn print_proposal(&self) {
        print_line(&format!("channel {}, config {} -> {}:", self.channel, self.sequence, self.sequence + 1));
        print_lines(self.changes.iter().map(|change| format!("  {}", change.text)));
        print_line("has to be signed for:");
        print_lines(self.policies.iter().map(|policy| format!("  {}", policy.line())));
        print_lines(self.findings.warnings.iter().map(|warning| format!("warning: {warning}")));
    }

    /// Where the new config is.
    pub(super) fn print_rollout(&self) {
        let has = self.orderers.iter().filter(|orderer| orderer.progress == Progress::Current).count();
        print_line(&format!("{has} of {} orderers have it", self.orderers.len()));
        let others = self.orderers.iter().filter(|orderer| orderer.progress != Progress::Current);
        print_lines(others.map(|orderer| format!("  {}", orderer.line())));
    }

    /// What speaks against it, for an error.
    pub(super) fn refusal(&self) -> Option<String> {
        let lines: Vec<String> = self
            .findings
            .refusals
            .iter()
            .map(|refusal| format!("{}; {}", refusal.reason, refusal.remedy))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n  "))
    }

    /// As one JSON object.
    pub(super) fn print_json(&self) -> Result<(), serde_json::Error> {
        print_line(&serde_json::to_string_pretty(self)?);
        Ok(())
    }
}

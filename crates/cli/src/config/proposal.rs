//! The way of every change: from the config that the channel has to the one that all orderers have.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use channel::{configtx::review_update, consenters::RaftState};
use identity::{certificate::Certificate, signing::SigningIdentity};
use protos::{Message, common::Config, msp::SerializedIdentity};

use super::{
    approval::approvals,
    check::{check, check_quorum},
    difference,
    live::{Live, config_at},
    raft,
    report::Report,
    rollout,
    signers::{self, SignAs},
    submission::{Submitted, submit},
    update::{Update, UpdateFileError, now_unix},
};
use crate::{
    client::deliver::Position,
    failure::{Failure, Outcome, because},
    size::parse_duration,
    target::{Target, TargetArguments},
    terminal::print_line,
};

/// How a change is signed and sent: the flags that all changing commands have in common.
#[derive(clap::Args)]
pub(super) struct ProposalArguments {
    #[command(flatten)]
    pub(super) target: TargetArguments,
    #[command(flatten)]
    pub(super) signing: SigningArguments,
    /// Write the update to a file for other administrators to sign, instead of submitting it
    #[arg(long, value_name = "FILE", help_heading = "How it is sent")]
    output: Option<PathBuf>,
    /// Do not sign what is written
    #[arg(long, requires = "output", help_heading = "How it is sent")]
    unsigned: bool,
    #[command(flatten)]
    pub(super) sending: SendingArguments,
}

/// Who signs.
#[derive(clap::Args)]
pub(super) struct SigningArguments {
    /// Sign as this identity, too: its MSP and its MSP directory; may be given several times
    #[arg(long, value_name = "MSPID=DIR", help_heading = "How it is sent")]
    pub(super) sign_as: Vec<SignAs>,
}

/// How it is sent.
#[derive(clap::Args)]
pub(super) struct SendingArguments {
    /// Say what would change, who has to sign and what would be refused; send nothing
    #[arg(long, help_heading = "How it is sent")]
    pub(super) dry_run: bool,
    /// Send it although a check here speaks against it; the orderers check for themselves
    #[arg(long, help_heading = "How it is sent")]
    pub(super) force: bool,
    /// How long to wait until the update is ordered, and then until all reachable orderers have it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration, help_heading = "How it is sent")]
    pub(super) timeout: Duration,
    /// Print one JSON object
    #[arg(long, help_heading = "How it is sent")]
    pub(super) json: bool,
}

impl ProposalArguments {
    /// Fetches the config, changes it, signs and sends the update.
    pub(super) async fn propose<E: Into<Failure>>(
        &self,
        change: impl FnOnce(&mut Config) -> Result<(), E>,
    ) -> Outcome {
        let target = self.target.resolve_as_administrator()?;
        let live = config_at(&target, Position::Newest).await?;
        let mut next = live.config().clone();
        change(&mut next).map_err(Into::into)?;
        let update = Update::between(target.signer.channel(), live.config(), &next)?;
        self.carry_out(target, &live, update).await
    }

    /// The same for a config that was edited elsewhere, from one that was fetched before.
    pub(super) async fn propose_config(&self, target: Target, live: &Live, next: &Config) -> Outcome {
        let update = Update::between(target.signer.channel(), live.config(), next)?;
        self.carry_out(target, live, update).await
    }

    async fn carry_out(&self, target: Target, live: &Live, mut update: Update) -> Outcome {
        if !self.unsigned {
            self.sign(&target, &mut update)?;
        }
        let Some(path) = &self.output else { return send(&target, live, &update, &self.sending).await };
        let mut report = report(&target, live, &update).await?;
        if self.sending.dry_run {
            return dry_run(&report, &self.sending);
        }
        refuse(&report, &self.sending)?;
        update.write(path)?;
        report.file = Some(path.clone());
        if self.sending.json {
            report.print_json()?;
            return Ok(ExitCode::SUCCESS);
        }
        report.print_proposal();
        let file = path.display();
        print_line(&format!("written to {file}; other administrators sign it with"));
        print_line(&format!("  causeway config sign {file} --mspid MSPID --msp-dir DIR"));
        print_line(&format!(
            "and when enough have signed, one submits it with\n  causeway config submit {file}"
        ));
        Ok(ExitCode::SUCCESS)
    }

    fn sign(&self, target: &Target, update: &mut Update) -> Result<(), Failure> {
        for identity in identities(target, &self.target, &self.signing)? {
            update.sign(&identity)?;
        }
        Ok(())
    }
}

/// Everybody who signs here: the identity that talks to the orderers first.
pub(super) fn identities(
    target: &Target,
    arguments: &TargetArguments,
    signing: &SigningArguments,
) -> Result<Vec<SigningIdentity>, Failure> {
    let mut identities = vec![target.signer.identity().clone()];
    identities.extend(signers::additional(&signing.sign_as, arguments, target.sandbox.as_ref())?);
    Ok(identities)
}

/// What an update changes, who has to sign it, and what speaks against it.
pub(super) async fn report(target: &Target, live: &Live, update: &Update) -> Result<Report, Failure> {
    let channel = target.signer.channel();
    if update.channel() != channel {
        return Err(because(format!(
            "the update is for channel {}, not for {channel}; give --channel {}",
            update.channel(),
            update.channel()
        )));
    }
    let review = review_update(&live.bundle, update.content()).map_err(|error| {
        because(format!(
            "{error}; the update does not fit config {} of the channel: if that has changed since the update was \
             made, make it anew",
            live.bundle.sequence()
        ))
    })?;
    let mut findings = check(&live.bundle, &review.config, &update.update(), now_unix());
    if let Some(raft) = live.raft.as_ref().filter(|_| raft::set_changes(live.config(), &review.config)) {
        let answers = rollout::answering(&target.trusting(&live.bundle), live.config()).await;
        let state = |wanted: bool| answers.iter().enumerate().filter(move |(_, (_, up))| *up == wanted);
        let active: Vec<u64> =
            state(true).filter_map(|(at, _)| raft.consenter_ids.get(at).copied()).collect();
        let silent: Vec<String> = state(false).map(|(_, (address, _))| address.clone()).collect();
        let raft = RaftState { block_metadata: raft, active_nodes: &active };
        check_quorum(&live.bundle, &review.config, &raft, &silent, now_unix(), &mut findings);
    }
    let signed: Vec<&str> = review.signers.iter().map(|signer| signer.mspid()).collect();
    let creators: Vec<_> = update.creators().collect();
    if creators.len() > signed.len() {
        let names: Vec<String> = creators.iter().map(creator_name).collect();
        findings.warnings.push(format!(
            "{} of {} signatures do not count, as their identities are not of the channel or the signatures are \
             wrong; signed by: {}",
            creators.len() - signed.len(),
            creators.len(),
            names.join(", ")
        ));
    }
    Ok(Report {
        channel: channel.to_owned(),
        sequence: live.bundle.sequence(),
        changes: difference::between(live.config(), &review.config),
        policies: approvals(&live.bundle, &review),
        findings,
        ..Report::default()
    })
}

/// MSP and name of a serialized identity.
pub(super) fn creator_name(creator: &bytes::Bytes) -> String {
    match SerializedIdentity::decode(creator.clone()) {
        Ok(identity) => {
            let name = Certificate::from_pem(&identity.id_bytes).map_or_else(
                |error| format!("({error})"),
                |certificate| certificate.common_name().to_owned(),
            );
            format!("{name} of {}", identity.mspid)
        }
        Err(_) => "(unreadable)".to_owned(),
    }
}

fn dry_run(report: &Report, sending: &SendingArguments) -> Outcome {
    if sending.json {
        report.print_json()?;
    } else {
        report.print_proposal();
        match report.refusal() {
            None => drop(print_line("dry run: nothing was sent")),
            Some(refusal) => drop(print_line(&format!("would be refused:\n  {refusal}"))),
        }
    }
    Ok(if report.findings.refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Stops what a check speaks against, unless it is forced.
fn refuse(report: &Report, sending: &SendingArguments) -> Result<(), Failure> {
    let Some(refusal) = report.refusal().filter(|_| !sending.force) else { return Ok(()) };
    if sending.json {
        report.print_json()?;
    }
    Err(because(format!("{refusal} (nothing was sent)")))
}

/// Submits an update and waits until the orderers have it.
pub(super) async fn send(
    target: &Target,
    live: &Live,
    update: &Update,
    sending: &SendingArguments,
) -> Outcome {
    // Who answered just now will answer sooner than one that may be down.
    let target = &target.preferring(&live.address);
    let mut report = report(target, live, update).await?;
    if sending.dry_run {
        return dry_run(&report, sending);
    }
    refuse(&report, sending)?;
    if !report.is_authorized() && !sending.force {
        if sending.json {
            report.print_json()?;
        }
        let open: Vec<String> =
            report.policies.iter().filter(|policy| !policy.satisfied).map(|policy| policy.line()).collect();
        return Err(because(format!(
            "not enough have signed (nothing was sent):\n  {}\nadd signatures with --sign-as MSPID=DIR, or write the \
             update with --output FILE for others to sign with `causeway config sign FILE`",
            open.join("\n  ")
        )));
    }
    if !sending.json {
        report.print_proposal();
    }
    let envelope =
        update.envelope(target.signer.identity()).map_err(|error: UpdateFileError| Failure::from(error))?;
    let submitted =
        submit(target, &envelope.encode_to_vec().into(), !report.findings.quorum_in_doubt, sending.timeout)
            .await?;
    if let (Submitted::Unanswered(reason), false) = (&submitted, sending.json) {
        eprintln!("{reason}; looking for the update in the chain");
    }
    let next = report.sequence + 1;
    let block = rollout::find(target, &envelope, next, sending.timeout).await?;
    report.block = Some(block);
    if !sending.json {
        print_line(&format!("config {next} is in block {block}; waiting for the orderers to have it"));
    }
    let config = review_update(&live.bundle, update.content())?.config;
    let trusting = target.trusting(&live.bundle);
    report.orderers = rollout::wait(&trusting, (live.config(), &config), block, sending.timeout).await;
    if sending.json {
        report.print_json()?;
    } else {
        report.print_rollout();
    }
    if report.is_rolled_out() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(because(format!(
        "the update is ordered, but not all reachable orderers have it after {} s",
        sending.timeout.as_secs()
    )))
}

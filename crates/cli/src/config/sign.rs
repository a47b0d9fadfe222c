//! `causeway config sign` and `causeway config submit`: updates that pass between administrators as files.

use std::{path::PathBuf, process::ExitCode};

use super::{
    difference::written,
    live::config_at,
    proposal::{SendingArguments, SigningArguments, creator_name, identities, send},
    signers,
    update::Update,
};
use crate::{
    client::deliver::Position,
    failure::Outcome,
    target::TargetArguments,
    terminal::{print_line, print_lines},
};

/// Add a signature to a config update in a file
///
/// Prints what the update writes and who has signed. No orderer is asked. The file may come from `causeway
/// config ... --output`, from `peer channel signconfigtx`, or from `configtxlator compute_update`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config sign update.pb --mspid Org1MSP --msp-dir users/Admin@org1.example.com/msp
  causeway config sign update.pb --sign-as Org1MSP=org1/admin/msp --sign-as Org2MSP=org2/admin/msp
  causeway config sign update.pb --output signed.pb")]
pub(super) struct SignArguments {
    /// The update; the signature is added to this file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the signed update here and leave FILE as it is
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    signing: SigningArguments,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn sign(arguments: SignArguments) -> Outcome {
    let SignArguments { file, output, signing, target } = arguments;
    let mut update = Update::read(&file)?;
    print_line(&format!("{} is an update of channel {}; it writes", file.display(), update.channel()));
    print_lines(written(&update.update()).iter().map(|line| format!("  {line}")));
    for identity in signers::offline(&signing.sign_as, &target)? {
        let name = creator_name(identity.serialized());
        let said = if update.sign(&identity)? { "signed as" } else { "signed before as" };
        print_line(&format!("{said} {name}"));
    }
    let signers: Vec<String> = update.creators().map(|creator| creator_name(&creator)).collect();
    update.write(output.as_ref().unwrap_or(&file))?;
    print_line(&format!("signatures: {}", signers.join(", ")));
    Ok(ExitCode::SUCCESS)
}

/// Submit a config update from a file
///
/// Adds this identity's signature, checks the update and its signatures against the channel's config, submits
/// it and waits until every orderer that can be reached has the new config.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  causeway config submit update.pb --dry-run       what it would change, and who has yet to sign
  causeway config submit update.pb --orderer orderer0.example.com:7050 \\
      --mspid OrdererMSP --msp-dir users/Admin@example.com/msp --tls-ca tlsca.pem")]
pub(super) struct SubmitArguments {
    /// The update
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    signing: SigningArguments,
    #[command(flatten)]
    sending: SendingArguments,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) async fn submit(mut arguments: SubmitArguments) -> Outcome {
    let mut update = Update::read(&arguments.file)?;
    arguments.target.channel.get_or_insert_with(|| update.channel().to_owned());
    let target = arguments.target.resolve_as_administrator()?;
    for identity in identities(&target, &arguments.target, &arguments.signing)? {
        update.sign(&identity)?;
    }
    let live = config_at(&target, Position::Newest).await?;
    send(&target, &live, &update, &arguments.sending).await
}

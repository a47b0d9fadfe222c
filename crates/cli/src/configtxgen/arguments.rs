//! The flags.

use std::{ffi::OsString, process::ExitCode};

use clap::{ArgAction, CommandFactory as _, FromArgMatches as _};

use super::go_flags;

/// Write the first block of a channel, or a transaction that changes one, from a profile in configtx.yaml
///
/// configtx.yaml describes organizations, policies and ordering services; a profile in it puts them together
/// as a channel. The file is looked for in -configPath, or without that in FABRIC_CFG_PATH, the working
/// directory and /etc/hyperledger/fabric. Variables override keys that the file has:
/// CONFIGTX_PROFILES_MYPROFILE_ORDERER_BATCHTIMEOUT=1s. Paths in the file are relative to it.
///
/// Flags are written with one dash or two. The log goes to standard error (FABRIC_LOGGING_SPEC sets how much);
/// it warns of what is legal, but would bite later. The exit code is 1 when what was asked for cannot be
/// done, 2 when flags or configtx.yaml are wrong; then no file is written.
#[derive(clap::Parser)]
#[command(
    name = "configtxgen",
    disable_version_flag = true,
    disable_help_flag = true,
    args_override_self = true,
    after_help = "Examples:
  configtxgen -profile MyChannel -channelID mychannel -outputBlock mychannel.block
  configtxgen -inspectBlock mychannel.block
  configtxgen -printOrg Org1 -configPath ./network > org1.json
  configtxgen -profile MyChannel -channelID mychannel -outputCreateChannelTx mychannel.tx"
)]
pub(crate) struct Arguments {
    /// The profile in configtx.yaml to make something of
    #[arg(long = "profile", value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) profile: String,
    /// The channel's name
    #[arg(long = "channelID", value_name = "CHANNEL", default_value = "", hide_default_value = true)]
    pub(super) channel_id: String,
    /// The directory that has configtx.yaml
    #[arg(long = "configPath", value_name = "DIR", default_value = "", hide_default_value = true)]
    pub(super) config_path: String,
    /// Write the channel's first block to this file
    #[arg(long = "outputBlock", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(super) output_block: String,
    /// Write the transaction that asks a system channel to create the channel to this file
    #[arg(
        long = "outputCreateChannelTx",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) output_create_channel_tx: String,
    /// The system channel's profile, where the new channel shall differ from it in more than its members
    /// (with -outputCreateChannelTx)
    #[arg(
        long = "channelCreateTxBaseProfile",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) channel_create_tx_base_profile: String,
    /// Write the transaction that adds the anchor peers of -asOrg to a channel that was just created to this file
    /// (deprecated: update the channel's config instead)
    #[arg(
        long = "outputAnchorPeersUpdate",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) output_anchor_peers_update: String,
    /// The organization, by name, whose anchor peers are added
    #[arg(long = "asOrg", value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) as_org: String,
    /// Print the block in this file as JSON
    #[arg(long = "inspectBlock", value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(super) inspect_block: String,
    /// Print the channel creation transaction in this file as JSON
    #[arg(
        long = "inspectChannelCreateTx",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) inspect_channel_create_tx: String,
    /// Print an organization of configtx.yaml as JSON, to be added to a channel's config
    #[arg(long = "printOrg", value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(super) print_org: String,
    /// Print the version
    #[arg(long = "version")]
    pub(super) version: bool,
    /// Print this page
    #[arg(long = "help", short = 'h', action = ArgAction::HelpLong)]
    _help: Option<bool>,
}

impl Arguments {
    /// Reads a command line, the program's name included. The error is the exit code, when everything has
    /// been said.
    pub(super) fn read(words: Vec<OsString>) -> Result<Self, ExitCode> {
        let command = Self::command();
        let words = go_flags::for_clap(words, &command).map_err(|error| {
            eprint!("{error}\n{}", go_flags::usage(&command));
            ExitCode::from(2)
        })?;
        let matches = command.try_get_matches_from(words);
        matches.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches)).map_err(|error| {
            // Help, too, comes this way. Nobody is left to tell if it cannot be printed.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        })
    }

    /// Whether something is to be made of a profile.
    pub(super) fn writes(&self) -> bool {
        let outputs = [&self.output_block, &self.output_create_channel_tx, &self.output_anchor_peers_update];
        outputs.iter().any(|file| !file.is_empty())
    }
}

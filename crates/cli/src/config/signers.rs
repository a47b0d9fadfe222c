//! As whom updates are signed.

use std::path::PathBuf;

use identity::signing::SigningIdentity;

use crate::{
    failure::{Failure, because},
    sandbox::layout::{CLIENT_MSPID, Layout},
    target::{TargetArguments, signing_identity},
};

/// An identity to sign with, as `--sign-as` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignAs {
    mspid: String,
    msp_dir: PathBuf,
}

impl std::str::FromStr for SignAs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((mspid, dir)) if !mspid.is_empty() && !dir.is_empty() => {
                Ok(Self { mspid: mspid.to_owned(), msp_dir: dir.into() })
            }
            _ => Err("give MSPID=DIR, as in Org1MSP=users/Admin@org1.example.com/msp".to_owned()),
        }
    }
}

/// Reads the identities that sign: those of `--sign-as`; in a sandbox whose own identities are used, the
/// administrator of its clients, too.
pub(super) fn additional(
    sign_as: &[SignAs],
    target: &TargetArguments,
    sandbox: Option<&Layout>,
) -> Result<Vec<SigningIdentity>, Failure> {
    let mut identities = sign_as
        .iter()
        .map(|one| signing_identity(&one.msp_dir, &one.mspid))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(layout) = sandbox.filter(|_| target.msp_dir.is_none() && sign_as.is_empty()) {
        let directory = layout.client_admin_msp();
        // Sandboxes of earlier versions have none.
        if directory.exists() {
            identities.push(signing_identity(&directory, CLIENT_MSPID)?);
        }
    }
    Ok(identities)
}

/// Who signs a file, where no orderer is asked.
pub(super) fn offline(sign_as: &[SignAs], target: &TargetArguments) -> Result<Vec<SigningIdentity>, Failure> {
    let mut identities = Vec::new();
    let sandbox = target.sandbox()?;
    if let Some(own) = target.administrator(sandbox.as_ref())? {
        identities.push(own);
    }
    identities.extend(additional(sign_as, target, sandbox.as_ref())?);
    match identities.is_empty() {
        true => {
            Err(because("nobody is named to sign: give --mspid ID and --msp-dir DIR, or --sign-as MSPID=DIR"))
        }
        false => Ok(identities),
    }
}

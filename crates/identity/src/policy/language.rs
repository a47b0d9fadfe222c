//! The text form of policies.

use protos::common::{ImplicitMetaPolicy, SignaturePolicyEnvelope};

/// Why a policy's text can not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LanguageError(String);

/// Reads a signature policy such as `OR('Org1MSP.member', AND('Org2MSP.peer', 'Org3MSP.admin'))`.
pub fn parse(_text: &str) -> Result<SignaturePolicyEnvelope, LanguageError> {
    unimplemented!()
}

/// Reads an implicit meta policy such as `MAJORITY Admins`.
pub fn parse_implicit_meta(_text: &str) -> Result<ImplicitMetaPolicy, LanguageError> {
    unimplemented!()
}

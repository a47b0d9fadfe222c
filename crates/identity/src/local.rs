//! An MSP that is kept in a directory: from the contents of its files to definition and signer.

use bytes::Bytes;
use protos::msp::FabricMspConfig;

use crate::signing::{SigningError, SigningIdentity};

/// A file's name (without directories) and content.
pub type NamedFile = (String, Bytes);

/// An organizational unit that `config.yaml` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationalUnit {
    /// The certificate of the CA that must have certified it, PEM; `None`: any CA of the MSP.
    pub certificate: Option<Bytes>,
    /// The unit's name as it stands in certificates.
    pub identifier: String,
}

/// The `NodeOUs` section of `config.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeOus {
    /// Whether roles are told apart by organizational unit.
    pub enable: bool,
    /// Unit of clients.
    pub client: Option<OrganizationalUnit>,
    /// Unit of peers.
    pub peer: Option<OrganizationalUnit>,
    /// Unit of administrators.
    pub admin: Option<OrganizationalUnit>,
    /// Unit of orderers.
    pub orderer: Option<OrganizationalUnit>,
}

/// `config.yaml` of an MSP directory, its certificate paths already replaced by the files' contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MspYaml {
    /// `OrganizationalUnitIdentifiers`.
    pub organizational_unit_identifiers: Vec<OrganizationalUnit>,
    /// `NodeOUs`.
    pub node_ous: Option<NodeOus>,
}

/// The contents of an MSP directory; every list in file-name order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MspFiles {
    /// `cacerts/`
    pub cacerts: Vec<NamedFile>,
    /// `intermediatecerts/`
    pub intermediatecerts: Vec<NamedFile>,
    /// `admincerts/`
    pub admincerts: Vec<NamedFile>,
    /// `crls/`
    pub crls: Vec<NamedFile>,
    /// `tlscacerts/`
    pub tlscacerts: Vec<NamedFile>,
    /// `tlsintermediatecerts/`
    pub tlsintermediatecerts: Vec<NamedFile>,
    /// `signcerts/`
    pub signcerts: Vec<NamedFile>,
    /// `keystore/`
    pub keystore: Vec<NamedFile>,
    /// `config.yaml`
    pub config_yaml: Option<MspYaml>,
}

/// What is missing or wrong in an MSP directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalMspError {
    /// The private key of the signing certificate is not there.
    #[error("KeyMaterial not found in SigningIdentityInfo")]
    NoPrivateKey,
    /// The signing certificate or key is unusable.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

impl MspFiles {
    /// The definition of the MSP for channel configs (no signing identity in it).
    pub fn fabric_config(&self, _mspid: &str) -> Result<FabricMspConfig, LocalMspError> {
        unimplemented!()
    }

    /// The identity that signs: the first certificate of `signcerts` with its key from `keystore`.
    pub fn signing_identity(&self, _mspid: &str) -> Result<SigningIdentity, LocalMspError> {
        unimplemented!()
    }
}

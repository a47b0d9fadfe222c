//! An MSP that is kept in a directory: from the contents of its files to definition and signer.

use std::sync::Arc;

use bytes::Bytes;
use protos::msp::{FabricCryptoConfig, FabricMspConfig, FabricNodeOUs, FabricOuIdentifier};

use crate::{
    certificate::{Certificate, pem_to_der},
    chain::Trust,
    signing::{SigningError, SigningIdentity},
};

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

/// The contents of an MSP directory; every list in file-name order. Files that are not PEM are skipped.
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
    /// No CA.
    #[error("could not load a valid ca certificate from directory cacerts: put the CA's PEM file there")]
    NoCaCertificate,
    /// No certificate to sign with.
    #[error(
        "could not load a valid signer certificate from directory signcerts: put the node's PEM file there"
    )]
    NoSignerCertificate,
    /// The private key of the signing certificate is not there.
    #[error(
        "KeyMaterial not found in SigningIdentityInfo: no file in keystore has the key of {subject}{hint}",
        hint = .encrypted.as_ref().map(|file| format!(
            "; {file} is encrypted: put the key there without its password, as from `openssl pkey -in {file}`"
        )).unwrap_or_default()
    )]
    NoPrivateKey {
        /// Subject of the signing certificate.
        subject: String,
        /// A file in keystore whose key cannot be read because it has a password.
        encrypted: Option<String>,
    },
    /// The signing certificate or key is unusable.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// Key files longer than this are not looked at.
const MAX_KEY_FILE_BYTES: usize = 65_536;

impl MspFiles {
    /// The definition of the MSP for channel configs (no signing identity in it).
    pub fn fabric_config(&self, mspid: &str) -> Result<FabricMspConfig, LocalMspError> {
        let root_certs = pem_contents(&self.cacerts);
        if root_certs.is_empty() {
            return Err(LocalMspError::NoCaCertificate);
        }
        let tls_root_certs = pem_contents(&self.tlscacerts);
        let tls_intermediate_certs = match tls_root_certs.as_slice() {
            [] => Vec::new(),
            _ => pem_contents(&self.tlsintermediatecerts),
        };
        let yaml = self.config_yaml.clone().unwrap_or_default();
        let units = yaml.organizational_unit_identifiers.iter().map(OrganizationalUnit::to_config);
        Ok(FabricMspConfig {
            name: mspid.to_owned(),
            root_certs,
            intermediate_certs: pem_contents(&self.intermediatecerts),
            admins: pem_contents(&self.admincerts),
            revocation_list: pem_contents(&self.crls),
            signing_identity: None,
            organizational_unit_identifiers: units.collect(),
            crypto_config: Some(FabricCryptoConfig {
                signature_hash_family: "SHA2".to_owned(),
                identity_identifier_hash_function: "SHA256".to_owned(),
            }),
            tls_root_certs,
            tls_intermediate_certs,
            fabric_node_ous: yaml.node_ous.filter(|ous| ous.enable).map(|ous| ous.to_config()),
        })
    }

    /// The identity that signs: the first certificate of `signcerts` with its key from `keystore`.
    ///
    /// Where the CAs are at hand the certificate's own signature is brought to low S, as Fabric does
    /// before it uses a certificate as creator.
    pub fn signing_identity(&self, mspid: &str) -> Result<SigningIdentity, LocalMspError> {
        let pem = pem_contents(&self.signcerts);
        let pem = pem.first().ok_or(LocalMspError::NoSignerCertificate)?;
        let certificate = Certificate::from_pem(pem).map_err(SigningError::Certificate)?;
        let subject = certificate.subject();
        let certificate_pem = self.with_low_s(certificate).to_pem();
        for (_, key) in self.keystore.iter().filter(|(_, key)| key.len() <= MAX_KEY_FILE_BYTES) {
            match SigningIdentity::from_pem(mspid, certificate_pem.as_bytes(), key) {
                Ok(identity) => return Ok(identity),
                Err(SigningError::PrivateKey | SigningError::KeyMismatch(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // PKCS#8 says it in the label, the older form in a header.
        let is_encrypted = |(_, key): &&NamedFile| key.windows(9).any(|part| part == b"ENCRYPTED");
        let encrypted = self.keystore.iter().find(is_encrypted).map(|(name, _)| name.clone());
        Err(LocalMspError::NoPrivateKey { subject, encrypted })
    }

    fn with_low_s(&self, certificate: Certificate) -> Certificate {
        let mut trust = Trust::default();
        let parse = |pem: &Bytes| Certificate::from_pem(pem).ok().map(Arc::new);
        pem_contents(&self.cacerts).iter().filter_map(parse).for_each(|ca| trust.add_root(ca));
        let intermediates = pem_contents(&self.intermediatecerts);
        intermediates.iter().filter_map(parse).for_each(|ca| trust.add_intermediate(ca));
        let certificate = Arc::new(certificate);
        let chains = trust.verify(&certificate, certificate.not_before_unix().saturating_add(1), &[]);
        let issuer = chains.ok().and_then(|chains| chains.first()?.get(1).cloned());
        issuer
            .and_then(|issuer| certificate.with_low_s(&issuer).ok())
            .unwrap_or_else(|| Certificate::clone(&certificate))
    }
}

impl OrganizationalUnit {
    fn to_config(&self) -> FabricOuIdentifier {
        FabricOuIdentifier {
            certificate: self.certificate.clone().unwrap_or_default(),
            organizational_unit_identifier: self.identifier.clone(),
        }
    }
}

impl NodeOus {
    /// Units without a name are left out.
    fn to_config(&self) -> FabricNodeOUs {
        let unit = |unit: &Option<OrganizationalUnit>| {
            unit.as_ref().filter(|unit| !unit.identifier.is_empty()).map(OrganizationalUnit::to_config)
        };
        FabricNodeOUs {
            enable: true,
            client_ou_identifier: unit(&self.client),
            peer_ou_identifier: unit(&self.peer),
            admin_ou_identifier: unit(&self.admin),
            orderer_ou_identifier: unit(&self.orderer),
        }
    }
}

/// The whole contents, comments included, of the files that hold PEM.
fn pem_contents(files: &[NamedFile]) -> Vec<Bytes> {
    files.iter().filter(|(_, content)| pem_to_der(content).is_some()).map(|(_, c)| c.clone()).collect()
}

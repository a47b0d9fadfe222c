//! Membership service providers: who is a member of which organisation, in which role.
//!
//! An [`Msp`] judges certificates as Fabric's X.509 MSP does. What it has read and worked out it
//! remembers; a config change makes new MSPs, so nothing remembered ever goes stale.

mod error;
mod identity;
mod principal;
mod revocation;
mod setup;
mod validation;
mod x509;

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use protos::{
    Message,
    msp::{FabricMspConfig, IdemixMspConfig, MspConfig, SerializedIdentity},
};

use self::x509::X509Msp;
pub use self::{error::MspError, identity::Identity};
use crate::{cache::Cache, certificate::Certificate, pem};

pub(crate) use self::error::WIRE_FORMAT;

/// Behaviour version of an MSP, chosen by the channel's capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MspVersion {
    /// No node OUs.
    V1_0,
    /// Client and peer OUs.
    V1_1,
    /// Combined and anonymity principals.
    V1_3,
    /// Admin and orderer OUs.
    V1_4_3,
}

/// An organizational unit and who certified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OuIdentifier {
    /// The unit's name.
    pub name: String,
    /// Hash over the certificates of the chain above the identity.
    pub certifiers_identifier: Bytes,
}

/// One MSP, ready to judge identities.
pub struct Msp(Provider);

enum Provider {
    X509 {
        msp: Arc<X509Msp>,
        /// Identities by their certificate as it was sent.
        identities: Cache<Bytes, Arc<Identity>>,
    },
    Idemix {
        name: String,
    },
}

const TYPE_X509: i32 = 0;
const TYPE_IDEMIX: i32 = 1;

/// How many identities an MSP remembers. They take about 4 KiB each.
const REMEMBERED_IDENTITIES: usize = 128;

/// Certificates longer than this are not remembered, so that memory stays bounded.
const REMEMBERED_CERTIFICATE_BYTES: usize = 16 * 1024;

impl fmt::Debug for Msp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Msp").field(&self.identifier()).finish()
    }
}

impl Msp {
    /// Builds an MSP from its definition, checking what Fabric checks.
    ///
    /// An Idemix MSP is taken in, so that channels that have one work for their X.509 members; its own
    /// identities are refused.
    pub fn setup(config: &MspConfig, version: MspVersion) -> Result<Msp, MspError> {
        match config.r#type {
            TYPE_X509 => {
                let definition =
                    FabricMspConfig::decode(config.config.clone()).map_err(|_| MspError::Definition)?;
                let msp = Arc::new(X509Msp::setup(&definition, version)?);
                Ok(Msp(Provider::X509 { msp, identities: Cache::new(REMEMBERED_IDENTITIES) }))
            }
            TYPE_IDEMIX if version < MspVersion::V1_1 => Err(MspError::IdemixVersion(version as i32)),
            TYPE_IDEMIX => {
                let definition =
                    IdemixMspConfig::decode(config.config.clone()).map_err(|_| MspError::Definition)?;
                Ok(Msp(Provider::Idemix { name: definition.name }))
            }
            other => Err(MspError::UnsupportedType(other)),
        }
    }

    /// The MSP id.
    pub fn identifier(&self) -> &str {
        match &self.0 {
            Provider::X509 { msp, .. } => &msp.name,
            Provider::Idemix { name } => name,
        }
    }

    /// TLS root certificates, PEM, as configured.
    pub fn tls_root_certs(&self) -> &[Bytes] {
        match &self.0 {
            Provider::X509 { msp, .. } => &msp.tls_roots,
            Provider::Idemix { .. } => &[],
        }
    }

    /// TLS intermediate certificates, PEM, as configured.
    pub fn tls_intermediate_certs(&self) -> &[Bytes] {
        match &self.0 {
            Provider::X509 { msp, .. } => &msp.tls_intermediates,
            Provider::Idemix { .. } => &[],
        }
    }

    /// Reads a marshaled `SerializedIdentity` of this MSP.
    pub fn deserialize_identity(&self, serialized: &[u8]) -> Result<Arc<Identity>, MspError> {
        let identity = SerializedIdentity::decode(serialized).map_err(|_| MspError::SerializedIdentity)?;
        if identity.mspid != self.identifier() {
            let expected = self.identifier().to_owned();
            return Err(MspError::OtherMsp { expected, received: identity.mspid });
        }
        self.read_identity(identity.id_bytes)
    }

    fn read_identity(&self, id_bytes: Bytes) -> Result<Arc<Identity>, MspError> {
        let (msp, identities) = match &self.0 {
            Provider::X509 { msp, identities } => (msp, identities),
            Provider::Idemix { name } => return Err(MspError::Idemix(name.clone())),
        };
        if let Some(known) = identities.get(&id_bytes) {
            return Ok(known);
        }
        let identity = Arc::new(Identity::new(msp, msp.read_identity(&id_bytes)?));
        if id_bytes.len() <= REMEMBERED_CERTIFICATE_BYTES {
            // A copy, because the bytes may be a piece of a much larger message.
            identities.insert(Bytes::copy_from_slice(&id_bytes), identity.clone());
        }
        Ok(identity)
    }

    /// Whether the identity has the form of this MSP's kind: one PEM block labelled `CERTIFICATE` (or
    /// not at all), nothing behind it, the certificate's own signature in its one DER form.
    pub fn is_well_formed(&self, identity: &SerializedIdentity) -> Result<(), MspError> {
        if let Provider::Idemix { name } = &self.0 {
            return Err(MspError::Idemix(name.clone()));
        }
        let block = pem::decode(&identity.id_bytes).ok_or(MspError::EmptyPem)?;
        let (text, msp) =
            (|| String::from_utf8_lossy(&identity.id_bytes).into_owned(), || identity.mspid.clone());
        if !block.rest.is_empty() {
            return Err(MspError::TrailingBytes { identity: text(), msp: msp() });
        }
        if !matches!(block.label.as_str(), "CERTIFICATE" | "") {
            return Err(MspError::PemType(block.label));
        }
        let certificate = Certificate::from_der(&block.der).map_err(MspError::PemCertificate)?;
        if certificate.is_ecdsa_signed() && !certificate.has_canonical_signature()? {
            return Err(MspError::NonCanonicalSignature { identity: text(), msp: msp() });
        }
        Ok(())
    }
}

/// The MSPs of a channel.
#[derive(Debug, Default)]
pub struct MspManager {
    msps: BTreeMap<String, Arc<Msp>>,
}

impl MspManager {
    /// A manager of these MSPs; of two with one id the later one counts.
    pub fn new(msps: Vec<Arc<Msp>>) -> Self {
        Self { msps: msps.into_iter().map(|msp| (msp.identifier().to_owned(), msp)).collect() }
    }

    /// The MSP with this id.
    pub fn msp(&self, id: &str) -> Option<&Arc<Msp>> {
        self.msps.get(id)
    }

    /// All MSPs, ordered by id.
    pub fn msps(&self) -> impl Iterator<Item = &Arc<Msp>> {
        self.msps.values()
    }

    /// Reads a marshaled `SerializedIdentity` with the MSP that it names.
    pub fn deserialize_identity(&self, serialized: &[u8]) -> Result<Arc<Identity>, MspError> {
        let identity = SerializedIdentity::decode(serialized).map_err(|_| MspError::SerializedIdentity)?;
        match self.msps.get(&identity.mspid) {
            Some(msp) => msp.read_identity(identity.id_bytes),
            None => Err(MspError::UnknownMsp(identity.mspid)),
        }
    }

    /// Whether the form of this identity is that of some MSP's kind.
    pub fn is_well_formed(&self, identity: &SerializedIdentity) -> Result<(), MspError> {
        if self.msps.values().any(|msp| msp.is_well_formed(identity).is_ok()) {
            return Ok(());
        }
        Err(MspError::NotRecognized)
    }
}

/// When a serialized identity's certificate expires, Unix time; `None` when it can not be read.
///
/// Only the certificate is looked at, whatever MSP it claims (Fabric: `common/crypto/expiration.go`).
pub fn expires_at_unix(serialized_identity: &[u8]) -> Option<i64> {
    let identity = SerializedIdentity::decode(serialized_identity).ok()?;
    Certificate::from_pem(&identity.id_bytes).ok().map(|certificate| certificate.not_after_unix())
}

/// Who a serialized identity says it is, for logs: whether or not its MSP would agree. The form is Fabric's
/// (`LogMessageForSerializedIdentity` in `protoutil/signeddata.go`).
pub fn described(serialized_identity: &[u8]) -> String {
    let Ok(identity) = SerializedIdentity::decode(serialized_identity) else {
        return format!("Could not unmarshal serialized identity: {WIRE_FORMAT}");
    };
    let Some(der) = crate::certificate::pem_to_der(&identity.id_bytes) else {
        return format!("serialized-identity={}", hex::encode(serialized_identity));
    };
    match Certificate::from_der(&der) {
        Ok(certificate) => format!(
            "(mspid={} subject={} issuer={} serialnumber={})",
            identity.mspid,
            certificate.subject(),
            certificate.issuer(),
            certificate.serial_number()
        ),
        Err(error) => format!("Could not parse certificate: {error}"),
    }
}

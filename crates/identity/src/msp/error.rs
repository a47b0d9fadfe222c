//! What can be wrong with MSPs and identities.

use crate::{
    certificate::CertificateError, chain::ChainError, ecdsa::SignatureFormError, public_key::SignatureError,
};

/// What is wrong with an MSP's definition, an identity, a principal or a signature. Texts are Fabric's
/// (`msp/mspimpl.go`, `msp/mspimplsetup.go`, `msp/mspimplvalidate.go`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MspError {
    /// An error with what was being done.
    #[error("{context}: {source}")]
    During {
        /// What was being done.
        context: String,
        /// What went wrong.
        source: Box<MspError>,
    },

    /// Creator bytes that are no `SerializedIdentity`.
    #[error("could not deserialize a SerializedIdentity: {WIRE_FORMAT}")]
    SerializedIdentity,
    /// No MSP of that name.
    #[error("MSP {0} is not defined on channel")]
    UnknownMsp(String),
    /// The identity names another MSP.
    #[error("expected MSP ID {expected}, received {received}")]
    OtherMsp {
        /// This MSP.
        expected: String,
        /// The MSP that is named.
        received: String,
    },
    /// The identity is not PEM.
    #[error("could not decode the PEM structure")]
    NotPem,
    /// The identity's certificate does not parse.
    #[error("parseCertificate failed: {0}")]
    Certificate(CertificateError),
    /// The key is neither ECDSA nor RSA.
    #[error(
        "Failed importing key with opts [&{{true}}]: Certificate's public key type not recognized. Supported keys: [ECDSA, RSA]"
    )]
    UnsupportedKey,
    /// Idemix identities are zero-knowledge proofs, which this ordering node does not verify.
    #[error("MSP {0} is an Idemix MSP: its identities can not be verified here, use X.509 identities")]
    Idemix(String),

    /// A certificate of the definition is not PEM.
    #[error("getCertFromPem error: could not decode pem bytes [{0}]")]
    ConfigNotPem(String),
    /// A certificate of the definition does not parse.
    #[error("getCertFromPem error: failed to parse x509 cert: {0}")]
    ConfigCertificate(CertificateError),
    /// The definition is no message of its kind.
    #[error("failed unmarshalling fabric msp config: {WIRE_FORMAT}")]
    Definition,
    /// An MSP of a kind that is not known.
    #[error("Setup error: unsupported msp type {0}")]
    UnsupportedType(i32),
    /// Idemix before v1.1.
    #[error("Invalid *IdemixNewOpts. Version not recognized [{0}]")]
    IdemixVersion(i32),
    /// No root.
    #[error("expected at least one CA certificate")]
    NoRoot,
    /// A CA that is none.
    #[error("CA Certificate did not have the CA attribute, (SN: {0})")]
    NotCa(String),
    /// Validation of a CA that is none.
    #[error("Only CA identities can be validated")]
    OnlyCas,
    /// A CA without subject key identifier.
    #[error("subjectKeyIdentifier not found in certificate")]
    NoSubjectKeyIdentifier,
    /// No administrators and no way to tell them.
    #[error("administrators must be declared when no admin ou classification is set")]
    NoAdmins,
    /// A listed administrator has no fitting organizational unit.
    #[error("admin {index} is invalid [{client},{admin}]")]
    AdminWithoutOu {
        /// Position in the list.
        index: usize,
        /// Why it is no client.
        client: Box<MspError>,
        /// Why it is no administrator.
        admin: Box<MspError>,
    },
    /// Node OUs without one that this version demands.
    #[error("Failed setting up NodeOUs. {0} must be different from nil.")]
    NodeOuMissing(&'static str),
    /// A certifier whose certificate is unreadable.
    #[error("Failed getting certificate for [{certificate}]: [{source}]")]
    CertifierUnreadable {
        /// The bytes, decimal.
        certificate: String,
        /// What is wrong with them.
        source: Box<MspError>,
    },
    /// A certifier whose signature can not be brought to its one form.
    #[error("sanitizeCert failed {0}")]
    CertifierNotSanitized(Box<MspError>),
    /// A certifier that is none of the MSP's CAs.
    #[error("Failed adding OU. Certificate [{0}] not in root or intermediate certs.")]
    CertifierUnknown(String),
    /// A certifier without a chain.
    #[error("Failed computing validation chain for [{subject}]. [{source}]")]
    CertifierChain {
        /// The certifier.
        subject: String,
        /// What is wrong.
        source: Box<MspError>,
    },
    /// A hash function that is not known.
    #[error("hash function not recognized [{0}]")]
    HashFunction(String),
    /// A hash family that is not known.
    #[error("hash family not recognized [{0}]")]
    HashFamily(String),
    /// A revocation list that does not parse.
    #[error("could not parse RevocationList: {0}")]
    RevocationList(String),
    /// The definition has a signing identity without its key.
    #[error("KeyMaterial not found in SigningIdentityInfo")]
    NoKeyMaterial,
    /// The definition has a signing identity with an unusable key.
    #[error("getIdentityFromBytes error: Failed to import EC private key: {0}")]
    KeyMaterial(crate::signing::SigningError),

    /// No chain leads to a root.
    #[error("the supplied identity is not valid: {0}")]
    Chain(#[from] ChainError),
    /// Several chains lead to roots, so that it is unclear who answers for the identity.
    #[error("this MSP only supports a single validation chain, got {0}")]
    SeveralChains(usize),
    /// An identity that is its own root.
    #[error("expected a chain of length at least 2, got {0}")]
    ShortChain(usize),
    /// A root or inner CA whose signature can not be checked against a parent.
    #[error(
        "failed to traverse certificate verification chain for leaf or intermediate certificate, with subject {0}"
    )]
    NoParent(String),
    /// A certificate's signature that can not be brought to its one form.
    #[error(transparent)]
    SignatureForm(#[from] SignatureFormError),
    /// The issuer has issued other CAs of this MSP, so it may not issue identities.
    #[error("invalid validation chain. Parent certificate should be a leaf of the certification tree [{0}]")]
    InnerIssuer(String),
    /// A CA certificate in the place of an identity.
    #[error(
        "An X509 certificate with Basic Constraint: Certificate Authority equals true cannot be used as an identity"
    )]
    CaAsIdentity,
    /// Revoked by its issuer.
    #[error("The certificate has been revoked")]
    Revoked,
    /// A revocation list that does not say whose it is.
    #[error("authorityKeyIdentifier not found in certificate")]
    RevocationListWithoutIssuer,

    /// The MSP demands a unit, the identity has none.
    #[error("the identity certificate does not contain an Organizational Unit (OU)")]
    NoOu,
    /// None of the identity's units is one that the MSP demands.
    #[error("none of the identity's organizational units {units} are in MSP {msp}")]
    OuNotListed {
        /// The identity's units.
        units: String,
        /// The MSP.
        msp: String,
    },
    /// The unit was certified by another CA than the one that is named for it.
    #[error("certifiersIdentifier does not match: {units}, MSP: [{msp}]")]
    OuCertifier {
        /// The identity's units.
        units: String,
        /// The MSP.
        msp: String,
    },
    /// No unit tells the role.
    #[error("the identity does not have an OU that resolves to {roles}. OUs: {units}, MSP: [{msp}]")]
    OuWithoutRole {
        /// The roles that the version knows.
        roles: &'static str,
        /// The identity's units.
        units: String,
        /// The MSP.
        msp: String,
    },
    /// Several units tell different roles.
    #[error("the identity must {roles} to be valid, not a combination of them. OUs: {units}, MSP: [{msp}]")]
    OuSeveralRoles {
        /// The roles that the version knows.
        roles: &'static str,
        /// The identity's units.
        units: String,
        /// The MSP.
        msp: String,
    },
    /// Roles can not be told without node OUs.
    #[error("NodeOUs not activated. Cannot tell apart identities.")]
    NodeOusOff,
    /// No unit is configured for the role.
    #[error("cannot test for classification, node ou for type [{role}], not defined, msp: [{msp}]")]
    RoleOuUndefined {
        /// The role.
        role: &'static str,
        /// The MSP.
        msp: String,
    },
    /// The identity lacks the role's unit.
    #[error("The identity does not contain OU [{role}], MSP: [{msp}]")]
    RoleOuMissing {
        /// The role.
        role: &'static str,
        /// The MSP.
        msp: String,
    },

    /// A principal that is no message of its kind.
    #[error("could not unmarshal {0} from principal: {WIRE_FORMAT}")]
    PrincipalFormat(&'static str),
    /// A kind of principal that is not known to this version.
    #[error("invalid principal type {0}")]
    PrincipalType(i32),
    /// A role that is not known to this version.
    #[error("invalid MSP role type {0}")]
    RoleType(i32),
    /// A combination of nothing.
    #[error("No principals in CombinedPrincipal")]
    NoPrincipals,
    /// A principal of another MSP.
    #[error("the identity is a member of a different MSP (expected {expected}, got {actual})")]
    MemberOfOther {
        /// The principal's MSP.
        expected: String,
        /// The identity's MSP.
        actual: String,
    },
    /// Not among the listed administrators.
    #[error("This identity is not an admin")]
    NotAdmin,
    /// Another identity or unit than the principal's.
    #[error("The identities do not match")]
    NoMatch,
    /// X.509 identities are never anonymous.
    #[error("Principal is anonymous, but X.509 MSP does not support anonymous identities")]
    Anonymous,
    /// A kind of anonymity that is not known.
    #[error("Unknown principal anonymity type: {0}")]
    AnonymityType(i32),

    /// The signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),

    /// Nothing decodes to a PEM block.
    #[error("PEM decoding resulted in an empty block")]
    EmptyPem,
    /// Bytes follow the PEM block.
    #[error("identity {identity} for MSP {msp} has trailing bytes")]
    TrailingBytes {
        /// The identity as text.
        identity: String,
        /// Its MSP.
        msp: String,
    },
    /// A PEM block of another kind.
    #[error("pem type is {0}, should be 'CERTIFICATE' or missing")]
    PemType(String),
    /// The certificate in the PEM block does not parse.
    #[error(transparent)]
    PemCertificate(CertificateError),
    /// The certificate's own signature is not in its one DER form.
    #[error("identity {identity} for MSP {msp} has a non canonical signature")]
    NonCanonicalSignature {
        /// The identity as text.
        identity: String,
        /// Its MSP.
        msp: String,
    },
    /// No kind of MSP knows this form of identity.
    #[error("no MSP provider recognizes the identity")]
    NotRecognized,
}

/// What Go's protobuf library says of bytes that are no message.
pub(crate) const WIRE_FORMAT: &str = "proto: cannot parse invalid wire-format data";

/// Says what was being done when an error came up.
pub(super) trait During<T> {
    fn during(self, context: impl Into<String>) -> Result<T, MspError>;
}

impl<T> During<T> for Result<T, MspError> {
    fn during(self, context: impl Into<String>) -> Result<T, MspError> {
        self.map_err(|source| MspError::During { context: context.into(), source: Box::new(source) })
    }
}

/// Bytes as Go prints them with `%v`.
pub(super) fn decimal_bytes(bytes: &[u8]) -> String {
    format!("[{}]", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" "))
}

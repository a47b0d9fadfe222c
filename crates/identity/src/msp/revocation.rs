//! Certificate revocation lists.

use x509_parser::{
    extensions::ParsedExtension, prelude::FromDer, revocation_list::CertificateRevocationList,
};

use super::error::MspError;
use crate::{
    asn1,
    certificate::{Certificate, SignatureAlgorithm},
    ecdsa::Signature,
    pem,
};

/// A revocation list of some CA.
#[derive(Debug, Clone)]
pub(super) struct RevocationList {
    /// `None`: the list does not say whose it is.
    issuer_key_identifier: Option<Vec<u8>>,
    /// Serial numbers without leading zeros.
    revoked: Vec<Vec<u8>>,
    signed_part: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

impl RevocationList {
    /// Reads PEM (`X509 CRL`) or DER.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, MspError> {
        let unreadable = |reason: &str| MspError::RevocationList(reason.to_owned());
        let block = Some(bytes)
            .filter(|b| b.starts_with(b"-----BEGIN X509 CRL"))
            .and_then(pem::decode)
            .filter(|block| block.label == "X509 CRL");
        let der = block.as_ref().map_or(bytes, |block| &block.der);
        let (whole, rest) =
            asn1::expect(asn1::SEQUENCE, der).map_err(|e| MspError::RevocationList(e.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable("x509: trailing data after CRL"));
        }
        let (signed_part, _) = asn1::expect(asn1::SEQUENCE, whole.content)
            .map_err(|e| MspError::RevocationList(e.to_string()))?;
        let (_, list) =
            CertificateRevocationList::from_der(der).map_err(|_| unreadable("x509: malformed crl"))?;
        let algorithm = SignatureAlgorithm::from_identifier(&list.signature_algorithm);
        let mut signature = list.signature_value.data.to_vec();
        if algorithm.is_ecdsa() {
            signature = Signature::parse(&signature)?.to_der();
        }
        let issuer_key_identifier = list.extensions().iter().find_map(|e| match e.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                Some(id.key_identifier.as_ref().map(|id| id.0.to_vec()).unwrap_or_default())
            }
            _ => None,
        });
        Ok(Self {
            issuer_key_identifier,
            revoked: list
                .iter_revoked_certificates()
                .map(|r| asn1::strip_zeros(r.raw_serial()).to_vec())
                .collect(),
            signed_part: signed_part.raw.to_vec(),
            algorithm,
            signature,
        })
    }

    /// Whether this list, made by `issuer`, names the certificate. The time of revocation is ignored,
    /// and so is a list that the issuer did not sign.
    pub(super) fn revokes(&self, certificate: &Certificate, issuer: &Certificate) -> Result<bool, MspError> {
        let list_issuer = self.issuer_key_identifier.as_ref().ok_or_else(|| MspError::During {
            context: "could not obtain Authority Key Identifier for crl".to_owned(),
            source: Box::new(MspError::RevocationListWithoutIssuer),
        })?;
        Ok(issuer.subject_key_identifier() == Some(list_issuer)
            && self.revoked.iter().any(|serial| serial == certificate.serial())
            && self.algorithm.verify(issuer.public_key(), &self.signed_part, &self.signature).is_ok())
    }
}

//! The extensions that chain validation looks at, read as Go's `crypto/x509` reads them.

use std::collections::HashSet;

use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};

use super::CertificateError;

/// What a certificate's extensions say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extensions {
    pub(crate) basic_constraints: Option<BasicConstraints>,
    /// Bits as in RFC 5280, the first bit lowest; zero: not restricted.
    key_usage: u16,
    pub(crate) extended_key_usage: Option<ExtendedKeyUsages>,
    pub(crate) subject_key_identifier: Option<Vec<u8>>,
    pub(crate) authority_key_identifier: Vec<u8>,
    /// `None`: the extension is absent.
    pub(crate) alternative_names: Option<Vec<AlternativeName>>,
    pub(crate) name_constraints: Option<NameConstraints>,
    /// Whether a critical extension is there that nobody here understands.
    pub(crate) unhandled_critical: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) max_path_length: Option<u32>,
}

/// What the certificate may be used for; other purposes than these are never asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExtendedKeyUsages {
    pub(crate) any: bool,
    pub(crate) server_auth: bool,
    pub(crate) client_auth: bool,
}

/// A subject alternative name of a kind that name constraints can restrict; also such a restriction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AlternativeName {
    Dns(String),
    Email(String),
    Uri(String),
    /// An address; in a constraint the address followed by the mask.
    Ip(Vec<u8>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct NameConstraints {
    pub(crate) permitted: Vec<AlternativeName>,
    pub(crate) excluded: Vec<AlternativeName>,
}

const KEY_CERT_SIGN: u16 = 1 << 5;

impl Extensions {
    pub(crate) fn new(extensions: &[X509Extension<'_>]) -> Result<Self, CertificateError> {
        let mut known = Self::default();
        let mut seen = HashSet::new();
        for extension in extensions {
            if !seen.insert(&extension.oid) {
                return Err(CertificateError::DuplicateExtensions);
            }
            known.take(extension)?;
        }
        Ok(known)
    }

    fn take(&mut self, extension: &X509Extension<'_>) -> Result<(), CertificateError> {
        let invalid = || CertificateError::InvalidExtension(extension.oid.to_id_string());
        match extension.parsed_extension() {
            ParsedExtension::ParseError { .. } => return Err(invalid()),
            ParsedExtension::BasicConstraints(b) => {
                self.basic_constraints =
                    Some(BasicConstraints { ca: b.ca, max_path_length: b.path_len_constraint });
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = usage.flags,
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended_key_usage = Some(ExtendedKeyUsages {
                    any: usage.any,
                    server_auth: usage.server_auth,
                    client_auth: usage.client_auth,
                });
            }
            // Go refuses certificates that mark key identifiers critical.
            ParsedExtension::SubjectKeyIdentifier(_) | ParsedExtension::AuthorityKeyIdentifier(_)
                if extension.critical =>
            {
                return Err(invalid());
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_identifier = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_identifier =
                    id.key_identifier.as_ref().map(|id| id.0.to_vec()).unwrap_or_default();
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                let names: Vec<_> = names.general_names.iter().filter_map(alternative_name).collect();
                self.unhandled_critical |= extension.critical && names.is_empty();
                self.alternative_names = Some(names);
            }
            ParsedExtension::NameConstraints(constraints) => {
                let mut all_known = true;
                let mut names = |subtrees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
                    let subtrees = subtrees.iter().flatten().map(|s| alternative_name(&s.base));
                    let names: Vec<_> = subtrees.collect();
                    all_known &= names.iter().all(Option::is_some);
                    names.into_iter().flatten().collect()
                };
                self.name_constraints = Some(NameConstraints {
                    permitted: names(&constraints.permitted_subtrees),
                    excluded: names(&constraints.excluded_subtrees),
                });
                self.unhandled_critical |= extension.critical && !all_known;
            }
            ParsedExtension::CertificatePolicies(_)
            | ParsedExtension::PolicyMappings(_)
            | ParsedExtension::PolicyConstraints(_)
            | ParsedExtension::InhibitAnyPolicy(_)
            | ParsedExtension::CRLDistributionPoints(_) => {}
            _ => self.unhandled_critical |= extension.critical,
        }
        Ok(())
    }

    /// Whether the key usage, where there is one, allows signing certificates.
    pub(crate) fn may_sign_certificates(&self) -> bool {
        self.key_usage == 0 || self.key_usage & KEY_CERT_SIGN != 0
    }
}

fn alternative_name(name: &GeneralName<'_>) -> Option<AlternativeName> {
    match name {
        GeneralName::DNSName(name) => Some(AlternativeName::Dns((*name).to_owned())),
        GeneralName::RFC822Name(name) => Some(AlternativeName::Email((*name).to_owned())),
        GeneralName::URI(name) => Some(AlternativeName::Uri((*name).to_owned())),
        GeneralName::IPAddress(address) => Some(AlternativeName::Ip(address.to_vec())),
        _ => None,
    }
}

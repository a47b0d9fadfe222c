//! The DER of a certificate with one of cryptogen's profiles, field by field as Go's `x509` writes it.

use std::net::IpAddr;

use time::{OffsetDateTime, UtcOffset};

use super::Validity;
use crate::asn1::{self, element};

const BOOLEAN_TRUE: [u8; 3] = [0x01, 0x01, 0xff];
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = asn1::SEQUENCE;
/// `SEQUENCE { ecdsa-with-SHA256 }`.
const ECDSA_WITH_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
/// `SEQUENCE { id-ecPublicKey, prime256v1 }`.
const P256_KEY: &[u8] =
    b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const SERVER_AUTH: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
const CLIENT_AUTH: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02";

/// What a certificate is for.
pub(super) enum Use<'a> {
    /// A CA, identified by the SHA-256 of its key.
    Authority { key_identifier: &'a [u8] },
    /// Signing transactions, blocks, configs.
    Identity,
    /// TLS, on either side, under these names.
    Tls { names: &'a [TlsName] },
}

/// A name that a TLS certificate is valid for.
pub(super) enum TlsName {
    Dns(String),
    Address(IpAddr),
}

/// The part of a certificate that is signed.
pub(super) struct SignedPart<'a> {
    pub(super) serial: [u8; 16],
    pub(super) issuer: &'a [u8],
    pub(super) issuer_key_identifier: Option<&'a [u8]>,
    pub(super) validity: Validity,
    pub(super) subject: &'a [u8],
    /// An uncompressed point of P-256.
    pub(super) public_key: &'a [u8],
    pub(super) purpose: Use<'a>,
}

impl SignedPart<'_> {
    /// Its DER; `None` when the validity is not within the years 0 to 9999.
    pub(super) fn to_der(&self) -> Option<Vec<u8>> {
        const VERSION_3: [u8; 5] = [0xa0, 3, 0x02, 1, 2];
        let mut content = VERSION_3.to_vec();
        asn1::write_unsigned(&self.serial, &mut content);
        content.extend_from_slice(ECDSA_WITH_SHA256);
        content.extend_from_slice(self.issuer);
        let validity = [time(self.validity.not_before_unix)?, time(self.validity.not_after_unix)?].concat();
        asn1::write(SEQUENCE, &validity, &mut content);
        content.extend_from_slice(self.subject);
        let key = [P256_KEY, &bit_string(0, self.public_key)].concat();
        asn1::write(SEQUENCE, &key, &mut content);
        asn1::write(0xa3, &element(SEQUENCE, &self.extensions()), &mut content);
        Some(element(SEQUENCE, &content))
    }

    fn extensions(&self) -> Vec<u8> {
        // Bits of KeyUsage: digitalSignature 0x80, keyEncipherment 0x20, keyCertSign 0x04, cRLSign 0x02.
        let (key_usage, extended, is_ca) = match self.purpose {
            Use::Authority { .. } => (bit_string(1, &[0xa6]), [CLIENT_AUTH, SERVER_AUTH].concat(), true),
            Use::Identity => (bit_string(7, &[0x80]), Vec::new(), false),
            Use::Tls { .. } => (bit_string(5, &[0xa0]), [SERVER_AUTH, CLIENT_AUTH].concat(), false),
        };
        let mut out = extension(15, true, &key_usage);
        if !extended.is_empty() {
            out.extend(extension(37, false, &element(SEQUENCE, &extended)));
        }
        let constraints = element(SEQUENCE, if is_ca { &BOOLEAN_TRUE } else { &[] });
        out.extend(extension(19, true, &constraints));
        if let Use::Authority { key_identifier } = self.purpose {
            out.extend(extension(14, false, &element(OCTET_STRING, key_identifier)));
        }
        if let Some(identifier) = self.issuer_key_identifier {
            out.extend(extension(35, false, &element(SEQUENCE, &element(0x80, identifier))));
        }
        if let Use::Tls { names: names @ [_, ..] } = self.purpose {
            let names: Vec<u8> = names.iter().flat_map(TlsName::to_der).collect();
            out.extend(extension(17, false, &element(SEQUENCE, &names)));
        }
        out
    }
}

impl TlsName {
    /// An IP address, or else a DNS name; `None` when it has characters that certificates cannot hold.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.parse::<IpAddr>() {
            Ok(address) => Some(Self::Address(address.to_canonical())),
            Err(_) => text.is_ascii().then(|| Self::Dns(text.to_owned())),
        }
    }

    fn to_der(&self) -> Vec<u8> {
        match self {
            Self::Dns(name) => element(0x82, name.as_bytes()),
            Self::Address(IpAddr::V4(address)) => element(0x87, &address.octets()),
            Self::Address(IpAddr::V6(address)) => element(0x87, &address.octets()),
        }
    }
}

/// The signed part with its signature (DER).
pub(super) fn certificate(signed_part: &[u8], signature: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[signed_part, ECDSA_WITH_SHA256, &bit_string(0, signature)].concat())
}

/// The extension 2.5.29.`number`.
fn extension(number: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut content = vec![0x06, 3, 0x55, 0x1d, number];
    if critical {
        content.extend_from_slice(&BOOLEAN_TRUE);
    }
    asn1::write(OCTET_STRING, value, &mut content);
    element(SEQUENCE, &content)
}

fn bit_string(unused_bits: u8, bytes: &[u8]) -> Vec<u8> {
    element(asn1::BIT_STRING, &[&[unused_bits], bytes].concat())
}

/// UTCTime until 2049, GeneralizedTime from then on.
fn time(unix: i64) -> Option<Vec<u8>> {
    let time = OffsetDateTime::from_unix_timestamp(unix).ok()?.to_offset(UtcOffset::UTC);
    let year = u16::try_from(time.year()).ok()?;
    let (month, day) = (u8::from(time.month()), time.day());
    let rest = format!("{month:02}{day:02}{:02}{:02}{:02}Z", time.hour(), time.minute(), time.second());
    Some(match year {
        1950..2050 => element(0x17, format!("{:02}{rest}", year % 100).as_bytes()),
        _ => element(0x18, format!("{year:04}{rest}").as_bytes()),
    })
}

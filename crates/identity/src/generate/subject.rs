//! The names of generated certificates, in the order and with the string types of cryptogen.

use crate::asn1;

/// Where a CA and those it certifies say that they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectAttributes {
    /// C.
    pub country: String,
    /// ST.
    pub province: String,
    /// L.
    pub locality: String,
    /// OU; a role's OU comes in addition.
    pub organizational_unit: Option<String>,
    /// STREET.
    pub street_address: Option<String>,
    /// POSTALCODE.
    pub postal_code: Option<String>,
}

impl Default for SubjectAttributes {
    /// Cryptogen's: San Francisco, California, US.
    fn default() -> Self {
        Self {
            country: "US".to_owned(),
            province: "California".to_owned(),
            locality: "San Francisco".to_owned(),
            organizational_unit: None,
            street_address: None,
            postal_code: None,
        }
    }
}

/// What a certificate is about.
pub(super) struct Subject<'a> {
    pub(super) attributes: &'a SubjectAttributes,
    pub(super) organization: Option<&'a str>,
    pub(super) role_ou: Option<&'a str>,
    pub(super) common_name: &'a str,
}

const SEQUENCE: u8 = asn1::SEQUENCE;
const SET: u8 = 0x31;
const PRINTABLE_STRING: u8 = 0x13;
const UTF8_STRING: u8 = 0x0c;

impl Subject<'_> {
    /// The DER of the name.
    pub(super) fn to_der(&self) -> Vec<u8> {
        let Self { attributes, organization, role_ou, common_name } = self;
        let street = attributes.street_address.as_deref();
        let postal_code = attributes.postal_code.as_deref();
        let units: Vec<&str> =
            attributes.organizational_unit.as_deref().into_iter().chain(*role_ou).collect();
        // The last octet of the attribute type 2.5.4.N, and its values.
        let parts: [(u8, &[&str]); 8] = [
            (6, &[attributes.country.as_str()]),
            (8, &[attributes.province.as_str()]),
            (7, &[attributes.locality.as_str()]),
            (9, street.as_slice()),
            (17, postal_code.as_slice()),
            (10, organization.as_slice()),
            (11, &units),
            (3, &[*common_name]),
        ];
        let names: Vec<u8> = parts
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .flat_map(|(attribute, values)| relative_name(attribute, values))
            .collect();
        asn1::element(SEQUENCE, &names)
    }
}

/// All values of one attribute are one relative name, as in Go; a SET has its elements in order of their DER.
fn relative_name(attribute: u8, values: &[&str]) -> Vec<u8> {
    let mut elements: Vec<Vec<u8>> = values
        .iter()
        .map(|value| {
            let mut content = vec![0x06, 3, 0x55, 0x04, attribute];
            let tag = if is_printable(value) { PRINTABLE_STRING } else { UTF8_STRING };
            asn1::write(tag, value.as_bytes(), &mut content);
            asn1::element(SEQUENCE, &content)
        })
        .collect();
    elements.sort();
    asn1::element(SET, &elements.concat())
}

/// Whether Go writes the text as a PrintableString.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte))
}

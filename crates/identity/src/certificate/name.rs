//! Distinguished names, printed as Go prints them.

use std::fmt;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A subject or issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    raw: Vec<u8>,
    attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    /// Dotted object identifier.
    oid: String,
    value: String,
    /// The value with tag and length.
    der: Vec<u8>,
}

const COMMON_NAME: &str = "2.5.4.3";
const ORGANIZATION: &str = "2.5.4.10";
const ORGANIZATIONAL_UNIT: &str = "2.5.4.11";

/// The attributes that Go knows, in the order in which it prints them, with their short names.
const PRINTED: [(&str, &str); 9] = [
    ("2.5.4.5", "SERIALNUMBER"),
    (COMMON_NAME, "CN"),
    (ORGANIZATIONAL_UNIT, "OU"),
    (ORGANIZATION, "O"),
    ("2.5.4.17", "POSTALCODE"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.6", "C"),
];

impl Name {
    pub(crate) fn new(name: &X509Name<'_>) -> Self {
        Self { raw: name.as_raw().to_vec(), attributes: name.iter_attributes().map(Attribute::new).collect() }
    }

    /// The name's DER: two names are one when this is equal.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    fn values(&self, oid: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.attributes.iter().filter(move |a| a.oid == oid).map(|a| a.value.as_str())
    }

    /// The last common name, or nothing.
    pub(crate) fn common_name(&self) -> &str {
        self.values(COMMON_NAME).next_back().unwrap_or_default()
    }

    pub(crate) fn organization(&self) -> Option<&str> {
        self.values(ORGANIZATION).next()
    }

    pub(crate) fn organizational_units(&self) -> impl Iterator<Item = &str> {
        self.values(ORGANIZATIONAL_UNIT)
    }
}

impl Attribute {
    fn new(attribute: &AttributeTypeAndValue<'_>) -> Self {
        let value = attribute.attr_value();
        let mut der = Vec::new();
        // Tags of strings are single bytes; class and constructed bit are zero.
        crate::asn1::write(value.tag().0 as u8, value.data, &mut der);
        Self {
            oid: attribute.attr_type().to_id_string(),
            value: attribute
                .as_str()
                .map_or_else(|_| String::from_utf8_lossy(value.data).into_owned(), str::to_owned),
            der,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (oid, short) in PRINTED {
            // Of common names and serial numbers Go keeps the last one, and none that is empty.
            let values: Vec<&str> = match short {
                "CN" | "SERIALNUMBER" => {
                    self.values(oid).next_back().into_iter().filter(|v| !v.is_empty()).collect()
                }
                _ => self.values(oid).collect(),
            };
            let values: Vec<String> = values.iter().map(|v| format!("{short}={}", escape(v))).collect();
            if !values.is_empty() {
                parts.push(values.join("+"));
            }
        }
        let unknown = self.attributes.iter().filter(|a| PRINTED.iter().all(|(oid, _)| a.oid != *oid));
        parts.extend(unknown.rev().map(|a| format!("{}=#{}", a.oid, hex::encode(&a.der))));
        f.write_str(&parts.join(","))
    }
}

/// Escapes a value as RFC 2253 wants it.
fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        let special = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            '#' => at == 0,
            ' ' => at == 0 || at == last,
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

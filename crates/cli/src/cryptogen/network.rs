//! What a `crypto-config.yaml` asks for, with all templates filled in.

use identity::generate::SubjectAttributes;
use orderer::settings::yaml::{self, Node, YamlError};

use super::{
    reader::{ReadError, Remarks, Section},
    template::{Field, TemplateError, render},
};

const ORG_KEYS: &[&str] = &["Name", "Domain", "EnableNodeOUs", "CA", "Template", "Specs", "Users"];
const SPEC_KEYS: &[&str] = &[
    "Hostname",
    "CommonName",
    "Country",
    "Province",
    "Locality",
    "OrganizationalUnit",
    "StreetAddress",
    "PostalCode",
    "SANS",
];
const TEMPLATE_KEYS: &[&str] = &["Count", "Start", "Hostname", "SANS"];

/// More nodes or users than anybody has in one organisation; a slip of the keyboard would run for hours.
const COUNT_LIMIT: i64 = 10_000;

/// Why a configuration cannot be used. Texts begin as Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("Error reading config: Error Unmarshalling YAML: {0}")]
    Yaml(#[from] YamlError),
    #[error("Error reading config: Error Unmarshalling YAML: {0}")]
    Value(#[from] ReadError),
    #[error("Error processing {kind} configuration: {key}: {template:?}: {source}", kind = .kind.word())]
    Template { kind: Kind, key: String, template: String, source: TemplateError },
    #[error("Error processing {kind} configuration: line {line}: {key}: {reason}", kind = .kind.word())]
    Name { kind: Kind, line: usize, key: String, reason: String },
}

/// What an organisation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Peer,
    Orderer,
}

/// An organisation to be made.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) kind: Kind,
    pub(super) domain: String,
    pub(super) node_ous: bool,
    /// Common name of the CA; that of the TLS CA has `tls` before it.
    pub(super) ca_name: String,
    pub(super) ca_attributes: SubjectAttributes,
    pub(super) nodes: Vec<NodeSpec>,
    /// Number of users besides the administrator.
    pub(super) users: i64,
}

/// A peer or orderer to be made.
#[derive(Debug)]
pub(super) struct NodeSpec {
    pub(super) common_name: String,
    /// Names that its TLS certificate is valid for.
    pub(super) hosts: Vec<String>,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Orderer => "orderer",
        }
    }
}

/// The organisations of a configuration, those with peers first, and what should be said about it.
pub(super) fn parse(text: &str) -> Result<(Vec<Organization>, Remarks), ConfigError> {
    let tree = yaml::parse(text)?;
    let mut remarks = Remarks::new();
    let top = Section::read(Some(&tree), "", &["OrdererOrgs", "PeerOrgs"], &mut remarks)?;
    let mut organizations: Vec<Organization> = Vec::new();
    for (key, kind) in [("PeerOrgs", Kind::Peer), ("OrdererOrgs", Kind::Orderer)] {
        for (path, node) in top.list(key)? {
            let organization = Reader { kind, remarks: &mut remarks }.organization(node, &path)?;
            if organizations.iter().any(|other| other.kind == kind && other.domain == organization.domain) {
                let reason = format!("there is another organisation with the Domain {}", organization.domain);
                return Err(ConfigError::Name { kind, line: node.line, key: path, reason });
            }
            organizations.push(organization);
        }
    }
    Ok((organizations, remarks))
}

struct Reader<'a> {
    kind: Kind,
    remarks: &'a mut Remarks,
}

/// A host as it is written, before its templates are filled in.
struct Host {
    line: usize,
    path: String,
    hostname: String,
    common_name: String,
    sans: Vec<String>,
}

impl Reader<'_> {
    fn organization(&mut self, node: &Node, path: &str) -> Result<Organization, ConfigError> {
        let section = Section::read(Some(node), path, ORG_KEYS, self.remarks)?;
        section.text("Name")?;
        let domain = section.text("Domain")?;
        self.check_name(&domain, section.line(), section.path("Domain"))?;

        let mut hosts = Vec::new();
        for (path, node) in section.list("Specs")? {
            let spec = Section::read(Some(node), &path, SPEC_KEYS, self.remarks)?;
            hosts.push(host(&spec, path)?);
        }
        hosts.extend(self.templated(&section, &domain)?);
        let nodes = hosts.into_iter().map(|host| self.node(host, &domain)).collect::<Result<_, _>>()?;

        let path = section.path("CA");
        let ca = Section::read(section.get("CA"), &path, SPEC_KEYS, self.remarks)?;
        let mut ca_host = host(&ca, path)?;
        if ca_host.hostname.is_empty() {
            ca_host.hostname = "ca".to_owned();
        }
        let ca_attributes = attributes(&ca)?;
        let ca_name = self.node(ca_host, &domain)?.common_name;

        let users = Section::read(section.get("Users"), &section.path("Users"), &["Count"], self.remarks)?;
        Ok(Organization {
            kind: self.kind,
            node_ous: section.truth("EnableNodeOUs")?,
            ca_name,
            ca_attributes,
            nodes,
            users: self.count(&users, "Count")?,
            domain,
        })
    }

    /// The hosts that `Template` makes.
    fn templated(&mut self, section: &Section<'_>, domain: &str) -> Result<Vec<Host>, ConfigError> {
        let path = section.path("Template");
        let template = Section::read(section.get("Template"), &path, TEMPLATE_KEYS, self.remarks)?;
        let (count, start) = (self.count(&template, "Count")?, template.integer("Start")?);
        let (hostname, sans) = (template.text("Hostname")?, template.texts("SANS")?);
        let hostname = if hostname.is_empty() { "{{.Prefix}}{{.Index}}" } else { &hostname };
        (0..count)
            .map(|index| {
                let fields = [
                    ("Prefix", Field::Text(self.kind.word())),
                    ("Index", Field::Number(index.saturating_add(start))),
                    ("Domain", Field::Text(domain)),
                ];
                Ok(Host {
                    line: template.line(),
                    hostname: self.fill_in(hostname, &fields, template.path("Hostname"))?,
                    common_name: String::new(),
                    sans: sans.clone(),
                    path: path.clone(),
                })
            })
            .collect()
    }

    fn node(&self, host: Host, domain: &str) -> Result<NodeSpec, ConfigError> {
        let Host { line, path, hostname, common_name, sans } = host;
        let template = if common_name.is_empty() { "{{.Hostname}}.{{.Domain}}" } else { &common_name };
        let fields = |common_name| {
            [
                ("Hostname", Field::Text(&hostname)),
                ("Domain", Field::Text(domain)),
                ("CommonName", Field::Text(common_name)),
            ]
        };
        let common_name = self.fill_in(template, &fields(""), format!("{path}.CommonName"))?;
        self.check_name(&common_name, line, format!("{path}.CommonName"))?;
        let mut hosts = vec![common_name.clone(), hostname.clone()];
        for san in sans {
            hosts.push(self.fill_in(&san, &fields(&common_name), format!("{path}.SANS"))?);
        }
        if let Some(host) = hosts.iter().find(|host| !host.is_ascii()) {
            let reason = format!(
                "{host:?} cannot stand in a certificate; give a DNS name in ASCII (xn--...) or an IP address"
            );
            return Err(ConfigError::Name { kind: self.kind, line, key: path, reason });
        }
        Ok(NodeSpec { common_name, hosts })
    }

    fn fill_in(
        &self,
        template: &str,
        fields: &[(&str, Field<'_>)],
        key: String,
    ) -> Result<String, ConfigError> {
        render(template, fields).map_err(|source| ConfigError::Template {
            kind: self.kind,
            key,
            template: template.to_owned(),
            source,
        })
    }

    fn count(&self, section: &Section<'_>, key: &str) -> Result<i64, ConfigError> {
        let count = section.integer(key)?;
        if count > COUNT_LIMIT {
            let reason = format!("{count} is more than {COUNT_LIMIT}");
            let (line, key) = (section.get(key).map_or(1, |node| node.line), section.path(key));
            return Err(ConfigError::Name { kind: self.kind, line, key, reason });
        }
        Ok(count)
    }

    /// Domains and common names become the names of directories.
    fn check_name(&self, name: &str, line: usize, key: String) -> Result<(), ConfigError> {
        let reason = match name {
            "" => "it is missing; the directories have this name".to_owned(),
            "." | ".." => format!("{name:?} is no name for a directory"),
            _ if name.contains(['/', '\0']) => format!("{name:?} is no name for a directory"),
            _ => return Ok(()),
        };
        Err(ConfigError::Name { kind: self.kind, line, key, reason })
    }
}

fn host(spec: &Section<'_>, path: String) -> Result<Host, ConfigError> {
    Ok(Host {
        line: spec.line(),
        hostname: spec.text("Hostname")?,
        common_name: spec.text("CommonName")?,
        sans: spec.texts("SANS")?,
        path,
    })
}

fn attributes(ca: &Section<'_>) -> Result<SubjectAttributes, ConfigError> {
    let given = |key: &str| ca.text(key).map(|text| Some(text).filter(|text| !text.is_empty()));
    let default = SubjectAttributes::default();
    Ok(SubjectAttributes {
        country: given("Country")?.unwrap_or(default.country),
        province: given("Province")?.unwrap_or(default.province),
        locality: given("Locality")?.unwrap_or(default.locality),
        organizational_unit: given("OrganizationalUnit")?,
        street_address: given("StreetAddress")?,
        postal_code: given("PostalCode")?,
    })
}

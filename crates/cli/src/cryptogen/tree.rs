//! The directories of an organisation: made whole, or completed with what is new.

use std::time::{SystemTime, UNIX_EPOCH};

use super::network::{Kind, NodeSpec, Organization};
use crate::material::{AdminCertificate, Authority, FileError, Folder, Issuers, Member, Role, Staged};

/// Why an organisation cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path} is there already, and a new CA would void the certificates in it; `extend` adds what is missing to it, or remove it to start anew", path = .0.display())]
    Occupied(std::path::PathBuf),
    #[error("{path} has no certificate of Admin@{domain}; without NodeOUs new nodes must list it", path = path.display())]
    NoAdmin { path: std::path::PathBuf, domain: String },
}

impl Organization {
    /// Refuses if `generate` would overwrite what is there.
    pub(super) fn refuse_occupied(&self, root: &Folder) -> Result<(), TreeError> {
        let place = root.path().join(self.parent()).join(&self.domain);
        if place.exists() { Err(TreeError::Occupied(place)) } else { Ok(()) }
    }

    /// Makes the organisation's directory, whole or not at all.
    pub(super) fn generate(&self, root: &Folder) -> Result<(), TreeError> {
        let staged = Staged::begin(&root.folder(self.parent())?, &self.domain)?;
        let folder = staged.folder();
        let now_unix = now_unix();
        let authority = |directory: &str, name: &str| {
            Authority::ensure(&folder.folder(directory)?, name, &self.domain, &self.ca_attributes, now_unix)
        };
        let ca = authority("ca", &self.ca_name)?;
        let tls_ca = authority("tlsca", &self.tls_ca_name())?;
        let issuers = Issuers { ca: &ca, tls_ca: &tls_ca, node_ous: self.node_ous };

        let users = folder.folder("users")?;
        let admin = self.enrol_admin(&users, &issuers)?;
        issuers.describe(&folder.folder("msp")?, &admin)?;
        self.add_nodes(folder, &issuers, &admin)?;
        self.add_users(&users, &issuers)?;
        Ok(staged.finish()?)
    }

    /// Adds the nodes and users that are new; makes the organisation if it is not there.
    pub(super) fn extend(&self, root: &Folder) -> Result<(), TreeError> {
        let parent = root.folder(self.parent())?;
        if !parent.path().join(&self.domain).exists() {
            return self.generate(root);
        }
        let folder = parent.folder(&self.domain)?;
        let now_unix = now_unix();
        let authority = |directory: &str, name: &str| {
            Authority::open(&folder.folder(directory)?, name, &self.ca_attributes, now_unix)
        };
        let ca = authority("ca", &self.ca_name)?;
        let tls_ca = authority("tlsca", &self.tls_ca_name())?;
        let issuers = Issuers { ca: &ca, tls_ca: &tls_ca, node_ous: self.node_ous };
        let users = folder.folder("users")?;
        let admin = self.admin(&users)?;
        self.add_nodes(&folder, &issuers, &admin)?;
        self.add_users(&users, &issuers)
    }

    fn parent(&self) -> &'static str {
        match self.kind {
            Kind::Peer => "peerOrganizations",
            Kind::Orderer => "ordererOrganizations",
        }
    }

    fn tls_ca_name(&self) -> String {
        format!("tls{}", self.ca_name)
    }

    fn admin_name(&self) -> String {
        format!("Admin@{}", self.domain)
    }

    fn enrol_admin(&self, users: &Folder, issuers: &Issuers<'_>) -> Result<AdminCertificate, TreeError> {
        let name = self.admin_name();
        // Without NodeOUs no certificate tells a role.
        let member = Member { name: &name, role: Role::Admin, hosts: &[] };
        Ok(issuers.enrol(&users.folder(&name)?, &member, None)?.identity)
    }

    /// The certificate of the administrator who is there. It is needed only where it is to be listed.
    fn admin(&self, users: &Folder) -> Result<AdminCertificate, TreeError> {
        let name = self.admin_name();
        let folder = users.path().join(&name).join("msp").join("signcerts");
        match std::fs::read_to_string(folder.join(format!("{name}-cert.pem"))) {
            Ok(certificate) => Ok(AdminCertificate { name, certificate }),
            Err(_) if self.node_ous || self.nodes.is_empty() => {
                Ok(AdminCertificate { name, certificate: String::new() })
            }
            Err(_) => Err(TreeError::NoAdmin { path: folder, domain: self.domain.clone() }),
        }
    }

    fn add_nodes(
        &self,
        folder: &Folder,
        issuers: &Issuers<'_>,
        admin: &AdminCertificate,
    ) -> Result<(), TreeError> {
        let (directory, role) = match self.kind {
            Kind::Peer => ("peers", Role::Peer),
            Kind::Orderer => ("orderers", Role::Orderer),
        };
        let nodes = folder.folder(directory)?;
        for NodeSpec { common_name, hosts } in &self.nodes {
            let member = Member { name: common_name, role, hosts };
            add(&nodes, &member, issuers, Some(admin))?;
            if !self.node_ous {
                issuers.list_admin(&nodes.folder(common_name)?.folder("msp")?, admin)?;
            }
        }
        Ok(())
    }

    /// Orderer organisations have no users besides the administrator.
    fn add_users(&self, users: &Folder, issuers: &Issuers<'_>) -> Result<(), TreeError> {
        let count = if self.kind == Kind::Peer { self.users } else { 0 };
        for number in 1..=count {
            let name = format!("User{number}@{}", self.domain);
            add(users, &Member { name: &name, role: Role::Client, hosts: &[] }, issuers, None)?;
        }
        Ok(())
    }
}

/// Makes the member's directory, unless it is there: whole, or not at all.
fn add(
    parent: &Folder,
    member: &Member<'_>,
    issuers: &Issuers<'_>,
    admin: Option<&AdminCertificate>,
) -> Result<(), TreeError> {
    if parent.path().join(member.name).exists() {
        return Ok(());
    }
    let staged = Staged::begin(parent, member.name)?;
    issuers.enrol(staged.folder(), member, admin)?;
    Ok(staged.finish()?)
}

fn now_unix() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

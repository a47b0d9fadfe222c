//! MSP directories: of an organisation, and of each of its members with what it needs for TLS.

use super::{
    Authority, FileError, Folder,
    authority::{KEY, certificate_file},
};

/// Who certifies an organisation's members, and how their roles are told.
pub(crate) struct Issuers<'a> {
    pub(crate) ca: &'a Authority,
    pub(crate) tls_ca: &'a Authority,
    /// Roles stand in certificates (NodeOUs); otherwise administrators are listed in `admincerts`.
    pub(crate) node_ous: bool,
}

/// What a member is to its organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Peer,
    Admin,
    Orderer,
}

/// Somebody who gets certificates.
pub(crate) struct Member<'a> {
    /// The common name.
    pub(crate) name: &'a str,
    pub(crate) role: Role,
    /// The hosts that the TLS certificate is valid for.
    pub(crate) hosts: &'a [String],
}

/// An administrator's certificate, which `admincerts` lists.
pub(crate) struct AdminCertificate {
    pub(crate) name: String,
    /// PEM.
    pub(crate) certificate: String,
}

impl Role {
    /// The organizational unit that tells it.
    fn unit(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Admin => "admin",
            Self::Orderer => "orderer",
        }
    }

    /// How the files for TLS are called.
    fn tls_name(self) -> &'static str {
        match self {
            Self::Client | Self::Admin => "client",
            Self::Peer | Self::Orderer => "server",
        }
    }
}

impl Issuers<'_> {
    /// Puts the organisation's own MSP directory into `msp`; `admin` is needed without NodeOUs.
    pub(crate) fn describe(&self, msp: &Folder, admin: &AdminCertificate) -> Result<(), FileError> {
        self.write_roots(msp)?;
        self.list_admin(msp, admin)
    }

    /// Puts `msp` and `tls` of a member into `folder`, keeping the keys that are there. Without NodeOUs `admin`
    /// may act for the member; if there is none, the member itself.
    pub(crate) fn enrol(
        &self,
        folder: &Folder,
        member: &Member<'_>,
        admin: Option<&AdminCertificate>,
    ) -> Result<Enrolled, FileError> {
        let Self { ca, tls_ca, node_ous } = self;
        let msp = folder.folder("msp")?;
        msp.folder("keystore")?;
        msp.folder("signcerts")?;
        msp.folder("cacerts")?;
        let unit = node_ous.then(|| member.role.unit());
        let issuer = format!("cacerts/{}", ca.certificate_file());
        let certificate = msp.ensure_key_pair(
            &format!("signcerts/{}", certificate_file(member.name)),
            &format!("keystore/{KEY}"),
            (&issuer, ca.certificate()),
            || ca.ca.issue_identity(member.name, unit, ca.validity),
        )?;
        self.write_roots(&msp)?;
        let own = AdminCertificate { name: member.name.to_owned(), certificate };
        self.list_admin(&msp, admin.unwrap_or(&own))?;

        let name = member.role.tls_name();
        folder.folder("tls")?.ensure_key_pair(
            &format!("{name}.crt"),
            &format!("{name}.key"),
            ("ca.crt", tls_ca.certificate()),
            || tls_ca.ca.issue_tls(member.name, member.hosts, tls_ca.validity),
        )?;
        Ok(Enrolled { identity: own })
    }

    /// Lists the administrator in an MSP directory, in the place of those who are; nothing with NodeOUs.
    pub(crate) fn list_admin(&self, msp: &Folder, admin: &AdminCertificate) -> Result<(), FileError> {
        let folder = msp.folder("admincerts")?;
        let name = certificate_file(&admin.name);
        if self.node_ous || folder.path().join(&name).exists() {
            return Ok(());
        }
        for other in folder.file_names()? {
            folder.remove(&other)?;
        }
        folder.write(&name, admin.certificate.as_bytes())
    }

    fn write_roots(&self, msp: &Folder) -> Result<(), FileError> {
        let Self { ca, tls_ca, node_ous } = self;
        msp.folder("cacerts")?.write(&ca.certificate_file(), ca.certificate().as_bytes())?;
        msp.folder("tlscacerts")?.write(&tls_ca.certificate_file(), tls_ca.certificate().as_bytes())?;
        if *node_ous {
            msp.write("config.yaml", node_ous_yaml(&ca.certificate_file()).as_bytes())?;
        }
        Ok(())
    }
}

/// What a member has got.
pub(crate) struct Enrolled {
    /// The certificate of its identity.
    pub(crate) identity: AdminCertificate,
}

/// `config.yaml` of an MSP directory: the organizational unit of a certificate tells its role.
fn node_ous_yaml(ca_file: &str) -> String {
    let units = [Role::Client, Role::Peer, Role::Admin, Role::Orderer].map(|role| {
        let unit = role.unit();
        let key: String = unit[..1].to_uppercase() + &unit[1..];
        format!("  {key}OUIdentifier:\n    Certificate: cacerts/{ca_file}\n    OrganizationalUnitIdentifier: {unit}\n")
    });
    format!("NodeOUs:\n  Enable: true\n{}", units.concat())
}

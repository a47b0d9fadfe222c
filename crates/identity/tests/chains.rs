//! Chains of certificates beyond what the vectors have: renewed and cross-signed CAs, usages,
//! constraints, forged revocation lists.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use identity::{
    certificate::Certificate,
    chain::{ChainError, ExtendedKeyUsage, Trust},
    msp::{Msp, MspError, MspVersion},
};
use protos::{
    Message,
    msp::{FabricMspConfig, MspConfig, SerializedIdentity},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, RevokedCertParams,
    SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

const START: i64 = 1_700_000_000;
const YEAR: Duration = Duration::days(365);

fn start() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(START).unwrap()
}

/// Parameters of a certificate that is valid for a year from the start.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = start();
    params.not_after = start() + YEAR;
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

struct Ca {
    params: CertificateParams,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Ca {
    fn root(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { params, key, certificate }
    }

    /// Another certificate for the same name and key.
    fn renewed(&self, params: CertificateParams) -> Self {
        let key = KeyPair::from_pem(&self.key.serialize_pem()).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { params, key, certificate }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> rcgen::Certificate {
        params.signed_by(key, &self.issuer()).unwrap()
    }

    fn leaf(&self, params: &CertificateParams) -> rcgen::Certificate {
        self.sign(params, &KeyPair::generate().unwrap())
    }

    fn pem(&self) -> Bytes {
        self.certificate.pem().into()
    }
}

fn parsed(certificate: &rcgen::Certificate) -> Arc<Certificate> {
    Arc::new(Certificate::from_der(certificate.der()).unwrap())
}

fn definition(roots: &[&Ca]) -> FabricMspConfig {
    let root = &roots[0];
    let admin = root.leaf(&params("an admin")).pem();
    FabricMspConfig {
        name: "Org".to_owned(),
        root_certs: roots.iter().map(|ca| ca.pem()).collect(),
        admins: vec![admin.into()],
        ..Default::default()
    }
}

fn set_up(definition: &FabricMspConfig) -> Result<Msp, MspError> {
    let config = MspConfig { r#type: 0, config: definition.encode_to_vec().into() };
    Msp::setup(&config, MspVersion::V1_4_3)
}

/// What the MSP says of a certificate: reading, then validation.
fn judge(msp: &Msp, certificate: &rcgen::Certificate) -> Result<(), MspError> {
    let serialized = SerializedIdentity { mspid: "Org".to_owned(), id_bytes: certificate.pem().into() };
    msp.deserialize_identity(&serialized.encode_to_vec())?.validate()
}

#[test]
fn extended_key_usages_must_allow_servers_through_the_whole_chain() {
    let root = Ca::root(ca_params("root"));
    let msp = set_up(&definition(&[&root])).unwrap();
    for (usages, accepted) in [
        (vec![], true),
        (vec![ExtendedKeyUsagePurpose::ServerAuth], true),
        (vec![ExtendedKeyUsagePurpose::Any], true),
        (vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth], true),
        (vec![ExtendedKeyUsagePurpose::ClientAuth], false),
        (vec![ExtendedKeyUsagePurpose::CodeSigning], false),
    ] {
        let mut params = params("leaf");
        params.extended_key_usages = usages.clone();
        let verdict = judge(&msp, &root.leaf(&params));
        let expected = if accepted { Ok(()) } else { Err(MspError::Chain(ChainError::IncompatibleUsage)) };
        assert_eq!(verdict, expected, "{usages:?}");
    }
    let mut clients_only = ca_params("clients only");
    clients_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let clients_only = Ca::root(clients_only);
    let leaf = parsed(&clients_only.leaf(&params("leaf")));
    let mut trust = Trust::default();
    trust.add_root(parsed(&clients_only.certificate));
    let at = START + 1;
    assert!(trust.verify(&leaf, at, &[ExtendedKeyUsage::ClientAuth]).is_ok());
    assert_eq!(trust.verify(&leaf, at, &[]), Err(ChainError::IncompatibleUsage));
}

#[test]
fn two_chains_to_the_roots_are_one_too_many() {
    let root = Ca::root(ca_params("root"));
    let mut longer = ca_params("root");
    longer.not_after = start() + YEAR * 2;
    let renewed = root.renewed(longer);
    let leaf = root.leaf(&params("leaf"));
    let alone = set_up(&definition(&[&root])).unwrap();
    assert_eq!(judge(&alone, &leaf), Ok(()));
    // The listed administrator already has two chains.
    assert_eq!(set_up(&definition(&[&root, &renewed])).err(), Some(MspError::SeveralChains(2)));
}

#[test]
fn a_ca_renewed_after_the_leaf_breaks_the_leaf() {
    let root = Ca::root(ca_params("root"));
    let leaf = root.leaf(&params("leaf"));
    let mut later = ca_params("root");
    later.not_before = start() + Duration::days(1);
    let renewed = root.renewed(later);
    let mut new_admin = params("admin");
    new_admin.not_before = start() + Duration::days(2);
    let mut definition = definition(&[&renewed]);
    definition.admins = vec![renewed.leaf(&new_admin).pem().into()];
    let msp = set_up(&definition).unwrap();
    assert!(
        matches!(
            judge(&msp, &leaf),
            Err(MspError::Chain(ChainError::OutsideValidity { relation: "before", .. }))
        ),
        "{:?}",
        judge(&msp, &leaf)
    );
}

#[test]
fn cross_signed_cas_without_a_root_lead_nowhere_and_do_end() {
    let (a, b) = (Ca::root(ca_params("a")), Ca::root(ca_params("b")));
    let mut trust = Trust::default();
    for (issuer, subject) in [(&a, &b), (&b, &a)] {
        trust.add_intermediate(parsed(&issuer.sign(&subject.params, &subject.key)));
    }
    let leaf = parsed(&a.leaf(&params("leaf")));
    let error = trust.verify(&leaf, START + 1, &[]).unwrap_err();
    assert!(matches!(error, ChainError::UnknownAuthority(_)), "{error}");

    trust.add_root(parsed(&b.certificate));
    let chains = trust.verify(&leaf, START + 1, &[]).unwrap();
    let subjects: Vec<Vec<String>> =
        chains.iter().map(|chain| chain.iter().map(|c| c.subject()).collect()).collect();
    assert_eq!(subjects, [["CN=leaf", "CN=a", "CN=b"]]);
}

#[test]
fn a_thicket_of_cas_with_one_name_does_not_hold_us_up() {
    let mut trust = Trust::default();
    for _ in 0..101 {
        trust.add_root(parsed(&Ca::root(ca_params("one name")).certificate));
    }
    let stranger = Ca::root(ca_params("one name"));
    let leaf = parsed(&stranger.leaf(&params("leaf")));
    assert_eq!(trust.verify(&leaf, START + 1, &[]), Err(ChainError::TooManySignatureChecks));
}

#[test]
fn names_that_a_ca_excludes_are_refused() {
    let mut constrained = ca_params("root");
    constrained.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![],
        excluded_subtrees: vec![GeneralSubtree::DnsName("bad.test".to_owned())],
    });
    let root = Ca::root(constrained);
    let msp = set_up(&definition(&[&root])).unwrap();
    for (name, accepted) in [("good.test", true), ("bad.test", false), ("peer.bad.test", false)] {
        let mut params = params("a leaf");
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        let verdict = judge(&msp, &root.leaf(&params));
        assert_eq!(verdict.is_ok(), accepted, "{name}: {verdict:?}");
        if let Err(error) = verdict {
            let expected = format!("DNS name {name:?} is excluded by constraint \"bad.test\"");
            assert!(error.to_string().ends_with(&expected), "{error}");
        }
    }
}

#[test]
fn only_lists_that_the_issuer_signed_revoke() {
    let root = Ca::root(ca_params("root"));
    let mut revoked = params("revoked");
    revoked.serial_number = Some(SerialNumber::from(vec![0x00, 0x8f, 0x42]));
    let (revoked, other) = (root.leaf(&revoked), root.leaf(&params("other")));
    let list = |issuer: Issuer<'_, &KeyPair>| {
        let entry = RevokedCertParams {
            serial_number: SerialNumber::from(vec![0x8f, 0x42]),
            revocation_time: start() + YEAR,
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: start(),
            next_update: start() + YEAR,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![entry],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&issuer).unwrap()
    };
    let mut definition = definition(&[&root]);
    for own in [list(root.issuer()).pem().unwrap().into_bytes(), list(root.issuer()).der().to_vec()] {
        definition.revocation_list = vec![own.into()];
        let msp = set_up(&definition).unwrap();
        assert!(judge(&msp, &revoked).unwrap_err().to_string().ends_with("has been revoked"));
        assert_eq!(judge(&msp, &other), Ok(()));
    }

    // A list that names the root as its issuer and is signed by somebody else counts for nothing.
    let mut forger = ca_params("root");
    let key_identifier = parsed(&root.certificate).subject_key_identifier().unwrap().to_vec();
    forger.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier);
    let forger = Ca::root(forger);
    definition.revocation_list = vec![list(forger.issuer()).pem().unwrap().into()];
    assert_eq!(judge(&set_up(&definition).unwrap(), &revoked), Ok(()));
}

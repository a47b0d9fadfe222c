//! What we generate is what MSPs accept, in the roles and with the validity that were asked for.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, EcPrivateKeyRfc5915Der},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::Engine;
use bytes::Bytes;
use identity::{
    certificate::{Certificate, pem_to_der},
    chain::{ChainError, ExtendedKeyUsage, Trust},
    generate::{CertificateAuthority, GenerateError, KeyPair, SubjectAttributes, Validity},
    local::{LocalMspError, MspFiles, MspYaml, NamedFile, NodeOus, OrganizationalUnit},
    msp::{Msp, MspVersion, expires_at_unix},
    signing::{SigningError, SigningIdentity},
};
use protos::{
    Message,
    common::{MspPrincipal, MspRole, msp_principal::Classification, msp_role::MspRoleType},
    msp::MspConfig,
};

const NOW: i64 = 1_800_000_000;

fn ca() -> CertificateAuthority {
    CertificateAuthority::new("ca.example.com", "example.com", NOW).unwrap()
}

fn file(name: &str, content: &str) -> Vec<NamedFile> {
    vec![(name.to_owned(), Bytes::copy_from_slice(content.as_bytes()))]
}

/// An MSP directory with node OUs pinned to its CA, and one member in it.
fn msp_files(ca: &CertificateAuthority, member: &KeyPair) -> MspFiles {
    let unit = |identifier: &str| {
        Some(OrganizationalUnit {
            certificate: Some(Bytes::copy_from_slice(ca.certificate_pem().as_bytes())),
            identifier: identifier.to_owned(),
        })
    };
    MspFiles {
        cacerts: file("ca.pem", ca.certificate_pem()),
        signcerts: file("cert.pem", &member.certificate_pem),
        keystore: file("priv_sk", &member.private_key_pem),
        config_yaml: Some(MspYaml {
            node_ous: Some(NodeOus {
                enable: true,
                client: unit("client"),
                peer: unit("peer"),
                admin: unit("admin"),
                orderer: unit("orderer"),
            }),
            ..MspYaml::default()
        }),
        ..MspFiles::default()
    }
}

fn set_up(files: &MspFiles) -> Msp {
    let config = files.fabric_config("ExampleMSP").unwrap();
    let config = MspConfig { r#type: 0, config: config.encode_to_vec().into() };
    Msp::setup(&config, MspVersion::V1_4_3).unwrap()
}

fn role(role: MspRoleType) -> MspPrincipal {
    let role = MspRole { msp_identifier: "ExampleMSP".to_owned(), role: role.into() };
    MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: role.encode_to_vec().into(),
    }
}

#[test]
fn generated_identities_have_their_role_and_no_other() {
    let ca = ca();
    let roles = [
        ("client", MspRoleType::Client),
        ("peer", MspRoleType::Peer),
        ("admin", MspRoleType::Admin),
        ("orderer", MspRoleType::Orderer),
    ];
    for (ou, own_role) in roles {
        let pair = ca.issue_identity("member", Some(ou), Validity::from_now(NOW)).unwrap();
        let files = msp_files(&ca, &pair);
        let signer = files.signing_identity("ExampleMSP").unwrap();
        let identity = set_up(&files).deserialize_identity(signer.serialized()).unwrap();
        assert_eq!(identity.validate(), Ok(()));
        assert_eq!(identity.satisfies_principal(&role(MspRoleType::Member)), Ok(()));
        for (_, other) in roles {
            let satisfied = identity.satisfies_principal(&role(other)).is_ok();
            assert_eq!(satisfied, other == own_role, "{ou} as {other:?}");
        }
        let signature = signer.sign(b"message").unwrap();
        assert_eq!(identity.verify(b"message", &signature), Ok(()));
        assert!(identity.verify(b"other", &signature).is_err());
        assert_eq!(signer.certificate().organizational_units(), [ou]);
    }
    let without = ca.issue_identity("nobody", None, Validity::from_now(NOW)).unwrap();
    let files = msp_files(&ca, &without);
    let signer = files.signing_identity("ExampleMSP").unwrap();
    assert!(set_up(&files).deserialize_identity(signer.serialized()).unwrap().validate().is_err());
}

#[test]
fn generated_certificates_have_the_profile_of_cryptogen() {
    let ca = ca();
    let root = Certificate::from_pem(ca.certificate_pem().as_bytes()).unwrap();
    assert!(root.is_ca());
    assert_eq!(root.subject(), "CN=ca.example.com,O=example.com,L=San Francisco,ST=California,C=US");
    assert_eq!(root.subject_key_identifier().map(<[u8]>::len), Some(32));
    let pair = ca.issue_identity("node", Some("orderer"), Validity::from_now(NOW)).unwrap();
    let leaf = Certificate::from_pem(pair.certificate_pem.as_bytes()).unwrap();
    assert_eq!(leaf.subject(), "CN=node,OU=orderer,L=San Francisco,ST=California,C=US");
    assert_eq!(leaf.issuer(), root.subject());
    assert_eq!(leaf.check_signature_from(&root), Ok(()));
    assert!(!leaf.is_ca() && leaf.subject_key_identifier().is_none());
    // On the minute, five minutes back.
    assert_eq!(leaf.not_before_unix(), NOW - 300);
    assert_eq!(leaf.not_after_unix(), leaf.not_before_unix() + 3650 * 86_400);
    let again = ca.issue_identity("node", Some("orderer"), Validity::from_now(NOW)).unwrap();
    assert_ne!(
        leaf.serial_number(),
        Certificate::from_pem(again.certificate_pem.as_bytes()).unwrap().serial_number()
    );
}

#[test]
fn attributes_of_a_ca_are_those_of_its_members() {
    let attributes = SubjectAttributes {
        country: "DE".to_owned(),
        province: "Bayern".to_owned(),
        locality: "München".to_owned(),
        organizational_unit: Some("Fabric Unit".to_owned()),
        street_address: Some("Marienplatz 1".to_owned()),
        postal_code: Some("80331".to_owned()),
    };
    let ca = CertificateAuthority::with_attributes("ca.org", "org", attributes.clone(), NOW).unwrap();
    let place = "POSTALCODE=80331,STREET=Marienplatz 1,L=München,ST=Bayern,C=DE";
    let root = Certificate::from_pem(ca.certificate_pem().as_bytes()).unwrap();
    assert_eq!(root.subject(), format!("CN=ca.org,OU=Fabric Unit,O=org,{place}"));

    let again = CertificateAuthority::from_pem(ca.certificate_pem(), ca.private_key_pem()).unwrap();
    for ca in [ca, again.issuing(attributes)] {
        let pair = ca.issue_identity("Admin@org", Some("admin"), Validity::from_now(NOW)).unwrap();
        let leaf = Certificate::from_pem(pair.certificate_pem.as_bytes()).unwrap();
        // One relative name with two units, sorted by their DER: the shorter one first.
        assert_eq!(leaf.subject(), format!("CN=Admin@org,OU=admin+OU=Fabric Unit,{place}"));
        assert_eq!(leaf.check_signature_from(&root), Ok(()));
    }
}

#[test]
fn tls_certificates_serve_both_sides_until_they_expire() {
    let ca = ca();
    let sans = ["localhost", "127.0.0.1", "::1"];
    let pair = ca.issue_tls("node", &sans, Validity::from_now(NOW)).unwrap();
    let leaf = Arc::new(Certificate::from_pem(pair.certificate_pem.as_bytes()).unwrap());
    let mut trust = Trust::default();
    trust.add_root(Arc::new(Certificate::from_pem(ca.certificate_pem().as_bytes()).unwrap()));
    for usage in [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth, ExtendedKeyUsage::Any] {
        assert_eq!(trust.verify(&leaf, NOW, &[usage]).unwrap()[0].len(), 2);
    }
    for (at, relation) in [(leaf.not_after_unix() + 1, "after"), (leaf.not_before_unix() - 1, "before")] {
        match trust.verify(&leaf, at, &[]) {
            Err(ChainError::OutsideValidity { relation: found, .. }) => assert_eq!(found, relation),
            other => panic!("{other:?}"),
        }
    }
    let stranger = CertificateAuthority::new("ca.example.com", "example.com", NOW).unwrap();
    let mut trust = Trust::default();
    trust.add_root(Arc::new(Certificate::from_pem(stranger.certificate_pem().as_bytes()).unwrap()));
    assert!(matches!(trust.verify(&leaf, NOW, &[]), Err(ChainError::UnknownAuthority(_))));
    assert!(ca.issue_tls("node", &["not a näme"], Validity::from_now(NOW)).is_err());
}

#[test]
fn an_authority_goes_on_from_its_files() {
    let ca = ca();
    let again = CertificateAuthority::from_pem(ca.certificate_pem(), ca.private_key_pem()).unwrap();
    let expired = Validity { not_before_unix: NOW, not_after_unix: NOW + 10 };
    let pair = again.issue_identity("short", Some("client"), expired).unwrap();
    let files = msp_files(&ca, &pair);
    let signer = files.signing_identity("ExampleMSP").unwrap();
    assert_eq!(expires_at_unix(signer.serialized()), Some(NOW + 10));
    let identity = set_up(&files).deserialize_identity(signer.serialized()).unwrap();
    assert_eq!(identity.validate(), Ok(()), "expiry is none of the MSP's business");

    let other = CertificateAuthority::new("other", "other", NOW).unwrap();
    let mismatch = CertificateAuthority::from_pem(ca.certificate_pem(), other.private_key_pem()).err();
    assert!(matches!(mismatch, Some(GenerateError::CaKeyMismatch(_))), "{mismatch:?}");
    let no_ca = CertificateAuthority::from_pem(&pair.certificate_pem, &pair.private_key_pem).err();
    assert!(matches!(no_ca, Some(GenerateError::NotCa(_))), "{no_ca:?}");
    let no_key = CertificateAuthority::from_pem(ca.certificate_pem(), "nothing").err();
    assert_eq!(no_key, Some(GenerateError::CaKey));
}

#[test]
fn a_directory_without_the_right_key_says_whose_key_is_missing() {
    let ca = ca();
    let pair = ca.issue_identity("node", Some("orderer"), Validity::from_now(NOW)).unwrap();
    let other = ca.issue_identity("other", Some("orderer"), Validity::from_now(NOW)).unwrap();
    let mut files = msp_files(&ca, &pair);
    files.keystore.insert(0, ("a_note".to_owned(), Bytes::from_static(b"not a key")));
    files.keystore.insert(0, ("0_other_sk".to_owned(), other.private_key_pem.clone().into()));
    assert!(files.signing_identity("ExampleMSP").is_ok(), "the right key is found among others");

    files.keystore.pop();
    let error = files.signing_identity("ExampleMSP").err().unwrap();
    assert!(matches!(error, LocalMspError::NoPrivateKey { .. }), "{error}");
    assert!(error.to_string().contains("CN=node"), "{error}");
    files.signcerts.clear();
    assert_eq!(files.signing_identity("ExampleMSP").err(), Some(LocalMspError::NoSignerCertificate));
    files.cacerts.clear();
    assert_eq!(files.fabric_config("ExampleMSP").err(), Some(LocalMspError::NoCaCertificate));

    let mismatch = SigningIdentity::from_pem(
        "ExampleMSP",
        pair.certificate_pem.as_bytes(),
        other.private_key_pem.as_bytes(),
    );
    assert!(matches!(mismatch.err(), Some(SigningError::KeyMismatch(_))));
}

#[test]
fn keys_on_larger_curves_sign_the_same_digests() {
    let ca = ca();
    let ca_key = rcgen::KeyPair::from_pem(ca.private_key_pem()).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(ca.certificate_pem(), ca_key).unwrap();
    let algorithms =
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ECDSA_P521_SHA512];
    for algorithm in algorithms {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, "client");
        params.not_before = time::OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        let certificate_pem = params.signed_by(&key, &issuer).unwrap().pem();
        let pair = KeyPair { certificate_pem, private_key_pem: key.serialize_pem() };
        let files = msp_files(&ca, &pair);
        let signer = files.signing_identity("ExampleMSP").unwrap();
        let identity = set_up(&files).deserialize_identity(signer.serialized()).unwrap();
        assert_eq!(identity.validate(), Ok(()));
        for _ in 0..20 {
            // Often enough that a signature comes out with a high S and is turned.
            let signature = signer.sign(b"message").unwrap();
            assert_eq!(identity.verify(b"message", &signature), Ok(()), "{algorithm:?}");
        }
    }
}

#[test]
fn keys_in_sec1_form_are_read() {
    let ca = ca();
    let pair = ca.issue_identity("node", Some("orderer"), Validity::from_now(NOW)).unwrap();
    let pkcs8 = pem_to_der(pair.private_key_pem.as_bytes()).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).unwrap();
    let sec1: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
    let sec1 = base64::prelude::BASE64_STANDARD.encode(sec1.as_ref());
    let sec1 = format!("-----BEGIN EC PRIVATE KEY-----\n{sec1}\n-----END EC PRIVATE KEY-----\n");
    let certificate = pair.certificate_pem.as_bytes();
    let signer = SigningIdentity::from_pem("ExampleMSP", certificate, sec1.as_bytes()).unwrap();
    let identity = set_up(&msp_files(&ca, &pair)).deserialize_identity(signer.serialized()).unwrap();
    assert_eq!(identity.verify(b"message", &signer.sign(b"message").unwrap()), Ok(()));
}

#[test]
fn an_msp_of_the_sha3_family_verifies_sha3_digests_alone() {
    let ca = ca();
    let pair = ca.issue_identity("node", Some("orderer"), Validity::from_now(NOW)).unwrap();
    let files = msp_files(&ca, &pair);
    let mut config = files.fabric_config("ExampleMSP").unwrap();
    config.crypto_config.as_mut().unwrap().signature_hash_family = "SHA3".to_owned();
    let config = MspConfig { r#type: 0, config: config.encode_to_vec().into() };
    let msp = Msp::setup(&config, MspVersion::V1_4_3).unwrap();
    let signer = files.signing_identity("ExampleMSP").unwrap();
    let identity = msp.deserialize_identity(signer.serialized()).unwrap();
    assert!(identity.verify(b"message", &signer.sign(b"message").unwrap()).is_err());

    let pkcs8 = pem_to_der(pair.private_key_pem.as_bytes()).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).unwrap();
    let digest = digest::digest(&digest::SHA3_256, b"message");
    let digest = digest::Digest::import_less_safe(digest.as_ref(), &digest::SHA256).unwrap();
    // About half of the signatures have a high S and do not count.
    let verified = (0..64).any(|_| {
        let signature = key.sign_digest(&digest).unwrap();
        identity.verify(b"message", signature.as_ref()).is_ok()
    });
    assert!(verified);
}

#[test]
fn signature_headers_never_repeat_their_nonce() {
    let ca = ca();
    let pair = ca.issue_identity("node", Some("orderer"), Validity::from_now(NOW)).unwrap();
    let signer = msp_files(&ca, &pair).signing_identity("ExampleMSP").unwrap();
    let (one, two) = (signer.signature_header(), signer.signature_header());
    assert_eq!(one.creator, *signer.serialized());
    assert_eq!((one.nonce.len(), two.nonce.len()), (24, 24));
    assert_ne!(one.nonce, two.nonce);
}

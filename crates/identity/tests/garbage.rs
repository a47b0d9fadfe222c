//! Whatever bytes come in, the answer is a verdict and never a panic.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use identity::{
    certificate::Certificate,
    generate::{CertificateAuthority, KeyPair, Validity},
    msp::{Msp, MspManager, MspVersion, expires_at_unix},
    policy::{CachedPolicy, Policy, SignaturePolicy, SignedData, language},
    signing::SigningIdentity,
};
use proptest::prelude::*;
use protos::{
    Message,
    common::{MspPrincipal, SignaturePolicyEnvelope},
    msp::{FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, MspConfig, SerializedIdentity},
};

const NOW: i64 = 1_800_000_000;

struct Material {
    ca: CertificateAuthority,
    member: KeyPair,
}

static MATERIAL: LazyLock<Material> = LazyLock::new(|| {
    let ca = CertificateAuthority::new("ca", "example.com", NOW).unwrap();
    let member = ca.issue_identity("member", Some("client"), Validity::from_now(NOW)).unwrap();
    Material { ca, member }
});

fn definition() -> FabricMspConfig {
    let ca = Bytes::copy_from_slice(MATERIAL.ca.certificate_pem().as_bytes());
    FabricMspConfig {
        name: "Org".to_owned(),
        root_certs: vec![ca.clone()],
        fabric_node_ous: Some(FabricNodeOUs {
            enable: true,
            client_ou_identifier: Some(FabricOuIdentifier {
                certificate: ca,
                organizational_unit_identifier: "client".to_owned(),
            }),
            admin_ou_identifier: Some(FabricOuIdentifier {
                organizational_unit_identifier: "admin".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn msp(definition: &FabricMspConfig) -> Result<Msp, identity::msp::MspError> {
    let config = MspConfig { r#type: 0, config: definition.encode_to_vec().into() };
    Msp::setup(&config, MspVersion::V1_4_3)
}

fn signer() -> SigningIdentity {
    let KeyPair { certificate_pem, private_key_pem } = &MATERIAL.member;
    SigningIdentity::from_pem("Org", certificate_pem.as_bytes(), private_key_pem.as_bytes()).unwrap()
}

/// Bytes with a few of them replaced, cut out or repeated.
fn mutated(original: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = original.len();
    let edit = (0..length, any::<u8>(), 0..3u8);
    prop::collection::vec(edit, 1..4).prop_map(move |edits| {
        let mut bytes = original.clone();
        for (at, byte, kind) in edits {
            let at = at.min(bytes.len().saturating_sub(1));
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    })
}

fn member_der() -> Vec<u8> {
    Certificate::from_pem(MATERIAL.member.certificate_pem.as_bytes()).unwrap().der().to_vec()
}

fn ca_der() -> Vec<u8> {
    Certificate::from_pem(MATERIAL.ca.certificate_pem().as_bytes()).unwrap().der().to_vec()
}

fn to_pem(der: &[u8]) -> Bytes {
    use base64::{Engine, prelude::BASE64_STANDARD};
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(der))
        .into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn identities_of_mutated_certificates_are_judged(der in mutated(member_der())) {
        let msp = msp(&definition()).unwrap();
        let serialized = SerializedIdentity { mspid: "Org".to_owned(), id_bytes: to_pem(&der) };
        let _ = expires_at_unix(&serialized.encode_to_vec());
        let _ = msp.is_well_formed(&serialized);
        if let Ok(identity) = msp.deserialize_identity(&serialized.encode_to_vec()) {
            let _ = identity.validate();
            // The signature of the CA covers everything but itself.
            let member = signer();
            prop_assert_eq!(
                identity.certificate().public_key_der(),
                member.certificate().public_key_der()
            );
        }
    }

    #[test]
    fn msps_of_mutated_cas_are_set_up_or_refused(der in mutated(ca_der()), crl in any::<Vec<u8>>()) {
        let mut definition = definition();
        definition.root_certs.push(to_pem(&der));
        let _ = msp(&definition);
        definition.root_certs.pop();
        definition.intermediate_certs.push(to_pem(&der));
        definition.tls_root_certs.push(to_pem(&der));
        let _ = msp(&definition);
        definition.revocation_list.push(crl.into());
        let _ = msp(&definition);
    }

    #[test]
    fn random_bytes_are_judged_everywhere(bytes in any::<Vec<u8>>()) {
        let bytes = Bytes::from(bytes);
        let _ = Certificate::from_pem(&bytes);
        let _ = Certificate::from_der(&bytes);
        let _ = expires_at_unix(&bytes);
        let config = MspConfig { r#type: 0, config: bytes.clone() };
        let _ = Msp::setup(&config, MspVersion::V1_0);
        let msp = Arc::new(msp(&definition()).unwrap());
        let member = msp.deserialize_identity(signer().serialized()).unwrap();
        prop_assert!(member.verify(b"message", &bytes).is_err());
        for kind in -1..6 {
            let principal = MspPrincipal { principal_classification: kind, principal: bytes.clone() };
            let _ = member.satisfies_principal(&principal);
        }
        let manager = Arc::new(MspManager::new(vec![msp]));
        let _ = SignaturePolicy::from_bytes(&bytes, &manager);
        let policy: SignaturePolicyEnvelope = language::parse("OR('Org.member')").unwrap();
        let policy = Arc::new(SignaturePolicy::compile(policy, &manager).unwrap());
        let cached = CachedPolicy::new(policy.clone(), manager);
        for identity in [bytes.clone(), signer().serialized().clone()] {
            let signed = SignedData { data: bytes.clone(), identity, signature: bytes.clone() };
            prop_assert!(cached.evaluate_one(&signed).is_err());
            prop_assert!(policy.evaluate(&[signed]).is_err());
        }
    }

    #[test]
    fn policy_texts_are_read_or_refused(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "OR", "AND", "OutOf", "outof", "(", ")", ",", "'A.member'", "'B.peer'", "'x'", "1", "2.5", "-",
                "+", "**", "||", "&&", "!", ">", "==", "?", ":", "in", "true", "ID", "[a]", "\\", "'", "\"", ".", "0x1f",
                "A.member", " ", "é", ";",
            ]),
            0..16,
        ),
        text in ".*",
    ) {
        let _ = language::parse(&parts.concat());
        let _ = language::parse(&text);
        let _ = language::parse_implicit_meta(&text);
    }
}

#[test]
fn deep_nesting_is_refused_and_not_survived_by_luck() {
    let text = format!("{}'A.member'{}", "OR(".repeat(100_000), ")".repeat(100_000));
    assert!(language::parse(&text).unwrap_err().to_string().contains("nested deeper"));
    let text = format!("OR({}1)", "-".repeat(100_001));
    assert!(language::parse(&text).is_err());

    // Combined principals nest without limit inside their bytes.
    let msp = msp(&definition()).unwrap();
    let member = msp.deserialize_identity(signer().serialized()).unwrap();
    let mut principal = MspPrincipal { principal_classification: 3, principal: Bytes::new() };
    for _ in 0..2_000 {
        let combined = protos::common::CombinedPrincipal { principals: vec![principal] };
        principal = MspPrincipal { principal_classification: 4, principal: combined.encode_to_vec().into() };
    }
    assert_eq!(member.satisfies_principal(&principal), Ok(()));
}

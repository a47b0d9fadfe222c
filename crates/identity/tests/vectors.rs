//! Fabric's own verdicts and texts about MSPs and policies, case by case.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use identity::{
    msp::{Msp, MspError, MspManager, MspVersion, expires_at_unix},
    policy::{CachedPolicy, Policy, PolicyManager, SignaturePolicy, SignedData, language},
    signing::SigningIdentity,
};
use protos::{
    Message,
    common::{ConfigGroup, MspPrincipal, SignaturePolicyEnvelope},
    msp::{MspConfig, SerializedIdentity},
};
use serde::{Deserialize, de::DeserializeOwned};

/// The manifest of a vector directory; `None` (with a message) when there are no vectors here.
fn manifest<T: DeserializeOwned>(path: &str) -> Option<T> {
    let root = std::env::var_os("CAUSEWAY_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let file = root.join(path);
    if !file.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", file.display());
        eprintln!("skipped: {} is missing; set CAUSEWAY_VECTORS", file.display());
        return None;
    }
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

/// Bytes that stand as base64 in the manifest.
#[derive(Debug, Clone)]
struct Base64(Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(|b| Base64(b.into())).map_err(serde::de::Error::custom)
    }
}

fn version(name: &str) -> MspVersion {
    match name {
        "v1.0" => MspVersion::V1_0,
        "v1.1" => MspVersion::V1_1,
        "v1.3" => MspVersion::V1_3,
        "v1.4.3" => MspVersion::V1_4_3,
        other => panic!("unknown MSP version {other}"),
    }
}

/// A text in the form of the vectors: long lists of decimal bytes as `[*]`.
fn normalized(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        out.push_str(&rest[..=start]);
        rest = &rest[start + 1..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ' ').unwrap_or(rest.len());
        if rest[end..].starts_with(']') && rest[..end].split(' ').count() > 16 {
            out.push('*');
            rest = &rest[end..];
        }
    }
    out + rest
}

/// Texts that hold Go's dump of a whole certificate: only what stands before it can agree.
fn up_to_dump(text: &str) -> &str {
    text.split("Certificate [").next().unwrap()
}

#[track_caller]
fn assert_error<E: std::fmt::Display>(what: &str, got: Result<(), E>, expected: &Option<String>) -> usize {
    match (got, expected) {
        (Ok(()), None) => {}
        (Ok(()), Some(expected)) => panic!("{what}: accepted, but Fabric says: {expected}"),
        (Err(got), None) => panic!("{what}: {got}, but Fabric accepts"),
        (Err(got), Some(expected)) => {
            let got = normalized(&got.to_string());
            if expected.contains("Certificate [&{") {
                assert_eq!(up_to_dump(&got), up_to_dump(expected), "{what}");
            } else {
                assert_eq!(got, normalized(expected), "{what}");
            }
        }
    }
    1
}

#[derive(Deserialize)]
struct MspVectors {
    cases: Vec<MspCase>,
    msps: Vec<MspSetup>,
    setups: Vec<MspSetup>,
}

#[derive(Deserialize)]
struct MspSetup {
    name: String,
    config: Base64,
    version: String,
    setup_error: Option<String>,
}

#[derive(Deserialize)]
struct MspCase {
    name: String,
    msp: String,
    mspid: String,
    serialized: Base64,
    deserialize_error: Option<String>,
    is_well_formed_error: Option<String>,
    validate_error: Option<String>,
    identifier_id: Option<String>,
    expires_at: Option<String>,
    #[serde(default)]
    organizational_units: Option<Vec<Unit>>,
    #[serde(default)]
    principals: BTreeMap<String, PrincipalCase>,
    #[serde(default)]
    verify: Vec<Verification>,
}

#[derive(Deserialize)]
struct Unit {
    ou: String,
    certifiers_identifier: String,
}

#[derive(Deserialize)]
struct PrincipalCase {
    principal: Base64,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Verification {
    name: String,
    message: Base64,
    signature: Base64,
    error: Option<String>,
}

fn set_up(setup: &MspSetup) -> Result<Msp, MspError> {
    let config = MspConfig::decode(setup.config.0.clone()).unwrap();
    Msp::setup(&config, version(&setup.version))
}

#[test]
fn msp_setups_agree_with_vectors() {
    let Some(vectors) = manifest::<MspVectors>("msp/msp.json") else { return };
    let mut checked = 0;
    for setup in vectors.msps.iter().chain(&vectors.setups) {
        checked += assert_error(&setup.name, set_up(setup).map(drop), &setup.setup_error);
    }
    assert!(checked >= 58, "only {checked}");
}

#[test]
fn msp_identities_agree_with_vectors() {
    let Some(vectors) = manifest::<MspVectors>("msp/msp.json") else { return };
    let msps: BTreeMap<&str, Msp> =
        vectors.msps.iter().map(|setup| (setup.name.as_str(), set_up(setup).unwrap())).collect();
    let mut checked = 0;
    for case in &vectors.cases {
        let what = format!("{}: {}", case.msp, case.name);
        let msp = &msps[case.msp.as_str()];
        let serialized = SerializedIdentity::decode(case.serialized.0.clone()).unwrap();
        assert_eq!(serialized.mspid, case.mspid);
        assert_error(
            &format!("{what}: well-formed"),
            msp.is_well_formed(&serialized),
            &case.is_well_formed_error,
        );
        let identity = msp.deserialize_identity(&case.serialized.0);
        let identity = match identity {
            Ok(identity) if case.deserialize_error.is_none() => identity,
            other => {
                checked += assert_error(&what, other.map(drop), &case.deserialize_error);
                continue;
            }
        };
        checked += assert_error(&what, identity.validate(), &case.validate_error);
        assert_eq!(Some(identity.identifier()), case.identifier_id.as_deref(), "{what}");
        let expires = expires_at_unix(&case.serialized.0).unwrap();
        assert_eq!(Some(rfc3339(expires)), case.expires_at, "{what}");
        let units: Vec<_> = identity
            .organizational_units()
            .iter()
            .map(|u| (u.name.clone(), hex::encode(&u.certifiers_identifier)))
            .collect();
        let expected: Vec<_> = case.organizational_units.iter().flatten().collect();
        let expected: Vec<_> =
            expected.iter().map(|u| (u.ou.clone(), u.certifiers_identifier.clone())).collect();
        assert_eq!(units, expected, "{what}");
        for (name, case) in &case.principals {
            let principal = MspPrincipal::decode(case.principal.0.clone()).unwrap();
            checked += assert_error(
                &format!("{what}: {name}"),
                identity.satisfies_principal(&principal),
                &case.error,
            );
        }
        for case in &case.verify {
            checked += assert_error(
                &format!("{what}: {}", case.name),
                identity.verify(&case.message.0, &case.signature.0),
                &case.error,
            );
        }
    }
    assert!(checked > 1200, "only {checked}");
}

fn rfc3339(unix: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(unix)
        .unwrap()
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap()
}

#[derive(Deserialize)]
struct LanguageVectors {
    signature_policies: Vec<SignatureText>,
    implicit_meta: Vec<ImplicitMetaText>,
}

#[derive(Deserialize)]
struct SignatureText {
    input: String,
    envelope: Option<Base64>,
    error: Option<String>,
    compile_error: Option<String>,
}

#[derive(Deserialize)]
struct ImplicitMetaText {
    input: String,
    policy: Option<Base64>,
    error: Option<String>,
}

#[test]
fn policy_texts_agree_with_vectors() {
    let Some(vectors) = manifest::<LanguageVectors>("policy/dsl.json") else { return };
    assert!(vectors.signature_policies.len() >= 76 && vectors.implicit_meta.len() >= 11);
    for case in &vectors.signature_policies {
        match (language::parse(&case.input), &case.envelope) {
            (Ok(envelope), Some(expected)) => {
                let expected = SignaturePolicyEnvelope::decode(expected.0.clone()).unwrap();
                assert_eq!(envelope, expected, "{}", case.input);
                let compiled = SignaturePolicy::compile(envelope, &Arc::default());
                assert_error(&case.input, compiled.map(drop), &case.compile_error);
            }
            // The vectors have an address where Go prints a function.
            (Err(got), None) if case.error.as_ref().unwrap().contains("[0x*]") => {
                let expected = case.error.as_ref().unwrap().split("[0x*]").next().unwrap();
                assert!(got.to_string().starts_with(expected), "{}: {got}", case.input);
            }
            (got, _) => {
                assert_error(&case.input, got.map(drop), &case.error);
            }
        }
    }
    for case in &vectors.implicit_meta {
        match (language::parse_implicit_meta(&case.input), &case.policy) {
            (Ok(policy), Some(expected)) => assert_eq!(policy.encode_to_vec(), expected.0, "{}", case.input),
            (got, _) => {
                assert_error(&case.input, got.map(drop), &case.error);
            }
        }
    }
}

#[derive(Deserialize)]
struct EvaluationVectors {
    msps: Vec<EvaluationMsp>,
    identities: Vec<EvaluationIdentity>,
    messages: Vec<Base64>,
    groups: Vec<Group>,
    cases: Vec<EvaluationCase>,
    compile_errors: Vec<PolicyError>,
    bad_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct EvaluationMsp {
    config: Base64,
    version: String,
}

#[derive(Deserialize)]
struct EvaluationIdentity {
    name: String,
    mspid: String,
    cert_pem: String,
    key_pem: String,
    serialized: Base64,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    config_group: Base64,
    error: Option<String>,
}

#[derive(Deserialize)]
struct PolicyError {
    name: String,
    policy: Base64,
    error: Option<String>,
}

#[derive(Deserialize)]
struct EvaluationCase {
    name: String,
    kind: String,
    policy: Option<Base64>,
    group: Option<usize>,
    manager_path: Option<String>,
    policy_path: Option<String>,
    policy_found: Option<bool>,
    signed: Vec<Signed>,
    accept: bool,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Signed {
    identity: usize,
    message: usize,
    signature: Base64,
}

impl EvaluationVectors {
    fn msp_manager(&self) -> Arc<MspManager> {
        let msp = |msp: &EvaluationMsp| {
            let config = MspConfig::decode(msp.config.0.clone()).unwrap();
            Arc::new(Msp::setup(&config, version(&msp.version)).unwrap())
        };
        Arc::new(MspManager::new(self.msps.iter().map(msp).collect()))
    }

    fn signed(&self, signed: &Signed) -> SignedData {
        SignedData {
            data: self.messages[signed.message].0.clone(),
            identity: self.identities[signed.identity].serialized.0.clone(),
            signature: signed.signature.0.clone(),
        }
    }
}

fn evaluation_vectors() -> Option<EvaluationVectors> {
    manifest("policy/eval.json")
}

#[test]
fn policy_evaluations_agree_with_vectors() {
    let Some(vectors) = evaluation_vectors() else { return };
    let msps = vectors.msp_manager();
    let groups: Vec<ConfigGroup> =
        vectors.groups.iter().map(|g| ConfigGroup::decode(g.config_group.0.clone()).unwrap()).collect();
    assert!(vectors.cases.len() >= 266);
    for case in &vectors.cases {
        let policy: Arc<dyn Policy> = match case.kind.as_str() {
            "signature" => {
                let bytes = &case.policy.as_ref().unwrap().0;
                Arc::new(SignaturePolicy::from_bytes(bytes, &msps).unwrap())
            }
            "policy_manager" => {
                let root = case.manager_path.as_ref().unwrap();
                let manager = PolicyManager::new(root, &groups[case.group.unwrap()], &msps).unwrap();
                let path = case.policy_path.as_ref().unwrap();
                assert_eq!(Some(manager.has_policy(path)), case.policy_found, "{}", case.name);
                assert_eq!(Some(manager.policy(path).is_some()), case.policy_found, "{}", case.name);
                manager.policy_or_reject(path)
            }
            other => panic!("unknown kind {other}"),
        };
        assert_eq!(case.accept, case.error.is_none(), "{}", case.name);
        let signed: Vec<_> = case.signed.iter().map(|s| vectors.signed(s)).collect();
        assert_error(&case.name, policy.evaluate(&signed), &case.error);

        // One signature alone must get the same verdict with and without memory, first and later.
        let cached = CachedPolicy::new(policy.clone(), msps.clone());
        for _ in 0..2 {
            for signed in &signed {
                let expected = policy.evaluate(std::slice::from_ref(signed));
                assert_eq!(cached.evaluate_one(signed), expected, "{}", case.name);
            }
        }
    }
}

#[test]
fn policies_that_do_not_compile_agree_with_vectors() {
    let Some(vectors) = evaluation_vectors() else { return };
    let msps = Arc::new(MspManager::default());
    for case in &vectors.compile_errors {
        let compiled = SignaturePolicy::from_bytes(&case.policy.0, &msps);
        assert_error(&case.name, compiled.map(drop), &case.error);
    }
    for case in &vectors.bad_groups {
        let group = ConfigGroup::decode(case.config_group.0.clone()).unwrap();
        let manager = PolicyManager::new("Channel", &group, &msps);
        assert_error(&case.name, manager.map(drop), &case.error);
    }
}

#[test]
fn signing_identities_of_vectors_sign_what_their_msp_verifies() {
    let Some(vectors) = evaluation_vectors() else { return };
    let msps = vectors.msp_manager();
    let mut verified = 0;
    for identity in &vectors.identities {
        let Ok(signer) = SigningIdentity::from_pem(
            &identity.mspid,
            identity.cert_pem.as_bytes(),
            identity.key_pem.as_bytes(),
        ) else {
            panic!("{}", identity.name)
        };
        if identity.serialized.0 != *signer.serialized() {
            // Some identities of the vectors are garbage or in another form on purpose.
            continue;
        }
        let Ok(known) = msps.deserialize_identity(signer.serialized()) else { continue };
        let signature = signer.sign(b"message").unwrap();
        assert_eq!(known.verify(b"message", &signature), Ok(()), "{}", identity.name);
        assert!(known.verify(b"massage", &signature).is_err(), "{}", identity.name);
        verified += 1;
    }
    assert!(verified >= 40, "only {verified}");
}

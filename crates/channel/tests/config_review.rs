//! What an update is told to lead to, and whom it is told to need, before it is sent.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::{
    configtx::{self, compute_update, propose_update, review_update, sign_update},
    envelope::Draft,
};
use network::{NOW_UNIX, Network, bundle, set};
use protos::{
    Message,
    common::{ConfigUpdateEnvelope, HeaderType},
    orderer::{BatchSize, BatchTimeout},
};

mod network;

#[test]
fn missing_signatures_are_told_and_the_result_is_that_of_the_orderer() {
    let network = Network::new();
    let bundle = bundle(&network.channel());
    let mut updated = bundle.config().clone();
    let root = updated.channel_group.as_mut().unwrap();
    set(root, "Orderer", "BatchTimeout", &BatchTimeout { timeout: "1s".to_owned() });
    let limits = BatchSize { max_message_count: 7, absolute_max_bytes: 100, preferred_max_bytes: 50 };
    set(root, "Orderer", "BatchSize", &limits);
    root.groups.get_mut("Application").unwrap().values.get_mut("Capabilities").unwrap().mod_policy =
        "/Channel/Admins".to_owned();
    let update = Bytes::from(compute_update("ch1", bundle.config(), &updated).unwrap().encode_to_vec());
    let (orderer_admin, user_admin) = (network.orderers.member("admin"), network.users.member("admin"));
    let signed_by = |signers: &[&identity::signing::SigningIdentity]| ConfigUpdateEnvelope {
        config_update: update.clone(),
        signatures: signers.iter().map(|signer| sign_update(&update, signer).unwrap()).collect(),
    };
    let asked = |envelope: &ConfigUpdateEnvelope| -> Vec<(String, Option<String>, bool)> {
        let review = review_update(&bundle, envelope).unwrap();
        let told = review.requirements.into_iter();
        told.map(|asked| (asked.element, asked.policy, asked.verdict.is_ok())).collect()
    };
    let expected = |orderers: bool, users: bool| {
        let of_orderers = |name: &str| {
            let policy = "/Channel/Orderer/Admins".to_owned();
            (format!("[Value]  /Channel/Orderer/{name}"), Some(policy), orderers)
        };
        let of_users = (
            "[Value]  /Channel/Application/Capabilities".to_owned(),
            Some("/Channel/Application/Admins".to_owned()),
            users,
        );
        vec![of_users, of_orderers("BatchSize"), of_orderers("BatchTimeout")]
    };
    assert_eq!(asked(&signed_by(&[])), expected(false, false));
    assert_eq!(asked(&signed_by(&[&orderer_admin])), expected(true, false));
    assert_eq!(asked(&signed_by(&[&network.users.member("client")])), expected(false, false));
    let complete = signed_by(&[&orderer_admin, &user_admin]);
    assert_eq!(asked(&complete), expected(true, true));

    let review = review_update(&bundle, &complete).unwrap();
    assert!(review.is_authorized());
    let data = complete.encode_to_vec().into();
    let envelope = Draft::new(HeaderType::ConfigUpdate, "ch1", data, NOW_UNIX).sign(&orderer_admin).unwrap();
    assert_eq!(Some(review.config), propose_update(&bundle, &envelope).unwrap().config);
}

#[test]
fn what_no_signature_can_mend_is_an_error() {
    let network = Network::new();
    let bundle = bundle(&network.channel());
    let mut updated = bundle.config().clone();
    let timeout = BatchTimeout { timeout: "1s".to_owned() };
    set(updated.channel_group.as_mut().unwrap(), "Orderer", "BatchTimeout", &timeout);
    let review = |update: protos::common::ConfigUpdate| {
        let config_update = update.encode_to_vec().into();
        let envelope = ConfigUpdateEnvelope { config_update, signatures: vec![] };
        review_update(&bundle, &envelope).map(drop).map_err(|error| error.to_string())
    };
    let update = compute_update("ch1", bundle.config(), &updated).unwrap();
    assert_eq!(review(update.clone()), Ok(()));
    let other = configtx::compute_update("ch2", bundle.config(), &updated).unwrap();
    assert_eq!(
        review(other),
        Err("error authorizing update: ConfigUpdate for channel 'ch2' but envelope for channel 'ch1'"
            .to_owned())
    );
    let mut stale = update;
    let orderer = stale.write_set.as_mut().unwrap().groups.get_mut("Orderer").unwrap();
    orderer.values.get_mut("BatchTimeout").unwrap().version = 5;
    let refusal = review(stale).unwrap_err();
    assert!(
        refusal.contains(
            "attempt to set key [Value]  /Channel/Orderer/BatchTimeout to version 5, but key is at version 0"
        ),
        "{refusal}"
    );
}

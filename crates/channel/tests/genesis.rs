//! Descriptions that no genesis block can be made from.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use channel::genesis::{
    ApplicationSection, Consensus, GenesisDescription, OrdererSection, Organization, PolicyRule,
    default_policies,
};
use protos::msp::MspConfig;

fn organization(name: &str) -> Organization {
    Organization {
        name: name.to_owned(),
        msp: MspConfig::default(),
        policies: default_policies(),
        orderer_endpoints: vec![],
        anchor_peers: vec![],
    }
}

fn good() -> GenesisDescription {
    let orderer = OrdererSection::new(Consensus::Solo, vec![organization("Orderers")]);
    GenesisDescription::application_channel(
        "ch1",
        orderer,
        ApplicationSection::new(vec![organization("Org1")]),
    )
}

type Spoil = fn(&mut GenesisDescription);

#[test]
fn what_is_missing_or_wrong_is_named() {
    good().block(0, Bytes::new()).unwrap();
    let cases: [(Spoil, &str); 7] = [
        (|d| drop(d.policies.remove("Admins")), "no Admins policy defined in /Channel"),
        (
            |d| drop(d.orderer.policies.remove("BlockValidation")),
            "no BlockValidation policy defined in /Channel/Orderer",
        ),
        (
            |d| drop(d.orderer.organizations[0].policies.remove("Readers")),
            "no Readers policy defined in /Channel/Orderer/Orderers",
        ),
        (
            |d| {
                let rule = PolicyRule::ImplicitMeta("MOST Admins".to_owned());
                d.policies.insert("Admins".to_owned(), rule);
            },
            "invalid policy rule 'MOST Admins' of Admins in /Channel: ",
        ),
        (
            |d| {
                let rule = PolicyRule::Signature("OR(".to_owned());
                d.application.as_mut().unwrap().policies.insert("Extra".to_owned(), rule);
            },
            "invalid policy rule 'OR(' of Extra in /Channel/Application: ",
        ),
        (
            |d| d.orderer.organizations.push(organization("Orderers")),
            "organization Orderers is listed twice in /Channel/Orderer",
        ),
        (
            |d| d.application = None,
            "refusing to generate application channel block which is missing application section",
        ),
    ];
    for (spoil, expected) in cases {
        let mut description = good();
        spoil(&mut description);
        let error = description.block(0, Bytes::new()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?} instead of {expected:?}");
    }
}

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
        skip_as_foreign: false,
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

fn orderer(description: &mut GenesisDescription) -> &mut OrdererSection {
    description.orderer.as_mut().unwrap()
}

type Spoil = fn(&mut GenesisDescription);

#[test]
fn what_is_missing_or_wrong_is_named() {
    good().block(0, Bytes::new()).unwrap();
    let cases: [(Spoil, &str); 11] = [
        (
            |d| drop(d.policies.remove("Admins")),
            "error adding policies to channel group: no Admins policy defined",
        ),
        (
            |d| d.application.as_mut().unwrap().policies.clear(),
            "could not create application group: error adding policies to application group: no policies defined",
        ),
        (
            |d| drop(orderer(d).policies.remove("BlockValidation")),
            "could not create orderer group: error adding policies to orderer group: no BlockValidation policy defined",
        ),
        (
            |d| drop(orderer(d).organizations[0].policies.remove("Readers")),
            "could not create orderer group: failed to create orderer org: error adding policies to orderer org group 'Orderers': no Readers policy defined",
        ),
        (
            |d| {
                let mut member = organization("Org1");
                member.policies.remove("Writers");
                d.consortiums = Some([("C".to_owned(), vec![member])].into());
            },
            "could not create consortiums group: failed to create consortium C: failed to create consortium org: error adding policies to consortiums org group 'Org1': no Writers policy defined",
        ),
        (
            |d| {
                let rule = PolicyRule::ImplicitMeta("MOST Admins".to_owned());
                d.policies.insert("Admins".to_owned(), rule);
            },
            "error adding policies to channel group: invalid implicit meta policy rule 'MOST Admins': ",
        ),
        (
            |d| {
                let rule = PolicyRule::Signature("OR(".to_owned());
                d.application.as_mut().unwrap().policies.insert("Extra".to_owned(), rule);
            },
            "could not create application group: error adding policies to application group: invalid signature policy rule 'OR(': ",
        ),
        (
            |d| orderer(d).organizations.push(organization("Orderers")),
            "organization Orderers is listed twice in /Channel/Orderer",
        ),
        (
            |d| d.application = None,
            "refusing to generate application channel block which is missing application section",
        ),
        (|d| d.orderer = None, "refusing to generate block which is missing orderer section"),
        (
            |d| d.application.as_mut().unwrap().organizations[0].skip_as_foreign = true,
            "all org definitions must be local during bootstrapping: organization 'Org1' is marked to be skipped as foreign",
        ),
    ];
    for (spoil, expected) in cases {
        let mut description = good();
        spoil(&mut description);
        let error = description.block(0, Bytes::new()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?} instead of {expected:?}");
    }
}

//! What MSPs of other versions and kinds do.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use identity::{
    generate::CertificateAuthority,
    msp::{Msp, MspError, MspManager, MspVersion},
};
use protos::{
    Message,
    msp::{
        FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, IdemixMspConfig, MspConfig, SerializedIdentity,
    },
};

fn definition(node_ous: FabricNodeOUs) -> MspConfig {
    let ca = CertificateAuthority::new("ca", "example.com", 1_800_000_000).unwrap();
    let config = FabricMspConfig {
        name: "Org".to_owned(),
        root_certs: vec![Bytes::copy_from_slice(ca.certificate_pem().as_bytes())],
        fabric_node_ous: Some(node_ous),
        ..Default::default()
    };
    MspConfig { r#type: 0, config: config.encode_to_vec().into() }
}

fn unit(name: &str) -> Option<FabricOuIdentifier> {
    Some(FabricOuIdentifier { organizational_unit_identifier: name.to_owned(), ..Default::default() })
}

#[test]
fn versions_before_1_4_3_demand_units_of_clients_and_peers() {
    let both = FabricNodeOUs {
        client_ou_identifier: unit("client"),
        peer_ou_identifier: unit("peer"),
        ..Default::default()
    };
    let no_peer = FabricNodeOUs { peer_ou_identifier: None, ..both.clone() };
    let nameless_client = FabricNodeOUs { client_ou_identifier: unit(""), ..both.clone() };
    for version in [MspVersion::V1_1, MspVersion::V1_3] {
        assert!(Msp::setup(&definition(both.clone()), version).is_ok());
        for (node_ous, missing) in [(&no_peer, "PeerOU"), (&nameless_client, "ClientOU")] {
            // Even in a section that is not enabled.
            let error = Msp::setup(&definition(node_ous.clone()), version).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Failed setting up NodeOUs. {missing} must be different from nil.")
            );
        }
    }
    assert!(Msp::setup(&definition(no_peer), MspVersion::V1_0).is_ok(), "v1.0 does not look");
}

#[test]
fn an_idemix_msp_does_not_stop_its_channel_and_admits_nobody() {
    let idemix = IdemixMspConfig { name: "Anonymous".to_owned(), ..Default::default() };
    let config = MspConfig { r#type: 1, config: idemix.encode_to_vec().into() };
    assert!(matches!(Msp::setup(&config, MspVersion::V1_0), Err(MspError::IdemixVersion(_))));
    let msp = Arc::new(Msp::setup(&config, MspVersion::V1_4_3).unwrap());
    assert_eq!(msp.identifier(), "Anonymous");
    assert!(msp.tls_root_certs().is_empty() && msp.tls_intermediate_certs().is_empty());

    let manager = MspManager::new(vec![msp]);
    let identity = |mspid: &str| SerializedIdentity { mspid: mspid.to_owned(), id_bytes: Bytes::new() };
    let refused = manager.deserialize_identity(&identity("Anonymous").encode_to_vec()).unwrap_err();
    assert_eq!(refused, MspError::Idemix("Anonymous".to_owned()));
    let unknown = manager.deserialize_identity(&identity("Other").encode_to_vec()).unwrap_err();
    assert_eq!(unknown.to_string(), "MSP Other is not defined on channel");
    assert_eq!(manager.is_well_formed(&identity("Anonymous")), Err(MspError::NotRecognized));

    let config = MspConfig { r#type: 7, config: Bytes::new() };
    let error = Msp::setup(&config, MspVersion::V1_4_3).unwrap_err();
    assert_eq!(error.to_string(), "Setup error: unsupported msp type 7");
}

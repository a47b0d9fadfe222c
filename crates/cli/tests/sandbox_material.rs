//! What `causeway sandbox` makes before it starts anything fits together.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use channel::{
    block,
    bundle::Bundle,
    consenters::RaftConfig,
    envelope::{Draft, signed_data},
    processor::{ProcessingContext, process_normal},
};
use cli::sandbox::{
    layout::{CLIENT_MSPID, Layout, ORDERER_MSPID},
    material::{MaterialError, generate},
};
use identity::signing::SigningIdentity;
use protos::{
    Message,
    common::{Block, Envelope, HeaderType},
};

fn layout(root: &Path, nodes: u16) -> Layout {
    Layout::new(root, "ch1", nodes, 17050).unwrap()
}

fn now_unix() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn signer(msp: &Path, mspid: &str) -> SigningIdentity {
    let only_file = |directory: &str| {
        let mut files: Vec<_> = files(&msp.join(directory)).into_values().collect();
        assert_eq!(files.len(), 1, "{directory}");
        files.remove(0)
    };
    SigningIdentity::from_pem(mspid, &only_file("signcerts"), &only_file("keystore")).unwrap()
}

fn genesis(layout: &Layout) -> Block {
    Block::decode(Bytes::from(fs::read(layout.genesis_block()).unwrap())).unwrap()
}

fn message(signer: &SigningIdentity) -> Envelope {
    Draft::new(HeaderType::Message, "ch1", "hello".into(), now_unix()).with_tx_id().sign(signer).unwrap()
}

/// All files below a directory with their contents.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    found
}

#[test]
fn everybody_has_the_rights_that_the_role_gives() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path(), 3);
    generate(&layout).unwrap();
    let genesis = genesis(&layout);
    let bundle = Bundle::from_config_block(&genesis).unwrap();
    assert_eq!(bundle.channel_id(), "ch1");
    assert!(bundle.unsupported_capability().is_none());

    let may_write = |signer: &SigningIdentity| {
        let cx = ProcessingContext {
            bundle: &bundle,
            now_unix: now_unix(),
            check_expiration: true,
            raft: None,
            system: None,
        };
        process_normal(&cx, &message(signer)).is_ok()
    };
    let satisfies = |signer: &SigningIdentity, path: &str| {
        bundle.policies().policy(path).unwrap().evaluate(&[signed_data(&message(signer)).unwrap()]).is_ok()
    };
    let client = signer(&layout.client_msp(), CLIENT_MSPID);
    let admin = signer(&layout.admin_msp(), ORDERER_MSPID);
    let node = signer(&layout.node_dir(&layout.nodes[2]).join("msp"), ORDERER_MSPID);
    for (signer, writes, administers) in [(&client, true, false), (&admin, true, true), (&node, true, false)]
    {
        assert_eq!(may_write(signer), writes);
        assert_eq!(satisfies(signer, "/Channel/Orderer/Admins"), administers);
        assert!(satisfies(signer, "/Channel/Readers"));
    }
    let stranger = signer_with_mspid_of_others(&layout);
    assert!(!may_write(&stranger) && !satisfies(&stranger, "/Channel/Readers"));

    let mut next = block::new_block(
        1,
        Bytes::copy_from_slice(&block::header_hash(genesis.header.as_ref().unwrap())),
        vec![],
    );
    let signed_by = |signer: &SigningIdentity| {
        block::sign_block(next.header.as_ref().unwrap(), 0, Some(b"raft"), signer).unwrap()
    };
    let (by_node, by_client) = (signed_by(&node), signed_by(&client));
    let policy = bundle.block_validation_policy().unwrap();
    next.metadata.as_mut().unwrap().metadata = by_node;
    block::verify_signatures(&next, policy.as_ref()).unwrap();
    assert_eq!(block::consenter_metadata(&next).unwrap(), "raft");
    assert_eq!(block::last_config_index(&next), Ok(0));
    next.metadata.as_mut().unwrap().metadata = by_client;
    block::verify_signatures(&next, policy.as_ref()).unwrap_err();
}

fn signer_with_mspid_of_others(layout: &Layout) -> SigningIdentity {
    signer(&layout.client_msp(), ORDERER_MSPID)
}

#[test]
fn settings_and_consenters_name_the_nodes() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(&directory.path().join("made \"here\": # too"), 3);
    generate(&layout).unwrap();
    let bundle = Bundle::from_config_block(&genesis(&layout)).unwrap();
    let raft = RaftConfig::parse(&bundle.orderer().unwrap().consensus_metadata).unwrap();
    assert_eq!(raft.consenters.len(), 3);

    for (node, consenter) in layout.nodes.iter().zip(&raft.consenters) {
        let file = layout.node_dir(node).join("orderer.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let read_file = |path: &Path| fs::read(path);
        let settings = orderer::settings::parse(&text, &BTreeMap::new(), &file, &read_file).unwrap().settings;
        assert_eq!((consenter.host.as_str(), consenter.port), ("127.0.0.1", u32::from(node.port)));
        assert_eq!(settings.general.listen_port, node.port);
        assert_eq!(consenter.server_tls_cert, fs::read(&settings.general.tls.certificate).unwrap());
        assert_eq!(consenter.client_tls_cert, consenter.server_tls_cert);
        assert_eq!(settings.admin.listen_address, node.admin_address());
        assert_eq!(settings.operations.listen_address, node.operations_address());
        assert!(
            settings.general.tls.enabled
                && settings.admin.tls.enabled
                && settings.admin.tls.client_auth_required
        );
        assert!(settings.channel_participation.enabled);
        for root in [&settings.general.tls.root_cas, &settings.admin.tls.client_root_cas] {
            assert_eq!(fs::read(&root[0]).unwrap(), fs::read(layout.tls_ca()).unwrap());
        }
        assert_eq!(settings.general.local_msp_dir, layout.node_dir(node).join("msp"));
        assert_eq!(settings.general.local_msp_id, ORDERER_MSPID);
        for place in
            [&settings.file_ledger.location, &settings.consensus.wal_dir, &settings.consensus.snap_dir]
        {
            assert!(place.starts_with(layout.node_dir(node).join("data")), "{}", place.display());
        }
    }
}

#[test]
fn private_keys_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    generate(&layout(directory.path(), 2)).unwrap();
    let mut keys = 0;
    for (path, content) in files(directory.path()) {
        if String::from_utf8_lossy(&content).contains("PRIVATE KEY") {
            keys += 1;
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    // Three CAs; the administrators of both organisations, the client and both nodes with two keys each.
    assert_eq!(keys, 3 + 5 * 2);
}

#[test]
fn a_half_made_sandbox_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path(), 1);
    generate(&layout).unwrap();
    let complete = files(directory.path());
    // As if it had been stopped before any one of the files.
    for missing in complete.keys() {
        fs::remove_file(missing).unwrap();
        let unfinished = PathBuf::from(format!("{}.unfinished", missing.display()));
        fs::write(&unfinished, "torn").unwrap();
        generate(&layout).unwrap_or_else(|e| panic!("without {}: {e}", missing.display()));
        assert!(missing.exists(), "{} is missing", missing.display());
        let _ = fs::remove_file(unfinished);

        let bundle = Bundle::from_config_block(&genesis(&layout)).unwrap();
        let admin = message(&signer(&layout.admin_msp(), ORDERER_MSPID));
        let policy = bundle.policies().policy("/Channel/Orderer/Admins").unwrap();
        policy
            .evaluate(&[signed_data(&admin).unwrap()])
            .unwrap_or_else(|e| panic!("without {}: {e}", missing.display()));
    }
}

#[test]
fn certificates_that_are_there_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path(), 2);
    generate(&layout).unwrap();
    let before = files(directory.path());
    fs::remove_file(layout.genesis_block()).unwrap();
    generate(&layout).unwrap();
    let after = files(directory.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let changed: Vec<_> =
        before.iter().filter(|(path, content)| after[*path] != **content).map(|(p, _)| p).collect();
    assert_eq!(changed, [&layout.genesis_block()], "only the genesis block has a new nonce");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.tex"), "years of work").unwrap();
    let error = generate(&layout(directory.path(), 1)).unwrap_err();
    assert!(matches!(error, MaterialError::Foreign { .. }));
    assert!(error.to_string().contains("thesis.tex is in the way"), "{error}");
    assert_eq!(files(directory.path()).len(), 1);

    let file = directory.path().join("thesis.tex");
    let error = generate(&layout(&file, 1)).unwrap_err();
    assert!(error.to_string().contains("thesis.tex"), "{error}");
}

#[test]
fn a_broken_certificate_is_named_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout(directory.path(), 1);
    generate(&layout).unwrap();
    let broken = directory.path().join("orderer-org/ca/ca.orderer.sandbox-cert.pem");
    fs::write(&broken, "nonsense").unwrap();
    let error = generate(&layout).unwrap_err().to_string();
    assert!(
        error.contains("orderer-org/ca/ca.orderer.sandbox-cert.pem") && error.contains("remove"),
        "{error}"
    );
}

//! TLS roots that come from channel configs.
//!
//! Clients are checked against the roots of all organizations of all channels, other orderers
//! against those of the orderer organizations (Fabric's `caManager` in `orderer/common/server`).

use std::{collections::BTreeMap, sync::Arc};

use channel::bundle::{Bundle, Organization};
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;

use crate::tls::{keys::certificates, trust::TrustPool};

/// The pools that follow the channels.
#[derive(Debug, Clone)]
pub struct TrustPools {
    /// For client certificates; one pool a listener, since their fixed roots differ.
    pub clients: Vec<Arc<TrustPool>>,
    /// For other orderers' server certificates.
    pub orderers: Arc<TrustPool>,
}

/// Keeps what each channel contributes.
pub(super) struct Trust {
    pools: TrustPools,
    channels: Mutex<BTreeMap<String, ChannelRoots>>,
}

#[derive(Default, PartialEq)]
struct ChannelRoots {
    orderers: Vec<CertificateDer<'static>>,
    members: Vec<CertificateDer<'static>>,
}

impl Trust {
    pub(super) fn new(pools: TrustPools) -> Self {
        Self { pools, channels: Mutex::default() }
    }

    /// Takes the roots of a channel's config in place of what it contributed before.
    pub(super) fn update(&self, channel_id: &str, bundle: &Bundle) {
        let orderers = bundle.orderer().into_iter().flat_map(|o| o.organizations.values());
        let applications = bundle.application().into_iter().flat_map(|a| a.organizations.values());
        let consortiums = bundle.consortiums().into_iter().flat_map(|c| c.by_name.values());
        let members = applications.chain(consortiums.flat_map(|c| c.organizations.values()));
        let roots = ChannelRoots {
            orderers: orderers.flat_map(roots_of).collect(),
            members: members.flat_map(roots_of).collect(),
        };
        let mut channels = self.channels.lock();
        if channels.get(channel_id) != Some(&roots) {
            channels.insert(channel_id.to_owned(), roots);
            self.publish(&channels);
        }
    }

    /// Drops what a channel contributed.
    pub(super) fn forget(&self, channel_id: &str) {
        let mut channels = self.channels.lock();
        if channels.remove(channel_id).is_some() {
            self.publish(&channels);
        }
    }

    fn publish(&self, channels: &BTreeMap<String, ChannelRoots>) {
        let orderers: Vec<_> = channels.values().flat_map(|c| &c.orderers).cloned().collect();
        let members = channels.values().flat_map(|c| &c.members).cloned();
        let everybody: Vec<_> = orderers.iter().cloned().chain(members).collect();
        self.pools.orderers.replace(&orderers);
        self.pools.clients.iter().for_each(|pool| pool.replace(&everybody));
    }
}

fn roots_of(organization: &Organization) -> Vec<CertificateDer<'static>> {
    let msp = &organization.msp;
    let pems = msp.tls_root_certs().iter().chain(msp.tls_intermediate_certs());
    pems.flat_map(|pem| certificates(pem)).collect()
}

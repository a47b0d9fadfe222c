//! TLS roots that come from channel configs.
//!
//! Clients are checked against the roots of all organizations of all channels, other orderers
//! against those of the orderer organizations (Fabric's `caManager` in `orderer/common/server`).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

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
    contributions: Mutex<Contributions>,
}

/// What the channels contribute. Most have the same organizations, so the pools change seldom.
#[derive(Default)]
struct Contributions {
    channels: BTreeMap<String, ChannelRoots>,
    orderers: Counted,
    members: Counted,
}

/// Certificates with the number of channels that contribute each.
#[derive(Default)]
struct Counted(HashMap<CertificateDer<'static>, usize>);

#[derive(Default, PartialEq)]
struct ChannelRoots {
    orderers: Vec<CertificateDer<'static>>,
    members: Vec<CertificateDer<'static>>,
}

impl Trust {
    pub(super) fn new(pools: TrustPools) -> Self {
        Self { pools, contributions: Mutex::default() }
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
        let mut contributions = self.contributions.lock();
        if contributions.channels.get(channel_id) != Some(&roots) {
            self.replace(&mut contributions, channel_id, Some(roots));
        }
    }

    /// Drops what a channel contributed.
    pub(super) fn forget(&self, channel_id: &str) {
        self.replace(&mut self.contributions.lock(), channel_id, None);
    }

    fn replace(&self, contributions: &mut Contributions, channel_id: &str, roots: Option<ChannelRoots>) {
        let Contributions { channels, orderers, members } = contributions;
        let mut has_changed = false;
        if let Some(roots) = &roots {
            has_changed |= orderers.add(&roots.orderers) | members.add(&roots.members);
        }
        let before = match roots {
            Some(roots) => channels.insert(channel_id.to_owned(), roots),
            None => channels.remove(channel_id),
        };
        if let Some(before) = before {
            has_changed |= orderers.subtract(&before.orderers) | members.subtract(&before.members);
        }
        if has_changed {
            let orderers: Vec<_> = orderers.0.keys().cloned().collect();
            let everybody: Vec<_> = orderers.iter().chain(members.0.keys()).cloned().collect();
            self.pools.orderers.replace(&orderers);
            self.pools.clients.iter().for_each(|pool| pool.replace(&everybody));
        }
    }
}

impl Counted {
    /// Whether one of them is new.
    fn add(&mut self, certificates: &[CertificateDer<'static>]) -> bool {
        let before = self.0.len();
        certificates.iter().for_each(|one| *self.0.entry(one.clone()).or_default() += 1);
        self.0.len() != before
    }

    /// Whether one of them is gone.
    fn subtract(&mut self, certificates: &[CertificateDer<'static>]) -> bool {
        let before = self.0.len();
        for certificate in certificates {
            if let Some(count) = self.0.get_mut(certificate) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(certificate);
                }
            }
        }
        self.0.len() != before
    }
}

fn roots_of(organization: &Organization) -> Vec<CertificateDer<'static>> {
    let msp = &organization.msp;
    let pems = msp.tls_root_certs().iter().chain(msp.tls_intermediate_certs());
    pems.flat_map(|pem| certificates(pem)).collect()
}

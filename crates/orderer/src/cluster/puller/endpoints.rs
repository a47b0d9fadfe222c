//! Where a channel's orderers are, and which roots vouch for them.

use std::sync::Arc;

use channel::bundle::Bundle;
use rustls_pki_types::CertificateDer;

use crate::tls::{keys::certificates, trust::Roots};

/// An orderer's address with the roots for its certificate.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// `host:port`.
    pub(super) address: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) roots: Arc<Roots>,
}

/// The endpoints of each orderer organization with that organization's TLS roots; without any, the
/// channel's global addresses with the roots of all. `fixed` roots hold for each.
pub(super) fn endpoints(config: &Bundle, fixed: &[CertificateDer<'static>]) -> Vec<Endpoint> {
    let mut all_roots = fixed.to_vec();
    let mut found = Vec::new();
    for organization in config.orderer().into_iter().flat_map(|orderer| orderer.organizations.values()) {
        let msp = &organization.msp;
        let pems = msp.tls_root_certs().iter().chain(msp.tls_intermediate_certs());
        let own: Vec<_> = pems.flat_map(|pem| certificates(pem)).collect();
        let roots = Arc::new(Roots::new(fixed.iter().chain(&own)));
        all_roots.extend(own);
        found.extend(organization.endpoints.iter().filter_map(|address| endpoint(address, &roots)));
    }
    if found.is_empty() {
        let roots = Arc::new(Roots::new(&all_roots));
        found.extend(config.orderer_addresses().iter().filter_map(|address| endpoint(address, &roots)));
    }
    found
}

fn endpoint(address: &str, roots: &Arc<Roots>) -> Option<Endpoint> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = parts else {
        tracing::warn!(target: "orderer.common.cluster.puller", "Ignoring orderer address {address:?}: not host:port");
        return None;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Endpoint { address: address.to_owned(), host, port, roots: roots.clone() })
}

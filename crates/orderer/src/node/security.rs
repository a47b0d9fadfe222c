//! The node's TLS, from its settings: which keys it shows where, and whom it trusts.

use std::{sync::Arc, time::Duration};

use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;

use crate::{
    registrar::TrustPools,
    settings::General,
    tls::{
        TlsError,
        dialer::Dialer,
        keys::{KeyPair, read_certificates},
        server::{self, ClientCertificates},
        trust::TrustPool,
    },
};

/// Keys and pools of a node.
pub(super) struct Security {
    /// Shown by the main listener; `None`: it speaks plain TCP.
    pub(super) server_keys: Option<KeyPair>,
    /// Shown by the cluster's own listener, if there is one.
    cluster_keys: Option<KeyPair>,
    /// Connects to other orderers.
    pub(super) dialer: Dialer,
    /// `General.Cluster.RootCAs`.
    pub(super) cluster_roots: Vec<CertificateDer<'static>>,
    general_clients: Arc<TrustPool>,
    cluster_clients: Arc<TrustPool>,
    /// All pools, to follow the channels.
    pub(super) trust: TrustPools,
    /// The certificate by which this node finds itself among a channel's consenters, DER; empty
    /// without TLS.
    pub(super) own_server_certificate: Vec<u8>,
    /// Whether other orderers can reach this node, which takes TLS.
    pub(super) can_cluster: bool,
}

impl Security {
    /// Reads all keys, certificates and roots that the settings name.
    pub(super) fn read(general: &General) -> Result<Self, TlsError> {
        let (tls, cluster) = (&general.tls, &general.cluster);
        let server_keys =
            tls.enabled.then(|| KeyPair::read(&tls.certificate, &tls.private_key)).transpose()?;
        let cluster_keys = cluster
            .has_own_listener()
            .then(|| KeyPair::read(&cluster.server_certificate, &cluster.server_private_key))
            .transpose()?;
        let client_keys = if cluster.client_certificate.as_os_str().is_empty() {
            // Without TLS for clients there is the pair of the cluster's listener.
            server_keys.clone().or_else(|| cluster_keys.clone())
        } else {
            Some(KeyPair::read(&cluster.client_certificate, &cluster.client_private_key)?)
        };
        let cluster_roots = read_certificates("General.Cluster.RootCAs file", &cluster.root_cas)?;
        let client_roots = if tls.enabled && tls.client_auth_required {
            read_certificates("General.TLS.ClientRootCAs file", &tls.client_root_cas)?
        } else {
            Vec::new()
        };
        let general_clients = Arc::new(TrustPool::new(client_roots));
        let cluster_clients = Arc::new(TrustPool::new(cluster_roots.clone()));
        let trust = TrustPools {
            clients: vec![general_clients.clone(), cluster_clients.clone()],
            orderers: Arc::new(TrustPool::new(cluster_roots.clone())),
        };
        let own = cluster_keys.as_ref().or(server_keys.as_ref());
        Ok(Self {
            own_server_certificate: own.map(|keys| keys.leaf().to_vec()).unwrap_or_default(),
            can_cluster: own.is_some(),
            dialer: Dialer::new(client_keys, cluster_time_shift(general), cluster.dial_timeout),
            server_keys,
            cluster_keys,
            cluster_roots,
            general_clients,
            cluster_clients,
            trust,
        })
    }

    /// TLS of the main listener; `None`: it speaks plain TCP.
    pub(super) fn general_config(&self, general: &General) -> Result<Option<ServerConfig>, TlsError> {
        let Some(keys) = &self.server_keys else { return Ok(None) };
        let clients = match general.tls.client_auth_required {
            true => ClientCertificates::Required(self.general_clients.clone()),
            false => ClientCertificates::Requested,
        };
        server::config(keys, clients, general.tls.handshake_time_shift).map(Some)
    }

    /// TLS of the cluster's own listener; `None`: there is none.
    pub(super) fn cluster_config(&self, general: &General) -> Result<Option<ServerConfig>, TlsError> {
        let Some(keys) = &self.cluster_keys else { return Ok(None) };
        let clients = ClientCertificates::Required(self.cluster_clients.clone());
        server::config(keys, clients, general.cluster.tls_handshake_time_shift).map(Some)
    }
}

/// The clock of dialed handshakes goes with the listener that the cluster uses.
fn cluster_time_shift(general: &General) -> Duration {
    match general.cluster.has_own_listener() {
        true => general.cluster.tls_handshake_time_shift,
        false => general.tls.handshake_time_shift,
    }
}

//! Which consenters a channel has, and which of them a TLS client certificate belongs to.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use channel::names;
use consensus::transport::Peer;

use crate::tls::keys::public_key;

/// Why a stream's sender is refused; Fabric's texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The channel has no consenters that we know of.
    #[error("channel {0} doesn't exist")]
    UnknownChannel(String),
    /// The connection came without client certificate.
    #[error("no TLS certificate sent")]
    NoCertificate,
    /// The certificate's key is no consenter's.
    #[error("certificate extracted from TLS connection isn't authorized")]
    NotAuthorized,
}

/// The consenters of every channel, without this node.
#[derive(Debug, Default)]
pub struct Members {
    by_channel: ArcSwap<HashMap<String, HashMap<Vec<u8>, u64>>>,
}

impl Members {
    /// Sets the consenters of a channel. One whose certificate cannot be read is nobody's sender.
    pub fn set(&self, channel: &str, peers: &[Peer]) {
        let by_key: HashMap<_, _> =
            peers.iter().filter_map(|peer| Some((public_key(&peer.client_tls_cert_der)?, peer.id))).collect();
        self.by_channel.rcu(|all| {
            let mut next = HashMap::clone(all);
            next.insert(channel.to_owned(), by_key.clone());
            next
        });
    }

    /// Forgets a channel.
    pub fn forget(&self, channel: &str) {
        self.by_channel.rcu(|all| {
            let mut next = HashMap::clone(all);
            next.remove(channel);
            next
        });
    }

    /// The raft id of the consenter that holds this public key. Keys count, not certificates, so
    /// that a renewed certificate works before the channel's config has it.
    ///
    /// # Errors
    ///
    /// The text with which the stream ends.
    pub fn sender(&self, channel: &str, public_key: Option<&[u8]>) -> Result<u64, MemberError> {
        let all: arc_swap::Guard<Arc<_>> = self.by_channel.load();
        let by_key = all.get(channel).ok_or_else(|| MemberError::UnknownChannel(names::shown(channel)))?;
        let key = public_key.ok_or(MemberError::NoCertificate)?;
        by_key.get(key).copied().ok_or(MemberError::NotAuthorized)
    }
}

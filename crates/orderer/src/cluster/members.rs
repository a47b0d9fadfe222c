//! Which consenters a channel has, and which of them a TLS client certificate belongs to.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

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

/// Counts the messages of one consenter of one channel: whoever is heard from is there, and serves
/// the channel.
#[derive(Debug, Default)]
pub struct Heard(AtomicU64);

impl Heard {
    /// How many messages have come so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone)]
struct Member {
    id: u64,
    heard: Arc<Heard>,
}

/// A channel's consenters by the public keys of their client certificates.
type ByKey = Arc<HashMap<Vec<u8>, Member>>;

/// The consenters of every channel, without this node.
#[derive(Debug, Default)]
pub struct Members {
    by_channel: ArcSwap<HashMap<String, ByKey>>,
}

impl Members {
    /// Sets the consenters of a channel. One whose certificate cannot be read is nobody's sender.
    pub fn set(&self, channel: &str, peers: &[Peer]) {
        let before = self.by_channel.load().get(channel).cloned().unwrap_or_default();
        let member = |peer: &Peer| {
            let key = public_key(&peer.client_tls_cert_der)?;
            let heard = before.get(&key).filter(|member| member.id == peer.id).map(|m| m.heard.clone());
            Some((key, Member { id: peer.id, heard: heard.unwrap_or_default() }))
        };
        let by_key: ByKey = Arc::new(peers.iter().filter_map(member).collect());
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

    /// What is heard from a consenter; nothing ever, when its certificate cannot be read.
    pub fn heard(&self, channel: &str, id: u64) -> Arc<Heard> {
        let all = self.by_channel.load();
        let member = all.get(channel).and_then(|by_key| by_key.values().find(|member| member.id == id));
        member.map(|member| member.heard.clone()).unwrap_or_default()
    }

    /// The raft id of the consenter that holds this public key, from whom a message has come. Keys
    /// count, not certificates, so that a renewed certificate works before the channel's config has
    /// it.
    ///
    /// # Errors
    ///
    /// The text with which the stream ends.
    pub fn sender(&self, channel: &str, public_key: Option<&[u8]>) -> Result<u64, MemberError> {
        let all: arc_swap::Guard<Arc<_>> = self.by_channel.load();
        let by_key = all.get(channel).ok_or_else(|| MemberError::UnknownChannel(names::shown(channel)))?;
        let key = public_key.ok_or(MemberError::NoCertificate)?;
        let member = by_key.get(key).ok_or(MemberError::NotAuthorized)?;
        member.heard.0.fetch_add(1, Ordering::Relaxed);
        Ok(member.id)
    }
}

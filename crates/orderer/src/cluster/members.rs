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

/// What comes from one consenter of one channel.
#[derive(Debug, Default)]
pub struct Heard {
    messages: AtomicU64,
    connections: AtomicU64,
}

impl Heard {
    /// How many messages of the channel have come so far: whoever sends them serves the channel.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Grows with each sign that the consenter is there: with messages, and when it connects.
    pub fn signs(&self) -> u64 {
        self.messages() + self.connections.load(Ordering::Relaxed)
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
        member.heard.messages.fetch_add(1, Ordering::Relaxed);
        Ok(member.id)
    }

    /// The channels of which the holder of this public key, who has just connected, is a consenter, with
    /// its raft id in each.
    pub fn connected(&self, public_key: &[u8]) -> Vec<(String, u64)> {
        let all = self.by_channel.load();
        let of_key = all.iter().filter_map(|(channel, by_key)| {
            let member = by_key.get(public_key)?;
            member.heard.connections.fetch_add(1, Ordering::Relaxed);
            Some((channel.clone(), member.id))
        });
        of_key.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_connects_is_there_and_need_not_serve_the_channel() {
        let authority = identity::generate::CertificateAuthority::new("ca", "org", 0).unwrap();
        let der = identity::certificate::pem_to_der(authority.certificate_pem().as_bytes()).unwrap();
        let peer = |id| Peer {
            id,
            host: "orderer".to_owned(),
            port: 7050,
            client_tls_cert_der: der.clone(),
            server_tls_cert_der: der.clone(),
        };
        let members = Members::default();
        members.set("one", &[peer(2)]);
        members.set("two", &[peer(5)]);
        members.set("apart", &[]);
        let key = public_key(&der).unwrap();
        let heard = members.heard("two", 5);

        let mut channels = members.connected(&key);
        channels.sort();
        assert_eq!(channels, [("one".to_owned(), 2), ("two".to_owned(), 5)]);
        assert_eq!((heard.messages(), heard.signs()), (0, 1));
        assert_eq!(members.sender("two", Some(&key)), Ok(5));
        assert_eq!((heard.messages(), heard.signs()), (1, 2));
        assert!(members.connected(b"somebody else's").is_empty());
    }
}

//! Connections to other orderers, shared by all channels and kinds of messages.

use std::{collections::HashMap, sync::Arc};

use consensus::transport::Peer;
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    grpc::Connection,
    metrics::Gauge,
    tls::{dialer::Dialer, trust::TrustPool},
};

/// What a connection is known by: where it leads, and the certificate that must answer there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    host: String,
    port: u16,
    server_certificate: Vec<u8>,
}

impl Destination {
    /// Where this consenter is.
    pub fn of(peer: &Peer) -> Self {
        Self {
            host: peer.host.clone(),
            port: peer.port,
            server_certificate: peer.server_tls_cert_der.clone(),
        }
    }

    /// `host:port`.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// At most one dial at a time; whoever comes meanwhile gets its result.
type Slot = Arc<AsyncMutex<Option<Connection>>>;

/// The connections that are open or being opened.
pub struct Connections {
    dialer: Dialer,
    roots: Arc<TrustPool>,
    slots: Mutex<HashMap<Destination, Slot>>,
    count: Arc<Gauge>,
}

impl Connections {
    /// Dials with `dialer`; servers must be known to `roots`. `count` shows how many there are.
    pub fn new(dialer: Dialer, roots: Arc<TrustPool>, count: Arc<Gauge>) -> Self {
        Self { dialer, roots, slots: Mutex::default(), count }
    }

    /// The connection to a destination, made if there is none that works.
    ///
    /// # Errors
    ///
    /// Why it could not be made.
    pub async fn get(&self, destination: &Destination) -> Result<Connection, String> {
        let slot = self.slots.lock().entry(destination.clone()).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        if slot.take().is_some() {
            self.count.add(-1.0);
        }
        let Destination { host, port, server_certificate } = destination;
        let stream = self
            .dialer
            .dial(host, *port, self.roots.roots(), Some(server_certificate))
            .await
            .map_err(|error| error.to_string())?;
        let connection = Connection::begin(stream, &destination.endpoint()).await?;
        self.count.add(1.0);
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Keeps the connections to these destinations only; streams that still run keep theirs alive
    /// until they end.
    pub fn retain(&self, wanted: impl Fn(&Destination) -> bool) {
        let mut closed = 0.0;
        self.slots.lock().retain(|destination, slot| {
            let keep = wanted(destination);
            if !keep && slot.try_lock().is_ok_and(|slot| slot.is_some()) {
                closed += 1.0;
            }
            keep
        });
        self.count.add(-closed);
    }
}

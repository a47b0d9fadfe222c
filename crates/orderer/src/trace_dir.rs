//! Traces of received envelopes (`Debug.BroadcastTraceDir`, `Debug.DeliverTraceDir`).

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// A directory that gets one file per envelope. For debugging: it is never cleaned up.
#[derive(Debug, Clone)]
pub struct TraceDir {
    path: PathBuf,
    count: Arc<AtomicU64>,
}

impl TraceDir {
    /// Traces into this directory, which must exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path, count: Arc::default() }
    }

    /// Writes an envelope to `<unix nanoseconds>_<count>.<extension>`. What cannot be written is
    /// logged and left out: a trace must not get in the way of the service.
    pub fn write(&self, envelope: &[u8], extension: &str) {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{nanos}_{count:#x}.{extension}"));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o660)
            .open(&path)
            .and_then(|mut file| file.write_all(envelope));
        if let Err(reason) = written {
            tracing::warn!(target: "orderer.common.server", "Failed to write trace file {}: {reason}", path.display());
        }
    }
}

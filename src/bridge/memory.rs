//! Keeps what a server said of itself from one start to the next.

use crate::diag::Diag;
use crate::ids::{ServerKey, ServerUrl};
use crate::mcp::record::ServerRecord;
use crate::mcp::transport::{Transport, Verdict};
use crate::store::FileStore;

/// The place in the cache for one server.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The cache.
    pub store: FileStore,
    /// The name in it.
    pub key: ServerKey,
    /// The server.
    pub server: ServerUrl,
}

impl Memory {
    /// What the server said the last time, if that is known.
    pub fn recall(&self) -> Option<ServerRecord> {
        self.store.read_server(&self.key, &self.server)
    }

    /// Keeps what the server says now, and the transport it speaks. Where it cannot be written, the next start knows less.
    pub fn keep(&self, mut record: ServerRecord, transport: Transport, detected: bool, diag: Diag) {
        let memory = self.clone();
        // The disk may be slow.
        drop(tokio::task::spawn_blocking(move || {
            let (older, now) = (memory.recall(), super::now());
            let transport_before = older.as_ref().and_then(|older| older.verdict);
            record.verdict = Some(Verdict::kept(transport_before, transport, detected, now));
            let era_before = older.and_then(|older| older.era);
            record.era = record.era.map(|era| era.kept(era_before, now));
            let kept = memory
                .store
                .write_server(&memory.key, &memory.server, record);
            if let Err(error) = kept {
                diag.debug(format_args!(
                    "the server's description is not kept: {error}"
                ));
            }
        }));
    }
}

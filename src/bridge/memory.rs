//! Keeps what a server said of itself from one start to the next.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

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
    /// What is on its way there.
    pub writing: Writing,
}

/// The descriptions that are on their way to the disk. Clones are about the same ones.
#[derive(Clone, Default)]
pub struct Writing(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    /// The latest that is not being written yet. Those before it need not be written any more.
    next: Option<Description>,
    writer: Option<JoinHandle<()>>,
}

struct Description {
    record: ServerRecord,
    transport: Transport,
    detected: bool,
    diag: Diag,
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writing")
    }
}

impl Writing {
    fn with<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    /// What the server said the last time, if that is known.
    pub fn recall(&self) -> Option<ServerRecord> {
        self.store.read_server(&self.key, &self.server)
    }

    /// Keeps what the server says now, and the transport it speaks. Where it cannot be written, the next
    /// start knows less.
    pub fn keep(&self, record: ServerRecord, transport: Transport, detected: bool, diag: Diag) {
        self.writing.with(|queue| {
            let before = queue.next.take();
            let has_writer = before.is_some();
            // What was found out about the same transport a moment ago is still true.
            let found = |before: Description| before.detected && before.transport == transport;
            queue.next = Some(Description {
                record,
                transport,
                detected: detected || before.is_some_and(found),
                diag,
            });
            if !has_writer {
                let (memory, before) = (self.clone(), queue.writer.take());
                queue.writer = Some(tokio::spawn(memory.write_next(before)));
            }
        });
    }

    /// Writes the latest when `before` is done: what is known later must not be followed by what was
    /// known sooner.
    async fn write_next(self, before: Option<JoinHandle<()>>) {
        if let Some(before) = before {
            let _ = before.await;
        }
        // The disk may be slow.
        let written = tokio::task::spawn_blocking(move || {
            if let Some(description) = self.writing.with(|queue| queue.next.take()) {
                self.write(description);
            }
        });
        let _ = written.await;
    }

    fn write(&self, description: Description) {
        let Description {
            mut record,
            transport,
            detected,
            diag,
        } = description;
        let (older, now) = (self.recall(), super::now());
        let transport_before = older.as_ref().and_then(|older| older.verdict);
        record.verdict = Some(Verdict::kept(transport_before, transport, detected, now));
        let era_before = older.and_then(|older| older.era);
        record.era = record.era.map(|era| era.kept(era_before, now));
        if let Err(error) = self.store.write_server(&self.key, &self.server, record) {
            diag.debug(format_args!(
                "the server's description is not kept: {error}"
            ));
        }
    }

    /// Completes when all of it is on the disk.
    pub async fn settled(&self) {
        while let Some(writer) = self.writing.with(|queue| queue.writer.take()) {
            let _ = writer.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Level;

    #[tokio::test(flavor = "current_thread")]
    async fn the_latest_of_many_is_kept_with_what_those_before_it_found_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory {
            store: FileStore::open(folder.path().join("cache")).expect("a store"),
            key: ServerKey::from_name("work").expect("a name"),
            server: ServerUrl::parse("https://mcp.example.com/mcp", false).expect("an address"),
            writing: Writing::default(),
        };
        let (diag, _) = Diag::captured(Level::Debug);
        let keep = |number: usize, detected| {
            let record = ServerRecord {
                protocol_version: "2025-11-25".to_owned(),
                instructions: Some(number.to_string()),
                ..ServerRecord::default()
            };
            memory.keep(record, Transport::Sse, detected, diag.clone());
        };
        let kept = || memory.recall().expect("a description");
        let found_at = |record: &ServerRecord| record.verdict.expect("a verdict").found_at;

        keep(0, false);
        memory.settled().await;
        assert_eq!(kept().instructions.as_deref(), Some("0"));
        let long_ago = Verdict {
            found_at: 1000,
            ..kept().verdict.expect("a verdict")
        };
        let older = ServerRecord {
            verdict: Some(long_ago),
            ..kept()
        };
        let written = memory
            .store
            .write_server(&memory.key, &memory.server, older);
        written.expect("it can be written");

        keep(1, false);
        memory.settled().await;
        assert_eq!(found_at(&kept()), 1000);
        for number in 2..50 {
            keep(number, number == 2);
            if number % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        memory.settled().await;
        assert_eq!(kept().instructions.as_deref(), Some("49"));
        assert!(found_at(&kept()) > 1000);
        memory.settled().await;
    }
}

//! Keeps what a server said of itself from one start to the next.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::diag::Diag;
use crate::ids::{ServerKey, ServerUrl};
use crate::mcp::record::ServerRecord;
use crate::mcp::transport::{Transport, Verdict};
use crate::store::{FileStore, Stamp};

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

/// What was known at the start, and the state of the file that it was read from.
type Recalled = Option<(Stamp, ServerRecord)>;

/// The descriptions that are on their way to the disk. Clones are about the same ones.
#[derive(Clone, Default)]
pub struct Writing {
    /// What stands in the file already, as far as it is known.
    recalled: Arc<Mutex<Recalled>>,
    /// The latest that is not being written yet. Those before it need not be written any more.
    next: Arc<Mutex<Option<Description>>>,
    /// Held while one is being written: what is known later must not be followed by what was known
    /// sooner.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Description {
    record: ServerRecord,
    transport: Transport,
    detected: bool,
    diag: Diag,
}

impl Description {
    /// What is to be known from now on, where this was known before.
    fn after(self, older: Option<ServerRecord>, now: u64) -> ServerRecord {
        let mut record = self.record;
        let (verdict, era) = older.map_or((None, None), |older| (older.verdict, older.era));
        record.verdict = Some(Verdict::kept(verdict, self.transport, self.detected, now));
        record.era = record.era.map(|found| found.kept(era, now));
        record
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writing")
    }
}

impl Writing {
    fn with<T>(&self, act: impl FnOnce(&mut Option<Description>) -> T) -> T {
        act(&mut self.next.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    /// What the server said the last time, if that is known.
    pub fn recall(&self) -> Option<ServerRecord> {
        let stamp = self.store.server_stamp(&self.key);
        let record = self.read();
        *self.recalled() = stamp.zip(record.clone());
        record
    }

    fn read(&self) -> Option<ServerRecord> {
        self.store.read_server(&self.key, &self.server)
    }

    fn recalled(&self) -> MutexGuard<'_, Recalled> {
        let recalled = self.writing.recalled.lock();
        recalled.unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the server says now, and the transport it speaks. Where it cannot be written, the next
    /// start knows less.
    pub fn keep(&self, record: ServerRecord, transport: Transport, detected: bool, diag: Diag) {
        let mut description = Description {
            record,
            transport,
            detected,
            diag,
        };
        if self.stands_there(&description) {
            return;
        }
        self.writing.with(|next| {
            let before = next.take();
            let has_writer = before.is_some();
            // What was found out about the same transport a moment ago is still true.
            let found = |before: Description| before.detected && before.transport == transport;
            description.detected = detected || before.is_some_and(found);
            *next = Some(description);
            if !has_writer {
                tokio::spawn(self.clone().write_next());
            }
        });
    }

    /// Whether the first that is to be kept is what was known at the start, and still stands in the file:
    /// most starts meet the server that they know, and need no thread that finds that out. What another
    /// process has written meanwhile is compared with anew, and replaced.
    fn stands_there(&self, description: &Description) -> bool {
        let Some((stamp, recalled)) = self.recalled().take() else {
            return false;
        };
        let wanted = description
            .clone()
            .after(Some(recalled.clone()), super::now());
        wanted == recalled && self.store.server_stamp(&self.key) == Some(stamp)
    }

    /// Writes the latest, if nobody else has, when what is being written is done.
    async fn write_next(self) {
        let turn = self.writing.turn.clone().lock_owned().await;
        if self.writing.with(|next| next.is_none()) {
            return;
        }
        // The disk may be slow. Whoever waits for it may give up; it goes on.
        let written = tokio::task::spawn_blocking(move || {
            if let Some(description) = self.writing.with(Option::take) {
                self.write(description);
            }
            drop(turn);
        });
        let _ = written.await;
    }

    fn write(&self, description: Description) {
        let diag = description.diag.clone();
        let record = description.after(self.read(), super::now());
        if let Err(error) = self.store.write_server(&self.key, &self.server, record) {
            diag.debug(format_args!(
                "the server's description is not kept: {error}"
            ));
        }
    }

    /// Completes when all of it is on the disk.
    pub async fn settled(&self) {
        self.clone().write_next().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::diag::Level;

    fn memory(folder: &tempfile::TempDir) -> Memory {
        Memory {
            store: FileStore::open(folder.path().join("cache")).expect("a store"),
            key: ServerKey::from_name("work").expect("a name"),
            server: ServerUrl::parse("https://mcp.example.com/mcp", false).expect("an address"),
            writing: Writing::default(),
        }
    }

    impl Memory {
        fn is_writing(&self) -> bool {
            self.writing.with(|next| next.is_some())
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_stands_there_is_not_written_again_unless_another_has_changed_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (diag, _) = Diag::captured(Level::Debug);
        let record = |instructions: &str| ServerRecord {
            protocol_version: "2025-11-25".to_owned(),
            instructions: Some(instructions.to_owned()),
            ..ServerRecord::default()
        };
        // Each is a process of its own.
        let started = || {
            let memory = memory(&folder);
            let recalled = memory.recall().and_then(|record| record.instructions);
            (memory, recalled)
        };
        let keep = |memory: &Memory, instructions| {
            memory.keep(
                record(instructions),
                Transport::Streamable,
                false,
                diag.clone(),
            );
            memory.is_writing()
        };
        let (first, nothing) = started();
        assert_eq!(nothing, None);
        assert!(keep(&first, "one"));
        first.settled().await;

        let (second, recalled) = started();
        assert_eq!(recalled.as_deref(), Some("one"));
        assert!(!keep(&second, "one"));
        // Later, others may have written much.
        assert!(keep(&second, "one"));
        second.settled().await;

        let (third, _) = started();
        assert!(keep(&third, "two"));
        third.settled().await;

        let ((slow, _), (fast, _)) = (started(), started());
        assert!(keep(&fast, "three"));
        fast.settled().await;
        assert!(keep(&slow, "two"));
        slow.settled().await;
        assert_eq!(started().1.as_deref(), Some("two"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whoever_waits_for_it_does_not_let_the_next_one_pass() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = memory(&folder);
        // One is being written, for which somebody waits.
        let turn = memory.writing.turn.clone().lock_owned().await;
        let waiting = memory.clone();
        let mut settled = Box::pin(async move { waiting.settled().await });
        assert!(settled.as_mut().now_or_never().is_none());
        let (diag, _) = Diag::captured(Level::Debug);
        memory.keep(ServerRecord::default(), Transport::Sse, false, diag);
        for _ in 0..100 {
            let _ = tokio::task::spawn_blocking(|| ()).await;
        }
        // The next one waits for it, too.
        assert!(memory.is_writing());
        assert!(memory.recall().is_none());
        drop(turn);
        settled.await;
        assert!(memory.recall().is_some());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_latest_of_many_is_kept_with_what_those_before_it_found_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = memory(&folder);
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

//! Where sign-ins are kept: in files, or in memory where none can be written. [`Store`] is the door;
//! which of them is behind it, only whoever opens it knows.
//!
//! Files are in one folder, a few for each name, and the locks beside them:
//!
//! | file | what | who may write it |
//! |---|---|---|
//! | `<name>.token.json` | tokens and clients | the holder of [`Lock`] |
//! | `<name>.signin.json` | the sign-in that is open in a browser | the holder of [`SignInLock`] |
//! | `<name>.server.json` | what the server said of itself, a hint | anybody |
//! | `<name>.debug.log`, `….log.old` | what `--debug` said ([`crate::debug_log`]) | anybody |
//! | `.imports.json` | what was taken over from mcp-remote | the holder of [`ImportLock`] |
//! | `<name>.lock`, `<name>.signin.lock`, `.imports.lock` | empty, locked, never deleted | nobody |
//!
//! Reading takes no lock, because a file is only ever replaced as a whole.

mod error;
mod file;
mod lock;
mod memory;
mod platform;
mod untried;
mod wire;

use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use error::{StoreError, Unwritable, Warning};
pub use file::{FileStore, Stamp};
pub use lock::{HostsLock, ImportLock, Lock, LockError, SignInLock};
pub use memory::MemoryStore;
pub use platform::exposure;
pub(crate) use platform::{
    create_folder, create_private, make_private, refuse_special, replace, same_file, sync_folder,
};
use untried::UntriedStore;

use crate::compat::import::Ledger;
use crate::ids::ServerKey;
use crate::oauth::invitation::Open;
use crate::oauth::sign_in::SignIn;

/// How long a try for a lock waits for the next, at least; a random part of the same length is
/// added, so that many waiters do not move in step.
const POLL: Duration = Duration::from_millis(20);

/// What the cache knows about one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached {
    /// Nothing.
    Absent,
    /// A sign-in, or a registration that waits for one.
    Present(Box<SignIn>),
    /// A file that cannot be used. Signing in replaces it.
    Unreadable {
        /// Why, to be read after "cannot be used:"; quotes nothing from the file.
        reason: String,
    },
    /// A file in a format of a later version of this program. It is never touched.
    Newer {
        /// The number of that format.
        version: u64,
    },
}

/// A place for sign-ins. Its calls may touch the disk: reading takes microseconds, writing a
/// millisecond.
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// The folder, for messages; where there is none, the one that cannot be used.
    fn folder(&self) -> &Path;

    /// Where the tokens of `key` stand, for messages.
    fn token_file(&self, key: &ServerKey) -> PathBuf;

    /// The warnings that came up since the last call.
    fn take_warnings(&self) -> Vec<Warning>;

    /// What is known about `key`. Takes no lock; whoever is about to spend something reads again
    /// under it.
    fn read(&self, key: &ServerKey) -> Result<Cached, StoreError>;

    /// What tells what [`Self::read`] reads now from what it reads when that has changed, if it is asked
    /// for before; `None` if there is nothing, or it cannot be told.
    fn stamp(&self, key: &ServerKey) -> Option<Stamp>;

    /// Replaces what is known about the locked name. When this returns, it is kept as well as it
    /// can be. What a file held beyond what we know stays; one that could not be read is replaced.
    fn write(&self, lock: &Lock, sign_in: &SignIn) -> Result<(), StoreError>;

    /// Forgets the locked name: tokens, clients and all.
    fn remove(&self, lock: &Lock) -> Result<(), StoreError>;

    /// Every name that something is known about, sorted.
    fn list(&self) -> Result<Vec<ServerKey>, StoreError>;

    /// Takes the right to change the tokens of `key`; `None` if another has it. Where there are no
    /// locks, it is given all the same and a [`Warning::NoLocks`] is left.
    fn try_lock(&self, key: &ServerKey) -> Result<Option<Lock>, LockError>;

    /// Takes the right to have a browser open for `key`, or says at once that another has it. A
    /// waiter asks again until either the tokens have changed or the lock is free.
    fn try_lock_sign_in(&self, key: &ServerKey) -> Result<Option<SignInLock>, LockError>;

    /// The attempt that a former holder of the lock left open; `None` if there is none or it
    /// cannot be understood, in which case a new one is begun.
    fn read_attempt(&self, lock: &SignInLock) -> Result<Option<Open>, StoreError>;

    /// The attempt that another has open now, as far as it can be told without its lock.
    fn peek_attempt(&self, key: &ServerKey) -> Option<Open>;

    /// Notes the attempt that a person is about to be shown.
    fn write_attempt(&self, lock: &SignInLock, open: &Open) -> Result<(), StoreError>;

    /// Whether what is written is there for the next start.
    fn is_kept(&self) -> bool;

    /// Takes the right to take sign-ins over from other programs; `None` if another has it.
    fn try_lock_imports(&self) -> Result<Option<ImportLock>, LockError>;

    /// What was taken over from other programs, and what was signed out of.
    fn read_ledger(&self) -> Result<Ledger, StoreError>;

    /// Replaces that.
    fn write_ledger(&self, lock: &ImportLock, ledger: &Ledger) -> Result<(), StoreError>;

    /// Forgets the attempt, when its outcome is known.
    fn remove_attempt(&self, lock: &SignInLock) -> Result<(), StoreError>;
}

/// What takes the place of files that cannot be written, and what to tell of that.
fn instead_of(folder: &Path, why: io::Error) -> (MemoryStore, Unwritable) {
    let below = FileStore::open_to_read(folder.to_owned());
    let unwritable = Unwritable::Folder {
        path: folder.to_owned(),
        source: Arc::new(why),
        is_read: below.is_some(),
    };
    (MemoryStore::new(folder.to_owned(), below), unwritable)
}

/// Where the sign-ins of this process are. Clones share everything.
#[derive(Clone, Debug)]
pub struct Store(Arc<dyn TokenStore>);

impl Deref for Store {
    type Target = dyn TokenStore;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Store {
    /// The files in `folder`, which is created for the user alone if it is not there, and made
    /// private if others can look into it. For who wants to know or to end what is kept there.
    pub fn open(folder: PathBuf) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(FileStore::open(folder)?)))
    }

    /// The same for who keeps something: where nothing can be written, it is kept in memory, and why
    /// is given, for the user to know. `None` for a system that names no folder.
    pub fn open_or_memory(
        folder: Option<PathBuf>,
    ) -> Result<(Self, Option<Unwritable>), StoreError> {
        let Some(folder) = folder else {
            let store = MemoryStore::new(PathBuf::new(), None);
            return Ok((Self(Arc::new(store)), Some(Unwritable::NoFolder)));
        };
        match FileStore::open_to_write(folder.clone()) {
            Ok(store) => Ok((Self(Arc::new(store)), None)),
            Err(error) => Self::in_memory(&folder, error),
        }
    }

    /// The same for who may never have anything to keep: a full disk shows when there is something, and
    /// is told with the warnings then.
    pub fn open_untried(folder: Option<PathBuf>) -> Result<(Self, Option<Unwritable>), StoreError> {
        let Some(folder) = folder else {
            return Self::open_or_memory(None);
        };
        match FileStore::open_to_write_later(folder.clone()) {
            Ok(store) => Ok((Self(Arc::new(UntriedStore::new(store))), None)),
            Err(error) => Self::in_memory(&folder, error),
        }
    }

    fn in_memory(
        folder: &Path,
        error: StoreError,
    ) -> Result<(Self, Option<Unwritable>), StoreError> {
        match error {
            StoreError::Folder { source, .. } => {
                let (store, unwritable) = instead_of(folder, source);
                Ok((Self(Arc::new(store)), Some(unwritable)))
            }
            error => Err(error),
        }
    }

    /// Waits up to `limit` for the right to take sign-ins over.
    pub async fn lock_imports(&self, limit: Duration) -> Result<ImportLock, LockError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(lock) = self.try_lock_imports()? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(LockError::Busy {
                    name: "sign-ins of mcp-remote".to_owned(),
                    waited: limit,
                });
            }
            let pause = POLL + POLL.mul_f32(rand::random());
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
        }
    }

    /// Waits up to `limit` for the right to change the tokens of `key`. `waiting` is called once,
    /// when it turns out that another process has it.
    pub async fn lock(
        &self,
        key: &ServerKey,
        limit: Duration,
        waiting: impl FnOnce(),
    ) -> Result<Lock, LockError> {
        let deadline = Instant::now() + limit;
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = self.try_lock(key)? {
                return Ok(lock);
            }
            if let Some(announce) = waiting.take() {
                announce();
            }
            if Instant::now() >= deadline {
                return Err(LockError::Busy {
                    name: key.to_string(),
                    waited: limit,
                });
            }
            let pause = POLL + POLL.mul_f32(rand::random());
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
        }
    }
}

//! The locks between processes: `<name>.lock` for the moments in which tokens change, and
//! `<name>.signin.lock` for as long as a person is in the browser.
//!
//! The system frees a lock when its holder ends, however it ends. The files are empty and never
//! deleted, since a name that was deleted and made anew would be two locks.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Warning;
use super::platform;
use super::tokens::Store;
use crate::ids::ServerKey;

/// How long a try waits for the next, at least; a random part of the same length is added, so that
/// many waiters do not move in step.
const POLL: Duration = Duration::from_millis(20);

/// The right to change the tokens of one name. Freed on drop and at the end of the process.
#[derive(Debug)]
pub struct Lock(Held);

/// The right to have a browser open for one name. Freed on drop and at the end of the process.
#[derive(Debug)]
pub struct SignInLock(Held);

#[derive(Debug)]
struct Held {
    key: ServerKey,
    /// `None` where the file system has no locks.
    file: Option<File>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // A child that is being started shares the open file until it runs its own program;
            // an explicit unlock frees the lock all the same. If it fails, closing does it.
            let _ = fs2::FileExt::unlock(file);
        }
    }
}

impl Lock {
    /// The name whose tokens this locks.
    pub fn key(&self) -> &ServerKey {
        &self.0.key
    }

    /// Whether other processes are really kept out.
    pub(super) fn is_exclusive(&self) -> bool {
        self.0.file.is_some()
    }
}

impl SignInLock {
    /// The name whose sign-in this locks.
    pub fn key(&self) -> &ServerKey {
        &self.0.key
    }

    /// Whether other processes are really kept out.
    pub(super) fn is_exclusive(&self) -> bool {
        self.0.file.is_some()
    }
}

/// Why a lock could not be had.
#[derive(Debug)]
pub enum LockError {
    /// Another process held it all the time.
    Busy {
        /// Whose lock.
        name: String,
        /// How long we tried.
        waited: Duration,
    },
    /// The lock file cannot be opened or locked.
    File {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl LockError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::Busy { .. } => {
                "end the other mcp-drawbridge that holds it, or wait until it is done".to_owned()
            }
            Self::File { source, .. } => super::error::hint_for(source),
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { name, waited } => write!(
                f,
                "another process has held the lock of `{name}` for {} s",
                waited.as_secs()
            ),
            Self::File { path, source } => {
                write!(f, "cannot lock `{}`: {source}", path.display())
            }
        }
    }
}

impl Error for LockError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Busy { .. } => None,
            Self::File { source, .. } => Some(source),
        }
    }
}

impl Store {
    /// Waits up to `limit` for the right to change the tokens of `key`. `waiting` is called once,
    /// when it turns out that another process has it.
    ///
    /// Where the file system has no locks, the lock is given all the same and a
    /// [`Warning::NoLocks`] is left.
    pub async fn lock(
        &self,
        key: &ServerKey,
        limit: Duration,
        waiting: impl FnOnce(),
    ) -> Result<Lock, LockError> {
        let path = self.path(key, "lock");
        let deadline = Instant::now() + limit;
        let mut waiting = Some(waiting);
        loop {
            if let Some(held) = self.try_hold(key, &path)? {
                return Ok(Lock(held));
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

    /// Takes the right to have a browser open for `key`, or says at once that another process has
    /// it. A waiter asks again until either the tokens have changed or the lock is free.
    pub fn try_lock_sign_in(&self, key: &ServerKey) -> Result<Option<SignInLock>, LockError> {
        let path = self.path(key, "signin.lock");
        Ok(self.try_hold(key, &path)?.map(SignInLock))
    }

    /// One try; `None` if another open file holds the lock.
    fn try_hold(&self, key: &ServerKey, path: &Path) -> Result<Option<Held>, LockError> {
        let failed = |source| LockError::File {
            path: path.to_owned(),
            source,
        };
        let held = |file| {
            Ok(Some(Held {
                key: key.clone(),
                file,
            }))
        };
        // Somebody may delete the folder under us; what was locked then is no longer what others
        // lock, and the file is opened anew. Twice is bad luck, more is something else.
        for _ in 0..3 {
            let file = self.open_lock_file(path).map_err(failed)?;
            // By its full name: std's `File` has methods of the same names.
            match fs2::FileExt::try_lock_exclusive(&file) {
                Ok(()) if platform::same_file(&file, path) => return held(Some(file)),
                Ok(()) => {}
                Err(error) if is_contended(&error) => return Ok(None),
                Err(error) if platform::has_no_locks(&error) => {
                    self.warn(Warning::NoLocks {
                        folder: self.folder().to_owned(),
                    });
                    return held(None);
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::other("the file keeps being deleted")))
    }

    fn open_lock_file(&self, path: &Path) -> io::Result<File> {
        match platform::open_lock(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                platform::create_folder(self.folder())?;
                platform::open_lock(path)
            }
            other => other,
        }
    }
}

/// Compared by number: on Windows a held lock has no [`io::ErrorKind`] of its own.
fn is_contended(error: &io::Error) -> bool {
    error.raw_os_error() == fs2::lock_contended_error().raw_os_error()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn store() -> (tempfile::TempDir, Store, ServerKey) {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(folder.path().join("cache")).expect("store");
        (folder, store, ServerKey::from_name("work").expect("name"))
    }

    /// What another process has: its own open file on the same name, locked.
    fn foreign(store: &Store, file: &str) -> File {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(store.folder().join(file))
            .expect("open");
        fs2::FileExt::lock_exclusive(&file).expect("lock");
        file
    }

    #[tokio::test]
    async fn waiter_announces_once_and_gets_the_lock_when_it_falls_free() {
        let (_folder, store, key) = store();
        let other = Cell::new(Some(foreign(&store, "work.lock")));
        let announced = Cell::new(0);
        let lock = store
            .lock(&key, Duration::from_secs(60), || {
                announced.set(announced.get() + 1);
                drop(other.take());
            })
            .await
            .expect("lock");
        assert_eq!(lock.key(), &key);
        assert!(lock.is_exclusive());
        assert_eq!(announced.get(), 1);
    }

    #[tokio::test]
    async fn lock_that_stays_held_ends_in_an_error_with_a_hint() {
        let (_folder, store, key) = store();
        let _first = store
            .lock(&key, Duration::ZERO, || ())
            .await
            .expect("first");
        let error = store
            .lock(&key, Duration::ZERO, || ())
            .await
            .expect_err("held");
        assert!(matches!(error, LockError::Busy { .. }));
        assert_eq!(
            error.to_string(),
            "another process has held the lock of `work` for 0 s"
        );
        assert!(error.hint().contains("end the other mcp-drawbridge"));
    }

    #[tokio::test]
    async fn dropped_lock_is_free_at_once() {
        let (_folder, store, key) = store();
        for _ in 0..3 {
            drop(
                store
                    .lock(&key, Duration::ZERO, || ())
                    .await
                    .expect("free again"),
            );
        }
    }

    #[tokio::test]
    async fn two_names_and_two_purposes_do_not_wait_for_each_other() {
        let (_folder, store, key) = store();
        let other = ServerKey::from_name("home").expect("name");
        let _work = store.lock(&key, Duration::ZERO, || ()).await.expect("work");
        let _home = store
            .lock(&other, Duration::ZERO, || ())
            .await
            .expect("home");
        let _browser = store.try_lock_sign_in(&key).expect("try").expect("free");
    }

    #[test]
    fn sign_in_lock_held_elsewhere_says_so_at_once_and_passes_on_when_freed() {
        let (_folder, store, key) = store();
        let other = foreign(&store, "work.signin.lock");
        assert!(store.try_lock_sign_in(&key).expect("try").is_none());
        drop(other);
        let lock = store.try_lock_sign_in(&key).expect("try").expect("free");
        assert_eq!(lock.key(), &key);
    }

    #[tokio::test]
    async fn folder_deleted_meanwhile_is_made_again() {
        let (_folder, store, key) = store();
        std::fs::remove_dir_all(store.folder()).expect("remove");
        store.lock(&key, Duration::ZERO, || ()).await.expect("lock");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn file_made_anew_is_not_the_one_that_was_opened() {
        let (_folder, store, key) = store();
        let path = store.folder().join("work.lock");
        let stale = platform::open_lock(&path).expect("open");
        std::fs::remove_file(&path).expect("remove");
        assert!(!platform::same_file(&stale, &path));
        let _lock = store.lock(&key, Duration::ZERO, || ()).await.expect("lock");
        assert!(!platform::same_file(&stale, &path));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn link_in_place_of_the_lock_file_is_refused() {
        let (folder, store, key) = store();
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, store.folder().join("work.lock")).expect("link");
        let error = store
            .lock(&key, Duration::ZERO, || ())
            .await
            .expect_err("link");
        assert!(matches!(error, LockError::File { .. }));
        assert!(!target.exists());
    }
}

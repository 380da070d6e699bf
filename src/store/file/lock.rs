//! The locks between processes: `<name>.lock` for the moments in which tokens change, and
//! `<name>.signin.lock` for as long as a person is in the browser.
//!
//! The system frees a lock when its holder ends, however it ends. The files are empty and never
//! deleted, since a name that was deleted and made anew would be two locks.

use std::fs::File;
use std::io;
use std::path::Path;

use super::super::error::Warning;
use super::super::lock::{Hold, HostsLock, Lock, LockError, SignInLock};
use super::super::platform;
use super::FileStore;
use crate::ids::ServerKey;

impl FileStore {
    pub(super) fn try_lock_file(&self, key: &ServerKey) -> Result<Option<Lock>, LockError> {
        let hold = self.try_hold(&self.path(key, "lock"))?;
        Ok(hold.map(|hold| Lock::new(key.clone(), hold)))
    }

    pub(super) fn try_lock_sign_in_file(
        &self,
        key: &ServerKey,
    ) -> Result<Option<SignInLock>, LockError> {
        let hold = self.try_hold(&self.path(key, "signin.lock"))?;
        Ok(hold.map(|hold| SignInLock::new(key.clone(), hold)))
    }

    /// One try for the right to change files of other programs; `None` if another process has it.
    /// No sign-in's file is called like this one's: no name begins with a point.
    pub fn try_lock_hosts(&self) -> Result<Option<HostsLock>, LockError> {
        let hold = self.try_hold(&self.folder.join(".hosts.lock"))?;
        Ok(hold.map(HostsLock))
    }

    /// One try; `None` if another open file holds the lock.
    pub(super) fn try_hold(&self, path: &Path) -> Result<Option<Hold>, LockError> {
        let failed = |source| LockError::File {
            path: path.to_owned(),
            source,
        };
        // Somebody may delete the folder under us; what was locked then is no longer what others
        // lock, and the file is opened anew. Twice is bad luck, more is something else.
        for _ in 0..3 {
            let file = self.open_lock_file(path).map_err(failed)?;
            // By its full name: std's `File` has methods of the same names.
            match fs2::FileExt::try_lock_exclusive(&file) {
                Ok(()) if platform::same_file(&file, path) => {
                    return Ok(Some(Hold::File(file)));
                }
                Ok(()) => {}
                Err(error) if is_contended(&error) => return Ok(None),
                Err(error) if platform::has_no_locks(&error) => {
                    self.warn(Warning::NoLocks {
                        folder: self.folder.clone(),
                    });
                    return Ok(Some(Hold::Nothing));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::other("the file keeps being deleted")))
    }

    fn open_lock_file(&self, path: &Path) -> io::Result<File> {
        match platform::open_lock(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                platform::create_folder(&self.folder)?;
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
    use std::time::Duration;

    use super::super::super::Store;
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
    fn files_of_other_programs_are_changed_by_one_process_whatever_sign_ins_are_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::open(folder.path().join("cache")).expect("a store");
        let hosts = store.try_lock_hosts().expect("try").expect("free");
        assert!(store.try_lock_hosts().expect("try").is_none());
        let key = ServerKey::from_name("hosts").expect("a name");
        assert!(store.try_lock_file(&key).expect("try").is_some());
        drop(hosts);
        assert!(store.try_lock_hosts().expect("try").is_some());
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

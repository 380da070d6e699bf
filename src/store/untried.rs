//! [`UntriedStore`]: files, of which it turns out when something is to be written whether any can be.
//!
//! To find out, as much as a sign-in takes is written, which most starts have no use for: what they
//! need is there.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::error::{StoreError, Warning, Warnings};
use super::file::{FileStore, Stamp};
use super::lock::{ImportLock, Lock, LockError, SignInLock};
use super::memory::MemoryStore;
use super::{Cached, TokenStore};
use crate::compat::import::Ledger;
use crate::ids::ServerKey;
use crate::oauth::invitation::Open;
use crate::oauth::sign_in::SignIn;

/// Files, or memory from when it turned out that nothing can be written.
#[derive(Debug)]
pub(super) struct UntriedStore {
    files: FileStore,
    /// What takes the place of the files, if anything does; empty until it was tried.
    instead: OnceLock<Option<MemoryStore>>,
    warnings: Warnings,
}

impl UntriedStore {
    pub(super) fn new(files: FileStore) -> Self {
        Self {
            files,
            instead: OnceLock::new(),
            warnings: Warnings::default(),
        }
    }

    /// For who only looks.
    fn now(&self) -> &dyn TokenStore {
        match self.instead.get() {
            Some(Some(memory)) => memory,
            Some(None) | None => &self.files,
        }
    }

    /// For who is about to write. Every lock is taken here, so that who holds one has it of the store
    /// that he writes to.
    fn tried(&self) -> &dyn TokenStore {
        self.instead.get_or_init(|| {
            let why = self.files.try_writing().err()?;
            let (memory, unwritable) = super::instead_of(self.files.folder(), why);
            let what = unwritable.to_string();
            self.warnings.add(Warning::Unwritable { what });
            Some(memory)
        });
        self.now()
    }
}

impl TokenStore for UntriedStore {
    fn folder(&self) -> &Path {
        self.files.folder()
    }

    fn token_file(&self, key: &ServerKey) -> PathBuf {
        self.now().token_file(key)
    }

    fn take_warnings(&self) -> Vec<Warning> {
        let mut warnings = self.warnings.take();
        warnings.extend(self.now().take_warnings());
        warnings
    }

    fn read(&self, key: &ServerKey) -> Result<Cached, StoreError> {
        self.now().read(key)
    }

    fn stamp(&self, key: &ServerKey) -> Option<Stamp> {
        self.now().stamp(key)
    }

    fn write(&self, lock: &Lock, sign_in: &SignIn) -> Result<(), StoreError> {
        self.tried().write(lock, sign_in)
    }

    fn remove(&self, lock: &Lock) -> Result<(), StoreError> {
        self.tried().remove(lock)
    }

    fn list(&self) -> Result<Vec<ServerKey>, StoreError> {
        self.now().list()
    }

    fn try_lock(&self, key: &ServerKey) -> Result<Option<Lock>, LockError> {
        self.tried().try_lock(key)
    }

    fn try_lock_sign_in(&self, key: &ServerKey) -> Result<Option<SignInLock>, LockError> {
        self.tried().try_lock_sign_in(key)
    }

    fn read_attempt(&self, lock: &SignInLock) -> Result<Option<Open>, StoreError> {
        self.tried().read_attempt(lock)
    }

    fn peek_attempt(&self, key: &ServerKey) -> Option<Open> {
        self.now().peek_attempt(key)
    }

    fn write_attempt(&self, lock: &SignInLock, open: &Open) -> Result<(), StoreError> {
        self.tried().write_attempt(lock, open)
    }

    fn is_kept(&self) -> bool {
        self.tried().is_kept()
    }

    fn try_lock_imports(&self) -> Result<Option<ImportLock>, LockError> {
        self.tried().try_lock_imports()
    }

    fn read_ledger(&self) -> Result<Ledger, StoreError> {
        self.now().read_ledger()
    }

    fn write_ledger(&self, lock: &ImportLock, ledger: &Ledger) -> Result<(), StoreError> {
        self.tried().write_ledger(lock, ledger)
    }

    fn remove_attempt(&self, lock: &SignInLock) -> Result<(), StoreError> {
        self.tried().remove_attempt(lock)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::super::Store;
    use super::*;

    fn key() -> ServerKey {
        ServerKey::from_name("work").expect("a name")
    }

    /// A store in a folder, and what makes it impossible to write there, for root as well.
    fn scene() -> (TempDir, Store, impl Fn()) {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("cache");
        let (store, unwritable) = Store::open_untried(Some(folder.clone())).expect("a store");
        assert!(unwritable.is_none());
        let block = move || {
            fs::remove_dir_all(&folder).expect("it was there");
            fs::write(&folder, "").expect("a file in its place");
        };
        (parent, store, block)
    }

    #[test]
    fn where_nothing_can_be_written_after_all_memory_is_used_and_the_reason_told_once() {
        let (_parent, store, block) = scene();
        block();
        assert_eq!(store.take_warnings(), []);
        let lock = store.try_lock(&key()).expect("a lock").expect("it is free");
        let told = store.take_warnings();
        let [Warning::Unwritable { what }] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(what.contains("kept in memory and end with"), "{what}");
        store.write(&lock, &SignIn::default()).expect("it is kept");
        let kept = Cached::Present(Box::default());
        assert_eq!(store.read(&key()).expect("it is read"), kept);
        assert!(!store.is_kept());
        assert!(store.try_lock_sign_in(&key()).expect("a lock").is_some());
        assert_eq!(store.take_warnings(), []);
    }

    #[test]
    fn whoever_only_reads_is_told_nothing() {
        let (_parent, store, block) = scene();
        block();
        assert!(store.stamp(&key()).is_none());
        assert!(store.peek_attempt(&key()).is_none());
        assert!(store.read(&key()).is_err());
        assert_eq!(store.take_warnings(), []);
    }

    #[test]
    fn where_something_can_be_written_it_is() {
        let (parent, store, _) = scene();
        let lock = store.try_lock(&key()).expect("a lock").expect("it is free");
        store.write(&lock, &SignIn::default()).expect("it is kept");
        assert!(store.is_kept());
        let file = parent.path().join("cache").join("work.token.json");
        assert!(file.exists());
        assert_eq!(store.take_warnings(), []);
    }

    #[test]
    fn a_folder_that_was_deleted_is_made_again() {
        let (parent, store, _) = scene();
        fs::remove_dir(parent.path().join("cache")).expect("it is empty");
        assert!(store.is_kept());
        assert_eq!(store.take_warnings(), []);
    }
}

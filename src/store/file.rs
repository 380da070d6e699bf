//! [`FileStore`]: reads and replaces the files of the cache, privately and as a whole.

mod attempt;
mod ledger;
mod lock;
mod server;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::error::{StoreError, Warning, Warnings};
use super::lock::{ImportLock, Lock, LockError, SignInLock};
use super::wire::{Fault, Wire};
use super::{Cached, TokenStore, platform};
use crate::compat::import::Ledger;
use crate::ids::ServerKey;
use crate::oauth::invitation::Open;
use crate::oauth::sign_in::SignIn;

/// Largest file that is taken for one of ours, in bytes.
const SIZE_LIMIT: u64 = 1 << 20;

/// Age from which a temporary file is a leftover even where no lock proves it.
const LEFTOVER_AGE: Duration = Duration::from_secs(60 * 60);

/// So many bytes are written to see whether any can be: what a sign-in takes, roughly.
const PROBE_LENGTH: usize = 4096;

/// The folder of the cache. Clones share what was warned of.
///
/// Its calls touch the disk and take microseconds to read and about a millisecond to write.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
    /// Nothing is changed, not even who may read it.
    only_read: bool,
    warnings: Arc<Warnings>,
}

/// One state of a file: whoever puts another in its place leaves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    number: u64,
    length: u64,
    modified: SystemTime,
}

/// What stands in a file.
enum Content {
    Absent,
    /// There is something, but not a file of ours.
    Unusable(&'static str),
    Bytes(Zeroizing<Vec<u8>>),
}

impl FileStore {
    /// Opens the cache in `folder`, which is created for the user alone if it is not there, and
    /// made private if others can look into it.
    pub fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let store = Self::at(folder, false);
        let found = store.create()?;
        store.ensure_private(&store.folder, &found)?;
        Ok(store)
    }

    /// The same, and makes sure that something can be written there.
    pub(super) fn open_to_write(folder: PathBuf) -> Result<Self, StoreError> {
        let store = Self::at(folder, false);
        let found = store.create()?;
        store
            .try_writing()
            .map_err(|source| store.unusable(source))?;
        store.ensure_private(&store.folder, &found)?;
        Ok(store)
    }

    /// The same as far as can be told without writing: [`Self::try_writing`] tells the rest.
    pub(super) fn open_to_write_later(folder: PathBuf) -> Result<Self, StoreError> {
        let store = Self::at(folder, false);
        let found = store.create()?;
        platform::may_write(&store.folder).map_err(|source| store.unusable(source))?;
        store.ensure_private(&store.folder, &found)?;
        Ok(store)
    }

    /// Opens a cache in which nothing can be written; `None` if nothing can be read either. Links
    /// are followed there, as volumes of secrets consist of them.
    pub(super) fn open_to_read(folder: PathBuf) -> Option<Self> {
        let store = Self::at(folder, true);
        store.list().ok().map(|_| store)
    }

    fn at(folder: PathBuf, only_read: bool) -> Self {
        Self {
            folder,
            only_read,
            warnings: Arc::default(),
        }
    }

    fn create(&self) -> Result<fs::Metadata, StoreError> {
        let there = fs::metadata(&self.folder).ok();
        if let Some(found) = there.filter(fs::Metadata::is_dir) {
            return Ok(found);
        }
        let created = platform::create_folder(&self.folder);
        created
            .and_then(|()| fs::metadata(&self.folder))
            .map_err(|source| self.unusable(source))
    }

    /// Writes as much as a sign-in takes: a full disk still takes empty files.
    pub(super) fn try_writing(&self) -> io::Result<()> {
        // Somebody may have deleted the folder since it was opened.
        platform::create_folder(&self.folder)?;
        // It has no name where the system allows that, so that a kill leaves nothing.
        let mut file = tempfile::tempfile_in(&self.folder)?;
        file.write_all(&[b' '; PROBE_LENGTH])
    }

    fn unusable(&self, source: io::Error) -> StoreError {
        let path = self.folder.clone();
        StoreError::Folder { path, source }
    }

    /// A name for what is to replace `path`.
    fn temporary(&self, path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:016x}.tmp", rand::random::<u64>()));
        PathBuf::from(name)
    }

    fn path(&self, key: &ServerKey, kind: &str) -> PathBuf {
        self.folder.join(format!("{key}.{kind}"))
    }

    fn warn(&self, warning: Warning) {
        self.warnings.add(warning);
    }

    /// The file that is about to be replaced, as far as it can be understood; an error if a later
    /// version wrote it.
    fn replaceable(&self, path: &Path) -> Result<Option<Wire>, StoreError> {
        let Content::Bytes(bytes) = self.content(path)? else {
            return Ok(None);
        };
        match Wire::parse(&bytes) {
            Ok(wire) => Ok(Some(wire)),
            Err(Fault::Newer(version)) => Err(StoreError::Newer {
                path: path.to_owned(),
                version,
            }),
            Err(_) => Ok(None),
        }
    }

    /// What is there.
    fn found(&self, path: &Path) -> io::Result<fs::Metadata> {
        match self.only_read {
            true => fs::metadata(path),
            false => fs::symlink_metadata(path),
        }
    }

    /// The state of a file before it is read; `None` if there is none, or the system cannot tell.
    fn stamp_of(&self, path: &Path) -> Option<Stamp> {
        let found = self.found(path).ok()?;
        Some(Stamp {
            number: platform::number(&found),
            length: found.len(),
            modified: found.modified().ok()?,
        })
    }

    /// Reads a file of ours. Links are not followed: we never make one, and repairing the mode
    /// would reach somebody else's file.
    fn content(&self, path: &Path) -> Result<Content, StoreError> {
        let failed = |source| StoreError::Read {
            path: path.to_owned(),
            source,
        };
        let found = match self.found(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            other => other.map_err(failed)?,
        };
        if found.is_symlink() {
            return Ok(Content::Unusable("it is a symbolic link"));
        }
        if !found.is_file() {
            return Ok(Content::Unusable("it is not a regular file"));
        }
        if found.len() > SIZE_LIMIT {
            return Ok(Content::Unusable("it is larger than 1 MiB"));
        }
        self.ensure_private(path, &found)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(found.len() as usize + 1));
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            other => other
                .and_then(|file| file.take(SIZE_LIMIT).read_to_end(&mut bytes))
                .map_err(failed)?,
        };
        Ok(Content::Bytes(bytes))
    }

    /// Takes other users' rights away, if they have any.
    fn ensure_private(&self, path: &Path, found: &fs::Metadata) -> Result<(), StoreError> {
        let Some(mode) = platform::exposure(found) else {
            return Ok(());
        };
        let path = path.to_owned();
        if self.only_read {
            self.warn(Warning::Exposed { path, mode });
            return Ok(());
        }
        if platform::is_shared(found) {
            // Root could, and would take it from everybody.
            let source = io::Error::other("it is a folder for all users");
            return Err(StoreError::Exposed { path, mode, source });
        }
        let repaired = platform::make_private(&path, found).and_then(|()| fs::metadata(&path));
        match repaired {
            Ok(now) if platform::exposure(&now).is_none() => {
                self.warn(Warning::Repaired { path, mode });
            }
            Ok(_) => self.warn(Warning::Exposed { path, mode }),
            Err(source) => return Err(StoreError::Exposed { path, mode, source }),
        }
        Ok(())
    }

    /// Puts `bytes` in the place of the file at `path`: whoever reads sees the old or the new, whatever
    /// happens to the machine from now on.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path, bytes, true)?;
        let failed = |source| StoreError::Write {
            path: path.to_owned(),
            source,
        };
        platform::sync_folder(&self.folder).map_err(failed)
    }

    /// The same for what may be lost with the machine's power, which saves waiting for the disk.
    fn replace_hint(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path, bytes, false)
    }

    fn put(&self, path: &Path, bytes: &[u8], synced: bool) -> Result<(), StoreError> {
        let failed = |source| StoreError::Write {
            path: path.to_owned(),
            source,
        };
        let temporary = self.temporary(path);
        let written = create(&temporary, bytes, synced)
            .and_then(|()| platform::replace(&temporary, path))
            .map_err(failed);
        if written.is_err() {
            // It may not exist at all; what is left otherwise is swept by the next write.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn delete(&self, path: &Path) -> Result<(), StoreError> {
        let failed = |source| StoreError::Write {
            path: path.to_owned(),
            source,
        };
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(()) => platform::sync_folder(&self.folder).map_err(failed),
        }
    }

    /// Deletes what killed writers of `path` left. Under the lock every temporary file is one of
    /// those; without it only an old one is. Failing is no harm: the next write tries again.
    fn sweep(&self, path: &Path, exclusive: bool) {
        let Some(target) = path.file_name().and_then(|name| name.to_str()) else {
            return;
        };
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let leftover = name.to_str().is_some_and(|name| is_temporary(name, target))
                && (exclusive || is_old(&entry));
            if leftover {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl TokenStore for FileStore {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn token_file(&self, key: &ServerKey) -> PathBuf {
        self.path(key, "token.json")
    }

    fn take_warnings(&self) -> Vec<Warning> {
        self.warnings.take()
    }

    fn stamp(&self, key: &ServerKey) -> Option<Stamp> {
        self.stamp_of(&self.token_file(key))
    }

    fn read(&self, key: &ServerKey) -> Result<Cached, StoreError> {
        let unreadable = |reason| Cached::Unreadable { reason };
        let bytes = match self.content(&self.token_file(key))? {
            Content::Absent => return Ok(Cached::Absent),
            Content::Unusable(reason) => return Ok(unreadable(reason.to_owned())),
            Content::Bytes(bytes) => bytes,
        };
        let parsed = Wire::parse(&bytes).and_then(|wire| {
            let had_tokens = wire.has_tokens();
            let sign_in = SignIn::try_from(wire)?;
            if had_tokens && sign_in.grant.is_none() {
                self.warnings.add(Warning::KeyLost {
                    path: self.token_file(key),
                });
            }
            Ok(sign_in)
        });
        Ok(match parsed {
            Ok(sign_in) => Cached::Present(Box::new(sign_in)),
            Err(Fault::Newer(version)) => Cached::Newer { version },
            Err(fault) => unreadable(fault.to_string()),
        })
    }

    fn write(&self, lock: &Lock, sign_in: &SignIn) -> Result<(), StoreError> {
        let path = self.token_file(lock.key());
        let mut wire = Wire::from(sign_in);
        if let Some(older) = self.replaceable(&path)? {
            wire.keep_unknown(older);
        }
        self.sweep(&path, lock.is_exclusive());
        self.replace(&path, &wire.to_bytes())
    }

    fn remove(&self, lock: &Lock) -> Result<(), StoreError> {
        let path = self.token_file(lock.key());
        self.replaceable(&path)?;
        self.remove_server(lock.key())?;
        self.sweep(&path, lock.is_exclusive());
        self.delete(&path)
    }

    fn list(&self) -> Result<Vec<ServerKey>, StoreError> {
        let failed = |source| self.unusable(source);
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let key = name
                .to_str()
                .and_then(|name| name.strip_suffix(".token.json"))
                .and_then(|name| ServerKey::from_cached(name).ok());
            keys.extend(key);
        }
        keys.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(keys)
    }

    fn try_lock(&self, key: &ServerKey) -> Result<Option<Lock>, LockError> {
        self.try_lock_file(key)
    }

    fn try_lock_sign_in(&self, key: &ServerKey) -> Result<Option<SignInLock>, LockError> {
        self.try_lock_sign_in_file(key)
    }

    fn read_attempt(&self, lock: &SignInLock) -> Result<Option<Open>, StoreError> {
        self.read_attempt_file(lock)
    }

    fn peek_attempt(&self, key: &ServerKey) -> Option<Open> {
        self.peek_attempt_file(key)
    }

    fn write_attempt(&self, lock: &SignInLock, open: &Open) -> Result<(), StoreError> {
        self.write_attempt_file(lock, open)
    }

    fn is_kept(&self) -> bool {
        true
    }

    fn try_lock_imports(&self) -> Result<Option<ImportLock>, LockError> {
        self.try_lock_imports_file()
    }

    fn read_ledger(&self) -> Result<Ledger, StoreError> {
        self.read_ledger_file()
    }

    fn write_ledger(&self, _lock: &ImportLock, ledger: &Ledger) -> Result<(), StoreError> {
        self.write_ledger_file(ledger)
    }

    fn remove_attempt(&self, lock: &SignInLock) -> Result<(), StoreError> {
        self.remove_attempt_file(lock)
    }
}

fn create(path: &Path, bytes: &[u8], synced: bool) -> io::Result<()> {
    let mut file = match platform::create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Somebody deleted the folder while the program ran.
            platform::create_folder(path.parent().unwrap_or(path))?;
            platform::create_private(path)?
        }
        other => other?,
    };
    file.write_all(bytes)?;
    match synced {
        true => file.sync_all(),
        false => Ok(()),
    }
}

/// Whether `name` is a temporary file of `target`, and not of a name that begins like it.
fn is_temporary(name: &str, target: &str) -> bool {
    name.strip_prefix(target)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(".tmp"))
        .is_some_and(|random| random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|found| found.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFTOVER_AGE))
}

#[cfg(test)]
mod tests;

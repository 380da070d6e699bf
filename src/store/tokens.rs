//! [`Store`]: reads and replaces the files of the cache, privately and as a whole.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::{StoreError, Warning};
use super::lock::Lock;
use super::platform;
use super::wire::{Fault, Wire};
use crate::ids::ServerKey;
use crate::oauth::sign_in::SignIn;

/// Largest file that is taken for one of ours, in bytes.
const SIZE_LIMIT: u64 = 1 << 20;

/// Age from which a temporary file is a leftover even where no lock proves it.
const LEFTOVER_AGE: Duration = Duration::from_secs(60 * 60);

/// The folder of the cache. Clones share what was warned of.
///
/// Its calls touch the disk and take microseconds to read and about a millisecond to write.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    warnings: Arc<Mutex<Warnings>>,
}

#[derive(Debug, Default)]
struct Warnings {
    untold: Vec<Warning>,
    known: HashSet<Warning>,
}

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

/// What stands in a file.
pub(super) enum Content {
    Absent,
    /// There is something, but not a file of ours.
    Unusable(&'static str),
    Bytes(Zeroizing<Vec<u8>>),
}

impl Store {
    /// Opens the cache in `folder`, which is created for the user alone if it is not there, and
    /// made private if others can look into it.
    pub fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let store = Self {
            folder,
            warnings: Arc::default(),
        };
        let failed = |source| StoreError::Folder {
            path: store.folder.clone(),
            source,
        };
        platform::create_folder(&store.folder).map_err(failed)?;
        let found = fs::metadata(&store.folder).map_err(failed)?;
        store.ensure_private(&store.folder, &found)?;
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the tokens of `key` stand, for messages.
    pub fn token_file(&self, key: &ServerKey) -> PathBuf {
        self.path(key, "token.json")
    }

    /// The warnings that came up since the last call.
    pub fn take_warnings(&self) -> Vec<Warning> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut warnings.untold)
    }

    /// What is known about `key`. Takes no lock; whoever is about to spend something reads again
    /// under it.
    pub fn read(&self, key: &ServerKey) -> Result<Cached, StoreError> {
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
                self.warn(Warning::KeyLost {
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

    /// Replaces what is known about the locked name. When this returns, it is on the disk. What the
    /// file held beyond what we know is kept; a file that could not be read is replaced.
    pub fn write(&self, lock: &Lock, sign_in: &SignIn) -> Result<(), StoreError> {
        let path = self.token_file(lock.key());
        let mut wire = Wire::from(sign_in);
        if let Some(older) = self.replaceable(&path)? {
            wire.keep_unknown(older);
        }
        self.sweep(&path, lock.is_exclusive());
        self.replace(&path, &wire.to_bytes())
    }

    /// Forgets the locked name: tokens, clients and all.
    pub fn remove(&self, lock: &Lock) -> Result<(), StoreError> {
        let path = self.token_file(lock.key());
        self.replaceable(&path)?;
        self.remove_server(lock.key())?;
        self.sweep(&path, lock.is_exclusive());
        self.delete(&path)
    }

    /// Every name that something is known about, sorted.
    pub fn list(&self) -> Result<Vec<ServerKey>, StoreError> {
        let failed = |source| StoreError::Folder {
            path: self.folder.clone(),
            source,
        };
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

    pub(super) fn path(&self, key: &ServerKey, kind: &str) -> PathBuf {
        self.folder.join(format!("{key}.{kind}"))
    }

    pub(super) fn warn(&self, warning: Warning) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.known.insert(warning.clone()) {
            warnings.untold.push(warning);
        }
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

    /// Reads a file of ours. Links are not followed: we never make one, and repairing the mode
    /// would reach somebody else's file.
    pub(super) fn content(&self, path: &Path) -> Result<Content, StoreError> {
        let failed = |source| StoreError::Read {
            path: path.to_owned(),
            source,
        };
        let found = match fs::symlink_metadata(path) {
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

    /// Puts `bytes` in the place of the file at `path`: whoever reads sees the old or the new.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = |source| StoreError::Write {
            path: path.to_owned(),
            source,
        };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:016x}.tmp", rand::random::<u64>()));
        let temporary = PathBuf::from(name);
        let written = write_synced(&temporary, bytes)
            .and_then(|()| platform::replace(&temporary, path))
            .map_err(failed);
        if written.is_err() {
            // It may not exist at all; what is left otherwise is swept by the next write.
            let _ = fs::remove_file(&temporary);
            return written;
        }
        platform::sync_folder(&self.folder).map_err(failed)
    }

    pub(super) fn delete(&self, path: &Path) -> Result<(), StoreError> {
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
    pub(super) fn sweep(&self, path: &Path, exclusive: bool) {
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

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = match platform::create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Somebody deleted the folder while the program ran.
            platform::create_folder(path.parent().unwrap_or(path))?;
            platform::create_private(path)?
        }
        other => other?,
    };
    file.write_all(bytes)?;
    file.sync_all()
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

//! The locks: one for the moments in which tokens change, and one for as long as a person is in the
//! browser. How they are had is up to each kind of store.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::memory::Turn;
use crate::ids::ServerKey;

/// The right to change the tokens of one name. Freed on drop and at the end of the process.
#[derive(Debug)]
pub struct Lock(Held);

/// The right to have a browser open for one name. Freed on drop and at the end of the process.
#[derive(Debug)]
pub struct SignInLock(Held);

/// The right to change files of other programs, which hosts' configuration is.
#[derive(Debug)]
pub struct HostsLock(#[allow(dead_code, reason = "freed on drop")] pub(super) Hold);

/// The right to take sign-ins over from other programs, one after the other whatever their names.
#[derive(Debug)]
pub struct ImportLock(#[allow(dead_code, reason = "freed on drop")] pub(super) Hold);

#[derive(Debug)]
struct Held {
    key: ServerKey,
    hold: Hold,
}

/// What keeps others out.
#[derive(Debug)]
pub(super) enum Hold {
    /// A locked file.
    File(File),
    /// A note in this process.
    Memory(#[allow(dead_code, reason = "freed on drop")] Turn),
    /// Nothing: the file system has no locks.
    Nothing,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Self::File(file) = self {
            // A child that is being started shares the open file until it runs its own program;
            // an explicit unlock frees the lock all the same. If it fails, closing does it.
            let _ = fs2::FileExt::unlock(file);
        }
    }
}

impl Lock {
    pub(super) fn new(key: ServerKey, hold: Hold) -> Self {
        Self(Held { key, hold })
    }

    /// The name whose tokens this locks.
    pub fn key(&self) -> &ServerKey {
        &self.0.key
    }

    /// Whether others are really kept out.
    pub(super) fn is_exclusive(&self) -> bool {
        !matches!(self.0.hold, Hold::Nothing)
    }
}

impl SignInLock {
    pub(super) fn new(key: ServerKey, hold: Hold) -> Self {
        Self(Held { key, hold })
    }

    /// The name whose sign-in this locks.
    pub fn key(&self) -> &ServerKey {
        &self.0.key
    }

    /// Whether others are really kept out.
    pub(super) fn is_exclusive(&self) -> bool {
        !matches!(self.0.hold, Hold::Nothing)
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

//! What can go wrong with the cache, what the user should know, and what to do.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Something the user should know and that stops nothing. Each is reported once in a process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Warning {
    /// Others could read it; now they cannot, but they may have.
    Repaired {
        /// The file or folder.
        path: PathBuf,
        /// The mode it had.
        mode: u32,
    },
    /// Others can read it, and this file system cannot tell users apart.
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// The mode it has.
        mode: u32,
    },
    /// Nothing can be written, which showed when something was to be.
    Unwritable {
        /// What is to be told, as [`Unwritable`] says it.
        what: String,
    },
    /// This file system has no locks, so processes may sign in or refresh at the same time.
    NoLocks {
        /// The folder.
        folder: PathBuf,
    },
    /// A refresh token was spent that stands in a file, and the next one could not be written there.
    Spent {
        /// The file.
        path: PathBuf,
    },
    /// The key is lost that the tokens are bound to (RFC 9449), so they are worth nothing.
    KeyLost {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repaired { path, mode } => write!(
                f,
                "other users could read `{}` (mode {mode:03o}); repaired, but sign out and in again if you do not trust them",
                path.display()
            ),
            Self::Exposed { path, mode } => write!(
                f,
                "other users can read `{}` (mode {mode:03o}), and its file system cannot prevent that; set MCP_DRAWBRIDGE_DIR to a folder on another",
                path.display()
            ),
            Self::NoLocks { folder } => write!(
                f,
                "the file system of `{}` has no locks, so bridges that start together may each ask you to sign in; set MCP_DRAWBRIDGE_DIR to a folder on another",
                folder.display()
            ),
            Self::Unwritable { what } => f.write_str(what),
            Self::KeyLost { path } => write!(
                f,
                "`{}` has lost the key that its tokens are bound to, so they cannot be used; signing in anew replaces them",
                path.display()
            ),
            Self::Spent { path } => write!(
                f,
                "the refresh token in `{}` has been spent, and the one that follows it cannot be written there: this program goes on with it in memory, but the file is of no more use to others and to the next start",
                path.display()
            ),
        }
    }
}

/// Warnings of one store, each given once.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    untold: Vec<Warning>,
    known: HashSet<Warning>,
}

impl Warnings {
    pub fn add(&self, warning: Warning) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.known.insert(warning.clone()) {
            lists.untold.push(warning);
        }
    }

    pub fn take(&self) -> Vec<Warning> {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut lists.untold)
    }
}

/// Why sign-ins are kept in memory.
#[derive(Clone, Debug)]
pub enum Unwritable {
    /// The system names no folder for a user's data, as where there is no home.
    NoFolder,
    /// Nothing can be written to the folder.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
        /// Whether what stands there can be read.
        is_read: bool,
    },
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFolder => write!(
                f,
                "this system names no folder for a user's data, so sign-ins are kept in memory and end with this program; set MCP_DRAWBRIDGE_DIR to a folder to keep them"
            ),
            Self::Folder {
                path,
                source,
                is_read,
            } => {
                let what = match is_read {
                    true => {
                        "what is there is used, but new tokens are kept in memory and end with this program"
                    }
                    false => "sign-ins are kept in memory and end with this program",
                };
                write!(
                    f,
                    "nothing can be written to `{}` ({source}), so {what}; to keep them, {}",
                    path.display(),
                    hint_for(source)
                )
            }
        }
    }
}

/// Why the cache cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// The system names no folder for a user's data, as where there is no home.
    NoFolder,
    /// The folder cannot be made or looked at.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it and it cannot be made private.
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// The mode it has.
        mode: u32,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be replaced or deleted; it stands as it was.
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The record of what was taken over from other programs cannot be used; it stands as it was.
    Ledger {
        /// The file.
        path: PathBuf,
        /// Why, to be read after "cannot be used:"; quotes nothing from the file.
        reason: String,
    },
    /// The file has the format of a later version of this program; it stands as it was.
    Newer {
        /// The file.
        path: PathBuf,
        /// The number of that format.
        version: u64,
    },
}

impl StoreError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder { source, .. }
            | Self::Read { source, .. }
            | Self::Write { source, .. } => hint_for(source),
            Self::NoFolder => "set MCP_DRAWBRIDGE_DIR to a folder, as an absolute path".to_owned(),
            Self::Exposed { .. } => {
                "set MCP_DRAWBRIDGE_DIR to a folder that belongs to you alone".to_owned()
            }
            Self::Ledger { .. } => {
                "nothing is taken over from mcp-remote as long as it is so; delete the file if you want that".to_owned()
            }
            Self::Newer { .. } => {
                "update mcp-drawbridge, or use --name to keep another sign-in beside it".to_owned()
            }
        }
    }
}

/// What to do about a file that the system did not let us use.
pub(super) fn hint_for(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space on that disk, then try again"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "give yourself the right to write there, or set MCP_DRAWBRIDGE_DIR to a folder where you have it"
        }
        _ => "look at that path, or set MCP_DRAWBRIDGE_DIR to another folder",
    }
    .to_owned()
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFolder => f.write_str(
                "this system names no folder for a user's data, so no sign-ins are kept",
            ),
            Self::Folder { path, source } => {
                write!(f, "cannot use the folder `{}`: {source}", path.display())
            }
            Self::Exposed { path, mode, source } => write!(
                f,
                "other users can read `{}` (mode {mode:03o}), and that cannot be changed: {source}",
                path.display()
            ),
            Self::Read { path, source } => {
                write!(f, "cannot read `{}`: {source}", path.display())
            }
            Self::Write { path, source } => {
                write!(f, "cannot write `{}`: {source}", path.display())
            }
            Self::Ledger { path, reason } => {
                write!(f, "`{}` cannot be used: {reason}", path.display())
            }
            Self::Newer { path, version } => write!(
                f,
                "a newer mcp-drawbridge wrote `{}` (format {version})",
                path.display()
            ),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Folder { source, .. }
            | Self::Exposed { source, .. }
            | Self::Read { source, .. }
            | Self::Write { source, .. } => Some(source),
            Self::NoFolder | Self::Ledger { .. } | Self::Newer { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_what_to_do() {
        let hint = |kind: io::ErrorKind| {
            StoreError::Write {
                path: PathBuf::from("x"),
                source: kind.into(),
            }
            .hint()
        };
        assert!(hint(io::ErrorKind::StorageFull).starts_with("free some space"));
        assert!(hint(io::ErrorKind::ReadOnlyFilesystem).contains("MCP_DRAWBRIDGE_DIR"));
        assert!(hint(io::ErrorKind::PermissionDenied).starts_with("give yourself the right"));
    }
}

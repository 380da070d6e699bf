//! What can go wrong with the cache, what the user should know, and what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

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
    /// This file system has no locks, so processes may sign in or refresh at the same time.
    NoLocks {
        /// The folder.
        folder: PathBuf,
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
            Self::KeyLost { path } => write!(
                f,
                "`{}` has lost the key that its tokens are bound to, so they cannot be used; signing in anew replaces them",
                path.display()
            ),
        }
    }
}

/// Why the cache cannot be used.
#[derive(Debug)]
pub enum StoreError {
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
            Self::Exposed { .. } => {
                "set MCP_DRAWBRIDGE_DIR to a folder that belongs to you alone".to_owned()
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
            Self::Newer { .. } => None,
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

//! Reading the file from the disk: the one place here that acts.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most bytes that are read; a longer file is refused.
pub const LIMIT: usize = 1024 * 1024;

/// What was read of a configuration file.
pub struct Opened {
    /// Where it is, whatever the current folder is.
    pub path: PathBuf,
    /// The content, at most one byte more than [`LIMIT`].
    pub bytes: Vec<u8>,
    /// The access rights, if they let others than the user read it.
    pub shared: Option<u32>,
}

/// Why a configuration file cannot be read.
pub enum OpenError {
    /// There is none, as far as this process may see.
    Absent(io::Error),
    /// There is one.
    Unreadable(io::Error),
}

/// Reads a configuration file, or the beginning of one that is too long.
pub fn open(path: &Path) -> Result<Opened, OpenError> {
    // A sandbox may hide the whole folder of configurations, which then is as if it were empty.
    let found = fs::metadata(path).map_err(OpenError::Absent)?;
    let read = || {
        if found.is_dir() {
            return Err(io::Error::other("it is a folder"));
        }
        // Room for all of it, so that it takes one read.
        let size = usize::try_from(found.len()).unwrap_or(LIMIT);
        let mut bytes = Vec::with_capacity(size.min(LIMIT) + 1);
        let file = File::open(path)?;
        file.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Opened {
            path: std::path::absolute(path)?,
            bytes,
            shared: shared(&found),
        })
    };
    read().map_err(OpenError::Unreadable)
}

#[cfg(unix)]
fn shared(found: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o7777;
    // A pipe has rights of its own kind.
    (found.is_file() && mode & 0o044 != 0).then_some(mode)
}

/// Other systems keep a user's configuration where nobody else reads it.
#[cfg(not(unix))]
fn shared(_: &fs::Metadata) -> Option<u32> {
    None
}

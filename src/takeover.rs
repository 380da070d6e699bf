//! Reads the sign-ins that mcp-remote keeps. Changes nothing there, and makes no file.

mod processes;

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::compat::import::{
    Content, FileFault, Found, Kind, Lease, Lock, Place, Rank, SIZE_LIMIT, choose,
};
use crate::oauth::takeover::Offer;

/// What was found for one server.
#[derive(Debug, Default)]
pub struct Looked {
    /// The sign-in, if there is one.
    pub offer: Option<Offer>,
    /// The file that it stands in.
    pub path: Option<PathBuf>,
    /// Files that cannot be used.
    pub troubles: Vec<Trouble>,
}

/// A file of mcp-remote that cannot be used. It stays as it is.
#[derive(Debug)]
pub struct Trouble {
    /// The file, or the folder.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum Why {
    /// The system does not let us read it.
    Io(io::Error),
    /// It is a symbolic link.
    Link,
    /// It is a folder, a pipe or something else.
    Special,
    /// It is larger than anything that mcp-remote writes.
    Large,
    /// It belongs to another user.
    Foreign,
    /// Others can change it, or read it; its mode.
    Exposed(u32),
    /// It says something else than it should.
    Content(FileFault),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "mcp-remote's `{path}` is not taken over: ")?;
        match &self.why {
            Why::Io(error) => error.fmt(f),
            Why::Link => f.write_str("it is a symbolic link"),
            Why::Special => f.write_str("it is not a regular file"),
            Why::Large => f.write_str("it is larger than 1 MiB"),
            Why::Foreign => f.write_str("it belongs to another user"),
            Why::Exposed(mode) => write!(
                f,
                "other users can get at it (mode {mode:03o}); if you trust them, `chmod 600` it and try again"
            ),
            Why::Content(fault) => fault.fmt(f),
        }
    }
}

/// Bytes of a file, and when it was written, in seconds since the epoch.
struct Bytes {
    bytes: Zeroizing<Vec<u8>>,
    written_at: u64,
}

impl Bytes {
    fn content(&self) -> Content<'_> {
        Content {
            bytes: &self.bytes,
            written_at: self.written_at,
        }
    }
}

/// Looks for the sign-in at `place`. Reads files and, if there is one, the list of processes; takes
/// milliseconds.
pub fn look(place: &Place) -> Looked {
    let mut looked = Looked::default();
    let mut found = Vec::new();
    let mut holders = Vec::new();
    for (folder, name, rank) in folders(place, &mut looked.troubles) {
        let path = folder.join(Kind::Tokens.file(&name));
        match sign_in(&folder, &name, rank) {
            Ok(None) => continue,
            Ok(Some(sign_in)) => found.push((path, sign_in)),
            Err(trouble) => {
                looked.troubles.push(trouble);
                continue;
            }
        }
        holders.extend(holder(&folder, &name));
    }
    if found.is_empty() {
        return looked;
    }
    let running = processes::running(&place.server);
    let running = running.or_else(|| holders.first().copied());
    let marked: Vec<(String, PathBuf)> = found
        .iter()
        .map(|(path, found)| (found.offer.source.mark.clone(), path.clone()))
        .collect();
    let found = found.into_iter().map(|(_, found)| found).collect();
    looked.offer = choose(found, running, now().as_secs());
    looked.path = looked.offer.as_ref().and_then(|offer| {
        let mut marked = marked.into_iter();
        let chosen = marked.find(|(mark, _)| *mark == offer.source.mark);
        chosen.map(|(_, path)| path)
    });
    looked
}

/// The process of mcp-remote that runs for a server, if one does. `server` is the address, and `file`
/// the one that a sign-in was taken over from. Takes milliseconds.
pub fn still_runs(server: &str, file: Option<&Path>) -> Option<u32> {
    // It is started with the address as somebody wrote it.
    let bare = server.strip_suffix('/').unwrap_or(server);
    let spelt = [bare.to_owned(), format!("{bare}/")];
    let running = spelt.iter().find_map(|server| processes::running(server));
    running.or_else(|| {
        let file = file?;
        let name = file.file_name()?.to_str()?;
        let name = name.strip_suffix(&Kind::Tokens.file(""))?;
        holder(file.parent()?, name)
    })
}

/// The folders that may have the sign-in, with its name there.
fn folders(place: &Place, troubles: &mut Vec<Trouble>) -> Vec<(PathBuf, String, Rank)> {
    let entries = match fs::read_dir(&place.base) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                let (path, why) = (place.base.clone(), Why::Io(error));
                troubles.push(Trouble { path, why });
            }
            return Vec::new();
        }
    };
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        let folder = entry.file_name();
        if let Some((name, rank)) = folder
            .to_str()
            .and_then(|folder| place.names.within(folder))
        {
            folders.push((entry.path(), name.to_owned(), rank));
        }
    }
    folders.sort();
    folders
}

/// The sign-in of this name in a folder; `None` if it has none.
fn sign_in(folder: &Path, name: &str, rank: Rank) -> Result<Option<Found>, Trouble> {
    let path = |kind: Kind| folder.join(kind.file(name));
    let read_as = |kind| {
        let path = path(kind);
        read(&path).map_err(|why| Trouble { path, why })
    };
    let Some(tokens) = read_as(Kind::Tokens)? else {
        return Ok(None);
    };
    let client = read_as(Kind::Client)?;
    let client = client.as_ref().map(Bytes::content);
    match Found::read(rank, &tokens.content(), client.as_ref()) {
        Ok(found) => Ok(Some(found)),
        Err((kind, fault)) => Err(Trouble {
            path: path(kind),
            why: Why::Content(fault),
        }),
    }
}

/// The process that says in a file that it uses the sign-in of this name, if it lives.
fn holder(folder: &Path, name: &str) -> Option<u32> {
    let read_as = |kind: Kind| read(&folder.join(kind.file(name))).ok().flatten();
    let now = now().as_millis() as u64;
    let lease = read_as(Kind::Lease).and_then(|read| Lease::read(&read.bytes));
    let lease = lease.filter(|lease| lease.holds(now));
    // The number may be another program's by now, or never have been mcp-remote's.
    let may_refresh =
        |pid: u32| processes::is_mcp_remote(pid).unwrap_or_else(|| processes::may_live(pid));
    if let Some(lease) = lease.filter(|lease| may_refresh(lease.pid)) {
        return Some(lease.pid);
    }
    let lock = read_as(Kind::Lock).and_then(|read| Lock::read(&read.bytes))?;
    let is_held = match processes::is_mcp_remote(lock.pid) {
        Some(is) => is,
        // The number of a process that has ended is given to others in time.
        None => lock.is_young(now) && processes::may_live(lock.pid),
    };
    is_held.then_some(lock.pid)
}

/// Reads a file of mcp-remote's; `None` if it is not there.
fn read(path: &Path) -> Result<Option<Bytes>, Why> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Why::Io)?,
    };
    check(path, &found)?;
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Why::Io)?,
    };
    // It may be another by now.
    let opened = file.metadata().map_err(Why::Io)?;
    check(path, &opened)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(opened.len() as usize + 1));
    file.take(SIZE_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(Why::Io)?;
    let modified = opened.modified().map_err(Why::Io)?;
    let written_at = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(Bytes {
        bytes,
        written_at: written_at.as_secs(),
    }))
}

fn check(path: &Path, found: &Metadata) -> Result<(), Why> {
    if found.is_symlink() {
        return Err(Why::Link);
    }
    if !found.is_file() {
        return Err(Why::Special);
    }
    if found.len() > SIZE_LIMIT {
        return Err(Why::Large);
    }
    system::check_owner(path, found)
}

/// The time since the epoch.
fn now() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(unix)]
mod system {
    use std::fs::{self, Metadata};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    use super::Why;

    /// Whoever else could write it may have put a sign-in of theirs there, and what others could read
    /// they may use as well.
    pub fn check_owner(path: &Path, found: &Metadata) -> Result<(), Why> {
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(Why::Foreign);
        }
        let mode = found.permissions().mode() & 0o7777;
        match mode & 0o077 != 0 && is_reachable(path) {
            true => Err(Why::Exposed(mode)),
            false => Ok(()),
        }
    }

    /// Whether anybody else gets as far as this file: versions before 0.1.38 wrote files that all may
    /// read, which in a home of the user's own harms nobody.
    fn is_reachable(path: &Path) -> bool {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut above = path.ancestors().skip(1);
        above.all(|folder| {
            let found = fs::metadata(folder);
            found.is_ok_and(|found| found.permissions().mode() & 0o011 != 0)
        })
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::Metadata;
    use std::path::Path;

    use super::Why;

    /// Access is decided by the folder's list, which a file mode does not show.
    pub fn check_owner(_path: &Path, _found: &Metadata) -> Result<(), Why> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

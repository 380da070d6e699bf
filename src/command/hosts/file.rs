//! Changes a file that belongs to another program: as a whole or not at all, with a copy of what was
//! there beside it, and never over something that was not read.

mod fault;
mod name;

use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use fault::FileFault;
use name::Copied;

use crate::store;

/// Largest file that is read, in bytes. No host's is near it.
const SIZE_LIMIT: u64 = 64 << 20;

/// A file as it was read.
pub struct Original {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: Metadata,
}

impl Original {
    /// Reads a file; `None` if there is none. Links are told apart by [`Original::is_changeable`],
    /// since most files are not changed.
    pub fn read(path: &Path) -> Result<Option<Self>, FileFault> {
        let failed = |source| FileFault::Io("be read", source);
        let metadata = match fs::metadata(path) {
            Err(error) if is_absent(&error) => return Ok(None),
            other => other.map_err(failed)?,
        };
        if !metadata.is_file() {
            return Ok(None);
        }
        if metadata.len() > SIZE_LIMIT {
            return Err(FileFault::TooLarge);
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        let file = fs::File::open(path).map_err(failed)?;
        file.take(SIZE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(Some(Self {
            path: path.to_owned(),
            bytes,
            metadata,
        }))
    }

    /// What the file says.
    pub fn text(&self) -> Result<&str, FileFault> {
        std::str::from_utf8(&self.bytes).map_err(|_| FileFault::NotText)
    }

    /// What the file holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the file may be replaced by another in its place.
    pub fn is_changeable(&self) -> Result<(), FileFault> {
        let found = fs::symlink_metadata(&self.path)
            .map_err(|source| FileFault::Io("be looked at", source))?;
        if found.is_symlink() {
            let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
            return Err(FileFault::Link(target));
        }
        if found.permissions().readonly() {
            return Err(FileFault::ReadOnly);
        }
        match names(&found) {
            0 | 1 => Ok(()),
            count => Err(FileFault::HardLinks(count)),
        }
    }

    /// Puts `new` in the place of the file, and keeps what was there beside it. Gives the path of
    /// that copy. `command` is the one that does it.
    pub fn replace(&self, new: &[u8], command: &str) -> Result<PathBuf, FileFault> {
        self.is_changeable()?;
        sweep(&self.path);
        let temporary = self.write_temporary(new, "be replaced")?;
        let done = self.keep(new, command).and_then(|copy| {
            let replaced = self
                .is_unchanged()
                .and_then(|()| move_over(&temporary, &self.path));
            if replaced.is_err() {
                let _ = fs::remove_file(&copy);
            }
            replaced.map(|()| copy)
        });
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    /// Writes a file beside this one, with its rights and for its owner, under a name that is swept up.
    /// `what` says in an error what this is for.
    fn write_temporary(&self, bytes: &[u8], what: &'static str) -> Result<PathBuf, FileFault> {
        let path = name::temporary(&self.path, rand::random());
        let written = store::create_private(&path)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .map_err(|source| FileFault::Io(what, source))
            .and_then(|()| give_to(&path, &self.metadata));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written.map(|()| path)
    }

    /// Keeps a copy of what was there. It has its name only when it is whole: one that was cut off
    /// could not be told from a file that somebody changed.
    fn keep(&self, new: &[u8], command: &str) -> Result<PathBuf, FileFault> {
        let temporary = self.write_temporary(&self.bytes, "be copied")?;
        let mut time = milliseconds();
        // Another copy may have been made in the same moment, but none is made meanwhile.
        let copy = loop {
            let copy = Copied::new(time, command, new).path(&self.path);
            if fs::symlink_metadata(&copy).is_err() {
                break copy;
            }
            time += 1;
        };
        let named = store::replace(&temporary, &copy);
        if named.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        named
            .map(|()| copy)
            .map_err(|source| FileFault::Io("be copied", source))
    }

    /// Reads a copy of what was there before. The names of copies can be foretold, and whoever gives
    /// the user a folder may have put something else there: a link to a file that nobody else may
    /// read, a pipe that never ends. Only what could have been made here is read.
    fn read_copy(&self, copy: &Path) -> Result<Vec<u8>, FileFault> {
        let failed = |source| FileFault::Io("be read", source);
        let is_ours = |found: &Metadata| {
            found.is_file()
                && found.len() <= SIZE_LIMIT
                && names(found) <= 1
                && has_owner_of(found, &self.metadata)
        };
        let refused = || FileFault::NoCopy(copy.to_owned());
        let found = fs::symlink_metadata(copy).map_err(failed)?;
        if !is_ours(&found) {
            return Err(refused());
        }
        let file = open_unfollowed(copy).map_err(failed)?;
        // It may be another by now.
        if !is_ours(&file.metadata().map_err(failed)?) {
            return Err(refused());
        }
        let mut bytes = Vec::with_capacity(found.len() as usize + 1);
        file.take(SIZE_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(bytes)
    }

    /// Puts what was there before in the place of the file, in a file of its own: what has the name
    /// of the copy may be another by now.
    fn put_back(&self, bytes: &[u8]) -> Result<(), FileFault> {
        self.is_changeable()?;
        sweep(&self.path);
        let temporary = self.write_temporary(bytes, "be replaced")?;
        let replaced = self
            .is_unchanged()
            .and_then(|()| move_over(&temporary, &self.path));
        if replaced.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        replaced
    }

    /// Whether the file still is what was read.
    fn is_unchanged(&self) -> Result<(), FileFault> {
        let same = fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_file())
            && fs::read(&self.path).is_ok_and(|bytes| bytes == self.bytes);
        match same {
            true => Ok(()),
            false => Err(FileFault::Changed),
        }
    }
}

/// Makes a file that was not there. Its folders are made, too.
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), FileFault> {
    let failed = |source| FileFault::Io("be written", source);
    if fs::symlink_metadata(path).is_ok() {
        return Err(FileFault::Changed);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let temporary = name::temporary(path, rand::random());
    let written = store::create_private(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    // A link in its place fails if somebody else made the file meanwhile; a rename would not.
    let placed = written.and_then(|()| fs::hard_link(&temporary, path));
    let placed = match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FileFault::Changed),
        Err(_) if temporary.exists() && fs::symlink_metadata(path).is_err() => {
            // Not every file system has links.
            move_over(&temporary, path)
        }
        other => other.map_err(failed),
    };
    let _ = fs::remove_file(&temporary);
    placed?;
    sync_folder_of(path);
    Ok(())
}

/// Puts the newest copy that `command` made in the place of the file. `None` if there is nothing to
/// put back.
pub fn undo(path: &Path, command: &str) -> Result<Option<PathBuf>, FileFault> {
    let mut copies = name::copies(path, command);
    copies.sort_by(|(_, a), (_, b)| b.time().cmp(a.time()));
    if copies.is_empty() {
        return Ok(None);
    }
    let current = Original::read(path)?;
    for (copy, copied) in copies {
        let Some(current) = &current else {
            return Err(FileFault::ChangedSince(copy));
        };
        let bytes = current.read_copy(&copy)?;
        if bytes == current.bytes {
            // The change was never made, or somebody undid it by hand.
            continue;
        }
        if !copied.led_to(&current.bytes) {
            return Err(FileFault::ChangedSince(copy));
        }
        current.put_back(&bytes)?;
        // What it holds is in its place, and a copy that stays is passed over from now on.
        let _ = fs::remove_file(&copy);
        return Ok(Some(copy));
    }
    Ok(None)
}

/// Deletes what a killed process left. Only the holder of the lock writes such files.
fn sweep(path: &Path) {
    for leftover in name::temporaries(path) {
        let _ = fs::remove_file(leftover);
    }
}

fn move_over(new: &Path, path: &Path) -> Result<(), FileFault> {
    store::replace(new, path).map_err(|source| FileFault::Io("be replaced", source))?;
    sync_folder_of(path);
    Ok(())
}

/// Makes a rename last. It has happened, so failing is no reason to say that it has not.
fn sync_folder_of(path: &Path) {
    if let Some(folder) = path.parent() {
        let _ = store::sync_folder(folder);
    }
}

fn is_absent(error: &io::Error) -> bool {
    // A file where a folder should be is no configuration either.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Gives a new file the rights and the owner of the one that it comes beside.
#[cfg(unix)]
fn give_to(path: &Path, like: &Metadata) -> Result<(), FileFault> {
    use std::os::unix::fs::{MetadataExt, chown};
    let failed = |source| FileFault::Io("be replaced", source);
    let made = fs::metadata(path).map_err(failed)?;
    let is_other = made.uid() != like.uid() || made.gid() != like.gid();
    if is_other && chown(path, Some(like.uid()), Some(like.gid())).is_err() {
        return Err(FileFault::Owner);
    }
    fs::set_permissions(path, like.permissions()).map_err(failed)
}

/// Access comes from the folder here.
#[cfg(not(unix))]
fn give_to(_path: &Path, _like: &Metadata) -> Result<(), FileFault> {
    Ok(())
}

/// Opens a file to read it, and neither what a link leads to nor a pipe that nobody writes to.
#[cfg(unix)]
fn open_unfollowed(path: &Path) -> io::Result<fs::File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = fs::File::options();
    options.read(true).custom_flags(flags.bits() as i32);
    options.open(path)
}

/// Opens a file to read it. Making a link takes a right of its own here, and there are no pipes in
/// folders, so it is enough that the caller looked at it before.
#[cfg(not(unix))]
fn open_unfollowed(path: &Path) -> io::Result<fs::File> {
    fs::File::open(path)
}

/// Whether a file belongs to whom another belongs.
#[cfg(unix)]
fn has_owner_of(found: &Metadata, like: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.uid() == like.uid()
}

/// Whether a file belongs to whom another belongs: the folder's list decides here.
#[cfg(not(unix))]
fn has_owner_of(_found: &Metadata, _like: &Metadata) -> bool {
    true
}

/// How many names the file has.
#[cfg(unix)]
fn names(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(found)
}

/// How many names the file has: not known here.
#[cfg(not(unix))]
fn names(_found: &Metadata) -> u64 {
    1
}

#[cfg(test)]
mod tests;

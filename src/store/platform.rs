//! What differs between systems: file modes, syncing a folder, replacing a file, missing locks.

use std::fs::File;
use std::io;
use std::path::Path;

pub use system::{
    create_folder, create_private, exposure, is_shared, make_private, may_write, number, open_lock,
    replace, same_file, sync_folder,
};

/// Whether a lock failed because the file system has none (some network and FUSE mounts), rather
/// than because it is held.
pub fn has_no_locks(error: &io::Error) -> bool {
    if error.kind() == io::ErrorKind::Unsupported {
        return true;
    }
    let codes: &[i32] = match () {
        // ENOLCK
        () if cfg!(target_os = "linux") => &[37],
        // ENOLCK, ENOTSUP, EOPNOTSUPP
        () if cfg!(unix) => &[77, 45, 102],
        // ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED
        () => &[1, 50],
    };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Opens the lock file at `path` anew: a duplicated handle would share the lock of its original.
fn lock_options() -> std::fs::OpenOptions {
    let mut options = File::options();
    // Windows needs write access to lock; nothing is ever written.
    options.read(true).write(true).create(true).truncate(false);
    options
}

/// Refuses to open what is not a plain file: a link could point at somebody else's file, and
/// opening a pipe would wait for its other end.
pub fn refuse_special(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        )),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
mod system {
    use std::fs::{self, DirBuilder, File, Metadata, Permissions};
    use std::io;
    use std::os::unix::fs::{
        DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt as UnixMode,
    };
    use std::path::Path;

    /// Creates the folder, and the missing ones above it, for the user alone.
    pub fn create_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Creates a file that did not exist, for the user alone from its first moment.
    pub fn create_private(path: &Path) -> io::Result<File> {
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    }

    /// Opens a lock file, creating it if it is not there.
    pub fn open_lock(path: &Path) -> io::Result<File> {
        super::refuse_special(path)?;
        super::lock_options().mode(0o600).open(path)
    }

    /// The mode, if it lets group or others in.
    pub fn exposure(found: &Metadata) -> Option<u32> {
        let mode = found.permissions().mode() & 0o7777;
        (mode & 0o077 != 0).then_some(mode)
    }

    /// Whether the folder is meant for everybody, as `/tmp` is: the sticky bit says so.
    pub fn is_shared(found: &Metadata) -> bool {
        found.permissions().mode() & 0o1000 != 0
    }

    /// Takes the rights of group and others away and leaves the owner's.
    pub fn make_private(path: &Path, found: &Metadata) -> io::Result<()> {
        let mode = found.permissions().mode() & 0o7700;
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Puts `new` in the place of `old` in one step. A link at `old` is replaced, not followed.
    pub fn replace(new: &Path, old: &Path) -> io::Result<()> {
        fs::rename(new, old)
    }

    /// Makes a rename last through a power cut.
    pub fn sync_folder(path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some file systems sync files only; the rename itself has happened.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Whether something may be written to the folder, as far as the system knows beforehand: a full
    /// disk shows later.
    pub fn may_write(folder: &Path) -> io::Result<()> {
        use rustix::fs::{Access, access};
        Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    /// What tells the file from others on its disk.
    pub fn number(found: &Metadata) -> u64 {
        found.ino()
    }

    /// Whether `path` still names the file that was opened.
    pub fn same_file(file: &File, path: &Path) -> bool {
        match (file.metadata(), fs::metadata(path)) {
            (Ok(opened), Ok(named)) => opened.dev() == named.dev() && opened.ino() == named.ino(),
            _ => false,
        }
    }
}

#[cfg(windows)]
mod system {
    use std::env;
    use std::fs::{self, File, Metadata};
    use std::io;
    use std::os::windows::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::Duration;

    /// No console window flashes up for the child.
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;

    /// Creates the folder. Inside the user's profile it inherits access for the user alone;
    /// elsewhere that access is set.
    pub fn create_folder(path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(path)?;
        let profile = env::var_os("USERPROFILE").map(PathBuf::from);
        match profile {
            Some(profile) if path.starts_with(&profile) => Ok(()),
            _ => restrict(path),
        }
    }

    /// Cuts inheritance and grants the user alone, by the system's own tool. Its full path is
    /// used, so that no program of that name in the current folder is started instead.
    fn restrict(path: &Path) -> io::Result<()> {
        let missing = |name: &str| io::Error::other(format!("`{name}` is not set"));
        let root = env::var_os("SystemRoot").ok_or_else(|| missing("SystemRoot"))?;
        let user = env::var("USERNAME").map_err(|_| missing("USERNAME"))?;
        let account = match env::var("USERDOMAIN") {
            Ok(domain) => format!("{domain}\\{user}"),
            Err(_) => user,
        };
        let status = Command::new(Path::new(&root).join("System32").join("icacls.exe"))
            .arg(path)
            .args(["/inheritance:r", "/grant:r"])
            .arg(format!("{account}:(OI)(CI)F"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .creation_flags(CREATE_NO_WINDOW)
            .status()?;
        match status.success() {
            true => Ok(()),
            false => Err(io::Error::other("icacls could not restrict the folder")),
        }
    }

    /// Creates a file that did not exist; it inherits the folder's access list.
    pub fn create_private(path: &Path) -> io::Result<File> {
        File::options().write(true).create_new(true).open(path)
    }

    /// Opens a lock file, creating it if it is not there.
    pub fn open_lock(path: &Path) -> io::Result<File> {
        super::refuse_special(path)?;
        super::lock_options().open(path)
    }

    /// Access is decided by the folder's list, which a file mode does not show.
    pub fn exposure(_found: &Metadata) -> Option<u32> {
        None
    }

    /// Never by a file mode: see [`exposure`].
    pub fn is_shared(_found: &Metadata) -> bool {
        false
    }

    /// Nothing to take away: see [`exposure`].
    pub fn make_private(_path: &Path, _found: &Metadata) -> io::Result<()> {
        Ok(())
    }

    /// Puts `new` in the place of `old`. A scanner may hold either file for a moment, so refusals
    /// are tried again for up to half a second.
    pub fn replace(new: &Path, old: &Path) -> io::Result<()> {
        for _ in 0..25 {
            match fs::rename(new, old) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
        fs::rename(new, old)
    }

    /// Folders cannot be synced here; NTFS journals the rename.
    pub fn sync_folder(_path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Only an access list tells, which only trying reads.
    pub fn may_write(_folder: &Path) -> io::Result<()> {
        Ok(())
    }

    /// The same for every file: its number here is not to be had without opening it.
    pub fn number(_found: &Metadata) -> u64 {
        0
    }

    /// An open file's name cannot be given to another here.
    pub fn same_file(_file: &File, _path: &Path) -> bool {
        true
    }
}

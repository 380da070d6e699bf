//! Why a file of another program is not changed.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a file of another program is not changed.
#[derive(Debug)]
pub enum FileFault {
    /// It is a symbolic link to this file.
    Link(PathBuf),
    /// It is marked as read-only.
    ReadOnly,
    /// It has so many names, and a new file would have one of them.
    HardLinks(u64),
    /// It belongs to somebody else, and a new file cannot be given to them.
    Owner,
    /// It is not UTF-8.
    NotText,
    /// It is larger than any configuration is.
    TooLarge,
    /// Somebody else changed it between reading and writing.
    Changed,
    /// It is not what was written with this copy of what was there before.
    ChangedSince(PathBuf),
    /// What has the name of a copy is none that was made here.
    NoCopy(PathBuf),
    /// It cannot be read or written: what, and why.
    Io(&'static str, io::Error),
}

impl FileFault {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Link(target) => format!(
                "change `{}` by hand, or put the file itself in the place of the link",
                target.display()
            ),
            Self::ReadOnly => "make it writable, then try again".to_owned(),
            Self::HardLinks(_) => "change it by hand, or give it one name".to_owned(),
            Self::Owner => "run this as the user whom the file belongs to".to_owned(),
            Self::NotText | Self::TooLarge => "change it by hand".to_owned(),
            Self::Changed => "try again".to_owned(),
            Self::ChangedSince(copy) => format!(
                "to put it back nevertheless, copy `{}` over it; what was changed since is lost then",
                copy.display()
            ),
            Self::NoCopy(copy) => format!(
                "if you did not put it there yourself, ask who did; delete `{}`, then try again",
                copy.display()
            ),
            Self::Io(_, error) if is_full(error) => {
                "make room on the disk, then try again".to_owned()
            }
            Self::Io(..) => {
                "see to it that you may read and write the file and its folder".to_owned()
            }
        }
    }
}

/// Whether there is no room for what is to be written.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(target) => write!(f, "it is a symbolic link to `{}`", target.display()),
            Self::ReadOnly => f.write_str("it is read-only"),
            Self::HardLinks(count) => write!(f, "the same file has {count} names"),
            Self::Owner => f.write_str("it belongs to another user"),
            Self::NotText => f.write_str("it is not UTF-8"),
            Self::TooLarge => f.write_str("it is larger than 64 MiB"),
            Self::Changed => f.write_str("somebody else changed it meanwhile"),
            Self::ChangedSince(_) => f.write_str("it was changed since by someone else"),
            Self::NoCopy(_) => f.write_str(
                "what lies beside it under the name of a copy is no file of its owner's with one name, so nothing is put back from it",
            ),
            Self::Io(what, source) => write!(f, "it cannot {what}: {source}"),
        }
    }
}

impl std::error::Error for FileFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, source) => Some(source),
            _ => None,
        }
    }
}

//! The top-level [`Error`], what the user can do about it, and the exit code it ends with.

use std::error::Error as _;
use std::fmt;
use std::io;

use crate::cli::UsageError;
use crate::compat::refusal::Refusal;
use crate::login::LoginError;
use crate::net::client::HttpError;
use crate::store::{LockError, StoreError};

/// Why the program ends without success.
#[derive(Debug)]
pub enum Error {
    /// The command line or a setting cannot be used.
    Usage(UsageError),
    /// Signing in failed.
    Login(LoginError),
    /// The remote server cannot be reached.
    Unreachable {
        /// The server's name.
        server: String,
        /// What the transport says.
        cause: String,
        /// What the user does next, where that follows from the cause.
        hint: Option<&'static str>,
    },
    /// The remote server answered with a status that leads nowhere.
    Refused {
        /// The server's name.
        server: String,
        /// The HTTP status.
        status: u16,
    },
    /// Stdout cannot be written.
    Stdout(io::Error),
    /// Stdin has ended, and stdout was not read.
    Unread,
    /// The program's own machinery cannot be started.
    Runtime(io::Error),
    /// The cache cannot be used.
    Store(StoreError),
    /// Another process holds a lock, or there is none to be had.
    Lock(LockError),
    /// The HTTP client cannot be built.
    Http(HttpError),
    /// The command is about a sign-in that is not cached.
    NoSignIn {
        /// The name or address that was given.
        what: String,
        /// The names of other sign-ins for the same server.
        others: Vec<String>,
    },
    /// The session with the remote server could not be opened.
    NoSession {
        /// The server's name.
        server: String,
        /// Why, as a sentence.
        reason: String,
        /// What the user does next.
        hint: Option<String>,
    },
    /// `doctor` found something wrong. It has said what.
    Ailing {
        /// The server, or this machine.
        what: String,
        /// The first step that failed.
        step: &'static str,
        /// What that comes to.
        exit_code: u8,
    },
    /// Hosts' files, or entries in them, could not be changed. It has been said why.
    Unchanged {
        /// How many files.
        files: usize,
        /// How many entries of other files.
        entries: usize,
    },
    /// Sign-ins of another program were not taken over. It has been said why.
    NotImported {
        /// How many.
        count: usize,
        /// What that comes to.
        exit_code: u8,
    },
    /// `status --check` found sign-ins that cannot be refreshed. It has said why.
    NotRefreshed {
        /// How many.
        count: usize,
        /// What that comes to.
        exit_code: u8,
    },
    /// An entry cannot be written down.
    Snippet(Refusal),
    /// The user was asked, and did not say yes.
    Declined,
    /// The user ended it.
    Interrupted,
}

impl Error {
    /// The error for a name or address that no sign-in has.
    pub fn no_sign_in(what: impl Into<String>) -> Self {
        Self::NoSignIn {
            what: what.into(),
            others: Vec::new(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.hint().map(str::to_owned),
            Self::Login(error) => error.hint(),
            Self::Unreachable { hint, .. } => {
                let usual = "check the address and the network, then try again";
                Some(hint.unwrap_or(usual).to_owned())
            }
            Self::Refused { .. } => {
                Some("check the address and the headers you configured".to_owned())
            }
            Self::Store(error) => Some(error.hint()),
            Self::Lock(error) => Some(error.hint()),
            Self::NoSignIn { others, .. } if others.is_empty() => {
                Some("`mcp-drawbridge status` lists the sign-ins".to_owned())
            }
            Self::NoSignIn { others, .. } => Some(format!(
                "for that server there is `{}`; give the name, or the same arguments as when signing in",
                others.join("`, `")
            )),
            Self::NoSession { hint, .. } => hint.clone(),
            Self::Unread => Some(
                "read stdout until it ends, or at least until the last answer is there, before you close stdin"
                    .to_owned(),
            ),
            Self::Stdout(error) => stdout_hint(error.kind()).map(str::to_owned),
            Self::Http(_)
            | Self::Runtime(_)
            | Self::Ailing { .. }
            | Self::Unchanged { .. }
            | Self::NotImported { .. }
            | Self::NotRefreshed { .. }
            | Self::Snippet(_)
            | Self::Declined
            | Self::Interrupted => None,
        }
    }

    /// The exit code: 1 failed, 2 wrong usage or configuration, 3 sign-in needed but not possible
    /// here, 4 server unreachable, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(_) | Self::Lock(_) | Self::NoSignIn { .. } | Self::NoSession { .. } => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 4,
            Self::Login(error) if error.is_unreachable() => 4,
            Self::Login(error) if error.needs_person() => 3,
            Self::Login(_) | Self::Refused { .. } => 1,
            Self::Http(_) | Self::Stdout(_) | Self::Unread | Self::Runtime(_) => 1,
            Self::Unchanged { .. } | Self::Snippet(_) | Self::Declined => 1,
            Self::Ailing { exit_code, .. }
            | Self::NotImported { exit_code, .. }
            | Self::NotRefreshed { exit_code, .. } => *exit_code,
            Self::Interrupted => 130,
        }
    }
}

/// What helps where stdout cannot be written; nothing does if nobody reads it.
fn stdout_hint(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, FileTooLarge, QuotaExceeded, StorageFull};
    match kind {
        BrokenPipe | ConnectionReset => None,
        StorageFull | QuotaExceeded | FileTooLarge => {
            Some("make room where stdout goes, or send it elsewhere")
        }
        _ => Some("look where stdout goes, and send it elsewhere if that cannot be written"),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Http(error) => match error.source() {
                Some(cause) => write!(f, "{error}: {cause}"),
                None => error.fmt(f),
            },
            Self::Stdout(error) => write!(f, "cannot write to stdout: {error}"),
            Self::Unread => f.write_str(
                "stdin was closed and stdout not read to its end, so the last answers are missing",
            ),
            Self::Runtime(error) => write!(f, "cannot start: {error}"),
            Self::Store(error) => error.fmt(f),
            Self::Lock(error) => error.fmt(f),
            Self::Login(error) => error.fmt(f),
            Self::Unreachable { server, cause, .. } => {
                write!(f, "`{server}` cannot be reached: {cause}")
            }
            Self::Refused { server, status } => {
                write!(f, "`{server}` answered {status} and asked for no sign-in")
            }
            Self::NoSignIn { what, .. } => write!(f, "there is no sign-in for `{what}`"),
            Self::NoSession { server, reason, .. } => {
                write!(f, "no session with `{server}`: {reason}")
            }
            Self::Ailing { what, step, .. } => {
                write!(f, "{what} cannot be used as it is: `{step}` failed")
            }
            Self::Unchanged { files, entries } => {
                let counted = |count, one, many| match count {
                    0 => None,
                    1 => Some(format!("1 {one}")),
                    count => Some(format!("{count} {many}")),
                };
                let files = counted(*files, "file", "files");
                let entries = counted(*entries, "entry", "entries");
                let what: Vec<String> = files.into_iter().chain(entries).collect();
                write!(f, "{} could not be changed", what.join(" and "))
            }
            Self::NotImported { count: 1, .. } => f.write_str("1 sign-in was not taken over"),
            Self::NotImported { count, .. } => write!(f, "{count} sign-ins were not taken over"),
            Self::NotRefreshed { count: 1, .. } => f.write_str("1 sign-in cannot be refreshed"),
            Self::NotRefreshed { count, .. } => {
                write!(f, "{count} sign-ins cannot be refreshed")
            }
            Self::Snippet(refusal) => refusal.fmt(f),
            Self::Declined => f.write_str("nothing was changed"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Where the text is the inner error's own, its cause is the next in the chain.
        match self {
            Self::Usage(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::Lock(error) => error.source(),
            Self::Http(error) => error.source().and_then(std::error::Error::source),
            Self::Stdout(error) | Self::Runtime(error) => error.source(),
            Self::Login(error) => error.source(),
            Self::NoSignIn { .. }
            | Self::Unread
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::NoSession { .. }
            | Self::Ailing { .. }
            | Self::Unchanged { .. }
            | Self::NotImported { .. }
            | Self::NotRefreshed { .. }
            | Self::Declined
            | Self::Interrupted => None,
            Self::Snippet(refusal) => refusal.source(),
        }
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_usage_keeps_its_hint_and_ends_with_2() {
        let error =
            Error::from(UsageError::new("there is no option `--x`").with_hint("see --help"));
        assert_eq!(error.to_string(), "there is no option `--x`");
        assert_eq!(error.hint().as_deref(), Some("see --help"));
        assert_eq!(error.exit_code(), 2);
        assert_eq!(Error::Interrupted.exit_code(), 130);
    }
}

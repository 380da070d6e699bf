//! The top-level [`Error`], what the user can do about it, and the exit code it ends with.

use std::error::Error as _;
use std::fmt;
use std::io;

use crate::cli::UsageError;
use crate::net::http::HttpError;

/// Why the program ends without success.
#[derive(Debug)]
pub enum Error {
    /// The command line or a setting cannot be used.
    Usage(UsageError),
    /// The HTTP client cannot be set up.
    Http(HttpError),
    /// Stdout cannot be written.
    Stdout(io::Error),
    /// The program's own machinery cannot be started.
    Runtime(io::Error),
    /// The user ended it.
    Interrupted,
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.hint().map(str::to_owned),
            Self::Http(_) | Self::Stdout(_) | Self::Runtime(_) | Self::Interrupted => None,
        }
    }

    /// The exit code: 1 failed, 2 wrong usage or configuration, 3 sign-in needed but not possible
    /// here, 4 server unreachable, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Http(_) | Self::Stdout(_) | Self::Runtime(_) => 1,
            Self::Interrupted => 130,
        }
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
            Self::Runtime(error) => write!(f, "cannot start: {error}"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Usage(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::Stdout(error) | Self::Runtime(error) => Some(error),
            Self::Interrupted => None,
        }
    }
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
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

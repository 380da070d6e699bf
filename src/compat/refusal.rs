//! Why the text of a configuration file is not changed.

use std::fmt;

use super::hosts::tree::{Format, ReadError};

/// Why the text of a configuration file is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not what the host reads.
    Unreadable(Format, ReadError),
    /// A name stands twice where only one counts.
    Twice(String),
    /// What stands there cannot be changed without changing more.
    Knotted(&'static str),
    /// There is an entry of that name.
    Exists(String),
    /// What the file starts runs in a container.
    Container,
    /// The text after the change would not say what it should. It is a fault of this program.
    Unproven,
}

impl Refusal {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(..) => "mend the file, then try again",
            Self::Twice(_) => "remove one of them, then try again",
            Self::Knotted(_) | Self::Unproven => {
                "change it by hand; `mcp-drawbridge add NAME URL --host HOST --print` shows an entry"
            }
            Self::Container => {
                "install mcp-drawbridge in the container, and write its path there by hand"
            }
            Self::Exists(_) => "choose another name, or give `--replace`",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(format, error) => {
                write!(f, "it cannot be read as {}: {error}", format.name())
            }
            Self::Twice(name) => write!(f, "`{name}` stands twice in the same place"),
            Self::Knotted(what) => f.write_str(what),
            Self::Container => f.write_str(
                "what it starts runs in a container, where this program is not at the same path",
            ),
            Self::Exists(name) => write!(f, "there is an entry `{name}` already"),
            Self::Unproven => {
                f.write_str("the change would not come out as it should; nothing was changed")
            }
        }
    }
}

impl std::error::Error for Refusal {}

//! Addresses learnt from servers: which are used at all. Where they lead is judged when they are
//! asked (`net::guard`).

use std::fmt;

use url::Url;

use crate::ids::{ServerUrl, display_url, is_loopback};
use crate::untrusted::{SHOWN, printable};

/// Why an address learnt from a server is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// It is no absolute URL.
    NotAnAddress(String),
    /// It is neither `https`, nor plain `http` within this machine while the server is there too.
    NotSecure(String),
    /// It has a user name, password or fragment.
    Decorated(String),
}

impl AddressFault {
    /// Where the rule is written that it breaks.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::NotAnAddress(_) => "RFC 8414 §2",
            Self::NotSecure(_) => "MCP 2025-11-25, Authorization, Communication Security",
            Self::Decorated(_) => "RFC 6749 §3.1",
        }
    }
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAddress(text) => write!(f, "`{text}` is not an address"),
            Self::NotSecure(text) => write!(f, "`{text}` is not secured by https"),
            Self::Decorated(text) => {
                write!(f, "`{text}` contains a user name, password or fragment")
            }
        }
    }
}

/// An address that a server told us: `https`, or plain `http` to this machine if the MCP server is
/// here as well, so that a remote server cannot send us to our own services (RFC 9728 §7.7).
pub fn learnt_address(text: &str, server: &ServerUrl) -> Result<Url, AddressFault> {
    let url = Url::parse(text).map_err(|_| AddressFault::NotAnAddress(printable(text, SHOWN)))?;
    let shown = || printable(&display_url(&url), SHOWN);
    let local = url.scheme() == "http" && is_loopback(&url) && server.is_loopback();
    if url.scheme() != "https" && !local {
        return Err(AddressFault::NotSecure(shown()));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(AddressFault::Decorated(shown()));
    }
    Ok(url)
}

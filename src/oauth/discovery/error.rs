//! Why a search for metadata ends without success.

use std::error::Error;
use std::fmt;

use url::Url;

use super::AddressFault;
use crate::ids::{Issuer, ResourceId, display_url};
use crate::oauth::token_endpoint::Cause;
use crate::untrusted::{SHOWN, printable};

/// One place that was asked in vain.
#[derive(Clone, Debug)]
pub struct Try {
    /// The place.
    pub url: Url,
    /// What came back, to be read after a colon.
    pub outcome: String,
}

/// Why the search for metadata ends without success.
#[derive(Clone, Debug)]
pub enum DiscoveryError {
    /// Something is down or out of reach: worth another try later.
    Unreachable {
        /// What was asked.
        tried: Vec<Try>,
        /// The network's fault, where it was one.
        cause: Option<Cause>,
        /// Whether it stays so until somebody changes something.
        lasting: bool,
    },
    /// No document at any of the places where one has to be.
    NotFound {
        /// Whose metadata was looked for.
        issuer: Issuer,
        /// What was asked.
        tried: Vec<Try>,
    },
    /// The metadata is about another resource (RFC 9728 §3.3).
    ResourceMismatch {
        /// What the metadata says.
        found: ResourceId,
        /// The server we talk to, fit for messages.
        server: String,
    },
    /// The metadata is about another issuer (RFC 8414 §3.3).
    IssuerMismatch {
        /// The issuer that was asked for.
        expected: Issuer,
        /// What the metadata says.
        found: Issuer,
    },
    /// The resource names no authorization server that could be asked.
    NoAuthorizationServer(String),
    /// The resource does not take tokens in the `Authorization` header, but in these ways.
    HeaderNotAccepted(Vec<String>),
    /// An address that a document names, or that has to be asked, is not safe to use.
    Address {
        /// What the address is for.
        what: &'static str,
        /// What is wrong with it.
        fault: AddressFault,
    },
    /// The document breaks a rule that others rely on.
    Document {
        /// Where it came from.
        url: Box<Url>,
        /// What is wrong with it, to be read after "metadata:".
        reason: String,
        /// Which rule that breaks.
        rule: Option<&'static str>,
    },
    /// The authorization server does not say that it checks PKCE with S256 (RFC 7636 §4.2).
    NoS256 {
        /// Whose metadata.
        issuer: Issuer,
        /// What it lists; `None` if it lists nothing.
        listed: Option<Vec<String>>,
    },
}

impl DiscoveryError {
    /// Whether the same search may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { lasting: false, .. })
    }

    /// The rule that was broken, if one was: where it is written.
    pub fn rule(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unreachable { .. } => return None,
            Self::NotFound { .. } => "RFC 8414 §3",
            Self::ResourceMismatch { .. } => "RFC 9728 §3.3",
            Self::IssuerMismatch { .. } => "RFC 8414 §3.3",
            Self::NoAuthorizationServer(_) => {
                "MCP 2025-11-25, Authorization, Authorization Server Location"
            }
            Self::HeaderNotAccepted(_) => "MCP 2025-11-25, Authorization, Token Requirements",
            Self::Address { fault, .. } => fault.rule(),
            Self::Document { rule, .. } => return *rule,
            Self::NoS256 { .. } => "MCP 2025-11-25, Authorization, Authorization Code Protection",
        })
    }

    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            // Somebody answered, and had nothing to say.
            Self::Unreachable { cause: None, .. } => {
                "try again later; if it stays so, tell the operator of the server"
            }
            Self::Unreachable { .. } => "check the network and the proxy settings, then try again",
            Self::NotFound { .. } => {
                "check the server's address; if it is right, its operator has to publish OAuth metadata"
            }
            Self::NoAuthorizationServer(_) => {
                "check the server's address; if it is right, its operator has to mend its metadata"
            }
            Self::ResourceMismatch { .. } => {
                "check the server's address; if it is right and you trust the server, name the resource with `--resource`"
            }
            Self::NoS256 { listed: None, .. } => {
                "if the provider's documentation says that it supports PKCE, add `--allow-missing-pkce-metadata`"
            }
            Self::IssuerMismatch { .. } => {
                "if you trust the server, name the issuer that it gives with `--issuer`"
            }
            Self::HeaderNotAccepted(_)
            | Self::Address { .. }
            | Self::Document { .. }
            | Self::NoS256 { .. } => "report this to the operator of the server",
        }
    }
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { tried, .. } => {
                f.write_str("the server's OAuth metadata cannot be reached: ")?;
                list(f, tried)
            }
            Self::NotFound { issuer, tried } => {
                let issuer = printable(issuer.as_str(), SHOWN);
                write!(
                    f,
                    "there is no metadata of the authorization server `{issuer}`: "
                )?;
                list(f, tried)
            }
            Self::ResourceMismatch { found, server } => {
                let found = printable(found.as_str(), SHOWN);
                write!(
                    f,
                    "the metadata is about the resource `{found}`, not about `{server}`"
                )
            }
            Self::IssuerMismatch { expected, found } => write!(
                f,
                "the authorization server `{}` calls itself `{}` in its metadata",
                printable(expected.as_str(), SHOWN),
                printable(found.as_str(), SHOWN)
            ),
            Self::NoAuthorizationServer(reason) => {
                write!(
                    f,
                    "the server's metadata names no usable authorization server: {reason}"
                )
            }
            Self::HeaderNotAccepted(ways) => write!(
                f,
                "the server takes tokens by `{}` only, and not by `header`",
                printable(&ways.join(" "), SHOWN)
            ),
            Self::Address { what, fault } => write!(f, "the {what} {fault}"),
            Self::Document { url, reason, .. } => {
                write!(
                    f,
                    "the metadata at `{}` cannot be used: {reason}",
                    printable(&display_url(url), SHOWN)
                )
            }
            Self::NoS256 { issuer, listed } => {
                let issuer = printable(issuer.as_str(), SHOWN);
                match listed {
                    None => write!(
                        f,
                        "the authorization server `{issuer}` does not say whether it supports PKCE"
                    ),
                    Some(methods) => write!(
                        f,
                        "the authorization server `{issuer}` does not support PKCE with S256, only `{}`",
                        printable(&methods.join(" "), SHOWN)
                    ),
                }
            }
        }
    }
}

impl Error for DiscoveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { cause, .. } => cause.as_ref().map(|cause| cause.as_ref() as _),
            _ => None,
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, tried: &[Try]) -> fmt::Result {
    for (at, one) in tried.iter().enumerate() {
        let comma = if at > 0 { "; " } else { "" };
        let url = printable(&display_url(&one.url), SHOWN);
        write!(f, "{comma}`{url}`: {}", printable(&one.outcome, SHOWN))?;
    }
    Ok(())
}

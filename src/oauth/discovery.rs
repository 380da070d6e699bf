//! Which metadata to ask for, in which order, and whether an answer may be believed (RFC 9728 §3,
//! RFC 8414 §3, OpenID Connect Discovery §4; MCP 2025-11-25, Authorization Server Discovery).
//!
//! A search holds the URL to fetch next and is given what came of it: it goes on, has found what it
//! looks for, or fails. [`resource`] looks for the protected resource metadata, [`server`] for the
//! authorization server metadata.

pub mod resource;
pub mod server;

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;

use url::Url;

use super::document::{DocumentError, Object};
use super::token_endpoint::Cause;
use crate::ids::{Issuer, ResourceId, ServerUrl, display_url, is_loopback};
use crate::untrusted::{SHOWN, printable};

/// An answer to a request of ours, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Where it came from, after redirects.
    pub url: Url,
    /// How long the server asks us to wait, in seconds.
    pub retry_after: Option<u64>,
}

/// Why there is no answer to look at.
#[derive(Clone, Debug)]
pub enum FetchFault {
    /// The request was not sent, so that it can have had no effect.
    NotSent(Cause),
    /// The request may have arrived; the answer did not.
    NoAnswer(Cause),
    /// There was an answer, but none to use: too large, or a redirect elsewhere.
    Unusable(Cause),
}

impl fmt::Display for FetchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotSent(cause) | Self::NoAnswer(cause) | Self::Unusable(cause)) = self;
        cause.fmt(f)
    }
}

impl FetchFault {
    /// What made it fail.
    pub fn cause(&self) -> &Cause {
        let (Self::NotSent(cause) | Self::NoAnswer(cause) | Self::Unusable(cause)) = self;
        cause
    }
}

/// What came of a request.
pub type Fetched = Result<Reply, FetchFault>;

/// How a search goes on.
#[derive(Debug)]
pub enum Step<S, T> {
    /// Fetch what the search points at, after this many seconds.
    Fetch(S, u64),
    /// This is it.
    Found(T),
    /// There is nothing to go on with.
    Failed(DiscoveryError),
}

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
        matches!(self, Self::Unreachable { .. })
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
            Self::Unreachable { .. } => "check the network and the proxy settings, then try again",
            Self::NotFound { .. } | Self::NoAuthorizationServer(_) => {
                "check the server's address; if it is right, its operator has to publish OAuth metadata"
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

/// The places to ask, one after the other; each once more if it is down.
#[derive(Clone, Debug)]
struct Places {
    url: Url,
    next: VecDeque<Url>,
    retried: bool,
    tried: Vec<Try>,
}

/// How long to wait before a place that was down is asked again, in seconds …
const PAUSE: u64 = 1;
/// … and at most, where the server names a time.
const LONGEST_PAUSE: u64 = 10;

impl Places {
    fn new(url: Url, next: impl IntoIterator<Item = Url>) -> Self {
        Self {
            url,
            next: next.into_iter().collect(),
            retried: false,
            tried: Vec::new(),
        }
    }

    /// Notes that this place has nothing.
    fn missed(&mut self, outcome: String) {
        let url = self.url.clone();
        self.tried.push(Try { url, outcome });
    }

    /// Goes to the next place; says whether there is one.
    fn advance(&mut self) -> bool {
        self.retried = false;
        match self.next.pop_front() {
            Some(url) => {
                self.url = url;
                true
            }
            None => false,
        }
    }

    /// How long to wait before this place is asked a second time; `None` if it was already.
    fn retry(&mut self, retry_after: Option<u64>) -> Option<u64> {
        let pause = retry_after.unwrap_or(PAUSE);
        let again = !self.retried && pause <= LONGEST_PAUSE;
        self.retried = true;
        again.then_some(pause)
    }
}

/// What an answer amounts to.
enum Outcome {
    /// A JSON object, and where it came from.
    Document(Object, Url),
    /// There is no document here. Holds what came instead.
    Missing(String),
    /// One may not ask here (401, 403).
    Closed(String),
    /// Something is down (429, 5xx, network).
    Down {
        outcome: String,
        cause: Option<Cause>,
        retry_after: Option<u64>,
    },
    /// There is a document that must not be used.
    Bad(DiscoveryError),
}

fn outcome(fetched: Fetched, unique: &[&'static str]) -> Outcome {
    let reply = match fetched {
        Ok(reply) => reply,
        Err(FetchFault::Unusable(cause)) => return Outcome::Missing(cause.to_string()),
        Err(FetchFault::NotSent(cause) | FetchFault::NoAnswer(cause)) => {
            return Outcome::Down {
                outcome: cause.to_string(),
                cause: Some(cause),
                retry_after: None,
            };
        }
    };
    let status = format!("status {}", reply.status);
    match reply.status {
        200..=299 => match Object::parse(&reply.body, unique) {
            Ok(object) => Outcome::Document(object, reply.url),
            Err(DocumentError::NotAnObject) => Outcome::Missing("no JSON object".to_owned()),
            Err(error) => Outcome::Bad(DiscoveryError::Document {
                url: Box::new(reply.url),
                rule: error.rule(),
                reason: error.to_string(),
            }),
        },
        401 | 403 => Outcome::Closed(status),
        408 | 429 | 500.. => Outcome::Down {
            outcome: status,
            cause: None,
            retry_after: reply.retry_after,
        },
        _ => Outcome::Missing(status),
    }
}

/// `/.well-known/NAME` put between host and path (RFC 8414 §3.1, RFC 9728 §3.1); a slash at the end
/// of the path is left out, the query stays.
fn well_known(url: &Url, name: &str) -> Url {
    let mut inserted = url.clone();
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    inserted.set_path(&format!("/.well-known/{name}{path}"));
    inserted
}

/// Scheme, host and port of an address, with an empty path.
fn origin(url: &Url) -> Url {
    let mut origin = url.clone();
    origin.set_path("");
    origin.set_query(None);
    origin
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A server's answer.
    pub fn reply(url: &Url, status: u16, body: &str) -> Fetched {
        Ok(Reply {
            status,
            body: body.as_bytes().to_vec(),
            url: url.clone(),
            retry_after: None,
        })
    }

    /// A network that does not work.
    pub fn unreachable() -> Fetched {
        Err(FetchFault::NotSent(std::sync::Arc::new(
            std::io::Error::other("connection refused"),
        )))
    }

    pub fn server(text: &str) -> ServerUrl {
        ServerUrl::parse(text, true).expect(text)
    }

    #[test]
    fn learnt_addresses_are_https_or_local_to_a_local_server() {
        let (far, near) = (server("https://m.example/"), server("http://127.0.0.1:1/"));
        for text in ["https://as.example/x?y=z", "https://10.0.0.1/"] {
            assert!(learnt_address(text, &far).is_ok(), "{text}");
        }
        for text in [
            "http://localhost:8/",
            "http://[::1]/",
            "https://as.example/",
        ] {
            assert!(learnt_address(text, &near).is_ok(), "{text}");
        }
        for text in [
            "http://localhost/",
            "http://as.example/",
            "file:///etc/passwd",
            "javascript:1",
        ] {
            let fault = learnt_address(text, &far).unwrap_err();
            assert!(matches!(fault, AddressFault::NotSecure(_)), "{text}");
        }
        let fault = learnt_address("http://as.example/", &near).unwrap_err();
        assert!(matches!(fault, AddressFault::NotSecure(_)));
        let plain = server("http://m.example/");
        assert!(learnt_address("http://localhost/", &plain).is_err());
    }

    #[test]
    fn learnt_addresses_carry_no_credentials_and_no_fragment() {
        let far = server("https://m.example/");
        for text in [
            "https://u@as.example/",
            "https://:p@as.example/",
            "https://as.example/#f",
        ] {
            let fault = learnt_address(text, &far).unwrap_err();
            assert!(matches!(fault, AddressFault::Decorated(_)), "{text}");
        }
        let fault = learnt_address("https://u:SECRET@as.example/?a=SECRET", &far).unwrap_err();
        assert!(!fault.to_string().contains("SECRET"));
        let fault = learnt_address("/relative", &far).unwrap_err();
        assert!(matches!(fault, AddressFault::NotAnAddress(_)));
    }
}

//! Which metadata to ask for, in which order, and whether an answer may be believed (RFC 9728 §3,
//! RFC 8414 §3, OpenID Connect Discovery §4; MCP 2025-11-25, Authorization Server Discovery).
//!
//! A search holds the URL to fetch next and is given what came of it: it goes on, has found what it
//! looks for, or fails. [`resource`] looks for the protected resource metadata, [`server`] for the
//! authorization server metadata.

mod address;
mod error;
pub mod resource;
pub mod server;

use std::collections::VecDeque;
use std::fmt;

use url::Url;

pub use address::{AddressFault, learnt_address};
pub use error::{DiscoveryError, Try};

use super::document::{DocumentError, Object};
use super::token_endpoint::Cause;
use crate::ids::display_url;

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
    /// The same, since one side does not trust the other: asking again does not help.
    Untrusted(Cause),
    /// The request may have arrived; the answer did not.
    NoAnswer(Cause),
    /// There was an answer, but none to use: too large, or a redirect elsewhere.
    Unusable(Cause),
}

impl fmt::Display for FetchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause().fmt(f)
    }
}

impl FetchFault {
    /// What made it fail.
    pub fn cause(&self) -> &Cause {
        let (Self::NotSent(cause)
        | Self::Untrusted(cause)
        | Self::NoAnswer(cause)
        | Self::Unusable(cause)) = self;
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
        // What the network says of an address begins with it, too.
        let repeated = format!("cannot reach `{}`: ", display_url(&url));
        let outcome = match outcome.strip_prefix(&repeated) {
            Some(bare) => bare.to_owned(),
            None => outcome,
        };
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

    /// How long to wait before this place is asked a second time; `None` if it was already, or if
    /// that is of no use.
    fn retry(&mut self, retry_after: Option<u64>, lasting: bool) -> Option<u64> {
        let pause = retry_after.unwrap_or(PAUSE);
        let again = !self.retried && !lasting && pause <= LONGEST_PAUSE;
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
        /// Whether it stays so until somebody changes something.
        lasting: bool,
    },
    /// There is a document that must not be used.
    Bad(DiscoveryError),
}

fn outcome(fetched: Fetched, unique: &[&'static str]) -> Outcome {
    let reply = match fetched {
        Ok(reply) => reply,
        Err(FetchFault::Unusable(cause)) => return Outcome::Missing(cause.to_string()),
        Err(FetchFault::Untrusted(cause)) => {
            return Outcome::Down {
                outcome: cause.to_string(),
                cause: Some(cause),
                retry_after: None,
                lasting: true,
            };
        }
        Err(FetchFault::NotSent(cause) | FetchFault::NoAnswer(cause)) => {
            return Outcome::Down {
                outcome: cause.to_string(),
                cause: Some(cause),
                retry_after: None,
                lasting: false,
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
            lasting: false,
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
pub(crate) mod tests;

//! Which of the two HTTP transports a server speaks, and how that is found out (MCP 2025-11-25,
//! Transports, Backwards Compatibility; MCP 2024-11-05, Transports, HTTP with SSE).
//!
//! ```text
//!             refused                      refused
//! the first ───────────▶ forget it, other ─────────▶ report both
//!     │ works                 │ works
//!     └────────▶ keep ◀───────┘
//! ```
//!
//! Only a refusal of the transport itself leads on. A server that is down, busy, or wants a sign-in
//! has not said which transport it speaks.

use std::fmt;
use std::sync::Arc;

use url::Url;

use super::failure::{Failure, Stage};
use super::jsonrpc::Message;
use crate::ids;

/// How long a verdict against the user's preference is believed, in seconds: the server may have
/// learnt the other transport since.
const LIFETIME: u64 = 24 * 60 * 60;

/// Error codes by which a server of MCP 2026-07-28 refuses a message: it speaks streamable HTTP.
const MODERN_ERRORS: [&str; 3] = ["-32020", "-32021", "-32022"];
/// "Method not found".
const UNKNOWN_METHOD: &str = "-32601";

/// A transport over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP (MCP 2025-03-26 and later).
    Streamable,
    /// HTTP+SSE (MCP 2024-11-05).
    Sse,
}

impl Transport {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Streamable => "streamable-http",
            Self::Sse => "sse",
        }
    }

    /// The transport with this name.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Streamable, Self::Sse]
            .into_iter()
            .find(|transport| transport.name() == name)
    }

    fn other(self) -> Self {
        match self {
            Self::Streamable => Self::Sse,
            Self::Sse => Self::Streamable,
        }
    }
}

/// Which transports may be used, and which is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Streamable HTTP, else HTTP+SSE.
    #[default]
    HttpFirst,
    /// HTTP+SSE, else streamable HTTP.
    SseFirst,
    /// Streamable HTTP alone.
    HttpOnly,
    /// HTTP+SSE alone.
    SseOnly,
}

impl Preference {
    /// The names that [`Preference::parse`] takes, for messages.
    pub const CHOICES: &str = "`http-first`, `sse-first`, `http-only` or `sse-only`";

    /// Reads a name as users write it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "http-first" | "auto" => Some(Self::HttpFirst),
            "sse-first" => Some(Self::SseFirst),
            "http-only" | "http" => Some(Self::HttpOnly),
            "sse-only" | "sse" => Some(Self::SseOnly),
            _ => None,
        }
    }

    fn first(self) -> Transport {
        match self {
            Self::HttpFirst | Self::HttpOnly => Transport::Streamable,
            Self::SseFirst | Self::SseOnly => Transport::Sse,
        }
    }

    fn allows(self, transport: Transport) -> bool {
        match self {
            Self::HttpFirst | Self::SseFirst => true,
            Self::HttpOnly | Self::SseOnly => transport == self.first(),
        }
    }
}

/// What was found out about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The transport it speaks.
    pub transport: Transport,
    /// When that was found out, in seconds since the epoch.
    pub found_at: u64,
}

impl Verdict {
    /// The verdict to keep: `older` stays as it is if it was only found to hold; `now` in seconds
    /// since the epoch.
    pub fn kept(older: Option<Self>, transport: Transport, detected: bool, now: u64) -> Self {
        older
            .filter(|older| older.transport == transport && !detected)
            .unwrap_or(Self {
                transport,
                found_at: now,
            })
    }

    /// Whether it still tells what to try first; `now` in seconds since the epoch.
    pub fn holds(self, preference: Preference, now: u64) -> bool {
        let is_young = now
            .checked_sub(self.found_at)
            .is_some_and(|age| age < LIFETIME);
        preference.allows(self.transport) && (self.transport == preference.first() || is_young)
    }
}

/// Why an attempt to open a session over one transport came to nothing.
#[derive(Clone, Debug)]
pub enum Setback {
    /// There was no answer, or one without JSON-RPC.
    Failed(Failure),
    /// `initialize` was answered with this status and JSON-RPC error.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error.
        error: Message,
    },
    /// The GET was answered, but not with the event stream of MCP 2024-11-05.
    NoEvents(Failure),
}

impl Setback {
    /// Whether it says that the server does not speak the transport. MCP names 400, 404 and 405 for
    /// the POST; 406, 410, 415 and 501 say the same. An outage never does.
    fn decides(&self) -> bool {
        match self {
            Self::Failed(failure) => {
                failure.stage == Stage::Http && failure.status.is_some_and(is_refusal)
            }
            Self::Refused { status, error } => {
                is_refusal(*status) && !shows_endpoint(*status, error)
            }
            Self::NoEvents(_) => true,
        }
    }
}

fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 406 | 410 | 415 | 501)
}

/// Whether an error shows that a JSON-RPC endpoint lives at this address.
fn shows_endpoint(status: u16, error: &Message) -> bool {
    error.body_member("code").is_some_and(|code| {
        MODERN_ERRORS.contains(&code) || status == 404 && code == UNKNOWN_METHOD
    })
}

/// What follows from a setback.
#[derive(Clone, Debug)]
pub enum Next {
    /// Try this transport.
    Try(Transport),
    /// Give up, for this reason.
    Report(Failure),
    /// Give up; the server's own error says why. A remark goes to whoever debugs.
    Deliver(Message, Option<String>),
}

/// Finds out which transport a server speaks.
#[derive(Debug)]
pub struct Detection {
    preference: Preference,
    known: Option<Transport>,
    trying: Transport,
    /// What came of the other transport in this attempt.
    earlier: Option<Setback>,
}

impl Detection {
    /// A detection by this preference. `known`: a verdict that holds ([`Verdict::holds`]).
    pub fn new(preference: Preference, known: Option<Transport>) -> Self {
        let known = known.filter(|known| preference.allows(*known));
        Self {
            preference,
            known,
            trying: known.unwrap_or(preference.first()),
            earlier: None,
        }
    }

    /// Begins an attempt to open a session. Gives what to try first.
    pub fn begin(&mut self) -> Transport {
        self.earlier = None;
        self.trying = self.known.unwrap_or(self.preference.first());
        self.trying
    }

    /// What is being tried, or works.
    pub fn trying(&self) -> Transport {
        self.trying
    }

    /// The transport that is being tried works. `true` if that was not known before.
    pub fn works(&mut self) -> bool {
        self.earlier = None;
        self.known.replace(self.trying) != Some(self.trying)
    }

    /// The transport that is being tried met a setback. A verdict that it contradicts is forgotten.
    pub fn set_back(&mut self, setback: Setback) -> Next {
        let decides = setback.decides();
        if decides && self.known == Some(self.trying) {
            self.known = None;
        }
        match self.earlier.take() {
            None if decides && self.preference.allows(self.trying.other()) => {
                self.earlier = Some(setback);
                self.trying = self.trying.other();
                Next::Try(self.trying)
            }
            None => alone(setback),
            Some(earlier) => match self.trying {
                Transport::Sse => both(earlier, &setback),
                Transport::Streamable => both(setback, &earlier),
            },
        }
    }
}

fn alone(setback: Setback) -> Next {
    match setback {
        Setback::Failed(failure) | Setback::NoEvents(failure) => Next::Report(failure),
        Setback::Refused { error, .. } => Next::Deliver(error, None),
    }
}

/// Neither transport works. The refusal of the POST says more, as most servers speak streamable
/// HTTP; what came of the GET is mentioned.
fn both(post: Setback, get: &Setback) -> Next {
    let get = match get {
        // A person can act on these, and they show that it is the right transport.
        Setback::Failed(failure) if matches!(failure.stage, Stage::Auth | Stage::Protocol) => {
            return Next::Report(failure.clone());
        }
        Setback::Failed(failure) | Setback::NoEvents(failure) => failure,
        // A GET is answered without JSON-RPC.
        Setback::Refused { .. } => return alone(post),
    };
    let mention = match get.status {
        Some(status) if status >= 300 => {
            format!(
                "a GET for the event stream of the older HTTP+SSE transport was answered {status}"
            )
        }
        _ => format!("as for the older HTTP+SSE transport, {}", get.detail),
    };
    match post {
        Setback::Failed(failure) if failure.stage == Stage::Auth => Next::Report(failure),
        Setback::Failed(failure) | Setback::NoEvents(failure) => Next::Report(Failure {
            detail: format!("{}; {mention}", failure.detail),
            retryable: failure.retryable || get.retryable,
            ..failure
        }),
        Setback::Refused { error, .. } => Next::Deliver(error, Some(mention)),
    }
}

/// Where messages go over HTTP+SSE: the address that the event stream named. It may hold a session
/// id, so it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Arc<Url>);

impl Endpoint {
    /// Reads the data of an `endpoint` event: an address, absolute or relative to that of the
    /// stream.
    ///
    /// Tokens and the user's headers go there, so it must have the stream's origin.
    pub fn resolve(stream: &Url, data: &str) -> Result<Self, EndpointError> {
        let endpoint = stream
            .join(data.trim())
            .map_err(|_| EndpointError::NoAddress)?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(EndpointError::NotHttp(endpoint.scheme().to_owned()));
        }
        if !ids::same_origin(stream, &endpoint) {
            let origin = endpoint.origin().ascii_serialization();
            return Err(EndpointError::Foreign(origin));
        }
        match endpoint.username().is_empty() && endpoint.password().is_none() {
            true => Ok(Self(Arc::new(endpoint))),
            false => Err(EndpointError::Credentials),
        }
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint([redacted])")
    }
}

/// Why an `endpoint` event cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// It is no address.
    NoAddress,
    /// It has this scheme.
    NotHttp(String),
    /// It has this other origin.
    Foreign(String),
    /// It has a user name or password.
    Credentials,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("which is no address"),
            Self::NotHttp(scheme) => write!(f, "with the scheme `{scheme}`"),
            Self::Foreign(origin) => write!(
                f,
                "at `{origin}`, another origin, where your token must not go"
            ),
            Self::Credentials => f.write_str("with a user name or a password in it"),
        }
    }
}

impl std::error::Error for EndpointError {}

/// The way a message takes to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the configured address; it is answered there.
    Streamable,
    /// To this address; answers come on the event stream.
    Sse(Endpoint),
}

#[cfg(test)]
mod tests;

//! The format of mcp-remote's files.

use std::fmt;

use serde::Deserialize;

use super::Content;
use crate::ids::Issuer;
use crate::oauth::registration::AuthMethod;
use crate::oauth::scope;
use crate::oauth::takeover::OfferedClient;
use crate::oauth::token::TokenSet;
use crate::secret::Secret;

/// How long who refreshes a token has it for themselves, in milliseconds.
const LEASE: u64 = 30_000;

/// How long a lock is believed whose process cannot be looked at, in milliseconds; the same as
/// mcp-remote believes it.
const LOCK: u64 = 30 * 60_000;

/// How far a time in a file may be ahead of the clock, in milliseconds: clocks are set back a little
/// at times. What is further ahead was not written by mcp-remote, or by a clock that was wrong.
const AHEAD: u64 = 5_000;

/// Whether less than `limit` has passed since `at`, all in milliseconds.
fn is_within(limit: u64, at: u64, now: u64) -> bool {
    at <= now.saturating_add(AHEAD) && now.saturating_sub(at) < limit
}

/// Numbers from here on are milliseconds since the epoch, below they are seconds.
const MILLISECONDS: f64 = 1e11;

/// Why a file cannot be used. The text never quotes the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// There is nothing in it.
    Empty,
    /// It ends in the middle.
    Truncated,
    /// It is not JSON; the line it stops being so.
    NotJson(usize),
    /// A member has another type than it should; the line it stands on.
    WrongType(usize),
    /// A member is empty that must not be.
    Member(&'static str),
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Truncated => f.write_str("it ends in the middle"),
            Self::NotJson(line) => write!(f, "it is not JSON (line {line})"),
            Self::WrongType(line) => write!(f, "it is not of mcp-remote's form (line {line})"),
            Self::Member(name) => write!(f, "its `{name}` is missing or empty"),
        }
    }
}

/// What stands in the file of the tokens. What else is there is of no use here.
#[derive(Deserialize)]
struct WireTokens {
    access_token: String,
    token_type: Option<String>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    scope: Option<String>,
    requested_scope: Option<String>,
    issuer: Option<String>,
    expires_in: Option<Number>,
    expires_at: Option<Number>,
}

/// What stands in the file of the client.
#[derive(Deserialize)]
struct WireClient {
    client_id: String,
    client_secret: Option<String>,
    client_secret_expires_at: Option<Number>,
    token_endpoint_auth_method: Option<String>,
    redirect_uris: Option<Vec<String>>,
    issuer: Option<String>,
}

/// mcp-remote takes numbers in strings as well.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(f64),
    Text(String),
}

impl Number {
    /// A number that is not negative; others say nothing.
    fn value(&self) -> Option<f64> {
        let value = match self {
            Self::Plain(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
        };
        value.filter(|value: &f64| value.is_finite() && *value >= 0.0)
    }
}

pub(super) struct Tokens {
    pub tokens: TokenSet,
    pub issuer: Option<Issuer>,
    pub requested_scopes: Vec<String>,
}

/// Reads the file of the tokens.
pub(super) fn tokens(content: &Content<'_>) -> Result<Tokens, FileFault> {
    let wire: WireTokens = parse(content.bytes)?;
    if wire.access_token.is_empty() {
        return Err(FileFault::Member("access_token"));
    }
    let named = |text: Option<String>| text.filter(|text| !text.is_empty());
    let split = |text: Option<String>| text.map(|text| scope::split(&text).0).unwrap_or_default();
    let in_seconds = |value: f64| match value >= MILLISECONDS {
        true => (value / 1000.0) as u64,
        false => value as u64,
    };
    let stored = wire.expires_at.as_ref().and_then(Number::value);
    // Zero is what an answer without `expires_in` leaves in some versions.
    let stored = stored.filter(|at| *at > 0.0).map(in_seconds);
    // Older versions note the lifetime alone, which began when the file was written.
    let lifetime = wire.expires_in.as_ref().and_then(Number::value);
    let reckoned = lifetime.map(|seconds| content.written_at.saturating_add(seconds as u64));
    Ok(Tokens {
        tokens: TokenSet {
            access_token: Secret::new(wire.access_token),
            refresh_token: named(wire.refresh_token).map(Secret::new),
            token_type: wire.token_type.unwrap_or_else(|| "Bearer".to_owned()),
            expires_at: stored.or(reckoned),
            scopes: split(wire.scope),
            id_token: named(wire.id_token).map(Secret::new),
            proof_key: None,
        },
        issuer: named(wire.issuer).map(Issuer::new),
        requested_scopes: split(wire.requested_scope),
    })
}

/// Reads the file of the client: who knows it, and the client.
pub(super) fn client(bytes: &[u8]) -> Result<(Option<Issuer>, OfferedClient), FileFault> {
    let wire: WireClient = parse(bytes)?;
    if wire.client_id.is_empty() {
        return Err(FileFault::Member("client_id"));
    }
    let ends = wire.client_secret_expires_at.as_ref();
    let ends = ends.and_then(Number::value).map(|at| at as u64);
    let method = wire.token_endpoint_auth_method.as_deref();
    let client = OfferedClient {
        client_id: wire.client_id,
        client_secret: wire
            .client_secret
            .filter(|secret| !secret.is_empty())
            .map(Secret::new),
        // RFC 7591 §3.2.1: 0 means that the secret does not expire.
        client_secret_expires_at: ends.filter(|at| *at != 0),
        auth_method: method.and_then(AuthMethod::from_name),
        redirect_uris: wire.redirect_uris.unwrap_or_default(),
    };
    let issuer = wire.issuer.filter(|issuer| !issuer.is_empty());
    Ok((issuer.map(Issuer::new), client))
}

/// Who refreshes a token right now.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Lease {
    /// The process.
    pub pid: u32,
    /// Since when, in milliseconds since the epoch.
    at: u64,
}

/// Who has a sign-in open, or runs, up to version 0.1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Lock {
    /// The process.
    pub pid: u32,
    /// Since when, in milliseconds since the epoch.
    timestamp: u64,
}

impl Lease {
    /// Reads the file. What is no lease holds nobody off.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        parse(bytes).ok()
    }

    /// Whether it still holds, as far as its age tells. `now` is in milliseconds since the epoch.
    pub fn holds(&self, now: u64) -> bool {
        is_within(LEASE, self.at, now)
    }
}

impl Lock {
    /// Reads the file. What is no lock holds nobody off.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        parse(bytes).ok()
    }

    /// Whether it is so young that its process may be the one that wrote it, where nothing else tells
    /// that. `now` is in milliseconds since the epoch.
    pub fn is_young(&self, now: u64) -> bool {
        is_within(LOCK, self.timestamp, now)
    }
}

pub(super) fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, FileFault> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(FileFault::Empty);
    }
    // serde_json's own message may quote the value it stumbled over, so only the place is kept.
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => FileFault::Truncated,
        serde_json::error::Category::Data => FileFault::WrongType(error.line()),
        _ => FileFault::NotJson(error.line()),
    })
}

//! What an HTTP answer to a message means, and whether the message may be sent again: the one
//! table of faults (MCP 2025-11-25, Transports; RFC 9110 §15).

use std::time::Duration;

use super::failure::{Failure, Stage};
use super::jsonrpc::{self, Kind, Message};
use super::session;
use crate::untrusted::{SHOWN, printable};

/// Most bytes of an error answer that are looked at.
pub const ERROR_BODY_LIMIT: usize = 64 * 1024;
/// Most waits on behalf of `Retry-After`, or of 429 and 503 without it.
const THROTTLED_LIMIT: u32 = 3;
/// Longest time that is waited for a throttling server altogether.
const THROTTLED_WAIT_LIMIT: Duration = Duration::from_secs(60);
/// Most redirects that are followed.
const REDIRECT_LIMIT: u32 = 3;
/// Most times that a message is sent again after a failure that left open whether it arrived.
const REPLAY_LIMIT: u32 = 2;
/// Most times that a message is sent again after it certainly was not sent.
const UNSENT_LIMIT: u32 = 3;

/// What kind of message was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A request.
    Request {
        /// Its method.
        method: &'a str,
        /// Whether carrying it out twice does no harm ([`may_repeat`] says so).
        repeatable: bool,
    },
    /// A notification.
    Notification,
    /// The answer to a request of the server.
    Response,
    /// A GET that asks for an event stream.
    Stream,
}

impl<'a> What<'a> {
    /// Whether sending it twice does no harm. A notification may have effects, too.
    fn is_repeatable(self) -> bool {
        match self {
            Self::Request { repeatable, .. } => repeatable,
            Self::Stream => true,
            Self::Notification | Self::Response => false,
        }
    }

    fn method(self) -> Option<&'a str> {
        match self {
            Self::Request { method, .. } => Some(method),
            _ => None,
        }
    }
}

/// The message that was sent, as far as the table needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// What it is.
    pub what: What<'a>,
    /// Whether it carried a session id.
    pub with_session: bool,
    /// The server's name, for messages.
    pub server: &'a str,
}

/// How often one message was already sent again, and why.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    /// Because the server asked to wait.
    pub throttled: u32,
    /// How long was waited on its behalf.
    pub waited: Duration,
    /// To another address.
    pub redirects: u32,
    /// Although it may have arrived.
    pub replays: u32,
    /// After it was not sent at all.
    pub unsent: u32,
}

impl Tries {
    /// For a message that somebody else sends again.
    pub fn used_up() -> Self {
        Self {
            throttled: THROTTLED_LIMIT,
            replays: REPLAY_LIMIT,
            unsent: UNSENT_LIMIT,
            ..Self::default()
        }
    }

    /// Whether another redirect may be followed; counts it.
    pub fn may_redirect(&mut self) -> bool {
        self.redirects += 1;
        self.redirects <= REDIRECT_LIMIT
    }
}

/// How to read the body of a successful answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// One JSON document.
    Json,
    /// An event stream.
    EventStream,
    /// Something else: JSON if it turns out to be, else an error.
    Unknown,
}

/// Sorts a `Content-Type` by its media type alone (RFC 9110 §8.3.1: case does not matter,
/// parameters do not either).
pub fn body_kind(content_type: Option<&str>) -> BodyKind {
    let media_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        BodyKind::Json
    } else if media_type.eq_ignore_ascii_case("text/event-stream") {
        BodyKind::EventStream
    } else {
        BodyKind::Unknown
    }
}

/// What to do about an answer that is no success.
#[derive(Debug)]
pub enum Verdict {
    /// 401: get a token, then send again.
    SignIn,
    /// 403 `insufficient_scope`: get a token that may do more, then send again.
    StepUp,
    /// The server no longer knows the session; the message was refused unseen.
    SessionLost,
    /// The server answered with a JSON-RPC error.
    Deliver(Message),
    /// Send again to the address in `Location`, if it has the same origin.
    Redirect,
    /// Send again after this time.
    Again(Duration),
    /// Give up.
    Fail(Failure),
}

/// The head of an answer that is no success.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The status code.
    pub status: u16,
    /// The first bytes of the body.
    pub body: &'a [u8],
    /// `Retry-After`, as time from now.
    pub retry_after: Option<Duration>,
    /// Whether the challenge says `insufficient_scope` (RFC 6750 §3.1).
    pub insufficient_scope: bool,
    /// The address in `Location`, fit for messages.
    pub location: Option<&'a str>,
}

/// Judges an answer that is no success. Authorization first, then JSON-RPC, then the status.
pub fn judge(sent: Sent<'_>, refusal: Refusal<'_>, tries: &mut Tries) -> Verdict {
    let status = refusal.status;
    let error = jsonrpc::parse(bytes::Bytes::copy_from_slice(refusal.body))
        .ok()
        .filter(|message| message.kind() == Kind::Error);
    match status {
        401 => return Verdict::SignIn,
        403 if refusal.insufficient_scope => return Verdict::StepUp,
        307 | 308 if tries.redirects < REDIRECT_LIMIT => {
            tries.redirects += 1;
            return Verdict::Redirect;
        }
        429 | 503 | 425 => {
            if let Some(wait) = throttle_wait(sent, refusal, tries) {
                tries.throttled += 1;
                tries.waited += wait;
                return Verdict::Again(wait);
            }
        }
        408 | 500 | 502 | 504
            if error.is_none() && sent.what.is_repeatable() && tries.replays < REPLAY_LIMIT =>
        {
            tries.replays += 1;
            return Verdict::Again(backoff(tries.replays));
        }
        _ => {}
    }
    if sent.with_session && session::means_session_lost(status, error.as_ref()) {
        return Verdict::SessionLost;
    }
    match (error, sent.what) {
        (Some(error), What::Request { .. }) => Verdict::Deliver(error),
        _ => Verdict::Fail(refused(sent, refusal)),
    }
}

/// 429, 503 and 425 say that the request was not processed (RFC 6585 §4, RFC 9110 §15.6.4, RFC
/// 8470 §5.2); without `Retry-After` a 503 says less, and only methods without effects go again.
fn throttle_wait(sent: Sent<'_>, refusal: Refusal<'_>, tries: &Tries) -> Option<Duration> {
    if tries.throttled >= THROTTLED_LIMIT {
        return None;
    }
    let wait = match (refusal.status, refusal.retry_after) {
        (_, Some(wait)) => wait,
        (503, None) if tries.throttled > 0 || !sent.what.is_repeatable() => return None,
        _ => backoff(tries.throttled + 1),
    };
    (tries.waited + wait <= THROTTLED_WAIT_LIMIT).then_some(wait)
}

/// How the connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Certainly no byte of the request was read by the server.
    NotSent,
    /// It was not sent, and trying again will not help: one side does not trust the other, or the
    /// proxy between them.
    Distrusted,
    /// It may have been processed, and we do not wait any longer.
    GivenUp,
    /// It may have been processed.
    Unknown,
}

/// What to do when there is no answer at all: `cause` is what the transport says.
pub fn judge_broken(sent: Sent<'_>, delivery: Delivery, cause: &str, tries: &mut Tries) -> Verdict {
    match delivery {
        Delivery::NotSent if tries.unsent < UNSENT_LIMIT => {
            tries.unsent += 1;
            Verdict::Again(backoff(tries.unsent) / 2)
        }
        Delivery::NotSent => Verdict::Fail(Failure::new(
            Stage::Connect,
            true,
            format!(
                "`{}` cannot be reached: {cause}; check the address and the network, then try again",
                sent.server
            ),
        )),
        Delivery::Distrusted => Verdict::Fail(Failure::new(
            Stage::Connect,
            false,
            format!("`{}` cannot be reached: {cause}", sent.server),
        )),
        // The server is told that nobody waits; whoever asked may ask again.
        Delivery::GivenUp => Verdict::Fail(Failure::new(
            Stage::Http,
            true,
            format!(
                "gave up waiting for `{}`: {cause}; the request may have been carried out",
                sent.server
            ),
        )),
        Delivery::Unknown if sent.what.is_repeatable() && tries.replays < REPLAY_LIMIT => {
            tries.replays += 1;
            Verdict::Again(backoff(tries.replays))
        }
        Delivery::Unknown => {
            let repeats = sent.what.is_repeatable();
            let outcome = match repeats {
                true => format!("it was sent {} times; try again later", tries.replays + 1),
                false => {
                    "the request may have been carried out, so it was not sent again".to_owned()
                }
            };
            Verdict::Fail(Failure::new(
                Stage::Http,
                repeats,
                format!(
                    "the connection to `{}` broke before the answer came: {cause}; {outcome}",
                    sent.server
                ),
            ))
        }
    }
}

/// Whether carrying out a request with this method twice does no harm.
pub fn may_repeat(method: &str) -> bool {
    method.ends_with("/list")
        || matches!(
            method,
            "initialize"
                | "server/discover"
                | "ping"
                | "resources/read"
                | "resources/subscribe"
                | "resources/unsubscribe"
                | "prompts/get"
                | "completion/complete"
                | "logging/setLevel"
                | "tasks/get"
                | "tasks/result"
        )
}

fn backoff(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.saturating_sub(1).min(5))
}

fn refused(sent: Sent<'_>, refusal: Refusal<'_>) -> Failure {
    let status = refusal.status;
    let server = sent.server;
    let hint = match status {
        // RFC 9110 §15.4: clients may go on with a GET, which would lose the message.
        300..=399 => match refusal.location {
            Some(location) => {
                format!(
                    "it sends clients on to `{location}`; configure that address if it is the MCP server's"
                )
            }
            None => "it sends clients elsewhere without saying where to".to_owned(),
        },
        400 if misses_certificate(refusal.body) => {
            "it wants a client certificate that it trusts; name yours with `--client-cert` and `--client-key`".to_owned()
        }
        _ => advice(status).to_owned(),
    };
    let said = plain_reason(refusal.body)
        .map(|said| format!(" (“{said}”)"))
        .unwrap_or_default();
    let what = sent
        .what
        .method()
        .map(|method| format!(" to `{method}`"))
        .unwrap_or_default();
    Failure {
        status: Some(status),
        retry_after: refusal.retry_after,
        ..Failure::new(
            Stage::Http,
            matches!(status, 408 | 425 | 429 | 500 | 502..=599),
            format!("`{server}` answered {status}{what}{said}: {hint}"),
        )
    }
}

/// Whether nginx refuses a client without the certificate it wants: it ends no handshake over that,
/// but answers 400 with a page of its own.
fn misses_certificate(body: &[u8]) -> bool {
    [
        "No required SSL certificate was sent",
        "The SSL certificate error",
    ]
    .iter()
    .any(|said| memchr::memmem::find(body, said.as_bytes()).is_some())
}

/// What a person can do about a status.
fn advice(status: u16) -> &'static str {
    match status {
        403 => "you may not have access, or the server does not accept this client",
        404 | 405 | 410 | 501 => "there is no MCP endpoint at this address; check the path",
        406 | 415 => {
            "it does not accept MCP's content types; check that the address is an MCP endpoint"
        }
        413 | 431 => "the request is too large for it",
        429 => "it limits the rate of requests; try again later",
        500..=599 => "the fault is on its side; try again later",
        _ => "check the address and the headers you configured",
    }
}

/// A short plain-text reason of a server: no markup, no control characters, at most 200 characters.
pub fn plain_reason(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(&body[..body.len().min(4096)])
        .ok()?
        .trim();
    if text.starts_with('<') || text.is_empty() {
        return None;
    }
    let from_json = |name| jsonrpc::member(text, name).and_then(jsonrpc::string);
    let text = match text.starts_with('{') {
        true => from_json("error_description")
            .or_else(|| from_json("message"))
            .or_else(|| from_json("error"))?,
        false => text.to_owned(),
    };
    let text = printable(&text, SHOWN);
    (!text.is_empty()).then_some(text)
}

/// The delay before a stream is opened again: what the server asked for, exactly and as long as
/// attempts succeed; else growing from one second to thirty.
pub fn reconnect_delay(asked: Option<Duration>, failures: u32) -> Duration {
    match (asked, failures) {
        (Some(asked), 0) => asked,
        (asked, _) => {
            let base = asked
                .unwrap_or(Duration::from_secs(1))
                .max(Duration::from_millis(100));
            let factor = 1.5_f64.powi(i32::try_from(failures.min(20)).unwrap_or(20));
            base.mul_f64(factor).min(Duration::from_secs(30).max(base))
        }
    }
}

#[cfg(test)]
mod tests;

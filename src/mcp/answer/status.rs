//! Answers that are no success: status × what is known × what was sent → what to do.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

use super::{REDIRECTS, RENEWALS, Sent, Tries, Verdict, WAITED_LIMIT, WAITS, words};
use crate::mcp::jsonrpc::{self, Kind, Message};
use crate::mcp::session;

/// The head of an answer that is no success, and the beginning of its body.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The status code.
    pub status: u16,
    /// The first bytes of the body, at most [`super::ERROR_BODY_LIMIT`].
    pub body: &'a [u8],
    /// `Retry-After`, as time from now.
    pub retry_after: Option<Duration>,
    /// Whether the challenge says `insufficient_scope` (RFC 6750 §3.1).
    pub insufficient_scope: bool,
    /// The address in `Location`, fit for messages.
    pub location: Option<&'a str>,
    /// Whether tokens may go to that address.
    pub location_is_ours: bool,
}

/// What must be known besides the status.
#[derive(Clone, Copy)]
enum Known {
    /// Nothing.
    Any,
    /// The challenge asks for a wider scope.
    Scope,
    /// The message carried a session id, and the error may speak of it
    /// ([`session::means_session_lost`]).
    Session,
    /// `Location` names an address that tokens may go to.
    Nearby,
    /// `Retry-After` says how long to wait.
    Time,
    /// Nothing says how long to wait.
    Untimed,
    /// The body is a JSON-RPC error.
    Error,
}

/// What is done. What has been done as often as it may be gives way to the next row that fits.
#[derive(Clone, Copy)]
enum Step {
    /// Get a token, send again.
    SignIn,
    /// Get a token that may do more, send again.
    Widen,
    /// Open a new session, send again.
    Reopen,
    /// Send again to the address in `Location`, at most [`REDIRECTS`] times.
    Follow,
    /// Send again on a new connection, at most [`RENEWALS`] times.
    Renew,
    /// Wait as long as the server asks, send again: at most [`WAITS`] times and [`WAITED_LIMIT`].
    Wait,
    /// Send again after a moment, at most so often.
    Again(u32),
    /// Give the server's error to the AI client.
    Deliver,
    /// Look at the next row.
    Next,
    /// Tell the AI client (for a notification, the log) that it failed.
    Fail,
}

struct Row {
    status: RangeInclusive<u16>,
    known: Known,
    each: [Step; 5],
}

const fn row(status: RangeInclusive<u16>, known: Known, each: [Step; 5]) -> Row {
    Row {
        status,
        known,
        each,
    }
}

use Known::*;
use Step::*;

/// The first row that fits is taken: authorization first, then what was refused unseen, then what
/// the server says in JSON-RPC, then the status alone. [`words`] has what is said about a failure.
///
/// 425, 429 and 503 with `Retry-After` say that the message was not processed (RFC 8470 §5.2, RFC
/// 6585 §4, RFC 9110 §15.6.4), and so does 421 (§15.5.20). MCP names 404 for a lost session; 410
/// says it louder, and many servers say 400 and mention the session. 301, 302 and 303 would turn a
/// POST into a GET (§15.4), but not a GET.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    //  status     known         request:          request:      notification  answer    GET of
    //                           harmless twice    any other                             a stream
    row(401..=401, Any,          [SignIn,          SignIn,       SignIn,       SignIn,   SignIn]),
    row(403..=403, Scope,        [Widen,           Widen,        Widen,        Widen,    Widen]),

    row(404..=404, Session,      [Reopen,          Reopen,       Reopen,       Reopen,   Reopen]),
    row(410..=410, Session,      [Reopen,          Reopen,       Reopen,       Reopen,   Reopen]),
    row(400..=400, Session,      [Reopen,          Reopen,       Reopen,       Reopen,   Reopen]),

    row(301..=303, Nearby,       [Next,            Next,         Next,         Next,     Follow]),
    row(307..=308, Nearby,       [Follow,          Follow,       Follow,       Follow,   Follow]),
    row(421..=421, Any,          [Renew,           Renew,        Renew,        Renew,    Renew]),
    row(425..=425, Any,          [Wait,            Wait,         Wait,         Wait,     Wait]),
    row(429..=429, Any,          [Wait,            Wait,         Wait,         Wait,     Wait]),
    row(503..=503, Time,         [Wait,            Wait,         Wait,         Wait,     Wait]),

    row(100..=999, Error,        [Deliver,         Deliver,      Next,         Next,     Next]),

    row(408..=408, Any,          [Again(2),        Fail,         Fail,         Fail,     Again(2)]),
    row(500..=500, Any,          [Again(2),        Fail,         Fail,         Fail,     Again(2)]),
    row(502..=502, Any,          [Again(2),        Fail,         Fail,         Fail,     Again(2)]),
    row(503..=503, Untimed,      [Again(1),        Fail,         Fail,         Fail,     Again(2)]),
    row(504..=504, Any,          [Again(2),        Fail,         Fail,         Fail,     Again(2)]),
    row(520..=530, Any,          [Again(2),        Fail,         Fail,         Fail,     Again(2)]),
    row(100..=999, Any,          [Fail,            Fail,         Fail,         Fail,     Fail]),
];

/// Judges an answer that is no success.
pub fn judge(sent: Sent<'_>, refusal: Refusal<'_>, tries: &mut Tries) -> Verdict {
    let body = jsonrpc::without_byte_order_mark(Bytes::copy_from_slice(refusal.body));
    let error = jsonrpc::parse(body)
        .ok()
        .filter(|message| message.kind() == Kind::Error);
    for row in TABLE {
        if row.status.contains(&refusal.status)
            && fits(row.known, sent, refusal, error.as_ref())
            && let Some(verdict) = take(row.each[sent.what.column()], sent, refusal, &error, tries)
        {
            return verdict;
        }
    }
    Verdict::Fail(words::refused(sent, refusal, tries))
}

fn fits(known: Known, sent: Sent<'_>, refusal: Refusal<'_>, error: Option<&Message>) -> bool {
    match known {
        Any => true,
        Scope => refusal.insufficient_scope,
        Session => sent.with_session && session::means_session_lost(refusal.status, error),
        Nearby => refusal.location_is_ours,
        Time => refusal.retry_after.is_some(),
        Untimed => refusal.retry_after.is_none(),
        Error => error.is_some(),
    }
}

/// Counts a step and gives its verdict; `None` if the next row is to be looked at.
fn take(
    step: Step,
    sent: Sent<'_>,
    refusal: Refusal<'_>,
    error: &Option<Message>,
    tries: &mut Tries,
) -> Option<Verdict> {
    match step {
        SignIn => Some(Verdict::SignIn),
        Widen => Some(Verdict::StepUp),
        Reopen => Some(Verdict::SessionLost),
        Follow => once_more(&mut tries.redirects, REDIRECTS).then_some(Verdict::Redirect),
        Renew => once_more(&mut tries.renewals, RENEWALS).then_some(Verdict::Renew),
        Wait => wait(refusal.retry_after, tries).map(Verdict::Again),
        Again(limit) => {
            let wait = tries.backoff(Duration::from_secs(1), tries.replays);
            once_more(&mut tries.replays, limit).then_some(Verdict::Again(wait))
        }
        Deliver => error.clone().map(Verdict::Deliver),
        Next => None,
        Fail => Some(Verdict::Fail(words::refused(sent, refusal, tries))),
    }
}

/// Counts one more, unless the limit is reached.
fn once_more(count: &mut u32, limit: u32) -> bool {
    let more = *count < limit;
    *count += u32::from(more);
    more
}

/// How long to wait for a server that asks for it, or limits the rate without saying how long.
fn wait(asked: Option<Duration>, tries: &mut Tries) -> Option<Duration> {
    let wait = asked.unwrap_or_else(|| tries.backoff(Duration::from_secs(1), tries.throttled));
    let waited = tries.waited.saturating_add(wait);
    if waited > WAITED_LIMIT || !once_more(&mut tries.throttled, WAITS) {
        return None;
    }
    tries.waited = waited;
    Some(wait)
}

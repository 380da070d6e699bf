//! What an HTTP answer to a message means, and whether the message may be sent again: the one
//! policy of faults (MCP 2025-11-25, Transports; RFC 9110 §15).
//!
//! In a sentence: what was not sent is sent again; what was refused unseen is mended and sent again,
//! within bounds; of what may have been carried out only that is sent again which does no harm twice;
//! everything else becomes an error that says so.
//!
//! - [`status`] has the table of answers that are no success, and [`broken`] that of answers that do
//!   not come or break off. What the user reads of it is in [`words`].
//! - A successful answer is read by its [`BodyKind`], and must then be what was asked for.

mod broken;
mod status;
mod words;

use std::time::Duration;

pub use broken::{Delivery, judge_broken};
pub use status::{Refusal, judge};
pub use words::{no_message, not_an_answer, plain_reason, unreadable};

use super::failure::Failure;
use super::jsonrpc::Message;

/// Most bytes of an error answer that are looked at.
pub const ERROR_BODY_LIMIT: usize = 64 * 1024;
/// Most waits on behalf of a server that limits the rate or is busy.
const WAITS: u32 = 3;
/// Longest time that is waited for such a server altogether.
const WAITED_LIMIT: Duration = Duration::from_secs(60);
/// Most redirects that are followed for one message.
pub const REDIRECTS: u32 = 3;
/// Most times that a message is sent again on another connection, since the server says that it came
/// to the wrong one.
const RENEWALS: u32 = 1;

/// What kind of message was sent: the columns of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A request.
    Request {
        /// Its method.
        method: &'a str,
        /// Whether carrying it out twice does no harm (`mcp::tools` says so).
        repeatable: bool,
    },
    /// A notification.
    Notification,
    /// `notifications/initialized`, which does no harm twice. Without it the session is of no use:
    /// servers refuse all other requests (MCP 2025-11-25, Lifecycle, Initialization).
    Announcement,
    /// The answer to a request of the server.
    Response,
    /// A GET that asks for an event stream.
    Stream,
}

impl<'a> What<'a> {
    /// A notification with this method.
    pub fn notification(method: &str) -> Self {
        match method {
            "notifications/initialized" => Self::Announcement,
            _ => Self::Notification,
        }
    }

    /// Its column in the tables.
    fn column(self) -> usize {
        match self {
            Self::Request {
                repeatable: true, ..
            }
            | Self::Announcement => 0,
            Self::Request {
                repeatable: false, ..
            } => 1,
            Self::Notification => 2,
            Self::Response => 3,
            Self::Stream => 4,
        }
    }

    fn method(self) -> Option<&'a str> {
        match self {
            Self::Request { method, .. } => Some(method),
            _ => None,
        }
    }
}

/// The message that was sent, as far as the tables need to know.
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
    /// On another connection.
    pub renewals: u32,
    /// Any number: bridges that failed together must not try again together.
    pub scatter: u16,
}

impl Tries {
    /// For a message that was not sent yet. `scatter`: any number.
    pub fn scattered(scatter: u16) -> Self {
        Self {
            scatter,
            ..Self::default()
        }
    }

    /// For a message that somebody else sends again.
    pub fn used_up() -> Self {
        Self {
            throttled: u32::MAX,
            replays: u32::MAX,
            unsent: u32::MAX,
            ..Self::default()
        }
    }

    /// The wait before the next attempt, where nobody says how long: from `first` on twice as long
    /// each time, and up to a quarter longer by chance.
    fn backoff(&self, first: Duration, attempt: u32) -> Duration {
        let wait = first * (1 << attempt.min(5));
        wait + wait.mul_f64(f64::from(self.scatter) / f64::from(u16::MAX) / 4.0)
    }
}

/// What to do about an answer that is no success, or about one that does not come.
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
    /// Send again to the address in `Location`.
    Redirect,
    /// Send again at once, on a new connection.
    Renew,
    /// Send again after this time.
    Again(Duration),
    /// Give up, and tell the server so, which may still be at work.
    GiveUp(Failure),
    /// Give up.
    Fail(Failure),
}

/// Whether carrying out a request with this method twice does no harm, whatever its parameters.
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

#[cfg(test)]
mod tests;

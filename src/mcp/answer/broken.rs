//! Answers that do not come, or break off: how × what was sent → what to do.

use std::time::Duration;

use super::{Sent, Tries, Verdict, words};

/// How the connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Certainly no byte of the request was read by the server: nobody listens, no such host, no
    /// route, no TLS.
    NotSent,
    /// No connection came about in time; the request was not sent.
    NoConnection,
    /// It was not sent, and trying again will not help: one side does not trust the other, or the
    /// proxy between them.
    Distrusted,
    /// It may have been processed: the connection ended before the answer was there, or what came
    /// is no HTTP.
    Unknown,
    /// It was sent, and nothing more came for as long as we wait. The server may still be at work.
    TimedOut,
    /// It was processed, but the answer is larger than what we take.
    TooLarge,
    /// It was processed, but the answer is compressed in a way that we do not read.
    Unreadable,
}

/// What is done. What has been done as often as it may be gives way to a failure.
#[derive(Clone, Copy)]
enum Step {
    /// Send again after half a moment, at most so often: the server has not seen it.
    Resend(u32),
    /// Send again after a moment, at most so often, although the server may have seen it.
    Again(u32),
    /// Tell the server that nobody waits any more, and the AI client that it failed.
    GiveUp,
    /// Tell the AI client (for a notification, the log) that it failed.
    Fail,
}

use Delivery::*;
use Step::*;

/// Connections that cannot come about in time cost their time-out each, so there are two attempts.
/// A time-out is long already; what it met is not repeated.
#[rustfmt::skip]
const TABLE: &[(Delivery, [Step; 5])] = &[
    //              request:         request:      notification  answer      GET of
    //              harmless twice   any other                               a stream
    (NotSent,      [Resend(3),       Resend(3),    Resend(3),    Resend(3),  Resend(3)]),
    (NoConnection, [Resend(1),       Resend(1),    Resend(1),    Resend(1),  Resend(1)]),
    (Distrusted,   [Fail,            Fail,         Fail,         Fail,       Fail]),
    (Unknown,      [Again(2),        Fail,         Fail,         Fail,       Again(2)]),
    (TimedOut,     [GiveUp,          GiveUp,       Fail,         Fail,       Fail]),
    (TooLarge,     [Fail,            Fail,         Fail,         Fail,       Fail]),
    (Unreadable,   [Fail,            Fail,         Fail,         Fail,       Fail]),
];

/// Judges an exchange without an answer: `cause` is what the transport says.
pub fn judge_broken(sent: Sent<'_>, delivery: Delivery, cause: &str, tries: &mut Tries) -> Verdict {
    let row = TABLE.iter().find(|(listed, _)| *listed == delivery);
    match row.map_or(Fail, |(_, each)| each[sent.what.column()]) {
        Resend(limit) if tries.unsent < limit => {
            let wait = tries.backoff(Duration::from_millis(500), tries.unsent);
            tries.unsent += 1;
            Verdict::Again(wait)
        }
        Again(limit) if tries.replays < limit => {
            let wait = tries.backoff(Duration::from_secs(1), tries.replays);
            tries.replays += 1;
            Verdict::Again(wait)
        }
        GiveUp => Verdict::GiveUp(words::broken(sent, delivery, cause, tries)),
        _ => Verdict::Fail(words::broken(sent, delivery, cause, tries)),
    }
}

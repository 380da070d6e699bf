//! Knowing that the server is still there and still knows the session, by `ping` requests of our own
//! (MCP 2025-11-25, Utilities, Ping). The AI client sees none of it.

use std::time::Duration;

use super::{Effect, Phase, Relay};
use crate::mcp::failure::Failure;
use crate::mcp::jsonrpc::{self, Message};
use crate::mcp::pending::Owner;

/// Longest wait for the answer to a ping that checks the session, in milliseconds.
const CHECK_LIMIT: u64 = 30_000;
/// The wait after a check that came to nothing, in milliseconds. It doubles with each in a row.
const CHECK_AGAIN: u64 = 5_000;
/// What that wait grows to, in milliseconds.
const CHECK_AGAIN_LIMIT: u64 = 60_000;
/// How many checks in a row may come to nothing: after that the next request will tell.
const CHECKS: u32 = 10;

/// What is known of the server's being there. Times are in milliseconds of the caller's clock.
#[derive(Debug, Default)]
pub(super) struct Alive {
    /// The time as it was last told.
    clock: u64,
    /// When something was last sent to the server.
    sent_at: u64,
    /// How long nothing may be sent before a ping is.
    interval: Option<u64>,
    /// The ping that is on its way.
    ping: Option<Ping>,
    /// When the session is checked again.
    check_at: Option<u64>,
    /// How many checks in a row came to nothing.
    checks: u32,
    /// A ping was not answered, and none has been since.
    deaf: bool,
    /// An event stream was given up for that.
    gave_up: bool,
}

/// A ping on its way.
#[derive(Clone, Copy, Debug)]
struct Ping {
    exchange: u64,
    /// When it is given up.
    until: u64,
    /// Whether it is to check the session, or only keeps the connection alive.
    checks: bool,
}

impl Relay {
    /// The same with a ping whenever nothing was sent for so long.
    pub fn keeping_alive(mut self, interval: Option<Duration>) -> Self {
        self.alive.interval =
            interval.map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The connections to the server were renewed, since the old ones may be dead: the machine slept,
    /// say. The server may have restarted meanwhile, and its session be gone. Better that the AI
    /// client learns now what changed than with its next call.
    pub fn connections_renewed(&mut self, now: u64) {
        self.tell_time(now);
        self.alive.checks = 0;
        // What was asked over a dead connection gets no answer.
        self.forget_ping();
        match self.phase {
            Phase::Lost => self.reopen(now),
            _ if self.is_over_sse() => self.events_doubted(now),
            _ => self.check_session(),
        }
    }

    /// A stream of this exchange could not be opened again, which may be for want of the session.
    pub(super) fn session_doubted(&mut self, exchange: u64) {
        let current = self.session.as_ref().map(|session| session.serial);
        let sent_in = match self.is_standing(exchange) {
            true => current,
            false => self.pending.asked(exchange).map(|asked| asked.session),
        };
        let is_checked = self.alive.ping.is_some_and(|ping| ping.checks);
        if sent_in.is_some() && sent_in == current && !is_checked {
            self.forget_ping();
            self.check_session();
        }
    }

    /// Asks the server something that it refuses if it does not know the session any more. Over
    /// HTTP+SSE it shows whether the event stream is alive. Otherwise, without a session id, the server
    /// has nothing to forget.
    pub(super) fn check_session(&mut self) {
        let has_id = self
            .session
            .as_ref()
            .is_some_and(|session| session.id.is_some());
        if matches!(self.phase, Phase::Open) && (has_id || self.is_over_sse()) {
            let patience = self.alive.interval.unwrap_or(CHECK_LIMIT);
            self.ping(patience.min(CHECK_LIMIT), true);
        }
    }

    fn ping(&mut self, patience: u64, checks: bool) {
        let number = self.number();
        let Some(message) = ping_message() else {
            return;
        };
        self.pending.ask(number, Owner::Ping, message);
        self.alive.check_at = None;
        self.alive.ping = Some(Ping {
            exchange: number,
            until: self.alive.clock.saturating_add(patience),
            checks,
        });
        // Nobody is asked to sign in for this.
        self.send_request_that(number, false);
    }

    /// Gives up the ping that is on its way, and checks to come.
    pub(super) fn forget_ping(&mut self) {
        self.alive.check_at = None;
        if let Some(ping) = self.alive.ping.take() {
            self.settle_ping(ping.exchange);
            self.effects.push(Effect::Abort(ping.exchange));
        }
    }

    /// Takes a ping out: whatever comes of it, the AI client has nothing to do with it.
    pub(super) fn settle_ping(&mut self, number: u64) {
        self.answers_elsewhere.remove(&number);
        self.pending.settle(number);
        self.alive.ping = self.alive.ping.filter(|ping| ping.exchange != number);
    }

    pub(super) fn tell_time(&mut self, now: u64) {
        self.alive.clock = now;
    }

    /// Something is being sent to the server.
    pub(super) fn note_sent(&mut self) {
        self.alive.sent_at = self.alive.clock;
    }

    /// When [`Relay::alive_on_time`] is to be called.
    pub(super) fn alive_deadline(&self) -> Option<u64> {
        let due = match (self.alive.interval, self.alive.ping, &self.phase) {
            (Some(interval), None, Phase::Open) => {
                Some(self.alive.sent_at.saturating_add(interval))
            }
            _ => None,
        };
        let given_up = self.alive.ping.map(|ping| ping.until);
        [due, given_up, self.alive.check_at]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn alive_on_time(&mut self, now: u64) {
        if let Some(ping) = self.alive.ping.filter(|ping| now >= ping.until) {
            self.ping_unanswered(ping);
        }
        if self.alive.check_at.is_some_and(|at| now >= at) {
            self.alive.check_at = None;
            self.check_session();
        }
        if let (Some(interval), None, Phase::Open) =
            (self.alive.interval, self.alive.ping, &self.phase)
            && now >= self.alive.sent_at.saturating_add(interval)
        {
            self.ping(interval, false);
        }
    }

    /// A ping was not answered in time. Once that means that its connection is dead. A server that
    /// answers none on a new connection either may not know pings: nothing more is broken for that
    /// until it has answered one.
    fn ping_unanswered(&mut self, ping: Ping) {
        self.forget_ping();
        if ping.checks && self.is_over_sse() {
            if !std::mem::replace(&mut self.alive.gave_up, true) {
                self.detail("nothing came on the event stream");
                self.reopen(self.alive.clock);
            }
        } else if ping.checks {
            self.check_later();
        } else if !std::mem::replace(&mut self.alive.deaf, true) {
            self.detail("the server did not answer a ping in time");
            self.effects.push(Effect::RenewConnections);
            // What follows it is the check of the session.
            self.note_sent();
        }
    }

    fn check_later(&mut self) {
        self.alive.checks += 1;
        if self.alive.checks < CHECKS {
            let wait = CHECK_AGAIN << (self.alive.checks - 1).min(10);
            self.alive.check_at = Some(self.alive.clock + wait.min(CHECK_AGAIN_LIMIT));
        }
    }

    /// The server answered this request.
    pub(super) fn alive_answered(&mut self, number: u64) {
        if self.alive.ping.is_some_and(|ping| ping.exchange == number) {
            self.alive.ping = None;
            self.alive.deaf = false;
            self.alive.gave_up = false;
            self.alive.checks = 0;
        }
    }

    /// This request failed.
    pub(super) fn alive_failed(&mut self, number: u64, failure: &Failure) {
        let Some(ping) = self.alive.ping.filter(|ping| ping.exchange == number) else {
            return;
        };
        self.alive.ping = None;
        // A server that refuses pings, but not for want of the session, knows it.
        let refused = matches!(failure.status, Some(400..=499));
        if ping.checks && !refused {
            self.check_later();
        }
    }
}

fn ping_message() -> Option<Message> {
    jsonrpc::parse(r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#.into()).ok()
}

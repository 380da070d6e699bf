//! What becomes of requests when the event stream of HTTP+SSE is lost, and how it is opened again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Events, INITIALIZE_LIMIT};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::pending::Owner;
use crate::mcp::reconnect;
use crate::mcp::relay::{Effect, Event, Phase, Relay, Waiting};

/// How long a request waits for a lost stream to be open again, in milliseconds. Clients give up
/// after 60 seconds.
const RECONNECT_PATIENCE: u64 = 30_000;
/// How long a POST is awaited that was under way when the stream was lost, in milliseconds.
const DOUBT_LIMIT: u64 = 5_000;
/// A stream that lived this long and then ended is opened again without suspicion; in milliseconds.
const LIVED: u64 = 10_000;

impl Relay {
    /// The stream is gone, and with it the session.
    pub(super) fn events_ended(&mut self, failure: Failure, now: u64) {
        self.link.events = Events::Closed;
        self.link.answer_by = None;
        if let Some(number) = self.opening() {
            return self.ended_while_opening(number, failure, now);
        }
        if self.session.is_none() {
            return;
        }
        let lived = now.saturating_sub(self.link.opened_at) >= LIVED;
        self.link.failures = match lived {
            true => 0,
            false => self.link.failures + 1,
        };
        self.note(format!("{}; opening it again", failure.detail));
        self.lose_events(now);
        self.link.reconnecting = true;
        self.phase = Phase::Lost;
        // The first attempt after a stream that lived is made after the delay as it is.
        self.reconnect_later(self.link.failures.saturating_sub(1), failure, now);
    }

    /// The connection of the stream may be dead, since the machine slept or the network changed, say.
    /// Where nothing is lost with it, another one is better than a silent one.
    pub(in crate::mcp::relay) fn events_doubted(&mut self, now: u64) {
        let in_flight = self.pending.numbers().into_iter().any(|number| {
            let asked = self.pending.asked(number);
            asked.is_some_and(|asked| asked.sent)
        });
        match in_flight {
            true => self.check_session(),
            false if self.opening().is_none() && self.session.is_some() => {
                self.note(format!(
                    "the event stream of `{}` may be dead; opening another one",
                    self.server_name
                ));
                self.lose_events(now);
                self.link.reconnecting = true;
                self.reconnect(now);
            }
            false => {}
        }
    }

    /// Repeating `initialize` does no harm, once; after that the server has a fault.
    fn ended_while_opening(&mut self, number: u64, failure: Failure, now: u64) {
        self.effects.push(Effect::Abort(number));
        let again = self.pending.asked(number).is_some_and(|asked| {
            asked.sent = false;
            !std::mem::replace(&mut asked.resent, true)
        });
        if again && matches!(self.phase, Phase::Opening { .. }) {
            self.renumber_opening(number);
            return self.open_events();
        }
        self.initialize_failed(number, &failure, now);
    }

    /// The session is lost with its stream. What it had not answered is sent again in the next one
    /// where that does no harm, once, and fails otherwise.
    pub(in crate::mcp::relay) fn lose_events(&mut self, now: u64) {
        self.close_events();
        self.close_standing();
        self.session = None;
        self.withdraw_questions("the server lost the session");
        for number in self.pending.numbers() {
            let accepted = self.link.accepted.remove(&number);
            let Some(asked) = self.pending.asked(number).filter(|asked| asked.sent) else {
                continue;
            };
            let repeatable = self.tools.may_repeat(&asked.message);
            if asked.owner == Owner::Restore {
                self.effects.push(Effect::Abort(number));
                self.pending.settle(number);
            } else if repeatable && !asked.resent {
                self.effects.push(Effect::Abort(number));
                self.send_in_next_session(number);
            } else if accepted || repeatable {
                self.effects.push(Effect::Abort(number));
                self.fail_lost(number);
            } else {
                // Its POST may yet be refused, which shows that nothing was done.
                let until = now.saturating_add(DOUBT_LIMIT);
                self.link.doubtful.entry(number).or_insert(until);
            }
        }
        self.link.accepted.clear();
    }

    /// A request that was sent in the lost session, to be sent in the next one.
    fn send_in_next_session(&mut self, number: u64) {
        let new = self.number();
        self.pending.renumber(number, new);
        if let Some(asked) = self.pending.asked(new) {
            asked.resent = true;
            asked.sent = false;
            self.waiting.push_back(Waiting::Request(new));
        }
    }

    /// What came of a POST that was under way when its event stream was lost. `false` if it was not
    /// one of these.
    pub(in crate::mcp::relay) fn doubt_ends(
        &mut self,
        number: u64,
        event: &Event,
        now: u64,
    ) -> bool {
        let settles = matches!(
            event,
            Event::Accepted | Event::Failed(_) | Event::Refused { .. } | Event::SessionLost
        );
        if !settles || self.link.doubtful.remove(&number).is_none() {
            return false;
        }
        // MCP 2024-11-05 knows no status for a session that is gone; servers use these.
        let gone = |status: u16| matches!(status, 400 | 404 | 410);
        let unseen = match event {
            Event::SessionLost => true,
            Event::Refused { status, .. } => gone(*status),
            Event::Failed(failure) => {
                failure.stage == Stage::Connect || failure.status.is_some_and(gone)
            }
            _ => false,
        };
        let asked = self.pending.asked(number);
        let first = asked.is_some_and(|asked| !asked.resent);
        match event {
            _ if unseen && first => {
                self.send_in_next_session(number);
                self.go_on_waiting(now);
            }
            Event::Failed(failure) if !unseen => self.fail(number, failure),
            _ => self.fail_lost(number),
        }
        true
    }

    /// Something waits again: it is sent, or the stream is opened for it.
    fn go_on_waiting(&mut self, now: u64) {
        match self.phase {
            Phase::Lost => self.reopen(now),
            _ => {
                self.be_patient(now);
                self.pump(now);
            }
        }
    }

    /// Fails a request that the end of its event stream overtook.
    fn fail_lost(&mut self, number: u64) {
        let Some(asked) = self.pending.asked(number) else {
            return;
        };
        let repeatable = self.tools.may_repeat(&asked.message);
        let outcome = match repeatable {
            true => "it was sent twice; try again later",
            false => "the request may have been carried out, so it was not sent again",
        };
        let detail = format!(
            "`{}` ended the stream on which the answer was to come; {outcome}",
            self.server_name
        );
        self.fail(number, &Failure::new(Stage::Http, repeatable, detail));
    }

    /// The session could not be opened again. `true` if it is tried anew later, and what waits goes
    /// on waiting.
    pub(in crate::mcp::relay) fn retries_later(&mut self, failure: &Failure, now: u64) -> bool {
        if !self.link.reconnecting {
            return false;
        }
        if failure.stage == Stage::Auth {
            // Only a request is reason enough to ask a person again.
            self.link.again_at = None;
            return false;
        }
        self.link.failures = self.link.failures.saturating_add(1);
        self.detail(format!("not connected yet: {}", failure.detail));
        self.reconnect_later(self.link.failures, failure.clone(), now);
        if !failure.retryable {
            return false;
        }
        self.be_patient(now);
        true
    }

    fn reconnect_later(&mut self, failures: u32, failure: Failure, now: u64) {
        // Without the server's word the first delay already counts as one after a failure.
        let failures = failures + u32::from(self.link.retry.is_none());
        let delay = reconnect::delay_after(self.link.retry, failures);
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.link.again_at = Some(now.saturating_add(delay));
        self.link.failure = Some(failure);
        self.be_patient(now);
    }

    /// Whether the event stream was lost and is not open again yet.
    pub(in crate::mcp::relay) fn is_reconnecting(&self) -> bool {
        self.link.reconnecting
    }

    /// The server no longer knows the session, although the stream was open.
    pub(in crate::mcp::relay) fn reconnect_at_once(&mut self, now: u64) {
        self.link.reconnecting = true;
        self.reconnect(now);
    }

    /// Opens the stream and a new session on it.
    pub(in crate::mcp::relay) fn reconnect(&mut self, now: u64) {
        self.link.again_at = None;
        self.be_patient(now);
        self.initialize_again();
    }

    /// Bounds how long what waits now goes on waiting.
    pub(in crate::mcp::relay) fn be_patient(&mut self, now: u64) {
        let until = now.saturating_add(RECONNECT_PATIENCE);
        for number in self.waiting.iter().filter_map(Waiting::request) {
            self.link.patience.entry(number).or_insert(until);
        }
    }

    pub(in crate::mcp::relay) fn link_deadline(&self) -> Option<u64> {
        let first = |all: &BTreeMap<u64, u64>| all.values().min().copied();
        let (patience, doubt) = (first(&self.link.patience), first(&self.link.doubtful));
        [self.link.again_at, self.link.answer_by, patience, doubt]
            .into_iter()
            .flatten()
            .min()
    }

    pub(in crate::mcp::relay) fn link_on_time(&mut self, now: u64) {
        if self.link.answer_by.is_some_and(|at| now >= at) {
            self.link.answer_by = None;
            let failure = Failure::new(
                Stage::Http,
                true,
                format!(
                    "`{}` accepted `initialize`, but did not answer it within {} s",
                    self.server_name,
                    INITIALIZE_LIMIT / 1000
                ),
            );
            if let Some(number) = self.opening() {
                self.effects.push(Effect::Abort(number));
                self.initialize_failed(number, &failure, now);
            }
        }
        if self.link.again_at.is_some_and(|at| now >= at) {
            self.link.again_at = None;
            if matches!(self.phase, Phase::Lost) {
                self.reconnect(now);
            }
        }
        self.give_up_waiting(now);
    }

    /// Answers requests that have waited long enough for the stream.
    fn give_up_waiting(&mut self, now: u64) {
        for number in due(&mut self.link.doubtful, now) {
            self.effects.push(Effect::Abort(number));
            self.fail_lost(number);
        }
        let given_up = due(&mut self.link.patience, now);
        if given_up.is_empty() {
            return;
        }
        let why = self
            .link
            .failure
            .as_ref()
            .map_or("", |failure| &failure.detail);
        let detail = format!(
            "`{}` has been out of reach for {} s, and this request was not sent: {why}",
            self.server_name,
            RECONNECT_PATIENCE / 1000
        );
        let failure = Failure::new(Stage::Connect, true, detail);
        self.waiting.retain(|waiting| {
            waiting
                .request()
                .is_none_or(|number| !given_up.contains(&number))
        });
        for number in given_up {
            self.fail(number, &failure);
        }
    }
}

/// Takes out what is due by now.
fn due(all: &mut BTreeMap<u64, u64>, now: u64) -> BTreeSet<u64> {
    let is_due = |(number, until): (&u64, &u64)| (*until <= now).then_some(*number);
    let due: BTreeSet<u64> = all.iter().filter_map(is_due).collect();
    all.retain(|number, _| !due.contains(number));
    due
}
